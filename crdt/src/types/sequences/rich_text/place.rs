//! What formats hang on: ranges between anchors, and the ends of blocks.
//!
//! Places in words come in from those who undo, and go out to them. Not here: where an anchor stands now.

use std::collections::BTreeMap;

use super::Attributes;
use crate::algebra::{DotFun, DotMap};
use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{EditError, arg, count_arg, dot_arg};
use crate::datum::Plain;
use crate::dot::Dot;
use crate::store::{Change, DotStore, Turnover};
use crate::text_doc::Anchor;
use crate::time::HybridTime;
use crate::value::Value;

/// Which of its edges a mark grows at: whether it takes in what is typed right there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expand {
    /// Neither: links, comments.
    None,
    /// Its start.
    Before,
    /// Its end: bold, italic, colours.
    #[default]
    After,
    /// Both.
    Both,
}

impl Expand {
    pub(super) fn of(start: bool, end: bool) -> Self {
        match (start, end) {
            (false, false) => Self::None,
            (true, false) => Self::Before,
            (false, true) => Self::After,
            (true, true) => Self::Both,
        }
    }

    /// Whether it grows at its start.
    #[must_use]
    pub fn at_start(self) -> bool {
        matches!(self, Self::Before | Self::Both)
    }

    /// Whether it grows at its end.
    #[must_use]
    pub fn at_end(self) -> bool {
        matches!(self, Self::After | Self::Both)
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Before => "before",
            Self::After => "after",
            Self::Both => "both",
        }
    }

    /// Nothing for the usual way, yes or no for whether it grows at its end, or a word.
    pub(super) fn from_value(value: &Value) -> Result<Self, EditError> {
        Ok(match value {
            Value::Null => Self::default(),
            Value::Bool(grows) => Self::of(false, *grows),
            Value::Text(word) => [Self::None, Self::Before, Self::After, Self::Both]
                .into_iter()
                .find(|expand| expand.word() == word)
                .ok_or_else(|| EditError::WrongType { value: value.to_string() })?,
            _ => return Err(EditError::WrongType { value: value.to_string() }),
        })
    }
}

/// What a format hangs on, and which format it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A block, by the newline that ends it or the end of the text.
    Block(Option<Dot>, String),
    /// The characters between two anchors.
    Range(Anchor, Anchor, String),
}

/// Who wrote what at each place, and when; the latest shows.
pub(super) type Formats = DotMap<Place, DotFun<(HybridTime, Plain<Value>)>>;

/// Writings of one change in the making.
#[derive(Default)]
pub(super) struct Layer(BTreeMap<Place, DotFun<(HybridTime, Plain<Value>)>>);

impl Layer {
    /// Adds a writing as it was made, or is made now.
    pub fn add(&mut self, dot: Dot, writing: Writing) {
        let Writing { place, time, value } = writing;
        self.0.entry(place).or_default().join_one(dot, (time, Plain(value)));
    }

    /// Adds a new writing.
    pub fn write(&mut self, change: &mut Change, place: Place, value: Value) {
        let time = change.time();
        self.add(change.dot(), Writing { place, time, value });
    }

    /// Gives a block that has none yet its attributes.
    pub fn write_block(&mut self, change: &mut Change, end: Option<Dot>, block: &Attributes) {
        for (key, value) in block {
            self.write(change, Place::Block(end, key.clone()), value.clone());
        }
    }

    /// What was written.
    pub fn done(self) -> Formats {
        self.0.into_iter().collect()
    }
}

/// A writing at a place as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Writing {
    pub(super) place: Place,
    pub(super) time: HybridTime,
    pub(super) value: Value,
}

impl Writing {
    /// The same on the characters that stand for those it is on.
    pub(crate) fn moved(&self, stands_for: impl Fn(Dot) -> Dot) -> Self {
        let moved = |anchor| match anchor {
            Anchor::Before(dot) => Anchor::Before(stands_for(dot)),
            Anchor::After(dot) => Anchor::After(stands_for(dot)),
            Anchor::Start | Anchor::End => anchor,
        };
        let place = match &self.place {
            Place::Block(end, key) => Place::Block(end.map(&stands_for), key.clone()),
            Place::Range(start, end, key) => Place::Range(moved(*start), moved(*end), key.clone()),
        };
        Self { place, time: self.time, value: self.value.clone() }
    }

