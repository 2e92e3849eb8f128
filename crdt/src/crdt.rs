//! The face that all data types share: what they are, what they say, how they are changed in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{Decode, Encode};
use crate::datum::Datum;
use crate::dot::{Dot, DotRange, LogId};
use crate::node::Kind;
use crate::shape::Shape;
use crate::store::{Change, DotStore};
use crate::time::HybridTime;
use crate::value::Value;

/// A data type that can be read, changed and explained by those who do not know it.
pub trait Crdt: DotStore + Encode + Decode + fmt::Debug {
    /// What it says, as a plain value.
    fn value(&self) -> Value;

    /// Makes a change in words, at a place inside: the path names keys, fields and indices from outside in.
    /// Returns the delta.
    ///
    /// # Errors
    /// An [`EditError`].
    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError>;

    /// The same delta, which puts every part it changes there if nobody has, as a change in words does. Programs
    /// that know a struct write its fields side by side and leave this out.
    #[must_use]
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        let _ = change;
        delta
    }

    /// What there is to know about its type.
    fn about(&self) -> &'static About;

    /// Who claims what, and which claims stand; none where there is nothing to choose.
    fn claims(&self) -> Vec<Claim> {
        Vec::new()
    }

    /// Why it says what it says at a place inside; `None` if there is no such place.
    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        path.is_empty().then(|| self.about().explain(self.value(), self.claims()))
    }

    /// What it says at a place inside; `None` if there is no such place.
    fn value_at(&self, path: &[Value]) -> Option<Value> {
        path.iter().try_fold(self.value(), |value, step| value.step(step).cloned())
    }
}

/// A data type of the catalogue.
pub trait Catalogued: Crdt {
    /// What there is to know about it.
    const ABOUT: About;
}

/// A data type of the catalogue, or composed from it, that knows its composition.
pub trait Described: Crdt {
    /// Its composition as data.
    fn shape() -> Shape;
}

/// What there is to know about a type of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its kind.
    pub kind: Kind,
    /// Registers, flags, counters, …
    pub family: &'static str,
    /// What it is for, in half a sentence.
    pub what: &'static str,
    /// How conflicts are settled.
    pub rule: &'static str,
    /// How it is made from the algebra.
    pub algebra: &'static str,
    /// What reading and changing cost.
    pub cost: &'static str,
    /// Where it was described.
    pub source: &'static str,
    /// What can be done to it.
    pub operations: &'static [Operation],
}

/// A change that a type understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// What it is given.
    pub arguments: &'static [Arg],
    /// What it does.
    pub does: &'static str,
}

/// An operation of a type: for tables in constants.
#[must_use]
pub const fn op(name: &'static str, arguments: &'static [Arg], does: &'static str) -> Operation {
    Operation { name, arguments, does }
}

/// What an operation is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arg {
    /// Any value.
    Value,
    /// A value that names something: a key, an element, a card.
    Key,
    /// A whole number, negative or not.
    Int,
    /// A whole number from 0.
    Count,
    /// A place in a sequence, from 0.
    Index,
    /// Text.
    Text,
    /// A moment in milliseconds since the Unix epoch.
    Time,
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "VALUE",
            Self::Key => "KEY",
            Self::Int => "NUMBER",
            Self::Count => "COUNT",
            Self::Index => "INDEX",
            Self::Text => "TEXT",
            Self::Time => "MS",
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.arguments.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// A change in words: an operation and what it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The operation's name.
    pub operation: String,
    /// What it is given.
    #[serde(default)]
    pub arguments: Vec<Value>,
}

impl Call {
    /// A call.
    #[must_use]
    pub fn new(operation: &str, arguments: impl IntoIterator<Item = Value>) -> Self {
        Self { operation: operation.to_owned(), arguments: arguments.into_iter().collect() }
    }

    /// The name and the arguments, to be matched.
    #[must_use]
    pub fn parts(&self) -> (&str, &[Value]) {
        (&self.operation, &self.arguments)
    }

    /// The error for a call that a type does not understand.
    #[must_use]
    pub fn unknown(&self, about: &About) -> EditError {
        let found = about.operations.iter().find(|known| known.name == self.operation);
        let known = match found {
            Some(operation) => operation.to_string(),
            None => about.operations.iter().map(|known| known.name).collect::<Vec<_>>().join(", "),
        };
        if found.is_some() {
            EditError::WrongArguments { expected: known }
        } else {
            EditError::UnknownOperation {
                operation: self.operation.clone(),
                kind: about.kind,
                known,
            }
        }
    }
}

/// Reads an argument.
///
/// # Errors
/// [`EditError::WrongType`].
pub fn arg<T: Datum>(value: &Value) -> Result<T, EditError> {
    T::from_value(value).ok_or_else(|| EditError::WrongType { value: value.to_string() })
}

/// Reads an argument that counts something.
///
/// # Errors
/// [`EditError::WrongType`].
pub fn count_arg(value: &Value) -> Result<usize, EditError> {
    match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
    .ok_or_else(|| EditError::WrongType { value: value.to_string() })
}

