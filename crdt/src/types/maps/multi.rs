//! The map of several values by key.

use crate::algebra::{DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Sets of values by key; putting a value wins over its concurrent removal.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::maps::MultiMap};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut tags = Causal::<MultiMap<String, i64>>::default();
    /// tags.edit(&at(1), |tags, change| tags.put(change, "a".to_owned(), 1));
    /// tags.edit(&at(1), |tags, change| tags.put(change, "a".to_owned(), 2));
    /// tags.edit(&at(1), |tags, change| tags.remove(change, &"a".to_owned(), &1));
    /// assert_eq!(tags.get(&"a".to_owned()).collect::<Vec<_>>(), [&2]);
    /// ```
    pub struct MultiMap<K: Datum, V: Datum>(DotMap<Plain<K>, DotMap<Plain<V>, DotSet>>);
}
leaf!(MultiMap<K: Datum, V: Datum>);

impl<K: Datum, V: Datum> MultiMap<K, V> {
    /// The values of a key, ascending. O(log n) to find.
    pub fn get(&self, key: &K) -> impl Iterator<Item = &V> {
        let values = self.0.get(key).into_iter().flat_map(DotMap::iter);
        values.map(|(value, _)| &value.0)
    }

    /// The keys that have values, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| &key.0)
    }

    /// Whether a key has a value. O(log n).
    #[must_use]
    pub fn contains(&self, key: &K, value: &V) -> bool {
        self.0.get(key).is_some_and(|values| values.get(value).is_some())
    }

    /// Puts a value under a key; returns the delta. O(log n).
    #[must_use]
    pub fn put(&self, change: &mut Change, key: K, value: V) -> Self {
        if let Some(dots) = self.0.get(&key).and_then(|values| values.get(&value)) {
            change.forget_all(dots);
        }
        let values = DotMap::of(Plain(value), DotSet::of(change.dot()));
        Self(DotMap::of(Plain(key), values))
    }

    /// Removes a value of a key as far as it has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, key: &K, value: &V) -> Self {
        if let Some(dots) = self.0.get(key).and_then(|values| values.get(value)) {
            change.forget_all(dots);
        }
        Self::default()
    }

    /// Removes a key with all values that have been seen; returns the delta.
    #[must_use]
    pub fn remove_key(&self, change: &mut Change, key: &K) -> Self {
        if let Some(values) = self.0.get(key) {
            change.forget_all(values);
        }
        Self::default()
    }
}

impl<K: Datum, V: Datum> Crdt for MultiMap<K, V> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let values = |key: &K| Value::list(self.get(key).map(Datum::to_value));
        Value::map(self.keys().map(|key| (key.to_value(), values(key))))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("put", [key, value]) => Ok(self.put(change, arg(key)?, arg(value)?)),
            ("remove", [key, value]) => Ok(self.remove(change, &arg(key)?, &arg(value)?)),
            ("remove-key", [key]) => Ok(self.remove_key(change, &arg(key)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum, V: Datum> Catalogued for MultiMap<K, V> {
    const ABOUT: About = About {
        kind: Kind::MultiMap,
        family: "maps",
        what: "sets of values by key",
        rule: "putting a value wins over its concurrent removal",
        algebra: "Causal<DotMap<K, DotMap<V, DotSet>>>",
        cost: "O(log n)",
        source: "Almeida et al. 2018",
        operations: &[
            op("put", &[Arg::Key, Arg::Value], "puts a value under a key"),
            op("remove", &[Arg::Key, Arg::Value], "removes a value of a key"),
            op("remove-key", &[Arg::Key], "removes a key with its values"),
        ],
    };
}
