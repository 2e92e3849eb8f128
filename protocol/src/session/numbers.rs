//! Short names for logs on one link.
//!
//! The logs of the base, which both ends held when they last agreed, have the even numbers, in order, both
//! ways. Each end gives odd numbers to further logs as it first sends them. A number that is not known is
//! never guessed: what names it is dropped, and repair names logs in full. An end that speaks of a log of the
//! base in another way does not number them: it is spoken to without the base from then on.

use std::collections::BTreeMap;

use crate::ids::LogId;
use crate::limits;

/// What both ends of a link held when they last agreed, as one of them remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// Hash of all heads then.
    pub root: [u8; 32],
    /// Digest of the membership operations then.
    pub members: [u8; 32],
    /// Heads then, ascending by log.
    pub logs: Vec<(LogId, u64)>,
}

/// Numbers of logs, both ways.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    /// The logs of the base, once both ends are known to remember it.
    base: Vec<LogId>,
    /// Whether the peer has shown that it does not number them.
    uneven: bool,
    ours: BTreeMap<LogId, u32>,
    our_logs: Vec<LogId>,
    theirs: BTreeMap<u32, LogId>,
    their_names: BTreeMap<LogId, u32>,
}

impl Numbers {
    /// Numbers the logs of a base that both ends remember.
    pub(crate) fn agree(&mut self, base: &Base) {
        self.base = base.logs.iter().map(|(log, _)| *log).collect();
    }

    fn in_base(&self, log: LogId) -> Option<u32> {
        if self.uneven {
            return None;
        }
        let place = self.base.binary_search(&log).ok()?;
        u32::try_from(place).ok().map(|place| place * 2)
    }

    /// Our number for a log, if the peer has been told it.
    pub(crate) fn ours(&self, log: LogId) -> Option<u32> {
        self.in_base(log).or_else(|| self.ours.get(&log).copied())
    }

    /// Our number for a log, which the peer is told now.
    pub(crate) fn tell(&mut self, log: LogId) -> u32 {
        if let Some(number) = self.ours(log) {
            return number;
        }
        let number = u32::try_from(self.our_logs.len()).unwrap_or(u32::MAX / 2) * 2 + 1;
        self.our_logs.push(log);
        self.ours.insert(log, number);
        number
    }

    /// The log that we call by a number, which the peer named so.
    pub(crate) fn our_log(&mut self, number: u32) -> Option<LogId> {
        let place = usize::try_from(number / 2).ok()?;
        if number.is_multiple_of(2) {
            return self.base.get(place).copied();
        }
        let log = self.our_logs.get(place).copied()?;
        self.on_without_base(log);
        Some(log)
    }

    /// Takes in the peer's number for a log.
    pub(crate) fn bind(&mut self, number: u32, log: LogId) {
        let room = self.theirs.len() < limits::LOGS_PER_SPACE_MAX;
        if !number.is_multiple_of(2) {
            self.on_without_base(log);
        }
        if room && !number.is_multiple_of(2) && !self.their_names.contains_key(&log) {
            self.theirs.entry(number).or_insert(log);
            self.their_names.insert(log, number);
        }
    }

    /// The log that the peer calls by a number.
    pub(crate) fn their_log(&mut self, number: u32) -> Option<LogId> {
        if number.is_multiple_of(2) {
            return self.base.get(usize::try_from(number / 2).ok()?).copied();
        }
        let log = self.theirs.get(&number).copied()?;
        self.on_without_base(log);
        Some(log)
    }

    /// The peer spoke of a log in another way than by its place in the base.
    pub(crate) fn on_without_base(&mut self, log: LogId) {
        self.uneven |= self.in_base(log).is_some();
    }

    /// The peer's number for a log.
    pub(crate) fn theirs(&self, log: LogId) -> Option<u32> {
        self.in_base(log).or_else(|| self.their_names.get(&log).copied())
    }
}
