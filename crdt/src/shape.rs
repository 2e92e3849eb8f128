//! What an object is made of, as data: which type of the catalogue, and of what parts.
//!
//! A shape is stored when an object is created, so that whoever lacks the Rust type can still merge, show,
//! explain and edit it. In JSON and on the command line a shape is written `map<record{title: text}>`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::node::Kind;

/// How deep shapes, and the stores they describe, may be nested.
pub const SHAPE_DEPTH_MAX: u32 = 16;
/// Most fields a record can declare.
pub const SHAPE_FIELDS_MAX: usize = 256;

/// A type: its kind, what a container contains, and which fields a record is known to have.
///
/// Declared fields tell editors what to make of a field nobody has written to yet. They are no limit: a record
/// keeps any field of any shape, so declarations can differ between versions of a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shape {
    kind: Kind,
    of: Option<Arc<Shape>>,
    fields: Vec<(String, Shape)>,
}

impl Shape {
    /// The shape of a kind that contains nothing else; a container of registers for those that do.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let of = kind.is_container().then(|| Arc::new(Self::new(Kind::Register)));
        Self { kind, of, fields: Vec::new() }
    }

    /// The least of all shapes in their order.
    pub(crate) fn least() -> Self {
        Self {
            kind: Kind::ALL.into_iter().min().unwrap_or(Kind::Register),
            of: None,
            fields: Vec::new(),
        }
    }

    /// A container of parts.
    ///
    /// # Panics
    /// If the kind is no container.
    #[must_use]
    pub fn of(kind: Kind, part: Self) -> Self {
        assert!(kind.is_container(), "a {kind} contains no parts");
        Self { kind, of: Some(Arc::new(part)), fields: Vec::new() }
    }

    /// A record with declared fields.
    #[must_use]
    pub fn record(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_by(|one, two| one.0.cmp(&two.0));
        fields.dedup_by(|one, two| one.0 == two.0);
        Self { kind: Kind::Record, of: None, fields }
    }

    /// The type of the catalogue.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What a container contains.
    #[must_use]
    pub fn part(&self) -> Option<&Self> {
        self.of.as_deref()
    }

    /// The fields a record declares, by name.
    #[must_use]
    pub fn fields(&self) -> &[(String, Self)] {
        &self.fields
    }

    /// The declared shape of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, shape)| shape)
    }

    /// The same without the declarations of records: what decides how bytes are read and merged.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            kind: self.kind,
            of: self.of.as_ref().map(|part| Arc::new(part.bare())),
            fields: Vec::new(),
        }
    }

    /// Takes in what another version of a program declares about the same bare shape; tells whether that was
    /// news. Of two declarations of one field the smaller stays.
    pub fn declare(&mut self, other: &Self) -> bool {
        let before = self.clone();
        if let (Some(part), Some(theirs)) = (&self.of, &other.of) {
            let mut part = Self::clone(part);
            part.declare(theirs);
            self.of = Some(Arc::new(part));
        }
        for (name, theirs) in &other.fields {
            let room = self.fields.len() < SHAPE_FIELDS_MAX;
            match self.fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, shape)) if shape.bare() == theirs.bare() => {
                    shape.declare(theirs);
                }
                Some((_, shape)) if theirs < shape => *shape = theirs.clone(),
                None if room => {
                    self.fields.push((name.clone(), theirs.clone()));
                }
                _ => {}
            }
        }
        self.fields.sort_by(|one, two| one.0.cmp(&two.0));
        *self != before
    }

    /// The canonical form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::codec::to_bytes(self)
    }

    /// Reads the canonical form.
    ///
    /// # Errors
    /// A [`DecodeError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        crate::codec::from_bytes(bytes)
    }
}

impl Encode for Shape {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(u64::from(self.kind.code()));
        if let Some(part) = &self.of {
            part.encode(out);
        }
        if self.kind == Kind::Record {
            self.fields.encode(out);
        }
    }
}

impl Decode for Shape {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let code = u16::decode(from)?;
        let kind = Kind::from_code(code).ok_or(DecodeError::Invalid)?;
        let mut shape = Self { kind, of: None, fields: Vec::new() };
        if kind.is_container() {
            shape.of = Some(Arc::new(from.level(Self::decode)?));
        }
        if kind == Kind::Record {
            shape.fields = from.level(Vec::decode)?;
            let ascends = shape.fields.is_sorted_by(|one, two| one.0 < two.0);
            if !ascends || shape.fields.len() > SHAPE_FIELDS_MAX {
                return Err(DecodeError::NotCanonical);
            }
        }
        Ok(shape)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(part) = self.of.as_ref().filter(|part| part.kind != Kind::Register) {
            write!(f, "<{part}>")?;
        }
        if !self.fields.is_empty() {
            f.write_str("{")?;
            for (index, (name, shape)) in self.fields.iter().enumerate() {
                write!(f, "{}{name}: {shape}", if index > 0 { ", " } else { "" })?;
            }
            f.write_str("}")?;
        }
        Ok(())
    }
}

/// Why text is no shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError(String);

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ShapeError {}

impl FromStr for Shape {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let mut parser = Parser { rest: text };
        let shape = parser.shape(0)?;
        parser.space();
        if parser.rest.is_empty() {
            Ok(shape)
        } else {
            Err(ShapeError(format!("'{}' is left over after the shape '{shape}'", parser.rest)))
        }
    }
}

/// Reads `kind`, `kind<shape>` and `record{name: shape, …}`.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: char) -> bool {
        self.space();
        self.rest.strip_prefix(token).inspect(|rest| self.rest = rest).is_some()
    }

    fn expect(&mut self, token: char) -> Result<(), ShapeError> {
        if self.take(token) {
            return Ok(());
        }
        Err(ShapeError(format!("'{token}' is missing before '{}'", self.rest)))
    }

    fn word(&mut self) -> &'a str {
        self.space();
        let end = self.rest.find([' ', '<', '>', '{', '}', ':', ',']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    fn shape(&mut self, depth: u32) -> Result<Shape, ShapeError> {
        if depth > SHAPE_DEPTH_MAX {
            return Err(ShapeError(format!("shapes nest at most {SHAPE_DEPTH_MAX} deep")));
        }
        let word = self.word();
        let Some(kind) = Kind::from_name(word) else {
            let close = Kind::ALL
                .into_iter()
                .filter(|kind| !word.is_empty() && kind.name().contains(word))
                .map(Kind::name)
                .collect::<Vec<_>>();
            let hint = match close.as_slice() {
                [] => "`meshwork types` lists them".to_owned(),
                close => format!("did you mean {}?", close.join(" or ")),
            };
            return Err(ShapeError(format!("'{word}' is no type of object; {hint}")));
        };
        let mut shape = Shape::new(kind);
        if kind.is_container() && self.take('<') {
            shape = Shape::of(kind, self.shape(depth + 1)?);
            self.expect('>')?;
        }
        if kind == Kind::Record && self.take('{') {
            let mut fields = Vec::new();
            while !self.take('}') {
                let name = self.word().to_owned();
                self.expect(':')?;
                fields.push((name, self.shape(depth + 1)?));
                if !self.take(',') {
                    self.expect('}')?;
                    break;
                }
            }
            if fields.len() > SHAPE_FIELDS_MAX {
                return Err(ShapeError(format!(
                    "a record declares at most {SHAPE_FIELDS_MAX} fields"
                )));
            }
            shape = Shape::record(fields);
        }
        Ok(shape)
    }
}

impl From<Kind> for Shape {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

impl Serialize for Shape {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
