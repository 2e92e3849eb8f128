//! The set in which a concurrent addition wins.

use std::collections::BTreeSet;

use crate::algebra::{DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// A set without tombstones: a removal takes away the additions it has seen, and no others.
    ///
    /// ```
    /// use meshwork_crdt::{AwSet, Causal, HybridTime, Lattice, LogId, Writer};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let milk = || "milk".to_owned();
    /// let mut one = Causal::<AwSet<String>>::default();
    /// one.edit(&at(1), |set, change| set.add(change, milk()));
    /// let mut two = one.clone();
    /// two.edit(&at(2), |set, change| set.remove(change, &milk()));
    /// one.edit(&at(1), |set, change| set.add(change, milk()));
    /// one.join(two);
    /// assert!(one.contains(&milk()));
    /// ```
    pub struct AwSet<T: Datum>(DotMap<Plain<T>, DotSet>);
}
leaf!(AwSet<T: Datum>);

impl<T: Datum> AwSet<T> {
    /// Whether an element is in the set. O(log n).
    #[must_use]
    pub fn contains(&self, item: &T) -> bool {
        self.0.get(item).is_some()
    }

    /// The elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(item, _)| &item.0)
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
    pub fn add(&self, change: &mut Change, item: T) -> Self {
        if let Some(dots) = self.0.get(&item) {
            change.forget_all(dots);
        }
        Self(DotMap::of(Plain(item), DotSet::of(change.dot())))
    }

    /// Removes an element as far as it has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, item: &T) -> Self {
        if let Some(dots) = self.0.get(item) {
            change.forget_all(dots);
        }
        Self::default()
    }

    /// Adds what is missing to these elements and removes what is not among them; returns the delta. O(n).
    #[must_use]
    pub fn set(&self, change: &mut Change, items: &BTreeSet<T>) -> Self {
        let gone = self.0.iter().filter(|(item, _)| !items.contains(&item.0));
        gone.for_each(|(_, dots)| change.forget_all(dots));
        let new = items.iter().filter(|item| !self.contains(item));
        Self(new.map(|item| (Plain(item.clone()), DotSet::of(change.dot()))).collect())
    }

    /// Removes every element that has been seen; returns the delta. O(n).
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }
}

impl<T: Datum> Crdt for AwSet<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    /// A sorted list.
    fn value(&self) -> Value {
        Value::list(self.iter().map(Datum::to_value))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().flat_map(|(item, dots)| {
            dots.iter().map(|dot| Claim {
                value: item.0.to_value(),
                by: Some(dot.log),
                time: None,
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
            ("set", [Value::List(items)]) => {
                let items: BTreeSet<T> = items.iter().map(arg).collect::<Result<_, _>>()?;
                Ok(self.set(change, &items))
            }
            ("clear", []) => Ok(self.clear(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for AwSet<T> {
    const ABOUT: About = About {
        kind: Kind::Set,
        family: "sets",
        what: "elements that come and go",
        rule: "adding wins over concurrent removing",
        algebra: "Causal<DotMap<T, DotSet>>",
        cost: "O(log n)",
        source: "Bieniusa et al. 2012; Almeida et al. 2018",
        operations: &[
            op("add", &[Arg::Key], "adds an element"),
            op("remove", &[Arg::Key], "removes an element"),
            op("set", &[Arg::Value], "becomes the set of a list's elements"),
            op("clear", &[], "removes every element"),
        ],
    };
}
