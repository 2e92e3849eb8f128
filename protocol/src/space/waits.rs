//! What entries that are here and not applied wait for. Only looks; a peer cannot make it look at more than
//! a few logs at a time.

use super::Space;
use crate::entry::{Opened, Opening};
use crate::ids::{DeviceId, LogId};
use crate::limits;
use crate::turn::Turn;
use crate::why::{Here, Lacks};

impl Space {
    /// The first waiting entry of each log that has some, of a few logs.
    pub(crate) fn waits(&mut self, turn: &mut Turn<'_>) -> Vec<Here> {
        let blocked: Vec<LogId> =
            self.blocked.iter().take(limits::WAITS_TOLD_MAX).copied().collect();
        blocked.into_iter().filter_map(|log| self.wait_of(log, turn)).collect()
    }

    fn wait_of(&mut self, id: LogId, turn: &mut Turn<'_>) -> Option<Here> {
        let log = self.logs.get(&id)?;
        let (author, voice, seq) = (log.opening.device, log.voice, log.applied + 1);
        let entries = log.head.seq.saturating_sub(log.applied);
        let run = self.stored_run(id, seq, turn)?;
        let lacks = match run.open(self.pseudonym, seq, &mut self.keyring, &voice) {
            Opening::NoKey => Lacks::Key,
            Opening::Opened(opened) => self.first_lack(&opened, author)?,
            Opening::Unreadable => return None,
        };
        Some(Here::Waits { log: id, seq, author, entries, lacks })
    }

    /// The first entry that another builds on and that is not applied here. Whoever wrote either holds it.
    fn first_lack(&self, opened: &Opened, reader: DeviceId) -> Option<Lacks> {
        opened.body.deps.iter().find_map(|(index, seq)| {
            let place = usize::try_from(*index).ok()?.checked_sub(1)?;
            let log = *opened.body.logs.get(place)?;
            let known = self.logs.get(&log);
            let applied = known.map_or(0, |known| known.applied);
            if log == opened.log || self.has_applied(log, *seq) {
                return None;
            }
            let here = known.is_some_and(|known| known.head.seq > applied);
            let seq = applied + 1;
            let writer = known.map(|known| known.opening.device);
            let told = |device: &DeviceId| {
                *device != self.own.device
                    && (*device == reader
                        || Some(*device) == writer
                        || self.held.get(*device, log) >= seq)
            };
            let members = self.membership.roster().devices_in();
            Some(Lacks::Entry { log, seq, here, holders: members.filter(told).collect() })
        })
    }
}
