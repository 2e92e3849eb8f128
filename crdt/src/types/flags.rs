//! Flags: yes or no.

mod disable;
mod enable;
mod once;

pub use disable::DisableFlag;
pub use enable::EnableFlag;
pub use once::OnceFlag;
