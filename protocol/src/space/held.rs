//! What each member device is known to hold durably, and since when it has not been seen.
//!
//! Words of peers (acknowledgements, heads, equal digests) and causal pasts of entries in → device, log, last
//! entry. Both are the device's own word: an entry of a device leaves it only after the batch that holds the
//! entry is durable, and what the entry names as its past was applied, and so stored, in that batch or in one
//! before it; what a device writes itself it holds. Knowledge outlives links and restarts and is a lower bound:
//! a power cut may forget the latest words, and nothing is known of who never spoke to this device and writes
//! nothing. Deliberately not here: who is a member, when to speak.

use std::collections::{BTreeMap, BTreeSet};

use super::Space;
use crate::effect::{Effects, Event};
use crate::entry::Opened;
use crate::ids::{DeviceId, LogId, Time};
use crate::layout::{self, KIND_HELD, KIND_SEEN, PeerRow};
use crate::limits;
use crate::planted::{self, Bug};
use crate::turn::Turn;

/// What is known of all devices of a space.
#[derive(Debug, Default)]
pub(crate) struct Held {
    by: BTreeMap<DeviceId, BTreeMap<LogId, u64>>,
    heads: usize,
    seen: BTreeMap<DeviceId, Time>,
    /// Known by word of the device alone, and not written yet.
    told: BTreeSet<(DeviceId, LogId)>,
    /// Known from entries as well, which are applied again after a restart until the next checkpoint.
    derived: BTreeSet<(DeviceId, LogId)>,
}

/// How a device is known to hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It has acknowledged as much.
    AtLeast,
    /// It has told all it holds: what was known before may have been more.
    Exactly,
    /// An entry of it names as much as its past.
    Past,
}

impl Held {
    pub(crate) fn get(&self, device: DeviceId, log: LogId) -> u64 {
        self.by.get(&device).and_then(|logs| logs.get(&log)).copied().unwrap_or(0)
    }

    pub(crate) fn seen(&self, device: DeviceId) -> Option<Time> {
        self.seen.get(&device).copied()
    }

    /// Devices and logs remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heads
    }

    /// Takes in a word; tells whether anything is different now. Beyond [`limits::HELD_HEADS_MAX`] nothing
    /// more is remembered, which is to know less.
    pub(crate) fn note(&mut self, device: DeviceId, log: LogId, seq: u64, word: Word) -> bool {
        let before = self.get(device, log);
        if seq == before || (seq < before && word != Word::Exactly) {
            return false;
        }
        let logs = self.by.entry(device).or_default();
        if !logs.contains_key(&log) {
            if self.heads >= limits::HELD_HEADS_MAX {
                return false;
            }
            self.heads += 1;
        }
        logs.insert(log, seq);
        if word == Word::Past { &mut self.derived } else { &mut self.told }.insert((device, log));
        true
    }

    /// Forgets all devices but those that are to be kept.
    pub(crate) fn keep(&mut self, keep: impl Fn(DeviceId) -> bool) {
        self.by.retain(|device, _| keep(*device));
        self.seen.retain(|device, _| keep(*device));
        self.told.retain(|(device, _)| keep(*device));
        self.derived.retain(|(device, _)| keep(*device));
        self.heads = self.by.values().map(BTreeMap::len).sum();
    }

    fn full(&self) -> bool {
        self.heads >= limits::HELD_HEADS_MAX
    }
}

/// The last entry of each log that all of some devices hold: what is causally stable if they are all members.
pub(crate) fn stable(
    devices: &[DeviceId],
    logs: impl IntoIterator<Item = LogId>,
    holds: impl Fn(DeviceId, LogId) -> u64,
) -> BTreeMap<LogId, u64> {
    let least = |log| devices.iter().map(|device| holds(*device, log)).min().unwrap_or(0);
    logs.into_iter().map(|log| (log, least(log))).collect()
}

impl Space {
    /// Up to where a member device is known to hold a log durably.
    pub(crate) fn holds(&self, device: DeviceId, log: LogId) -> u64 {
        let Some(known) = self.logs.get(&log) else { return 0 };
        if device == self.own.device || device == known.opening.device {
            return known.head.seq;
        }
        self.held.get(device, log).min(known.head.seq)
    }

    /// Takes in that a member device holds a log up to `seq`.
    pub(crate) fn note_held(
        &mut self,
        device: DeviceId,
        log: LogId,
        seq: u64,
        word: Word,
        effects: &mut Effects,
    ) {
        let own = log == self.own_log;
        let Some(known) = self.logs.get(&log) else { return };
        let roster = self.membership.roster();
        let known_already = word != Word::Exactly && seq <= self.held.get(device, log);
        if known_already || known.opening.device == device || roster.role(device).is_none() {
            return;
        }
        if self.held.full() {
            self.held.keep(|device| roster.role(device).is_some());
        }
        let before = if own { self.replicated() } else { Vec::new() };
        if !self.held.note(device, log, seq, word) || !own {
            return;
        }
        for (devices, (before, after)) in (1..).zip(before.iter().zip(self.replicated())) {
            if after > *before {
                let space = self.id;
                effects.events.push(Event::Replicated { space, log, seq: after, devices });
            }
        }
    }

