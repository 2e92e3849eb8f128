//! An object of any shape, for those who do not know its Rust type.
//!
//! Edits in words of the user in → encoded deltas out; deltas of others in → a changed object. A delta may
//! speak only for its author: new dots, sums and stamps of another log make the whole delta void.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::causal::CausalContext;
use crate::codec::{self, Decode, DecodeError, Decoder, Encode, Encoder, LogTable};
use crate::counter::PnCounter;
use crate::dot::{Dot, DotRange};
use crate::lattice::Lattice;
use crate::map::LwwMap;
use crate::register::LwwRegister;
use crate::sequence::Sequence;
use crate::set::AwSet;
use crate::text::{IMPORT_CHUNK_CHARS, Text};
use crate::time::Writer;
use crate::value::{VALUE_DEPTH_MAX, Value, depth};

/// Longest encoded delta that an edit makes, in bytes.
pub const DELTA_BYTES_MAX: usize = 16 * 1024;
/// What a delta may add to the value it carries, in bytes.
const DELTA_OVERHEAD_BYTES: usize = 512;
/// Most dots or ranges in one delta; each takes at most 14 bytes.
const DOTS_PER_DELTA: usize = 1000;

/// The type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One value; the latest write wins.
    Register,
    /// Values by key; the latest write of each key wins.
    Map,
    /// A number; every change counts.
    Counter,
    /// Values without order; a concurrent addition wins over a removal.
    Set,
    /// Text, merged by character.
    Text,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 5] = [Self::Register, Self::Map, Self::Counter, Self::Set, Self::Text];

    /// The number that stands for the shape wherever bytes are kept.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Register => 1,
            Self::Map => 2,
            Self::Counter => 3,
            Self::Set => 4,
            Self::Text => 5,
        }
    }

    /// The shape a number stands for.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.code() == code)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "register",
            Self::Map => "map",
            Self::Counter => "counter",
            Self::Set => "set",
            Self::Text => "text",
        })
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|shape| shape.to_string() == text).ok_or_else(|| {
            format!("'{text}' is no shape; shapes are register, map, counter, set, text")
        })
    }
}

/// A change in the user's words. Indices count characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// Register: write a value.
    Set(Value),
    /// Map: write a key.
    Put {
        /// The key.
        key: String,
        /// Its value.
        value: Value,
    },
    /// Map: remove a key.
    Remove {
        /// The key.
        key: String,
    },
    /// Counter: add, or subtract.
    Increment(i64),
    /// Set: add an element.
    Add(Value),
    /// Set: remove an element.
    Discard(Value),
    /// Text: replace `delete` characters at `at` by `insert`.
    Splice {
        /// Index of the first character concerned.
        at: usize,
        /// How many characters go.
        delete: usize,
        /// What comes instead.
        insert: String,
    },
    /// Text: delete characters by their dots and insert after a dot, wherever they stand now.
    SpliceAt {
        /// The character to insert after, deleted or not; none for the start.
        after: Option<Dot>,
        /// The characters that go.
        delete: Vec<DotRange>,
        /// What is inserted.
        insert: String,
    },
    /// Text never written before: the first content, the same for all who import the same.
    Import(String),
    /// Text: become this, by the smallest change of one place.
    Replace(String),
    /// Any shape: become empty, as far as seen here.
    Clear,
}

/// Why an edit was not made; the object is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// The edit is for another shape.
    WrongShape {
        /// What the object is.
        shape: Shape,
    },
    /// No such place in the text.
    OutOfRange,
    /// A value does not fit.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// What fits.
        max: usize,
    },
    /// A value is nested deeper than [`VALUE_DEPTH_MAX`].
    TooDeep,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongShape { shape } => write!(f, "a {shape} cannot be changed like that"),
            Self::OutOfRange => f.write_str("there is no such place in the text"),
            Self::TooLarge { bytes, max } => {
                write!(f, "a value of {bytes} bytes is too large; {max} bytes fit")
            }
            Self::TooDeep => write!(f, "a value is nested deeper than {VALUE_DEPTH_MAX} levels"),
        }
    }
}

impl std::error::Error for EditError {}

/// Why a delta is void; the object is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeltaError {
    /// It is no delta of this shape.
    Malformed(DecodeError),
    /// It speaks for somebody other than its author.
    NotTheAuthors,
}

/// An object of any shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// [`Shape::Register`].
    Register(LwwRegister<Value>),
    /// [`Shape::Map`].
    Map(LwwMap<String, Value>),
    /// [`Shape::Counter`].
    Counter(PnCounter),
    /// [`Shape::Set`].
    Set(AwSet<Value>),
    /// [`Shape::Text`].
    Text(Text),
}

