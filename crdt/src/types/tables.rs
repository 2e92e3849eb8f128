//! Tables: rows, columns and cells.

mod matrix;
mod relations;
mod sheet;
mod table;

pub use matrix::Matrix;
pub use relations::{Relations, Rows, Rule};
pub use sheet::Sheet;
pub use table::Table;
