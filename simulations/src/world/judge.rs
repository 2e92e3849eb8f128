//! The end of a world: whether all agree, and whether what was promised is there.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Object, Value};
use meshwork_protocol::{Replica, SpaceId};

use super::World;
use crate::check::leaks;
use crate::people::MARKERS;

/// What one device shows of a space: the digest, and how much of each log it contains.
type Sight = ([u8; 32], Vec<(String, u64)>);

impl World {
    /// Whether all members hold and show the same.
    pub(super) fn agreed(&mut self) -> bool {
        self.disagreement().is_none()
    }

    fn disagreement(&mut self) -> Option<String> {
        for space in self.spaces.clone() {
            let mut first: Option<Sight> = None;
            let (mut forgets, mut older) = (false, None);
            for n in 0..self.members() {
                let Some(replica) = &mut self.devices[n].replica else {
                    return Some(format!("device {n} is down"));
                };
                let Some(view) = replica.space(space).filter(|view| view.ready) else {
                    return Some(format!("device {n} has not been let into {space:?}"));
                };
                let logs: Vec<(String, u64)> =
                    view.logs.iter().map(|log| (log.log.to_string(), log.applied)).collect();
                if n == 0 && self.plan.govern_every_ms != u64::MAX && view.quarantined > 0 {
                    return Some(format!("{} entries are in quarantine", view.quarantined));
                }
                forgets |= !view.keeps_history;
                older = older.or((view.older > 0).then_some((n, view.older)));
                if view.waiting > 0 {
                    return Some(format!("device {n} waits with {} entries", view.waiting));
                }
                let digest = match replica.digest(space) {
                    Ok(Some(digest)) => digest,
                    other => return Some(format!("device {n}: {other:?}")),
                };
                let here = (digest, logs);
                match &first {
                    None => first = Some(here),
                    Some(there) if there.1 != here.1 => {
                        return Some(format!(
                            "device {n} holds {:?}, another {:?}",
                            here.1, there.1
                        ));
                    }
                    Some(there) if there.0 != here.0 => {
                        let what = self.first_difference(space, n);
                        return Some(format!(
                            "devices 0 and {n} show different things with the same entries: {what}"
                        ));
                    }
                    Some(_) => {}
                }
            }
            // Where somebody forgets, its neighbours may find nobody who remembers.
            if let Some((n, entries)) = older.filter(|_| !forgets) {
                return Some(format!("device {n} lacks {entries} older entries"));
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
        if let Some(detail) = self.disagreement() {
            self.fail("convergence", detail);
            return;
        }
        let members = self.devices.iter().take(self.members());
        let dropped = |replica: &Replica| replica.counters().frames_dropped;
        if members.filter_map(|device| device.replica.as_ref()).any(|replica| dropped(replica) > 0)
        {
            self.fail("honesty", "frames of honest devices came too fast for others");
        }
        for space in self.spaces.clone() {
            let markers = self.markers(0, space);
            let lost = self.promises.granted(space).find(|marker| !markers.contains(*marker));
            if let Some(marker) = lost.cloned() {
                self.fail("durability", format!("granted edit {marker} is gone from {space:?}"));
            }
        }
        let secrets = self.secrets();
        if let Some(leak) = leaks(&self.heard_by_stranger, &secrets) {
            self.failures.push(leak);
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
