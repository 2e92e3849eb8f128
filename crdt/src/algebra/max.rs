//! `Max<T>`: the larger of two values.

use crate::algebra::codec_fields;
use crate::lattice::Lattice;

/// The largest value yet; nothing at first. Join is the maximum (Conway et al. 2012, `lmax`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Max<T>(pub Option<T>);

impl<T> Default for Max<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ord + Clone> Lattice for Max<T> {
    fn join(&mut self, other: Self) -> bool {
        let grew = other.0 > self.0;
        if grew {
            self.0 = other.0;
        }
        grew
    }
}

codec_fields!(Max<T>(0));
