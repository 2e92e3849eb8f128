//! Conflict-free replicated data types, from a small algebra.
//!
//! A [`Lattice`] joins. A [`DotStore`] joins with the help of what both sides have seen, so that parts of it can
//! be taken away; [`Causal`] is a store with that context, and a lattice again. Mutators read a store and return
//! a delta, which is of the same type. [`types`] is the catalogue, made from the [`algebra`]; [`Shape`] says as
//! data what something is made of, and [`Object`] is anything behind one face, for those who lack its Rust type.
//! `laws` states what must hold of every type. Not here: clocks, randomness, input, output, networks.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod algebra;
mod causal;
mod codec;
mod crdt;
mod datum;
mod document;
mod dot;
mod lattice;
#[cfg(any(test, feature = "laws"))]
pub mod laws;
mod node;
mod object;
mod path;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
mod policy;
pub mod product;
mod shape;
mod store;
mod text_doc;
mod time;
pub mod types;
mod value;

pub use causal::{CausalContext, VersionVector};
pub use codec::{
    Decode, DecodeError, Decoder, Encode, Encoder, LogTable, digest, from_bytes, to_bytes,
};
pub use crdt::{
    About, Arg, Call, Catalogued, Claim, Crdt, Described, EditError, Explanation, Operation, arg,
    count_arg, end_of, log_arg, op,
};
pub use datum::{Datum, Plain};
pub use document::{Document, Revision, Transaction, UNDO_MAX};
pub use dot::{Dot, DotRange, LogId};
pub use lattice::Lattice;
#[cfg(feature = "derive")]
pub use meshwork_crdt_derive::Crdt;
pub use node::{Kind, Node};
pub use object::{DELTA_BYTES_MAX, DeltaError, Difference, Edit, Object, TypedEdit};
pub use path::Path;
pub use policy::{Candidate, Policy, Resolver};
pub use shape::{SHAPE_DEPTH_MAX, SHAPE_FIELDS_MAX, Shape, ShapeError};
pub use store::{Causal, Change, DotStore, Turnover};
pub use text_doc::{Anchor, Bias, FileError, OutOfRange, Splice, TextDoc, UpdateError};
pub use time::{HybridTime, Stamp, Writer};
pub use types::counters::PnCounter;
pub use types::maps::{AwMap, LwwMap, Record};
pub use types::registers::{LwwRegister, MvRegister};
pub use types::sequences::{Expand, IMPORT_CHUNK_CHARS, List, Mark, RichText, Span, Text};
pub use types::sets::AwSet;
pub use value::{Float, VALUE_DEPTH_MAX, Value};