    /// Takes in what an entry of another device says about that device.
    pub(super) fn note_past(&mut self, opened: &Opened, author: DeviceId, effects: &mut Effects) {
        if author == self.own.device {
            return;
        }
        for (index, seq) in &opened.body.deps {
            let place = usize::try_from(*index).ok().and_then(|index| index.checked_sub(1));
            if let Some(log) = place.and_then(|place| opened.body.logs.get(place)) {
                let held = self.logs.get(log).map_or(0, |known| known.head.seq.min(*seq));
                self.note_held(author, *log, held, Word::Past, effects);
            }
        }
    }

    /// How far this device's log is held by one device, by two, and so on, this one included.
    pub(crate) fn replicated(&self) -> Vec<u64> {
        let roster = self.membership.roster();
        let members: Vec<DeviceId> = match planted::is(Bug::HeldByAnybody) {
            true => roster.devices.keys().copied().collect(),
            false => roster.devices_in().collect(),
        };
        let members = members.into_iter();
        let mut heads: Vec<u64> = members.map(|device| self.holds(device, self.own_log)).collect();
        heads.sort_unstable_by(|a, b| b.cmp(a));
        heads
    }

    /// What every member device is known to hold, log by log.
    pub(crate) fn stable(&self) -> BTreeMap<LogId, u64> {
        let members: Vec<DeviceId> = self.membership.roster().devices_in().collect();
        stable(&members, self.logs.keys().copied(), |device, log| self.holds(device, log))
    }

    /// Entries held here that a device is not known to hold.
    pub(crate) fn missing(&self, device: DeviceId) -> u64 {
        let lacks = |(log, known): (&LogId, &super::Log)| known.head.seq - self.holds(device, *log);
        self.logs.iter().map(lacks).sum()
    }

    /// Notes that a member was there just now. Written when it is much later than what was written before.
    pub(crate) fn saw(&mut self, device: DeviceId, parting: bool, turn: &mut Turn<'_>) {
        if self.membership.roster().role(device).is_none() {
            return;
        }
        let before = self.held.seen.get(&device);
        let stale = before.is_none_or(|at| at.plus_ms(limits::SEEN_EVERY_MS) <= turn.now);
        if stale || parting {
            self.held.seen.insert(device, turn.now);
            let key = layout::seen_key(self.pseudonym, device);
            let now = turn.now;
            turn.put_row(key, KIND_SEEN, &now);
        }
    }

    /// Writes what devices have told since the last time.
    pub(crate) fn write_told(&mut self, turn: &mut Turn<'_>) {
        for (device, log) in std::mem::take(&mut self.held.told) {
            self.write_one_held(device, log, turn);
        }
    }

    /// Writes what was learnt from entries that are not applied again after a restart.
    pub(super) fn write_derived(&mut self, turn: &mut Turn<'_>) {
        for (device, log) in std::mem::take(&mut self.held.derived) {
            self.write_one_held(device, log, turn);
        }
    }

    fn write_one_held(&self, device: DeviceId, log: LogId, turn: &mut Turn<'_>) {
        let key = layout::held_key(self.pseudonym, device, log);
        turn.put_row(key, KIND_HELD, &self.held.get(device, log));
    }

    /// Takes in that a device told it holds less than it was known to: its disk is an older one. Entries that
    /// say more are not to be applied again.
    pub(crate) fn settle_correction(&mut self, turn: &mut Turn<'_>) {
        self.checkpoint(turn);
    }

    /// Reads what was known before the last stop: what was written, and what was agreed upon with each peer.
    pub(super) fn read_held(&mut self, turn: &mut Turn<'_>) {
        let members: Vec<DeviceId> = self.membership.roster().devices_in().collect();
        for device in &members {
            let key = layout::seen_key(self.pseudonym, *device);
            if turn.get(&key).is_some() {
                let seen = turn.row::<Time>(&key, KIND_SEEN);
                self.held.seen.extend(seen.map(|at| (*device, at)));
            }
        }
        let (from, to) = layout::rows(b'h', self.pseudonym);
        for (key, bytes) in turn.scan(&from, &to, 2 * limits::HELD_HEADS_MAX) {
            let Some(seq) = crate::envelope::open(layout::ROW_VERSION, KIND_HELD, &bytes) else {
                turn.halt(crate::turn::damaged(&key));
                return;
            };
            match layout::held_of(&key) {
                Some((device, log)) if members.contains(&device) => {
                    self.held.note(device, log, seq, Word::AtLeast);
                }
                _ => turn.effects.batch.delete(key),
            }
        }
        for device in members {
            self.read_agreed(device, turn);
        }
        self.held.told.clear();
    }

    /// What a peer held when it last agreed with this device, as far as logs still know how far they were.
    fn read_agreed(&mut self, device: DeviceId, turn: &mut Turn<'_>) {
        let key = layout::peer_key(self.pseudonym, device);
        if device == self.own.device || turn.get(&key).is_none() {
            return;
        }
        let Some(PeerRow { at, .. }) = turn.row(&key, layout::KIND_PEER) else { return };
        for (log, known) in &self.logs {
            if self.held.get(device, *log) == 0
                && known.opening.device != device
                && let Some(seq) = known.seq_at(at)
            {
                self.held.note(device, *log, seq, Word::AtLeast);
            }
        }
    }
}

#[cfg(test)]
mod tests;
