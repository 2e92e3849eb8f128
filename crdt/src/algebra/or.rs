//! `Or`: from false to true, once.

use crate::algebra::codec_fields;
use crate::lattice::Lattice;

/// A bit that is set once and stays set (Conway et al. 2012, `lbool`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Or(pub bool);

impl Lattice for Or {
    fn join(&mut self, other: Self) -> bool {
        let grew = other.0 && !self.0;
        self.0 |= other.0;
        grew
    }
}

codec_fields!(Or(0));
