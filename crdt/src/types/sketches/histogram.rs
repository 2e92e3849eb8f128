//! Histograms.

use std::collections::BTreeMap;

use crate::algebra::Own;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// How many numbers fell into which bin. A bin is named by the smallest number in it; the writer says how wide bins are.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::Histogram};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut ages = Causal::<Histogram>::default();
    /// for age in [31, 35, 42] {
    ///     ages.edit(&at(1), |ages, change| ages.add(change, age, 10));
    /// }
    /// assert_eq!(ages.bins().into_iter().collect::<Vec<_>>(), [(30, 2), (40, 1)]);
    /// ```
    pub struct Histogram(Own<BTreeMap<i64, u64>>);
}
leaf!(Histogram);

impl Histogram {
    /// The bins with their counts. O(bins · logs).
    #[must_use]
    pub fn bins(&self) -> BTreeMap<i64, u64> {
        self.0.total()
    }

    /// Counts a number in its bin of a width; returns the delta. An author's bins travel together.
    #[must_use]
    pub fn add(&self, change: &mut Change, number: i64, width: u32) -> Self {
        let width = i64::from(width.max(1));
        let bin = number.div_euclid(width).saturating_mul(width);
        Self(self.0.contribute(change, |own| {
            let count = own.entry(bin).or_default();
            *count = count.saturating_add(1);
        }))
    }
}

impl Crdt for Histogram {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map(self.bins().into_iter().map(|(bin, count)| (bin.into(), Value::count(count))))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [number, width]) => {
                let width = u32::try_from(count_arg(width)?).map_err(|_| EditError::OutOfRange)?;
                Ok(self.add(change, arg(number)?, width))
            }
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Histogram {
    const ABOUT: About = About {
        kind: Kind::Histogram,
        family: "sketches",
        what: "counts of numbers by bin",
        rule: "every number counts",
        algebra: "Own<bin ↪ u64>",
        cost: "O(bins)",
        source: "Cabrita & Preguiça 2017",
        operations: &[op("add", &[Arg::Int, Arg::Count], "counts a number in its bin of a width")],
    };
}
