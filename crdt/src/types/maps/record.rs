//! The map of named fields, each with a type of its own: what `#[derive(Crdt)]` types and documents are.
//!
//! A field is known by its name and its shape, both of which are part of the bytes. So whoever does not know a
//! field keeps it, merges it and passes it on, and two programs that disagree about the type of a field get
//! two fields instead of a broken one.

use crate::algebra::{DotMap, Entry};
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, Explanation, arg, op};
use crate::dot::Dot;
use crate::node::{Kind, Node};
use crate::shape::Shape;
use crate::store::{Change, DotStore};
use crate::types::{leaf, store};
use crate::value::Value;

/// What a field is known by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its shape, without declarations.
    pub shape: Shape,
}

impl Encode for Field {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.name.encode(out);
        self.shape.encode(out);
    }
}

/// Reading a field tells the decoder what shape comes next.
impl Decode for Field {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let name = String::decode(from)?;
        let shape = Shape::decode(from)?;
        if shape != shape.bare() {
            return Err(DecodeError::NotCanonical);
        }
        from.expect_shape(shape.clone());
        Ok(Self { name, shape })
    }
}

store! {
    /// Named fields of any types. Changing a field wins over its concurrent removal. Of two types under one
    /// name, which only concurrent writers can bring about, the one with the later dot shows.
    ///
    /// ```
    /// use meshwork_crdt::{Call, Causal, Crdt, HybridTime, LogId, Writer, types::maps::Record};
    /// let ann = Writer { log: LogId([1; 16]), time: HybridTime::at(1) };
    /// let mut note = Causal::<Record>::default();
    /// let call = Call::new("put", ["title".into(), "Milk".into()]);
    /// note.try_edit(&ann, |note, change| note.call(change, &[], &call)).unwrap();
    /// let call = Call::new("increment", [1.into()]);
    /// note.try_edit(&ann, |note, change| note.call(change, &["stars".into()], &call)).unwrap();
    /// assert_eq!(note.value().to_string(), r#"{"stars":1,"title":"Milk"}"#);
    /// ```
    pub struct Record(DotMap<Field, Entry<Node>>);
}
leaf!(Record);

impl Record {
    /// A field's part. O(log n).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.field(name).map(|(_, entry)| entry.content())
    }

    /// The fields that are there by name, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        let mut names: Vec<&str> = self.0.iter().map(|(field, _)| field.name.as_str()).collect();
        names.dedup();
        names.into_iter().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// The shape of a field.
    #[must_use]
    pub fn shape_at(&self, name: &str) -> Option<&Shape> {
        self.field(name).map(|(field, _)| &field.shape)
    }

    /// All fields under a name, with their shapes.
    pub(crate) fn under(&self, name: &str) -> impl Iterator<Item = (&Field, &Entry<Node>)> {
        let first = Field { name: name.to_owned(), shape: Shape::least() };
        self.0.range(first..).take_while(move |(field, _)| field.name == name)
    }

    /// The field that shows under a name.
    fn field(&self, name: &str) -> Option<(&Field, &Entry<Node>)> {
        let shown = self.under(name).filter(|(_, entry)| entry.shows());
        shown.max_by_key(|(_, entry)| latest(entry))
    }

    /// Changes the part of a field of a given shape, which is put there if need be; returns the delta.
    ///
    /// # Errors
    /// What `alter` says.
    pub fn try_update<E>(
        &self,
        change: &mut Change,
        name: &str,
        shape: &Shape,
        alter: impl FnOnce(&Node, &mut Change) -> Result<Node, E>,
    ) -> Result<Self, E> {
        let field = Field { name: name.to_owned(), shape: shape.bare() };
        let vacant = Entry::of(Node::new(field.shape.kind()));
        let entry = self.0.get(&field).unwrap_or(&vacant);
        let content =
            change.within(Some(shape.clone()), |change| alter(entry.content(), change))?;
        let entry = entry.touch(change, content);
        for (other, old) in self.under(name) {
            if *other != field {
                change.forget_all(old);
            }
        }
        Ok(Self(DotMap::of(field, entry)))
    }

    /// Puts a field of a shape there; returns the delta.
    #[must_use]
    pub fn insert(&self, change: &mut Change, name: &str, shape: &Shape) -> Self {
        let field = Field { name: name.to_owned(), shape: shape.bare() };
        let entry = self.0.get(&field).cloned().unwrap_or_default();
        let entry = entry.put(change, Node::new(shape.kind()));
        for (other, old) in self.under(name) {
            if *other != field {
                change.forget_all(old);
            }
        }
        Self(DotMap::of(field, entry))
    }

    /// Removes a field with all that has been seen in it; returns the delta.
    #[must_use]
    pub fn remove(&self, change: &mut Change, name: &str) -> Self {
        for (_, entry) in self.under(name) {
            change.forget_all(entry);
        }
        Self::default()
    }

    /// Removes every field with all that has been seen; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0);
        Self::default()
    }

    /// The shape a field has, or is declared to have, or gets by the operation that creates it.
    fn shape_of(
        &self,
        change: &Change,
        name: &str,
        rest: &[Value],
        call: &Call,
    ) -> Result<Shape, EditError> {
        let declared = change.shape().and_then(|shape| shape.field(name).cloned());
        if let Some(shape) = declared {
            return Ok(shape);
        }
        if let Some((field, _)) = self.field(name) {
            return Ok(field.shape.clone());
        }
        let kind = match (rest, call.operation.as_str()) {
            ([_, ..], _) | ([], "put" | "create") => Kind::Record,
            ([], "set") => Kind::Register,
            ([], "increment") => Kind::Counter,
            ([], "add") => Kind::Set,
            ([], "splice") => Kind::Text,
            ([], "insert" | "push") => Kind::List,
            _ => return Err(EditError::NoSuchPlace { step: name.to_owned() }),
        };
        Ok(Shape::new(kind))
    }
}

