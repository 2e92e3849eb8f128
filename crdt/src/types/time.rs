//! Time: series and windows.

mod series;
mod windows;

pub use series::Series;
pub use windows::Windows;
