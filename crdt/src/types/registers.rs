//! Registers: one value, or one for each writer who did not know of the others.

mod agreed;
mod best;
mod fww;
mod lww;
mod max;
mod min;
mod mv;
mod ranked;

pub use agreed::AgreedRegister;
pub use best::BestRegister;
pub use fww::FwwRegister;
pub use lww::LwwRegister;
pub use max::MaxRegister;
pub use min::MinRegister;
pub use mv::MvRegister;
pub use ranked::RankedRegister;
