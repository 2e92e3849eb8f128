//! Keeping a folder and a space the same: one pass looks at both sides and moves what has changed.
//!
//! The order of a pass: edits of files are taken in first, so nothing is overwritten that was not; then
//! renames, new files and deletions of this side; then what others did is written to files. What cannot be
//! done now is tried again in the next pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use meshwork_crdt::{CausalContext, DotRange, Edit, Kind, LogId};
use meshwork_protocol::{Action, ObjectEdit, ObjectId, Target};

use super::folder::{Content, Folder, Scan, Seen, hash};
use super::state::{Shadow, State, Tracked};
use crate::failure::{Failure, Result};
use crate::space::{Space, splices};

/// How long a file must have been gone, or empty, before that is believed: editors replace files in steps.
const DOUBT: Duration = Duration::from_millis(150);

/// A text object as it is now.
struct Now {
    text: String,
    spans: Vec<DotRange>,
}

/// What came of a pass.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// Files left alone, and why.
    pub skipped: BTreeMap<String, String>,
    /// Whether to look again soon: something is in doubt or did not work.
    pub again: bool,
    pub error: Option<Failure>,
}

/// One folder bound to one space.
pub(super) struct Sync {
    pub space: Space,
    pub folder: Folder,
    pub state: State,
    /// Objects that may have changed since they were last looked at; `None` for all.
    pub changed: Option<BTreeSet<ObjectId>>,
    /// Since when a file is gone or empty.
    doubts: BTreeMap<String, Instant>,
}

impl Sync {
    pub(super) fn new(space: Space, folder: Folder, state: State) -> Self {
        Self { space, folder, state, changed: None, doubts: BTreeMap::new() }
    }

    /// Brings folder and space together as far as possible now.
    pub(super) fn pass(&mut self) -> Pass {
        let mut pass = Pass::default();
        if let Err(failure) = self.try_pass(&mut pass) {
            pass.again = true;
            pass.error = Some(failure);
            self.changed = None;
        }
        if let Err(failure) = self.state.save() {
            pass.error.get_or_insert(failure);
        }
        pass
    }

    fn try_pass(&mut self, pass: &mut Pass) -> Result<()> {
        if !self.folder.there() {
            return Err(Failure::storage(format!(
                "the folder {} is gone or has been replaced",
                self.folder.root().display()
            ))
            .hint("nothing is deleted elsewhere; put it back, or share the new one"));
        }
        let scan = self.folder.scan().map_err(|error| {
            Failure::storage(format!("cannot look into {}: {error}", self.folder.root().display()))
        })?;
        for (name, seen) in &scan {
            if let Seen::Skipped(skip) = seen {
                pass.skipped.insert(name.clone(), skip.reason().to_owned());
            }
        }
        self.finish_writes(&scan);
        self.take_edits(&scan, pass)?;
        self.take_moves(&scan, pass)?;
        self.write_files(pass)
    }

    /// Settles which version holds where a write was interrupted.
    fn finish_writes(&mut self, scan: &Scan) {
        for tracked in self.state.files.values_mut() {
            if let Some(writing) = tracked.writing.take()
                && scan.get(&tracked.name) == Some(&Seen::Text(writing.hash))
            {
                tracked.shadow = writing;
            }
        }
    }