    /// A list of time, value, key, and either both anchors or the dot that ends the block.
    pub(crate) fn to_value(&self) -> Value {
        let mut parts = vec![Value::count(self.time.0), self.value.clone()];
        match &self.place {
            Place::Block(end, key) => {
                let end = end.map_or(Value::Null, |dot| Value::List(named(dot)));
                parts.extend([Value::Text(key.clone()), end]);
            }
            Place::Range(start, end, key) => {
                let anchors = [*start, *end].map(|anchor| Value::List(in_words(anchor)));
                parts.push(Value::Text(key.clone()));
                parts.extend(anchors);
            }
        }
        Value::List(parts)
    }

    /// What [`Self::to_value`] made.
    pub(super) fn from_value(value: &Value) -> Result<Self, EditError> {
        let wrong = || EditError::WrongType { value: value.to_string() };
        let Value::List(parts) = value else { return Err(wrong()) };
        let (time, value, place) = match parts.as_slice() {
            [time, value, key, end] => (time, value, Place::Block(dot_arg(end)?, arg(key)?)),
            [time, value, key, start, end] => {
                (time, value, Place::Range(anchor_arg(start)?, anchor_arg(end)?, arg(key)?))
            }
            _ => return Err(wrong()),
        };
        let time = HybridTime(count_arg(time)? as u64);
        Ok(Self { place, time, value: value.clone() })
    }
}

fn named(dot: Dot) -> Vec<Value> {
    vec![Value::Text(dot.log.to_string()), Value::count(dot.seq)]
}

fn in_words(anchor: Anchor) -> Vec<Value> {
    let (word, dot) = match anchor {
        Anchor::Start => ("start", None),
        Anchor::After(dot) => ("after", Some(dot)),
        Anchor::Before(dot) => ("before", Some(dot)),
        Anchor::End => ("end", None),
    };
    let mut parts = vec![word.into()];
    parts.extend(dot.into_iter().flat_map(named));
    parts
}

fn anchor_arg(value: &Value) -> Result<Anchor, EditError> {
    let wrong = || EditError::WrongType { value: value.to_string() };
    let Value::List(parts) = value else { return Err(wrong()) };
    let (word, dot) = parts.split_first().ok_or_else(wrong)?;
    let dot = if dot.is_empty() { None } else { dot_arg(&Value::List(dot.to_vec()))? };
    Ok(match (arg::<String>(word)?.as_str(), dot) {
        ("start", None) => Anchor::Start,
        ("after", Some(dot)) => Anchor::After(dot),
        ("before", Some(dot)) => Anchor::Before(dot),
        ("end", None) => Anchor::End,
        _ => return Err(wrong()),
    })
}

/// The character an anchor keeps to.
pub(super) fn dot_of(anchor: Anchor) -> Option<Dot> {
    match anchor {
        Anchor::Before(dot) | Anchor::After(dot) => Some(dot),
        Anchor::Start | Anchor::End => None,
    }
}

/// Which of its edges a mark grows at.
pub(super) fn expand_of(start: Anchor, end: Anchor) -> Expand {
    let at_start = matches!(start, Anchor::Start | Anchor::After(_));
    let at_end = matches!(end, Anchor::Before(_) | Anchor::End);
    Expand::of(at_start, at_end)
}

/// What two deltas of one change say together.
pub(super) fn and<S: DotStore>(mut one: S, other: S) -> S {
    let none = CausalContext::default();
    one.join_store(&none, other, &none, &mut Turnover::default());
    one
}

impl Encode for Anchor {
    fn encode(&self, out: &mut Encoder<'_>) {
        let (tag, dot) = match self {
            Self::Start => (0, None),
            Self::After(dot) => (1, Some(dot)),
            Self::Before(dot) => (2, Some(dot)),
            Self::End => (3, None),
        };
        out.byte(tag);
        if let Some(dot) = dot {
            dot.encode(out);
        }
    }
}

impl Decode for Anchor {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Start),
            1 => Dot::decode(from).map(Self::After),
            2 => Dot::decode(from).map(Self::Before),
            3 => Ok(Self::End),
            _ => Err(DecodeError::Invalid),
        }
    }
}

impl Encode for Place {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Block(end, key) => {
                out.byte(0);
                end.encode(out);
                key.encode(out);
            }
            Self::Range(start, end, key) => {
                out.byte(1);
                start.encode(out);
                end.encode(out);
                key.encode(out);
            }
        }
    }
}

impl Decode for Place {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Block(Option::decode(from)?, String::decode(from)?)),
            1 => {
                let (start, end) = (Anchor::decode(from)?, Anchor::decode(from)?);
                Ok(Self::Range(start, end, String::decode(from)?))
            }
            _ => Err(DecodeError::Invalid),
        }
    }
}
