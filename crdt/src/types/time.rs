//! Time: series and windows.

mod series;
mod windows;

pub use series::{Interval, Series};
pub use windows::{Totals, Windows};
