//! What devices are watched for while the world goes on, and when it has come to rest.
//!
//! Events and batches of one device in → violations: what is announced and does not hold, what is shown too early,
//! what is written for somebody who is out, what a device does not find of its own. Nothing here changes anything.

use std::collections::BTreeMap;

use meshwork_crdt::{Edit, Value};
use meshwork_protocol::{
    Action, DeviceId, EpochId, Event, LogId, ObjectEdit, ObjectId, Outcome, Role, SpaceId,
};

use super::World;
use crate::ledger::{Log, Wrote};

/// By log: after which entry its author had applied how much of others.
type Pasts = BTreeMap<LogId, Vec<(u64, Vec<(LogId, u64)>)>>;

/// What was seen.
#[derive(Default)]
pub(super) struct Watch {
    pasts: Pasts,
    /// By log of somebody taken out: the furthest it may count, as far as anybody decided.
    cuts: BTreeMap<LogId, u64>,
    /// By listener, space and device: the latest presence it was shown.
    present: BTreeMap<(usize, SpaceId, usize), u64>,
}

impl World {
    /// Whether every device stays what it is all along, so that what counts never shrinks.
    fn calm(&self) -> bool {
        self.plan.govern_every_ms == u64::MAX && self.scheme.old_disk.is_none()
    }

    /// A device tells something.
    pub(super) fn watch(&mut self, n: usize, event: &Event) {
        match event {
            Event::Replicated { space, log, seq, devices } => {
                self.watch_replicated(n, *space, *log, *seq, *devices);
            }
            Event::Acked { peer, log, seq, .. } if self.scheme.old_disk.is_none() => {
                let far = (0..self.devices.len()).find(|far| self.id(*far) == *peer);
                let held = far.map(|far| self.ledger.durable(far, log.0));
                if !self.damaged && held.is_some_and(|held| held < *seq) {
                    let detail = format!(
                        "device {n} was told that device {far:?} holds entry {seq} of its log; its disk \
                         has {held:?}"
                    );
                    self.fail("replication", detail);
                }
            }
            Event::Presence { space, device, value: Some(value) } => {
                let far = (0..self.devices.len()).find(|far| self.id(*far) == *device);
                let number = std::str::from_utf8(value).ok().and_then(|n| n.parse::<u64>().ok());
                let (Some(far), Some(number)) = (far, number) else {
                    self.fail("presence", format!("device {n} is shown what nobody said"));
                    return;
                };
                // The wish that says it may still be on its way through the device.
                let said = self.scheme.presented.get(&(far, *space)).copied().unwrap_or(0) + 1;
                let before = self.watch.present.insert((n, *space, far), number).unwrap_or(0);
                if number > said || number < before {
                    let detail = format!(
                        "device {n} is shown presence {number} of device {far} after {before}; it has \
                         said {said} at most"
                    );
                    self.fail("presence", detail);
                }
            }
            _ => {}
        }
    }

    /// As many members as are announced must hold it on disk.
    fn watch_replicated(&mut self, n: usize, space: SpaceId, log: LogId, seq: u64, devices: usize) {
        if self.scheme.old_disk.is_some() || self.damaged {
            return;
        }
        let Some(replica) = &self.devices[n].replica else { return };
        let members = replica.members(space).unwrap_or_default();
        let known = (0..self.devices.len()).filter(|m| {
            let id = self.devices[*m].identity.device();
            members.iter().any(|member| member.device == id)
        });
        let holders: Vec<usize> = known.filter(|m| self.ledger.durable(*m, log.0) >= seq).collect();
        if holders.len() < devices {
            let detail = format!(
                "device {n} announces entry {seq} of its log to be held by {devices} devices; only \
                 {holders:?} have it on disk"
            );
            self.fail("replication", detail);
        }
    }

    /// A restart forgets who was present.
    pub(super) fn watch_restart(&mut self, n: usize) {
        self.watch.present.retain(|(listener, ..), _| *listener != n);
        for key in &self.devices[n].decided {
            use meshwork_protocol::store::Store as _;
            if !matches!(self.devices[n].disk.get(key), Ok(Some(_))) {
                self.fail("durability", format!("device {n} has lost a decision it had granted"));
                return;
            }
        }
    }

    /// A device has written entries: nobody it knows to be out may hold their key.
    pub(super) fn watch_written(&mut self, n: usize, wrote: &[Wrote]) {
        if self.plan.govern_every_ms == u64::MAX && self.guest().is_none() {
            return;
        }
        let Some(replica) = &self.devices[n].replica else { return };
        let last: BTreeMap<Log, Wrote> = wrote.iter().map(|wrote| (wrote.log, *wrote)).collect();
        for wrote in last.values() {
            let own = |view: &meshwork_protocol::SpaceView| {
                view.logs.iter().any(|log| log.log.0 == wrote.log && log.device == self.id(n))
            };
            let Some(space) = replica.spaces().into_iter().find(own).map(|view| view.id) else {
                continue;
            };
            let members = replica.members(space).unwrap_or_default();
            let reads = |device: &DeviceId| {
                members.iter().any(|known| known.device == *device && known.role >= Role::Read)
            };
            let handed = replica.handed(space, EpochId(wrote.epoch));
            if let Some(device) = handed.iter().find(|device| !reads(device)) {
                let detail = format!(
                    "device {n} writes under a key that was handed to {}, which may not read",
                    device.short()
                );
                self.fail("secrecy", detail);
                return;
            }
        }
    }

