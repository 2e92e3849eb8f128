//! The set in which a concurrent removal wins.

use crate::algebra::{DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// A set in which a removal wins over concurrent additions. A removal is kept until an addition has seen it.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sets::RwSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<RwSet<i64>>::default();
    /// one.edit(&at(1), |set, change| set.add(change, 7));
    /// let mut two = one.clone();
    /// one.edit(&at(1), |set, change| set.remove(change, &7));
    /// two.edit(&at(2), |set, change| set.add(change, 7));
    /// one.join(two);
    /// assert!(!one.contains(&7));
    /// one.edit(&at(1), |set, change| set.add(change, 7));
    /// assert!(one.contains(&7));
    /// ```
    pub struct RwSet<T: Datum>(DotMap<Plain<T>, (DotSet, DotSet)>);
}
leaf!(RwSet<T: Datum>);

fn is_in((added, removed): &(DotSet, DotSet)) -> bool {
    !added.is_empty() && removed.is_empty()
}

impl<T: Datum> RwSet<T> {
    /// Whether an element is in the set. O(log n).
    #[must_use]
    pub fn contains(&self, item: &T) -> bool {
        self.0.get(item).is_some_and(is_in)
    }

    /// The elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter(|(_, dots)| is_in(dots)).map(|(item, _)| &item.0)
    }

    /// Adds an element over all removals seen; returns the delta. O(log n).
    #[must_use]
    pub fn add(&self, change: &mut Change, item: T) -> Self {
        if let Some(dots) = self.0.get(&item) {
            change.forget_all(dots);
        }
        let added = DotSet::of(change.dot());
        Self(DotMap::of(Plain(item), (added, DotSet::default())))
    }

    /// Removes an element that is in; returns the delta, bottom if it is not. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, item: &T) -> Self {
        let Some(dots) = self.0.get(item).filter(|dots| is_in(dots)) else {
            return Self::default();
        };
        change.forget_all(dots);
        let removed = DotSet::of(change.dot());
        Self(DotMap::of(Plain(item.clone()), (DotSet::default(), removed)))
    }
}

impl<T: Datum> Crdt for RwSet<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(Datum::to_value))
    }

    fn claims(&self) -> Vec<Claim> {
        let claim = |value: Value, dot: Dot, added: bool, stands: bool| Claim {
            value: Value::map([(value, added.into())]),
            by: Some(dot.log),
            time: None,
            stands,
        };
        let claims = self.0.iter().flat_map(|(item, (added, removed))| {
            let value = item.0.to_value();
            let lost = !removed.is_empty();
            let added = added.iter().map(|dot| (dot, true, !lost));
            let all = added.chain(removed.iter().map(|dot| (dot, false, true)));
            let claim = |(dot, added, stands)| claim(value.clone(), dot, added, stands);
            all.map(claim).collect::<Vec<_>>()
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

impl<T: Datum> Catalogued for RwSet<T> {
    const ABOUT: About = About {
        kind: Kind::RwSet,
        family: "sets",
        what: "elements that are rather gone than there",
        rule: "removing wins over concurrent adding",
        algebra: "Causal<DotMap<T, DotSet × DotSet>>",
        cost: "O(log n)",
        source: "Baquero et al. 2017",
        operations: &[
            op("add", &[Arg::Key], "adds an element"),
            op("remove", &[Arg::Key], "removes an element"),
        ],
    };
}
