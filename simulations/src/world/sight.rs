//! What devices are watched for while the world goes on, and when it has come to rest; in chaos only.
//!
//! Events of one device, and what it shows → violations: what is announced and does not hold, what is shown too early,
//! what is written for somebody who is out, what a device does not find of its own. Nothing here changes anything.
//! Deliberately not here: measuring (`watch`), and what is compared in the end (`judge`).

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Edit, Object, Value};
use meshwork_protocol::{
    Action, DeviceId, EpochId, Event, Governance, LogId, ObjectEdit, ObjectId, Outcome, Role,
    SpaceId, SpaceView,
};

use super::{NEVER, World};

/// By log: after which entry its author had applied how much of others.
type Pasts = BTreeMap<LogId, Vec<(u64, Vec<(LogId, u64)>)>>;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pasts: Pasts,
    /// By log of somebody taken out: the furthest it may count, as far as anybody decided.
    cuts: BTreeMap<LogId, u64>,
    /// Up to where a checkpoint may say that a log counts, whatever somebody who did not know of it decided.
    floors: BTreeMap<LogId, u64>,
    /// By listener, space and device: the latest presence it was shown.
    present: BTreeMap<(usize, SpaceId, DeviceId), u64>,
}

impl Sight {
    /// A device that starts knows nobody to be present.
    pub(super) fn forget_presence(&mut self, n: usize) {
        self.present.retain(|(listener, ..), _| *listener != n);
    }
}

impl World {
    /// Whether every device stays what it is all along, so that what counts never shrinks.
    fn calm(&self) -> bool {
        self.scene.is_none()
            && self.plan.govern_every_ms == NEVER
            && self.plan.liars.is_empty()
            && !self.troubled_members()
    }

    /// Whether no device ever is what it was before, or says what it does not think.
    pub(super) fn straight(&self) -> bool {
        self.scene.is_none() && self.plan.liars.is_empty() && !self.troubled_members()
    }

    /// Whether what a device holds and says is what one must expect: it does not lie, and its disk is its own.
    fn sound(&self, device: DeviceId) -> bool {
        let forks = self.ledger.as_ref().is_none_or(|ledger| ledger.forks(device));
        !forks && self.expected_honest(device)
    }

    /// A device tells something.
    pub(super) fn see(&mut self, n: usize, event: &Event) {
        let known = self.damaged && !matches!(event, Event::Presence { .. });
        if self.scene.is_some() || known || !self.sound(self.id(n)) {
            return;
        }
        match event {
            Event::Replicated { space, log, seq, devices } => {
                self.see_replicated(n, *space, *log, *seq, *devices);
            }
            Event::Presence { space, device, value: Some(value) } if self.sound(*device) => {
                self.see_presence(n, *space, *device, value);
            }
            Event::Acked { peer, log, seq, .. } if self.sound(*peer) => {
                let Some(ledger) = &self.ledger else { return };
                let held = ledger.durable(*peer, log.0);
                if held < *seq {
                    let peer = peer.short();
                    let detail = format!(
                        "device {n} was told that device {peer} holds entry {seq} of its log; its disk has \
                         {held}"
                    );
                    self.fail("replication", detail);
                }
            }
            _ => {}
        }
    }

    /// What is shown as somebody's presence was said by it, and nothing older takes its place.
    fn see_presence(&mut self, n: usize, space: SpaceId, device: DeviceId, value: &[u8]) {
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        // The wish that says it may still be on its way through the device.
        let said = self.scheme.presented.get(&(device, space)).copied().unwrap_or(0) + 1;
        let before = self.sight.present.get(&(n, space, device)).copied().unwrap_or(0);
        // Of a device whose clock was ahead before it started again, what it said then counts as the latest.
        let jumps = self.plan.faults.clock_jump_every_ms != NEVER;
        let before = if jumps { 0 } else { before };
        let Some(number) = number.filter(|number| (before..=said).contains(number)) else {
            let device = device.short();
            let detail = format!(
                "device {n} is shown presence {number:?} of {device} after {before}; it has said {said} at most"
            );
            self.fail("presence", detail);
            return;
        };
        self.sight.present.insert((n, space, device), number);
    }

    /// As many members as are announced must hold it on disk.
    fn see_replicated(&mut self, n: usize, space: SpaceId, log: LogId, seq: u64, devices: usize) {
        let (Some(replica), Some(ledger)) = (&self.devices[n].replica, &self.ledger) else {
            return;
        };
        let members = replica.members(space).unwrap_or_default();
        let holds = |device| !self.sound(device) || ledger.durable(device, log.0) >= seq;
        let holders = members.iter().filter(|member| holds(member.device)).count();
        if holders < devices {
            let detail = format!(
                "device {n} announces entry {seq} of its log to be held by {devices} devices; {holders} have \
                 it on disk"
            );
            self.fail("replication", detail);
        }
    }

