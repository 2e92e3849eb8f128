//! A counter that goes up and down (Shapiro et al. 2011).

use std::collections::BTreeMap;

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::LogId;
use crate::lattice::{Lattice, Max};
use crate::time::Writer;

/// For each log the sums of its increments and decrements, both of which only grow; every change counts.
/// Reading is O(logs), changing O(log logs).
///
/// ```
/// use meshwork_crdt::{HybridTime, Lattice, LogId, PnCounter, Writer};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let (mut one, mut two) = (PnCounter::default(), PnCounter::default());
/// one.add(&at(1), 5);
/// two.add(&at(2), -2);
/// one.join(two);
/// assert_eq!(one.value(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PnCounter {
    sums: BTreeMap<LogId, (Max<u64>, Max<u64>)>,
}

impl PnCounter {
    /// The sum, saturating at the ends of the range.
    #[must_use]
    pub fn value(&self) -> i64 {
        let sum: i128 =
            self.sums.values().map(|(up, down)| i128::from(up.0) - i128::from(down.0)).sum();
        i64::try_from(sum).unwrap_or(if sum > 0 { i64::MAX } else { i64::MIN })
    }

    /// Adds, or subtracts if negative; returns the delta.
    pub fn add(&mut self, writer: &Writer, by: i64) -> Self {
        if by == 0 {
            return Self::default();
        }
        let (up, down) = self.sums.entry(writer.log).or_default();
        let sum = if by > 0 { up } else { down };
        sum.0 = sum.0.saturating_add(by.unsigned_abs());
        Self {
            sums: self.sums.get(&writer.log).map(|own| (writer.log, *own)).into_iter().collect(),
        }
    }

    /// Whether nobody has counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sums.is_empty()
    }

    /// Who has counted.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.sums.keys().copied()
    }
}

impl Lattice for PnCounter {
    fn join(&mut self, other: Self) -> bool {
        self.sums.join(other.sums)
    }
}

impl Encode for PnCounter {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.sums.len() as u64);
        for (log, (up, down)) in &self.sums {
            out.log(*log);
            out.varint(up.0);
            out.varint(down.0);
        }
    }
}

impl Decode for PnCounter {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let sums = BTreeMap::<LogId, (u64, u64)>::decode(from)?;
        if sums.values().any(|sums| *sums == (0, 0)) {
            return Err(DecodeError::NotCanonical);
        }
        let sums = sums.into_iter().map(|(log, (up, down))| (log, (Max(up), Max(down))));
        Ok(Self { sums: sums.collect() })
    }
}
