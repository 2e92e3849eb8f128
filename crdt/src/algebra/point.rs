//! `Point<T>`: agreement, or an explicit conflict.

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;

/// Nothing yet, one value all agree on, or the knowledge that they do not (hydro `lattices`, `Point`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Point<T> {
    /// Nobody has said anything.
    #[default]
    Unknown,
    /// All who said something said this.
    Agreed(T),
    /// Different things were said.
    Conflict,
}

impl<T: Clone + PartialEq> Lattice for Point<T> {
    fn join(&mut self, other: Self) -> bool {
        let joined = match (&*self, other) {
            (Self::Conflict, _) | (_, Self::Unknown) => return false,
            (Self::Unknown, other) => other,
            (Self::Agreed(one), Self::Agreed(two)) if *one == two => return false,
            _ => Self::Conflict,
        };
        *self = joined;
        true
    }
}

impl<T: Encode> Encode for Point<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Unknown => out.byte(0),
            Self::Agreed(value) => {
                out.byte(1);
                value.encode(out);
            }
            Self::Conflict => out.byte(2),
        }
    }
}

impl<T: Decode> Decode for Point<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Unknown),
            1 => T::decode(from).map(Self::Agreed),
            2 => Ok(Self::Conflict),
            _ => Err(DecodeError::Invalid),
        }
    }
}
