//! `UnionFind<T>`: which things are the same; classes only ever grow together (hydro `lattices`).

use std::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;

/// Equivalence classes. Each member but the least points to the least of its class, so that equal partitions
/// are equal values. Looking up is O(log n); uniting is O(n) in the worst case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnionFind<T>(BTreeMap<T, T>);

impl<T> Default for UnionFind<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Clone> UnionFind<T> {
    /// A partition that says that two things are the same.
    #[must_use]
    pub fn of(one: T, two: T) -> Self {
        let (least, other) = if one <= two { (one, two) } else { (two, one) };
        Self((least != other).then_some((other, least)).into_iter().collect())
    }

    /// The least member of a thing's class.
    #[must_use]
    pub fn find<'a>(&'a self, item: &'a T) -> &'a T {
        self.0.get(item).unwrap_or(item)
    }

    /// The classes of more than one member: least member, and the others ascending.
    #[must_use]
    pub fn classes(&self) -> BTreeMap<&T, Vec<&T>> {
        let mut classes = BTreeMap::<&T, Vec<&T>>::new();
        for (member, least) in &self.0 {
            classes.entry(least).or_default().push(member);
        }
        classes
    }

    fn unite(&mut self, one: &T, two: &T) -> bool {
        let (one, two) = (self.find(one).clone(), self.find(two).clone());
        if one == two {
            return false;
        }
        let (least, other) = if one < two { (one, two) } else { (two, one) };
        for parent in self.0.values_mut().filter(|parent| **parent == other) {
            *parent = least.clone();
        }
        self.0.insert(other, least);
        true
    }
}

impl<T: Ord + Clone> Lattice for UnionFind<T> {
    fn join(&mut self, other: Self) -> bool {
        other.0.iter().fold(false, |grew, (one, two)| self.unite(one, two) || grew)
    }
}

impl<T: Encode> Encode for UnionFind<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl<T: Decode + Ord> Decode for UnionFind<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let map = BTreeMap::<T, T>::decode(from)?;
        let flat = map.iter().all(|(member, least)| least < member && !map.contains_key(least));
        if flat { Ok(Self(map)) } else { Err(DecodeError::NotCanonical) }
    }
}
