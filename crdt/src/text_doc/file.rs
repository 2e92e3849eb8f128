//! The file of a text: what it says first, how it came about behind that, read only when needed.
//!
//! `MWTX`, a version byte, then sections: kind, stored length, raw length, CRC-32 of the stored bytes, bytes
//! (DEFLATE, RFC 1951). The byte table is in `docs/storage-format.md`. Sections of later updates may follow the
//! base one by one, so that saving again costs what is new.

use std::fmt;

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::blocks::{Growth, deflate};
use super::journal::{How, Journal, Op, varint};
use super::{TextDoc, UpdateError};
use crate::algebra::{Chars, Deletion, Elements, Id, Sequence, Side, Weave};
use crate::causal::CausalContext;
use crate::codec::{self, DecodeError, Decoder};
use crate::dot::{DotRange, LogId};

const MAGIC: &[u8; 4] = b"MWTX";
const VERSION: u8 = 1;
/// Which logs there are, and what has been seen of them.
const HEAD: u8 = 1;
const TEXT: u8 = 2;
const HISTORY: u8 = 3;
/// What waits for events not known yet, or came after the base was written.
const UPDATE: u8 = 4;
/// DEFLATE cannot expand by more than this factor.
const RATIO_MAX: usize = 1032;
/// What stands for deleted characters that a shallow file has left out.
const BLANK: char = '\u{fffd}';

/// Why a file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileError {
    /// It is no file of a text.
    Foreign,
    /// It is of a later version of the format.
    Newer {
        /// Which version.
        version: u8,
    },
    /// Its last addition was not written to its end; what comes before it can be read.
    Torn {
        /// How many bytes are whole.
        whole: usize,
    },
    /// Bytes have changed since it was written, or were never right.
    Corrupt {
        /// Where the section starts that is damaged.
        at: usize,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is no file of a text"),
            Self::Newer { version } => {
                write!(f, "the file has version {version}, this program reads up to {VERSION}")
            }
            Self::Torn { whole } => write!(
                f,
                "the last addition is incomplete; the first {whole} bytes are whole and can be read"
            ),
            Self::Corrupt { at } => write!(f, "the section at byte {at} is damaged"),
        }
    }
}

impl std::error::Error for FileError {}

/// A document whose history has not been read yet, and what has been typed into it meanwhile.
#[derive(Clone, Debug)]
pub(super) struct Frozen {
    text: String,
    len: u32,
    logs: Vec<LogId>,
    version: CausalContext,
    /// The text and the history as they were stored.
    sections: [Kept; 2],
    edits: Vec<FrozenEdit>,
}

#[derive(Clone, Debug)]
enum FrozenEdit {
    Insert { at: u32, text: String },
    Delete { at: u32, len: u32 },
}

impl Frozen {
    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn version(&self) -> &CausalContext {
        &self.version
    }

    fn byte_of(&self, at: u32) -> usize {
        if self.text.len() == self.len as usize {
            return at as usize;
        }
        self.text.char_indices().nth(at as usize).map_or(self.text.len(), |(byte, _)| byte)
    }

    pub fn insert(&mut self, at: u32, text: &str) {
        self.text.insert_str(self.byte_of(at), text);
        self.len += super::count(text).unwrap_or(0);
        match self.edits.last_mut() {
            Some(FrozenEdit::Insert { at: last, text: typed })
                if *last as usize + Chars::count(typed) == at as usize =>
            {
                typed.push_str(text);
            }
            _ => self.edits.push(FrozenEdit::Insert { at, text: text.to_owned() }),
        }
    }

    pub fn delete(&mut self, at: u32, len: u32) {
        let range = self.byte_of(at)..self.byte_of(at + len);
        self.text.drain(range);
        self.len -= len;
        self.edits.push(FrozenEdit::Delete { at, len });
    }
}

