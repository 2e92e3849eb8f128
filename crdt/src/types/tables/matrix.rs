//! The matrix.

use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, EditError, Explanation, arg, count_arg, end_of, op,
};
use crate::node::Kind;
use crate::store::Change;
use crate::types::registers::LwwRegister;
use crate::types::tables::grid::Grid;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Numbers in rows and columns that are inserted and deleted; what was never written is 0.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::tables::Matrix};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut matrix = Causal::<Matrix>::default();
    /// matrix.edit(&at(1), |matrix, change| matrix.insert_row(change, 0).unwrap());
    /// matrix.edit(&at(1), |matrix, change| matrix.insert_column(change, 0).unwrap());
    /// matrix.edit(&at(1), |matrix, change| matrix.set(change, (0, 0), 7).unwrap());
    /// matrix.edit(&at(1), |matrix, change| matrix.insert_column(change, 0).unwrap());
    /// assert_eq!((matrix.get(0, 0), matrix.get(0, 1)), (Some(0), Some(7)));
    /// ```
    pub struct Matrix(Grid<LwwRegister<i64>>);
}
leaf!(Matrix);

impl Matrix {
    /// How many rows and columns there are.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.0.size()
    }

    /// The number of a cell; `None` if there is no such place. O(pieces).
    #[must_use]
    pub fn get(&self, row: usize, column: usize) -> Option<i64> {
        let cell = self.0.cell(row, column)?;
        Some(cell.and_then(LwwRegister::get).copied().unwrap_or(0))
    }

    /// Inserts an empty row before an index; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn insert_row(&self, change: &mut Change, index: usize) -> Option<Self> {
        self.0.insert_row(change, index).map(Self)
    }

    /// Inserts an empty column before an index; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn insert_column(&self, change: &mut Change, index: usize) -> Option<Self> {
        self.0.insert_column(change, index).map(Self)
    }

    /// Deletes the row at an index with all that has been seen in it; what is written into it concurrently is kept
    /// but does not show. Returns the delta, `None` if there is no such row. O(pieces + the row).
    #[must_use]
    pub fn delete_row(&self, change: &mut Change, index: usize) -> Option<Self> {
        self.0.delete_row(change, index).map(Self)
    }

    /// Deletes the column at an index, as a row is deleted; returns the delta, `None` if there is none. O(n).
    #[must_use]
    pub fn delete_column(&self, change: &mut Change, index: usize) -> Option<Self> {
        self.0.delete_column(change, index).map(Self)
    }

    /// Writes a cell; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn set(&self, change: &mut Change, place: (usize, usize), value: i64) -> Option<Self> {
        self.0.update(change, place, |cell, change| cell.set(change, value)).map(Self)
    }
}

impl Crdt for Matrix {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    /// How many columns there are, and each row as a map of its written cells by index.
    fn value(&self) -> Value {
        self.0.value()
    }

    fn value_at(&self, path: &[Value]) -> Option<Value> {
        if path.is_empty() {
            return Some(self.value());
        }
        Some(self.0.at(path)?.map_or(Value::Int(0), Crdt::value))
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        if path.is_empty() {
            return Some(self.about().explain(self.value(), Vec::new()));
        }
        match self.0.at(path)? {
            Some(cell) => cell.explain(&[]),
            None => Some(self.about().explain(Value::Int(0), Vec::new())),
        }
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        let delta = match call.parts() {
            ("insert-row", [at]) => self.insert_row(change, count_arg(at)?),
            ("insert-column", [at]) => self.insert_column(change, count_arg(at)?),
            ("delete-row", [at]) => self.delete_row(change, count_arg(at)?),
            ("delete-column", [at]) => self.delete_column(change, count_arg(at)?),
            ("set", [row, column, value]) => {
                self.set(change, (count_arg(row)?, count_arg(column)?), arg(value)?)
            }
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl Catalogued for Matrix {
    const ABOUT: About = About {
        kind: Kind::Matrix,
        family: "tables",
        what: "numbers in rows and columns",
        rule: "per cell the latest write wins; a deleted row or column takes its cells along",
        algebra: "Sequence × Sequence × Causal<DotMap<(row, column), LWW>>",
        cost: "O(pieces) to change, O(n log n) to read all",
        source: "Microsoft Fluid Framework (SharedMatrix)",
        operations: &[
            op("insert-row", &[Arg::Index], "inserts an empty row before an index"),
            op("insert-column", &[Arg::Index], "inserts an empty column before an index"),
            op("delete-row", &[Arg::Index], "deletes a row"),
            op("delete-column", &[Arg::Index], "deletes a column"),
            op("set", &[Arg::Index, Arg::Index, Arg::Int], "writes the cell of a row and column"),
        ],
    };
}
