//! The entries of the smallest keys: what samples and distinct counts keep.

use std::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;

/// The `N` entries of the smallest keys. An entry that is left out could never come back, for its key would
/// still not be among the smallest of a greater set.
#[derive(Clone, Debug, PartialEq)]
pub struct Bottom<V, const N: usize>(BTreeMap<u64, V>);

impl<V, const N: usize> Default for Bottom<V, N> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V, const N: usize> Bottom<V, N> {
    pub(super) fn of(key: u64, value: V) -> Self {
        Self(BTreeMap::from([(key, value)]))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The greatest key, if as many are kept as can be.
    pub(super) fn bound(&self) -> Option<u64> {
        self.0.last_key_value().map(|(key, _)| *key).filter(|_| self.0.len() >= N)
    }
}

impl<V: Lattice, const N: usize> Lattice for Bottom<V, N> {
    fn join(&mut self, other: Self) -> bool {
        let mut grew = false;
        for (key, value) in other.0 {
            if self.bound().is_some_and(|bound| key > bound) {
                break;
            }
            grew |= self.0.join(BTreeMap::from([(key, value)]));
            if self.0.len() > N {
                self.0.pop_last();
            }
        }
        grew
    }
}

impl<V: Encode, const N: usize> Encode for Bottom<V, N> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl<V: Decode, const N: usize> Decode for Bottom<V, N> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let entries = BTreeMap::<u64, V>::decode(from)?;
        if entries.len() <= N { Ok(Self(entries)) } else { Err(DecodeError::NotCanonical) }
    }
}