impl TextDoc {
    /// The whole document with all its history, for a file.
    ///
    /// # Errors
    /// A [`FileError`] if the file it was read from turns out to be damaged.
    pub fn save(&mut self) -> Result<Vec<u8>, FileError> {
        self.write(false)
    }

    /// The document without the characters that are deleted: smaller, and they are gone from it. It merges
    /// like the whole one, but cannot tell others of what it lacks, and shows � for it in old versions.
    ///
    /// # Errors
    /// A [`FileError`] if the file it was read from turns out to be damaged.
    pub fn save_shallow(&mut self) -> Result<Vec<u8>, FileError> {
        self.write(true)
    }

    /// What to append to a file that was written at a version, to bring it up to date.
    ///
    /// # Errors
    /// As of [`TextDoc::update_since`].
    pub fn save_since(&mut self, version: &CausalContext) -> Result<Vec<u8>, UpdateError> {
        let update = self.update_since(version)?;
        let mut file = Vec::new();
        section(&mut file, UPDATE, &update);
        Ok(file)
    }

    fn write(&mut self, shallow: bool) -> Result<Vec<u8>, FileError> {
        self.thaw()?;
        let (mut text, mut gone) = (String::with_capacity(self.chars.len()), String::new());
        let mut names: Vec<LogId> = Vec::new();
        let mut blank = self.blank.clone();
        if let Some(weave) = self.chars.weave() {
            names.extend(weave.logs.iter().map(|log| log.name));
            for piece in weave.pieces.iter() {
                let slice = weave.slice(piece.first, piece.len());
                if piece.visible() {
                    text.push_str(slice);
                    continue;
                }
                gone.push_str(slice);
                if shallow {
                    weave.dots_of(piece.first, piece.len()).for_each(|range| {
                        blank.insert_range(range);
                    });
                }
            }
        }
        let mut head = Vec::new();
        varint(&mut head, small(names.len()));
        names.iter().for_each(|name| head.extend_from_slice(&name.0));
        let version = codec::to_bytes(&self.placed_version());
        varint(&mut head, small(version.len()));
        head.extend_from_slice(&version);
        head.extend_from_slice(&codec::to_bytes(&blank));
        let columns = self.journal.columns();
        let mut start = vec![u8::from(shallow)];
        varint(&mut start, small(Chars::count(&gone)));
        for column in columns {
            varint(&mut start, small(column.len()));
        }
        let mut history = vec![(start.as_slice(), Growth::Inside)];
        history.extend(columns.map(|column| (column, Growth::AtEnd)));
        if !shallow {
            history.push((gone.as_bytes(), Growth::Inside));
        }
        let text = [(text.as_bytes(), Growth::Inside)];
        let mut file = MAGIC.to_vec();
        file.push(VERSION);
        section(&mut file, HEAD, &head);
        for (kind, parts) in [(TEXT, text.as_slice()), (HISTORY, history.as_slice())] {
            let raw_len = parts.iter().map(|(part, _)| part.len()).sum();
            stored_section(&mut file, kind, raw_len, &self.blocks.deflate(parts));
        }
        self.blocks.finish();
        if let Some(update) = self.waiting() {
            section(&mut file, UPDATE, &update);
        }
        Ok(file)
    }

    /// Opens what [`TextDoc::save`] wrote, with whatever was appended. The text is there at once; the history
    /// is read when something needs it. Edits go to `log`.
    ///
    /// # Errors
    /// A [`FileError`].
    pub fn load(log: LogId, file: &[u8]) -> Result<Self, FileError> {
        let mut sections = Sections::open(file)?;
        let head = sections.next_of(HEAD)?;
        let raw = head.raw()?;
        let damaged = FileError::Corrupt { at: head.at };
        let (logs, version, blank) = read_head(&raw).map_err(|_| damaged)?;
        let text = sections.next_of(TEXT)?;
        let history = sections.next_of(HISTORY)?;
        let damaged = FileError::Corrupt { at: text.at };
        let shown = String::from_utf8(text.raw()?).map_err(|_| damaged)?;
        let mut doc = Self::new(log);
        doc.blank = blank;
        doc.next = u32::try_from(version.next(log).seq).map_err(|_| FileError::Foreign)?;
        doc.told = doc.next;
        doc.frozen = Some(Box::new(Frozen {
            len: small(Chars::count(&shown)),
            text: shown,
            logs,
            version,
            sections: [text.keep(), history.keep()],
            edits: Vec::new(),
        }));
        while let Some(update) = sections.next()? {
            let raw = update.raw()?;
            doc.thaw()?;
            doc.apply(&raw).map_err(|_| FileError::Corrupt { at: update.at })?;
        }
        Ok(doc)
    }

