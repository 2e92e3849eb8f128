//! Gauges over time.

use std::collections::BTreeMap;

use crate::algebra::{Lex, Max};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
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

fn shown(write: &Lex<Stamp, Max<Plain<Value>>>) -> Option<&Value> {
    write.0.as_ref()?.1.0.as_ref().map(|value| &value.0)
}

impl<K: Datum> Series<K> {
    /// The values of a series from one moment up to, not including, another, ascending. O(log n) and the values.
    pub fn range(&self, series: &K, from: i64, to: i64) -> impl Iterator<Item = (i64, &Value)> {
        let (start, end) = ((Plain(series.clone()), from), (Plain(series.clone()), to.max(from)));
        self.0.range(start..end).filter_map(|((_, ms), write)| Some((*ms, shown(write)?)))
    }

    /// The latest value of a series. O(log n).
    #[must_use]
    pub fn latest(&self, series: &K) -> Option<(i64, &Value)> {
        let all = (Plain(series.clone()), i64::MIN)..=(Plain(series.clone()), i64::MAX);
        let ((_, ms), write) = self.0.range(all).next_back()?;
        Some((*ms, shown(write)?))
    }

    /// The series, ascending. O(n).
    #[must_use]
    pub fn names(&self) -> Vec<&K> {
        let mut names: Vec<&K> = self.0.keys().map(|(name, _)| &name.0).collect();
        names.dedup();
        names
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
            let values = self.range(name, i64::MIN, i64::MAX);
            Value::list(values.map(|(ms, value)| Value::list([ms.into(), value.clone()])))
        };
        Value::map(self.names().into_iter().map(|name| (name.to_value(), values(name))))
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
