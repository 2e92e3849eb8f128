//! Frequencies.

use std::collections::BTreeMap;

use super::hash::hash;
use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, count_arg, end_of, op};
use crate::datum::Datum;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// About how often each thing was added: never too low, and with 98 % probability at most 0.3 % of all additions too high.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::CountMin};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut words = Causal::<CountMin>::default();
    /// words.edit(&at(1), |words, change| words.add(change, &"the".to_owned(), 5));
    /// assert_eq!(words.estimate(&"the".to_owned()), 5);
    /// assert_eq!(words.estimate(&"rare".to_owned()), 0);
    /// ```
    pub struct CountMin(Own<BTreeMap<u16, u64>>);
}
leaf!(CountMin);

/// Cells of one row; there are four rows.
const WIDTH: u16 = 1024;

/// The cells that stand for a thing, one of each row.
fn cells(item: &impl Datum) -> impl Iterator<Item = u16> {
    let hash = hash(item, 0);
    (0..4_u16).map(move |row| row * WIDTH + ((hash >> (row * 16)) % u64::from(WIDTH)) as u16)
}

impl CountMin {
    /// About how often a thing was added. O(logs).
    #[must_use]
    pub fn estimate(&self, item: &impl Datum) -> u64 {
        let count = |cell: u16| {
            let parts = self.0.iter().filter_map(|(_, own)| own.get(&cell));
            parts.fold(0_u64, |sum, part| sum.saturating_add(*part))
        };
        cells(item).map(count).min().unwrap_or(0)
    }

    /// How many things were added in all.
    #[must_use]
    pub fn len(&self) -> u64 {
        let total = self.0.total();
        total.iter().filter(|(cell, _)| **cell < WIDTH).map(|(_, count)| *count).sum()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a thing so many times; returns the delta. An author's cells travel together.
    #[must_use]
    pub fn add(&self, change: &mut Change, item: &impl Datum, times: u64) -> Self {
        if times == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |own| {
            for cell in cells(item) {
                let count = own.entry(cell).or_default();
                *count = count.saturating_add(times);
            }
        }))
    }
}

impl Crdt for CountMin {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map([("total".into(), Value::count(self.len()))])
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item, times]) => Ok(self.add(change, item, count_arg(times)? as u64)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for CountMin {
    const ABOUT: About = About {
        kind: Kind::CountMin,
        family: "sketches",
        what: "about how often each thing occurs",
        rule: "every addition counts",
        algebra: "Own<cell ↪ u64>",
        cost: "O(logs) to read, O(own cells) to change",
        source: "Cormode & Muthukrishnan 2005",
        operations: &[op("add", &[Arg::Key, Arg::Count], "adds a thing so many times")],
    };
}
