//! Tables with rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::algebra::{DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
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

/// Makes tables follow a rule by taking cells and rows away; tells whether anything had to go.
fn repair(tables: &mut BTreeMap<&str, Rows<'_>>, rule: &Rule) -> bool {
    match rule {
        Rule::Refers(table, column, to, hide) => {
            let there: BTreeSet<Value> = tables
                .get(to.as_str())
                .map(|rows| rows.keys().map(|key| (*key).clone()).collect())
                .unwrap_or_default();
            let Some(rows) = tables.get_mut(table.as_str()) else { return false };
            let dangling = |cells: &BTreeMap<&str, &Value>| {
                cells.get(column.as_str()).is_some_and(|target| !there.contains(*target))
            };
            let before = rows.len();
            let mut emptied = false;
            if *hide {
                rows.retain(|_, cells| !dangling(cells));
            } else {
                for cells in rows.values_mut().filter(|cells| dangling(cells)) {
                    emptied |= cells.remove(column.as_str()).is_some();
                }
            }
            emptied || rows.len() < before
        }
        Rule::Unique(table, column) => {
            let Some(rows) = tables.get_mut(table.as_str()) else { return false };
            let mut taken = BTreeSet::new();
            let mut again = false;
            for cells in rows.values_mut() {
                if let Some(value) = cells.get(column.as_str()).copied()
                    && !taken.insert(value)
                {
                    cells.remove(column.as_str());
                    again = true;
                }
            }
            again
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

    /// The tables as the rules would have them. References to rows that do not show are hidden with their row, or
    /// emptied; of rows with one value in a unique column the one of the least key keeps it. Repeated until nothing
    /// changes. O(rules · n log n) a round.
    #[must_use]
    pub fn repaired(&self) -> BTreeMap<&str, Rows<'_>> {
        let mut tables = self.tables();
        loop {
            let mut again = false;
            for rule in self.rules() {
                again |= repair(&mut tables, rule);
            }
            if !again {
                return tables;
            }
        }
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
        rule: "per cell the latest write; what breaks a rule is repaired in the view, not in the data",
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
            op("drop-rules", &[], "drops all rules"),
        ],
    };
}
