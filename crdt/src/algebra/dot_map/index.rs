//! Which key holds which dots, in intervals.

use std::collections::BTreeMap;

use crate::dot::{Dot, DotRange};

/// First dot → how many dots, and whose they are. Neighbours of one key are one interval.
#[derive(Clone, Debug)]
pub(super) struct DotIndex<K>(BTreeMap<Dot, (u64, K)>);

impl<K> Default for DotIndex<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Clone + PartialEq> DotIndex<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = DotRange> {
        self.0.iter().map(|(first, (len, _))| DotRange {
            log: first.log,
            start: first.seq,
            len: *len,
        })
    }

    /// The interval that holds a dot, if any.
    fn at(&self, dot: Dot) -> Option<(Dot, u64)> {
        let (first, (len, _)) = self.0.range(..=dot).next_back()?;
        let inside = first.log == dot.log && dot.seq - first.seq < *len;
        inside.then_some((*first, *len))
    }

    /// The intervals that share a dot with `range`, ascending.
    fn touching(&self, range: DotRange) -> impl Iterator<Item = (Dot, &(u64, K))> {
        let from = self.at(range.first()).map_or(range.first(), |(first, _)| first);
        let until = Dot { log: range.log, seq: range.end() }.max(from);
        self.0.range(from..until).map(|(first, held)| (*first, held))
    }

    pub(super) fn overlaps(&self, range: DotRange) -> bool {
        self.touching(range).next().is_some()
    }

    pub(super) fn overlapping(&self, range: DotRange, mut each: impl FnMut(&K)) {
        self.touching(range).for_each(|(_, (_, key))| each(key));
    }

    pub(super) fn insert(&mut self, range: DotRange, key: &K) {
        if let Some((first, (len, owner))) = self.0.range_mut(..range.first()).next_back()
            && first.log == range.log
            && first.seq + *len == range.start
            && owner == key
        {
            *len += range.len;
            return;
        }
        self.0.insert(range.first(), (range.len, key.clone()));
    }

    pub(super) fn remove(&mut self, range: DotRange) {
        let touched: Vec<(Dot, u64)> =
            self.touching(range).map(|(first, (len, _))| (first, *len)).collect();
        for (first, len) in touched {
            let Some((_, key)) = self.0.remove(&first) else { continue };
            let end = first.seq + len;
            if first.seq < range.start {
                self.0.insert(first, (range.start - first.seq, key.clone()));
            }
            if end > range.end() {
                self.0.insert(Dot { log: first.log, seq: range.end() }, (end - range.end(), key));
            }
        }
    }
}
