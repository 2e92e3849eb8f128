//! The counter that multiplies too.

use crate::algebra::{Fold, Machine};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// A number that is added to and multiplied; all operations are carried out in the order of their time.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::counters::MulCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut price = Causal::<MulCounter>::default();
    /// price.edit(&at(1), |price, change| price.add(change, 10));
    /// price.edit(&at(1), |price, change| price.multiply(change, 3));
    /// assert_eq!(price.total(), 30);
    /// ```
    pub struct MulCounter(Fold<Arithmetic>);
}
leaf!(MulCounter);

/// Operations on a number: whether to multiply, and by how much.
#[derive(Clone, Debug)]
pub struct Arithmetic;

impl Machine for Arithmetic {
    type Op = (bool, i64);
    type State = i64;
    type Undo = i64;

    fn apply(state: &mut i64, _: Dot, (multiply, by): &(bool, i64)) -> i64 {
        let before = *state;
        *state = if *multiply { before.saturating_mul(*by) } else { before.saturating_add(*by) };
        before
    }

    fn revert(state: &mut i64, before: i64) {
        *state = before;
    }
}

impl MulCounter {
    /// The number, saturating. O(1).
    #[must_use]
    pub fn total(&self) -> i64 {
        *self.0.state()
    }

    /// Adds; returns the delta.
    #[must_use]
    pub fn add(&self, change: &mut Change, by: i64) -> Self {
        Self(Fold::of(change, (false, by)))
    }

    /// Multiplies; returns the delta.
    #[must_use]
    pub fn multiply(&self, change: &mut Change, by: i64) -> Self {
        Self(Fold::of(change, (true, by)))
    }
}

impl Crdt for MulCounter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Int(self.total())
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("increment", [by]) => Ok(self.add(change, arg(by)?)),
            ("multiply", [by]) => Ok(self.multiply(change, arg(by)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for MulCounter {
    const ABOUT: About = About {
        kind: Kind::MulCounter,
        family: "counters",
        what: "a number that is added to and multiplied",
        rule: "all operations apply, in the order of their time and dot",
        algebra: "Fold<add or multiply>",
        cost: "O(1) to read, O(later operations) to change",
        source: "Kleppmann et al. 2018 (OpSets)",
        operations: &[
            op("increment", &[Arg::Int], "adds"),
            op("multiply", &[Arg::Int], "multiplies"),
        ],
    };
}
