//! Causality: which events have been seen.

use std::collections::BTreeMap;

use crate::algebra::SmallMap;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, DotRange, LogId};
use crate::lattice::Lattice;
use crate::planted::{self, Bug};

/// For each log, up to which event everything has been seen (Parker et al. 1983).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionVector(BTreeMap<LogId, u64>);

impl VersionVector {
    /// The last event seen of a log; 0 for none.
    #[must_use]
    pub fn get(&self, log: LogId) -> u64 {
        self.0.get(&log).copied().unwrap_or(0)
    }

    /// Notes that a log has been seen up to `seq`; tells whether that was news.
    pub fn raise(&mut self, log: LogId, seq: u64) -> bool {
        if seq <= self.get(log) && !planted::is(Bug::VersionLowered) {
            return false;
        }
        self.0.insert(log, seq);
        true
    }

    /// Whether every event that `other` has seen has been seen here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(log, seq)| self.get(log) >= seq)
    }

    /// The logs of which something has been seen, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (LogId, u64)> {
        self.0.iter().map(|(log, seq)| (*log, *seq))
    }
}

impl Lattice for VersionVector {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for (log, seq) in other.iter() {
            grew |= self.raise(log, seq);
        }
        grew
    }
}

impl Encode for VersionVector {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl Decode for VersionVector {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let map = BTreeMap::<LogId, u64>::decode(from)?;
        if map.values().any(|seq| *seq == 0) {
            return Err(DecodeError::NotCanonical);
        }
        Ok(Self(map))
    }
}

/// A set of dots, kept as intervals.
///
/// Exact, gaps included; a log without gaps costs one interval.
#[derive(Clone, Debug)]
pub struct CausalContext(Kept);

/// For each log, start → end (exclusive), apart from each other.
type Intervals = SmallMap<LogId, SmallMap<u64, u64>>;

/// Most deltas, and all objects with one writer, have seen one interval.
#[derive(Clone, Debug)]
enum Kept {
    One(DotRange),
    Many(Intervals),
}

impl Default for CausalContext {
    fn default() -> Self {
        Self(Kept::Many(Intervals::default()))
    }
}

impl PartialEq for CausalContext {
    fn eq(&self, other: &Self) -> bool {
        self.ranges().eq(other.ranges())
    }
}

impl Eq for CausalContext {}

impl CausalContext {
    /// Whether a dot is in the set.
    #[must_use]
    pub fn contains(&self, dot: Dot) -> bool {
        match &self.0 {
            Kept::One(one) => one.log == dot.log && (one.start..one.end()).contains(&dot.seq),
            Kept::Many(logs) => logs.get(&dot.log).is_some_and(|intervals| {
                intervals.range(..=dot.seq).next_back().is_some_and(|(_, end)| dot.seq < *end)
            }),
        }
    }

    /// Adds one dot; tells whether it was new.
    pub fn insert(&mut self, dot: Dot) -> bool {
        self.insert_range(DotRange { log: dot.log, start: dot.seq, len: 1 })
    }

    /// Adds consecutive dots; tells whether any was new. O(log n) and the intervals swallowed.
    pub fn insert_range(&mut self, range: DotRange) -> bool {
        if range.len == 0 {
            return false;
        }
        match &mut self.0 {
            Kept::Many(logs) if logs.is_empty() => {
                self.0 = Kept::One(range);
                return true;
            }
            Kept::One(one) if one.log == range.log => {
                let (start, end) = (one.start.min(range.start), one.end().max(range.end()));
                if (start, end) == (one.start, one.end()) {
                    return false;
                }
                if range.start <= one.end() && one.start <= range.end() {
                    *one = DotRange { log: one.log, start, len: end - start };
                    return true;
                }
            }
            _ => {}
        }
        let intervals = self.many().or_insert_with(range.log, SmallMap::default);
        let (mut start, mut end) = (range.start, range.end());
        if let Some((before, until)) = intervals.range(..=start).next_back() {
            if *until >= end {
                return false;
            }
            if *until >= start {
                start = *before;
            }
        }
        while let Some((next, until)) =
            intervals.range(start..=end).next().map(|(next, until)| (*next, *until))
        {
            end = end.max(until);
            intervals.remove(&next);
        }
        intervals.insert(start, end);
        true
    }

    /// The intervals, in the form that takes any number of them.
    fn many(&mut self) -> &mut Intervals {
        if let Kept::One(one) = &self.0 {
            let intervals = SmallMap::of(one.start, one.end());
            self.0 = Kept::Many(SmallMap::of(one.log, intervals));
        }
        match &mut self.0 {
            Kept::Many(logs) => logs,
            Kept::One(_) => unreachable!("one interval has just been put among many"),
        }
    }

    /// The same for reading: the only interval, or all of them.
    fn parts(&self) -> (Option<DotRange>, Option<&Intervals>) {
        match &self.0 {
            Kept::One(one) => (Some(*one), None),
            Kept::Many(logs) => (None, Some(logs)),
        }
    }

    /// The dot a log's next event gets.
    #[must_use]
    pub fn next(&self, log: LogId) -> Dot {
        let last = match &self.0 {
            Kept::One(one) => (one.log == log).then(|| one.end()),
            Kept::Many(logs) => {
                logs.get(&log).and_then(|intervals| intervals.values().next_back().copied())
            }
        };
        Dot { log, seq: last.unwrap_or(1) }
    }

