//! The spreadsheet.

use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, EditError, Explanation, count_arg, end_of, op,
};
use crate::node::Kind;
use crate::store::Change;
use crate::types::registers::MvRegister;
use crate::types::tables::grid::Grid;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Cells in rows and columns that are inserted and deleted. A cell that was written concurrently keeps all that was written.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::tables::Sheet};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut sheet = Causal::<Sheet>::default();
    /// sheet.edit(&at(1), |sheet, change| sheet.insert_row(change, 0).unwrap());
    /// sheet.edit(&at(1), |sheet, change| sheet.insert_column(change, 0).unwrap());
    /// let mut other = sheet.clone();
    /// sheet.edit(&at(1), |sheet, change| sheet.set(change, (0, 0), 1.into()).unwrap());
    /// other.edit(&at(2), |sheet, change| sheet.insert_row(change, 0).unwrap());
    /// sheet.join(other);
    /// assert_eq!(sheet.get(1, 0).collect::<Vec<_>>(), [&1.into()]);
    /// ```
    pub struct Sheet(Grid<MvRegister<Value>>);
}
leaf!(Sheet);

impl Sheet {
    /// How many rows and columns there are.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.0.size()
    }

    /// The values of a cell; more than one is a conflict. O(pieces).
    pub fn get(&self, row: usize, column: usize) -> impl Iterator<Item = &Value> {
        let cell = self.0.cell(row, column).flatten();
        cell.into_iter().flat_map(MvRegister::values)
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
    pub fn set(&self, change: &mut Change, place: (usize, usize), value: Value) -> Option<Self> {
        self.0.update(change, place, |cell, change| cell.set(change, value)).map(Self)
    }
}

impl Crdt for Sheet {
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
        Some(self.0.at(path)?.map_or(Value::list([]), Crdt::value))
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        if path.is_empty() {
            return Some(self.about().explain(self.value(), Vec::new()));
        }
        match self.0.at(path)? {
            Some(cell) => cell.explain(&[]),
            None => Some(self.about().explain(Value::list([]), Vec::new())),
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
                self.set(change, (count_arg(row)?, count_arg(column)?), value.clone())
            }
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl Catalogued for Sheet {
    const ABOUT: About = About {
        kind: Kind::Sheet,
        family: "tables",
        what: "cells in rows and columns, conflicts kept",
        rule: "every value of a cell stays that no later write has seen; a deleted row or column takes its cells along",
        algebra: "Sequence × Sequence × Causal<DotMap<(row, column), MV>>",
        cost: "O(pieces) to change, O(n log n) to read all",
        source: "Yanakieva et al. 2023",
        operations: &[
            op("insert-row", &[Arg::Index], "inserts an empty row before an index"),
            op("insert-column", &[Arg::Index], "inserts an empty column before an index"),
            op("delete-row", &[Arg::Index], "deletes a row"),
            op("delete-column", &[Arg::Index], "deletes a column"),
            op("set", &[Arg::Index, Arg::Index, Arg::Value], "writes the cell of a row and column"),
        ],
    };
}
