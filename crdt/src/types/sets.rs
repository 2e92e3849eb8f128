//! Sets: elements without order.

mod aw;
mod bag;
mod expiring;
mod grow;
mod interval;
mod lww;
mod pn;
mod rw;
mod top_k;
mod two_phase;
mod unique;

pub use aw::AwSet;
pub use bag::Bag;
pub use expiring::ExpiringSet;
pub use grow::GSet;
pub use interval::IntervalSet;
pub use lww::LwwSet;
pub use pn::PnSet;
pub use rw::RwSet;
pub use top_k::TopK;
pub use two_phase::TwoPhaseSet;
pub use unique::UniqueSet;
