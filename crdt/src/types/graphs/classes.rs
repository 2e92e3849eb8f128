//! Equivalence classes.

use crate::algebra::UnionFind;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Which things are the same: merging contacts, accounts, synonyms.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::graphs::Classes};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut people = Causal::<Classes<i64>>::default();
    /// people.edit(&at(1), |people, change| people.unite(change, 1, 2));
    /// people.edit(&at(2), |people, change| people.unite(change, 2, 3));
    /// assert!(people.same(&1, &3));
    /// ```
    pub struct Classes<K: Datum>(UnionFind<Plain<K>>);
}
leaf!(Classes<K: Datum>);

impl<K: Datum> Classes<K> {
    /// Whether two things are the same. O(log n).
    #[must_use]
    pub fn same(&self, one: &K, two: &K) -> bool {
        let (one, two) = (Plain(one.clone()), Plain(two.clone()));
        self.0.find(&one) == self.0.find(&two)
    }

    /// The classes of more than one thing, each ascending.
    #[must_use]
    pub fn classes(&self) -> Vec<Vec<&K>> {
        let classes = self.0.classes().into_iter().map(|(least, others)| {
            std::iter::once(&least.0).chain(others.into_iter().map(|other| &other.0)).collect()
        });
        classes.collect()
    }

    /// States that two things are the same; returns the delta.
    #[must_use]
    pub fn unite(&self, _: &mut Change, one: K, two: K) -> Self {
        Self(UnionFind::of(Plain(one), Plain(two)))
    }
}

impl<K: Datum> Crdt for Classes<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let class = |class: Vec<&K>| Value::list(class.into_iter().map(Datum::to_value));
        Value::list(self.classes().into_iter().map(class))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("unite", [one, two]) => Ok(self.unite(change, arg(one)?, arg(two)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for Classes<K> {
    const ABOUT: About = About {
        kind: Kind::Classes,
        family: "graphs",
        what: "which things are the same",
        rule: "what was united stays united",
        algebra: "UnionFind<K>",
        cost: "O(log n) to read, O(n) to unite",
        source: "hydro lattices (union-find)",
        operations: &[op("unite", &[Arg::Key, Arg::Key], "states that two things are the same")],
    };
}
