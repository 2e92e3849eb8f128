//! Counters: numbers that everybody adds to.

mod pn;

pub use pn::PnCounter;
