//! `DotFun<V>`: dots that are held, each with the value written under it.

use crate::algebra::{SmallMap, codec_fields};
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange, LogId};
use crate::store::{DotStore, Turnover};

/// Values by the dot of their writing (Almeida et al. 2018). A dot names one writing; should a forger give it
/// two values, the greater one stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DotFun<V>(SmallMap<Dot, V>);

impl<V> Default for DotFun<V> {
    fn default() -> Self {
        Self(SmallMap::default())
    }
}

impl<V> DotFun<V> {
    /// One value.
    #[must_use]
    pub fn of(dot: Dot, value: V) -> Self {
        Self(SmallMap::of(dot, value))
    }

    /// Adds a value to a delta in the making.
    pub(crate) fn join_one(&mut self, dot: Dot, value: V) {
        self.0.insert(dot, value);
    }

    /// The values by their dots, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Dot, &V)> {
        self.0.iter().map(|(dot, value)| (*dot, value))
    }

    /// The value of a dot.
    #[must_use]
    pub fn get(&self, dot: Dot) -> Option<&V> {
        self.0.get(&dot)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<V: Ord + Clone> DotStore for DotFun<V> {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let mut changed = false;
        self.0.retain(|dot, _| {
            let stays = other.0.contains_key(dot) || !theirs.contains(*dot);
            if !stays {
                turnover.died.push(DotRange::from(*dot));
                changed = true;
            }
            stays
        });
        for (dot, value) in other.0 {
            match self.0.get_mut(&dot) {
                Some(here) if value > *here => *here = value,
                Some(_) => continue,
                None if seen.contains(dot) => continue,
                None => {
                    turnover.born.push(DotRange::from(dot));
                    self.0.insert(dot, value);
                }
            }
            changed = true;
        }
        changed
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.0.keys().for_each(|dot| each(DotRange::from(*dot)));
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        let news = self.0.iter().filter(|(dot, _)| !seen.contains(**dot));
        Self(news.map(|(dot, value)| (*dot, value.clone())).collect())
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.0.keys().all(|dot| dot.log == author)
    }

    fn is_bottom(&self) -> bool {
        self.is_empty()
    }
}

codec_fields!(DotFun<V>(0));
