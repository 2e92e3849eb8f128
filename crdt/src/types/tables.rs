//! Tables: rows, columns and cells.

mod grid;
mod matrix;
mod relations;
mod sheet;
mod table;

pub use matrix::Matrix;
pub use relations::{Relations, Repair, Rows, Rule};
pub use sheet::Sheet;
pub use table::Table;
