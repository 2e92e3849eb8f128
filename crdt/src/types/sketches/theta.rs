//! Comparable distinct counts.

use std::collections::BTreeSet;

use super::bottom::Bottom;
use super::hash::hash;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, end_of, op};
use crate::datum::Datum;
use crate::lattice::Lattice;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// About how many different things there were, and how much two such sets have in common: the 256 smallest hashes, a standard error of 6.3 %.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::Theta};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Theta>::default();
    /// for n in 0..100_i64 {
    ///     one.edit(&at(1), |set, change| set.add(change, &n));
    /// }
    /// assert_eq!(one.estimate(), 100.0);
    /// assert_eq!(one.similarity(&one), 1.0);
    /// ```
    pub struct Theta(Bottom<(), 256>);
}
leaf!(Theta);

impl Theta {
    /// About how many different things were added; exact up to 255. O(1).
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn estimate(&self) -> f64 {
        match self.0.bound() {
            None => self.0.len() as f64,
            Some(bound) => (self.0.len() - 1) as f64 * (u64::MAX as f64 / bound as f64),
        }
    }

    /// How many of the things of either set are in both, from 0 to 1 (Jaccard). O(n).
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn similarity(&self, other: &Self) -> f64 {
        let mut both = self.0.clone();
        both.join(other.0.clone());
        let held = |set: &Self| set.0.iter().map(|(hash, ())| hash).collect::<BTreeSet<u64>>();
        let (one, two) = (held(self), held(other));
        let common = both.iter().filter(|(hash, ())| one.contains(hash) && two.contains(hash));
        if both.len() == 0 { 1.0 } else { common.count() as f64 / both.len() as f64 }
    }

    /// Adds a thing; returns the delta. O(log n).
    #[must_use]
    pub fn add(&self, _: &mut Change, item: &impl Datum) -> Self {
        Self(Bottom::of(hash(item, 0), ()))
    }
}

impl Crdt for Theta {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::count(self.estimate().round() as i64)
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item]) => Ok(self.add(change, item)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Theta {
    const ABOUT: About = About {
        kind: Kind::Theta,
        family: "sketches",
        what: "about how many different things, and what sets have in common",
        rule: "the 256 smallest hashes stay",
        algebra: "Set<hash>, the 256 smallest",
        cost: "O(log 256) to add",
        source: "Bar-Yossef et al. 2002 (KMV)",
        operations: &[op("add", &[Arg::Key], "adds a thing")],
    };
}
