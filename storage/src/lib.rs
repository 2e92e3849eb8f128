//! Adapters of Meshwork's storage port: sled (default) and redb.
//!
//! Data in: atomic batches of byte keys through `meshwork_protocol::store::Store`. Data out: what was
//! committed, or a typed reason why it cannot be had. Each store is one directory: a `format` marker, a
//! `lock` held while it is open, an `acknowledged` count of what was promised, and the engine's own files.
//! Invariants: a durable batch is on the disk, not only in the page cache, when `commit` returns; a store
//! that has lost an acknowledged batch does not open; after a failure every call fails until it is opened
//! again. Deliberately not here: key layout, value formats, repair (`doctor`), anything asynchronous.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

#[cfg(any(feature = "sled", feature = "redb"))]
mod acknowledged;
#[cfg(any(feature = "sled", feature = "redb"))]
mod latch;
#[cfg(any(feature = "sled", feature = "redb"))]
mod place;
#[cfg(feature = "redb")]
mod redb_store;
#[cfg(feature = "sled")]
mod sled_store;

#[cfg(feature = "redb")]
pub use redb_store::{RedbOptions, RedbStore};
#[cfg(feature = "sled")]
pub use sled_store::{SledOptions, SledStore};