    /// Reads the history, if that has not been done.
    pub(super) fn thaw(&mut self) -> Result<(), FileError> {
        let Some(frozen) = &self.frozen else { return Ok(()) };
        let damaged = FileError::Corrupt { at: frozen.sections[1].at };
        let (chars, journal) = frozen.read().map_err(|_| damaged)?;
        if chars.version() != frozen.version {
            return Err(damaged);
        }
        let Some(frozen) = self.frozen.take() else { return Ok(()) };
        (self.chars, self.journal) = (chars, journal);
        let mut next = u32::try_from(frozen.version.next(self.log).seq).unwrap_or(u32::MAX);
        for edit in frozen.edits {
            match edit {
                FrozenEdit::Insert { at, text } => {
                    let len = super::count(&text).unwrap_or(0);
                    self.insert_at(next, at, len, &text);
                    next += len;
                }
                FrozenEdit::Delete { at, len } => {
                    self.delete_at(next, at, len);
                    next += len;
                }
            }
        }
        Ok(())
    }
}

impl Frozen {
    /// The sequence and the journal as they were written.
    fn read(&self) -> Result<(Sequence<char, Chars>, Journal), DecodeError> {
        let [text, history] = &self.sections;
        let text = text.raw().ok_or(DecodeError::Invalid)?;
        let text = std::str::from_utf8(&text).map_err(|_| DecodeError::Invalid)?;
        let raw = history.raw().ok_or(DecodeError::Invalid)?;
        let mut from = Decoder::plain(&raw);
        let shallow = from.byte()? == 1;
        let count = usize::try_from(from.varint()?).map_err(|_| DecodeError::Invalid)?;
        let lens = [from.varint()?, from.varint()?, from.varint()?];
        let mut columns = [&[][..]; 3];
        for (column, len) in columns.iter_mut().zip(lens) {
            *column = from.raw(usize::try_from(len).map_err(|_| DecodeError::Invalid)?)?;
        }
        let most = (raw.len() + text.len()).saturating_mul(RATIO_MAX);
        if shallow && count > most {
            return Err(DecodeError::Invalid);
        }
        let gone = if shallow {
            std::iter::repeat_n(BLANK, count).collect()
        } else {
            String::from_utf8(from.rest().to_vec()).map_err(|_| DecodeError::Invalid)?
        };
        if !shallow && Chars::count(&gone) != count {
            return Err(DecodeError::Invalid);
        }
        let mut journal = Journal::of_columns(columns);
        let mut chars = Sequence::<char, Chars>::default();
        if self.logs.is_empty() {
            journal.replay(|_| Err(DecodeError::Invalid))?;
            return Ok((chars, journal));
        }
        let weave = chars.weave_mut();
        let known = self.logs.iter().map(|name| weave.log(*name)).collect::<Vec<_>>();
        if known.len() != weave.logs.len() {
            return Err(DecodeError::Invalid);
        }
        // The characters are not known before all places are: blanks stand for them meanwhile.
        let blanks = " ".repeat(Chars::count(text) + count);
        let mut left = blanks.as_str();
        journal.replay(|op| redo(weave, &op, &mut left))?;
        if !left.is_empty() || !fill(weave, text, &gone) {
            return Err(DecodeError::Invalid);
        }
        Ok((chars, journal))
    }
}

