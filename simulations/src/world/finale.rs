//! What happens as the storm ends, and what is tried when all is at rest; in chaos only.
//!
//! What the plan has drawn in → edits of all members at one moment; at rest one
//! entry of each founder, and whether everybody says soon that it is held; whether all know the same members and are
//! shown who is present. Not here: whether all agree (`judge`).

use std::collections::BTreeMap;

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::{Action, DeviceId, LogId, ObjectEdit, Outcome, Role, SpaceId, Target};

use super::adversary::Act;
use super::{NEVER, What, World};
use crate::people::named;

/// The text that all write in at one moment, and the register that they set and rename.
const CHORUS: &str = "chorus";
const TUNE: &str = "tune";
/// How long it takes at rest until everybody has told that it holds an entry, at most: less than after what time
/// what is not acknowledged is sent again.
const TOLD_MS: u64 = 1_500;
/// The same for the first entry after the storm.
const FIRST_TOLD_MS: u64 = 5_000;

impl World {
    pub(super) fn plot_finale(&mut self) {
        let last = self.plan.storm_ms - 1;
        if self.plan.mischief.unison {
            for at in [last / 3, last / 3 * 2, last] {
                self.after(at, What::Act(Act::Unison));
            }
        }
    }

    /// All members write at the end of one text, set one register and rename it. Where their clocks agree, it happens
    /// at one time.
    pub(super) fn sing(&mut self) {
        self.tell(|| "all write at one moment".to_owned());
        for device in 0..self.members() {
            for space in self.spaces.clone() {
                if !self.ready(device, space) {
                    continue;
                }
                let at = self.length(device, space, CHORUS);
                let splice = Edit::Splice { at, delete: 0, insert: format!("{device} ") };
                let set = Edit::Set(Value::Text(format!("{device}")));
                let target = Target::Named { name: TUNE.to_owned(), shape: Kind::Register.into() };
                let action = Action::Rename(format!("{TUNE} of {device}"));
                let edits = vec![
                    named(CHORUS, Kind::Text, splice),
                    named(TUNE, Kind::Register, set),
                    ObjectEdit { target, action },
                ];
                self.write(device, space, edits);
            }
        }
    }

    /// At rest each founder writes two entries. The first may have to be sent again, since what it leans on was lost in
    /// the storm; of the second everybody who is linked says soon that it is held, and then nobody waits for anything.
    pub(super) fn probe(&mut self) {
        let faults = &self.plan.faults;
        // What was lost together with a machine, or a frame, may make entries go twice as long as a link lives.
        let gentle = faults.loss_percent == 0
            && faults.crash_every_ms == NEVER
            && faults.disk_full_every_ms == NEVER
            && !self.plan.mischief.restart_all;
        let quiet = self.straight() && !self.damaged && self.failures.is_empty();
        if !gentle || !quiet || !self.agreed() {
            return;
        }
        let mut written: Vec<(usize, SpaceId, LogId, u64)> = Vec::new();
        for within_ms in [FIRST_TOLD_MS, TOLD_MS] {
            written.clear();
            for (place, space) in self.spaces.clone().into_iter().enumerate() {
                let Some(founder) = self.shares[place].first().copied() else { continue };
                let edit = named("probe", Kind::Register, Edit::Set(Value::Int(1)));
                let outcome = self.write(founder, space, vec![edit]);
                if let Some(Outcome::Edited { log, seq, .. }) = outcome {
                    written.push((founder, space, log, seq));
                }
            }
            let end = self.now_ms + within_ms;
            self.run_until(end, |_| false);
        }
        for (founder, space, log, seq) in written {
            self.judge_probe(founder, space, log, seq);
        }
    }

    fn judge_probe(&mut self, founder: usize, space: SpaceId, log: LogId, seq: u64) {
        let Some(replica) = &self.devices[founder].replica else { return };
        let members = replica.members(space).unwrap_or_default();
        let holders = replica.holders(space, log, seq);
        let mut linked =
            members.iter().filter(|known| !known.this_device && !known.links.is_empty());
        if let Some(silent) = linked.find(|known| !holders.contains(&known.device)) {
            let detail = format!(
                "at rest {} has not told device {founder} within {TOLD_MS} ms that it holds entry {seq}",
                silent.device.short()
            );
            self.fail("replication", detail);
            return;
        }
        for n in 0..self.members() {
            let sizes = self.devices[n].replica.as_ref().map(|replica| replica.sizes());
            if let Some(sizes) = sizes.filter(|sizes| sizes.unacknowledged > 0) {
                let detail =
                    format!("device {n} waits for acknowledgements that have come: {sizes:?}");
                self.fail("bounds", detail);
                return;
            }
        }
    }

    /// Everybody is shown what everybody else is present with, where no frame about it can have been left out.
    pub(super) fn judge_presence(&mut self) {
        let plain = self.plan.mischief.present_every_ms != NEVER
            && self.plan.older_devices == 0
            && self.plan.faults.clock_jump_every_ms == NEVER
            && !self.troubled_members();
        if !plain {
            return;
        }
        let honest: Vec<usize> = (0..self.members()).filter(|n| self.honest(*n)).collect();
        for space in self.spaces.clone() {
            let own = |n: &usize| {
                let id = self.id(*n);
                self.shown_presence(*n, space).remove(&id).map(|value| (id, value))
            };
            let said: BTreeMap<DeviceId, String> = honest.iter().filter_map(own).collect();
            for n in &honest {
                let shown = self.shown_presence(*n, space);
                let missed = said.iter().find(|(device, value)| shown.get(*device) != Some(*value));
                if let Some((device, value)) = missed {
                    let (shown, device) = (shown.get(device), device.short());
                    let detail = format!(
                        "at rest device {n} is shown {shown:?} of {device}, which says {value:?}"
                    );
                    self.fail("presence", detail);
                    return;
                }
            }
        }
    }

    fn shown_presence(&self, n: usize, space: SpaceId) -> BTreeMap<DeviceId, String> {
        let replica = self.devices[n].replica.as_ref();
        let present = replica.and_then(|replica| replica.presences(space)).unwrap_or_default();
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        present.into_iter().map(|known| (known.device, text(known.value))).collect()
    }

    /// Who knows other members than the others, or other roles of theirs, in words.
    pub(super) fn differing_members(&self, space: SpaceId) -> Option<String> {
        let mut first: Option<(usize, BTreeMap<DeviceId, Role>)> = None;
        for n in self.sharers(space) {
            let Some(replica) = &self.devices[n].replica else { continue };
            let members = replica.members(space).unwrap_or_default();
            let here = members.into_iter().map(|known| (known.device, known.role)).collect();
            match &first {
                None => first = Some((n, here)),
                Some((other, there)) if *there != here => {
                    let mut all = there.keys().chain(here.keys());
                    let device = all.find(|device| there.get(*device) != here.get(*device))?;
                    let (there, here) = (there.get(device), here.get(device));
                    let device = device.short();
                    return Some(format!(
                        "devices {other} and {n} know {device} as {there:?} and as {here:?}"
                    ));
                }
                Some(_) => {}
            }
        }
        None
    }
}
