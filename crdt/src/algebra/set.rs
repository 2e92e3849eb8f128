//! `Set<T>`: union. It is `BTreeSet<T>` itself.

use std::collections::BTreeSet;

use crate::lattice::Lattice;

impl<T: Ord + Clone> Lattice for BTreeSet<T> {
    fn join(&mut self, mut other: Self) -> bool {
        let before = self.len();
        self.append(&mut other);
        self.len() > before
    }
}
