//! Linear sums: a lattice with a new bottom below it, or a new top above it.

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;

/// A lattice that is there or not: nothing is less than anything (hydro `lattices`, `WithBot`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithBottom<L>(pub Option<L>);

impl<L> Default for WithBottom<L> {
    fn default() -> Self {
        Self(None)
    }
}

impl<L: Lattice> Lattice for WithBottom<L> {
    fn join(&mut self, other: Self) -> bool {
        match (&mut self.0, other.0) {
            (_, None) => false,
            (Some(here), Some(there)) => here.join(there),
            (here, there) => {
                *here = there;
                true
            }
        }
    }
}

crate::algebra::codec_fields!(WithBottom<L>(0));

/// A lattice that can be closed for ever: closed is greater than everything (hydro `lattices`, `WithTop`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithTop<L> {
    /// Still growing.
    Open(L),
    /// Closed.
    Closed,
}

impl<L: Default> Default for WithTop<L> {
    fn default() -> Self {
        Self::Open(L::default())
    }
}

impl<L: Lattice> Lattice for WithTop<L> {
    fn join(&mut self, other: Self) -> bool {
        match (&mut *self, other) {
            (Self::Closed, _) => false,
            (Self::Open(here), Self::Open(there)) => here.join(there),
            (Self::Open(_), Self::Closed) => {
                *self = Self::Closed;
                true
            }
        }
    }
}

impl<L: Encode> Encode for WithTop<L> {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Open(value) => {
                out.byte(0);
                value.encode(out);
            }
            Self::Closed => out.byte(1),
        }
    }
}

impl<L: Decode> Decode for WithTop<L> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => L::decode(from).map(Self::Open),
            1 => Ok(Self::Closed),
            _ => Err(DecodeError::Invalid),
        }
    }
}
