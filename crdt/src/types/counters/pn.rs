//! The counter that goes up and down.

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// For each log what it added and what it took away; every change counts.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::counters::PnCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<PnCounter>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |counter, change| counter.add(change, 5));
    /// two.edit(&at(2), |counter, change| counter.add(change, -2));
    /// one.join(two);
    /// assert_eq!(one.total(), 3);
    /// ```
    pub struct PnCounter(Own<(u64, u64)>);
}
leaf!(PnCounter);

impl PnCounter {
    /// The sum, saturating at the ends of the range. O(logs).
    #[must_use]
    pub fn total(&self) -> i64 {
        let sums = self.0.iter().map(|(_, (up, down))| i128::from(*up) - i128::from(*down));
        let sum: i128 = sums.sum();
        i64::try_from(sum).unwrap_or(if sum > 0 { i64::MAX } else { i64::MIN })
    }

    /// Adds, or subtracts if negative; returns the delta, bottom for 0. O(log logs).
    #[must_use]
    pub fn add(&self, change: &mut Change, by: i64) -> Self {
        if by == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |(up, down)| {
            let sum = if by > 0 { up } else { down };
            *sum = sum.saturating_add(by.unsigned_abs());
        }))
    }
}

impl Crdt for PnCounter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Int(self.total())
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(log, (up, down))| Claim {
            value: Value::count(i128::from(*up) - i128::from(*down)),
            by: Some(log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("increment", [by]) => Ok(self.add(change, arg(by)?)),
            ("set", [to]) => {
                let by = arg::<i64>(to)?.checked_sub(self.total());
                Ok(self.add(change, by.ok_or(EditError::OutOfRange)?))
            }
            ("clear", []) => Ok(self.add(change, self.total().saturating_neg())),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for PnCounter {
    const ABOUT: About = About {
        kind: Kind::Counter,
        family: "counters",
        what: "a number that goes up and down",
        rule: "every change counts",
        algebra: "Own<(up, down)>",
        cost: "O(logs) to read, O(log logs) to change",
        source: "Shapiro et al. 2011",
        operations: &[
            op("increment", &[Arg::Int], "adds, or subtracts if negative"),
            op("set", &[Arg::Int], "adds what is missing to this number"),
            op("clear", &[], "subtracts what it says now"),
        ],
    };
}
