//! What happened to a text here, in the order in which it happened: the history column of a file.
//!
//! An operation is kept by the index at which it took effect, which is small and regular, as long as replaying
//! it there does the same; else by the elements it names. Operations that continue each other are one. In
//! memory it is what it is in a file: three columns of bytes, and the last operation open.

use crate::algebra::{Chars, Cursor, Deletion, Id, Side, Watch, Weave};
use crate::codec::{DecodeError, Decoder};

/// How an operation took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Inserted before an index.
    Insert { at: u32 },
    /// Inserted at a place in the tree.
    Place { parent: Id, side: Side, origin: Id },
    /// Deleted from an index on, the last one first if backward.
    Delete { at: u32, backward: bool },
    /// Deleted what was deleted already.
    Again { target: Id, backward: bool },
}

/// An operation: the events of a log from a number on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub log: u32,
    pub seq: u32,
    pub len: u32,
    pub how: How,
}

const KIND: u8 = 3;
const INSERT: u8 = 0;
const PLACE: u8 = 1;
const DELETE: u8 = 2;
const AGAIN: u8 = 3;
/// Backward, or a left child.
const LEFT: u8 = 4;
/// It is by another log than the one before.
const LOG: u8 = 8;
/// It does not follow what its log did before.
const SEQ: u8 = 16;
/// It is one element.
const ONE: u8 = 32;
/// It is where the one before ended.
const HERE: u8 = 64;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Journal {
    tags: Vec<u8>,
    places: Vec<u8>,
    lens: Vec<u8>,
    open: Option<Op>,
    /// Where the last closed operation ended, its log, and for each log its next number.
    state: State,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    at: u32,
    log: u32,
    next: Vec<u32>,
}

impl State {
    fn next_of(&mut self, log: u32) -> &mut u32 {
        let log = log as usize;
        if self.next.len() <= log {
            self.next.resize(log + 1, 1);
        }
        self.next.get_mut(log).expect("it has just been made long enough")
    }

    fn pass(&mut self, op: &Op) {
        *self.next_of(op.log) = op.seq.saturating_add(op.len);
        self.log = op.log;
        match op.how {
            How::Insert { at } => self.at = at.saturating_add(op.len),
            How::Delete { at, .. } => self.at = at,
            How::Place { .. } | How::Again { .. } => {}
        }
    }
}

impl Op {
    /// Takes in what follows at once, if it is more of the same; tells whether it is.
    fn append(&mut self, next: &Self) -> bool {
        if self.log != next.log || self.seq + self.len != next.seq {
            return false;
        }
        let continues = match (&mut self.how, next.how) {
            (How::Insert { at }, How::Insert { at: then }) => *at + self.len == then,
            (How::Place { .. }, _) => false,
            (How::Delete { at, backward }, How::Delete { at: then, backward: again }) => {
                let (one, other) = (self.len == 1, next.len == 1);
                if then == *at && (one || !*backward) && (other || !again) {
                    *backward = false;
                    true
                } else if then + next.len == *at && (one || *backward) && (other || again) {
                    (*at, *backward) = (then, true);
                    true
                } else {
                    false
                }
            }
            _ => false,
        };
        if continues {
            self.len += next.len;
        }
        continues
    }
}

impl Journal {
    pub fn insert(&mut self, log: u32, seq: u32, at: u32, len: u32) {
        self.add(Op { log, seq, len, how: How::Insert { at } });
    }

    pub fn delete(&mut self, log: u32, seq: u32, at: u32, len: u32, backward: bool) {
        self.add(Op { log, seq, len, how: How::Delete { at, backward } });
    }

    pub fn add(&mut self, op: Op) {
        if self.open.as_mut().is_some_and(|open| open.append(&op)) {
            return;
        }
        self.close();
        self.open = Some(op);
    }

    /// Writes the open operation down.
    fn close(&mut self) {
        let Some(op) = self.open.take() else { return };
        let state = &mut self.state;
        let log_differs = op.log != state.log;
        let seq_differs = *state.next_of(op.log) != op.seq;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let mut tag = flag(log_differs, LOG) | flag(seq_differs, SEQ) | flag(op.len == 1, ONE);
        if log_differs {
            varint(&mut self.lens, op.log);
        }
        if seq_differs {
            varint(&mut self.lens, op.seq);
        }
        match op.how {
            How::Insert { at } => {
                tag |= INSERT | flag(at == state.at, HERE);
                if at != state.at {
                    signed(&mut self.places, at, state.at);
                }
            }
            How::Delete { at, backward } => {
                let end = if backward { at + op.len } else { at };
                tag |= DELETE | flag(end == state.at, HERE) | flag(backward, LEFT);
                if end != state.at {
                    signed(&mut self.places, end, state.at);
                }
            }
            How::Place { parent, side, origin } => {
                tag |= PLACE | flag(side == Side::Left, LEFT);
                id(&mut self.lens, parent);
                if side == Side::Right {
                    id(&mut self.lens, origin);
                }
            }
            How::Again { target, backward } => {
                tag |= AGAIN | flag(backward, LEFT);
                id(&mut self.lens, target);
            }
        }
        if op.len != 1 {
            varint(&mut self.lens, op.len);
        }
        self.tags.push(tag);
        state.pass(&op);
    }

