//! Own edits: user's words in → changed objects, sealed entries, or a refusal that changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Edit, EditError, Kind, LogTable, Object, Shape, Stamp, Value, Writer};

use super::apply::about_id;
use super::objects::{ABOUT, content_seed};
use super::{Space, Visible, device_key};
use crate::body::{Body, Change, Part};
use crate::effect::Refusal;
use crate::entry::Bytes;
use crate::ids::{EpochId, LogId, ObjectId};
use crate::input::{Action, ObjectEdit, Target};
use crate::limits;
use crate::membership::Role;
use crate::planted::{self, Bug};
use crate::turn::Turn;

/// What an edit came to.
pub(crate) struct Written {
    /// The last entry of the own log.
    pub seq: u64,
    /// One object for each edit.
    pub objects: Vec<ObjectId>,
    pub visible: Vec<Visible>,
}

/// Parts on their way into entries.
struct Draft {
    epoch: EpochId,
    writer: Writer,
    logs: LogTable,
    parts: Vec<Part>,
    bytes: usize,
    visible: BTreeSet<Visible>,
}

/// A copy of an object on which edits are tried.
struct Rehearsal {
    object: Object,
    known: bool,
    dead: bool,
}

impl Rehearsal {
    fn play(&mut self, edit: &ObjectEdit, writer: &Writer) -> Result<(), EditError> {
        let mut logs = LogTable::new(writer.log);
        if matches!(edit.action, Action::Delete) {
            self.dead = true;
            return Ok(());
        }
        if std::mem::take(&mut self.dead) && !matches!(edit.target, Target::Id(_)) {
            self.object.edit(writer, &Edit::Clear, &mut logs)?;
        }
        if let Target::File { content, .. } = &edit.target
            && !std::mem::replace(&mut self.known, true)
        {
            self.object.edit(writer, &Edit::Import(content.clone()), &mut logs)?;
        }
        match &edit.action {
            Action::Change(change) => self.object.edit(writer, change, &mut logs).map(|_| ()),
            Action::Create | Action::Rename(_) | Action::Delete => Ok(()),
        }
    }
}

impl Space {
    /// Carries out all edits of a wish, or none.
    pub(crate) fn write(
        &mut self,
        edits: &[ObjectEdit],
        turn: &mut Turn<'_>,
    ) -> Result<Written, Refusal> {
        let mut draft = self.draft(turn)?;
        if edits.len() > limits::EDITS_PER_WISH_MAX {
            let max = limits::EDITS_PER_WISH_MAX as u64;
            return Err(Refusal::Limit { what: "edits in one request", max });
        }
        if let [edit] = edits
            && self.alive(&edit.target)
        {
            self.check(edit)?;
        } else {
            self.rehearse(edits, &draft.writer, turn)?;
        }
        self.name_the_past(&draft, turn);
        let mut objects = Vec::with_capacity(edits.len());
        let mut refusal = None;
        for edit in edits {
            match self.write_one(edit, &mut draft, turn) {
                Ok(id) => objects.push(id),
                Err(why) => {
                    refusal = Some(why);
                    break;
                }
            }
        }
        let visible = self.finish(draft, turn);
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let seq = self.head(self.own_log).seq;
        Ok(Written { seq, objects, visible })
    }

    /// Writes what this device and, from its creator, the space are called.
    pub(crate) fn introduce(&mut self, name: Option<&str>, turn: &mut Turn<'_>) -> Vec<Visible> {
        let device = (device_key(self.own.device), turn.device_name.to_owned());
        let space = name.map(|name| ("name".to_owned(), name.to_owned()));
        let Ok(mut draft) = self.draft(turn) else { return Vec::new() };
        for (key, value) in space.into_iter().chain([device]) {
            let target = Target::Named { name: ABOUT.to_owned(), shape: Kind::LwwMap.into() };
            let action = Action::Change(Edit::Put { key, value: Value::Text(value) });
            let written = self.write_one(&ObjectEdit { target, action }, &mut draft, turn);
            debug_assert!(written.is_ok(), "names are bounded before they come here");
        }
        self.finish(draft, turn)
    }

    /// Seals what is left of a draft, and applies what waited for it: a member may lie about what its entries build
    /// on, and name one before it is written. Tells what became visible.
    fn finish(&mut self, mut draft: Draft, turn: &mut Turn<'_>) -> Vec<Visible> {
        self.flush(&mut draft, turn);
        let Draft { mut visible, .. } = draft;
        if visible.iter().any(|change| change.object == about_id()) {
            self.refresh_about(turn);
        }
        if !self.blocked.is_empty() {
            visible.extend(self.apply_ready(turn));
        }
        self.checkpoint_if_due(turn);
        visible.into_iter().collect()
    }

