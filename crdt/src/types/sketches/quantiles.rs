//! Quantiles.

use std::collections::BTreeMap;

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Quantiles of numbers with a relative error of 1 %, whatever their range.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::Quantiles};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut times = Causal::<Quantiles>::default();
    /// for ms in 1..=100 {
    ///     times.edit(&at(1), |times, change| times.add(change, f64::from(ms)));
    /// }
    /// let median = times.quantile(0.5).unwrap();
    /// assert!((median - 50.0).abs() <= 0.5, "{median}");
    /// ```
    pub struct Quantiles(Own<BTreeMap<(i64, i64), u64>>);
}
leaf!(Quantiles);

/// The width of buckets: each is 2 % greater than the one before, so its middle is at most 1 % off.
const GAMMA: f64 = 1.02;

/// Sign, and the logarithm of the size; ascending in the order of numbers.
fn bucket(number: f64) -> (i64, i64) {
    if number == 0.0 {
        return (0, 0);
    }
    let size = (number.abs().ln() / GAMMA.ln()).ceil() as i64;
    if number > 0.0 { (1, size) } else { (-1, -size) }
}

impl Quantiles {
    /// The number below which this part of all numbers lies, if there is any; `part` goes from 0 to 1. O(buckets).
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let buckets = self.0.total();
        let len: u64 = buckets.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
        let rank = (part.clamp(0.0, 1.0) * len.saturating_sub(1) as f64) as u64;
        let mut below = 0_u64;
        for ((sign, bucket), count) in &buckets {
            below = below.saturating_add(*count);
            if below > rank {
                let sign = sign.signum() as f64;
                let size = 2.0 * GAMMA.powf(*bucket as f64 * sign) / (GAMMA + 1.0);
                return Some(size * sign);
            }
        }
        None
    }

    /// How many numbers were added.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.total().values().fold(0, |sum: u64, count| sum.saturating_add(*count))
    }

    /// Whether no number was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a finite number; returns the delta, bottom for any other. An author's buckets travel together.
    #[must_use]
    pub fn add(&self, change: &mut Change, number: f64) -> Self {
        if !number.is_finite() {
            return Self::default();
        }
        Self(self.0.contribute(change, |own| {
            let count = own.entry(bucket(number)).or_default();
            *count = count.saturating_add(1);
        }))
    }
}

impl Crdt for Quantiles {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let at = |part: f64| self.quantile(part).map_or(Value::Null, Value::from);
        Value::map([
            ("count".into(), Value::count(self.len())),
            ("p50".into(), at(0.5)),
            ("p90".into(), at(0.9)),
            ("p99".into(), at(0.99)),
        ])
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [Value::Int(number)]) => Ok(self.add(change, *number as f64)),
            ("add", [Value::Float(number)]) => Ok(self.add(change, number.get())),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Quantiles {
    const ABOUT: About = About {
        kind: Kind::Quantiles,
        family: "sketches",
        what: "quantiles of numbers",
        rule: "every number counts",
        algebra: "Own<bucket ↪ u64>",
        cost: "O(buckets)",
        source: "Masson, Rim, Lee 2019 (DDSketch)",
        operations: &[op("add", &[Arg::Int], "adds a number")],
    };
}
