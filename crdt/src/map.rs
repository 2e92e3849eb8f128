//! A map of registers: for each key the latest write or removal wins (Shapiro et al. 2011).

use std::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;
use crate::register::LwwRegister;
use crate::time::{Stamp, Writer};

/// For each key the write of the greatest stamp, a removal being a write too. O(log n) per key.
///
/// ```
/// use meshwork_crdt::{HybridTime, LogId, LwwMap, Writer};
/// let mut map = LwwMap::default();
/// let at = |ms| Writer { log: LogId([1; 16]), time: HybridTime::at(ms) };
/// map.put(&at(1), "theme".to_owned(), "dark");
/// map.remove(&at(2), &"theme".to_owned());
/// assert_eq!(map.get(&"theme".to_owned()), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LwwMap<K, V> {
    keys: BTreeMap<K, LwwRegister<Option<V>>>,
}

impl<K, V> Default for LwwMap<K, V> {
    fn default() -> Self {
        Self { keys: BTreeMap::new() }
    }
}

impl<K: Clone + Ord, V: Clone + Ord> LwwMap<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.keys.get(key)?.get()?.as_ref()
    }

    /// The keys that have a value, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.keys.iter().filter_map(|(key, register)| Some((key, register.get()?.as_ref()?)))
    }

    /// The stamps of all writes and removals.
    pub fn stamps(&self) -> impl Iterator<Item = Stamp> {
        self.keys.values().filter_map(LwwRegister::stamp)
    }

    /// Writes a key; returns the delta.
    pub fn put(&mut self, writer: &Writer, key: K, value: V) -> Self {
        self.write(writer, key, Some(value))
    }

    /// Removes a key; returns the delta, empty if the key has no value.
    pub fn remove(&mut self, writer: &Writer, key: &K) -> Self {
        if self.get(key).is_none() {
            return Self::default();
        }
        self.write(writer, key.clone(), None)
    }

    /// Removes every key; returns the delta.
    pub fn clear(&mut self, writer: &Writer) -> Self {
        let keys: Vec<K> = self.iter().map(|(key, _)| key.clone()).collect();
        let mut delta = Self::default();
        for key in keys {
            delta.join(self.write(writer, key, None));
        }
        delta
    }

    fn write(&mut self, writer: &Writer, key: K, value: Option<V>) -> Self {
        let delta = self.keys.entry(key.clone()).or_default().set(writer, value);
        Self { keys: BTreeMap::from([(key, delta)]) }
    }

    /// Whether the map holds nothing, not even a removal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The map in deltas of one key each.
    pub fn split(self) -> impl Iterator<Item = Self> {
        self.keys.into_iter().map(|entry| Self { keys: BTreeMap::from([entry]) })
    }
}

impl<K: Clone + Ord, V: Clone + Ord> Lattice for LwwMap<K, V> {
    fn join(&mut self, other: Self) -> bool {
        self.keys.join(other.keys)
    }
}

impl<K: Encode, V: Encode> Encode for LwwMap<K, V> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.keys.encode(out);
    }
}

impl<K: Decode + Ord, V: Decode> Decode for LwwMap<K, V> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { keys: BTreeMap::decode(from)? })
    }
}
