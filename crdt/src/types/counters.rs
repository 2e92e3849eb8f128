//! Counters: numbers that everybody adds to.

mod average;
mod bounded;
mod grow;
mod lex;
mod moments;
mod mul;
mod pn;
mod ranged;
mod resettable;
mod vector;

pub use average::Average;
pub use bounded::BoundedCounter;
pub use grow::GCounter;
pub use lex::LexCounter;
pub use moments::Moments;
pub use mul::MulCounter;
pub use pn::PnCounter;
pub use ranged::RangedCounter;
pub use resettable::ResettableCounter;
pub use vector::VectorCounter;
