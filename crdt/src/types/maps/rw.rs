//! The map in which a concurrent removal wins.

use crate::algebra::{DotMap, DotSet, Entry};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, Described, EditError, Explanation, arg, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::shape::Shape;
use crate::store::{Change, DotStore};
use crate::types::store;
use crate::value::Value;

store! {
    /// Parts by key, of any type. A removal wins over concurrent changes of the part; a later change brings the key back.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::maps::RwMap};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// use meshwork_crdt::AwSet;
    /// let mut one = Causal::<RwMap<i64, AwSet<i64>>>::default();
    /// one.edit(&at(1), |map, change| map.update(change, 1, |set, change| set.add(change, 5)));
    /// let mut two = one.clone();
    /// one.edit(&at(1), |map, change| map.remove(change, &1));
    /// two.edit(&at(2), |map, change| map.update(change, 1, |set, change| set.add(change, 6)));
    /// one.join(two);
    /// assert!(one.get(&1).is_none());
    /// ```
    pub struct RwMap<K: Datum, S: Crdt>(DotMap<Plain<K>, (DotSet, Entry<S>)>);
}

fn shows<S: DotStore>((removed, entry): &(DotSet, Entry<S>)) -> bool {
    removed.is_empty() && entry.shows()
}

impl<K: Datum, S: Crdt> RwMap<K, S> {
    /// The part of a key. O(log n).
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&S> {
        self.0.get(key).filter(|part| shows(part)).map(|(_, entry)| entry.content())
    }

    /// The keys that are there with their parts, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &S)> {
        let shown = self.0.iter().filter(|(_, part)| shows(part));
        shown.map(|(key, (_, entry))| (&key.0, entry.content()))
    }

    /// Puts a key there, whatever its part says; returns the delta. O(log n).
    #[must_use]
    pub fn insert(&self, change: &mut Change, key: K) -> Self {
        let (removed, entry) = self.0.get(&key).cloned().unwrap_or_default();
        change.forget_all(&removed);
        let content = S::bottom(change.shape());
        let entry = entry.put(change, content);
        Self(DotMap::of(Plain(key), (DotSet::default(), entry)))
    }

    /// Removes a key that is there with all that has been seen in it; returns the delta. O(log n) and the part.
    #[must_use]
    pub fn remove(&self, change: &mut Change, key: &K) -> Self {
        let Some(part) = self.0.get(key).filter(|part| shows(part)) else {
            return Self::default();
        };
        change.forget_all(part);
        let removed = DotSet::of(change.dot());
        Self(DotMap::of(Plain(key.clone()), (removed, Entry::default())))
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
        let vacant = (DotSet::default(), Entry::of(S::bottom(change.shape())));
        let (removed, entry) = self.0.get(&key).unwrap_or(&vacant);
        let content = alter(entry.content(), change)?;
        change.forget_all(removed);
        let entry = entry.touch(change, content);
        Ok(Self(DotMap::of(Plain(key), (DotSet::default(), entry))))
    }
}

impl<K: Datum, S: Crdt> Crdt for RwMap<K, S> {
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        let vacant = Default::default();
        let touched = delta.0.into_entries().map(|(key, (removed, entry))| {
            let (_, here) = self.0.get(&key).unwrap_or(&vacant);
            let says = !entry.is_bottom();
            let entry = if says { here.touched(change, entry, S::touched) } else { entry };
            (key, (removed, entry))
        });
        Self(touched.collect())
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
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum, S: Crdt> Catalogued for RwMap<K, S> {
    const ABOUT: About = About {
        kind: Kind::RwMap,
        family: "maps",
        what: "parts of any type by key, rather gone than there",
        rule: "removing wins over concurrent changes of the part",
        algebra: "Causal<DotMap<K, DotSet × DotSet × S>>",
        cost: "O(log n) and the part's",
        source: "Baquero, Almeida, Lerche 2016",
        operations: &[
            op("insert", &[Arg::Key], "puts a key there"),
            op("put", &[Arg::Key, Arg::Value], "sets the part of a key, if it has values to set"),
            op("remove", &[Arg::Key], "removes a key with all that has been seen in it"),
        ],
    };
}

impl<K: Datum, S: Described> Described for RwMap<K, S> {
    fn shape() -> Shape {
        Shape::of(Kind::RwMap, S::shape())
    }
}
