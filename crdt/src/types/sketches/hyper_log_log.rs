//! Distinct counts.

use std::collections::BTreeMap;

use super::hash::hash;
use crate::algebra::Max;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, end_of, op};
use crate::datum::Datum;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// About how many different things there were, in 4 096 registers: a standard error of 1.6 %.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::HyperLogLog};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut visitors = Causal::<HyperLogLog>::default();
    /// for name in ["ann", "bob", "ann"] {
    ///     visitors.edit(&at(1), |seen, change| seen.add(change, &name.to_owned()));
    /// }
    /// assert_eq!(visitors.estimate().round(), 2.0);
    /// ```
    pub struct HyperLogLog(BTreeMap<u16, Max<u8>>);
}
leaf!(HyperLogLog);

/// How many registers there are.
const REGISTERS: u16 = 4096;

impl HyperLogLog {
    /// About how many different things were added. O(registers in use).
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn estimate(&self) -> f64 {
        let registers = self.0.iter().filter(|(index, _)| **index < REGISTERS);
        let ranks = registers.map(|(_, rank)| i32::from(rank.0.unwrap_or(0).min(64)));
        let (mut sum, mut used) = (0.0, 0_u16);
        for rank in ranks {
            sum += 2.0_f64.powi(-rank);
            used += 1;
        }
        let registers = f64::from(REGISTERS);
        let empty = registers - f64::from(used);
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / (sum + empty);
        if raw <= 2.5 * registers && empty > 0.0 {
            registers * (registers / empty).ln()
        } else {
            raw
        }
    }

    /// Adds a thing; returns the delta. O(log registers).
    #[must_use]
    pub fn add(&self, _: &mut Change, item: &impl Datum) -> Self {
        let hash = hash(item, 0);
        let index = (hash % u64::from(REGISTERS)) as u16;
        let rank = (hash / u64::from(REGISTERS)).trailing_zeros().min(51) as u8 + 1;
        Self(BTreeMap::from([(index, Max(Some(rank)))]))
    }
}

impl Crdt for HyperLogLog {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::count(self.estimate().round() as i64)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item]) => Ok(self.add(change, item)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for HyperLogLog {
    const ABOUT: About = About {
        kind: Kind::HyperLogLog,
        family: "sketches",
        what: "about how many different things",
        rule: "per register the greatest rank",
        algebra: "register ↪ Max<u8>",
        cost: "O(1) to add, O(registers) to read",
        source: "Flajolet et al. 2007",
        operations: &[op("add", &[Arg::Key], "adds a thing")],
    };
}