/// Does an operation again, with blanks for what it inserts.
fn redo(weave: &mut Weave<Chars>, op: &Op, blanks: &mut &str) -> Result<(), DecodeError> {
    let log = weave.logs.get(op.log as usize).ok_or(DecodeError::Invalid)?;
    let len = op.len as usize;
    if u64::from(op.seq) < log.end() {
        let dots = DotRange { log: log.name, start: op.seq.into(), len: op.len.into() };
        if log.inserted(dots).next().is_some() || log.deleted(dots).next().is_some() {
            return Err(DecodeError::Invalid);
        }
    }
    let is_known = |id: Id, len: u32| {
        let elements = weave.logs.get(id.log as usize).map(|log| log.elements.len());
        elements.is_some_and(|elements| id.at.checked_add(len).is_some_and(|end| end <= elements))
    };
    let inside = |at: u32, len: u32| at.checked_add(len).is_some_and(|end| end <= weave.len());
    let fits = match op.how {
        How::Insert { at } => len <= blanks.len() && inside(at, 0),
        How::Place { parent, side, origin } => {
            len <= blanks.len()
                && (is_known(parent, 1) || parent.is_none() && side == Side::Right)
                && (is_known(origin, 1) || origin.is_none())
        }
        How::Delete { at, .. } => inside(at, op.len),
        How::Again { target, backward: false } => is_known(target, op.len),
        How::Again { target, backward: true } => is_known(target, 1) && target.at + 1 >= op.len,
    };
    if !fits {
        return Err(DecodeError::Invalid);
    }
    let mut take = || {
        let (taken, rest) = blanks.split_at_checked(len).unwrap_or_default();
        *blanks = rest;
        taken
    };
    match op.how {
        How::Insert { at } => {
            weave.insert_at(op.log, op.seq, at, take());
        }
        How::Place { parent, side, origin } => {
            weave.place_at(op.log, op.seq, (parent, side, origin), take());
        }
        How::Delete { at, backward } => weave.delete_at(op.log, op.seq, at, op.len, backward),
        How::Again { target, backward } => {
            weave.delete(op.log, Deletion::new(op.seq, target, op.len, backward), &mut ());
        }
    }
    Ok(())
}

/// Puts the characters where blanks are; tells whether there were as many.
fn fill(weave: &mut Weave<Chars>, text: &str, gone: &str) -> bool {
    let mut parts: Vec<(Id, &str)> = Vec::new();
    let (mut text, mut gone) = (text, gone);
    for piece in weave.pieces.iter() {
        let from = if piece.visible() { &mut text } else { &mut gone };
        let slice = Chars::cut(from, 0, piece.len() as usize);
        *from = from.get(slice.len()..).unwrap_or_default();
        parts.push((piece.first, slice));
    }
    parts.sort_unstable_by_key(|(first, _)| *first);
    let mut filled: Vec<Chars> = weave.logs.iter().map(|_| Chars::default()).collect();
    for (first, slice) in parts {
        if let Some(chars) = filled.get_mut(first.log as usize) {
            chars.push(slice);
        }
    }
    let whole =
        filled.iter().zip(&weave.logs).all(|(chars, log)| chars.len() == log.elements.len());
    if whole && text.is_empty() && gone.is_empty() {
        weave.replace_elements(filled);
        return true;
    }
    false
}

fn read_head(head: &[u8]) -> Result<(Vec<LogId>, CausalContext, CausalContext), DecodeError> {
    let mut from = Decoder::plain(head);
    let mut logs = Vec::new();
    for _ in 0..from.count()? {
        logs.push(LogId(from.raw(16)?.try_into().map_err(|_| DecodeError::Truncated)?));
    }
    let version = codec::from_bytes(from.bytes()?)?;
    let blank = codec::from_bytes(from.rest())?;
    Ok((logs, version, blank))
}

