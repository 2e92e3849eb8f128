//! Sets: elements without order.

mod aw;

pub use aw::AwSet;
