//! The objects of one space: what they are called, whether they are there, what they contain.
//!
//! Presence is add-wins and costs nothing on the wire: an object is touched by every entry that changes
//! it, a deletion names the touches its author had seen, and the object is there while some touch is not
//! covered. Object states live in the store as sealed snapshots; changed ones stay in memory until the
//! next checkpoint.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Kind, LogId, Object, Shape, Stamp, VersionVector};
use serde::{Deserialize, Serialize};

use crate::entry::Bytes;
use crate::ids::{ObjectId, Pseudonym};
use crate::keyring::first16;
use crate::layout;
use crate::limits;
use crate::planted::{self, Bug};
use crate::turn::{Turn, damaged};
use crate::view::ObjectView;

/// The name of the object that holds what members call the space and themselves; not listed.
pub(crate) const ABOUT: &str = "meshwork/about";

impl ObjectId {
    /// The object every device means by this name and shape.
    #[must_use]
    pub fn named(name: &str, shape: &Shape) -> Self {
        Self::derive(name, shape, None)
    }

    /// The text every device means that starts with this content under this name.
    #[must_use]
    pub fn file(name: &str, content: &str) -> Self {
        Self::derive(name, &Kind::Text.into(), Some(content_seed(content)))
    }

    /// Commits to the bare shape only: what a record declares differs between versions of a program, and
    /// they are to share the object.
    pub(crate) fn derive(name: &str, shape: &Shape, seed: Option<[u8; 16]>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork object id 2");
        hasher.update(blake3::hash(&shape.bare().to_bytes()).as_bytes());
        hasher.update(&[u8::from(seed.is_some())]);
        hasher.update(&seed.unwrap_or_default());
        hasher.update(name.as_bytes());
        Self(first16(hasher.finalize().as_bytes()))
    }
}

pub(crate) fn content_seed(content: &str) -> [u8; 16] {
    first16(&blake3::derive_key("meshwork file content 1", content.as_bytes()))
}

/// What is known of an object besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub shape: Shape,
    pub name: String,
    /// When it was given that name; the first name has none.
    pub named: Option<Stamp>,
    pub touched: VersionVector,
    pub deleted: VersionVector,
    /// Rows of the stored snapshot.
    rows: u32,
}

impl Meta {
    pub(crate) fn alive(&self) -> bool {
        self.touched.iter().any(|(log, seq)| seq > self.deleted.get(log))
    }
}

/// The stored form of [`Meta`].
#[derive(Serialize, Deserialize)]
struct MetaRow {
    shape: Bytes,
    name: String,
    named: Option<(u64, LogId)>,
    touched: Vec<(LogId, u64)>,
    deleted: Vec<(LogId, u64)>,
    rows: u32,
}

struct Loaded {
    object: Object,
    dirty: bool,
    used: u64,
    /// Rows of its snapshot when it was last read or written: about how large it is.
    rows: u32,
}

#[derive(Default)]
pub(crate) struct Objects {
    metas: BTreeMap<ObjectId, Meta>,
    /// Live objects by the name they were given; the smallest id is shown under it.
    names: BTreeMap<String, BTreeSet<ObjectId>>,
    loaded: BTreeMap<ObjectId, Loaded>,
    dirty: BTreeSet<ObjectId>,
    uses: u64,
    /// Snapshot rows of all loaded objects together.
    held_rows: u64,
}

impl Objects {
    pub(crate) fn meta(&self, id: ObjectId) -> Option<&Meta> {
        self.metas.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.metas.len()
    }

    pub(crate) fn live(&self) -> usize {
        self.names.values().map(BTreeSet::len).sum::<usize>()
            - usize::from(self.names.contains_key(ABOUT))
    }

    /// Makes the object known. Its id commits to bare shape and first name; declarations are merged.
    pub(crate) fn create(&mut self, id: ObjectId, shape: Shape, name: &str) {
        if let Some(meta) = self.metas.get_mut(&id) {
            if meta.shape.declare(&shape) {
                self.dirty.insert(id);
                if let Some(loaded) = self.loaded.get_mut(&id) {
                    loaded.object.declare(&shape);
                }
            }
            return;
        }
        self.metas.entry(id).or_insert_with(|| Meta {
            shape,
            name: name.to_owned(),
            named: None,
            touched: VersionVector::default(),
            deleted: VersionVector::default(),
            rows: 0,
        });
        self.dirty.insert(id);
    }

