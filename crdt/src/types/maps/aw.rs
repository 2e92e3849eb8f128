//! The map of anything, in which a concurrent change of a part wins over its removal.

use crate::algebra::{DotMap, Entry};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, Described, EditError, Explanation, arg, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::shape::Shape;
use crate::store::Change;
use crate::types::store;
use crate::value::Value;

store! {
    /// Parts by key, of any type. Removing a key takes away all that was seen in it; what was changed
    /// concurrently stays. Parts that hold no dots (plain lattices such as `GSet`) cannot be taken away: they
    /// are hidden, and show again what they know when the key comes back.
    ///
    /// ```
    /// use meshwork_crdt::{AwSet, Causal, HybridTime, Lattice, LogId, Writer, types::maps::AwMap};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let shop = || "corner".to_owned();
    /// let mut one = Causal::<AwMap<String, AwSet<String>>>::default();
    /// one.edit(&at(1), |map, change| {
    ///     map.update(change, shop(), |list, change| list.add(change, "milk".to_owned()))
    /// });
    /// let mut two = one.clone();
    /// one.edit(&at(1), |map, change| map.remove(change, &shop()));
    /// two.edit(&at(2), |map, change| {
    ///     map.update(change, shop(), |list, change| list.add(change, "eggs".to_owned()))
    /// });
    /// one.join(two);
    /// let left: Vec<_> = one.get(&shop()).unwrap().iter().cloned().collect();
    /// assert_eq!(left, ["eggs"]);
    /// ```
    pub struct AwMap<K: Datum, S: Crdt>(DotMap<Plain<K>, Entry<S>>);
}

impl<K: Datum, S: Crdt> AwMap<K, S> {
    /// The part of a key. O(log n).
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&S> {
        self.0.get(key).filter(|entry| entry.shows()).map(Entry::content)
    }

    /// The keys that are there with their parts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &S)> {
        let shown = self.0.iter().filter(|(_, entry)| entry.shows());
        shown.map(|(key, entry)| (&key.0, entry.content()))
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

    /// Removes a key with all that has been seen in it; returns the delta. O(log n) and the part.
    #[must_use]
    pub fn remove(&self, change: &mut Change, key: &K) -> Self {
        if let Some(entry) = self.0.get(key) {
            change.forget_all(entry);
        }
        Self::default()
    }

    /// Removes every key with all that has been seen; returns the delta. O(n).
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }
}

impl<K: Datum, S: Crdt> Crdt for AwMap<K, S> {
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
            ("remove", [key]) => Ok(self.remove(change, &arg(key)?)),
            ("set", [Value::Map(map)]) => {
                let gone = self
                    .0
                    .iter()
                    .filter(|(key, _)| !map.contains_key(&key.0.to_value().into_key()));
                gone.for_each(|(_, entry)| change.forget_all(entry));
                let mut delta = Vec::new();
                for (key, value) in map {
                    let key: K = arg(&Value::Text(key.clone()))?;
                    if self.get(&key).is_none_or(|part| part.value() != *value) {
                        let set = Call::new("set", [value.clone()]);
                        let set = self
                            .try_update(change, key, |part, change| part.call(change, &[], &set))?;
                        delta.push(set.0);
                    }
                }
                Ok(Self(delta.into_iter().flat_map(DotMap::into_entries).collect()))
            }
            ("clear", []) => Ok(self.clear(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum, S: Described> Described for AwMap<K, S> {
    fn shape() -> Shape {
        Shape::of(Kind::Map, S::shape())
    }
}

impl<K: Datum, S: Crdt> Catalogued for AwMap<K, S> {
    const ABOUT: About = About {
        kind: Kind::Map,
        family: "maps",
        what: "parts of any type by key",
        rule: "a change of a part wins over its concurrent removal",
        algebra: "Causal<DotMap<K, DotSet × S>>",
        cost: "O(log n) and the part's",
        source: "Brown et al. 2014; Almeida et al. 2018",
        operations: &[
            op("insert", &[Arg::Key], "puts a key there"),
            op("put", &[Arg::Key, Arg::Value], "sets the part of a key, if it has values to set"),
            op("remove", &[Arg::Key], "removes a key with all that has been seen in it"),
            op("set", &[Arg::Value], "becomes a map, part by part, where it differs"),
            op("clear", &[], "removes every key"),
        ],
    };
}
