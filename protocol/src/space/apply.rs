//! Applying opened entries to objects. Every reader makes the same of the same entry, so a change that
//! breaks a rule changes nothing, on every device.

use std::collections::BTreeSet;

use meshwork_crdt::{Kind, LogTable, Shape, Stamp, Value};

use super::objects::ABOUT;
use super::{Space, Visible};
use crate::body::{Change, Part};
use crate::entry::Opened;
use crate::ids::{DeviceId, LogId, ObjectId};
use crate::layout::{self, ParkedRow};
use crate::limits;
use crate::planted::{self, Bug};
use crate::turn::Turn;

/// Where a part stands: what rules of merging need to know of its entry.
pub(super) struct Place<'a> {
    pub log: LogId,
    pub seq: u64,
    pub logs: &'a LogTable,
}

impl Space {
    pub(super) fn apply(
        &mut self,
        opened: &Opened,
        author: DeviceId,
        turn: &mut Turn<'_>,
        visible: &mut BTreeSet<Visible>,
    ) {
        let body = &opened.body;
        let Some(logs) = body.log_table(opened.log) else { return };
        self.observe(body.time, turn);
        let place = Place { log: opened.log, seq: opened.seq, logs: &logs };
        for (index, part) in (0..).zip(&body.parts) {
            let creates = matches!(part.change, Change::Create { .. });
            let known = self.objects.meta(part.object).is_some();
            if !creates && !known {
                self.park(index, part, &place, turn);
                continue;
            }
            if self.apply_part(part, &place, turn) {
                visible.insert(Visible { object: part.object, author });
                if !known {
                    self.unpark(part.object, turn);
                }
            }
        }
        if body.parts.iter().any(|part| part.object == about_id()) {
            self.refresh_about(turn);
        }
    }

    /// Keeps a change of an object that is not there until it is. Only who lies about what its entry builds on
    /// writes such a change; it counts all the same, or devices would differ by what reached them first.
    fn park(&mut self, index: u32, part: &Part, place: &Place<'_>, turn: &mut Turn<'_>) {
        let key = layout::parked_key(self.pseudonym, part.object, place.log, place.seq, index);
        let row = ParkedRow {
            log: place.log,
            seq: place.seq,
            logs: place.logs.others().to_vec(),
            change: part.change.clone(),
        };
        turn.put_sealed_row(key, layout::KIND_PARKED, &row);
    }

    /// Applies what was kept for an object that is there now. The rows go with the next checkpoint: until then
    /// a restart needs them again.
    pub(super) fn unpark(&mut self, object: ObjectId, turn: &mut Turn<'_>) {
        let (from, to) = layout::parked_rows(self.pseudonym, object);
        for (key, _) in turn.scan(&from, &to, usize::MAX) {
            let Some(row) = turn.sealed_row::<ParkedRow>(&key, layout::KIND_PARKED) else { return };
            if let Ok(logs) = LogTable::from_parts(row.log, row.logs) {
                let place = Place { log: row.log, seq: row.seq, logs: &logs };
                self.apply_part(&Part { object, change: row.change }, &place, turn);
            }
            self.unparked.push(key);
        }
    }

    fn apply_part(&mut self, part: &Part, place: &Place<'_>, turn: &mut Turn<'_>) -> bool {
        let id = part.object;
        match &part.change {
            Change::Create { shape, name, seed } => {
                if shape.0.len() > limits::SHAPE_BYTES_MAX {
                    return false;
                }
                let Ok(shape) = Shape::from_bytes(&shape.0) else { return false };
                let committed = ObjectId::derive(name, &shape, *seed) == id;
                let room = self.objects.meta(id).is_some()
                    || self.objects.len() < limits::OBJECTS_PER_SPACE_MAX;
                if !committed || !room || name.len() > limits::NAME_BYTES_MAX {
                    return false;
                }
                self.objects.create(id, shape, name);
            }
            Change::Rename { name, time } => {
                if name.len() > limits::NAME_BYTES_MAX || self.objects.meta(id).is_none() {
                    return false;
                }
                self.rename_object(id, name, Stamp { time: *time, log: place.log });
            }
            Change::Delete { observed } => {
                let observed: Vec<(LogId, u64)> = observed
                    .iter()
                    .filter_map(|(index, seq)| Some((place.logs.get(*index)?, *seq)))
                    .collect();
                let observed = self.mistaken_cover(id, observed);
                self.delete_object(id, &observed);
                return self.objects.meta(id).is_some();
            }
            Change::Delta(delta) => {
                let Some(object) = self.objects.load(self.pseudonym, id, turn) else {
                    return false;
                };
                if object.join_delta(&delta.0, place.logs).is_err() {
                    return false;
                }
                self.objects.soil(id);
                self.bytes_since_checkpoint += delta.0.len();
                turn.counters.payload_bytes_received += delta.0.len() as u64;
            }
        }
        self.touch_object(id, place.log, place.seq);
        true
    }

    pub(super) fn touch_object(&mut self, id: ObjectId, log: LogId, seq: u64) {
        self.objects.amend(id, |meta| {
            meta.touched.raise(log, seq);
        });
    }

    pub(super) fn rename_object(&mut self, id: ObjectId, name: &str, stamp: Stamp) {
        self.objects.amend(id, |meta| {
            let tie =
                |before: Stamp| planted::is(Bug::RenameByArrival) && before.time == stamp.time;
            if meta.named.is_none_or(|before| before < stamp || tie(before)) {
                meta.named = Some(stamp);
                name.clone_into(&mut meta.name);
            }
        });
    }

    pub(super) fn delete_object(&mut self, id: ObjectId, observed: &[(LogId, u64)]) {
        self.objects.amend(id, |meta| {
            for (log, seq) in observed {
                meta.deleted.raise(*log, *seq);
            }
        });
    }

    /// What a deletion covers: what its author had observed.
    fn mistaken_cover(&self, id: ObjectId, mut observed: Vec<(LogId, u64)>) -> Vec<(LogId, u64)> {
        if planted::is(Bug::DeletionCoversAll) {
            observed.iter_mut().for_each(|(_, seq)| *seq = u64::MAX);
        }
        if planted::is(Bug::DeletionCoversHere) {
            let meta = self.objects.meta(id);
            observed.extend(meta.into_iter().flat_map(|meta| meta.touched.iter()));
        }
        observed
    }

    /// Reads again what members call the space and themselves.
    pub(super) fn refresh_about(&mut self, turn: &mut Turn<'_>) {
        let pseudonym = self.pseudonym;
        if let Some(object) = self.objects.load(pseudonym, about_id(), turn)
            && let Value::Map(about) = object.value()
        {
            self.about = about;
        }
    }
}

pub(super) fn about_id() -> ObjectId {
    ObjectId::named(ABOUT, &Kind::LwwMap.into())
}
