//! Hybrid time: wall-clock milliseconds that never run backwards along causality (Kulkarni et al. 2014).

use serde::{Deserialize, Serialize};

use crate::dot::LogId;
use crate::planted::{self, Bug};

/// 48 bits of milliseconds since the Unix epoch, then a 16-bit counter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct HybridTime(pub u64);

impl HybridTime {
    /// The first moment of a millisecond.
    #[must_use]
    pub fn at(ms: u64) -> Self {
        Self(ms.min(u64::MAX >> 16) << 16)
    }

    /// The millisecond.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// A moment after this one, and not before the clock's `now_ms`.
    #[must_use]
    pub fn tick(self, now_ms: u64) -> Self {
        let step = u64::from(!planted::is(Bug::TimeStands));
        Self::at(now_ms).max(Self(self.0.saturating_add(step)))
    }
}

/// When, and by whom: a total order of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// When.
    pub time: HybridTime,
    /// By whom; settles ties.
    pub log: LogId,
}

/// Who edits, and when. Mutators take their dots from the object's own context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The log the edit will be written to.
    pub log: LogId,
    /// The time of the edit.
    pub time: HybridTime,
}

impl Writer {
    /// The stamp of an edit by this writer.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { time: self.time, log: self.log }
    }
}