/// The sections of a file, one by one.
struct Sections<'a> {
    file: &'a [u8],
    at: usize,
}

/// A section as it stands in a file.
struct Section<'a> {
    at: usize,
    kind: u8,
    raw_len: usize,
    stored: &'a [u8],
}

/// A section kept for later.
#[derive(Clone, Debug)]
struct Kept {
    at: usize,
    raw_len: usize,
    stored: Vec<u8>,
}

impl Kept {
    fn raw(&self) -> Option<Vec<u8>> {
        inflate(&self.stored, self.raw_len)
    }
}

impl Section<'_> {
    fn raw(&self) -> Result<Vec<u8>, FileError> {
        inflate(self.stored, self.raw_len).ok_or(FileError::Corrupt { at: self.at })
    }

    fn keep(&self) -> Kept {
        Kept { at: self.at, raw_len: self.raw_len, stored: self.stored.to_vec() }
    }
}

impl<'a> Sections<'a> {
    fn open(file: &'a [u8]) -> Result<Self, FileError> {
        let head = file.strip_prefix(MAGIC).ok_or(FileError::Foreign)?;
        match head.first() {
            Some(&VERSION) => Ok(Self { file, at: MAGIC.len() + 1 }),
            Some(&version) => Err(FileError::Newer { version }),
            None => Err(FileError::Foreign),
        }
    }

    fn next(&mut self) -> Result<Option<Section<'a>>, FileError> {
        let at = self.at;
        let rest = self.file.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let mut from = Decoder::plain(rest);
        let mut read = || {
            let kind = from.byte()?;
            let stored_len = usize::try_from(from.varint()?).map_err(|_| DecodeError::Truncated)?;
            let raw_len = usize::try_from(from.varint()?).map_err(|_| DecodeError::Truncated)?;
            let sum = from.raw(4)?;
            let stored = from.raw(stored_len)?;
            Ok::<_, DecodeError>((kind, raw_len, sum, stored, from.rest().len()))
        };
        let torn = FileError::Torn { whole: at };
        let (kind, raw_len, sum, stored, left) = read().map_err(|_| torn)?;
        if sum != checksum(stored) {
            return Err(FileError::Corrupt { at });
        }
        self.at = self.file.len() - left;
        Ok(Some(Section { at, kind, raw_len, stored }))
    }

    /// The next section, which must be of a kind.
    fn next_of(&mut self, kind: u8) -> Result<Section<'a>, FileError> {
        let at = self.at;
        match self.next() {
            Ok(Some(section)) if section.kind == kind => Ok(section),
            Err(error @ FileError::Corrupt { .. }) => Err(error),
            _ => Err(FileError::Corrupt { at }),
        }
    }
}

fn small(len: usize) -> u32 {
    u32::try_from(len).expect("a text has fewer than 2^30 characters")
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_le_bytes()
}

fn section(file: &mut Vec<u8>, kind: u8, raw: &[u8]) {
    stored_section(file, kind, raw.len(), &deflate(raw));
}

fn stored_section(file: &mut Vec<u8>, kind: u8, raw_len: usize, stored: &[u8]) {
    file.push(kind);
    varint(file, small(stored.len()));
    varint(file, small(raw_len));
    file.extend_from_slice(&checksum(stored));
    file.extend_from_slice(stored);
}

/// What was compressed to this, if it was this long.
pub(super) fn inflate(stored: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    if raw_len > stored.len().saturating_mul(RATIO_MAX) + 64 {
        return None;
    }
    let mut raw = Vec::with_capacity(raw_len);
    let mut inflater = Decompress::new(false);
    let status = inflater.decompress_vec(stored, &mut raw, FlushDecompress::Finish).ok()?;
    let ended = status == Status::StreamEnd || raw.len() == raw_len;
    (ended && raw.len() == raw_len).then_some(raw)
}
