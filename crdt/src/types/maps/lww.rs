//! The map of values in which the latest write or removal of a key wins.

use crate::algebra::{Lex, Max, SmallMap};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

type Write<V> = Lex<Stamp, Max<Option<Plain<V>>>>;

lattice! {
    /// For each key the write of the greatest stamp, a removal being a write too.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::maps::LwwMap};
    /// let at = |ms| Writer { log: LogId([1; 16]), time: HybridTime::at(ms) };
    /// let key = "theme".to_owned();
    /// let mut map = Causal::<LwwMap<String, String>>::default();
    /// map.edit(&at(1), |map, change| map.put(change, key.clone(), "dark".to_owned()));
    /// map.edit(&at(2), |map, change| map.remove(change, &key));
    /// assert_eq!(map.get(&key), None);
    /// ```
    pub struct LwwMap<K: Datum, V: Datum>(SmallMap<Plain<K>, Write<V>>);
}
leaf!(LwwMap<K: Datum, V: Datum>);

impl<K: Datum, V: Datum> LwwMap<K, V> {
    /// The value of a key. O(log n).
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        shown(self.0.get(key)?)
    }

    /// The keys that have a value, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().filter_map(|(key, write)| Some((&key.0, shown(write)?)))
    }

    /// Writes a key; returns the delta. O(log n).
    #[must_use]
    pub fn put(&self, change: &mut Change, key: K, value: V) -> Self {
        Self(write(change, key, Some(value)))
    }

    /// Removes a key; returns the delta, bottom if the key has no value. O(log n).
    #[must_use]
    pub fn remove(&self, change: &mut Change, key: &K) -> Self {
        if self.get(key).is_none() {
            return Self::default();
        }
        Self(write(change, key.clone(), None))
    }

    /// Removes every key; returns the delta. O(n).
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        let keys = self.iter().map(|(key, _)| key.clone());
        Self(keys.flat_map(|key| write(change, key, None)).collect())
    }
}

fn shown<V>(write: &Write<V>) -> Option<&V> {
    let (_, value) = write.0.as_ref()?;
    value.0.as_ref()?.as_ref().map(|value| &value.0)
}

fn write<K, V>(change: &Change, key: K, value: Option<V>) -> SmallMap<Plain<K>, Write<V>>
where
    K: Datum,
{
    let write = Lex(Some((change.stamp(), Max(Some(value.map(Plain))))));
    SmallMap::of(Plain(key), write)
}

impl<K: Datum, V: Datum> Crdt for LwwMap<K, V> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(self.iter().map(|(key, value)| (key.to_value(), value.to_value())))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().filter_map(|(key, write)| {
            let (stamp, _) = write.0.as_ref()?;
            let value = shown(write).map_or(Value::Null, Datum::to_value);
            Some(Claim {
                value: Value::map([(key.0.to_value(), value)]),
                by: Some(stamp.log),
                time: Some(stamp.time),
                stands: true,
            })
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        match (path, call.parts()) {
            ([], ("put", [key, value])) | ([key], ("set", [value])) => {
                Ok(self.put(change, arg(key)?, arg(value)?))
            }
            ([], ("remove", [key])) | ([key], ("clear", [])) => Ok(self.remove(change, &arg(key)?)),
            ([], ("set", [Value::Map(map)])) => {
                let old = self.iter().map(|(key, _)| key);
                let gone = old.filter(|key| !map.contains_key(&key.to_value().into_key()));
                let mut delta: SmallMap<_, _> =
                    gone.flat_map(|key| write(change, key.clone(), None)).collect();
                for (key, value) in map {
                    let (key, value) = (arg(&Value::Text(key.clone()))?, arg(value)?);
                    if self.get(&key) != Some(&value) {
                        delta.extend(write(change, key, Some(value)));
                    }
                }
                Ok(Self(delta))
            }
            ([], ("clear", [])) => Ok(self.clear(change)),
            _ => end_of(path).and(Err(call.unknown(&Self::ABOUT))),
        }
    }
}

impl<K: Datum, V: Datum> Catalogued for LwwMap<K, V> {
    const ABOUT: About = About {
        kind: Kind::LwwMap,
        family: "maps",
        what: "values by key",
        rule: "per key the latest write or removal wins; ties go to the greater log",
        algebra: "K ↪ Lex(Stamp, Max<Option<V>>)",
        cost: "O(log n)",
        source: "Shapiro et al. 2011",
        operations: &[
            op("put", &[Arg::Key, Arg::Value], "writes a key"),
            op("remove", &[Arg::Key], "removes a key"),
            op("set", &[Arg::Value], "becomes a map, where it differs"),
            op("clear", &[], "removes every key"),
        ],
    };
}