    /// Changes what is known of an object, keeping the name index true.
    pub(crate) fn amend(&mut self, id: ObjectId, amend: impl FnOnce(&mut Meta)) {
        let Some(meta) = self.metas.get_mut(&id) else { return };
        let was = meta.alive().then(|| meta.name.clone());
        amend(meta);
        let is = meta.alive().then(|| meta.name.clone());
        self.dirty.insert(id);
        if was == is {
            return;
        }
        if let Some(name) = was
            && let Some(ids) = self.names.get_mut(&name)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.names.remove(&name);
            }
        }
        if let Some(name) = is {
            self.names.entry(name).or_default().insert(id);
        }
    }

    /// The name an object is shown under.
    pub(crate) fn shown(&self, id: ObjectId, meta: &Meta) -> String {
        let first = self.names.get(&meta.name).and_then(BTreeSet::first);
        if meta.alive() && first != Some(&id) {
            conflict_name(&meta.name, id)
        } else {
            meta.name.clone()
        }
    }

    pub(crate) fn view(&self, id: ObjectId) -> Option<ObjectView> {
        let meta = self.metas.get(&id)?;
        Some(ObjectView {
            id,
            name: self.shown(id, meta),
            shape: meta.shape.clone(),
            deleted: !meta.alive(),
        })
    }

    /// The live object shown under `name`.
    pub(crate) fn find(&self, name: &str) -> Option<ObjectId> {
        if let Some(id) = self.names.get(name).and_then(BTreeSet::first) {
            return Some(*id);
        }
        let (base, tail) = name.split_once(CONFLICT_MARK)?;
        let (_, extension) = tail.split_once(')')?;
        let ids = self.names.get(&format!("{base}{extension}"))?;
        ids.iter().find(|id| conflict_name(&format!("{base}{extension}"), **id) == name).copied()
    }

    pub(crate) fn live_ids(&self) -> Vec<ObjectId> {
        let mut ids: Vec<ObjectId> = Vec::new();
        for (name, of_name) in &self.names {
            if name != ABOUT {
                ids.extend(of_name);
            }
        }
        ids
    }

    pub(crate) fn all_ids(&self) -> Vec<ObjectId> {
        self.metas.keys().copied().collect()
    }

    /// The object's content, loaded if need be. `None` if there is no such object, or the store failed.
    pub(crate) fn load(
        &mut self,
        space: Pseudonym,
        id: ObjectId,
        turn: &mut Turn<'_>,
    ) -> Option<&mut Object> {
        if self.loaded.len() > 2 * limits::OBJECTS_CACHED_MAX || self.crowded() {
            self.evict();
        }
        let meta = self.metas.get(&id)?;
        self.uses += 1;
        let used = self.uses;
        let loaded = match self.loaded.entry(id) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let object = read_snapshot(space, id, meta, turn)?;
                self.held_rows += u64::from(meta.rows);
                entry.insert(Loaded { object, dirty: false, used, rows: meta.rows })
            }
        };
        loaded.used = used;
        Some(&mut loaded.object)
    }

    /// Notes that the content of a loaded object has changed.
    pub(crate) fn soil(&mut self, id: ObjectId) {
        if let Some(loaded) = self.loaded.get_mut(&id) {
            loaded.dirty = true;
            self.dirty.insert(id);
        }
    }

    /// Writes what has changed since the last checkpoint.
    pub(crate) fn checkpoint(&mut self, space: Pseudonym, turn: &mut Turn<'_>) {
        let left_out = usize::from(planted::is(Bug::CheckpointForgetsOne));
        for id in std::mem::take(&mut self.dirty).into_iter().skip(left_out) {
            let Some(meta) = self.metas.get_mut(&id) else { continue };
            if let Some(loaded) = self.loaded.get_mut(&id)
                && loaded.dirty
            {
                loaded.dirty = false;
                meta.rows = write_snapshot(space, id, meta.rows, &loaded.object, turn);
                self.held_rows = self.held_rows + u64::from(meta.rows) - u64::from(loaded.rows);
                loaded.rows = meta.rows;
            }
            let row = MetaRow {
                shape: Bytes(meta.shape.to_bytes()),
                name: meta.name.clone(),
                named: meta.named.map(|stamp| (stamp.time.0, stamp.log)),
                touched: meta.touched.iter().collect(),
                deleted: meta.deleted.iter().collect(),
                rows: meta.rows,
            };
            turn.put_sealed_row(layout::meta_key(space, id), layout::KIND_META, &row);
        }
        self.evict();
    }

    /// Reads what the last checkpoint wrote, contents excepted.
    pub(crate) fn open(&mut self, space: Pseudonym, turn: &mut Turn<'_>) {
        let (from, to) = layout::rows(b'd', space);
        for (key, _) in turn.scan(&from, &to, limits::OBJECTS_PER_SPACE_MAX) {
            let id = key.last_chunk::<16>().map(|id| ObjectId(*id));
            let row: Option<MetaRow> = turn.sealed_row(&key, layout::KIND_META);
            let (Some(id), Some(row)) = (id, row) else { return };
            let Ok(shape) = Shape::from_bytes(&row.shape.0) else {
                turn.halt(damaged(&key));
                return;
            };
            let mut meta = Meta {
                shape,
                name: row.name,
                named: row
                    .named
                    .map(|(time, log)| Stamp { time: meshwork_crdt::HybridTime(time), log }),
                touched: VersionVector::default(),
                deleted: VersionVector::default(),
                rows: row.rows,
            };
            row.touched.iter().for_each(|(log, seq)| {
                meta.touched.raise(*log, *seq);
            });
            row.deleted.iter().for_each(|(log, seq)| {
                meta.deleted.raise(*log, *seq);
            });
            if meta.alive() {
                self.names.entry(meta.name.clone()).or_default().insert(id);
            }
            self.metas.insert(id, meta);
        }
    }

    /// Whether loaded objects take more room than they should; those that are dirty can only go after a
    /// checkpoint.
    pub(crate) fn crowded(&self) -> bool {
        self.held_rows > 2 * limits::SNAPSHOT_ROWS_CACHED_MAX
    }

    /// Forgets the least recently used of the clean objects beyond the limits.
    pub(crate) fn evict(&mut self) {
        let mut clean: Vec<(u64, ObjectId)> = self
            .loaded
            .iter()
            .filter(|(_, loaded)| !loaded.dirty)
            .map(|(id, loaded)| (loaded.used, *id))
            .collect();
        clean.sort_unstable();
        let mut left = clean.len();
        for (_, id) in clean {
            let full = left > limits::OBJECTS_CACHED_MAX
                || self.held_rows > limits::SNAPSHOT_ROWS_CACHED_MAX;
            if !full {
                break;
            }
            left -= 1;
            if let Some(loaded) = self.loaded.remove(&id) {
                self.held_rows -= u64::from(loaded.rows);
            }
        }
    }
}