    fn draft(&mut self, turn: &mut Turn<'_>) -> Result<Draft, Refusal> {
        let is_in = self.membership.roster().role(self.own.device).is_some();
        if !is_in || self.keyring.iter().next().is_none() {
            return Err(self.not_ready());
        }
        let may = self.membership.roster().may(self.own.device, Role::Write);
        if !may && !planted::is(Bug::ReaderWrites) {
            return Err(Refusal::NotAllowed { needs: Role::Write });
        }
        let epoch = self.epoch(turn).ok_or(Refusal::NotReady)?;
        self.time = self.time.tick(turn.now.0);
        Ok(Draft {
            epoch,
            writer: Writer { log: self.own_log, time: self.time },
            logs: LogTable::new(self.own_log),
            parts: Vec::new(),
            bytes: 0,
            visible: BTreeSet::new(),
        })
    }

    /// Tries several edits on copies, so that a refusal of the last one leaves no trace of the first.
    fn rehearse(
        &mut self,
        edits: &[ObjectEdit],
        writer: &Writer,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let mut writer = *writer;
        let mut copies: BTreeMap<ObjectId, Rehearsal> = BTreeMap::new();
        for edit in edits {
            self.check(edit)?;
            writer.time = writer.time.tick(turn.now.0);
            let (id, shape) = self.resolve(&edit.target)?;
            let copy = copies.entry(id).or_insert_with(|| {
                let loaded = self.objects.load(self.pseudonym, id, turn).cloned();
                let known = loaded.is_some();
                let object = loaded.unwrap_or_else(|| Object::new(shape));
                let dead = self.objects.meta(id).is_some_and(|meta| !meta.alive());
                Rehearsal { object, known, dead }
            });
            copy.play(edit, &writer).map_err(Refusal::Edit)?;
        }
        Ok(())
    }

    /// What can be refused before anything is tried.
    fn check(&self, edit: &ObjectEdit) -> Result<(), Refusal> {
        let (id, shape) = self.resolve(&edit.target)?;
        match &edit.target {
            Target::Id(_) => {}
            Target::Named { name, .. } => {
                name_allowed(name)?;
                if shape.to_bytes().len() > limits::SHAPE_BYTES_MAX {
                    let max = limits::SHAPE_BYTES_MAX as u64;
                    return Err(Refusal::Limit { what: "bytes of an object's shape", max });
                }
            }
            Target::File { name, content } => {
                name_allowed(name)?;
                text_fits(content)?;
            }
        }
        match &edit.action {
            Action::Rename(name) => name_allowed(name)?,
            Action::Change(change) => {
                if let Edit::Import(text)
                | Edit::Replace(text)
                | Edit::Splice { insert: text, .. }
                | Edit::SpliceAt { insert: text, .. } = change
                {
                    text_fits(text)?;
                }
                if let Edit::Call { arguments, .. } = change {
                    let mut texts = arguments.iter().filter_map(|argument| match argument {
                        Value::Text(text) => Some(text),
                        _ => None,
                    });
                    texts.try_for_each(|text| text_fits(text))?;
                }
                if let Edit::Set(Value::Text(text)) = change {
                    text_fits(text)?;
                }
            }
            Action::Create | Action::Delete => {}
        }
        if let Some(meta) = self.objects.meta(id) {
            if meta.shape.bare() != shape.bare() {
                return Err(Refusal::WrongShape { shape: meta.shape.clone() });
            }
        } else if self.objects.len() >= limits::OBJECTS_PER_SPACE_MAX {
            let max = limits::OBJECTS_PER_SPACE_MAX as u64;
            return Err(Refusal::Limit { what: "objects in one space", max });
        }
        Ok(())
    }

    /// Which object a target means, and of which shape it is or will be.
    fn resolve(&self, target: &Target) -> Result<(ObjectId, Shape), Refusal> {
        match target {
            Target::Id(id) => {
                let meta = self.objects.meta(*id).ok_or(Refusal::UnknownObject)?;
                Ok((*id, meta.shape.clone()))
            }
            Target::Named { name, shape } => {
                let shown = self.objects.find(name);
                match shown.and_then(|id| Some((id, &self.objects.meta(id)?.shape))) {
                    Some((id, found)) if found.bare() == shape.bare() => Ok((id, shape.clone())),
                    Some((_, found)) => Err(Refusal::WrongShape { shape: found.clone() }),
                    None => Ok((ObjectId::named(name, shape), shape.clone())),
                }
            }
            Target::File { name, content } => {
                Ok((ObjectId::file(name, content), Kind::Text.into()))
            }
        }
    }

