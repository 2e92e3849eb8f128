//! `SmallMap<K, V>`: an ordered map that is small most of the time.
//!
//! Up to [`ROW_MAX`] entries stand in one sorted row, which takes no more memory than they do and is cloned and
//! dropped at once; beyond that it is a `BTreeMap`, whose nodes have room for eleven entries each. Deltas, and
//! parts of large containers, hold one or a few of nearly everything. Equality, order and bytes are those of the
//! entries, however they are kept.

use std::borrow::Borrow;
use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::slice;
use std::vec;

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::LogId;
use crate::lattice::Lattice;

/// Most entries of a row.
const ROW_MAX: usize = 16;

/// Entries by key, ascending.
#[derive(Clone)]
pub struct SmallMap<K, V>(Kept<K, V>);

#[derive(Clone)]
enum Kept<K, V> {
    Row(Vec<(K, V)>),
    // In a box, so that a map is no larger than its row.
    #[allow(clippy::box_collection)]
    Tree(Box<BTreeMap<K, V>>),
}

impl<K, V> Default for SmallMap<K, V> {
    fn default() -> Self {
        Self(Kept::Row(Vec::new()))
    }
}

impl<K, V> SmallMap<K, V> {
    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Row(row) => row.len(),
            Kept::Tree(tree) => tree.len(),
        }
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, ascending.
    pub fn iter(&self) -> Iter<'_, K, V> {
        match &self.0 {
            Kept::Row(row) => Iter::Row(row.iter()),
            Kept::Tree(tree) => Iter::Tree(tree.iter()),
        }
    }

    /// The keys, ascending.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values by ascending keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The entry of the greatest key.
    #[must_use]
    pub fn last(&self) -> Option<(&K, &V)> {
        self.iter().next_back()
    }
}

impl<K: Ord, V> SmallMap<K, V> {
    /// A map of one entry.
    #[must_use]
    pub fn of(key: K, value: V) -> Self {
        Self(Kept::Row(vec![(key, value)]))
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        match &self.0 {
            Kept::Row(row) => row.get(place(row, key).ok()?).map(|(_, value)| value),
            Kept::Tree(tree) => tree.get(key),
        }
    }

    /// The same, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Kept::Row(row) => {
                let at = place(row, key).ok()?;
                row.get_mut(at).map(|(_, value)| value)
            }
            Kept::Tree(tree) => tree.get_mut(key),
        }
    }

    /// Whether a key is there.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts a value under a key; gives back the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let row = match &mut self.0 {
            Kept::Row(row) => row,
            Kept::Tree(tree) => return tree.insert(key, value),
        };
        let at = match place(row, &key) {
            Ok(at) => return row.get_mut(at).map(|(_, here)| std::mem::replace(here, value)),
            Err(at) => at,
        };
        if row.len() < ROW_MAX {
            if row.len() == row.capacity() {
                row.reserve_exact(if row.len() < 4 { 1 } else { 4 });
            }
            row.insert(at, (key, value));
        } else {
            let mut tree: BTreeMap<K, V> = std::mem::take(row).into_iter().collect();
            tree.insert(key, value);
            self.0 = Kept::Tree(Box::new(tree));
        }
        None
    }

    /// The value of a key, which is put there if it is not.
    ///
    /// # Panics
    /// Never: what has been put there is there.
    pub fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V
    where
        K: Clone,
    {
        if !self.contains_key(&key) {
            self.insert(key.clone(), value());
        }
        self.get_mut(&key).expect("it has just been put there")
    }

    /// Takes a key away with its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match &mut self.0 {
            Kept::Row(row) => {
                let at = place(row, key).ok()?;
                Some(row.remove(at).1)
            }
            Kept::Tree(tree) => tree.remove(key),
        }
    }

    /// Keeps the entries that `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        match &mut self.0 {
            Kept::Row(row) => row.retain_mut(|(key, value)| keep(key, value)),
            Kept::Tree(tree) => tree.retain(keep),
        }
    }

    /// The entries whose keys lie in a range, ascending.
    pub fn range<R: RangeBounds<K>>(&self, range: R) -> Iter<'_, K, V> {
        match &self.0 {
            Kept::Row(row) => {
                let (from, to) = bounds(row, &range);
                Iter::Row(row.get(from..to).unwrap_or_default().iter())
            }
            Kept::Tree(tree) => Iter::Range(tree.range(range)),
        }
    }

    /// The value of the greatest key below another, to be changed.
    pub fn last_below_mut(&mut self, key: &K) -> Option<(&K, &mut V)> {
        match &mut self.0 {
            Kept::Row(row) => {
                let at = row.partition_point(|(here, _)| here < key);
                row.get_mut(at.checked_sub(1)?).map(|(key, value)| (&*key, value))
            }
            Kept::Tree(tree) => tree.range_mut(..key).next_back(),
        }
    }
}

/// Where a key stands in a row, or is to stand.
fn place<K: Borrow<Q>, V, Q: Ord + ?Sized>(row: &[(K, V)], key: &Q) -> Result<usize, usize> {
    match row.last() {
        // What is appended need not be searched for.
        Some((last, _)) if last.borrow() < key => Err(row.len()),
        _ => row.binary_search_by(|(here, _)| here.borrow().cmp(key)),
    }
}