/// Reads an argument that names a log: 32 hexadecimal digits.
///
/// # Errors
/// [`EditError::WrongType`].
pub fn log_arg(value: &Value) -> Result<LogId, EditError> {
    let wrong = || EditError::WrongType { value: value.to_string() };
    let Value::Text(text) = value else { return Err(wrong()) };
    let digits: Vec<u32> = text.chars().map_while(|digit| digit.to_digit(16)).collect();
    if digits.len() != 32 || text.len() != 32 {
        return Err(wrong());
    }
    let mut log = [0; 16];
    for (byte, pair) in log.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | u8::try_from(*digit).unwrap_or(0));
    }
    Ok(LogId(log))
}

/// Reads an argument that names a dot: nothing, or a list of log and number.
///
/// # Errors
/// [`EditError::WrongType`].
pub fn dot_arg(value: &Value) -> Result<Option<Dot>, EditError> {
    match value {
        Value::Null => Ok(None),
        Value::List(parts) => match parts.as_slice() {
            [log, seq] => {
                let seq = count_arg(seq)? as u64;
                Ok(Some(Dot { log: log_arg(log)?, seq }))
            }
            _ => Err(EditError::WrongType { value: value.to_string() }),
        },
        _ => Err(EditError::WrongType { value: value.to_string() }),
    }
}

/// Reads an argument that names ranges of dots: a list of lists of log, first number and length.
///
/// # Errors
/// [`EditError::WrongType`].
pub fn ranges_arg(value: &Value) -> Result<Vec<DotRange>, EditError> {
    let wrong = || EditError::WrongType { value: value.to_string() };
    let Value::List(ranges) = value else { return Err(wrong()) };
    let range = |range: &Value| match range {
        Value::List(parts) => match parts.as_slice() {
            [log, start, len] => {
                let (start, len) = (count_arg(start)? as u64, count_arg(len)? as u64);
                Ok(DotRange { log: log_arg(log)?, start, len })
            }
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    };
    ranges.iter().map(range).collect()
}

/// That a path ends here.
///
/// # Errors
/// [`EditError::NoSuchPlace`] if it goes on.
pub fn end_of(path: &[Value]) -> Result<(), EditError> {
    match path.first() {
        None => Ok(()),
        Some(step) => Err(EditError::NoSuchPlace { step: step.to_string() }),
    }
}

/// Why an edit was not made; the object is unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EditError {
    /// The type has no such operation.
    UnknownOperation {
        /// What was asked for.
        operation: String,
        /// The type.
        kind: Kind,
        /// What it has.
        known: String,
    },
    /// The operation is given something else.
    WrongArguments {
        /// What it is given.
        expected: String,
    },
    /// A value is not of the type that is needed.
    WrongType {
        /// The value.
        value: String,
    },
    /// A path leads nowhere.
    NoSuchPlace {
        /// The step that failed.
        step: String,
    },
    /// An index is out of range, or a dot unknown.
    OutOfRange,
    /// The type's own rule forbids it.
    Refused {
        /// Why.
        reason: &'static str,
    },
    /// A value does not fit.
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// What fits.
        max: usize,
    },
    /// A value or path is nested too deeply.
    TooDeep,
}

impl EditError {
    /// That the type's own rule forbids a change.
    #[must_use]
    pub fn refused(reason: &'static str) -> Self {
        Self::Refused { reason }
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOperation { operation, kind, known } => {
                write!(f, "a {kind} has no operation '{operation}'; it has {known}")
            }
            Self::WrongArguments { expected } => write!(f, "the operation is: {expected}"),
            Self::WrongType { value } => write!(f, "{value} is not of the type needed here"),
            Self::NoSuchPlace { step } => write!(f, "there is no place {step} here"),
            Self::OutOfRange => f.write_str("the index is out of range"),
            Self::Refused { reason } => f.write_str(reason),
            Self::TooLarge { bytes, max } => {
                write!(f, "a value of {bytes} bytes is too large; {max} bytes fit")
            }
            Self::TooDeep => f.write_str("the value or path is nested too deeply"),
        }
    }
}

impl std::error::Error for EditError {}

/// Why a value is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The type.
    pub kind: Kind,
    /// How it settles conflicts.
    pub rule: &'static str,
    /// What it says.
    pub value: Value,
    /// What was claimed, those that stand first.
    pub claims: Vec<Claim>,
}

/// What somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What.
    pub value: Value,
    /// Who, if it is known.
    pub by: Option<LogId>,
    /// When, if it is known.
    pub time: Option<HybridTime>,
    /// Whether it stands.
    pub stands: bool,
}

impl About {
    /// An explanation of a value of this type.
    #[must_use]
    pub fn explain(&self, value: Value, mut claims: Vec<Claim>) -> Explanation {
        claims.sort_by_key(|claim| !claim.stands);
        Explanation { kind: self.kind, rule: self.rule, value, claims }
    }
}
