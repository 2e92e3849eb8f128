//! Tables with rules.

use std::collections::BTreeMap;

use crate::algebra::{DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::maps::AwMap;
use crate::types::registers::LwwRegister;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Tables of values with rules between them. Rules are data: that a column refers to the rows of another table, and what
    /// becomes of a reference to nothing; that the values of a column are unique. Nothing is refused or lost: the repaired
    /// view follows the rules, and every device sees the same one.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::tables::{Relations, Rule}};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut shop = Causal::<Relations>::default();
    /// let refers = || Rule::Refers("orders".into(), "buyer".into(), "people".into(), true);
    /// shop.edit(&at(1), |shop, change| shop.set(change, "orders", "o1".into(), "buyer", "ann".into()));
    /// shop.edit(&at(1), |shop, change| shop.declare(change, refers()));
    /// assert!(shop.repaired()["orders"].is_empty(), "the buyer does not exist");
    /// shop.edit(&at(2), |shop, change| shop.insert(change, "people", "ann".into()));
    /// assert_eq!(shop.repaired()["orders"].len(), 1);
    /// ```
    pub struct Relations((Tables, DotMap<Plain<Rule>, DotSet>));
}
leaf!(Relations);

type Table = AwMap<Value, AwMap<String, LwwRegister<Value>>>;
type Tables = AwMap<String, Table>;

/// The rows of a table by key, each its cells by column.
pub type Rows<'a> = BTreeMap<&'a Value, BTreeMap<&'a str, &'a Value>>;

/// What must hold between tables.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// In this table this column refers to rows of that table; whether a row is hidden that refers to nothing, or
    /// its cell emptied.
    Refers(String, String, String, bool),
    /// In this table no two rows have one value in this column.
    Unique(String, String),
}

impl Datum for Rule {
    fn to_value(&self) -> Value {
        let text = |text: &String| Value::from(text.as_str());
        Value::list(match self {
            Self::Refers(table, column, to, hide) => {
                vec![0.into(), text(table), text(column), text(to), (*hide).into()]
            }
            Self::Unique(table, column) => vec![1.into(), text(table), text(column)],
        })
    }

    fn from_value(value: &Value) -> Option<Self> {
        let Value::List(parts) = value else { return None };
        let text = |text: &Value| String::from_value(text);
        match parts.as_slice() {
            [Value::Int(0), table, column, to, Value::Bool(hide)] => {
                Some(Self::Refers(text(table)?, text(column)?, text(to)?, *hide))
            }
            [Value::Int(1), table, column] => Some(Self::Unique(text(table)?, text(column)?)),
            _ => None,
        }
    }
}

/// What the rules took out of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair<'a> {
    /// The rule that was broken.
    pub rule: &'a Rule,
    /// The table.
    pub table: &'a str,
    /// The key of the row.
    pub row: &'a Value,
    /// The value in the rule's column.
    pub cell: &'a Value,
    /// Who wrote that, and when.
    pub stamp: Option<Stamp>,
    /// Whether the whole row is hidden, or the cell emptied.
    pub hidden: bool,
}

/// A view in the making.
struct View<'a> {
    of: &'a Relations,
    tables: BTreeMap<&'a str, Rows<'a>>,
    repairs: Vec<Repair<'a>>,
}

impl<'a> View<'a> {
    fn shows(&self, table: &str, row: &Value) -> bool {
        self.tables.get(table).is_some_and(|rows| rows.contains_key(row))
    }

    /// The cells of a column that say something.
    fn column(&self, table: &str, column: &str) -> Vec<(&'a Value, &'a Value)> {
        let rows = self.tables.get(table).into_iter().flatten();
        let cells = rows.filter_map(|(row, cells)| Some((*row, *cells.get(column)?)));
        cells.filter(|(_, cell)| **cell != Value::Null).collect()
    }

    fn note(
        &mut self,
        rule: &'a Rule,
        (table, row): (&'a str, &'a Value),
        column: &str,
        cell: &'a Value,
        hidden: bool,
    ) {
        let stamp = self.of.stamp(table, row, column);
        self.repairs.push(Repair { rule, table, row, cell, stamp, hidden });
    }

    fn empty(&mut self, rule: &'a Rule, table: &'a str, column: &str, row: &'a Value) {
        let cells = self.tables.get_mut(table).and_then(|rows| rows.get_mut(row));
        if let Some(cell) = cells.and_then(|cells| cells.remove(column)) {
            self.note(rule, (table, row), column, cell, false);
        }
    }

