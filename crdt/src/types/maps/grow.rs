//! The map that only grows.

use crate::algebra::{DotMap, Entry};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, Described, EditError, Explanation, arg, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::shape::Shape;
use crate::store::Change;
use crate::types::store;
use crate::value::Value;

store! {
    /// Parts by key, of any type; keys stay.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::maps::GMap};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// use meshwork_crdt::types::counters::GCounter;
    /// let mut hits = Causal::<GMap<String, GCounter>>::default();
    /// hits.edit(&at(1), |hits, change| {
    ///     hits.update(change, "home".to_owned(), |page, change| page.add(change, 1))
    /// });
    /// assert_eq!(hits.get(&"home".to_owned()).unwrap().total(), 1);
    /// ```
    pub struct GMap<K: Datum, S: Crdt>(DotMap<Plain<K>, Entry<S>>);
}

impl<K: Datum, S: Crdt> GMap<K, S> {
    /// The part of a key. O(log n).
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&S> {
        self.0.get(key).map(Entry::content)
    }

    /// The keys with their parts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &S)> {
        self.0.iter().map(|(key, entry)| (&key.0, entry.content()))
    }

    /// Puts a key there, whatever its part says; returns the delta. O(log n).
    #[must_use]
    pub fn insert(&self, change: &mut Change, key: K) -> Self {
        let entry = self.0.get(&key).cloned().unwrap_or_default();
        let content = S::bottom(change.shape());
        Self(DotMap::of(Plain(key), entry.put(change, content)))
    }

    /// Changes the part of a key, which is put there if need be; returns the delta. O(log n) and the change.
    #[must_use]
    pub fn update(
        &self,
        change: &mut Change,
        key: K,
        alter: impl FnOnce(&S, &mut Change) -> S,
    ) -> Self {
        let never = self.try_update(change, key, |part, change| Ok(alter(part, change)));
        never.unwrap_or_else(|never: std::convert::Infallible| match never {})
    }

    /// The same for a change that may be refused.
    ///
    /// # Errors
    /// What `alter` says.
    pub fn try_update<E>(
        &self,
        change: &mut Change,
        key: K,
        alter: impl FnOnce(&S, &mut Change) -> Result<S, E>,
    ) -> Result<Self, E> {
        let vacant = Entry::of(S::bottom(change.shape()));
        let entry = self.0.get(&key).unwrap_or(&vacant);
        let content = alter(entry.content(), change)?;
        let entry = entry.touch(change, content);
        Ok(Self(DotMap::of(Plain(key), entry)))
    }
}

impl<K: Datum, S: Crdt> Crdt for GMap<K, S> {
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        Self(self.0.touched(change, delta.0, S::touched))
    }

    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(self.iter().map(|(key, part)| (key.to_value(), part.value())))
    }

    fn value_at(&self, path: &[Value]) -> Option<Value> {
        match path.split_first() {
            None => Some(self.value()),
            Some((key, rest)) => self.get(&K::from_value(key)?)?.value_at(rest),
        }
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        match path.split_first() {
            None => Some(self.about().explain(self.value(), Vec::new())),
            Some((key, rest)) => self.get(&K::from_value(key)?)?.explain(rest),
        }
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        if let Some((key, rest)) = path.split_first() {
            return self
                .try_update(change, arg(key)?, |part, change| part.call(change, rest, call));
        }
        match call.parts() {
            ("insert", [key]) => Ok(self.insert(change, arg(key)?)),
            ("put", [key, value]) => {
                let set = Call::new("set", [value.clone()]);
                self.try_update(change, arg(key)?, |part, change| part.call(change, &[], &set))
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum, S: Crdt> Catalogued for GMap<K, S> {
    const ABOUT: About = About {
        kind: Kind::GMap,
        family: "maps",
        what: "parts of any type by key, keys stay",
        rule: "keys stay; parts by their own rules",
        algebra: "DotMap<K, DotSet × S>, never taken away",
        cost: "O(log n) and the part's",
        source: "Conway et al. 2012 (lmap)",
        operations: &[
            op("insert", &[Arg::Key], "puts a key there"),
            op("put", &[Arg::Key, Arg::Value], "sets the part of a key, if it has values to set"),
        ],
    };
}

impl<K: Datum, S: Described> Described for GMap<K, S> {
    fn shape() -> Shape {
        Shape::of(Kind::GMap, S::shape())
    }
}
