//! Sequences: elements in an order everybody can change.

mod list;
mod log;
mod lseq;
mod movable;
mod rga;
mod rich_text;
mod text;
mod treedoc;

pub use list::List;
pub use log::Log;
pub use lseq::Lseq;
pub use movable::MovableList;
pub use rga::Rga;
pub(crate) use rich_text::Writing;
pub use rich_text::{Expand, Mark, RichText, Span};
pub(crate) use text::difference;
pub use text::{IMPORT_CHUNK_CHARS, Text};
pub use treedoc::Treedoc;
