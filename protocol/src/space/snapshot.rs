//! Making a snapshot of what is applied here, taking one in, and comparing it with its history.

use std::collections::BTreeSet;

use super::ground::decode_states;
use super::history::Gap;
use super::{Log, Space, Visible};
use crate::entry::{Bytes, Head, Under};
use crate::ids::{DeviceId, EpochId, LogId, ObjectId};
use crate::layout::{self, KIND_PARKED, KIND_PROOF, ParkedRow};
use crate::limits;
use crate::membership::{Limit, Role};
use crate::snapshot::{Contents, HeadProof, Manifest, ObjectState, Snapshot, Stand};
use crate::turn::Turn;

/// A stand of a log that has been checked.
struct Checked<'a> {
    stand: &'a Stand,
    id: LogId,
    head: Head,
    under: Under,
    /// Whether here, on somebody's word too, another entry is in its place.
    other: bool,
}

/// How what others know of this device's own log goes together with what is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgotten {
    Follows,
    /// What is here may be another branch, written on an older disk.
    Unclear,
}

impl Space {
    /// Entries that the objects here contain.
    pub(crate) fn entries_applied(&self) -> u64 {
        self.logs.values().map(|log| log.applied).sum()
    }

    /// Whether nothing of what others wrote is here, though this device may read it.
    pub(crate) fn is_new(&self) -> bool {
        self.joining.is_none()
            && self.membership.founder() != Some(self.own.device)
            && self.ready()
            && self.membership.roster().may(self.own.device, Role::Read)
            && self.logs.iter().all(|(id, log)| log.applied == 0 || *id == self.own_log)
    }

    /// What is applied here, for a device that can open it; `None` if this device cannot make a snapshot.
    pub(crate) fn snapshot_for(
        &mut self,
        reader: DeviceId,
        turn: &mut Turn<'_>,
    ) -> Option<Snapshot> {
        let reached = self.reached_by(reader);
        let order = self.membership.roster().epoch_order.iter().rev();
        let epoch: EpochId = order
            .copied()
            .find(|epoch| reached.contains(epoch) && self.keyring.get(*epoch).is_some())?;
        let contents = self.contents(turn)?;
        let entries = self.entries_applied();
        let key = self.keyring.get(epoch)?;
        Snapshot::seal(self.pseudonym, &contents, entries, (epoch, key), turn.identity, turn.rng)
    }

    pub(super) fn contents(&mut self, turn: &mut Turn<'_>) -> Option<Contents> {
        if self.overdue {
            return None;
        }
        let ids: Vec<LogId> =
            self.logs.iter().filter(|(_, log)| log.applied > 0).map(|(id, _)| *id).collect();
        let mut logs = Vec::with_capacity(ids.len());
        for id in ids {
            let proof = self.prove_head(id, turn)?;
            let log = self.logs.get(&id)?;
            logs.push(Stand { opening: log.opening, proof, voice: log.voice });
        }
        let (mut objects, mut bytes) = (Vec::new(), 0);
        for object in self.objects.all_ids() {
            let state = self.objects.load(self.pseudonym, object, turn)?.encode_state();
            let meta = self.objects.meta(object)?;
            bytes += state.len() + meta.name.len();
            if bytes > limits::SNAPSHOT_PART_BYTES * limits::SNAPSHOT_PARTS_MAX {
                return None;
            }
            objects.push(ObjectState {
                object,
                shape: Bytes(meta.shape.to_bytes()),
                name: meta.name.clone(),
                named: meta.named.map(|stamp| (stamp.time, stamp.log)),
                touched: meta.touched.iter().collect(),
                deleted: meta.deleted.iter().collect(),
                state: Bytes(state),
            });
            self.objects.evict();
        }
        let parked = self.parked(turn);
        Some(Contents { time: self.time, logs, objects, parked })
    }

    /// Changes that wait for their objects.
    fn parked(&self, turn: &mut Turn<'_>) -> Vec<(ObjectId, u32, ParkedRow)> {
        let (from, to) = layout::rows(b'w', self.pseudonym);
        let rows = turn.scan(&from, &to, usize::MAX);
        let waiting = rows.into_iter().filter(|(key, _)| !self.unparked.contains(key));
        let parts = waiting.filter_map(|(key, _)| {
            let (object, part) = layout::parked_of(&key)?;
            Some((object, part, turn.sealed_row(&key, KIND_PARKED)?))
        });
        parts.collect()
    }

    /// Proves the last applied entry of a log.
    fn prove_head(&self, id: LogId, turn: &mut Turn<'_>) -> Option<HeadProof> {
        let log = self.logs.get(&id)?;
        let seq = log.applied;
        if log.gap.is_some_and(|gap| gap.base.seq == seq) {
            return turn.row(&layout::proof_key(self.pseudonym, id), KIND_PROOF);
        }
        let run = self.stored_run(id, seq, turn)?;
        let before = run.hash_at(seq.checked_sub(1)?)?;
        Some(HeadProof { seq, before, branch: run.branch_after(seq - 1)? })
    }

