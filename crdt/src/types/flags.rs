//! Flags: yes or no.

mod enable;

pub use enable::EnableFlag;