    /// The columns, with everything written down.
    pub fn columns(&mut self) -> [&[u8]; 3] {
        self.close();
        [&self.tags, &self.places, &self.lens]
    }

    /// A journal of columns that have been read.
    pub fn of_columns([tags, places, lens]: [&[u8]; 3]) -> Self {
        Self {
            tags: tags.to_vec(),
            places: places.to_vec(),
            lens: lens.to_vec(),
            open: None,
            state: State::default(),
        }
    }

    /// Shows all operations written down in order, and notes where they end.
    pub fn replay(
        &mut self,
        mut each: impl FnMut(Op) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut places = Decoder::plain(&self.places);
        let mut lens = Decoder::plain(&self.lens);
        let mut state = State::default();
        for tag in &self.tags {
            let log = if tag & LOG == 0 { state.log } else { small(&mut lens)? };
            if log as usize > state.next.len() {
                return Err(DecodeError::Invalid);
            }
            let seq = if tag & SEQ == 0 { *state.next_of(log) } else { small(&mut lens)? };
            let here = |places: &mut Decoder<'_>, at| {
                if tag & HERE == 0 { unsigned(places, at) } else { Ok(at) }
            };
            let left = tag & LEFT != 0;
            let mut how = match tag & KIND {
                INSERT => How::Insert { at: here(&mut places, state.at)? },
                DELETE => How::Delete { at: here(&mut places, state.at)?, backward: left },
                PLACE => {
                    let parent = read_id(&mut lens)?;
                    let side = if left { Side::Left } else { Side::Right };
                    let origin = if left { Id::NONE } else { read_id(&mut lens)? };
                    How::Place { parent, side, origin }
                }
                _ => How::Again { target: read_id(&mut lens)?, backward: left },
            };
            let len = if tag & ONE == 0 { small(&mut lens)? } else { 1 };
            if let How::Delete { at, backward: true } = &mut how {
                *at = at.checked_sub(len).ok_or(DecodeError::Invalid)?;
            }
            if len == 0 || seq == 0 || seq.checked_add(len).is_none() {
                return Err(DecodeError::Invalid);
            }
            let op = Op { log, seq, len, how };
            each(op)?;
            state.pass(&op);
        }
        places.finish()?;
        lens.finish()?;
        self.state = state;
        Ok(())
    }
}

/// A journal hears of what comes in from elsewhere, and whoever shows the text hears of it too.
pub(super) struct Listening<'a, F> {
    pub journal: &'a mut Journal,
    pub splice: F,
}

impl<F: FnMut(u32, u32, &str)> Watch<Chars> for Listening<'_, F> {
    fn typed(&mut self, weave: &Weave<Chars>, at: Cursor, first: Id, seq: u32, len: u32) {
        let index = weave.width_before(at).items;
        self.journal.insert(first.log, seq, index, len);
        (self.splice)(index, 0, weave.slice(first, len));
    }

    fn inserted(&mut self, weave: &Weave<Chars>, at: Cursor, first: Id, len: u32) {
        let (record, seq) = weave.record_of(first);
        let index = weave.width_before(at).items;
        let before = weave.pieces.prev(at);
        let next = weave.pieces.next(Cursor { offset: at.offset + len - 1, ..at });
        let natural = before.is_none_or(|before| weave.pieces.piece(before).visible())
            && weave.slot_between(before, next) == record;
        let (parent, side, origin) = record;
        let how =
            if natural { How::Insert { at: index } } else { How::Place { parent, side, origin } };
        self.journal.add(Op { log: first.log, seq, len, how });
        (self.splice)(index, 0, weave.slice(first, len));
    }

    fn deleted(&mut self, log: u32, deletion: Deletion, index: Option<u32>) {
        let (seq, len, backward) = (deletion.seq, deletion.len(), deletion.backward());
        let how = match index {
            Some(at) => How::Delete { at, backward: backward && len > 1 },
            None => How::Again { target: deletion.target, backward: backward && len > 1 },
        };
        self.journal.add(Op { log, seq, len, how });
        if let Some(index) = index {
            (self.splice)(index, len, "");
        }
    }
}

pub(super) fn varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Writes how far a number is from another.
fn signed(out: &mut Vec<u8>, number: u32, from: u32) {
    let by = number.wrapping_sub(from).cast_signed();
    varint(out, (by.wrapping_shl(1) ^ (by >> 31)).cast_unsigned());
}

fn unsigned(from: &mut Decoder<'_>, base: u32) -> Result<u32, DecodeError> {
    let coded = small(from)?;
    let by = (coded >> 1).cast_signed() ^ -(coded & 1).cast_signed();
    base.checked_add_signed(by).ok_or(DecodeError::Invalid)
}

fn small(from: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    u32::try_from(from.varint()?).map_err(|_| DecodeError::Invalid)
}

fn id(out: &mut Vec<u8>, id: Id) {
    if id.is_none() {
        varint(out, 0);
    } else {
        varint(out, id.log + 1);
        varint(out, id.at);
    }
}

fn read_id(from: &mut Decoder<'_>) -> Result<Id, DecodeError> {
    match small(from)?.checked_sub(1) {
        None => Ok(Id::NONE),
        Some(log) => Ok(Id { log, at: small(from)? }),
    }
}
