//! What a sheet and a matrix share: rows and columns in order, and cells where they cross.

use std::collections::BTreeMap;

use crate::algebra::{DotMap, Sequence};
use crate::crdt::Crdt;
use crate::dot::{Dot, LogId};
use crate::store::Change;
use crate::types::store;
use crate::value::Value;

const FIRST: Dot = Dot { log: LogId([0; 16]), seq: 0 };
const LAST: Dot = Dot { log: LogId([0xff; 16]), seq: u64::MAX };

store! {
    /// Cells by the dots of their row and column, so that they stay where they are while others come and go.
    pub struct Grid<C: Crdt>(((Sequence<u8>, Sequence<u8>), DotMap<(Dot, Dot), C>));
}

impl<C: Crdt> Grid<C> {
    fn rows(&self) -> &Sequence<u8> {
        &self.0.0.0
    }

    fn columns(&self) -> &Sequence<u8> {
        &self.0.0.1
    }

    fn cells(&self) -> &DotMap<(Dot, Dot), C> {
        &self.0.1
    }

    fn place(&self, row: usize, column: usize) -> Option<(Dot, Dot)> {
        Some((self.rows().dot_at(row)?, self.columns().dot_at(column)?))
    }

    /// The cells of a row by the dots of their columns.
    fn row(&self, row: Dot) -> impl Iterator<Item = (Dot, &C)> {
        let cells = self.cells().range((row, FIRST)..=(row, LAST));
        cells.map(|((_, column), cell)| (*column, cell))
    }

    /// How many rows and columns there are.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.rows().len(), self.columns().len())
    }

    /// Whether there is such a place, and its cell if it was ever written. O(pieces).
    pub(super) fn cell(&self, row: usize, column: usize) -> Option<Option<&C>> {
        Some(self.cells().get(&self.place(row, column)?))
    }

    pub(super) fn insert_row(&self, change: &mut Change, index: usize) -> Option<Self> {
        let rows = self.rows().insert(change, index, vec![0])?;
        Some(Self(((rows, Sequence::default()), DotMap::default())))
    }

    pub(super) fn insert_column(&self, change: &mut Change, index: usize) -> Option<Self> {
        let columns = self.columns().insert(change, index, vec![0])?;
        Some(Self(((Sequence::default(), columns), DotMap::default())))
    }

    /// A deleted row never comes back, so what was seen in it goes too.
    pub(super) fn delete_row(&self, change: &mut Change, index: usize) -> Option<Self> {
        let row = self.rows().dot_at(index)?;
        change.forget(row);
        self.row(row).for_each(|(_, cell)| change.forget_all(cell));
        Some(Self::default())
    }

    pub(super) fn delete_column(&self, change: &mut Change, index: usize) -> Option<Self> {
        let column = self.columns().dot_at(index)?;
        change.forget(column);
        let cells = self.cells().iter().filter(|((_, known), _)| *known == column);
        cells.for_each(|(_, cell)| change.forget_all(cell));
        Some(Self::default())
    }

    /// Changes a cell.
    pub(super) fn update(
        &self,
        change: &mut Change,
        (row, column): (usize, usize),
        alter: impl FnOnce(&C, &mut Change) -> C,
    ) -> Option<Self> {
        let place = self.place(row, column)?;
        let vacant = C::default();
        let cell = alter(self.cells().get(&place).unwrap_or(&vacant), change);
        Some(Self((Default::default(), DotMap::of(place, cell))))
    }

    /// How many columns there are, and each row's cells by the index of their column. Cells nobody wrote are left
    /// out: a million empty ones cost a thousand rows and a thousand columns. O((rows + columns + cells) log n).
    pub(super) fn value(&self) -> Value {
        let columns: BTreeMap<Dot, i64> =
            self.columns().entries().map(|(dot, _)| dot).zip(0..).collect();
        let row = |row: Dot| {
            let shown = self.row(row).filter(|(_, cell)| cell.is_live());
            Value::map(shown.filter_map(|(column, cell)| {
                Some((Value::Int(*columns.get(&column)?), cell.value()))
            }))
        };
        let rows = Value::list(self.rows().entries().map(|(dot, _)| row(dot)));
        Value::map([("columns".into(), Value::count(columns.len())), ("rows".into(), rows)])
    }

    /// The cell a path of two indices leads to.
    pub(super) fn at(&self, path: &[Value]) -> Option<Option<&C>> {
        let index = |step: &Value| match step {
            Value::Int(index) => usize::try_from(*index).ok(),
            Value::Text(index) => index.parse().ok(),
            _ => None,
        };
        match path {
            [row, column] => self.cell(index(row)?, index(column)?),
            _ => None,
        }
    }
}
