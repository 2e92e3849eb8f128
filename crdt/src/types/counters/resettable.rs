//! The counter that can be reset.

use crate::algebra::DotFun;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// A number that goes up and down and can be reset. A reset takes away all it has seen. Each author keeps one
    /// sum under one dot, so a concurrent increment carries its author's whole sum past the reset.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::counters::ResettableCounter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<ResettableCounter>::default();
    /// one.edit(&at(1), |counter, change| counter.add(change, 5));
    /// let mut two = one.clone();
    /// one.edit(&at(1), ResettableCounter::reset);
    /// two.edit(&at(2), |counter, change| counter.add(change, 2));
    /// one.join(two);
    /// assert_eq!(one.total(), 2);
    /// ```
    pub struct ResettableCounter(DotFun<i64>);
}
leaf!(ResettableCounter);

impl ResettableCounter {
    /// The sum, saturating. O(logs).
    #[must_use]
    pub fn total(&self) -> i64 {
        self.0.iter().fold(0_i64, |sum, (_, own)| sum.saturating_add(*own))
    }

    /// Adds, or subtracts if negative; returns the delta, bottom for 0. O(logs).
    #[must_use]
    pub fn add(&self, change: &mut Change, by: i64) -> Self {
        if by == 0 {
            return Self::default();
        }
        let (mut sum, log) = (by, change.log());
        for (dot, own) in self.0.iter().filter(|(dot, _)| dot.log == log) {
            change.forget(dot);
            sum = sum.saturating_add(*own);
        }
        Self(DotFun::of(change.dot(), sum))
    }

    /// Back to 0, as far as has been seen; returns the delta. O(logs).
    #[must_use]
    pub fn reset(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }
}

impl Crdt for ResettableCounter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Int(self.total())
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().map(|(dot, own)| Claim {
            value: Value::Int(*own),
            by: Some(dot.log),
            time: None,
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("increment", [by]) => Ok(self.add(change, arg(by)?)),
            ("reset" | "clear", []) => Ok(self.reset(change)),
            ("set", [to]) => {
                let by = arg::<i64>(to)?.checked_sub(self.total());
                Ok(self.add(change, by.ok_or(EditError::OutOfRange)?))
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for ResettableCounter {
    const ABOUT: About = About {
        kind: Kind::ResettableCounter,
        family: "counters",
        what: "a number that can be reset",
        rule: "every change counts but those a reset has seen",
        algebra: "Causal<DotFun<i64>>, one dot per author",
        cost: "O(logs)",
        source: "Younes et al. 2016; Brown et al. 2014 (Riak)",
        operations: &[
            op("increment", &[Arg::Int], "adds, or subtracts if negative"),
            op("set", &[Arg::Int], "adds what is missing to this number"),
            op("reset", &[], "back to 0"),
            op("clear", &[], "back to 0"),
        ],
    };
}
