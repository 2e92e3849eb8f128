//! Maps: things by key.

mod aw;
mod grow;
mod lww;
mod multi;
mod record;
mod rw;

pub use aw::AwMap;
pub use grow::GMap;
pub use lww::LwwMap;
pub use multi::MultiMap;
pub use record::{Field, Record};
pub use rw::RwMap;