    /// Takes in a snapshot that a member made: what it contains joins what is here. Tells what looks different
    /// now, or nothing if it contradicts what is known here.
    pub(crate) fn take_snapshot(
        &mut self,
        manifest: &Manifest,
        parts: &[Bytes],
        new: bool,
        turn: &mut Turn<'_>,
    ) -> Option<Vec<Visible>> {
        let needed = match new {
            true => self.is_new(),
            false => self.is_behind_checkpoints() || self.is_shut_out(turn),
        };
        if !needed || !self.membership.roster().may(manifest.device, Role::Write) {
            return None;
        }
        let key = self.keyring.get(manifest.epoch)?;
        let contents = manifest.open(self.pseudonym, parts, key)?;
        let checked = self.check_stands(&contents, turn)?;
        let states = decode_states(&contents)?;
        let new_logs = checked.iter().filter(|c| !self.logs.contains_key(&c.id)).count();
        let unknown = |known: &&ObjectState| self.objects.meta(known.object).is_none();
        let new_objects = contents.objects.iter().filter(unknown).count();
        let room = self.logs.len() + new_logs <= limits::LOGS_PER_SPACE_MAX
            && self.objects.len() + new_objects <= limits::OBJECTS_PER_SPACE_MAX;
        if !room {
            return None;
        }
        let author = manifest.device;
        let forgotten = self.own_forgotten(&checked);
        let unclear = forgotten == Some(Forgotten::Unclear) || checked.iter().any(|it| it.other);
        if unclear && self.opens_the_past() {
            return None;
        }
        if unclear || self.overdue && !self.opens_the_past() {
            return self.start_over(&contents, &checked, author, turn);
        }
        let shown = contents.objects.iter().map(|known| Visible { object: known.object, author });
        let mut visible: BTreeSet<Visible> = shown.collect();
        self.join_contents(&contents, states, turn);
        self.observe(contents.time, turn);
        for stand in &checked {
            self.advance(stand, turn);
        }
        if forgotten.is_some() {
            self.start_another_log(turn);
        }
        let waited: BTreeSet<ObjectId> =
            self.parked(turn).into_iter().map(|(object, ..)| object).collect();
        for object in waited {
            if self.objects.meta(object).is_some() {
                self.unpark(object, turn);
            }
        }
        self.brought_by = Some(manifest.device);
        self.write_row(turn);
        let grounded = self.stands_on_ground();
        if let Some(contents) = self.contents(turn).filter(|_| grounded) {
            self.write_ground(&contents, turn);
        }
        visible.extend(self.apply_ready(turn));
        self.refresh_about(turn);
        self.checkpoint(turn);
        turn.effects.batch.require_durable();
        Some(visible.into_iter().collect())
    }

