//! The causal past of each operation of a space, as a set of places in the order of arrival.
//!
//! Arrival is a topological order, so a past is nearly always everything before some place and a little more;
//! that is how it is kept: a prefix, and bits for what lies beyond.

const BITS: usize = u64::BITS as usize;

/// The operations that one builds on, directly or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// Everything before this place is in.
    prefix: usize,
    /// Bits from the word that `prefix` lies in on.
    words: Vec<u64>,
}

impl Past {
    /// The past of an operation whose predecessors lie at these places, each with its own past.
    pub(crate) fn of<'a>(deps: impl Iterator<Item = (usize, &'a Self)> + Clone) -> Self {
        let longest = deps.clone().map(|(_, past)| past).max_by_key(|past| past.prefix);
        let mut past = longest.cloned().unwrap_or_default();
        for (place, dep) in deps {
            past.join(dep);
            past.insert(place);
        }
        past.trim();
        past
    }

    pub(crate) fn contains(&self, place: usize) -> bool {
        place < self.prefix
            || (place / BITS)
                .checked_sub(self.prefix / BITS)
                .and_then(|word| self.words.get(word))
                .is_some_and(|word| word >> (place % BITS) & 1 == 1)
    }

    /// Adds a past whose prefix is no longer than this one's.
    fn join(&mut self, other: &Self) {
        let skip = self.prefix / BITS - (other.prefix / BITS).min(self.prefix / BITS);
        for (at, word) in other.words.iter().skip(skip).enumerate() {
            match self.words.get_mut(at) {
                Some(own) => *own |= word,
                None => self.words.push(*word),
            }
        }
    }

    fn insert(&mut self, place: usize) {
        if place < self.prefix {
            return;
        }
        let word = place / BITS - self.prefix / BITS;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (place % BITS);
        }
    }

    /// Lengthens the prefix as far as everything is in, and drops the words that it then covers.
    fn trim(&mut self) {
        if let Some(first) = self.words.first_mut() {
            *first |= (1 << (self.prefix % BITS)) - 1;
        }
        let full = self.words.iter().take_while(|word| **word == u64::MAX).count();
        if full > 0 {
            self.prefix = (self.prefix / BITS + full) * BITS;
            self.words.drain(..full);
        }
        if let Some(first) = self.words.first() {
            let ones = first.trailing_ones() as usize;
            self.prefix = (self.prefix / BITS) * BITS + ones;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_past_holds_what_can_be_reached(
            picks in prop::collection::vec(prop::collection::vec(1_usize..70, 1..4), 1..300),
        ) {
            let mut pasts: Vec<Past> = vec![Past::default()];
            let mut sets: Vec<BTreeSet<usize>> = vec![BTreeSet::new()];
            for back in picks {
                let at = pasts.len();
                let deps: Vec<usize> = back.iter().map(|back| at - (*back).min(at)).collect();
                let past = Past::of(deps.iter().map(|dep| (*dep, &pasts[*dep])));
                let mut set: BTreeSet<usize> = deps.iter().copied().collect();
                for dep in &deps {
                    set.extend(sets[*dep].iter().copied());
                }
                for place in 0..at + 130 {
                    prop_assert_eq!(past.contains(place), set.contains(&place), "{} in {}", place, at);
                }
                pasts.push(past);
                sets.push(set);
            }
        }
    }
}
