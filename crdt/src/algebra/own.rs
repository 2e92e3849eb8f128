//! `Own<M>`: each author's own contribution; the value is their sum.
//!
//! `Log ↪ Lex(Max<seq>, M)` lifts any commutative monoid to a lattice: sums, buckets and summaries, which are
//! no lattices themselves, become safe to join again and again.

use std::collections::BTreeMap;

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, LogId};
use crate::lattice::Lattice;
use crate::planted::{self, Bug};
use crate::store::Change;

/// A commutative monoid; nothing is `Default::default()`. The order only settles what a forger says twice.
pub trait Monoid: Clone + Default + Ord {
    /// Adds another contribution to this one.
    fn combine(&mut self, other: &Self);
}

impl Monoid for i64 {
    fn combine(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl Monoid for u64 {
    fn combine(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

/// Adds bucket by bucket; a bucket that one side lacks counts nothing.
impl<K: Ord + Clone, M: Monoid> Monoid for BTreeMap<K, M> {
    fn combine(&mut self, other: &Self) {
        for (key, value) in other {
            self.entry(key.clone()).or_default().combine(value);
        }
    }
}

impl<A: Monoid, B: Monoid> Monoid for (A, B) {
    fn combine(&mut self, other: &Self) {
        self.0.combine(&other.0);
        self.1.combine(&other.1);
    }
}

/// By author: the number of the latest event that changed the contribution, and the contribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own<M>(BTreeMap<LogId, (u64, M)>);

impl<M> Default for Own<M> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<M: Monoid> Own<M> {
    /// The sum of all contributions. O(authors).
    #[must_use]
    pub fn total(&self) -> M {
        let mut total = M::default();
        self.0.values().for_each(|(_, own)| total.combine(own));
        total
    }
}

impl<M: Clone + Default + Ord> Own<M> {
    /// The contributions by author, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (LogId, &M)> {
        self.0.iter().map(|(log, (_, own))| (*log, own))
    }

    /// One author's contribution.
    #[must_use]
    pub fn get(&self, log: LogId) -> Option<&M> {
        self.0.get(&log).map(|(_, own)| own)
    }

    /// Changes the writer's own contribution; returns the delta.
    #[must_use]
    pub fn contribute(&self, change: &mut Change, alter: impl FnOnce(&mut M)) -> Self {
        let before = self.get(change.log()).filter(|_| !planted::is(Bug::OwnStartsAnew));
        let mut own = before.cloned().unwrap_or_default();
        alter(&mut own);
        let dot = change.dot();
        Self(BTreeMap::from([(dot.log, (dot.seq, own))]))
    }
}

impl<M: Clone + Ord> Lattice for Own<M> {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for (log, theirs) in other.0 {
            if self.0.get(&log).is_none_or(|ours| theirs > *ours) {
                self.0.insert(log, theirs);
                grew = true;
            }
        }
        grew
    }

    fn since(&self, seen: &CausalContext) -> Self {
        let news =
            self.0.iter().filter(|(log, (seq, _))| !seen.contains(Dot { log: **log, seq: *seq }));
        Self(news.map(|(log, own)| (*log, own.clone())).collect())
    }

    fn written_by(&self, author: LogId) -> bool {
        self.0.keys().all(|log| *log == author)
    }
}

impl<M: Encode> Encode for Own<M> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl<M: Decode> Decode for Own<M> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let map = BTreeMap::<LogId, (u64, M)>::decode(from)?;
        if map.values().any(|(seq, _)| *seq == 0) {
            return Err(DecodeError::Invalid);
        }
        Ok(Self(map))
    }
}
