//! The counter of one versioned total per author.

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Each log's own total, replaced by its next one; the sum of the latest counts.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::counters::LexCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<LexCounter>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |counter, change| counter.add(change, 5));
    /// two.edit(&at(2), |counter, change| counter.add(change, -2));
    /// one.join(two);
    /// assert_eq!(one.total(), 3);
    /// ```
    pub struct LexCounter(Own<i64>);
}
leaf!(LexCounter);

impl LexCounter {
    /// The sum, saturating. O(logs).
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.total()
    }

    /// Adds, or subtracts if negative; returns the delta, bottom for 0. O(log logs).
    #[must_use]
    pub fn add(&self, change: &mut Change, by: i64) -> Self {
        if by == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |own| *own = own.saturating_add(by)))
    }
}

impl Crdt for LexCounter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Int(self.total())
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(log, own)| Claim {
            value: Value::Int(*own),
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
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for LexCounter {
    const ABOUT: About = About {
        kind: Kind::LexCounter,
        family: "counters",
        what: "a number that goes up and down, one sum per author",
        rule: "every change counts",
        algebra: "Own<i64>",
        cost: "O(logs) to read, O(log logs) to change",
        source: "Almeida et al. 2018 (as in Cassandra)",
        operations: &[op("increment", &[Arg::Int], "adds, or subtracts if negative")],
    };
}
