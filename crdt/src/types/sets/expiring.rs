//! The set whose elements expire.

use std::collections::BTreeMap;

use crate::algebra::Max;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Elements that are in until a moment; the latest moment anybody gave counts. The set looks at no clock: the reader says what time it is.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sets::ExpiringSet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<ExpiringSet<String>>::default();
    /// one.edit(&at(1), |set, change| set.keep_until(change, "lock".to_owned(), 500));
    /// one.edit(&at(1), |set, change| set.keep_until(change, "lock".to_owned(), 300));
    /// assert!(one.contains(&"lock".to_owned(), 499));
    /// assert!(!one.contains(&"lock".to_owned(), 500));
    /// ```
    pub struct ExpiringSet<T: Datum>(BTreeMap<Plain<T>, Max<i64>>);
}
leaf!(ExpiringSet<T: Datum>);

impl<T: Datum> ExpiringSet<T> {
    /// Whether an element is in at a moment, in milliseconds. O(log n).
    #[must_use]
    pub fn contains(&self, item: &T, now_ms: i64) -> bool {
        self.until(item).is_some_and(|until| now_ms < until)
    }

    /// Until when an element is in, if it ever was. O(log n).
    #[must_use]
    pub fn until(&self, item: &T) -> Option<i64> {
        self.0.get(item)?.0
    }

    /// The elements that are in at a moment, ascending. O(n).
    pub fn live(&self, now_ms: i64) -> impl Iterator<Item = &T> {
        let live = self.0.iter().filter(move |(_, until)| until.0 > Some(now_ms));
        live.map(|(item, _)| &item.0)
    }

    /// Keeps an element at least until a moment; returns the delta. O(log n).
    #[must_use]
    pub fn keep_until(&self, _: &mut Change, item: T, until_ms: i64) -> Self {
        Self(BTreeMap::from([(Plain(item), Max(Some(until_ms)))]))
    }
}

impl<T: Datum> Crdt for ExpiringSet<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let until = |until: &Max<i64>| until.0.map_or(Value::Null, Value::Int);
        Value::map(self.0.iter().map(|(item, at)| (item.0.to_value(), until(at))))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("keep-until", [item, until]) => Ok(self.keep_until(change, arg(item)?, arg(until)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for ExpiringSet<T> {
    const ABOUT: About = About {
        kind: Kind::ExpiringSet,
        family: "sets",
        what: "elements that expire",
        rule: "the latest expiry wins",
        algebra: "T ↪ Max<ms>, read at a moment",
        cost: "O(log n)",
        source: "Redis Active-Active documentation (expiry rules)",
        operations: &[op("keep-until", &[Arg::Key, Arg::Time], "keeps an element until a moment")],
    };
}
