//! Running moments.

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Count, mean and variance of all numbers anybody added; sums saturate.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::counters::Moments};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Moments>::default();
    /// for number in [2, 4] {
    ///     one.edit(&at(1), |moments, change| moments.add(change, number));
    /// }
    /// assert_eq!((one.mean(), one.variance()), (Some(3.0), Some(1.0)));
    /// ```
    pub struct Moments(Own<(u64, (i64, i64))>);
}
leaf!(Moments);

impl Moments {
    /// How many numbers were added. O(logs), as all queries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.total().0
    }

    /// Whether no number was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The mean, if there is any number.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn mean(&self) -> Option<f64> {
        let (len, (sum, _)) = self.0.total();
        (len > 0).then(|| sum as f64 / len as f64)
    }

    /// The variance of the numbers as the whole population, if there is any.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn variance(&self) -> Option<f64> {
        let (len, (_, squares)) = self.0.total();
        let mean = self.mean()?;
        Some((squares as f64 / len as f64 - mean * mean).max(0.0))
    }

    /// Adds a number; returns the delta. O(log logs).
    #[must_use]
    pub fn add(&self, change: &mut Change, number: i64) -> Self {
        Self(self.0.contribute(change, |(len, (sum, squares))| {
            *len = len.saturating_add(1);
            *sum = sum.saturating_add(number);
            *squares = squares.saturating_add(number.saturating_mul(number));
        }))
    }
}

impl Crdt for Moments {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let number = |number: Option<f64>| number.map_or(Value::Null, Value::from);
        Value::map([
            ("count".into(), Value::count(self.len())),
            ("mean".into(), number(self.mean())),
            ("variance".into(), number(self.variance())),
        ])
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [number]) => Ok(self.add(change, arg(number)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Moments {
    const ABOUT: About = About {
        kind: Kind::Moments,
        family: "counters",
        what: "count, mean and variance of numbers",
        rule: "every number counts",
        algebra: "Own<(count, sum, sum of squares)>",
        cost: "O(logs) to read, O(log logs) to change",
        source: "Navalho et al. 2015",
        operations: &[op("add", &[Arg::Int], "adds a number")],
    };
}
