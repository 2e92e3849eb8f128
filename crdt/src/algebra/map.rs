//! `K ↪ L`: a map of lattices, joined key by key. It is `BTreeMap<K, L>` itself.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::causal::CausalContext;
use crate::dot::LogId;
use crate::lattice::Lattice;

impl<K: Ord + Clone, L: Lattice> Lattice for BTreeMap<K, L> {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for (key, value) in other {
            grew |= match self.entry(key) {
                Entry::Occupied(mut here) => here.get_mut().join(value),
                Entry::Vacant(here) => {
                    here.insert(value);
                    true
                }
            };
        }
        grew
    }

    fn since(&self, seen: &CausalContext) -> Self {
        let news = self.iter().filter_map(|(key, value)| {
            let news = value.since(seen);
            let silent = news == L::default() && *value != news;
            (!silent).then(|| (key.clone(), news))
        });
        news.collect()
    }

    fn split(self) -> Vec<Self> {
        let parts = self.into_iter().flat_map(|(key, value)| {
            value.split().into_iter().map(move |part| Self::from([(key.clone(), part)]))
        });
        parts.collect()
    }

    fn written_by(&self, author: LogId) -> bool {
        self.values().all(|value| value.written_by(author))
    }
}
