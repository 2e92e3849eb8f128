//! Uniform samples.

use super::bottom::Bottom;
use super::hash::hash;
use crate::algebra::Max;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Sixty-four of all different things, each as likely as any other: those of the smallest hashes.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::Sample};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut sample = Causal::<Sample<i64>>::default();
    /// for n in 0..1000 {
    ///     sample.edit(&at(1), |sample, change| sample.add(change, n));
    /// }
    /// assert_eq!(sample.iter().count(), 64);
    /// ```
    pub struct Sample<T: Datum>(Bottom<Max<Plain<T>>, 64>);
}
leaf!(Sample<T: Datum>);

impl<T: Datum> Sample<T> {
    /// The things of the sample, in no meaningful order. O(1).
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|(_, item)| item.0.as_ref().map(|item| &item.0))
    }

    /// Adds a thing; returns the delta, which changes nothing if it does not get into the sample. O(log 64).
    #[must_use]
    pub fn add(&self, _: &mut Change, item: T) -> Self {
        Self(Bottom::of(hash(&item, 0), Max(Some(Plain(item)))))
    }
}

impl<T: Datum> Crdt for Sample<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(Datum::to_value))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item]) => Ok(self.add(change, arg(item)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Sample<T> {
    const ABOUT: About = About {
        kind: Kind::Sample,
        family: "sketches",
        what: "a uniform sample of different things",
        rule: "the 64 things of the smallest hashes stay",
        algebra: "hash ↪ T, the 64 smallest",
        cost: "O(log 64)",
        source: "Cohen & Kaplan 2007",
        operations: &[op("add", &[Arg::Key], "adds a thing")],
    };
}
