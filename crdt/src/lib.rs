//! Conflict-free replicated data types, from a small algebra.
//!
//! A [`Lattice`] joins; mutators change a value and return a delta, which is a lattice value too. [`Object`]
//! is any of the types behind one face, for those who know a type only as data ([`Shape`]). `laws` states what
//! must hold of every type. Not here: clocks, randomness, input, output, networks, membership.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod causal;
mod codec;
mod counter;
mod dot;
mod lattice;
#[cfg(any(test, feature = "laws"))]
pub mod laws;
mod map;
mod object;
mod register;
mod sequence;
mod set;
mod text;
mod time;
mod value;

pub use causal::{CausalContext, VersionVector};
pub use codec::{
    Decode, DecodeError, Decoder, Encode, Encoder, LogTable, digest, from_bytes, to_bytes,
};
pub use counter::PnCounter;
pub use dot::{Dot, DotRange, LogId};
pub use lattice::{Lattice, Max};
pub use map::LwwMap;
pub use object::{DELTA_BYTES_MAX, DeltaError, Edit, EditError, Object, Shape};
pub use register::LwwRegister;
pub use sequence::{Run, Sequence, Side};
pub use set::AwSet;
pub use text::{IMPORT_CHUNK_CHARS, Text};
pub use time::{HybridTime, Stamp, Writer};
pub use value::{Float, VALUE_DEPTH_MAX, Value};
