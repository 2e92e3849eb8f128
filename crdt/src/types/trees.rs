//! Trees: things that hang below each other.

mod files;
mod moving;
mod orphan;

pub use files::{FileSystem, PATH_BYTES_MAX};
pub use moving::MoveTree;
pub use orphan::{OrphanTree, Orphans};
