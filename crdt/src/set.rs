//! A set in which a concurrent addition wins over a removal.

use std::collections::{BTreeMap, BTreeSet};

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, LogId};
use crate::lattice::Lattice;
use crate::time::Writer;

/// The optimised add-wins set without tombstones (Bieniusa et al. 2012) as a causal store
/// `DotMap<T, DotSet>` (Almeida, Shoker, Baquero 2018): a removal is a context without the dot.
/// Additions and removals are O(log n) and the dots of the element.
///
/// ```
/// use meshwork_crdt::{AwSet, HybridTime, Lattice, LogId, Writer};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = AwSet::default();
/// one.add(&at(1), "milk");
/// let mut two = one.clone();
/// two.remove(&"milk");
/// one.add(&at(1), "milk");
/// one.join(two);
/// assert!(one.contains(&"milk"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwSet<T> {
    items: BTreeMap<T, BTreeSet<Dot>>,
    /// The same by dot, so that a small delta is joined without looking at every element.
    by_dot: BTreeMap<Dot, T>,
    seen: CausalContext,
}

impl<T> Default for AwSet<T> {
    fn default() -> Self {
        Self { items: BTreeMap::new(), by_dot: BTreeMap::new(), seen: CausalContext::default() }
    }
}

impl<T: Clone + Ord> AwSet<T> {
    /// Whether an element is in the set.
    #[must_use]
    pub fn contains(&self, item: &T) -> bool {
        self.items.contains_key(item)
    }

    /// The elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.keys()
    }

    /// Adds an element; returns the delta.
    pub fn add(&mut self, writer: &Writer, item: T) -> Self {
        let dot = self.seen.next(writer.log);
        let mut delta = Self::default();
        for old in self.items.get(&item).into_iter().flatten() {
            delta.seen.insert(*old);
        }
        delta.seen.insert(dot);
        delta.insert(dot, item);
        self.join(delta.clone());
        delta
    }

    fn insert(&mut self, dot: Dot, item: T) {
        self.by_dot.insert(dot, item.clone());
        self.items.entry(item).or_default().insert(dot);
    }

    /// Removes an element as far as it has been seen here; returns the delta.
    pub fn remove(&mut self, item: &T) -> Self {
        let mut delta = Self::default();
        for dot in self.items.get(item).into_iter().flatten() {
            delta.seen.insert(*dot);
        }
        self.join(delta.clone());
        delta
    }

    /// Removes every element that has been seen here; returns deltas of at most `dots_max` dots each.
    pub fn clear(&mut self, dots_max: usize) -> Vec<Self> {
        let dots: Vec<Dot> = self.by_dot.keys().copied().collect();
        let mut deltas = Vec::new();
        for chunk in dots.chunks(dots_max.max(1)) {
            let mut delta = Self::default();
            for dot in chunk {
                delta.seen.insert(*dot);
            }
            self.join(delta.clone());
            deltas.push(delta);
        }
        deltas
    }

    /// Whether the set says nothing at all, not even that something was removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whose additions are in the set.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.by_dot.keys().map(|dot| dot.log)
    }
}

impl<T: Clone + Ord> Lattice for AwSet<T> {
    fn join(&mut self, other: Self) -> bool {
        let mut gone = Vec::new();
        for range in other.seen.ranges() {
            let last = Dot { log: range.log, seq: range.end() - 1 };
            for (dot, _) in self.by_dot.range(range.first()..=last) {
                if !other.by_dot.contains_key(dot) {
                    gone.push(*dot);
                }
            }
        }
        let mut grew = !gone.is_empty();
        for dot in gone {
            let Some(item) = self.by_dot.remove(&dot) else { continue };
            if let Some(dots) = self.items.get_mut(&item) {
                dots.remove(&dot);
                if dots.is_empty() {
                    self.items.remove(&item);
                }
            }
        }
        for (dot, item) in other.by_dot {
            if !self.seen.contains(dot) {
                grew = true;
                self.insert(dot, item);
            }
        }
        let saw = self.seen.join(other.seen);
        saw || grew
    }
}

impl<T: Encode> Encode for AwSet<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.items.encode(out);
        self.seen.encode(out);
    }
}

impl<T: Decode + Ord + Clone> Decode for AwSet<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let items = BTreeMap::<T, BTreeSet<Dot>>::decode(from)?;
        let seen = CausalContext::decode(from)?;
        let mut by_dot = BTreeMap::new();
        for (item, dots) in &items {
            if dots.is_empty() {
                return Err(DecodeError::NotCanonical);
            }
            for dot in dots {
                if !seen.contains(*dot) || by_dot.insert(*dot, item.clone()).is_some() {
                    return Err(DecodeError::Invalid);
                }
            }
        }
        Ok(Self { items, by_dot, seen })
    }
}