    /// The intervals, ascending by log and start.
    pub fn ranges(&self) -> impl Iterator<Item = DotRange> {
        let (one, many) = self.parts();
        one.into_iter().chain(many.into_iter().flatten().flat_map(|(log, intervals)| {
            intervals.iter().map(|(start, end)| DotRange {
                log: *log,
                start: *start,
                len: end - start,
            })
        }))
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kept::Many(logs) if logs.is_empty())
    }

    /// Takes consecutive dots out. O(log n) and the intervals touched.
    pub fn remove_range(&mut self, range: DotRange) {
        let logs = self.many();
        let Some(intervals) = logs.get_mut(&range.log).filter(|_| range.len > 0) else { return };
        let (start, end) = (range.start, range.end());
        if let Some((before, until)) =
            intervals.range(..start).next_back().map(|(before, until)| (*before, *until))
            && until > start
        {
            intervals.insert(before, start);
            if until > end {
                intervals.insert(end, until);
            }
        }
        while let Some((next, until)) =
            intervals.range(start..end).next().map(|(next, until)| (*next, *until))
        {
            intervals.remove(&next);
            if until > end {
                intervals.insert(end, until);
            }
        }
        if intervals.is_empty() {
            logs.remove(&range.log);
        }
    }

    /// The parts of `range` that are in the set, ascending. O(log n) and the parts.
    pub fn overlap(&self, range: DotRange) -> impl Iterator<Item = DotRange> {
        let (start, end) = (range.start, range.end());
        let (one, many) = self.parts();
        let one = one.filter(|one| one.log == range.log).and_then(|one| {
            let (from, until) = (one.start.max(start), one.end().min(end));
            (from < until).then(|| DotRange { log: range.log, start: from, len: until - from })
        });
        let many = many.and_then(|logs| logs.get(&range.log));
        one.into_iter().chain(many.into_iter().flat_map(move |intervals| {
            let from = intervals.range(..=start).next_back().map_or(start, |(from, _)| *from);
            intervals.range(from..end.max(from)).filter_map(move |(from, until)| {
                let (from, until) = ((*from).max(start), (*until).min(end));
                (from < until).then(|| DotRange { log: range.log, start: from, len: until - from })
            })
        }))
    }

    /// The parts of `range` that are not in the set, ascending.
    pub fn gaps(&self, range: DotRange) -> impl Iterator<Item = DotRange> {
        let mut rest = range;
        std::iter::from_fn(move || {
            while rest.len > 0 {
                let (inside, len) = self.prefix(rest);
                let part = DotRange { len, ..rest };
                rest = DotRange { log: rest.log, start: rest.start + len, len: rest.len - len };
                if !inside {
                    return Some(part);
                }
            }
            None
        })
    }

    /// How many of `range`'s dots from the first on are in the set, or, if the first is not, are not.
    #[must_use]
    pub fn prefix(&self, range: DotRange) -> (bool, u64) {
        let intervals = match &self.0 {
            Kept::Many(logs) => logs.get(&range.log),
            Kept::One(one) if one.log != range.log || one.end() <= range.start => None,
            Kept::One(one) if one.start <= range.start => {
                return (true, range.len.min(one.end() - range.start));
            }
            Kept::One(one) => return (false, range.len.min(one.start - range.start)),
        };
        let Some(intervals) = intervals else { return (false, range.len) };
        if let Some((_, end)) = intervals.range(..=range.start).next_back()
            && *end > range.start
        {
            return (true, range.len.min(end - range.start));
        }
        let next = intervals.range(range.start..).next().map(|(start, _)| start - range.start);
        (false, next.unwrap_or(range.len).min(range.len))
    }
}

impl Lattice for CausalContext {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for range in other.ranges() {
            grew |= self.insert_range(range);
        }
        grew
    }
}

impl Encode for CausalContext {
    fn encode(&self, out: &mut Encoder<'_>) {
        let logs = match &self.0 {
            Kept::Many(logs) => logs,
            Kept::One(one) => {
                let cut = u64::from(planted::is(Bug::ContextCutShort) && one.len > 1);
                &SmallMap::of(one.log, SmallMap::of(one.start, one.end() - cut))
            }
        };
        out.varint(logs.len() as u64);
        for (log, intervals) in logs {
            out.log(*log);
            out.varint(intervals.len() as u64);
            let mut at = 0;
            for (start, end) in intervals {
                out.varint(start - at);
                out.varint(end - start);
                at = *end;
            }
        }
    }
}

impl Decode for CausalContext {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut logs = SmallMap::default();
        for _ in 0..from.count()? {
            let log = from.log()?;
            if logs.last().is_some_and(|(last, _)| *last >= log) {
                return Err(DecodeError::NotCanonical);
            }
            let mut intervals = SmallMap::default();
            let mut at = 0_u64;
            for _ in 0..from.count()? {
                let (gap, len) = (from.varint()?, from.varint()?);
                if gap == 0 || len == 0 {
                    return Err(DecodeError::NotCanonical);
                }
                let start = at.checked_add(gap).ok_or(DecodeError::Invalid)?;
                at = start.checked_add(len).ok_or(DecodeError::Invalid)?;
                intervals.insert(start, at);
            }
            if intervals.is_empty() {
                return Err(DecodeError::NotCanonical);
            }
            logs.insert(log, intervals);
        }
        Ok(Self(Kept::Many(logs)))
    }
}
