//! Aggregates over time.

use std::collections::BTreeMap;

use crate::algebra::{Max, Min, Own, Pair};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::dot::LogId;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Count, sum, smallest and largest of numbers by window of time. Windows lie side by side; each is known by its start and its length.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::time::Windows};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut load = Causal::<Windows>::default();
    /// load.edit(&at(1), |load, change| load.add(change, 61_500, 60_000, 7));
    /// load.edit(&at(2), |load, change| load.add(change, 119_999, 60_000, 9));
    /// let minute = load.window(60_000, 60_000).unwrap();
    /// assert_eq!((minute.count, minute.sum, minute.least, minute.most), (2, 16, 7, 9));
    /// ```
    pub struct Windows(BTreeMap<(i64, i64), Window>);
}
leaf!(Windows);

/// Of a window: sums by author, the smallest and the largest number.
type Window = Pair<Own<(u64, i64)>, Pair<Min<i64>, Max<i64>>>;

/// What a window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// How many numbers.
    pub count: u64,
    /// Their sum, saturating.
    pub sum: i64,
    /// The smallest.
    pub least: i64,
    /// The largest.
    pub most: i64,
}

fn totals(Pair(sums, Pair(least, most)): &Window) -> Option<Totals> {
    let (count, sum) = sums.total();
    Some(Totals { count, sum, least: least.0?, most: most.0? })
}

impl Windows {
    /// What a window holds, if anything. O(log n + logs).
    #[must_use]
    pub fn window(&self, start_ms: i64, length_ms: i64) -> Option<Totals> {
        self.0.get(&(start_ms, length_ms)).and_then(totals)
    }

    /// The windows that end before a moment, so that nothing on time can still come: start, length, totals. O(n).
    pub fn closed(&self, watermark_ms: i64) -> impl Iterator<Item = (i64, i64, Totals)> {
        let closed = self
            .0
            .iter()
            .filter(move |((start, length), _)| start.saturating_add(*length) <= watermark_ms);
        closed.filter_map(|((start, length), window)| Some((*start, *length, totals(window)?)))
    }

    /// The moment that every author of windows of a length has reached: the start of the latest window to which
    /// each has added. Who adds in the order of time adds nothing more to windows that end by then; who stays away
    /// holds it back. O(windows · logs).
    #[must_use]
    pub fn watermark(&self, length_ms: u32) -> Option<i64> {
        let mut reached: BTreeMap<LogId, i64> = BTreeMap::new();
        let length = i64::from(length_ms.max(1));
        for ((start, _), window) in self.0.iter().filter(|((_, known), _)| *known == length) {
            reached.extend(window.0.iter().map(|(log, _)| (log, *start)));
        }
        reached.into_values().min()
    }

    /// Adds a number to the window of a moment; returns the delta. O(log n).
    #[must_use]
    pub fn add(&self, change: &mut Change, ms: i64, length_ms: u32, number: i64) -> Self {
        let length = i64::from(length_ms.max(1));
        let start = ms.div_euclid(length).saturating_mul(length);
        let vacant = Window::default();
        let sums = &self.0.get(&(start, length)).unwrap_or(&vacant).0;
        let sums = sums.contribute(change, |(count, sum)| {
            *count = count.saturating_add(1);
            *sum = sum.saturating_add(number);
        });
        let window = Pair(sums, Pair(Min(Some(number)), Max(Some(number))));
        Self(BTreeMap::from([((start, length), window)]))
    }
}

impl Crdt for Windows {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let shown = |totals: Totals| {
            let Totals { count, sum, least, most } = totals;
            let numbers = [("sum", sum), ("least", least), ("most", most)];
            let numbers = numbers.into_iter().map(|(name, number)| (name.into(), number.into()));
            Value::map(numbers.chain([("count".into(), Value::count(count))]))
        };
        let all = self.0.iter().filter_map(|((start, length), window)| {
            Some((Value::Text(format!("{start}+{length}")), shown(totals(window)?)))
        });
        Value::map(all)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [ms, length, number]) => {
                let length =
                    u32::try_from(count_arg(length)?).map_err(|_| EditError::OutOfRange)?;
                Ok(self.add(change, arg(ms)?, length, arg(number)?))
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Windows {
    const ABOUT: About = About {
        kind: Kind::Windows,
        family: "time",
        what: "totals of numbers by window of time",
        rule: "every number counts",
        algebra: "window ↪ Own<(count, sum)> × Min × Max",
        cost: "O(log n + logs)",
        source: "Spenger et al. 2025 (Holon)",
        operations: &[op(
            "add",
            &[Arg::Time, Arg::Count, Arg::Int],
            "adds a number to the window, of a length, of a moment",
        )],
    };
}