/// The latest dot of an entry; what settles which of two types under one name shows.
fn latest(entry: &Entry<Node>) -> Option<(u64, Dot)> {
    let mut latest = None;
    entry.dots(&mut |range| {
        let last = Dot { log: range.log, seq: range.end() - 1 };
        latest = latest.max(Some((last.seq, last)));
    });
    latest
}

impl Crdt for Record {
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        Self(self.0.touched(change, delta.0, Node::touched))
    }

    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Map(self.iter().map(|(name, part)| (name.to_owned(), part.value())).collect())
    }

    fn value_at(&self, path: &[Value]) -> Option<Value> {
        match path.split_first() {
            None => Some(self.value()),
            Some((name, rest)) => self.get(&name.clone().into_key())?.value_at(rest),
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (field, entry) in self.0.iter().filter(|(_, entry)| entry.shows()) {
            let stands = self.field(&field.name).is_some_and(|(shown, _)| shown == field);
            claims.push(Claim {
                value: Value::map([(
                    Value::Text(format!("{}: {}", field.name, field.shape)),
                    entry.content().value(),
                )]),
                by: latest(entry).map(|(_, dot)| dot.log),
                time: None,
                stands,
            });
        }
        claims
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        match path.split_first() {
            None => Some(self.about().explain(self.value(), self.claims())),
            Some((name, rest)) => self.get(&name.clone().into_key())?.explain(rest),
        }
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        if let Some((name, rest)) = path.split_first() {
            let name = name.clone().into_key();
            let shape = self.shape_of(change, &name, rest, call)?;
            return self
                .try_update(change, &name, &shape, |part, change| part.call(change, rest, call));
        }
        match call.parts() {
            ("put", [name, value]) => {
                let name: String = arg(name)?;
                let set = Call::new("set", [value.clone()]);
                let declared = change.shape().and_then(|shape| shape.field(&name).cloned());
                let shape = declared.unwrap_or_else(|| Shape::new(Kind::Register));
                self.try_update(change, &name, &shape, |part, change| part.call(change, &[], &set))
            }
            ("create", [name, shape]) => {
                let shape: String = arg(shape)?;
                let shape: Shape =
                    shape.parse().map_err(|_| EditError::WrongType { value: shape })?;
                Ok(self.insert(change, &arg::<String>(name)?, &shape))
            }
            ("remove", [name]) => Ok(self.remove(change, &arg::<String>(name)?)),
            ("set", [Value::Map(map)]) => {
                let gone = self.0.iter().filter(|(field, _)| !map.contains_key(&field.name));
                gone.for_each(|(_, entry)| change.forget_all(entry));
                let mut delta = Vec::new();
                for (name, value) in map {
                    if self.get(name).is_none_or(|part| part.value() != *value) {
                        let set = Call::new("set", [value.clone()]);
                        delta.push(self.call(change, &[name.as_str().into()], &set)?.0);
                    }
                }
                Ok(Self(delta.into_iter().flat_map(DotMap::into_entries).collect()))
            }
            ("clear", []) => Ok(self.clear(change)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for Record {
    const ABOUT: About = About {
        kind: Kind::Record,
        family: "maps",
        what: "named fields, each of its own type",
        rule: "each field's own; a change of a field wins over its concurrent removal",
        algebra: "Causal<DotMap<(name, shape), DotSet × S>>",
        cost: "O(log n) and the field's",
        source: "Rinberg et al. 2022 (DSON); Almeida et al. 2018",
        operations: &[
            op("put", &[Arg::Text, Arg::Value], "sets a field to a value"),
            op("create", &[Arg::Text, Arg::Text], "puts a field of a shape there"),
            op("remove", &[Arg::Text], "removes a field with all that has been seen in it"),
            op("set", &[Arg::Value], "becomes a map, field by field, where it differs"),
            op("clear", &[], "removes every field"),
        ],
    };
}
