//! Making a snapshot of what is applied here, taking one in, and comparing it with its history.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Object, Shape, Stamp, Value};

use super::history::Gap;
use super::objects::Objects;
use super::{Log, Space, Visible};
use crate::entry::{Bytes, Head, Under};
use crate::ids::{DeviceId, EpochId, LogId, ObjectId};
use crate::layout::{self, KIND_PARKED, KIND_PROOF, ParkedRow};
use crate::limits;
use crate::membership::{Limit, Role};
use crate::snapshot::{Contents, HeadProof, Manifest, ObjectState, Snapshot, Stand};
use crate::store::WriteBatch;
use crate::turn::{Turn, damaged};

/// A stand of a log that has been checked.
struct Checked<'a> {
    stand: &'a Stand,
    id: LogId,
    head: Head,
    under: Under,
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
        let needed = if new { self.is_new() } else { self.is_behind_checkpoints() };
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
        let mut visible = BTreeSet::new();
        for (known, (shape, object)) in contents.objects.iter().zip(states) {
            self.join_object(known, shape, object, turn);
            visible.insert(Visible { object: known.object, author });
        }
        for (object, part, row) in &contents.parked {
            let key = layout::parked_key(self.pseudonym, *object, row.log, row.seq, *part);
            turn.put_sealed_row(key, KIND_PARKED, row);
        }
        self.observe(contents.time, turn);
        for stand in &checked {
            self.advance(stand, turn);
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
        if let Some(contents) = self.contents(turn).filter(|_| !self.is_whole()) {
            self.write_ground(&contents, turn);
        }
        visible.extend(self.apply_ready(turn));
        self.refresh_about(turn);
        self.checkpoint(turn);
        turn.effects.batch.require_durable();
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
            let writer = roster.devices.get(&opening.device).is_some_and(|known| known.writes);
            let forked = self.fork_of(opening).is_some_and(|fork| head.seq > fork.seq);
            let here = self.logs.get(&id);
            let contradicts = here.is_some_and(|log| {
                head.seq <= log.head.seq
                    && !log.lacks(head.seq)
                    && self.hash_at(id, head.seq, turn) != Some(head.hash)
            });
            // Of its own log a device knows best.
            let own = id == self.own_log && head.seq > self.head(id).seq;
            if !counts || !writer || forked || contradicts || own || !seen.insert(id) {
                return None;
            }
            checked.push(Checked { stand, id, head, under });
        }
        Some(checked)
    }

    fn join_object(
        &mut self,
        known: &ObjectState,
        shape: Shape,
        object: Object,
        turn: &mut Turn<'_>,
    ) {
        let id = known.object;
        self.objects.create(id, shape, &known.name);
        self.bytes_since_checkpoint += known.state.0.len();
        if let Some(mine) = self.objects.load(self.pseudonym, id, turn) {
            mine.join(object);
            self.objects.soil(id);
        }
        for (log, seq) in &known.touched {
            self.touch_object(id, *log, *seq);
        }
        self.delete_object(id, &known.deleted);
        if let Some((time, log)) = known.named {
            self.rename_object(id, &known.name, Stamp { time, log });
        }
        if self.objects.crowded() {
            self.objects.checkpoint(self.pseudonym, turn);
        }
    }

    /// Brings a log to where a snapshot stands, if that is further than what is applied.
    fn advance(&mut self, checked: &Checked<'_>, turn: &mut Turn<'_>) {
        let Checked { stand, id, head, under } = checked;
        let bound = self.membership.roster().limit(stand.opening);
        let change = self.change + 1;
        let log = self.logs.entry(*id).or_insert_with(|| Log { bound, ..Log::new(stand.opening) });
        if log.applied >= head.seq {
            return;
        }
        (log.applied, log.voice) = (head.seq, stand.voice);
        if *id != self.own_log {
            self.unsaid.insert(*id);
        }
        if log.head.seq >= head.seq {
            return;
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
        let by = self.brought_by.filter(|_| self.is_whole() && (small || self.overdue));
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
        let reached = |(id, then): (&LogId, &Log)| {
            let now = self.logs.get(id).map_or(0, |log| log.applied);
            now >= then.applied.min(then.limit())
        };
        if let Some(built) = built
            && before.logs.iter().all(reached)
        {
            visible.extend(built);
            return Some(visible.into_iter().collect());
        }
        self.put_back(before, turn);
        None
    }

    /// Starts from no objects, in a way that can be undone.
    pub(super) fn set_aside(&mut self, turn: &Turn<'_>) -> Aside {
        Aside {
            batch: turn.effects.batch.clone(),
            logs: self.logs.clone(),
            objects: std::mem::take(&mut self.objects),
            about: std::mem::take(&mut self.about),
            unparked: std::mem::take(&mut self.unparked),
            unsaid: std::mem::take(&mut self.unsaid),
            blocked: std::mem::take(&mut self.blocked),
        }
    }

    /// Undoes what was done since objects were set aside.
    pub(super) fn put_back(&mut self, before: Aside, turn: &mut Turn<'_>) {
        let Aside { batch, logs, objects, about, unparked, unsaid, blocked } = before;
        turn.effects.batch = batch;
        (self.logs, self.objects, self.about) = (logs, objects, about);
        (self.unparked, self.unsaid, self.blocked) = (unparked, unsaid, blocked);
    }

    /// Keeps what the objects are at some place of the history, to build them from there.
    pub(super) fn write_ground(&self, contents: &Contents, turn: &mut Turn<'_>) {
        self.drop_ground(turn);
        let bytes = zeroize::Zeroizing::new(contents.to_bytes());
        for (row, chunk) in (0_u32..).zip(bytes.chunks(limits::SNAPSHOT_ROW_BYTES)) {
            turn.put_sealed_bytes(layout::ground_key(self.pseudonym, row), chunk);
        }
    }

    pub(super) fn drop_ground(&self, turn: &mut Turn<'_>) {
        let (from, to) = layout::rows(b'z', self.pseudonym);
        for (key, _) in turn.scan(&from, &to, usize::MAX) {
            turn.effects.batch.delete(key);
        }
    }

    /// What is kept in place of entries that are not here, if all of it counts.
    pub(super) fn ground(&self, turn: &mut Turn<'_>) -> Option<Contents> {
        let (from, to) = layout::rows(b'z', self.pseudonym);
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        for (key, _) in turn.scan(&from, &to, usize::MAX) {
            bytes.extend_from_slice(&turn.sealed_bytes(&key)?);
        }
        if bytes.is_empty() {
            return None;
        }
        let Some(contents) = Contents::from_bytes(&bytes) else {
            turn.halt(damaged(&from));
            return None;
        };
        let counts = |stand: &Stand| {
            let log = self.logs.get(&stand.opening.log(self.pseudonym));
            log.is_some_and(|log| log.limit() >= stand.proof.seq)
        };
        contents.logs.iter().all(counts).then_some(contents)
    }

    /// Starts from what was kept.
    pub(super) fn start_from(&mut self, ground: Contents, turn: &mut Turn<'_>) {
        let Some(states) = decode_states(&ground) else {
            turn.halt(damaged(&layout::ground_key(self.pseudonym, 0)));
            return;
        };
        for (known, (shape, object)) in ground.objects.iter().zip(states) {
            self.join_object(known, shape, object, turn);
        }
        for (object, part, row) in &ground.parked {
            let key = layout::parked_key(self.pseudonym, *object, row.log, row.seq, *part);
            turn.put_sealed_row(key, KIND_PARKED, row);
        }
        for stand in &ground.logs {
            let id = stand.opening.log(self.pseudonym);
            if let Some(log) = self.logs.get_mut(&id) {
                (log.applied, log.voice) = (stand.proof.seq, stand.voice);
            }
            if id != self.own_log {
                self.unsaid.insert(id);
            }
        }
    }
}

/// What building objects anew changes.
pub(super) struct Aside {
    batch: WriteBatch,
    logs: BTreeMap<LogId, Log>,
    objects: Objects,
    about: BTreeMap<String, Value>,
    unparked: Vec<Vec<u8>>,
    unsaid: BTreeSet<LogId>,
    blocked: BTreeSet<LogId>,
}

/// Reads the objects of a snapshot; `None` if one of them is not what its shape allows.
fn decode_states(contents: &Contents) -> Option<Vec<(Shape, Object)>> {
    let mut states = Vec::with_capacity(contents.objects.len());
    let mut before = None;
    for known in &contents.objects {
        let fits = known.shape.0.len() <= limits::SHAPE_BYTES_MAX
            && known.name.len() <= limits::NAME_BYTES_MAX
            && before < Some(known.object);
        before = Some(known.object);
        if !fits {
            return None;
        }
        let shape = Shape::from_bytes(&known.shape.0).ok()?;
        let object = Object::decode_state(&shape, &known.state.0).ok()?;
        states.push((shape, object));
    }
    Some(states)
}
