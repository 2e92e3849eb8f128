//! The set of unique things.

use crate::algebra::DotFun;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Things that are each added once, under a name of their own: equal things stay apart.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sets::UniqueSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut set = Causal::<UniqueSet<String>>::default();
    /// set.edit(&at(1), |set, change| set.add(change, "egg".to_owned()));
    /// set.edit(&at(1), |set, change| set.add(change, "egg".to_owned()));
    /// let (first, _) = set.iter().next().unwrap();
    /// set.edit(&at(1), |set, change| set.remove(change, first));
    /// assert_eq!(set.len(), 1);
    /// ```
    pub struct UniqueSet<T: Datum>(DotFun<Plain<T>>);
}
leaf!(UniqueSet<T: Datum>);

impl<T: Datum> UniqueSet<T> {
    /// The things with their names, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (Dot, &T)> {
        self.0.iter().map(|(dot, item)| (dot, &item.0))
    }

    /// How many things there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a thing; returns the delta.
    #[must_use]
    pub fn add(&self, change: &mut Change, item: T) -> Self {
        Self(DotFun::of(change.dot(), Plain(item)))
    }

    /// Removes the thing of a name; returns the delta.
    #[must_use]
    pub fn remove(&self, change: &mut Change, name: Dot) -> Self {
        if self.0.get(name).is_some() {
            change.forget(name);
        }
        Self::default()
    }
}

impl<T: Datum> Crdt for UniqueSet<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(|(_, item)| item.to_value()))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.iter().map(|(dot, item)| Claim {
            value: item.to_value(),
            by: Some(dot.log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item]) => Ok(self.add(change, arg(item)?)),
            ("remove", [item]) => {
                let item: T = arg(item)?;
                let name = self.iter().find(|(_, here)| **here == item).map(|(name, _)| name);
                Ok(name.map(|name| self.remove(change, name)).unwrap_or_default())
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for UniqueSet<T> {
    const ABOUT: About = About {
        kind: Kind::UniqueSet,
        family: "sets",
        what: "things under names of their own",
        rule: "every thing is added once; removing is final",
        algebra: "Causal<DotFun<T>>",
        cost: "O(log n) by name, O(n) by value",
        source: "Shapiro et al. 2011 (U-Set)",
        operations: &[
            op("add", &[Arg::Key], "adds a thing"),
            op("remove", &[Arg::Key], "removes the first thing that is equal"),
        ],
    };
}