/// From which place of a row to before which other a range of keys goes.
fn bounds<K: Ord, V>(row: &[(K, V)], range: &impl RangeBounds<K>) -> (usize, usize) {
    let from = match range.start_bound() {
        Bound::Included(key) => row.partition_point(|(here, _)| here < key),
        Bound::Excluded(key) => row.partition_point(|(here, _)| here <= key),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(key) => row.partition_point(|(here, _)| here <= key),
        Bound::Excluded(key) => row.partition_point(|(here, _)| here < key),
        Bound::Unbounded => row.len(),
    };
    (from, to)
}

/// Entries by ascending keys.
#[derive(Debug)]
pub enum Iter<'a, K, V> {
    /// Of a row.
    Row(slice::Iter<'a, (K, V)>),
    /// Of a tree.
    Tree(btree_map::Iter<'a, K, V>),
    /// Of a part of a tree.
    Range(btree_map::Range<'a, K, V>),
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Row(row) => row.next().map(|(key, value)| (key, value)),
            Self::Tree(tree) => tree.next(),
            Self::Range(range) => range.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Row(row) => row.size_hint(),
            Self::Tree(tree) => tree.size_hint(),
            Self::Range(range) => range.size_hint(),
        }
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Row(row) => row.next_back().map(|(key, value)| (key, value)),
            Self::Tree(tree) => tree.next_back(),
            Self::Range(range) => range.next_back(),
        }
    }
}

/// Entries by ascending keys, taken out.
#[derive(Debug)]
pub enum IntoIter<K, V> {
    /// Of a row.
    Row(vec::IntoIter<(K, V)>),
    /// Of a tree.
    Tree(btree_map::IntoIter<K, V>),
}

impl<K, V> Iterator for IntoIter<K, V> {
    type Item = (K, V);

    fn next(&mut self) -> Option<(K, V)> {
        match self {
            Self::Row(row) => row.next(),
            Self::Tree(tree) => tree.next(),
        }
    }
}

impl<K, V> IntoIterator for SmallMap<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> IntoIter<K, V> {
        match self.0 {
            Kept::Row(row) => IntoIter::Row(row.into_iter()),
            Kept::Tree(tree) => IntoIter::Tree(tree.into_iter()),
        }
    }
}

impl<'a, K, V> IntoIterator for &'a SmallMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Iter<'a, K, V> {
        self.iter()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SmallMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

impl<K: Ord, V> Extend<(K, V)> for SmallMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SmallMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SmallMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SmallMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Joined key by key, as every map of lattices.
impl<K: Ord + Clone, L: Lattice> Lattice for SmallMap<K, L> {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for (key, value) in other {
            grew |= match self.get_mut(&key) {
                Some(here) => here.join(value),
                None => {
                    self.insert(key, value);
                    true
                }
            };
        }
        grew
    }

    fn since(&self, seen: &CausalContext) -> Self {
        let news = self.iter().filter_map(|(key, value)| {
            let news = value.since(seen);
            let silent = news == L::default() && *value != news;
            (!silent).then(|| (key.clone(), news))
        });
        news.collect()
    }

    fn split(self) -> Vec<Self> {
        let parts = self.into_iter().flat_map(|(key, value)| {
            value.split().into_iter().map(move |part| Self::of(key.clone(), part))
        });
        parts.collect()
    }

    fn written_by(&self, author: LogId) -> bool {
        self.values().all(|value| value.written_by(author))
    }
}

impl<K: Encode, V: Encode> Encode for SmallMap<K, V> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.len() as u64);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Decode + Ord, V: Decode> Decode for SmallMap<K, V> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut map = Self::default();
        for _ in 0..from.count()? {
            let key = K::decode(from)?;
            if map.last().is_some_and(|(last, _)| *last >= key) {
                return Err(DecodeError::NotCanonical);
            }
            map.insert(key, V::decode(from)?);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_a_tree_does(
            steps in prop::collection::vec((0..4_u8, 0..40_u16, any::<u8>()), 0..200),
            from in 0..40_u16,
            len in 0..20_u16,
        ) {
            let (mut map, mut tree) = (SmallMap::default(), BTreeMap::new());
            for (step, key, value) in steps {
                match step {
                    0 => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                    1 => {
                        let one = *map.or_insert_with(key, || value);
                        prop_assert_eq!(one, *tree.entry(key).or_insert(value));
                    }
                    _ => prop_assert_eq!(map.insert(key, value), tree.insert(key, value)),
                }
                prop_assert_eq!(map.get(&key), tree.get(&key));
                let below = map.last_below_mut(&key).map(|(key, value)| (*key, *value));
                let other = tree.range(..key).next_back().map(|(key, value)| (*key, *value));
                prop_assert_eq!(below, other);
            }
            prop_assert!(map.iter().eq(tree.iter()));
            prop_assert!(map.iter().rev().eq(tree.iter().rev()));
            prop_assert!(map.range(from..from + len).eq(tree.range(from..from + len)));
            prop_assert!(map.range(..=from).rev().eq(tree.range(..=from).rev()));
            prop_assert_eq!(crate::to_bytes(&map), crate::to_bytes(&tree));
            let again: SmallMap<u16, u8> = crate::from_bytes(&crate::to_bytes(&map)).unwrap();
            prop_assert!(again == map);
            prop_assert!(again.into_iter().eq(tree));
        }
    }
}