impl Object {
    /// An object nobody has written to.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        match shape {
            Shape::Register => Self::Register(LwwRegister::default()),
            Shape::Map => Self::Map(LwwMap::default()),
            Shape::Counter => Self::Counter(PnCounter::default()),
            Shape::Set => Self::Set(AwSet::default()),
            Shape::Text => Self::Text(Text::default()),
        }
    }

    /// Its type.
    #[must_use]
    pub fn shape(&self) -> Shape {
        match self {
            Self::Register(_) => Shape::Register,
            Self::Map(_) => Shape::Map,
            Self::Counter(_) => Shape::Counter,
            Self::Set(_) => Shape::Set,
            Self::Text(_) => Shape::Text,
        }
    }

    /// What it says, as a plain value; a set is a sorted list.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Register(register) => register.get().cloned().unwrap_or_default(),
            Self::Map(map) => {
                Value::Map(map.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            Self::Counter(counter) => Value::Int(counter.value()),
            Self::Set(set) => Value::List(set.iter().cloned().collect()),
            Self::Text(text) => Value::Text(text.to_string()),
        }
    }

    /// The value of a map's key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(map) => map.get(&key.to_owned()),
            _ => None,
        }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Makes a change; returns its deltas, none if nothing changed. The logs they mention are added to
    /// `logs`, whose own log must be the writer's.
    ///
    /// # Errors
    /// An [`EditError`]; nothing has changed then.
    pub fn edit(
        &mut self,
        writer: &Writer,
        edit: &Edit,
        logs: &mut LogTable,
    ) -> Result<Vec<Vec<u8>>, EditError> {
        let shape = self.shape();
        match (self, edit) {
            (Self::Register(register), Edit::Set(value)) => {
                fits(value, 0)?;
                Ok(encode(&[register.set(writer, value.clone())], logs))
            }
            (Self::Register(register), Edit::Clear) => match register.get() {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(_) => Ok(encode(&[register.set(writer, Value::Null)], logs)),
            },
            (Self::Map(map), Edit::Put { key, value }) => {
                fits(value, key.len())?;
                Ok(encode(&[map.put(writer, key.clone(), value.clone())], logs))
            }
            (Self::Map(map), Edit::Remove { key }) => {
                let delta = map.remove(writer, key);
                Ok(if delta.is_empty() { Vec::new() } else { encode(&[delta], logs) })
            }
            (Self::Map(map), Edit::Clear) => {
                let deltas: Vec<_> = map.clear(writer).split().collect();
                Ok(encode(&deltas, logs))
            }
            (Self::Counter(counter), Edit::Increment(by)) => count(counter, writer, *by, logs),
            (Self::Counter(counter), Edit::Clear) => {
                let by = counter.value().saturating_neg();
                count(counter, writer, by, logs)
            }
            (Self::Set(set), Edit::Add(value)) => {
                fits(value, 0)?;
                Ok(encode(&[set.add(writer, value.clone())], logs))
            }
            (Self::Set(set), Edit::Discard(value)) => {
                let delta = set.remove(value);
                Ok(if delta.is_empty() { Vec::new() } else { encode(&[delta], logs) })
            }
            (Self::Set(set), Edit::Clear) => Ok(encode(&set.clear(DOTS_PER_DELTA), logs)),
            (Self::Text(text), edit) => edit_text(text, writer, edit, logs),
            _ => Err(EditError::WrongShape { shape }),
        }
    }

    /// Takes in an encoded delta written by the owner of `logs`; tells whether it was news.
    ///
    /// # Errors
    /// A [`DeltaError`] if the delta is void, which does not depend on the state of the object.
    pub fn join_delta(&mut self, delta: &[u8], logs: &LogTable) -> Result<bool, DeltaError> {
        let author = logs.own();
        let check = |own: bool| if own { Ok(()) } else { Err(DeltaError::NotTheAuthors) };
        match self {
            Self::Register(register) => {
                let delta: LwwRegister<Value> = decode(delta, logs)?;
                check(delta.stamp().is_none_or(|stamp| stamp.log == author))?;
                Ok(register.join(delta))
            }
            Self::Map(map) => {
                let delta: LwwMap<String, Value> = decode(delta, logs)?;
                check(delta.stamps().all(|stamp| stamp.log == author))?;
                Ok(map.join(delta))
            }
            Self::Counter(counter) => {
                let delta: PnCounter = decode(delta, logs)?;
                check(delta.logs().all(|log| log == author))?;
                Ok(counter.join(delta))
            }
            Self::Set(set) => {
                let delta: AwSet<Value> = decode(delta, logs)?;
                check(delta.logs().all(|log| log == author))?;
                Ok(set.join(delta))
            }
            Self::Text(text) => {
                let delta: Text = decode(delta, logs)?;
                check(delta.written_by(author))?;
                Ok(text.join(delta))
            }
        }
    }

    /// The whole state, to be kept.
    #[must_use]
    pub fn encode_state(&self) -> Vec<u8> {
        codec::to_bytes(self)
    }

    /// Reads what [`Object::encode_state`] wrote for an object of this shape.
    ///
    /// # Errors
    /// A [`DecodeError`] for anything else.
    pub fn decode_state(shape: Shape, bytes: &[u8]) -> Result<Self, DecodeError> {
        match shape {
            Shape::Register => codec::from_bytes(bytes).map(Self::Register),
            Shape::Map => codec::from_bytes(bytes).map(Self::Map),
            Shape::Counter => codec::from_bytes(bytes).map(Self::Counter),
            Shape::Set => codec::from_bytes(bytes).map(Self::Set),
            Shape::Text => codec::from_bytes(bytes).map(Self::Text),
        }
    }

    /// A hash of the whole state: equal states, and no others, have equal digests.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        codec::digest(self)
    }
}

