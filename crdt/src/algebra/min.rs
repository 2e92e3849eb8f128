//! `Min<T>`: the smaller of two values.

use crate::algebra::codec_fields;
use crate::lattice::Lattice;

/// The smallest value yet; nothing at first. Join is the minimum (Conway et al. 2012, `lmin`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Min<T>(pub Option<T>);

impl<T> Default for Min<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ord + Clone> Lattice for Min<T> {
    fn join(&mut self, other: Self) -> bool {
        let grew = match (&other.0, &self.0) {
            (Some(new), Some(old)) => new < old,
            (new, old) => new.is_some() && old.is_none(),
        };
        if grew {
            self.0 = other.0;
        }
        grew
    }
}

codec_fields!(Min<T>(0));
