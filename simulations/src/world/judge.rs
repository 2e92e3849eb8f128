//! The end of a world: whether all agree, and whether what was promised is there.
//!
//! What is said of a violation is meant for a person: which devices differ, the first entry that one lacks and who
//! wrote it, what keeps them apart by their own word, or the first object that looks different and how.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Object, Value};
use meshwork_protocol::{LogId, Replica, SpaceId};

use super::{NEVER, Part, World};
use crate::check::leaks;
use crate::people::{MARKERS, VISITS};
use crate::plan::Lie;

/// How much of each log a device contains.
type Frontier = BTreeMap<LogId, u64>;

impl World {
    /// Whether all members hold and show the same.
    pub(super) fn agreed(&mut self) -> bool {
        let spaces = self.spaces.clone();
        self.disagreement(&spaces).is_none()
    }

    fn disagreement(&mut self, spaces: &[SpaceId]) -> Option<String> {
        // What is held is quick to compare; what is shown is compared when all hold the same.
        for space in spaces {
            if let Some(unsettled) = self.unsettled(*space) {
                return Some(unsettled);
            }
        }
        let members = spaces.iter().find_map(|space| self.differing_members(*space));
        members.or_else(|| spaces.iter().find_map(|space| self.differing(*space)))
    }

    /// Who does not hold what the others hold, in words.
    fn unsettled(&mut self, space: SpaceId) -> Option<String> {
        let governed = self.plan.govern_every_ms != NEVER || self.troubled_members();
        let mut first: Option<(usize, Frontier)> = None;
        let mut forgets = false;
        for n in self.sharers(space) {
            let Some(replica) = &self.devices[n].replica else {
                return Some(format!("device {n} is down"));
            };
            let Some(view) = replica.space(space).filter(|view| view.ready) else {
                let why = self.why(n, space);
                return Some(format!("device {n} has not been let into {space}{why}"));
            };
            if first.is_none() && governed && view.quarantined > 0 {
                return Some(format!("{} entries are in quarantine", view.quarantined));
            }
            forgets |= !view.keeps_history;
            // What only a disk that rotted had, a key perhaps, nobody has any more.
            if view.waiting > 0 && self.rotted.is_none() {
                let (waiting, why) = (view.waiting, self.why(n, space));
                return Some(format!("device {n} waits with {waiting} entries{why}"));
            }
            // A log of which nothing counts may be known to some and not to others.
            let counted = view.logs.iter().filter(|log| log.applied > 0);
            let logs: Frontier = counted.map(|log| (log.log, log.applied)).collect();
            match &first {
                None => first = Some((n, logs)),
                Some((other, there)) if *there != logs => {
                    let (other, there) = (*other, there.clone());
                    return Some(self.first_lack(space, (other, &there), (n, &logs)));
                }
                Some(_) => {}
            }
        }
        // Where somebody forgets, its neighbours may find nobody who remembers. Of a log that a liar forked, what comes
        // before the place of a snapshot may not fit what is here.
        let forked = self.plan.liars.iter().any(|(_, lies)| lies.contains(&Lie::Fork));
        if forgets || forked { None } else { self.lacking_history(space) }
    }

    /// Whether an entry went with a disk that was the only one to have it, after a snapshot had told somebody of it: who
    /// was not told cannot come by it any more, and waits.
    fn lost(&self, space: SpaceId) -> bool {
        let disks = self.rotted.is_some() || self.devices.iter().any(|device| device.restored);
        disks && self.gaps(space).any(|(_, log, gap)| self.holder(space, log, gap).is_none())
    }

    /// Who knows entries by a snapshot alone that others hold, in words.
    fn lacking_history(&self, space: SpaceId) -> Option<String> {
        let (n, log, (first, last)) = self.gaps(space).next()?;
        let held = match self.holder(space, log, (first, last)) {
            Some(m) => format!("of which device {m} holds some"),
            None => "and so does everybody".to_owned(),
        };
        Some(format!("device {n} lacks the older entries {first} to {last} of log {log}, {held}"))
    }

