//! The set with final removals.

use std::collections::BTreeSet;

use crate::algebra::Pair;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Elements that can be removed once and never come back.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sets::TwoPhaseSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut set = Causal::<TwoPhaseSet<i64>>::default();
    /// set.edit(&at(1), |set, change| set.add(change, 1));
    /// set.edit(&at(1), |set, change| set.remove(change, &1));
    /// set.edit(&at(1), |set, change| set.add(change, 1));
    /// assert!(!set.contains(&1));
    /// ```
    pub struct TwoPhaseSet<T: Datum>(Pair<BTreeSet<Plain<T>>, BTreeSet<Plain<T>>>);
}
leaf!(TwoPhaseSet<T: Datum>);

impl<T: Datum> TwoPhaseSet<T> {
    /// Whether an element was added and not removed. O(log n).
    #[must_use]
    pub fn contains(&self, item: &T) -> bool {
        self.0.0.contains(item) && !self.0.1.contains(item)
    }

    /// The elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.0.difference(&self.0.1).map(|item| &item.0)
    }

    /// Adds an element; returns the delta. O(log n).
    #[must_use]
    pub fn add(&self, _: &mut Change, item: T) -> Self {
        Self(Pair(BTreeSet::from([Plain(item)]), BTreeSet::new()))
    }

    /// Removes an element that is here, for ever; returns the delta, bottom if it is not. O(log n).
    #[must_use]
    pub fn remove(&self, _: &mut Change, item: &T) -> Self {
        let gone = self.contains(item).then(|| Plain(item.clone()));
        Self(Pair(BTreeSet::new(), gone.into_iter().collect()))
    }
}

impl<T: Datum> Crdt for TwoPhaseSet<T> {
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
            ("remove", [item]) => Ok(self.remove(change, &arg(item)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for TwoPhaseSet<T> {
    const ABOUT: About = About {
        kind: Kind::TwoPhaseSet,
        family: "sets",
        what: "elements that are removed for ever",
        rule: "removing is final",
        algebra: "Set<T> × Set<T>",
        cost: "O(log n)",
        source: "Wuu & Bernstein 1984; Shapiro et al. 2011",
        operations: &[
            op("add", &[Arg::Key], "adds an element"),
            op("remove", &[Arg::Key], "removes an element for ever"),
        ],
    };
}
