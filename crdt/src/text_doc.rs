//! A text that one device edits in place: the engine of an editor.
//!
//! Edits and updates of others in → a text, updates and splices out. Every event has a dot of its log, so all
//! versions can be shown, compared and merged. A document opened from a file shows its text at once and can be
//! typed into; its history is read when something first needs it. Not here: marks, and texts inside of other
//! objects, which are [`crate::Text`] over the same sequence.

use std::fmt;

use crate::algebra::{Chars, Elements, Patch, Sequence, Unit};
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange, LogId};

mod blocks;
mod file;
mod journal;
mod undo;
mod update;

pub use file::FileError;
pub use update::UpdateError;

use blocks::Blocks;
use file::Frozen;
use journal::Journal;
use undo::Steps;

/// A place or a range that is not in the text; the text has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such place in the text")
    }
}

impl std::error::Error for OutOfRange {}

/// What an editor that shows the text has to do: at `at`, take `delete` characters away and put `insert` there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Splice<'a> {
    /// Index of the first character concerned.
    pub at: usize,
    /// How many characters go.
    pub delete: usize,
    /// What comes.
    pub insert: &'a str,
}

/// A place in a text that moves with what stands around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// Before everything.
    Start,
    /// Right after a character, or where it stood.
    After(Dot),
    /// Right before a character, or where it stood.
    Before(Dot),
    /// After everything.
    End,
}

/// Which neighbour a place keeps to when something is inserted right there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// The character before.
    Left,
    /// The character after.
    Right,
}

/// A text and the log that its edits go to. Indices count characters (Unicode scalar values) unless a
/// [`Unit`] is named.
///
/// A log is written by one document only: two that write the same log diverge.
///
/// ```
/// use meshwork_crdt::{LogId, TextDoc};
/// let mut ann = TextDoc::new(LogId([1; 16]));
/// ann.insert(0, "Helo").unwrap();
/// let mut ben = TextDoc::new(LogId([2; 16]));
/// ben.apply(&ann.update()).unwrap();
/// ann.insert(3, "l").unwrap();
/// ben.insert(4, "!").unwrap();
/// let (from_ann, from_ben) = (ann.update(), ben.update());
/// ann.apply(&from_ben).unwrap();
/// ben.apply(&from_ann).unwrap();
/// assert_eq!(ann.to_string(), "Hello!");
/// assert_eq!(ben.to_string(), "Hello!");
/// ```
#[derive(Clone, Debug)]
pub struct TextDoc {
    log: LogId,
    /// The number of the log's next event, and of the first that no update has told yet.
    next: u32,
    told: u32,
    chars: Sequence<char, Chars>,
    /// The number of the log in the sequence.
    own: Option<u32>,
    journal: Journal,
    frozen: Option<Box<Frozen>>,
    /// Deleted characters that a shallow file has left out.
    blank: CausalContext,
    /// What was compressed for the last file.
    blocks: Blocks,
    steps: Steps,
}

impl TextDoc {
    /// An empty text.
    #[must_use]
    pub fn new(log: LogId) -> Self {
        Self {
            log,
            next: 1,
            told: 1,
            chars: Sequence::default(),
            own: None,
            journal: Journal::default(),
            frozen: None,
            blank: CausalContext::default(),
            blocks: Blocks::default(),
            steps: Steps::default(),
        }
    }

    /// The log that edits go to.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Number of characters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frozen.as_ref().map_or_else(|| self.chars.len(), |frozen| frozen.len())
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Inserts before the character at `at`. O(log n), O(1) where the last edit ended.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn insert(&mut self, at: usize, text: &str) -> Result<(), OutOfRange> {
        if at > self.len() {
            return Err(OutOfRange);
        }
        let len = count(text).filter(|len| self.next.checked_add(*len).is_some());
        let (at, len) = (index(at)?, len.ok_or(OutOfRange)?);
        if len == 0 {
            return Ok(());
        }
        self.next += len;
        if let Some(frozen) = &mut self.frozen {
            frozen.insert(at, text);
        } else {
            self.insert_at(self.next - len, at, len, text);
        }
        Ok(())
    }

    /// Deletes `len` characters from `at` on. O(log n) and the pieces deleted.
    ///
    /// # Errors
    /// [`OutOfRange`].
    pub fn delete(&mut self, at: usize, len: usize) -> Result<(), OutOfRange> {
        if at.checked_add(len).is_none_or(|end| end > self.len()) {
            return Err(OutOfRange);
        }
        let (at, len) = (index(at)?, index(len)?);
        let next = self.next.checked_add(len).ok_or(OutOfRange)?;
        if len == 0 {
            return Ok(());
        }
        if let Some(frozen) = &mut self.frozen {
            frozen.delete(at, len);
        } else {
            self.delete_at(self.next, at, len);
        }
        self.next = next;
        Ok(())
    }