    /// Entries that devices know by a snapshot alone: the first and the last of a log.
    fn gaps(&self, space: SpaceId) -> impl Iterator<Item = (usize, LogId, (u64, u64))> {
        let of = move |n: usize| {
            let view = self.devices[n].replica.as_ref().and_then(|replica| replica.space(space));
            let logs = view.into_iter().flat_map(|view| view.logs);
            logs.filter_map(move |log| Some((n, log.log, log.older?)))
        };
        self.sharers(space).into_iter().flat_map(of)
    }

    /// Who holds some of the entries from the first to the last.
    fn holder(&self, space: SpaceId, log: LogId, (first, last): (u64, u64)) -> Option<usize> {
        self.sharers(space).into_iter().find(|m| {
            let view = self.devices[*m].replica.as_ref().and_then(|replica| replica.space(space));
            let held = view.into_iter().flat_map(|view| view.logs).find(|held| held.log == log);
            held.is_some_and(|held| {
                let last = last.min(held.seq);
                let lacks = held.older.is_some_and(|(from, to)| from <= first && last <= to);
                first <= last && !lacks
            })
        })
    }

    /// The first entry that one of two devices lacks, in words.
    fn first_lack(
        &mut self,
        space: SpaceId,
        a: (usize, &Frontier),
        b: (usize, &Frontier),
    ) -> String {
        let logs: BTreeSet<LogId> = a.1.keys().chain(b.1.keys()).copied().collect();
        let lacks = logs.into_iter().find_map(|log| {
            let [left, right] = [a.1, b.1].map(|logs| logs.get(&log).copied().unwrap_or(0));
            match left.cmp(&right) {
                std::cmp::Ordering::Less => Some((a.0, b.0, log, left + 1, right)),
                std::cmp::Ordering::Greater => Some((b.0, a.0, log, right + 1, left)),
                std::cmp::Ordering::Equal => None,
            }
        });
        let Some((poor, rich, log, from, to)) = lacks else {
            return format!("devices {} and {} know different logs", a.0, b.0);
        };
        let views = self.devices[rich].replica.as_ref().and_then(|replica| replica.space(space));
        let author = views.and_then(|view| view.logs.into_iter().find(|it| it.log == log));
        let author = author.and_then(|it| self.numbers.get(&it.device).copied());
        let author = author.map_or("somebody".to_owned(), |n| format!("device {n}"));
        let why = self.why(poor, space);
        format!(
            "device {poor} lacks entries {from} to {to} that {author} wrote and device {rich} holds \
             (log {log}){why}"
        )
    }

    /// What keeps a device from having everything, by its own word.
    fn why(&mut self, n: usize, space: SpaceId) -> String {
        let now = self.clock(n);
        let Some(replica) = &mut self.devices[n].replica else { return String::new() };
        let Ok(Some(why)) = replica.why(space, now) else { return String::new() };
        let mut words: Vec<String> = why.here.iter().map(|here| format!("{here:?}")).collect();
        for peer in why.peers.iter().filter(|peer| !peer.causes.is_empty()) {
            let far = self.numbers.get(&peer.device).copied();
            let far = far.map_or("a stranger".to_owned(), |far| format!("device {far}"));
            words.push(format!("with {far}: {:?}", peer.causes));
        }
        if words.is_empty() { String::new() } else { format!("; it says: {}", words.join("; ")) }
    }

