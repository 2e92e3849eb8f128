//! The end of a world: whether all agree, and whether what was promised is there.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Object, Value};
use meshwork_protocol::{Replica, SpaceId};

use super::World;
use crate::check::leaks;
use crate::mischief::Guest;
use crate::people::{MARKERS, VISITS};

impl World {
    /// Whether all members hold and show the same.
    pub(super) fn agreed(&mut self) -> bool {
        self.disagreement().is_none()
    }

    fn disagreement(&mut self) -> Option<String> {
        for space in self.spaces.clone() {
            let mut first: Option<Vec<(String, u64)>> = None;
            let (mut forgets, mut older) = (false, None);
            for n in 0..self.members() {
                let Some(replica) = &mut self.devices[n].replica else {
                    return Some(format!("device {n} is down"));
                };
                let Some(view) = replica.space(space).filter(|view| view.ready) else {
                    return Some(format!("device {n} has not been let into {space:?}"));
                };
                // Of a log that was forked at once some know, and nobody shows anything.
                let logs = view.logs.iter().filter(|log| log.seq > 0);
                let logs: Vec<(String, u64)> =
                    logs.map(|log| (log.log.to_string(), log.applied)).collect();
                if n == 0 && self.plan.govern_every_ms != u64::MAX && view.quarantined > 0 {
                    return Some(format!("{} entries are in quarantine", view.quarantined));
                }
                forgets |= !view.keeps_history;
                older = older.or((view.older > 0).then_some((n, view.older)));
                if view.waiting > 0 {
                    return Some(format!("device {n} waits with {} entries", view.waiting));
                }
                match &first {
                    None => first = Some(logs),
                    Some(there) if *there != logs => {
                        return Some(first_log_that_differs(n, &logs, there));
                    }
                    Some(_) => {}
                }
            }
            // Where somebody forgets, its neighbours may find nobody who remembers.
            if let Some((n, entries)) = older.filter(|_| !forgets) {
                return Some(format!("device {n} lacks {entries} older entries"));
            }
        }
        self.spaces.clone().into_iter().find_map(|space| {
            self.different_states(space).or_else(|| self.different_presence(space))
        })
    }

    /// Whether devices that hold the same show different things, in words.
    fn different_states(&mut self, space: SpaceId) -> Option<String> {
        let mut first = None;
        for n in 0..self.members() {
            let replica = self.devices[n].replica.as_mut()?;
            let digest = match replica.digest(space) {
                Ok(Some(digest)) => digest,
                other => return Some(format!("device {n}: {other:?}")),
            };
            if *first.get_or_insert(digest) != digest {
                let what = self.first_difference(space, n);
                return Some(format!(
                    "devices 0 and {n} show different things with the same entries: {what}"
                ));
            }
        }
        None
    }

    /// Whether somebody is not shown as present with what it said last, in words.
    fn different_presence(&self, space: SpaceId) -> Option<String> {
        for ((device, at), number) in &self.scheme.presented {
            for n in (0..self.members()).filter(|_| *at == space) {
                let shown = self.devices[n].replica.as_ref()?.presences(space).unwrap_or_default();
                let of = shown.into_iter().find(|known| known.device == self.id(*device));
                let value = of.map(|known| known.value);
                if value.as_deref() != Some(number.to_string().as_bytes()) {
                    return Some(format!(
                        "device {n} shows {value:?} as the presence of device {device}, which last \
                         said {number}"
                    ));
                }
            }
        }
        None
    }

    /// The first object that two devices show differently, in words.
    fn first_difference(&mut self, space: SpaceId, other: usize) -> String {
        let [ours, theirs] = [0, other].map(|n| self.contents(n, space));
        let names = ours.keys().chain(theirs.keys());
        let differs = names.filter(|name| ours.get(*name) != theirs.get(*name)).min();
        differs.map_or_else(
            || "the same values from different states".to_owned(),
            |name| format!("{name}: {:?} and {:?}", ours.get(name), theirs.get(name)),
        )
    }

    fn contents(&mut self, n: usize, space: SpaceId) -> BTreeMap<String, Value> {
        let Some(replica) = &mut self.devices[n].replica else { return BTreeMap::new() };
        let views = replica.objects(space).unwrap_or_default();
        let value = |view: meshwork_protocol::ObjectView| {
            let value = replica.read(space, view.id, Object::value).ok()??;
            Some((view.name, value))
        };
        views.into_iter().filter_map(value).collect()
    }

