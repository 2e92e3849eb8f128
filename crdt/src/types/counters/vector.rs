//! The counter of many components.

use std::collections::BTreeMap;

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// A counter for each of many things; every change counts.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::counters::VectorCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<VectorCounter<String>>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |votes, change| votes.add(change, "tea".to_owned(), 2));
    /// two.edit(&at(2), |votes, change| votes.add(change, "tea".to_owned(), 1));
    /// one.join(two);
    /// assert_eq!(one.get(&"tea".to_owned()), 3);
    /// ```
    pub struct VectorCounter<K: Datum>(Own<BTreeMap<Plain<K>, i64>>);
}
leaf!(VectorCounter<K: Datum>);

impl<K: Datum> VectorCounter<K> {
    /// The sum of one thing, saturating. O(logs · log n).
    #[must_use]
    pub fn get(&self, key: &K) -> i64 {
        let parts = self.0.iter().filter_map(|(_, own)| own.get(key));
        parts.fold(0_i64, |sum, part| sum.saturating_add(*part))
    }

    /// The sums of all things that were counted.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<K, i64> {
        self.0.total().into_iter().map(|(key, sum)| (key.0, sum)).collect()
    }

    /// Adds, or subtracts if negative; returns the delta, bottom for 0. O(own things): an author's sums travel
    /// together.
    #[must_use]
    pub fn add(&self, change: &mut Change, key: K, by: i64) -> Self {
        if by == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |own| {
            let sum = own.entry(Plain(key)).or_default();
            *sum = sum.saturating_add(by);
        }))
    }
}

impl<K: Datum> Crdt for VectorCounter<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(self.totals().into_iter().map(|(key, sum)| (key.to_value(), sum.into())))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [key, by]) => Ok(self.add(change, arg(key)?, arg(by)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for VectorCounter<K> {
    const ABOUT: About = About {
        kind: Kind::VectorCounter,
        family: "counters",
        what: "a counter for each of a few things",
        rule: "every change counts",
        algebra: "Own<K ↪ i64>",
        cost: "O(logs · log n) to read, O(own things) to change",
        source: "Shapiro et al. 2011 (product)",
        operations: &[op("add", &[Arg::Key, Arg::Int], "adds to the counter of a thing")],
    };
}
