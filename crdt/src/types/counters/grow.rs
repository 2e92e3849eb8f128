//! The counter that only grows.

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, count_arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// What each log counted, added up; never less.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::counters::GCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<GCounter>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |counter, change| counter.add(change, 2));
    /// two.edit(&at(2), |counter, change| counter.add(change, 3));
    /// one.join(two);
    /// assert_eq!(one.total(), 5);
    /// ```
    pub struct GCounter(Own<u64>);
}
leaf!(GCounter);

impl GCounter {
    /// The sum, saturating. O(logs).
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.total()
    }

    /// Counts; returns the delta, bottom for 0. O(log logs).
    #[must_use]
    pub fn add(&self, change: &mut Change, by: u64) -> Self {
        if by == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |own| *own = own.saturating_add(by)))
    }
}

impl Crdt for GCounter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::count(self.total())
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(log, own)| Claim {
            value: Value::count(*own),
            by: Some(log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("increment", [by]) => Ok(self.add(change, count_arg(by)? as u64)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for GCounter {
    const ABOUT: About = About {
        kind: Kind::GCounter,
        family: "counters",
        what: "a number that only grows",
        rule: "every increment counts",
        algebra: "Own<u64>",
        cost: "O(logs) to read, O(log logs) to change",
        source: "Shapiro et al. 2011",
        operations: &[op("increment", &[Arg::Count], "adds")],
    };
}