    /// What must hold in the end.
    pub(super) fn judge(&mut self) {
        if !self.failures.is_empty() {
            return;
        }
        // What is said anew all the time is on its way all the time.
        self.scheme.presented.clear();
        if let Some(detail) = self.disagreement() {
            self.fail("convergence", detail);
            return;
        }
        self.watch_rest();
        self.judge_guest();
        let members = self.devices.iter().take(self.members());
        let dropped = |replica: &Replica| replica.counters().frames_dropped;
        let replayed = self.plan.mischief.replay_per_mille > 0;
        // What a pest sends, and what comes again, is not what honest devices send.
        if !self.plan.mischief.pest
            && !replayed
            && members
                .filter_map(|device| device.replica.as_ref())
                .any(|replica| dropped(replica) > 0)
        {
            self.fail("honesty", "frames of honest devices came too fast for others");
        }
        for space in self.spaces.clone() {
            let markers = self.markers(0, space);
            let old = self.scheme.old_disk.map(|device| format!("d{device}-"));
            let counts = |marker: &&String| old.as_ref().is_none_or(|old| !marker.starts_with(old));
            let granted = self.promises.granted(space);
            let lost = granted.filter(counts).find(|marker| !markers.contains(*marker)).cloned();
            if let Some(marker) = lost {
                self.fail("durability", format!("granted edit {marker} is gone from {space:?}"));
            }
        }
        for space in self.spaces.clone() {
            self.judge_values(space);
        }
        let secrets = self.secrets();
        if let Some(leak) = leaks(&self.heard_by_stranger, &secrets) {
            self.failures.push(leak);
        }
    }

    /// Equal states say the same, and the counter says what was counted.
    fn judge_values(&mut self, space: SpaceId) {
        for n in 1..self.members() {
            let (ours, theirs) = (self.contents(0, space), self.contents(n, space));
            if ours != theirs {
                let what = self.first_difference(space, n);
                self.fail("convergence", format!("devices 0 and {n} read differently: {what}"));
                return;
            }
        }
        let sure = self.plan.faults.crash_every_ms == u64::MAX && self.scheme.old_disk.is_none();
        let visits = self.contents(0, space).remove(VISITS);
        if let (true, Some(Value::Int(visits))) = (sure, visits)
            && visits != self.promises.counted(space)
        {
            let counted = self.promises.counted(space);
            self.fail("durability", format!("a counter says {visits} where {counted} was counted"));
        }
    }

    /// Who had no good ticket is not in; who came as a relay reads nothing.
    fn judge_guest(&mut self) {
        let (Some(guest), Some(space)) = (self.guest(), self.spaces.first().copied()) else {
            return;
        };
        let id = self.id(guest);
        let reads =
            self.devices[guest].replica.as_ref().is_some_and(|r| !r.epochs(space).is_empty());
        if self.plan.mischief.guest == Some(Guest::Relay) {
            if reads && !self.scheme.promoted {
                self.fail("secrecy", format!("device {guest} is a relay and was handed a key"));
            }
            return;
        }
        for n in 0..self.members() {
            let members = self.devices[n].replica.as_ref().and_then(|r| r.members(space));
            if members.is_some_and(|members| members.iter().any(|known| known.device == id)) {
                let what = self.plan.mischief.guest;
                self.fail(
                    "rights",
                    format!("device {n} has let a guest in whose ticket is {what:?}"),
                );
                return;
            }
        }
    }

    fn markers(&mut self, n: usize, space: SpaceId) -> BTreeSet<String> {
        let Some(replica) = &mut self.devices[n].replica else { return BTreeSet::new() };
        let found = replica.find(space, MARKERS).map(|view| view.id);
        let value = found.and_then(|id| replica.read(space, id, Object::value).ok()?);
        let Some(Value::List(items)) = value else { return BTreeSet::new() };
        items
            .into_iter()
            .filter_map(|item| match item {
                Value::Text(text) => Some(text),
                _ => None,
            })
            .collect()
    }

    /// What a stranger must never be sent.
    fn secrets(&self) -> Vec<Vec<u8>> {
        let mut secrets: Vec<Vec<u8>> = vec![b"secret".to_vec(), MARKERS.as_bytes().to_vec()];
        secrets.extend(self.spaces.iter().map(|space| space.0.to_vec()));
        secrets.extend((0..self.members()).map(|n| self.id(n).0.to_vec()));
        let logs = self.devices.iter().filter_map(|device| device.replica.as_ref());
        for view in logs.flat_map(Replica::spaces) {
            secrets.extend(view.logs.iter().map(|log| log.log.0.to_vec()));
        }
        secrets
    }
}

/// The first log of which two devices hold or show different parts, in words.
fn first_log_that_differs(n: usize, here: &[(String, u64)], there: &[(String, u64)]) -> String {
    let of = |logs: &[(String, u64)], log: &str| {
        logs.iter().find(|(name, _)| name == log).map_or(0, |(_, applied)| *applied)
    };
    let logs = here.iter().chain(there).map(|(log, _)| log);
    let differs = logs.filter(|log| of(here, log) != of(there, log)).min();
    differs.map_or_else(
        || format!("devices 0 and {n} list different logs"),
        |log| {
            let (ours, theirs) = (of(there, log), of(here, log));
            let short: String = log.chars().take(8).collect();
            format!("of log {short} device 0 shows {ours} entries and device {n} {theirs}")
        },
    )
}
