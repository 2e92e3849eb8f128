//! The spreadsheet.

use crate::algebra::{DotMap, Sequence};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, count_arg, end_of, op};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::Change;
use crate::types::registers::MvRegister;
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
    pub struct Sheet(((Sequence<u8>, Sequence<u8>), DotMap<(Dot, Dot), MvRegister<Value>>));
}
leaf!(Sheet);

impl Sheet {
    /// How many rows and columns there are.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.0.0.0.len(), self.0.0.1.len())
    }

    fn place(&self, row: usize, column: usize) -> Option<(Dot, Dot)> {
        Some((self.0.0.0.dot_at(row)?, self.0.0.1.dot_at(column)?))
    }

    /// The values of a cell; more than one is a conflict. O(pieces).
    pub fn get(&self, row: usize, column: usize) -> impl Iterator<Item = &Value> {
        let cell = self.place(row, column).and_then(|place| self.0.1.get(&place));
        cell.into_iter().flat_map(MvRegister::values)
    }

    /// Inserts an empty row before an index; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn insert_row(&self, change: &mut Change, index: usize) -> Option<Self> {
        let rows = self.0.0.0.insert(change, index, vec![0])?;
        Some(Self(((rows, Sequence::default()), DotMap::default())))
    }

    /// Inserts an empty column before an index; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn insert_column(&self, change: &mut Change, index: usize) -> Option<Self> {
        let columns = self.0.0.1.insert(change, index, vec![0])?;
        Some(Self(((Sequence::default(), columns), DotMap::default())))
    }

    /// Deletes the row at an index; what is written into it concurrently is kept but does not show. Returns the
    /// delta, `None` if there is no such row.
    #[must_use]
    pub fn delete_row(&self, change: &mut Change, index: usize) -> Option<Self> {
        self.0.0.0.delete(change, index, 1)?;
        Some(Self::default())
    }

    /// Deletes the column at an index, as a row is deleted; returns the delta, `None` if there is none.
    #[must_use]
    pub fn delete_column(&self, change: &mut Change, index: usize) -> Option<Self> {
        self.0.0.1.delete(change, index, 1)?;
        Some(Self::default())
    }

    /// Writes a cell; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn set(
        &self,
        change: &mut Change,
        (row, column): (usize, usize),
        value: Value,
    ) -> Option<Self> {
        let place = self.place(row, column)?;
        let vacant = MvRegister::default();
        let cell = self.0.1.get(&place).unwrap_or(&vacant).set(change, value);
        Some(Self((Default::default(), DotMap::of(place, cell))))
    }
}

impl Crdt for Sheet {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let (rows, columns) = (&self.0.0.0, &self.0.0.1);
        let columns: Vec<Dot> = columns.entries().map(|(dot, _)| dot).collect();
        let cell = |row: Dot, column: Dot| match self.0.1.get(&(row, column)) {
            Some(cell) => cell.value(),
            None => Value::list([]),
        };
        Value::list(
            rows.entries()
                .map(|(row, _)| Value::list(columns.iter().map(|column| cell(row, *column)))),
        )
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
        rule: "every value of a cell stays that no later write has seen; a deleted row or column hides its cells",
        algebra: "Sequence × Sequence × Causal<DotMap<(row, column), MV>>",
        cost: "O(pieces)",
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