    /// A device has told several things: what it shows now must be in order, and within cuts.
    pub(super) fn see_shown(&mut self, n: usize, events: &[Event]) {
        if self.scene.is_some() {
            return;
        }
        let id = self.id(n);
        let (mut shown, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for event in events {
            match event {
                Event::Visible { space, author, .. } if *author != id => {
                    shown.insert(*space);
                }
                Event::MembersChanged { space } => {
                    changed.insert(*space);
                }
                _ => {}
            }
        }
        changed.extend(&shown);
        shown.into_iter().for_each(|space| self.see_order(n, space));
        changed.into_iter().for_each(|space| self.see_cuts(n, space));
    }

    /// What a device decided about members, and was granted, is there when it comes back.
    pub(super) fn see_decisions(&mut self, n: usize) {
        use meshwork_protocol::store::Store as _;
        let device = &self.devices[n];
        if device.restored || device.disk.rotten() {
            return;
        }
        let lost = |key: &Vec<u8>| !matches!(device.disk.get(key), Ok(Some(_)));
        if device.decided.iter().any(lost) {
            self.fail("durability", format!("device {n} has lost a decision it had granted"));
        }
    }

    /// A device has been granted an edit: it had the right to, the key is for those who read, and it finds it again.
    pub(super) fn see_edited(
        &mut self,
        n: usize,
        before: &SpaceView,
        asked: Option<ObjectEdit>,
        outcome: &Outcome,
    ) {
        let space = before.id;
        if before.role < Some(Role::Write) {
            self.fail("rights", format!("device {n} writes as {:?}", before.role));
        }
        let Outcome::Edited { log, seq, objects } = outcome else { return };
        let written =
            |view: &SpaceView| view.logs.iter().any(|own| own.log == *log && own.seq >= *seq);
        if !written(before) {
            self.see_key(n, space, *log);
        }
        if self.calm()
            && let Some(view) = self.view(n, space)
        {
            let past = view.logs.iter().map(|known| (known.log, known.applied)).collect();
            self.sight.pasts.entry(*log).or_default().push((*seq, past));
        }
        if let (Some(edit), Some(id)) = (asked, objects.last())
            && self.straight()
        {
            if let Action::Change(Edit::Increment(by)) = &edit.action {
                self.promises.count_on(space, *by);
            }
            self.see_own(n, space, &edit, *id);
        }
    }

    fn view(&self, n: usize, space: SpaceId) -> Option<SpaceView> {
        self.devices[n].replica.as_ref().and_then(|replica| replica.space(space))
    }

    /// Nobody whom a device knows to be out may hold the key under which it writes.
    fn see_key(&mut self, n: usize, space: SpaceId, log: LogId) {
        let stay = self.plan.govern_every_ms == NEVER && self.guest().is_none();
        if stay || self.scene.is_some() || !self.sound(self.id(n)) {
            return;
        }
        let Some(replica) = &self.devices[n].replica else { return };
        let epoch = self.ledger.as_ref().and_then(|ledger| ledger.sealed_under(log.0));
        let Some(epoch) = epoch.map(EpochId) else { return };
        let members = replica.members(space).unwrap_or_default();
        let reads = |device: &DeviceId| {
            members.iter().any(|known| known.device == *device && known.role >= Role::Read)
        };
        let handed = replica.handed(space, epoch);
        if let Some(device) = handed.iter().find(|device| !reads(device)) {
            let device = device.short();
            let detail = format!(
                "device {n} writes under a key that was handed to {device}, which may not read"
            );
            self.fail("secrecy", detail);
        }
    }

    /// A device shows something new: whatever it has applied, it has applied what that builds on.
    fn see_order(&mut self, n: usize, space: SpaceId) {
        if !self.calm() {
            return;
        }
        let Some(view) = self.view(n, space) else { return };
        let applied: BTreeMap<LogId, u64> =
            view.logs.iter().map(|known| (known.log, known.applied)).collect();
        for (log, seq) in &applied {
            let Some(pasts) = self.sight.pasts.get(log) else { continue };
            let known = pasts.partition_point(|(at, _)| at <= seq);
            let Some((at, past)) = known.checked_sub(1).and_then(|last| pasts.get(last)) else {
                continue;
            };
            for (other, needed) in past {
                let here = applied.get(other).copied().unwrap_or(0);
                if here < *needed {
                    let detail = format!(
                        "device {n} has applied entry {at} of log {log} and of log {other} only {here} of the \
                         {needed} entries that it builds on"
                    );
                    self.fail("order", detail);
                    return;
                }
            }
        }
    }

    /// A device is about to be taken out, if that is granted: up to where its logs count at most.
    pub(super) fn see_removal(&mut self, by: usize, space: SpaceId, out: usize) {
        let id = self.id(out);
        let Some(view) = self.view(by, space).filter(|_| self.straight()) else { return };
        for log in view.logs.iter().filter(|log| log.device == id) {
            let cut = self.sight.cuts.entry(log.log).or_default();
            *cut = log.seq.max(*cut);
        }
    }

    /// Somebody is about to adopt what is in quarantine: it may count from here on.
    pub(super) fn see_adoption(&mut self, what: Governance) {
        if let Governance::Adopt { log } = what {
            self.sight.cuts.insert(log, u64::MAX);
        }
    }

    /// Somebody is about to make a checkpoint: what it holds may count for good.
    pub(super) fn see_checkpoint(&mut self, by: usize, space: SpaceId) {
        let logs = self.view(by, space).map(|view| view.logs);
        for log in logs.into_iter().flatten() {
            let floor = self.sight.floors.entry(log.log).or_default();
            *floor = log.seq.max(*floor);
        }
    }

    /// Nothing beyond a cut counts on a device that knows of it.
    fn see_cuts(&mut self, n: usize, space: SpaceId) {
        if self.sight.cuts.is_empty() || !self.straight() {
            return;
        }
        let Some(replica) = &self.devices[n].replica else { return };
        let (Some(view), Some(members)) = (replica.space(space), replica.members(space)) else {
            return;
        };
        // What began with somebody's word is taken back as soon as history, or another word, has come.
        if view.role.is_none() || view.brought_by.is_some() {
            return;
        }
        for log in &view.logs {
            let out = members.iter().all(|member| member.device != log.device);
            let Some(cut) = self.sight.cuts.get(&log.log).filter(|_| out) else { continue };
            let cut = self.sight.floors.get(&log.log).map_or(*cut, |floor| *floor.max(cut));
            if log.applied > cut {
                let detail = format!(
                    "device {n} has applied entry {} of somebody it knows to be out, of which {cut} \
                     entries count",
                    log.applied
                );
                self.fail("cut", detail);
                return;
            }
        }
    }

    /// What a device has just been granted it finds again. Not where clocks jump: nobody follows a time that is far
    /// ahead, so what was written at such a time stays the latest for long.
    fn see_own(&mut self, n: usize, space: SpaceId, edit: &ObjectEdit, id: ObjectId) {
        if self.plan.faults.clock_jump_every_ms != NEVER {
            return;
        }
        let Some(replica) = &mut self.devices[n].replica else { return };
        let found = replica.object(space, id);
        let kept = match &edit.action {
            Action::Delete => found.as_ref().is_none_or(|view| view.deleted),
            Action::Rename(name) => found.as_ref().is_some_and(|view| {
                view.name == *name || view.name.starts_with(&format!("{name} (conflict "))
            }),
            Action::Create => found.as_ref().is_some_and(|view| !view.deleted),
            Action::Change(change) => {
                let value = replica.read(space, id, Object::value).ok().flatten();
                found.as_ref().is_some_and(|view| !view.deleted) && shows(value.as_ref(), change)
            }
        };
        if !kept {
            let detail = format!("device {n} was granted {:?} and shows {found:?}", edit.action);
            self.fail("own edits", detail);
        }
    }

    /// At rest nothing is owed, and no more is kept than there is.
    pub(super) fn see_rest(&mut self) {
        if !self.straight() || self.damaged {
            return;
        }
        for n in 0..self.members() {
            let Some(replica) = &self.devices[n].replica else { continue };
            let (sizes, links) = (replica.sizes(), self.devices[n].links.len());
            let owes = sizes.unacknowledged + sizes.owed > 0;
            if sizes.links != links || owes {
                let detail = format!("device {n} has {links} links and nothing to say: {sizes:?}");
                self.fail("bounds", detail);
                return;
            }
            let logs: usize = replica.spaces().iter().map(|view| view.logs.len()).sum();
            let devices = self.devices.len();
            let bounded = sizes.logs_followed <= logs
                && sizes.notes_followed <= devices
                && sizes.present <= devices * self.spaces.len()
                && sizes.known <= devices * self.spaces.len();
            if !bounded {
                let detail = format!("device {n} keeps more than there is: {sizes:?}, {logs} logs");
                self.fail("bounds", detail);
                return;
            }
        }
    }
}

/// Whether a value shows what an edit says.
fn shows(value: Option<&Value>, edit: &Edit) -> bool {
    let key = |key: &str| match value {
        Some(Value::Map(map)) => map.get(key),
        _ => None,
    };
    match edit {
        Edit::Set(wanted) => value == Some(wanted),
        Edit::Put { key: name, value } => key(name) == Some(value),
        Edit::Remove { key: name } => key(name).is_none(),
        Edit::Splice { insert, .. } => {
            matches!(value, Some(Value::Text(text)) if text.contains(insert))
        }
        _ => true,
    }
}
