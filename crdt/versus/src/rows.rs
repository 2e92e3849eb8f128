//! The rows, family by family.

pub mod collections;
pub mod concurrent;
pub mod growth;
pub mod sequential;
pub mod sync;