    /// Turns edits of files into edits of their objects.
    fn take_edits(&mut self, scan: &Scan, pass: &mut Pass) -> Result<()> {
        let edited: Vec<ObjectId> = self
            .state
            .files
            .iter()
            .filter(|(_, tracked)| match scan.get(&tracked.name) {
                Some(Seen::Text(hash)) => *hash != tracked.shadow.hash,
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in edited {
            let Some(tracked) = self.state.files.get(&id).cloned() else { continue };
            let Content::Text { text, hash } = self.folder.read(&tracked.name) else { continue };
            if text.is_empty() && self.doubtful(&tracked.name, pass) {
                continue;
            }
            self.doubts.remove(&tracked.name);
            let shadow = self.take_edit(id, &tracked.shadow, &text, hash)?;
            if let (Some(shadow), Some(tracked)) = (shadow, self.state.files.get_mut(&id)) {
                tracked.shadow = shadow;
            }
            self.note_changed(id);
        }
        Ok(())
    }

    /// Applies to an object what was done to its file; the file's version as dots.
    fn take_edit(
        &mut self,
        id: ObjectId,
        shadow: &Shadow,
        text: &str,
        hash: [u8; 32],
    ) -> Result<Option<Shadow>> {
        let spans = shadow.spans.clone();
        let old = self.space.read_blocking(id, move |object| {
            let now = object.as_text()?;
            Some((now.text_of(&spans)?, now.spans()))
        })?;
        let Some((old, before)) = old.flatten() else { return Ok(None) };
        let changes = splices(&old, &shadow.spans, text);
        let mut deleted = CausalContext::default();
        for change in &changes {
            if let Edit::SpliceAt { delete, .. } = change {
                delete.iter().for_each(|range| {
                    deleted.insert_range(*range);
                });
            }
        }
        let edits = changes
            .into_iter()
            .map(|change| ObjectEdit { target: Target::Id(id), action: Action::Change(change) });
        let receipt = self.space.edit_blocking(edits.collect())?;
        let Some(now) = self.read(id)? else { return Ok(None) };
        let spans = version_of(&shadow.spans, &before, &deleted, &now.spans, receipt.log);
        let check = spans.clone();
        let read = self.space.read_blocking(id, move |object| {
            object.as_text().and_then(|text| text.text_of(&check))
        })?;
        let spans = if read.flatten().as_deref() == Some(text) { spans } else { now.spans };
        Ok(Some(Shadow { spans, hash }))
    }

    /// Turns new, renamed and removed files into the same of objects.
    fn take_moves(&mut self, scan: &Scan, pass: &mut Pass) -> Result<()> {
        let names: BTreeSet<&String> =
            self.state.files.values().map(|tracked| &tracked.name).collect();
        let mut new: Vec<String> = scan
            .iter()
            .filter(|(name, seen)| matches!(seen, Seen::Text(_)) && !names.contains(name))
            .map(|(name, _)| name.clone())
            .collect();
        let gone: Vec<ObjectId> = self
            .state
            .files
            .iter()
            .filter(|(_, tracked)| !scan.contains_key(&tracked.name))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.take_disappearance(id, &mut new, scan, pass)?;
        }
        for name in new {
            self.take_new(&name)?;
        }
        let missing = |name: &String| {
            !scan.contains_key(name) || scan.get(name) == Some(&Seen::Text(hash("")))
        };
        self.doubts.retain(|name, _| missing(name));
        Ok(())
    }

    fn take_disappearance(
        &mut self,
        id: ObjectId,
        new: &mut Vec<String>,
        scan: &Scan,
        pass: &mut Pass,
    ) -> Result<()> {
        let Some(tracked) = self.state.files.get(&id).cloned() else { return Ok(()) };
        let same = |name: &String| scan.get(name) == Some(&Seen::Text(tracked.shadow.hash));
        let empty = tracked.shadow.spans.is_empty();
        let view = self.view(id)?;
        let alive = view.as_ref().is_some_and(|view| !view.deleted);
        if let Some(at) = new.iter().position(same).filter(|_| alive && !empty) {
            let name = new.remove(at);
            self.edit(Target::Id(id), Action::Rename(name.clone()))?;
            if let Some(tracked) = self.state.files.get_mut(&id) {
                tracked.name = name;
            }
            self.note_changed(id);
            return Ok(());
        }
        if !alive {
            self.state.files.remove(&id);
            return Ok(());
        }
        if self.doubtful(&tracked.name, pass) {
            return Ok(());
        }
        self.doubts.remove(&tracked.name);
        let now = self.read(id)?;
        self.state.files.remove(&id);
        if now.is_some_and(|now| now.spans == tracked.shadow.spans) {
            self.edit(Target::Id(id), Action::Delete)?;
        }
        self.note_changed(id);
        Ok(())
    }

    /// Binds a file that is new here: to the object that says the same, or to an object of its own.
    fn take_new(&mut self, name: &str) -> Result<()> {
        let Content::Text { text, hash } = self.folder.read(name) else { return Ok(()) };
        let shown = self.find(name)?.filter(|id| !self.state.files.contains_key(id));
        if let Some(id) = shown
            && let Some(now) = self.read(id)?
            && now.text == text
        {
            self.track(id, name, now.spans, hash);
            return Ok(());
        }
        let target = Target::File { name: name.to_owned(), content: text.clone() };
        let edits = vec![ObjectEdit { target, action: Action::Create }];
        let receipt = self.space.edit_blocking(edits)?;
        let Some(id) = receipt.objects.first().copied() else { return Ok(()) };
        if let Some(now) = self.read(id)?
            && now.text == text
        {
            self.track(id, name, now.spans, hash);
        }
        self.note_changed(id);
        Ok(())
    }

    /// Writes what others did to the files.
    fn write_files(&mut self, pass: &mut Pass) -> Result<()> {
        let objects = self.space.objects_blocking()?;
        let live: BTreeMap<ObjectId, String> = objects
            .into_iter()
            .filter(|view| view.shape.kind() == Kind::Text)
            .map(|view| (view.id, view.name))
            .collect();
        let gone: Vec<ObjectId> =
            self.state.files.keys().filter(|id| !live.contains_key(id)).copied().collect();
        for id in gone {
            self.remove_file(id, pass);
        }
        for (id, name) in &live {
            self.rename_file(*id, name, pass);
        }
        let changed = self.changed.replace(BTreeSet::new());
        let due = live.iter().filter(|(id, _)| {
            changed.as_ref().is_none_or(|changed| changed.contains(id))
                || !self.state.files.contains_key(id)
        });
        let due: Vec<(ObjectId, String)> = due.map(|(id, name)| (*id, name.clone())).collect();
        let mut writes = Vec::new();
        for (id, name) in due {
            let Some(now) = self.read(id)? else { continue };
            let shadow = Shadow { hash: hash(&now.text), spans: now.spans };
            match self.state.files.get_mut(&id) {
                Some(tracked) if tracked.shadow.hash == shadow.hash => tracked.shadow = shadow,
                Some(tracked) => {
                    tracked.writing = Some(shadow);
                    writes.push((id, now.text));
                }
                None if !self.folder.accepts(&name) => {
                    pass.skipped.insert(name, "the name is not allowed in a folder".to_owned());
                }
                None => match self.folder.create(&name, &now.text) {
                    Ok(()) => {
                        let tracked = Tracked { name, shadow, writing: None };
                        self.state.files.insert(id, tracked);
                    }
                    Err(error) => self.retry(id, &name, &error, pass),
                },
            }
        }
        self.state.save()?;
        for (id, text) in writes {
            self.write_file(id, &text, pass);
        }
        Ok(())
    }

    fn write_file(&mut self, id: ObjectId, text: &str, pass: &mut Pass) {
        let Some(tracked) = self.state.files.get(&id).cloned() else { return };
        let Some(shadow) = tracked.writing else { return };
        match self.folder.replace(&tracked.name, text, tracked.shadow.hash) {
            Ok(true) => {
                if let Some(tracked) = self.state.files.get_mut(&id) {
                    tracked.shadow = shadow;
                    tracked.writing = None;
                }
            }
            Ok(false) => {
                if let Some(tracked) = self.state.files.get_mut(&id) {
                    tracked.writing = None;
                }
                self.note_changed(id);
                pass.again = true;
            }
            Err(error) => {
                if let Some(tracked) = self.state.files.get_mut(&id) {
                    tracked.writing = None;
                }
                self.retry(id, &tracked.name, &error, pass);
            }
        }
    }

    fn remove_file(&mut self, id: ObjectId, pass: &mut Pass) {
        let Some(tracked) = self.state.files.get(&id) else { return };
        let name = tracked.name.clone();
        match self.folder.read(&name) {
            Content::Text { hash, .. } if hash == tracked.shadow.hash => {
                match self.folder.remove(&name) {
                    Ok(()) => {
                        self.state.files.remove(&id);
                    }
                    Err(error) => self.retry(id, &name, &error, pass),
                }
            }
            Content::Text { .. } => pass.again = true,
            Content::Skipped(_) => {
                self.state.files.remove(&id);
            }
        }
    }

    fn rename_file(&mut self, id: ObjectId, name: &str, pass: &mut Pass) {
        let Some(tracked) = self.state.files.get(&id) else { return };
        if tracked.name == name {
            return;
        }
        if !self.folder.accepts(name) {
            pass.skipped.insert(name.to_owned(), "the name is not allowed in a folder".to_owned());
            return;
        }
        let from = tracked.name.clone();
        match self.folder.rename(&from, name) {
            Ok(()) => {
                if let Some(tracked) = self.state.files.get_mut(&id) {
                    name.clone_into(&mut tracked.name);
                }
            }
            Err(error) => self.retry(id, name, &error, pass),
        }
    }

    fn retry(&mut self, id: ObjectId, name: &str, error: &std::io::Error, pass: &mut Pass) {
        tracing::debug!(name, %error, "a file could not be written yet");
        self.note_changed(id);
        pass.again = true;
        if error.kind() != std::io::ErrorKind::AlreadyExists {
            pass.error = Some(Failure::storage(format!("{name}: {error}")));
        }
    }

    /// Whether it is too early to believe that a file is gone or empty.
    fn doubtful(&mut self, name: &str, pass: &mut Pass) -> bool {
        let since = *self.doubts.entry(name.to_owned()).or_insert_with(Instant::now);
        let doubtful = since.elapsed() < DOUBT;
        pass.again |= doubtful;
        doubtful
    }

    pub(super) fn note_changed(&mut self, id: ObjectId) {
        if let Some(changed) = &mut self.changed {
            changed.insert(id);
        }
    }

    fn track(&mut self, id: ObjectId, name: &str, spans: Vec<DotRange>, hash: [u8; 32]) {
        let shadow = Shadow { spans, hash };
        self.state.files.insert(id, Tracked { name: name.to_owned(), shadow, writing: None });
    }

    fn edit(&self, target: Target, action: Action) -> Result<()> {
        self.space.edit_blocking(vec![ObjectEdit { target, action }]).map(|_| ())
    }

    fn read(&self, id: ObjectId) -> Result<Option<Now>> {
        let now = self.space.read_blocking(id, |object| {
            object.as_text().map(|text| Now { text: text.to_string(), spans: text.spans() })
        })?;
        Ok(now.flatten())
    }

    fn view(&self, id: ObjectId) -> Result<Option<meshwork_protocol::ObjectView>> {
        self.space.object_blocking(id)
    }

    fn find(&self, name: &str) -> Result<Option<ObjectId>> {
        let objects = self.space.objects_blocking()?;
        let found =
            objects.into_iter().find(|view| view.name == name && view.shape.kind() == Kind::Text);
        Ok(found.map(|view| view.id))
    }
}

/// The dots of the version a file holds after its edit went into the object: what was there before without
/// what was deleted, and what this device has just inserted, in the object's order.
fn version_of(
    shadow: &[DotRange],
    before: &[DotRange],
    deleted: &CausalContext,
    now: &[DotRange],
    own: LogId,
) -> Vec<DotRange> {
    let set = |spans: &[DotRange]| {
        let mut dots = CausalContext::default();
        spans.iter().for_each(|range| {
            dots.insert_range(*range);
        });
        dots
    };
    let (shadow, before) = (set(shadow), set(before));
    let mut version: Vec<DotRange> = Vec::new();
    for span in now {
        let mut rest = *span;
        while rest.len > 0 {
            let (in_shadow, a) = shadow.prefix(rest);
            let (was_there, b) = before.prefix(rest);
            let (is_deleted, c) = deleted.prefix(rest);
            let taken = a.min(b).min(c);
            let inserted = rest.log == own && !was_there && !in_shadow;
            if (in_shadow && !is_deleted) || inserted {
                let part = DotRange { len: taken, ..rest };
                match version.last_mut() {
                    Some(last) if last.log == part.log && last.end() == part.start => {
                        last.len += part.len;
                    }
                    _ => version.push(part),
                }
            }
            rest = DotRange { start: rest.start + taken, len: rest.len - taken, ..rest };
        }
    }
    version
}
