//! The set in which the latest word on an element wins.

use std::collections::BTreeMap;

use crate::algebra::{Lex, Max};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// For each element the latest addition or removal.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sets::LwwSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let when = |ms| Writer { log: LogId([1; 16]), time: HybridTime::at(ms) };
    /// let mut one = Causal::<LwwSet<i64>>::default();
    /// one.edit(&when(1), |set, change| set.add(change, 7));
    /// let mut two = one.clone();
    /// one.edit(&when(3), |set, change| set.remove(change, &7));
    /// two.edit(&when(2), |set, change| set.add(change, 7));
    /// one.join(two);
    /// assert!(!one.contains(&7));
    /// ```
    pub struct LwwSet<T: Datum>(BTreeMap<Plain<T>, Lex<Stamp, Max<bool>>>);
}
leaf!(LwwSet<T: Datum>);

fn is_in(write: &Lex<Stamp, Max<bool>>) -> bool {
    write.0.as_ref().is_some_and(|(_, there)| there.0 == Some(true))
}

impl<T: Datum> LwwSet<T> {
    /// Whether an element is in the set. O(log n).
    #[must_use]
    pub fn contains(&self, item: &T) -> bool {
        self.0.get(item).is_some_and(is_in)
    }

    /// The elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter(|(_, write)| is_in(write)).map(|(item, _)| &item.0)
    }

    /// Adds an element; returns the delta. O(log n).
    #[must_use]
    pub fn add(&self, change: &mut Change, item: T) -> Self {
        let write = Lex(Some((change.stamp(), Max(Some(true)))));
        Self(BTreeMap::from([(Plain(item), write)]))
    }

    /// Removes an element; returns the delta, bottom if it is not here. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, item: &T) -> Self {
        if !self.contains(item) {
            return Self::default();
        }
        let write = Lex(Some((change.stamp(), Max(Some(false)))));
        Self(BTreeMap::from([(Plain(item.clone()), write)]))
    }
}

impl<T: Datum> Crdt for LwwSet<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(Datum::to_value))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().filter_map(|(item, write)| {
            let (stamp, _) = write.0.as_ref()?;
            Some(Claim {
                value: Value::map([(item.0.to_value(), is_in(write).into())]),
                by: Some(stamp.log),
                time: Some(stamp.time),
                stands: true,
            })
        });
        claims.collect()
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

impl<T: Datum> Catalogued for LwwSet<T> {
    const ABOUT: About = About {
        kind: Kind::LwwSet,
        family: "sets",
        what: "elements that come and go by time",
        rule: "per element the latest addition or removal wins; at one stamp the addition",
        algebra: "T ↪ Lex(Stamp, Max<bool>)",
        cost: "O(log n)",
        source: "Shapiro et al. 2011",
        operations: &[
            op("add", &[Arg::Key], "adds an element"),
            op("remove", &[Arg::Key], "removes an element"),
        ],
    };
}