    fn insert_at(&mut self, seq: u32, at: u32, len: u32, text: &str) {
        let weave = self.chars.weave_mut();
        let own = *self.own.get_or_insert_with(|| weave.log(self.log));
        weave.insert_at(own, seq, at, text);
        self.journal.insert(own, seq, at, len);
    }

    fn delete_at(&mut self, seq: u32, at: u32, len: u32) {
        let weave = self.chars.weave_mut();
        let own = *self.own.get_or_insert_with(|| weave.log(self.log));
        weave.delete_at(own, seq, at, len, false);
        self.journal.delete(own, seq, at, len, false);
    }

    /// How many units come before a character; `None` if there is no such place.
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn offset(&mut self, unit: Unit, at: usize) -> Result<Option<usize>, FileError> {
        self.thaw()?;
        Ok(self.chars.offset(unit, at))
    }

    /// Which character starts after so many units; `None` if none does, nor the end.
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn index(&mut self, unit: Unit, offset: usize) -> Result<Option<usize>, FileError> {
        self.thaw()?;
        Ok(self.chars.index(unit, offset))
    }

    /// A place that keeps to its neighbour; `None` if it is not in the text.
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn anchor(&mut self, at: usize, bias: Bias) -> Result<Option<Anchor>, FileError> {
        self.thaw()?;
        if at > self.chars.len() {
            return Ok(None);
        }
        Ok(Some(match bias {
            Bias::Left => {
                let before = at.checked_sub(1).and_then(|at| self.chars.dot_at(at));
                before.map_or(Anchor::Start, Anchor::After)
            }
            Bias::Right => self.chars.dot_at(at).map_or(Anchor::End, Anchor::Before),
        }))
    }

    /// Where an anchor stands now; `None` if it keeps to a character that is not known here.
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn resolve(&mut self, anchor: Anchor) -> Result<Option<usize>, FileError> {
        self.thaw()?;
        Ok(match anchor {
            Anchor::Start => Some(0),
            Anchor::End => Some(self.chars.len()),
            Anchor::Before(dot) => self.chars.position_of(dot),
            Anchor::After(dot) => self.chars.position_of(dot).map(|at| {
                let shows = self.chars.dot_at(at) == Some(dot);
                at + usize::from(shows)
            }),
        })
    }

    /// The events seen: a version to come back to, or to be brought up to date from.
    #[must_use]
    pub fn version(&self) -> CausalContext {
        let mut version = match &self.frozen {
            Some(frozen) => frozen.version().clone(),
            None => self.chars.version(),
        };
        if self.next > 1 {
            let len = u64::from(self.next - 1);
            version.insert_range(DotRange { log: self.log, start: 1, len });
        }
        version
    }

    /// The events that have their places.
    fn placed_version(&self) -> CausalContext {
        self.chars.version()
    }

    /// The text as it was when just the events of a version had been seen. O(all runs ever).
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn at(&mut self, version: &CausalContext) -> Result<String, FileError> {
        self.thaw()?;
        Ok(self.chars.at(version).collect())
    }

    /// How one version becomes another. O(all runs ever).
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn diff(
        &mut self,
        from: &CausalContext,
        to: &CausalContext,
    ) -> Result<Vec<Patch<&str>>, FileError> {
        self.thaw()?;
        Ok(self.chars.patches(from, to))
    }

    /// Who inserted the characters of a range, and as which events; `None` if it is not in the text.
    ///
    /// # Errors
    /// A [`FileError`] if the history cannot be read.
    pub fn blame(&mut self, at: usize, len: usize) -> Result<Option<Vec<DotRange>>, FileError> {
        self.thaw()?;
        Ok(self.chars.slice(at, len))
    }
}

impl fmt::Display for TextDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.frozen {
            Some(frozen) => f.write_str(frozen.text()),
            None => self.chars.slices().try_for_each(|slice| f.write_str(slice)),
        }
    }
}

/// Equal documents have seen the same events, whatever log they write.
impl PartialEq for TextDoc {
    fn eq(&self, other: &Self) -> bool {
        let thawed = |doc: &Self| {
            let mut doc = doc.clone();
            doc.thaw().is_ok().then_some(doc.chars)
        };
        match (&self.frozen, &other.frozen) {
            (None, None) => self.chars == other.chars,
            _ => thawed(self).is_some_and(|chars| thawed(other) == Some(chars)),
        }
    }
}

fn count(text: &str) -> Option<u32> {
    u32::try_from(Chars::count(text)).ok()
}

fn index(n: usize) -> Result<u32, OutOfRange> {
    u32::try_from(n).map_err(|_| OutOfRange)
}
