//! Sequences: elements in an order everybody can change.

mod list;
mod text;

pub use list::List;
pub(crate) use text::difference;
pub use text::{IMPORT_CHUNK_CHARS, Text};
