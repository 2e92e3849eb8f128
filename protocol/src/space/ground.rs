//! What the objects begin with where entries are missing, or are not to be read: the *ground*, the contents of a
//! snapshot kept in the store; and when another is wanted. Building objects anew starts from it, and can be undone.
//!
//! Invariant: a space that stands on ground has its rows, unless they are known to be wrong and another is wanted. Deliberately not here: where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Object, Shape, Stamp, Value};

use super::objects::Objects;
use super::{Log, Space};
use crate::entry::Opening;
use crate::ids::LogId;
use crate::layout::{self, KIND_PARKED};
use crate::limits;
use crate::membership::Role;
use crate::snapshot::{Contents, ObjectState, Stand};
use crate::store::WriteBatch;
use crate::turn::{Turn, damaged};

impl Space {
    /// Whether the objects began with what somebody said, and cannot be built from entries: some are not here, or are
    /// not to be read here.
    pub(super) fn stands_on_ground(&self) -> bool {
        !self.is_whole() || self.brought_by.is_some() && !self.opens_the_past()
    }

    /// Whether nothing but the word of a member brings this device further: entries that count are not to be read here,
    /// since their authors did not know of this device, or the objects contain what does not count any more.
    pub(crate) fn is_shut_out(&mut self, turn: &mut Turn<'_>) -> bool {
        let reads = self.ready() && self.membership.roster().may(self.own.device, Role::Read);
        reads
            && !self.opens_the_past()
            && (self.overdue && self.stands_on_ground()
                || self.blocked.clone().into_iter().any(|log| self.is_closed(log, turn)))
    }

    /// Whether the next entry of a log waits for a key, or is not here though later ones are.
    fn is_closed(&mut self, id: LogId, turn: &mut Turn<'_>) -> bool {
        let Some(log) = self.logs.get(&id) else { return false };
        let (voice, seq) = (log.voice, log.applied + 1);
        if seq > log.head.seq.min(log.limit()) {
            return false;
        }
        if log.lacks(seq) {
            return true;
        }
        let Some(run) = self.stored_run(id, seq, turn) else { return false };
        matches!(run.open(self.pseudonym, seq, &mut self.keyring, &voice), Opening::NoKey)
    }

    /// Whether as much is applied as was before, as far as it counts.
    pub(super) fn reaches(&self, before: &Aside) -> bool {
        before.logs.iter().all(|(id, then)| {
            let now = self.logs.get(id).map_or(0, |log| log.applied);
            now >= then.applied.min(then.limit())
        })
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

    /// Joins what a snapshot says of the objects with what is here.
    pub(super) fn join_contents(
        &mut self,
        contents: &Contents,
        states: Vec<(Shape, Object)>,
        turn: &mut Turn<'_>,
    ) {
        for (known, (shape, object)) in contents.objects.iter().zip(states) {
            self.join_object(known, shape, object, turn);
        }
        for (object, part, row) in &contents.parked {
            let key = layout::parked_key(self.pseudonym, *object, row.log, row.seq, *part);
            turn.put_sealed_row(key, KIND_PARKED, row);
        }
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

    /// Starts from what was kept.
    pub(super) fn start_from(&mut self, ground: Contents, turn: &mut Turn<'_>) {
        let Some(states) = decode_states(&ground) else {
            turn.halt(damaged(&layout::ground_key(self.pseudonym, 0)));
            return;
        };
        self.join_contents(&ground, states, turn);
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
    pub logs: BTreeMap<LogId, Log>,
    pub objects: Objects,
    about: BTreeMap<String, Value>,
    unparked: Vec<Vec<u8>>,
    unsaid: BTreeSet<LogId>,
    blocked: BTreeSet<LogId>,
}

/// Reads the objects of a snapshot; `None` if one of them is not what its shape allows.
pub(super) fn decode_states(contents: &Contents) -> Option<Vec<(Shape, Object)>> {
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
