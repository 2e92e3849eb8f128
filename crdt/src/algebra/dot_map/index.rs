//! Which key holds which dots, in intervals.

use crate::algebra::SmallMap;
use crate::dot::{Dot, DotRange, LogId};

/// For each log: first dot → how many dots, and whose they are. Neighbours of one key are one interval.
#[derive(Clone, Debug)]
pub(super) struct DotIndex<K>(SmallMap<LogId, SmallMap<u64, (u64, K)>>);

impl<K> Default for DotIndex<K> {
    fn default() -> Self {
        Self(SmallMap::default())
    }
}

impl<K: Clone + PartialEq> DotIndex<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = DotRange> {
        self.0.iter().flat_map(|(log, intervals)| {
            intervals.iter().map(|(start, (len, _))| DotRange {
                log: *log,
                start: *start,
                len: *len,
            })
        })
    }

    /// The intervals that share a dot with `range`, descending.
    fn touching(&self, range: DotRange) -> impl Iterator<Item = (u64, &(u64, K))> {
        let reaches = move |start: u64, len: u64| range.start < start || range.start - start < len;
        // New dots come after all others, which need not be searched then.
        let intervals = self.0.get(&range.log).filter(|intervals| {
            intervals.last().is_some_and(|(start, (len, _))| reaches(*start, *len))
        });
        intervals.into_iter().flat_map(move |intervals| {
            let before_end = intervals.range(..range.end()).rev();
            let touching = before_end.take_while(move |(start, (len, _))| reaches(**start, *len));
            touching.map(|(start, held)| (*start, held))
        })
    }

    /// Whose a dot is.
    pub(super) fn key_of(&self, dot: Dot) -> Option<&K> {
        self.touching(dot.into()).next().map(|(_, (_, key))| key)
    }

    pub(super) fn overlaps(&self, range: DotRange) -> bool {
        self.touching(range).next().is_some()
    }

    pub(super) fn overlapping(&self, range: DotRange, mut each: impl FnMut(&K)) {
        self.touching(range).for_each(|(_, (_, key))| each(key));
    }

    pub(super) fn insert(&mut self, range: DotRange, key: &K) {
        let intervals = self.0.or_insert_with(range.log, SmallMap::default);
        if let Some((start, (len, owner))) = intervals.last_below_mut(&range.start)
            && range.start - *start == *len
            && owner == key
        {
            *len += range.len;
            return;
        }
        intervals.insert(range.start, (range.len, key.clone()));
    }

    pub(super) fn remove(&mut self, range: DotRange) {
        let touched: Vec<(u64, u64)> =
            self.touching(range).map(|(start, (len, _))| (start, *len)).collect();
        let Some(intervals) = self.0.get_mut(&range.log) else { return };
        for (start, len) in touched {
            let Some((_, key)) = intervals.remove(&start) else { continue };
            let end = start + len;
            if start < range.start {
                intervals.insert(start, (range.start - start, key.clone()));
            }
            if end > range.end() {
                intervals.insert(range.end(), (end - range.end(), key));
            }
        }
        if intervals.is_empty() {
            self.0.remove(&range.log);
        }
    }
}
