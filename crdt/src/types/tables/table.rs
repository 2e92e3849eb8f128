//! The table.

use crate::algebra::DotMap;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, Described, EditError, Explanation, arg, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::shape::Shape;
use crate::store::Change;
use crate::types::maps::AwMap;
use crate::types::registers::LwwRegister;
use crate::types::store;
use crate::value::Value;

store! {
    /// Rows by key, each with cells of any type by column. Columns are listed in an order of their own. Changing a cell wins over concurrently removing its row.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::tables::Table};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// use meshwork_crdt::LwwRegister;
    /// let mut people = Causal::<Table<String, LwwRegister<String>>>::default();
    /// people.edit(&at(1), |table, change| table.put_column(change, "city".to_owned(), 1));
    /// people.edit(&at(1), |table, change| {
    ///     table.update(change, "ann".to_owned(), "city".to_owned(), |cell, change| {
    ///         cell.set(change, "Bonn".to_owned())
    ///     })
    /// });
    /// let city = people.cell(&"ann".to_owned(), "city").and_then(LwwRegister::get);
    /// assert_eq!(city, Some(&"Bonn".to_owned()));
    /// ```
    pub struct Table<K: Datum, S: Crdt>((DotMap<Plain<String>, LwwRegister<i64>>, AwMap<K, AwMap<String, S>>));
}

impl<K: Datum, S: Crdt> Table<K, S> {
    /// The columns that were put up, by rank. O(n log n).
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let ranked = self.0.0.iter().map(|(name, rank)| (rank.get(), name.0.as_str()));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, name)| name).collect()
    }

    /// The rows by key, ascending: each its cells by column.
    pub fn rows(&self) -> impl Iterator<Item = (&K, &AwMap<String, S>)> {
        self.0.1.iter()
    }

    /// The rows that fit a condition, ascending. O(n).
    pub fn filter<'a>(
        &'a self,
        fits: impl Fn(&AwMap<String, S>) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a K, &'a AwMap<String, S>)> {
        self.rows().filter(move |(_, row)| fits(row))
    }

    /// A cell. O(log n).
    #[must_use]
    pub fn cell(&self, row: &K, column: &str) -> Option<&S> {
        self.0.1.get(row)?.get(&column.to_owned())
    }

    /// Puts a column up, or moves it to another rank; returns the delta.
    #[must_use]
    pub fn put_column(&self, change: &mut Change, name: String, rank: i64) -> Self {
        let vacant = LwwRegister::default();
        let rank = self.0.0.get(&name).unwrap_or(&vacant).set(change, rank);
        Self((DotMap::of(Plain(name), rank), AwMap::default()))
    }

    /// Takes a column down as far as has been seen; its cells stay. Returns the delta.
    #[must_use]
    pub fn remove_column(&self, change: &mut Change, name: &str) -> Self {
        if let Some(rank) = self.0.0.get(&name.to_owned()) {
            change.forget_all(rank);
        }
        Self::default()
    }

    /// Puts an empty row there; returns the delta. O(log n).
    #[must_use]
    pub fn insert_row(&self, change: &mut Change, row: K) -> Self {
        Self((DotMap::default(), self.0.1.insert(change, row)))
    }

    /// Removes a row with all that has been seen in it; returns the delta. O(log n) and the row.
    #[must_use]
    pub fn remove_row(&self, change: &mut Change, row: &K) -> Self {
        Self((DotMap::default(), self.0.1.remove(change, row)))
    }

    /// Changes a cell, which is put there with its row if need be; returns the delta. O(log n) and the change.
    #[must_use]
    pub fn update(
        &self,
        change: &mut Change,
        row: K,
        column: String,
        alter: impl FnOnce(&S, &mut Change) -> S,
    ) -> Self {
        let rows =
            self.0.1.update(change, row, |cells, change| cells.update(change, column, alter));
        Self((DotMap::default(), rows))
    }
}

impl<K: Datum, S: Crdt> Crdt for Table<K, S> {
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        let (columns, rows) = delta.0;
        Self((columns, self.0.1.touched(change, rows)))
    }

    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let columns = Value::list(self.columns().into_iter().map(Value::from));
        Value::map([("columns".into(), columns), ("rows".into(), self.0.1.value())])
    }

    fn value_at(&self, path: &[Value]) -> Option<Value> {
        if path.is_empty() { Some(self.value()) } else { self.0.1.value_at(path) }
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        match path {
            [] => Some(self.about().explain(self.value(), Vec::new())),
            path => self.0.1.explain(path),
        }
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        if let Some((row, rest)) = path.split_first() {
            let rows = self
                .0
                .1
                .try_update(change, arg(row)?, |cells, change| cells.call(change, rest, call))?;
            return Ok(Self((DotMap::default(), rows)));
        }
        match call.parts() {
            ("insert-row", [row]) => Ok(self.insert_row(change, arg(row)?)),
            ("remove-row", [row]) => Ok(self.remove_row(change, &arg(row)?)),
            ("put-column", [name, rank]) => Ok(self.put_column(change, arg(name)?, arg(rank)?)),
            ("remove-column", [name]) => Ok(self.remove_column(change, &arg::<String>(name)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum, S: Crdt> Catalogued for Table<K, S> {
    const ABOUT: About = About {
        kind: Kind::Table,
        family: "tables",
        what: "rows of cells of any type",
        rule: "a change of a cell wins over concurrently removing its row; cells by their own rules",
        algebra: "Causal<DotMap<column, LWW> × DotMap<K, DotSet × DotMap<column, DotSet × S>>>",
        cost: "O(log n) and the cell's",
        source: "Yu & Ignat 2020",
        operations: &[
            op("insert-row", &[Arg::Key], "puts an empty row there"),
            op("remove-row", &[Arg::Key], "removes a row"),
            op("put-column", &[Arg::Text, Arg::Int], "puts a column up at a rank"),
            op("remove-column", &[Arg::Text], "takes a column down"),
        ],
    };
}

impl<K: Datum, S: Described> Described for Table<K, S> {
    fn shape() -> Shape {
        Shape::of(Kind::Table, S::shape())
    }
}