    /// Hides the rows whose required references lead nowhere, and the rows that require those.
    fn hide(&mut self) {
        type Place<'a> = (&'a str, &'a Value);
        type Reference<'a> = (&'a Rule, Place<'a>, &'a str, &'a Value);
        let mut referring: BTreeMap<Place<'a>, Vec<Reference<'a>>> = BTreeMap::new();
        let mut dangling: Vec<Reference<'a>> = Vec::new();
        for rule in self.of.rules() {
            let Rule::Refers(table, column, to, true) = rule else { continue };
            for (row, target) in self.column(table, column) {
                let reference: Reference<'a> = (rule, (table, row), column, target);
                if self.shows(to, target) {
                    referring.entry((to, target)).or_default().push(reference);
                } else {
                    dangling.push(reference);
                }
            }
        }
        while let Some((rule, (table, row), column, target)) = dangling.pop() {
            if self.tables.get_mut(table).and_then(|rows| rows.remove(row)).is_some() {
                self.note(rule, (table, row), column, target, true);
                dangling.extend(referring.remove(&(table, row)).unwrap_or_default());
            }
        }
    }

    /// Empties the cells that refer to nothing that shows.
    fn empty_dangling(&mut self) {
        for rule in self.of.rules() {
            let Rule::Refers(table, column, to, false) = rule else { continue };
            for (row, target) in self.column(table, column) {
                if !self.shows(to, target) {
                    self.empty(rule, table, column, row);
                }
            }
        }
    }

    /// Empties the cells of unique columns that say what an earlier written one says.
    fn empty_repeated(&mut self) {
        for rule in self.of.rules() {
            let Rule::Unique(table, column) = rule else { continue };
            let written = self.column(table, column).into_iter();
            let mut cells: Vec<_> =
                written.map(|(row, cell)| (cell, self.of.stamp(table, row, column), row)).collect();
            cells.sort_unstable();
            let repeated = cells.iter().zip(cells.iter().skip(1));
            for (_, (.., row)) in repeated.filter(|(one, two)| one.0 == two.0) {
                self.empty(rule, table, column, row);
            }
        }
    }
}

impl Relations {
    /// The tables as they were written: table, row, column. O(n).
    #[must_use]
    pub fn tables(&self) -> BTreeMap<&str, Rows<'_>> {
        let tables = self.0.0.iter().map(|(name, rows)| {
            let rows = rows.iter().map(|(key, cells)| {
                let cells =
                    cells.iter().filter_map(|(name, cell)| Some((name.as_str(), cell.get()?)));
                (key, cells.collect())
            });
            (name.as_str(), rows.collect())
        });
        tables.collect()
    }

    /// The rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.1.iter().map(|(rule, _)| &rule.0)
    }

    /// When and by whom the cell that shows was written.
    fn stamp(&self, table: &str, row: &Value, column: &str) -> Option<Stamp> {
        self.0.0.get(&table.to_owned())?.get(row)?.get(&column.to_owned())?.stamp()
    }

    fn view(&self) -> View<'_> {
        let mut view = View { of: self, tables: self.tables(), repairs: Vec::new() };
        view.hide();
        view.empty_dangling();
        view.empty_repeated();
        view
    }

    /// The tables as the rules would have them. A row is hidden if a required reference of it leads to no row that
    /// shows; any other such reference is emptied; then, of the cells of a unique column that say the same, all
    /// but the one written first are emptied. Null refers to nothing and repeats nothing. The order in which rules
    /// were declared does not matter. O(rules · n log n).
    #[must_use]
    pub fn repaired(&self) -> BTreeMap<&str, Rows<'_>> {
        self.view().tables
    }

    /// What the rules took out of that view: for people to look after. O(rules · n log n).
    #[must_use]
    pub fn repairs(&self) -> Vec<Repair<'_>> {
        let mut repairs = self.view().repairs;
        repairs.sort_by_key(|repair| (repair.table, repair.row, repair.rule));
        repairs
    }

    /// Puts a row there; returns the delta.
    #[must_use]
    pub fn insert(&self, change: &mut Change, table: &str, row: Value) -> Self {
        self.in_table(change, table, |rows, change| rows.insert(change, row))
    }

    /// Sets a cell; returns the delta.
    #[must_use]
    pub fn set(
        &self,
        change: &mut Change,
        table: &str,
        row: Value,
        column: &str,
        value: Value,
    ) -> Self {
        self.in_table(change, table, |rows, change| {
            rows.update(change, row, |cells, change| {
                cells.update(change, column.to_owned(), |cell, change| cell.set(change, value))
            })
        })
    }

    /// Removes a row with all that has been seen in it; returns the delta.
    #[must_use]
    pub fn remove(&self, change: &mut Change, table: &str, row: &Value) -> Self {
        self.in_table(change, table, |rows, change| rows.remove(change, row))
    }

    fn in_table(
        &self,
        change: &mut Change,
        table: &str,
        alter: impl FnOnce(&Table, &mut Change) -> Table,
    ) -> Self {
        Self((self.0.0.update(change, table.to_owned(), alter), DotMap::default()))
    }

    /// Declares a rule; returns the delta.
    #[must_use]
    pub fn declare(&self, change: &mut Change, rule: Rule) -> Self {
        if let Some(dots) = self.0.1.get(&rule) {
            change.forget_all(dots);
        }
        Self((Tables::default(), DotMap::of(Plain(rule), DotSet::of(change.dot()))))
    }

    /// Drops every rule of a column, as far as has been seen; returns the delta.
    #[must_use]
    pub fn drop_rules(&self, change: &mut Change, table: &str, column: &str) -> Self {
        let of = |rule: &Rule| match rule {
            Rule::Refers(known, place, ..) | Rule::Unique(known, place) => {
                known == table && place == column
            }
        };
        let dropped = self.0.1.iter().filter(|(rule, _)| of(&rule.0));
        dropped.for_each(|(_, dots)| change.forget_all(dots));
        Self::default()
    }

    /// Drops a rule as far as has been seen; returns the delta.
    #[must_use]
    pub fn drop_rule(&self, change: &mut Change, rule: &Rule) -> Self {
        if let Some(dots) = self.0.1.get(rule) {
            change.forget_all(dots);
        }
        Self::default()
    }
}

