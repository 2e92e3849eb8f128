//! `Ranges`: sets of whole numbers as intervals, joined by union (Malkhi & Terry 2007).
//!
//! [`CausalContext`](crate::CausalContext) is the same per log.

use std::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;

/// A set of numbers, kept as disjoint intervals start → end (exclusive) that do not touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<i64, i64>);

impl Ranges {
    /// The numbers from `start` up to, not including, `end`.
    #[must_use]
    pub fn of(start: i64, end: i64) -> Self {
        Self((start < end).then_some((start, end)).into_iter().collect())
    }

    /// Whether a number is in the set. O(log intervals).
    #[must_use]
    pub fn contains(&self, number: i64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }

    /// The intervals, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.0.iter().map(|(start, end)| (*start, *end))
    }

    /// How many numbers are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.iter().fold(0, |sum, (start, end)| sum.saturating_add(end.abs_diff(start)))
    }

    /// Whether no number is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts of an interval that are not in the set, ascending.
    #[must_use]
    pub fn gaps(&self, start: i64, end: i64) -> Vec<(i64, i64)> {
        let mut gaps = Vec::new();
        let mut at = start;
        for (from, until) in self.iter().filter(|(from, until)| *until > start && *from < end) {
            if from > at {
                gaps.push((at, from));
            }
            at = at.max(until);
        }
        if at < end {
            gaps.push((at, end));
        }
        gaps
    }

    fn insert(&mut self, mut start: i64, mut end: i64) -> bool {
        if let Some((before, until)) = self.0.range(..=start).next_back() {
            if *until >= end {
                return false;
            }
            if *until >= start {
                start = *before;
            }
        }
        while let Some((next, until)) = self.0.range(start..=end).next().map(|(n, u)| (*n, *u)) {
            end = end.max(until);
            self.0.remove(&next);
        }
        self.0.insert(start, end);
        true
    }
}

impl Lattice for Ranges {
    fn join(&mut self, other: Self) -> bool {
        other.iter().fold(false, |grew, (start, end)| self.insert(start, end) || grew)
    }
}

impl Encode for Ranges {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl Decode for Ranges {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let map = BTreeMap::<i64, i64>::decode(from)?;
        let mut last = None;
        for (start, end) in &map {
            if start >= end || last.is_some_and(|last| last >= *start) {
                return Err(DecodeError::NotCanonical);
            }
            last = Some(*end);
        }
        Ok(Self(map))
    }
}
