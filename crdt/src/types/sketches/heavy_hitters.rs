//! Frequent things.

use std::collections::BTreeMap;

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// The things that occur most often. Each author keeps 64 counters: a count is too low by at most a sixty-fifth of what its authors added.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::HeavyHitters};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut words = Causal::<HeavyHitters<String>>::default();
    /// words.edit(&at(1), |words, change| words.add(change, "the".to_owned(), 5));
    /// words.edit(&at(1), |words, change| words.add(change, "of".to_owned(), 3));
    /// assert_eq!(words.top(1), [("the".to_owned(), 5)]);
    /// ```
    pub struct HeavyHitters<T: Datum>(Own<BTreeMap<Plain<T>, u64>>);
}
leaf!(HeavyHitters<T: Datum>);

/// Counters of each author.
const COUNTERS: usize = 64;

impl<T: Datum> HeavyHitters<T> {
    /// The most frequent things with lower bounds of their counts, the most frequent first. O(n log n).
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<(T, u64)> {
        let mut all: Vec<_> = self.0.total().into_iter().map(|(item, n)| (item.0, n)).collect();
        all.sort_by(|one, two| two.1.cmp(&one.1).then(one.0.cmp(&two.0)));
        all.truncate(most);
        all
    }

    /// Adds a thing so many times; returns the delta. An author's counters travel together.
    #[must_use]
    pub fn add(&self, change: &mut Change, item: T, times: u64) -> Self {
        if times == 0 {
            return Self::default();
        }
        Self(self.0.contribute(change, |own| {
            let count = own.entry(Plain(item)).or_default();
            *count = count.saturating_add(times);
            if own.len() > COUNTERS {
                let least = own.values().min().copied().unwrap_or(0);
                own.values_mut().for_each(|count| *count -= least);
                own.retain(|_, count| *count > 0);
            }
        }))
    }
}

impl<T: Datum> Crdt for HeavyHitters<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(
            self.top(10)
                .into_iter()
                .map(|(item, count)| Value::list([item.to_value(), Value::count(count)])),
        )
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item, times]) => Ok(self.add(change, arg(item)?, count_arg(times)? as u64)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<T: Datum> Catalogued for HeavyHitters<T> {
    const ABOUT: About = About {
        kind: Kind::HeavyHitters,
        family: "sketches",
        what: "the things that occur most often",
        rule: "every addition counts, less what an author's 64 counters cannot hold",
        algebra: "Own<T ↪ u64, 64 of them>",
        cost: "O(own counters)",
        source: "Misra & Gries 1982; Agarwal et al. 2012",
        operations: &[op("add", &[Arg::Key, Arg::Count], "adds a thing so many times")],
    };
}
