//! Partial orders.

use std::collections::{BTreeMap, BTreeSet};

use super::order::acyclic;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// What comes before what. Contradictory statements are kept; of those the smaller ones show.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::graphs::PartialOrder};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut steps = Causal::<PartialOrder<String>>::default();
    /// let word = |word: &str| word.to_owned();
    /// steps.edit(&at(1), |order, change| order.put(change, word("wash"), word("dry")));
    /// steps.edit(&at(2), |order, change| order.put(change, word("soap"), word("wash")));
    /// assert_eq!(steps.line(), [&word("soap"), &word("wash"), &word("dry")]);
    /// ```
    pub struct PartialOrder<K: Datum>(BTreeSet<(Plain<K>, Plain<K>)>);
}
leaf!(PartialOrder<K: Datum>);

impl<K: Datum> PartialOrder<K> {
    /// Whether something comes before something else, directly or through others. O(n log n).
    #[must_use]
    pub fn before(&self, one: &K, two: &K) -> bool {
        let mut reached = BTreeSet::from([one]);
        let (kept, line) = self.acyclic();
        let mut after: BTreeMap<&K, Vec<&K>> = BTreeMap::new();
        kept.into_iter().for_each(|(from, to)| after.entry(from).or_default().push(to));
        for item in line {
            if reached.contains(item) {
                reached.extend(after.remove(item).into_iter().flatten());
            }
        }
        one != two && reached.contains(two)
    }

    /// All things in one line that fits the order; ties by the things themselves. O(n log n).
    #[must_use]
    pub fn line(&self) -> Vec<&K> {
        self.acyclic().1
    }

    fn acyclic(&self) -> (Vec<(&K, &K)>, Vec<&K>) {
        let pairs: Vec<_> = self.0.iter().map(|(one, two)| (&one.0, &two.0)).collect();
        let items: BTreeSet<&K> = pairs.iter().flat_map(|(one, two)| [*one, *two]).collect();
        let pairs: Vec<_> = pairs.into_iter().filter(|(one, two)| one != two).collect();
        acyclic(items, &pairs)
    }

    /// States that one thing comes before another; returns the delta. O(log n).
    #[must_use]
    pub fn put(&self, _: &mut Change, one: K, two: K) -> Self {
        Self(BTreeSet::from([(Plain(one), Plain(two))]))
    }

    /// States that something comes between two things, and so that those come in that order; returns the
    /// delta. O(n log n).
    ///
    /// # Errors
    /// If two of the three are the same, or if they come in another order.
    pub fn insert(&self, _: &mut Change, item: K, (one, two): (K, K)) -> Result<Self, EditError> {
        if one == two || item == one || item == two {
            return Err(EditError::refused("nothing comes before itself"));
        }
        if self.before(&two, &one) || self.before(&item, &one) || self.before(&two, &item) {
            return Err(EditError::refused("the things come in another order"));
        }
        let item = Plain(item);
        Ok(Self(BTreeSet::from([(Plain(one), item.clone()), (item, Plain(two))])))
    }
}

impl<K: Datum> Crdt for PartialOrder<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.line().into_iter().map(Datum::to_value))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("put", [one, two]) => Ok(self.put(change, arg(one)?, arg(two)?)),
            ("insert", [item, one, two]) => self.insert(change, arg(item)?, (arg(one)?, arg(two)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for PartialOrder<K> {
    const ABOUT: About = About {
        kind: Kind::PartialOrder,
        family: "graphs",
        what: "what comes before what",
        rule: "statements stay; of those that contradict each other the smaller ones show",
        algebra: "Set<(K, K)>, read without cycles",
        cost: "O(log n) to change, O(n log n) to read, more with cycles",
        source: "Shapiro et al. 2011 (add-remove partial order)",
        operations: &[
            op("put", &[Arg::Key, Arg::Key], "states that one thing comes before another"),
            op("insert", &[Arg::Key, Arg::Key, Arg::Key], "puts a thing between two others"),
        ],
    };
}
