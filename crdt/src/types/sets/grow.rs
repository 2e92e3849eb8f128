//! The set that only grows.

use std::collections::BTreeSet;

use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Elements that stay.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sets::GSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<GSet<i64>>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |set, change| set.add(change, 1));
    /// two.edit(&at(2), |set, change| set.add(change, 2));
    /// one.join(two);
    /// assert_eq!(one.iter().collect::<Vec<_>>(), [&1, &2]);
    /// ```
    pub struct GSet<T: Datum>(BTreeSet<Plain<T>>);
}
leaf!(GSet<T: Datum>);

impl<T: Datum> GSet<T> {
    /// Whether an element is in the set. O(log n).
    #[must_use]
    pub fn contains(&self, item: &T) -> bool {
        self.0.contains(item)
    }

    /// The elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|item| &item.0)
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds an element; returns the delta. O(log n).
    #[must_use]
    pub fn add(&self, _: &mut Change, item: T) -> Self {
        Self(BTreeSet::from([Plain(item)]))
    }
}

impl<T: Datum> Crdt for GSet<T> {
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

impl<T: Datum> Catalogued for GSet<T> {
    const ABOUT: About = About {
        kind: Kind::GSet,
        family: "sets",
        what: "elements that stay",
        rule: "what was added stays",
        algebra: "Set<T>",
        cost: "O(log n)",
        source: "Shapiro et al. 2011",
        operations: &[op("add", &[Arg::Key], "adds an element")],
    };
}