    /// A frame goes to a guest: what is held is told to members only.
    pub(super) fn watch_guest(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let tells = matches!(crate::bytes::frame_kind(bytes), Some(4..=6 | 10..=12 | 16 | 17));
        if self.guest() != Some(to) || !tells {
            return;
        }
        let Some(replica) = &self.devices[from].replica else { return };
        let guest = self.id(to);
        let member = |space: &SpaceId| {
            let members = replica.members(*space).unwrap_or_default();
            members.iter().any(|known| known.device == guest)
        };
        if !self.spaces.iter().any(member) {
            let kind = crate::bytes::frame_kind(bytes);
            let detail =
                format!("device {from} tells a frame of kind {kind:?} to who is no member");
            self.fail("secrecy", detail);
        }
    }

    /// A device has been granted an edit: what it had applied then comes before it everywhere.
    pub(super) fn watch_granted(&mut self, n: usize, space: SpaceId, outcome: &Outcome) {
        let Outcome::Edited { log, seq, .. } = outcome else { return };
        if !self.calm() {
            return;
        }
        let Some(view) = self.devices[n].replica.as_ref().and_then(|r| r.space(space)) else {
            return;
        };
        let past = view.logs.iter().map(|known| (known.log, known.applied)).collect();
        self.watch.pasts.entry(*log).or_default().push((*seq, past));
    }

    /// A device shows something new: whatever it has applied, it has applied what that builds on.
    pub(super) fn watch_order(&mut self, n: usize, space: SpaceId) {
        if !self.calm() {
            return;
        }
        let Some(view) = self.devices[n].replica.as_ref().and_then(|r| r.space(space)) else {
            return;
        };
        let applied: BTreeMap<LogId, u64> =
            view.logs.iter().map(|known| (known.log, known.applied)).collect();
        for (log, seq) in &applied {
            let Some(pasts) = self.watch.pasts.get(log) else { continue };
            let known = pasts.partition_point(|(at, _)| at <= seq);
            let Some((at, past)) = known.checked_sub(1).and_then(|last| pasts.get(last)) else {
                continue;
            };
            for (other, needed) in past {
                let here = applied.get(other).copied().unwrap_or(0);
                if here < *needed {
                    let detail = format!(
                        "device {n} has applied entry {at} of log {} and of log {} only {here} of the \
                         {needed} entries that it builds on",
                        short(*log),
                        short(*other)
                    );
                    self.fail("order", detail);
                    return;
                }
            }
        }
    }

    /// A member has been taken out by a device: up to where its logs count at most.
    pub(super) fn watch_removal(&mut self, by: usize, space: SpaceId, out: usize) {
        let id = self.id(out);
        let Some(view) = self.devices[by].replica.as_ref().and_then(|r| r.space(space)) else {
            return;
        };
        for log in view.logs.iter().filter(|log| log.device == id) {
            let cut = self.watch.cuts.entry(log.log).or_default();
            *cut = log.seq.max(*cut);
        }
    }

    /// Somebody has adopted what was in quarantine: it counts from here on.
    pub(super) fn watch_adoption(&mut self, log: LogId) {
        self.watch.cuts.insert(log, u64::MAX);
    }

    /// Nothing beyond a cut counts on a device that knows of it.
    pub(super) fn watch_cuts(&mut self, n: usize, space: SpaceId) {
        if self.watch.cuts.is_empty() {
            return;
        }
        let Some(replica) = &self.devices[n].replica else { return };
        let (Some(view), Some(members)) = (replica.space(space), replica.members(space)) else {
            return;
        };
        if view.role.is_none() {
            return;
        }
        for log in &view.logs {
            let out = members.iter().all(|member| member.device != log.device);
            let Some(cut) = self.watch.cuts.get(&log.log).filter(|_| out) else { continue };
            if log.applied > *cut {
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

    /// What a device has just been granted it finds again.
    pub(super) fn watch_own(&mut self, n: usize, space: SpaceId, edit: &ObjectEdit, id: ObjectId) {
        let Some(replica) = &mut self.devices[n].replica else { return };
        let found = replica.object(space, id);
        let kept = match &edit.action {
            Action::Delete => found.as_ref().is_none_or(|view| view.deleted),
            Action::Rename(name) => found.as_ref().is_some_and(|view| {
                view.name == *name || view.name.starts_with(&format!("{name} (conflict "))
            }),
            Action::Create => found.as_ref().is_some_and(|view| !view.deleted),
            Action::Change(change) => {
                let value = replica.read(space, id, meshwork_crdt::Object::value).ok().flatten();
                let key = |key: &str| match &value {
                    Some(Value::Map(map)) => map.get(key).cloned(),
                    _ => None,
                };
                found.as_ref().is_some_and(|view| !view.deleted)
                    && match change {
                        Edit::Set(wanted) => value.as_ref() == Some(wanted),
                        Edit::Put { key: name, value } => key(name).as_ref() == Some(value),
                        Edit::Remove { key: name } => key(name).is_none(),
                        Edit::Splice { insert, .. } => match &value {
                            Some(Value::Text(text)) => text.contains(insert),
                            _ => false,
                        },
                        _ => true,
                    }
            }
        };
        if !kept {
            let detail = format!("device {n} was granted {:?} and shows {found:?}", edit.action);
            self.fail("own edits", detail);
        }
    }

    /// At rest nothing is owed, and no more is kept than there is.
    pub(super) fn watch_rest(&mut self) {
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
            if !bounded && !self.damaged {
                let detail = format!("device {n} keeps more than there is: {sizes:?}, {logs} logs");
                self.fail("bounds", detail);
                return;
            }
        }
    }
}

/// The beginning of a log's name: enough to tell a handful apart.
fn short(log: LogId) -> String {
    log.to_string().chars().take(8).collect()
}