    /// Builds all objects from what a snapshot says and from the entries after it that can be read here, where what is
    /// here contains what does not count any more; nothing, with all as it was, if something that counts would go too.
    fn start_over(
        &mut self,
        contents: &Contents,
        checked: &[Checked<'_>],
        author: DeviceId,
        turn: &mut Turn<'_>,
    ) -> Option<Vec<Visible>> {
        let before = self.set_aside(turn);
        let word = (self.brought_by.replace(author), std::mem::take(&mut self.overdue));
        let forgotten = self.own_forgotten(checked);
        for stand in checked {
            self.reach(stand, turn);
        }
        self.write_ground(contents, turn);
        self.write_row(turn);
        let built = self.build_anew(turn).filter(|_| self.reaches(&before));
        let Some(built) = built else {
            self.put_back(before, turn);
            (self.brought_by, self.overdue) = word;
            return None;
        };
        if forgotten.is_some() {
            self.start_another_log(turn);
        }
        self.observe(contents.time, turn);
        turn.effects.batch.require_durable();
        let mut visible: BTreeSet<Visible> = built.into_iter().collect();
        visible
            .extend(before.objects.all_ids().into_iter().map(|object| Visible { object, author }));
        Some(visible.into_iter().collect())
    }

    /// Checks that each log has the entry it is said to stand at, and that it counts.
    fn check_stands<'a>(
        &self,
        contents: &'a Contents,
        turn: &mut Turn<'_>,
    ) -> Option<Vec<Checked<'a>>> {
        let roster = self.membership.roster();
        let mut checked = Vec::with_capacity(contents.logs.len());
        let mut seen = BTreeSet::new();
        for stand in &contents.logs {
            let opening = stand.opening;
            let id = opening.log(self.pseudonym);
            let (head, under) = stand.proof.head(self.pseudonym, opening)?;
            turn.counters.signatures_verified += 1;
            let counts = match roster.limit(opening) {
                Limit::Free => true,
                Limit::UpTo(last) => head.seq < last.seq || head == last,
            };
            let writer = roster.has_written(opening.device);
            let forked = self.fork_of(opening).is_some_and(|fork| head.seq > fork.seq);
            let here = self.logs.get(&id);
            let hash = self.hash_at(id, head.seq, turn);
            let other = here.is_some_and(|log| log.lacks(head.seq))
                && hash.is_some_and(|it| it != head.hash);
            let contradicts = here.is_some_and(|log| {
                head.seq <= log.head.seq && !log.lacks(head.seq) && hash != Some(head.hash)
            });
            if !counts || !writer || forked || contradicts || !seen.insert(id) {
                return None;
            }
            checked.push(Checked { stand, id, head, under, other });
        }
        Some(checked)
    }

    /// Whether others know more of this device's own log than is here, since its disk is an older one.
    fn own_forgotten(&self, checked: &[Checked<'_>]) -> Option<Forgotten> {
        let here = self.head(self.own_log);
        let there = checked.iter().find(|it| it.id == self.own_log && it.head.seq > here.seq)?;
        let follows = there.head.seq == here.seq + 1 && there.stand.proof.before == here.hash;
        Some(if here.seq == 0 || follows { Forgotten::Follows } else { Forgotten::Unclear })
    }

    /// Brings a log to where a snapshot stands, if that is further than what is applied.
    fn advance(&mut self, checked: &Checked<'_>, turn: &mut Turn<'_>) {
        self.reach(checked, turn);
        let Checked { stand, id, head, .. } = checked;
        let Some(log) = self.logs.get_mut(id).filter(|log| log.applied < head.seq) else { return };
        (log.applied, log.voice) = (head.seq, stand.voice);
        if *id != self.own_log {
            self.unsaid.insert(*id);
        }
    }

    /// Lets a log go on from where a snapshot stands, if what is here ends before that.
    fn reach(&mut self, checked: &Checked<'_>, turn: &mut Turn<'_>) {
        let Checked { stand, id, head, under, other } = checked;
        let bound = self.membership.roster().limit(stand.opening);
        let change = self.change + 1;
        let log = self.logs.entry(*id).or_insert_with(|| Log { bound, ..Log::new(stand.opening) });
        if log.head.seq >= head.seq && !other {
            return;
        }
        if *other {
            log.told.clear();
        } else if log.gap.is_some() && log.told.len() < limits::HEADS_TOLD_MAX {
            log.told.push(log.head);
        }
        let after = log.gap.map_or(log.head.seq, |gap| gap.after);
        log.gap = Some(Gap { after, base: *head });
        log.head = *head;
        log.under = Some((*under, head.seq));
        log.marks.clear();
        log.changed = change;
        self.change = change;
        self.frontier = None;
        turn.put_row(layout::proof_key(self.pseudonym, *id), KIND_PROOF, &stand.proof);
        self.write_log(*id, turn);
    }

    /// Once all history is here: builds the objects from entries alone, and compares. Once entries do not count that
    /// the objects contain: builds them anew as soon as what is here allows. Tells what looks different now.
    pub(super) fn audit(&mut self, turn: &mut Turn<'_>) -> Vec<Visible> {
        let small = self.entries_applied() <= limits::AUDIT_ENTRIES_MAX;
        let by = self.brought_by.filter(|_| !self.stands_on_ground() && (small || self.overdue));
        if by.is_none() && !self.overdue {
            return Vec::new();
        }
        let mut visible = self.apply_ready(turn);
        let (told, before) = (self.digest(turn), self.applied());
        let Some(built) = self.build_from_entries(turn) else { return visible };
        let right = self.digest(turn) == told;
        // What does not count any more is no lie, and what has been applied since was never told.
        let comparable = !std::mem::take(&mut self.overdue) && self.applied() == before;
        if let Some(by) = by {
            self.audited = comparable.then_some((by, right));
            self.brought_by = None;
        }
        self.write_row(turn);
        if !right {
            visible.extend(built);
        }
        visible
    }

    /// Up to where each log is applied.
    fn applied(&self) -> Vec<u64> {
        self.logs.values().map(|log| log.applied).collect()
    }

    /// Builds all objects from entries, unless something they build on is still missing: a key, a log of which
    /// nothing counts, or history. Then all stays as it is.
    fn build_from_entries(&mut self, turn: &mut Turn<'_>) -> Option<Vec<Visible>> {
        let author = self.own.device;
        let shown = self.objects.all_ids().into_iter().map(|object| Visible { object, author });
        let mut visible: BTreeSet<Visible> = shown.collect();
        let before = self.set_aside(turn);
        let built = self.build_anew(turn);
        if let Some(built) = built
            && self.reaches(&before)
        {
            visible.extend(built);
            return Some(visible.into_iter().collect());
        }
        self.put_back(before, turn);
        None
    }
}
