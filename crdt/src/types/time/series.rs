//! Gauges over time.

use std::collections::BTreeMap;

use crate::algebra::{Lex, Max};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Measured values by series and moment; a value measured again for the same moment replaces the earlier one.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::time::Series};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut log = Causal::<Series<String>>::default();
    /// let room = || "room".to_owned();
    /// log.edit(&at(1), |log, change| log.record(change, room(), 1000, 20.5.into()));
    /// log.edit(&at(1), |log, change| log.record(change, room(), 2000, 21.0.into()));
    /// assert_eq!(log.range(&room(), 0, 1500).count(), 1);
    /// assert_eq!(log.latest(&room()).map(|(ms, _)| ms), Some(2000));
    /// ```
    pub struct Series<K: Datum>(BTreeMap<(Plain<K>, i64), Lex<Stamp, Max<Plain<Value>>>>);
}
leaf!(Series<K: Datum>);

/// The numbers of a series in one interval; values that are no numbers do not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its first moment in milliseconds.
    pub start: i64,
    /// How many numbers.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

#[allow(clippy::cast_precision_loss)]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(number.get()).filter(|number| number.is_finite()),
        _ => None,
    }
}

fn shown(write: &Lex<Stamp, Max<Plain<Value>>>) -> Option<&Value> {
    write.0.as_ref()?.1.0.as_ref().map(|value| &value.0)
}

impl<K: Datum> Series<K> {
    /// The values of a series from one moment up to, not including, another, ascending. O(log n) and the values.
    pub fn range(&self, series: &K, from: i64, to: i64) -> impl Iterator<Item = (i64, &Value)> {
        let (start, end) = ((Plain(series.clone()), from), (Plain(series.clone()), to.max(from)));
        self.0.range(start..end).filter_map(|((_, ms), write)| Some((*ms, shown(write)?)))
    }

    /// The same from one moment up to, not including, another, by intervals of a length; those without a number are
    /// left out. Intervals start at multiples of the length. O(log n) and the values.
    #[must_use]
    pub fn downsample(&self, series: &K, from: i64, to: i64, length_ms: u32) -> Vec<Interval> {
        let length = i64::from(length_ms.max(1));
        let mut intervals: Vec<Interval> = Vec::new();
        let numbers = self.range(series, from, to);
        for (ms, number) in numbers.filter_map(|(ms, value)| Some((ms, number(value)?))) {
            let start = ms.div_euclid(length).saturating_mul(length);
            match intervals.last_mut().filter(|last| last.start == start) {
                Some(Interval { count, mean, least, most, .. }) => {
                    *count += 1;
                    #[allow(clippy::cast_precision_loss)]
                    let share = 1.0 / *count as f64;
                    *mean += number * share - *mean * share;
                    (*least, *most) = (least.min(number), most.max(number));
                }
                None => {
                    let (mean, least, most) = (number, number, number);
                    intervals.push(Interval { start, count: 1, mean, least, most });
                }
            }
        }
        intervals
    }

    /// The latest value of a series. O(log n).
    #[must_use]
    pub fn latest(&self, series: &K) -> Option<(i64, &Value)> {
        self.all(series).next_back()
    }

    /// The series, ascending. O(n).
    #[must_use]
    pub fn names(&self) -> Vec<&K> {
        let mut names: Vec<&K> = self.0.keys().map(|(name, _)| &name.0).collect();
        names.dedup();
        names
    }

    /// Every value of a series, ascending.
    fn all(&self, series: &K) -> impl DoubleEndedIterator<Item = (i64, &Value)> {
        let all = (Plain(series.clone()), i64::MIN)..=(Plain(series.clone()), i64::MAX);
        self.0.range(all).filter_map(|((_, ms), write)| Some((*ms, shown(write)?)))
    }

    /// Records a value for a moment in milliseconds; returns the delta. O(log n).
    #[must_use]
    pub fn record(&self, change: &mut Change, series: K, ms: i64, value: Value) -> Self {
        let write = Lex(Some((change.stamp(), Max(Some(Plain(value))))));
        Self(BTreeMap::from([((Plain(series), ms), write)]))
    }
}

impl<K: Datum> Crdt for Series<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let values = |name: &K| {
            Value::list(self.all(name).map(|(ms, value)| Value::list([ms.into(), value.clone()])))
        };
        Value::map(self.names().into_iter().map(|name| (name.to_value(), values(name))))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().filter_map(|((name, ms), write)| {
            let (stamp, _) = write.0.as_ref()?;
            let place = [name.0.to_value(), (*ms).into(), shown(write)?.clone()];
            Some(Claim {
                value: Value::list(place),
                by: Some(stamp.log),
                time: Some(stamp.time),
                stands: true,
            })
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("record", [series, ms, value]) => {
                Ok(self.record(change, arg(series)?, arg(ms)?, value.clone()))
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for Series<K> {
    const ABOUT: About = About {
        kind: Kind::Series,
        family: "time",
        what: "measured values by series and moment",
        rule: "per moment the latest record wins",
        algebra: "(K, ms) ↪ Lex(Stamp, Max<V>)",
        cost: "O(log n)",
        source: "as in Cassandra",
        operations: &[op(
            "record",
            &[Arg::Key, Arg::Time, Arg::Value],
            "records a value for a moment",
        )],
    };
}