    /// Who shows something else than the others though it holds the same, in words.
    fn differing(&mut self, space: SpaceId) -> Option<String> {
        let mut first: Option<(usize, [u8; 32])> = None;
        for n in self.sharers(space) {
            if self.relays(n) {
                continue;
            }
            let Some(replica) = &mut self.devices[n].replica else { continue };
            let digest = match replica.digest(space) {
                Ok(Some(digest)) => digest,
                other => return Some(format!("device {n}: {other:?}")),
            };
            match first {
                None => first = Some((n, digest)),
                Some((other, there)) if there != digest => {
                    let what = self.first_difference(space, other, n);
                    return Some(format!(
                        "devices {other} and {n} show different things with the same entries: {what}"
                    ));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// The first object that two devices show differently, in words.
    fn first_difference(&mut self, space: SpaceId, one: usize, other: usize) -> String {
        let [ours, theirs] = [one, other].map(|n| self.contents(n, space));
        let names = ours.keys().chain(theirs.keys());
        let differs = names.filter(|name| ours.get(*name) != theirs.get(*name)).min();
        differs.map_or_else(
            || "the same values from different states".to_owned(),
            |name| format!("{name}: {:?} and {:?}", ours.get(name), theirs.get(name)),
        )
    }

    /// What is shown is the same, besides what it is made of.
    fn judge_shown(&mut self) {
        if self.scene.is_some() {
            return;
        }
        for space in self.spaces.clone() {
            let sharers = self.sharers(space);
            let Some((first, others)) = sharers.split_first() else { continue };
            let there = self.contents(*first, space);
            for n in others {
                if self.contents(*n, space) != there {
                    let what = self.first_difference(space, *first, *n);
                    let detail = format!("devices {first} and {n} show different things: {what}");
                    self.fail("convergence", detail);
                    return;
                }
            }
        }
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
        let (lost, spaces): (Vec<SpaceId>, Vec<SpaceId>) =
            self.spaces.iter().partition(|space| self.lost(**space));
        if let Some(detail) = self.disagreement(&spaces) {
            self.fail("convergence", detail);
            return;
        }
        if !lost.is_empty() && !self.agreed() {
            self.tell(|| "what only a lost disk had keeps devices apart".to_owned());
            spaces.into_iter().for_each(|space| self.judge_promises(space));
            return;
        }
        self.see_rest();
        self.judge_shown();
        self.judge_presence();
        self.judge_guest();
        let dropped = |replica: &Replica| replica.counters().frames_dropped;
        let mischief = &self.plan.mischief;
        let quiet = self.devices.iter().all(|device| device.lies.is_empty())
            && !mischief.pest
            && mischief.replay_per_mille == 0;
        let members = self.devices.iter().filter(|device| device.part == Part::Member);
        if quiet && members.filter_map(|device| device.replica.as_ref()).any(|it| dropped(it) > 0) {
            self.fail("honesty", "frames of honest devices came too fast for others");
        }
        for space in self.spaces.clone() {
            self.judge_promises(space);
            self.judge_counter(space);
        }
        let secrets = self.secrets();
        if let Some(leak) = leaks(&self.heard_by_stranger, &secrets) {
            self.failures.push(leak);
        }
        self.judge_expectations();
    }

    /// What was granted in a space is there.
    fn judge_promises(&mut self, space: SpaceId) {
        let sharers = self.sharers(space);
        let Some(reader) = sharers.iter().copied().find(|n| !self.relays(*n)) else { return };
        // What somebody wrote into an object whose beginning lies behind a fork is there and does not show: then it
        // is the entries alone that must not be missing.
        if self.forks == 0 {
            let markers = self.markers(reader, space);
            let lost = self.promises.granted(space).find(|marker| !markers.contains(*marker));
            if let Some(marker) = lost.cloned() {
                self.fail("durability", format!("granted edit {marker} is gone from {space}"));
            }
        }
        let Some(replica) = &self.devices[reader].replica else { return };
        let Some(view) = replica.space(space) else { return };
        let held: Frontier = view.logs.iter().map(|log| (log.log, log.applied)).collect();
        for n in sharers {
            let granted = self.devices[n].granted_heads.iter().find(|((of, log), seq)| {
                *of == space && held.get(log).copied().unwrap_or(0) < **seq
            });
            if let Some(((_, log), seq)) = granted {
                let there = held.get(log).copied().unwrap_or(0);
                let detail = format!(
                    "device {n} was granted entry {seq} of {log}; device {reader} shows {there}"
                );
                self.fail("durability", detail);
                return;
            }
        }
    }

    /// The counter says what was counted, where nothing that was written can have been lost before it was granted.
    fn judge_counter(&mut self, space: SpaceId) {
        let faults = &self.plan.faults;
        let lost = faults.crash_every_ms != NEVER
            || faults.crash_at.is_some()
            || faults.disk_full_every_ms != NEVER;
        if lost || !self.straight() {
            return;
        }
        let Some(Value::Int(visits)) = self.contents(0, space).remove(VISITS) else { return };
        let counted = self.promises.counted(space);
        if visits != counted {
            self.fail("durability", format!("a counter says {visits} where {counted} was counted"));
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