const CONFLICT_MARK: &str = " (conflict ";

/// `notes/todo.md` → `notes/todo (conflict abcdefgh).md`.
fn conflict_name(name: &str, id: ObjectId) -> String {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name.rfind('.').filter(|dot| *dot > start).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    format!("{stem}{CONFLICT_MARK}{}){extension}", id.short())
}

fn read_snapshot(
    space: Pseudonym,
    id: ObjectId,
    meta: &Meta,
    turn: &mut Turn<'_>,
) -> Option<Object> {
    if meta.rows == 0 {
        return Some(Object::new(meta.shape.clone()));
    }
    let mut bytes = Vec::new();
    for row in 0..meta.rows {
        let key = layout::snapshot_key(space, id, row);
        match turn.sealed_bytes(&key) {
            Some(plain) => bytes.extend_from_slice(&plain),
            None => {
                turn.halt(damaged(&key));
                return None;
            }
        }
    }
    match Object::decode_state(&meta.shape, &bytes) {
        Ok(object) => Some(object),
        Err(_) => {
            turn.halt(damaged(&layout::snapshot_key(space, id, 0)));
            None
        }
    }
}

fn write_snapshot(
    space: Pseudonym,
    id: ObjectId,
    rows_before: u32,
    object: &Object,
    turn: &mut Turn<'_>,
) -> u32 {
    let state = object.encode_state();
    let mut rows = 0;
    for chunk in state.chunks(limits::SNAPSHOT_ROW_BYTES) {
        turn.put_sealed_bytes(layout::snapshot_key(space, id, rows), chunk);
        rows += 1;
    }
    for row in rows..rows_before {
        turn.effects.batch.delete(layout::snapshot_key(space, id, row));
    }
    rows
}
