//! `DotMap<K, S>`: stores by key. A key whose store knows nothing is gone.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use crate::algebra::{Entry, SmallMap};
use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, DotRange, LogId};
use crate::store::{Change, DotStore, Turnover};

mod index;

use index::DotIndex;

/// Stores by key, all under one context (Almeida et al. 2018). An index from dots to keys makes joining a
/// small delta cost what the delta touches, not what the map holds.
#[derive(Clone, Debug)]
pub struct DotMap<K, S> {
    entries: SmallMap<K, S>,
    index: DotIndex<K>,
}

impl<K, S> Default for DotMap<K, S> {
    fn default() -> Self {
        Self { entries: SmallMap::default(), index: DotIndex::default() }
    }
}

impl<K: PartialEq, S: PartialEq> PartialEq for DotMap<K, S> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Eq, S: Eq> Eq for DotMap<K, S> {}

impl<K: Ord + Clone, S: DotStore> DotMap<K, S> {
    /// A map of one key.
    #[must_use]
    pub fn of(key: K, store: S) -> Self {
        Self::from_iter([(key, store)])
    }

    /// The store of a key. O(log n).
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&S>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    /// The keys that hold any dot of a context, each at least once.
    pub(crate) fn holding(&self, dots: &CausalContext) -> Vec<K> {
        let mut keys = Vec::new();
        for range in dots.ranges() {
            self.index.overlapping(range, |key| keys.push(key.clone()));
        }
        keys
    }

    /// The key that holds a dot.
    pub(crate) fn key_of(&self, dot: Dot) -> Option<&K> {
        self.index.key_of(dot)
    }

    /// The stores by their keys, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &S)> {
        self.entries.iter()
    }

    /// The stores whose keys lie in a range, ascending.
    pub fn range<R: std::ops::RangeBounds<K>>(
        &self,
        range: R,
    ) -> impl DoubleEndedIterator<Item = (&K, &S)> {
        self.entries.range(range)
    }

    /// The keys with their stores, ascending.
    pub fn into_entries(self) -> impl Iterator<Item = (K, S)> {
        self.entries.into_iter()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn join_key(
        &mut self,
        seen: &CausalContext,
        (key, other): (K, S),
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let (born, died) = (turnover.born.len(), turnover.died.len());
        let changed = match self.entries.get_mut(&key) {
            Some(store) => {
                let changed = store.join_store(seen, other, theirs, turnover);
                if changed && store.is_bottom() {
                    self.entries.remove(&key);
                }
                changed
            }
            None => {
                let mut store = S::default();
                store.join_store(seen, other, theirs, turnover);
                let keep = !store.is_bottom();
                if keep {
                    self.entries.insert(key.clone(), store);
                }
                keep
            }
        };
        self.note(&key, (born, died), turnover);
        changed
    }

    /// The same for a delta that is still needed.
    fn join_part(
        &mut self,
        seen: &CausalContext,
        (key, other): (&K, &S),
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let Some(store) = self.entries.get_mut(key) else {
            return self.join_key(seen, (key.clone(), other.clone()), theirs, turnover);
        };
        let (born, died) = (turnover.born.len(), turnover.died.len());
        let changed = store.join_delta(seen, other, theirs, turnover);
        if changed && store.is_bottom() {
            self.entries.remove(key);
        }
        self.note(key, (born, died), turnover);
        changed
    }

    /// Notes which dots a key's store has lost and got since the turnover had so many.
    fn note(&mut self, key: &K, (born, died): (usize, usize), turnover: &Turnover) {
        for range in turnover.died.get(died..).unwrap_or_default() {
            self.index.remove(*range);
        }
        for range in turnover.born.get(born..).unwrap_or_default() {
            self.index.insert(*range, key);
        }
    }

    /// The keys of `others` apart, those that hold a dot the other side has seen.
    fn left_out(&self, others: &SmallMap<K, S>, theirs: &CausalContext) -> BTreeSet<K> {
        let mut touched = BTreeSet::new();
        if !self.index.is_empty() {
            for range in theirs.ranges() {
                self.index.overlapping(range, |key| {
                    if !others.contains_key(key) && !touched.contains(key) {
                        touched.insert(key.clone());
                    }
                });
            }
        }
        touched
    }
}

impl<K: Ord + Clone, S: DotStore> DotMap<K, Entry<S>> {
    /// The same delta, which puts every part it changes there if nobody has; `inside` does so further in.
    pub(crate) fn touched(
        &self,
        change: &mut Change,
        delta: Self,
        inside: impl Fn(&S, &mut Change, S) -> S,
    ) -> Self {
        let vacant = Entry::default();
        let touched = delta.into_entries().map(|(key, entry)| {
            let here = self.entries.get(&key).unwrap_or(&vacant);
            (key, here.touched(change, entry, &inside))
        });
        touched.collect()
    }
}

impl<K: Ord + Clone, S: DotStore> FromIterator<(K, S)> for DotMap<K, S> {
    fn from_iter<I: IntoIterator<Item = (K, S)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, store) in entries {
            if !store.is_bottom() {
                store.dots(&mut |range| map.index.insert(range, &key));
                map.entries.insert(key, store);
            }
        }
        map
    }
}

impl<K: Ord + Clone, S: DotStore> DotStore for DotMap<K, S> {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let touched = self.left_out(&other.entries, theirs);
        let mut changed = false;
        for entry in other.entries {
            changed |= self.join_key(seen, entry, theirs, turnover);
        }
        for key in touched {
            changed |= self.join_key(seen, (key, S::default()), theirs, turnover);
        }
        changed
    }

    fn join_delta(
        &mut self,
        seen: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let touched = self.left_out(&other.entries, theirs);
        let mut changed = false;
        for entry in &other.entries {
            changed |= self.join_part(seen, entry, theirs, turnover);
        }
        for key in touched {
            changed |= self.join_key(seen, (key, S::default()), theirs, turnover);
        }
        changed
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.index.ranges().for_each(each);
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        self.iter().map(|(key, store)| (key.clone(), store.store_since(seen))).collect()
    }

    fn split_store(self) -> Vec<Self> {
        let parts = self.entries.into_iter().flat_map(|(key, store)| {
            store.split_store().into_iter().map(move |part| Self::of(key.clone(), part))
        });
        parts.collect()
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.entries.values().all(|store| store.authored_by(author))
    }

    fn is_bottom(&self) -> bool {
        self.entries.is_empty()
    }

    fn is_live(&self) -> bool {
        !self.index.is_empty()
    }
}

impl<K: Encode, S: Encode> Encode for DotMap<K, S> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.entries.encode(out);
    }
}

impl<K: Decode + Ord + Clone, S: Decode + DotStore> Decode for DotMap<K, S> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut entries = SmallMap::<K, S>::decode(from)?;
        if from.is_lenient() {
            // Of a struct that does not know what was written, nothing may be left.
            entries.retain(|_, store| !store.is_bottom());
        }
        let mut index = DotIndex::default();
        let mut valid = true;
        for (key, store) in &entries {
            valid &= !store.is_bottom();
            store.dots(&mut |range| {
                valid &= !index.overlaps(range);
                index.insert(range, key);
            });
        }
        if valid { Ok(Self { entries, index }) } else { Err(DecodeError::Invalid) }
    }
}
