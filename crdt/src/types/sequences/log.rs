//! The append-only log.

use std::collections::BTreeMap;

use crate::algebra::Max;
use crate::causal::CausalContext;
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::{Dot, LogId};
use crate::lattice::Lattice;
use crate::node::Kind;
use crate::store::Change;
use crate::time::{HybridTime, Stamp};
use crate::types::{leaf, wrapper};
use crate::value::Value;

/// Records that are only appended, in the order of their time; everybody ends up with the same order.
///
/// ```
/// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sequences::Log};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut log = Causal::<Log<String>>::default();
/// log.edit(&at(1), |log, change| log.append(change, "started".to_owned()));
/// assert_eq!(log.iter().count(), 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Log<T: Datum>(BTreeMap<(HybridTime, Dot), Max<Plain<T>>>);

wrapper!(Log<T: Datum>(BTreeMap<(HybridTime, Dot), Max<Plain<T>>>));

impl<T: Datum> Lattice for Log<T> {
    fn join(&mut self, other: Self) -> bool {
        self.0.join(other.0)
    }

    fn since(&self, seen: &CausalContext) -> Self {
        let news = self.0.iter().filter(|((_, dot), _)| !seen.contains(*dot));
        Self(news.map(|(moment, record)| (*moment, record.clone())).collect())
    }

    fn written_by(&self, author: LogId) -> bool {
        self.0.keys().all(|(_, dot)| dot.log == author)
    }

    fn split(self) -> Vec<Self> {
        self.0.split().into_iter().map(Self).collect()
    }
}
leaf!(Log<T: Datum>);

impl<T: Datum> Log<T> {
    /// The records in order, with when and by whom.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Stamp, &T)> {
        self.0.iter().filter_map(|((time, dot), record)| {
            let record = record.0.as_ref()?;
            Some((Stamp { time: *time, log: dot.log }, &record.0))
        })
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a record; returns the delta. O(log n).
    #[must_use]
    pub fn append(&self, change: &mut Change, record: T) -> Self {
        let moment = (change.time(), change.dot());
        Self(BTreeMap::from([(moment, Max(Some(Plain(record))))]))
    }
}

impl<T: Datum> Crdt for Log<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(|(_, record)| record.to_value()))
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.iter().map(|(stamp, record)| Claim {
            value: record.to_value(),
            by: Some(stamp.log),
            time: Some(stamp.time),
            stands: true,
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("append", [record]) => Ok(self.append(change, arg(record)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for Log<T> {
    const ABOUT: About = About {
        kind: Kind::Log,
        family: "sequences",
        what: "records that are only appended",
        rule: "ordered by time and dot",
        algebra: "Set<(time, dot, T)>, sorted",
        cost: "O(log n)",
        source: "Shapiro et al. 2011; Sanjuán et al. 2020",
        operations: &[op("append", &[Arg::Value], "appends a record")],
    };
}
