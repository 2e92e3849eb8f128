//! Trees: things that hang below each other.

mod files;
mod moving;
mod orphan;

pub use files::FileSystem;
pub use moving::MoveTree;
pub use orphan::{OrphanTree, Orphans};
