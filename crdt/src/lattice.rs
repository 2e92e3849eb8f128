//! What merging is: a join that is associative, commutative and idempotent, and reports growth.

use std::collections::{BTreeMap, BTreeSet};

/// A join-semilattice. `join` is the least upper bound; the laws in `laws` say what that means.
pub trait Lattice {
    /// Takes in everything `other` knows; tells whether that was news.
    fn join(&mut self, other: Self) -> bool;
}

/// The larger of two values wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Max<T>(pub T);

impl<T: Ord> Lattice for Max<T> {
    fn join(&mut self, other: Self) -> bool {
        let grew = other.0 > self.0;
        if grew {
            self.0 = other.0;
        }
        grew
    }
}

impl<A: Lattice, B: Lattice> Lattice for (A, B) {
    fn join(&mut self, other: Self) -> bool {
        let first = self.0.join(other.0);
        let second = self.1.join(other.1);
        first || second
    }
}

impl<K: Ord, V: Lattice> Lattice for BTreeMap<K, V> {
    fn join(&mut self, other: Self) -> bool {
        use std::collections::btree_map::Entry;
        let mut grew = false;
        for (key, value) in other {
            grew |= match self.entry(key) {
                Entry::Occupied(mut here) => here.get_mut().join(value),
                Entry::Vacant(here) => {
                    here.insert(value);
                    true
                }
            };
        }
        grew
    }
}

impl<T: Ord> Lattice for BTreeSet<T> {
    fn join(&mut self, other: Self) -> bool {
        let before = self.len();
        self.extend(other);
        self.len() > before
    }
}