    /// Whether a target means an object that is there, so that an edit that is refused leaves no trace.
    fn alive(&self, target: &Target) -> bool {
        let id = self.resolve(target).ok().map(|(id, _)| id);
        id.and_then(|id| self.objects.meta(id)).is_some_and(super::objects::Meta::alive)
    }

    /// A deleted object that is written to by name starts again from nothing; one that is named by its id
    /// is brought back as it was.
    fn starts_empty(&self, target: &Target, id: ObjectId) -> bool {
        let dead = self.objects.meta(id).is_some_and(|meta| !meta.alive());
        dead && !matches!(target, Target::Id(_))
    }

    fn write_one(
        &mut self,
        edit: &ObjectEdit,
        draft: &mut Draft,
        turn: &mut Turn<'_>,
    ) -> Result<ObjectId, Refusal> {
        self.time = self.time.tick(turn.now.0);
        draft.writer.time = self.time;
        if draft.bytes >= limits::BODY_BYTES_TARGET
            || draft.parts.len() + 8 >= limits::PARTS_PER_ENTRY_MAX
            || draft.logs.others().len() >= limits::LOGS_PER_ENTRY_TARGET
        {
            self.flush(draft, turn);
        }
        let (id, shape) = self.resolve(&edit.target)?;
        if matches!(edit.action, Action::Delete) {
            self.write_delete(id, draft);
            return Ok(id);
        }
        let starts_empty = self.starts_empty(&edit.target, id);
        self.write_create(&edit.target, id, shape, draft, turn);
        if starts_empty {
            self.write_change(id, &Edit::Clear, draft, turn)?;
        }
        if let Target::File { content, .. } = &edit.target {
            let import = if starts_empty {
                Edit::Replace(content.clone())
            } else {
                Edit::Import(content.clone())
            };
            self.write_change(id, &import, draft, turn)?;
        }
        match &edit.action {
            Action::Create | Action::Delete => {}
            Action::Change(change) => self.write_change(id, change, draft, turn)?,
            Action::Rename(name) => {
                // Bringing a deleted object back may just have given it its first name again.
                self.time = self.time.tick(turn.now.0);
                draft.writer.time = self.time;
                self.write_rename(id, name, draft);
            }
        }
        Ok(id)
    }

    fn write_rename(&mut self, id: ObjectId, name: &str, draft: &mut Draft) {
        let time = draft.writer.time;
        let change = Change::Rename { name: name.to_owned(), time };
        let seq = self.push(id, change, name.len(), draft);
        self.touch_object(id, self.own_log, seq);
        self.rename_object(id, name, Stamp { time, log: self.own_log });
    }

    /// Says that the object exists, unless it is there already and nothing more is declared about it.
    fn write_create(
        &mut self,
        target: &Target,
        id: ObjectId,
        shape: Shape,
        draft: &mut Draft,
        turn: &mut Turn<'_>,
    ) {
        let known = self.objects.meta(id).is_some();
        let declared = self
            .objects
            .meta(id)
            .is_some_and(|meta| meta.alive() && !meta.shape.clone().declare(&shape));
        if declared {
            return;
        }
        let (name, seed) = match target {
            Target::Named { name, .. } => (name.clone(), None),
            Target::File { name, content } => (name.clone(), Some(content_seed(content))),
            Target::Id(_) => return,
        };
        let shape_bytes = shape.to_bytes();
        let bytes = name.len() + shape_bytes.len() + 32;
        let alive = self.objects.meta(id).is_some_and(super::objects::Meta::alive);
        self.objects.create(id, shape, &name);
        let change = Change::Create { shape: Bytes(shape_bytes), name: name.clone(), seed };
        let seq = self.push(id, change, bytes, draft);
        self.touch_object(id, self.own_log, seq);
        if !known {
            self.unpark(id, turn);
        }
        if known && !alive && self.objects.meta(id).is_some_and(|meta| meta.name != name) {
            self.write_rename(id, &name, draft);
        }
    }

