//! Version vectors.

use crate::algebra::Own;
use crate::crdt::{About, Call, Catalogued, Crdt, EditError, end_of, op};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// A version vector: how many events of each log have been seen.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::apps::Clock};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Clock>::default();
    /// let two = one.clone();
    /// one.edit(&at(1), Clock::tick);
    /// assert!(two.before(&one) && !one.before(&two));
    /// assert!(!one.concurrent(&two));
    /// ```
    pub struct Clock(Own<u64>);
}
leaf!(Clock);

impl Clock {
    /// How many events of a log have been seen. O(log logs).
    #[must_use]
    pub fn get(&self, log: LogId) -> u64 {
        self.0.get(log).copied().unwrap_or(0)
    }

    /// Whether everything seen here has been seen there, and more. O(logs).
    #[must_use]
    pub fn before(&self, other: &Self) -> bool {
        self.covered_by(other) && !other.covered_by(self)
    }

    /// Whether each side has seen something that the other has not. O(logs).
    #[must_use]
    pub fn concurrent(&self, other: &Self) -> bool {
        !self.covered_by(other) && !other.covered_by(self)
    }

    fn covered_by(&self, other: &Self) -> bool {
        self.0.iter().all(|(log, seen)| other.get(log) >= *seen)
    }

    /// Notes an event of the writer; returns the delta.
    #[must_use]
    pub fn tick(&self, change: &mut Change) -> Self {
        Self(self.0.contribute(change, |own| *own = own.saturating_add(1)))
    }
}

impl Crdt for Clock {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(
            self.0.iter().map(|(log, seen)| (Value::Text(log.to_string()), Value::count(*seen))),
        )
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("tick", []) => Ok(self.tick(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Clock {
    const ABOUT: About = About {
        kind: Kind::Clock,
        family: "apps",
        what: "a version vector",
        rule: "per log the greatest count",
        algebra: "Own<u64>",
        cost: "O(logs) to compare",
        source: "Parker et al. 1983",
        operations: &[op("tick", &[], "notes an event of this device")],
    };
}
