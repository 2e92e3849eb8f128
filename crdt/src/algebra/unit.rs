//! `Unit`: one point. What a combinator is given when nothing is to be said.

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::lattice::Lattice;

impl Lattice for () {
    fn join(&mut self, (): Self) -> bool {
        false
    }
}

impl Encode for () {
    fn encode(&self, _: &mut Encoder<'_>) {}
}

impl Decode for () {
    fn decode(_: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(())
    }
}