impl Encode for Object {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Register(register) => register.encode(out),
            Self::Map(map) => map.encode(out),
            Self::Counter(counter) => counter.encode(out),
            Self::Set(set) => set.encode(out),
            Self::Text(text) => text.encode(out),
        }
    }
}

fn encode<T: Encode>(deltas: &[T], logs: &mut LogTable) -> Vec<Vec<u8>> {
    let mut encoded = Vec::with_capacity(deltas.len());
    for delta in deltas {
        let mut out = Encoder::new(logs);
        delta.encode(&mut out);
        encoded.push(out.into_bytes());
    }
    encoded
}

fn decode<T: Decode>(bytes: &[u8], logs: &LogTable) -> Result<T, DeltaError> {
    let mut from = Decoder::new(bytes, logs);
    let delta = T::decode(&mut from).map_err(DeltaError::Malformed)?;
    from.finish().map_err(DeltaError::Malformed)?;
    Ok(delta)
}

fn fits(value: &Value, beside: usize) -> Result<(), EditError> {
    if depth(value) > VALUE_DEPTH_MAX {
        return Err(EditError::TooDeep);
    }
    let bytes = codec::to_bytes(value).len() + beside;
    let max = DELTA_BYTES_MAX - DELTA_OVERHEAD_BYTES;
    if bytes <= max { Ok(()) } else { Err(EditError::TooLarge { bytes, max }) }
}

fn count(
    counter: &mut PnCounter,
    writer: &Writer,
    by: i64,
    logs: &mut LogTable,
) -> Result<Vec<Vec<u8>>, EditError> {
    let delta = counter.add(writer, by);
    Ok(if delta.is_empty() { Vec::new() } else { encode(&[delta], logs) })
}

fn edit_text(
    text: &mut Text,
    writer: &Writer,
    edit: &Edit,
    logs: &mut LogTable,
) -> Result<Vec<Vec<u8>>, EditError> {
    let (after, delete, insert) = match edit {
        Edit::Splice { at, delete, insert } => place(text, *at, *delete, insert)?,
        Edit::SpliceAt { after, delete, insert } => (*after, delete.clone(), insert.as_str()),
        Edit::Replace(new) => {
            let old: Vec<char> = text.chars().iter().collect();
            let (at, delete, insert) = difference(&old, new);
            place(text, at, delete, insert)?
        }
        Edit::Import(content) => return Ok(encode(&text.import(content), logs)),
        Edit::Clear => (None, text.spans(), ""),
        _ => return Err(EditError::WrongShape { shape: Shape::Text }),
    };
    let known = after.is_none_or(|dot| text.position_of(dot).is_some());
    if !known || text.text_of(&delete).is_none() {
        return Err(EditError::OutOfRange);
    }
    let mut deltas = Vec::new();
    let chars: Vec<char> = insert.chars().collect();
    let mut last = after;
    for chunk in chars.chunks(IMPORT_CHUNK_CHARS) {
        let chunk: String = chunk.iter().collect();
        let delta = text.insert_after(writer, last, &chunk).ok_or(EditError::OutOfRange)?;
        let inserted = delta.chars().runs().iter().next();
        last = inserted.map(|(first, run)| first.plus(run.values.len() as u64 - 1));
        deltas.push(delta);
    }
    for chunk in delete.chunks(DOTS_PER_DELTA) {
        let mut gone = CausalContext::default();
        for range in chunk {
            gone.insert_range(*range);
        }
        let delta = Text::of(Sequence::of_deleted(gone));
        if text.join(delta.clone()) {
            deltas.push(delta);
        }
    }
    Ok(encode(&deltas, logs))
}

/// Where an edit by index goes: the character it follows, and the characters that go.
fn place<'a>(
    text: &Text,
    at: usize,
    delete: usize,
    insert: &'a str,
) -> Result<(Option<Dot>, Vec<DotRange>, &'a str), EditError> {
    let delete = text.chars().slice(at, delete).ok_or(EditError::OutOfRange)?;
    let after = match at.checked_sub(1) {
        None => None,
        Some(before) => Some(text.chars().dot_at(before).ok_or(EditError::OutOfRange)?),
    };
    Ok((after, delete, insert))
}

/// The smallest splice of one place that turns `old` into `new`: index, characters gone, text instead.
fn difference<'a>(old: &[char], new: &'a str) -> (usize, usize, &'a str) {
    let mut prefix = 0;
    let mut rest = new;
    for c in old {
        match rest.chars().next() {
            Some(next) if next == *c => {
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                prefix += 1;
            }
            _ => break,
        }
    }
    let mut suffix = 0;
    for c in old.iter().skip(prefix).rev() {
        match rest.chars().next_back() {
            Some(last) if last == *c => {
                rest = rest.get(..rest.len() - c.len_utf8()).unwrap_or_default();
                suffix += 1;
            }
            _ => break,
        }
    }
    (prefix, old.len() - prefix - suffix, rest)
}