impl Crdt for Relations {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let row = |cells: BTreeMap<&str, &Value>| {
            Value::map(cells.into_iter().map(|(name, cell)| (name.into(), cell.clone())))
        };
        let table = |rows: Rows<'_>| {
            Value::map(rows.into_iter().map(|(key, cells)| (key.clone(), row(cells))))
        };
        Value::map(self.repaired().into_iter().map(|(name, rows)| (name.into(), table(rows))))
    }

    /// What the rules took out of the view.
    fn claims(&self) -> Vec<Claim> {
        let claims = self.repairs().into_iter().map(|repair| {
            let (Rule::Refers(_, column, ..) | Rule::Unique(_, column)) = repair.rule;
            let place = [repair.table.into(), repair.row.clone(), column.as_str().into()];
            Claim {
                value: Value::list(place.into_iter().chain([repair.cell.clone()])),
                by: repair.stamp.map(|stamp| stamp.log),
                time: repair.stamp.map(|stamp| stamp.time),
                stands: false,
            }
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("insert", [table, row]) => {
                Ok(self.insert(change, &arg::<String>(table)?, row.clone()))
            }
            ("set", [table, row, column, value]) => {
                let (table, column): (String, String) = (arg(table)?, arg(column)?);
                Ok(self.set(change, &table, row.clone(), &column, value.clone()))
            }
            ("remove", [table, row]) => Ok(self.remove(change, &arg::<String>(table)?, row)),
            ("refer", [table, column, to]) => {
                Ok(self.declare(change, Rule::Refers(arg(table)?, arg(column)?, arg(to)?, false)))
            }
            ("require", [table, column, to]) => {
                Ok(self.declare(change, Rule::Refers(arg(table)?, arg(column)?, arg(to)?, true)))
            }
            ("unique", [table, column]) => {
                Ok(self.declare(change, Rule::Unique(arg(table)?, arg(column)?)))
            }
            ("drop-rule", [table, column]) => {
                Ok(self.drop_rules(change, &arg::<String>(table)?, &arg::<String>(column)?))
            }
            ("drop-rules", []) => {
                change.forget_all(&self.0.1);
                Ok(Self::default())
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Relations {
    const ABOUT: About = About {
        kind: Kind::Relations,
        family: "tables",
        what: "tables of values with rules between them",
        rule: "per cell the latest write; what breaks a rule is hidden or emptied in the view, not in the data, and of equal cells in a unique column the first written stays",
        algebra: "Causal<DotMap<table, DotMap<row, DotMap<column, LWW>>> × DotMap<rule, DotSet>>, repaired when read",
        cost: "O(log n) to change, O(rules · n log n) to read",
        source: "Ignat et al. 2024 (Synql)",
        operations: &[
            op("insert", &[Arg::Key, Arg::Key], "puts a row into a table"),
            op(
                "set",
                &[Arg::Key, Arg::Key, Arg::Key, Arg::Value],
                "sets the cell of a table, row and column",
            ),
            op("remove", &[Arg::Key, Arg::Key], "removes a row of a table"),
            op(
                "refer",
                &[Arg::Key, Arg::Key, Arg::Key],
                "a column refers to rows of another table; a reference to nothing is emptied",
            ),
            op(
                "require",
                &[Arg::Key, Arg::Key, Arg::Key],
                "the same; a row that refers to nothing is hidden",
            ),
            op("unique", &[Arg::Key, Arg::Key], "the values of a column are unique"),
            op("drop-rule", &[Arg::Key, Arg::Key], "drops the rules of a column"),
            op("drop-rules", &[], "drops all rules"),
        ],
    };
}
