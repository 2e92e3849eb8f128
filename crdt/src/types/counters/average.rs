//! The running mean.

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// The mean of all numbers anybody added.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::counters::Average};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Average>::default();
    /// let mut two = one.clone();
    /// one.edit(&at(1), |mean, change| mean.add(change, 1));
    /// two.edit(&at(2), |mean, change| mean.add(change, 4));
    /// one.join(two);
    /// assert_eq!((one.mean(), one.len()), (Some(2.5), 2));
    /// ```
    pub struct Average(Own<(i64, u64)>);
}
leaf!(Average);

impl Average {
    /// The mean, if there is any number. O(logs).
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn mean(&self) -> Option<f64> {
        let (sum, len) = self.0.total();
        (len > 0).then(|| sum as f64 / len as f64)
    }

    /// How many numbers were added.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.total().1
    }

    /// Whether no number was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a number; returns the delta. O(log logs).
    #[must_use]
    pub fn add(&self, change: &mut Change, number: i64) -> Self {
        Self(self.0.contribute(change, |(sum, len)| {
            *sum = sum.saturating_add(number);
            *len = len.saturating_add(1);
        }))
    }
}

impl Crdt for Average {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        self.mean().map_or(Value::Null, Value::from)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [number]) => Ok(self.add(change, arg(number)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Average {
    const ABOUT: About = About {
        kind: Kind::Average,
        family: "counters",
        what: "the mean of numbers",
        rule: "every number counts",
        algebra: "Own<(sum, count)>",
        cost: "O(logs) to read, O(log logs) to change",
        source: "Navalho et al. 2015",
        operations: &[op("add", &[Arg::Int], "adds a number")],
    };
}