    fn write_delete(&mut self, id: ObjectId, draft: &mut Draft) {
        let Some(meta) = self.objects.meta(id).filter(|meta| meta.alive()) else { return };
        let observed: Vec<(LogId, u64)> = meta.touched.iter().collect();
        let indexed = observed.iter().map(|(log, seq)| (draft.logs.index_of(*log), *seq)).collect();
        let bytes = observed.len() * 8;
        self.push(id, Change::Delete { observed: indexed }, bytes, draft);
        self.delete_object(id, &observed);
    }

    fn write_change(
        &mut self,
        id: ObjectId,
        change: &Edit,
        draft: &mut Draft,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let Some(object) = self.objects.load(self.pseudonym, id, turn) else {
            return Err(Refusal::UnknownObject);
        };
        let deltas = object.edit(&draft.writer, change, &mut draft.logs).map_err(Refusal::Edit)?;
        for delta in deltas {
            if draft.bytes > 0 && draft.bytes + delta.len() > limits::BODY_BYTES_TARGET {
                let logs = draft.logs.clone();
                self.flush(draft, turn);
                draft.logs = logs;
            }
            turn.counters.payload_bytes_written += delta.len() as u64;
            self.objects.soil(id);
            self.bytes_since_checkpoint += delta.len();
            let bytes = delta.len();
            let seq = self.push(id, Change::Delta(Bytes(delta)), bytes, draft);
            self.touch_object(id, self.own_log, seq);
        }
        Ok(())
    }

    /// Adds a part to the entry being drafted; tells that entry's sequence number.
    fn push(&self, object: ObjectId, change: Change, bytes: usize, draft: &mut Draft) -> u64 {
        draft.bytes += bytes + 20;
        draft.parts.push(Part { object, change });
        draft.visible.insert(Visible { object, author: self.own.device });
        self.head(self.own_log).seq + 1
    }

    /// Seals what has been drafted into one entry and stores it.
    fn flush(&mut self, draft: &mut Draft, turn: &mut Turn<'_>) {
        let parts = std::mem::take(&mut draft.parts);
        let logs = std::mem::replace(&mut draft.logs, LogTable::new(self.own_log));
        draft.bytes = 0;
        if !parts.is_empty() {
            let deps = self.unsaid(limits::DEPS_PER_ENTRY_MAX);
            self.write_entry(&deps, logs, parts, draft, turn);
        }
    }

    /// Names what has been applied of other logs in entries of their own, until one entry can name the rest.
    fn name_the_past(&mut self, draft: &Draft, turn: &mut Turn<'_>) {
        while self.unsaid.len() > limits::DEPS_PER_ENTRY_MAX {
            let deps = self.unsaid(limits::DEPS_PER_ENTRY_MAX);
            self.write_entry(&deps, LogTable::new(self.own_log), Vec::new(), draft, turn);
        }
    }

    /// What has been applied of other logs and was not named before, from now on named; at most `most`.
    fn unsaid(&mut self, most: usize) -> Vec<(LogId, u64)> {
        let mut unsaid = Vec::new();
        while unsaid.len() < most
            && let Some(id) = self.unsaid.pop_first()
        {
            unsaid.extend(self.logs.get(&id).map(|log| (id, log.applied)));
        }
        if planted::is(Bug::DependencyDropped) {
            unsaid.pop();
        }
        unsaid
    }

    fn write_entry(
        &mut self,
        deps: &[(LogId, u64)],
        mut logs: LogTable,
        parts: Vec<Part>,
        draft: &Draft,
        turn: &mut Turn<'_>,
    ) {
        let deps = deps.iter().map(|(log, seq)| (logs.index_of(*log), *seq)).collect();
        let body = Body { logs: logs.others().to_vec(), deps, time: draft.writer.time, parts };
        let Some(run) = self.seal_own(&body, draft.epoch, turn) else { return };
        self.store(&run, self.own, turn);
        if let Some(log) = self.logs.get_mut(&self.own_log) {
            log.applied = log.head.seq;
        }
        self.applied_since_checkpoint += 1;
        turn.counters.entries_written += 1;
    }
}

fn name_allowed(name: &str) -> Result<(), Refusal> {
    let allowed = !name.is_empty()
        && name.len() <= limits::NAME_BYTES_MAX
        && !name.starts_with("meshwork/")
        && !name.chars().any(char::is_control);
    if allowed { Ok(()) } else { Err(Refusal::BadName) }
}

fn text_fits(text: &str) -> Result<(), Refusal> {
    let (bytes, max) = (text.len(), limits::TEXT_BYTES_MAX);
    if bytes <= max { Ok(()) } else { Err(Refusal::Edit(EditError::TooLarge { bytes, max })) }
}
