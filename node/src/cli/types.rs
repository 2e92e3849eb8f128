//! `meshwork types`.

use std::fmt::Write as _;

use clap::Args;
use meshwork_crdt::{About, Kind, Operation};
use serde::Serialize;

use super::Context;
use super::terminal::table;
use crate::failure::Result;

/// List the types an object can have, or what can be done to one of them.
///
/// Types that contain others are written `map<text>`, records with known fields `record{title: text}`.
#[derive(Debug, Args)]
pub(super) struct Types {
    /// One type.
    #[arg(value_parser = kind)]
    name: Option<Kind>,
}

#[derive(Serialize)]
struct Described {
    name: &'static str,
    family: &'static str,
    what: &'static str,
    rule: &'static str,
    cost: &'static str,
    source: &'static str,
    contains_parts: bool,
    operations: &'static [Operation],
}

fn kind(name: &str) -> std::result::Result<Kind, String> {
    Kind::from_name(name).ok_or_else(|| "no such type; `meshwork types` lists them".to_owned())
}

fn described(kind: Kind) -> Described {
    let About { family, what, rule, cost, source, operations, .. } = *kind.about();
    let contains_parts = kind.is_container();
    Described { name: kind.name(), family, what, rule, cost, source, contains_parts, operations }
}

impl Types {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        match self.name {
            Some(kind) => context.terminal.data(&described(kind), one),
            None => {
                let all: Vec<_> = Kind::ALL.into_iter().map(described).collect();
                context.terminal.data(&all, |all| {
                    let row = |kind: &Described| {
                        vec![kind.family.to_owned(), kind.name.to_owned(), kind.what.to_owned()]
                    };
                    table(&all.iter().map(row).collect::<Vec<_>>())
                })
            }
        }
    }
}

fn one(kind: &Described) -> String {
    let mut text = format!("{}: {}\n", kind.name, kind.what);
    let _ =
        writeln!(text, "conflicts: {}\ncost: {}\nsource: {}", kind.rule, kind.cost, kind.source);
    if kind.contains_parts {
        let _ = writeln!(text, "contains parts of any type: {}<TYPE>", kind.name);
    }
    let row = |operation: &Operation| vec![format!("  {operation}"), operation.does.to_owned()];
    let rows: Vec<_> = kind.operations.iter().map(row).collect();
    text + "operations:\n" + &table(&rows)
}
