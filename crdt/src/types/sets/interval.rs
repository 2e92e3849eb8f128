//! The set of intervals.

use crate::algebra::Ranges;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Whole numbers by intervals: what has been covered.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sets::IntervalSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut read = Causal::<IntervalSet>::default();
    /// read.edit(&at(1), |read, change| read.add(change, 0, 10));
    /// read.edit(&at(1), |read, change| read.add(change, 10, 12));
    /// assert_eq!(read.iter().collect::<Vec<_>>(), [(0, 12)]);
    /// assert_eq!(read.gaps(8, 20), [(12, 20)]);
    /// ```
    pub struct IntervalSet(Ranges);
}
leaf!(IntervalSet);

impl IntervalSet {
    /// Whether a number is covered. O(log intervals).
    #[must_use]
    pub fn contains(&self, number: i64) -> bool {
        self.0.contains(number)
    }

    /// The intervals, each from its start up to, not including, its end.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.0.iter()
    }

    /// The parts of an interval that are not covered.
    #[must_use]
    pub fn gaps(&self, start: i64, end: i64) -> Vec<(i64, i64)> {
        self.0.gaps(start, end)
    }

    /// How many numbers are covered.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether no number is covered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Covers the numbers from `start` up to, not including, `end`; returns the delta.
    #[must_use]
    pub fn add(&self, _: &mut Change, start: i64, end: i64) -> Self {
        Self(Ranges::of(start, end))
    }
}

impl Crdt for IntervalSet {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(|(start, end)| Value::list([start.into(), end.into()])))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [start, end]) => Ok(self.add(change, arg(start)?, arg(end)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for IntervalSet {
    const ABOUT: About = About {
        kind: Kind::IntervalSet,
        family: "sets",
        what: "whole numbers by intervals",
        rule: "what was covered stays covered",
        algebra: "Ranges",
        cost: "O(log intervals)",
        source: "Malkhi & Terry 2007",
        operations: &[op(
            "add",
            &[Arg::Int, Arg::Int],
            "covers the numbers from the first up to, not including, the second",
        )],
    };
}
