//! Maps: things by key.

mod aw;
mod lww;
mod record;

pub use aw::AwMap;
pub use lww::LwwMap;
pub use record::{Field, Record};
