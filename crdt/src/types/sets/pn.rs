//! The set that counts additions and removals.

use std::collections::BTreeMap;

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Elements that are in while more additions than removals are counted. Two removals of one addition leave a debt.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sets::PnSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<PnSet<i64>>::default();
    /// one.edit(&at(1), |set, change| set.add(change, 7));
    /// let mut two = one.clone();
    /// one.edit(&at(1), |set, change| set.remove(change, &7));
    /// two.edit(&at(2), |set, change| set.remove(change, &7));
    /// one.join(two);
    /// assert_eq!(one.count(&7), -1);
    /// ```
    pub struct PnSet<T: Datum>(BTreeMap<Plain<T>, Own<i64>>);
}
leaf!(PnSet<T: Datum>);

impl<T: Datum> PnSet<T> {
    /// Additions less removals of an element. O(log n + logs).
    #[must_use]
    pub fn count(&self, item: &T) -> i64 {
        self.0.get(item).map_or(0, Own::total)
    }

    /// Whether an element is in the set.
    #[must_use]
    pub fn contains(&self, item: &T) -> bool {
        self.count(item) > 0
    }

    /// The elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter(|(_, own)| own.total() > 0).map(|(item, _)| &item.0)
    }

    /// Counts an addition; returns the delta.
    #[must_use]
    pub fn add(&self, change: &mut Change, item: T) -> Self {
        self.change_by(change, item, 1)
    }

    /// Counts a removal of an element that is in; returns the delta, bottom if it is not.
    #[must_use]
    pub fn remove(&self, change: &mut Change, item: &T) -> Self {
        if !self.contains(item) {
            return Self::default();
        }
        self.change_by(change, item.clone(), -1)
    }

    fn change_by(&self, change: &mut Change, item: T, by: i64) -> Self {
        let vacant = Own::default();
        let own = self.0.get(&item).unwrap_or(&vacant);
        let own = own.contribute(change, |own| *own = own.saturating_add(by));
        Self(BTreeMap::from([(Plain(item), own)]))
    }
}

impl<T: Datum> Crdt for PnSet<T> {
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

impl<T: Datum> Catalogued for PnSet<T> {
    const ABOUT: About = About {
        kind: Kind::PnSet,
        family: "sets",
        what: "elements with a count of additions and removals",
        rule: "every addition and removal counts; in while the sum is positive",
        algebra: "T ↪ Own<i64>",
        cost: "O(log n + logs)",
        source: "Shapiro et al. 2011",
        operations: &[
            op("add", &[Arg::Key], "counts an addition"),
            op("remove", &[Arg::Key], "counts a removal"),
        ],
    };
}
