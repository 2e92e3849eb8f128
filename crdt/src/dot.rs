//! Names of events: logs and dots.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The append-only sequence one device writes in one space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogId(pub [u8; 16]);

impl LogId {
    /// The log that nobody writes: what states at rest are encoded against.
    pub const ZERO: Self = Self([0; 16]);
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log:")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One event of an object. Dots are per object and log, contiguous from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// Whose event.
    pub log: LogId,
    /// Which one; the first is 1.
    pub seq: u64,
}

impl Dot {
    /// The dot `by` events later in the same log.
    #[must_use]
    pub fn plus(self, by: u64) -> Self {
        Self { log: self.log, seq: self.seq.saturating_add(by) }
    }
}

/// Consecutive events of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DotRange {
    /// Whose events.
    pub log: LogId,
    /// The first one.
    pub start: u64,
    /// How many.
    pub len: u64,
}

impl From<Dot> for DotRange {
    fn from(dot: Dot) -> Self {
        Self { log: dot.log, start: dot.seq, len: 1 }
    }
}

impl DotRange {
    /// The first dot.
    #[must_use]
    pub fn first(&self) -> Dot {
        Dot { log: self.log, seq: self.start }
    }

    /// The sequence number after the last one.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }
}
