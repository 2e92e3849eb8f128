//! An object of any shape, for those who do not know its Rust type.
//!
//! Edits in words of the user in → encoded deltas out; deltas of others in → a changed object. A delta may
//! speak only for its author: new dots, sums and stamps of another log make the whole delta void.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Decode, DecodeError, Decoder, Encode, Encoder, LogTable};
use crate::crdt::{Call, Crdt, Described, EditError, Explanation};
use crate::dot::{Dot, DotRange};
use crate::lattice::Lattice;
use crate::node::{Kind, Node};
use crate::path::Path;
use crate::shape::{SHAPE_DEPTH_MAX, Shape};
use crate::store::{Causal, Change};
use crate::time::Writer;
use crate::types::sequences::{IMPORT_CHUNK_CHARS, Text};
use crate::value::{VALUE_DEPTH_MAX, Value, depth};

/// Longest encoded delta that an edit makes, in bytes.
pub const DELTA_BYTES_MAX: usize = 16 * 1024;
/// Most ranges of dots that one delta takes away; each takes at most 14 bytes.
const RANGES_PER_DELTA: usize = 1000;

/// A change in the user's words. Indices count characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edit {
    /// An operation of the type, at a place inside.
    Call {
        /// Where inside.
        #[serde(default)]
        path: Path,
        /// The operation's name.
        operation: String,
        /// What it is given.
        #[serde(default)]
        arguments: Vec<Value>,
    },
    /// Say this value, by the smallest change; what it can be, the type decides.
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
    /// Become empty, as far as seen here.
    Clear,
    /// A change by a program that knows the Rust type.
    #[serde(skip)]
    Typed(TypedEdit),
}

impl Edit {
    /// An operation of the type, at a place inside.
    #[must_use]
    pub fn call(
        path: impl IntoIterator<Item = Value>,
        operation: &str,
        arguments: impl IntoIterator<Item = Value>,
    ) -> Self {
        Self::Call {
            path: path.into_iter().collect(),
            operation: operation.to_owned(),
            arguments: arguments.into_iter().collect(),
        }
    }

    /// A change by a program that knows the Rust type.
    pub fn typed<S: Described>(
        alter: impl Fn(&S, &mut Change) -> Result<S, EditError> + Send + Sync + 'static,
    ) -> Self {
        Self::Typed(TypedEdit(Arc::new(move |object, change| {
            let store = object.store::<S>().ok_or_else(|| EditError::NoSuchPlace {
                step: format!("of the shape {}", S::shape()),
            })?;
            let delta = alter(&store, change)?;
            let delta = recode::<S, Node>(&delta, Some(object.shape.bare())).ok_or_else(|| {
                EditError::refused("the type encodes what its shape does not say")
            })?;
            Ok(object.state.touched(change, delta))
        })))
    }
}

type Alter = dyn Fn(&Object, &mut Change) -> Result<Node, EditError> + Send + Sync;

/// A change as a function; equal only to itself.
#[derive(Clone)]
pub struct TypedEdit(Arc<Alter>);

impl PartialEq for TypedEdit {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TypedEdit {}

impl fmt::Debug for TypedEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedEdit")
    }
}

/// Why a delta is void; the object is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeltaError {
    /// It is no delta of this shape.
    Malformed(DecodeError),
    /// It speaks for somebody other than its author.
    NotTheAuthors,
}

/// A difference between two states, at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where.
    pub path: Path,
    /// What was there.
    pub before: Option<Value>,
    /// What is there.
    pub after: Option<Value>,
}

/// An object of any shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    shape: Shape,
    state: Causal<Node>,
}

impl Object {
    /// An object nobody has written to.
    #[must_use]
    pub fn new(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let node = Node::new(shape.kind());
        Self { shape, state: Causal::of(node, crate::CausalContext::default()) }
    }

    /// Its type.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Takes in what another version of a program declares about the shape.
    pub fn declare(&mut self, shape: &Shape) {
        if shape.bare() == self.shape.bare() {
            self.shape.declare(shape);
        }
    }

    /// What it says, as a plain value; a set is a sorted list.
    #[must_use]
    pub fn value(&self) -> Value {
        self.state.value()
    }

    /// What it says at a place inside; `None` if there is no such place.
    #[must_use]
    pub fn value_at(&self, path: &[Value]) -> Option<Value> {
        self.state.value_at(path)
    }

    /// Why it says what it says at a place inside; `None` if there is no such place.
    #[must_use]
    pub fn explain(&self, path: &[Value]) -> Option<Explanation> {
        self.state.explain(path)
    }

    /// The state, whatever it is.
    #[must_use]
    pub fn state(&self) -> &Causal<Node> {
        &self.state
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&Text> {
        match &*self.state {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The state as a Rust type knows it; `None` if it is not of this type. Fields that the type lacks are
    /// left out. O(n).
    #[must_use]
    pub fn store<S: Described>(&self) -> Option<S> {
        if S::shape().bare() != self.shape.bare() {
            return None;
        }
        recode::<Node, S>(&self.state, None)
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
        let mut draft = Draft { writer: *writer, logs, deltas: Vec::new() };
        self.alter(edit, &mut draft)?;
        Ok(draft.deltas)
    }

    /// Makes a change in parts that fit into deltas each; only the first of them can fail.
    fn alter(&mut self, edit: &Edit, draft: &mut Draft<'_>) -> Result<(), EditError> {
        let call = |path: &[Value], operation: &str, arguments: &[Value]| {
            (path.to_vec(), Call::new(operation, arguments.to_vec()))
        };
        let (path, call) = match edit {
            Edit::Call { path, operation, arguments } => call(path, operation, arguments),
            Edit::Set(value) => call(&[], "set", std::slice::from_ref(value)),
            Edit::Put { key, value } => call(&[], "put", &[key.as_str().into(), value.clone()]),
            Edit::Remove { key } => call(&[], "remove", &[key.as_str().into()]),
            Edit::Increment(by) => call(&[], "increment", &[(*by).into()]),
            Edit::Add(value) => call(&[], "add", std::slice::from_ref(value)),
            Edit::Discard(value) => call(&[], "remove", std::slice::from_ref(value)),
            Edit::Clear => call(&[], "clear", &[]),
            Edit::Replace(text) => call(&[], "set", &[text.as_str().into()]),
            Edit::Splice { at, delete, insert } => {
                call(&[], "splice", &[index(*at)?, index(*delete)?, insert.as_str().into()])
            }
            Edit::SpliceAt { after, delete, insert } => {
                return self.splice_at(*after, delete, insert, draft);
            }
            Edit::Import(text) => return self.import(text, draft),
            Edit::Typed(typed) => {
                let mut change = Change::new(&draft.writer, self.state.seen());
                let node = (typed.0)(self, &mut change)?;
                return self.take(Causal::made(node, change), draft);
            }
        };
        if path.len() >= usize::try_from(SHAPE_DEPTH_MAX).unwrap_or(0)
            || path.iter().chain(&call.arguments).any(|value| depth(value) > VALUE_DEPTH_MAX)
        {
            return Err(EditError::TooDeep);
        }
        for call in in_chunks(&self.state, &path, call) {
            let change = Change::new(&draft.writer, self.state.seen());
            let mut change = change.of_shape(self.shape.clone());
            let node = self.state.call(&mut change, &path, &call)?;
            self.take(Causal::made(node, change), draft)?;
        }
        Ok(())
    }

    /// Takes in a delta made here and adds it to the draft, unless it changes nothing.
    fn take(&mut self, delta: Causal<Node>, draft: &mut Draft<'_>) -> Result<(), EditError> {
        let mut logs = draft.logs.clone();
        let encode = |delta: &Causal<Node>, logs: &mut LogTable| {
            let mut out = Encoder::new(logs);
            delta.encode(&mut out);
            out.into_bytes()
        };
        let whole = encode(&delta, &mut logs);
        let parts = if whole.len() <= DELTA_BYTES_MAX {
            vec![whole]
        } else {
            let parts = delta.clone().into_parts(RANGES_PER_DELTA);
            parts.iter().map(|part| encode(part, &mut logs)).collect()
        };
        if let Some(bytes) = parts.iter().map(Vec::len).find(|bytes| *bytes > DELTA_BYTES_MAX) {
            return Err(EditError::TooLarge { bytes, max: DELTA_BYTES_MAX });
        }
        if self.state.join(delta) {
            *draft.logs = logs;
            draft.deltas.extend(parts);
        }
        Ok(())
    }

    fn splice_at(
        &mut self,
        after: Option<Dot>,
        delete: &[DotRange],
        insert: &str,
        draft: &mut Draft<'_>,
    ) -> Result<(), EditError> {
        let text = self.as_text().ok_or_else(|| self.no_text())?;
        let known = after.is_none_or(|dot| text.position_of(dot).is_some());
        if !known || text.text_of(delete).is_none() {
            return Err(EditError::OutOfRange);
        }
        let chars: Vec<char> = insert.chars().collect();
        let mut last = after;
        for chunk in chars.chunks(IMPORT_CHUNK_CHARS) {
            let chunk: String = chunk.iter().collect();
            let text = self.as_text().ok_or(EditError::OutOfRange)?;
            let mut change = Change::new(&draft.writer, self.state.seen());
            let delta =
                text.insert_after(&mut change, last, &chunk).ok_or(EditError::OutOfRange)?;
            let inserted = delta.chars().first_inserted();
            last = inserted.map(|dots| dots.first().plus(dots.len - 1));
            self.take(Causal::made(delta.into(), change), draft)?;
        }
        let text = self.as_text().ok_or(EditError::OutOfRange)?;
        let mut change = Change::new(&draft.writer, self.state.seen());
        let delta = text.delete_spans(&mut change, delete).ok_or(EditError::OutOfRange)?;
        self.take(Causal::made(delta.into(), change), draft)
    }

    fn import(&mut self, content: &str, draft: &mut Draft<'_>) -> Result<(), EditError> {
        let text = self.as_text().ok_or_else(|| self.no_text())?;
        if text.is_unwritten() {
            for delta in Text::import(content) {
                let node = Node::from((*delta).clone());
                self.take(Causal::of(node, delta.seen().clone()), draft)?;
            }
        }
        Ok(())
    }

    fn no_text(&self) -> EditError {
        EditError::UnknownOperation {
            operation: "splice".to_owned(),
            kind: self.shape.kind(),
            known: Kind::about(self.shape.kind())
                .operations
                .iter()
                .map(|known| known.name)
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// Takes in an encoded delta written by the owner of `logs`; tells whether it was news.
    ///
    /// # Errors
    /// A [`DeltaError`] if the delta is void, which does not depend on the state of the object.
    pub fn join_delta(&mut self, delta: &[u8], logs: &LogTable) -> Result<bool, DeltaError> {
        let mut from = Decoder::new(delta, logs).of_shape(self.shape.bare());
        let delta = Causal::<Node>::decode(&mut from).map_err(DeltaError::Malformed)?;
        from.finish().map_err(DeltaError::Malformed)?;
        if !delta.written_by(logs.own()) {
            return Err(DeltaError::NotTheAuthors);
        }
        Ok(self.state.join(delta))
    }

    /// Takes in another replica of the same shape; tells whether it was news.
    pub fn join(&mut self, other: Self) -> bool {
        self.state.join(other.state)
    }

    /// What differs in what two states say, the smallest places that cover it, in the order of paths.
    #[must_use]
    pub fn diff(&self, later: &Self) -> Vec<Difference> {
        compare(&self.value(), &later.value())
    }

    /// The whole state, to be kept.
    #[must_use]
    pub fn encode_state(&self) -> Vec<u8> {
        codec::to_bytes(&self.state)
    }

    /// Reads what [`Object::encode_state`] wrote for an object of this shape.
    ///
    /// # Errors
    /// A [`DecodeError`] for anything else.
    pub fn decode_state(shape: &Shape, bytes: &[u8]) -> Result<Self, DecodeError> {
        let state = codec::from_bytes_as(Some(shape.bare()), bytes)?;
        Ok(Self { shape: shape.clone(), state })
    }

    /// A hash of the whole state: equal states, and no others, have equal digests.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        codec::digest(&self.state)
    }
}

/// The deltas of an edit in the making.
struct Draft<'a> {
    writer: Writer,
    logs: &'a mut LogTable,
    deltas: Vec<Vec<u8>>,
}

/// The same store as another type knows it.
fn recode<A: Encode, B: Decode>(store: &A, shape: Option<Shape>) -> Option<B> {
    codec::view_of_bytes(shape, &codec::to_bytes(store)).ok()
}

fn index(index: usize) -> Result<Value, EditError> {
    i64::try_from(index).map(Value::Int).map_err(|_| EditError::OutOfRange)
}

/// A long insertion into a text as several shorter ones; any other call as it is.
fn in_chunks(state: &Node, path: &[Value], call: Call) -> Vec<Call> {
    let long = |text: &str| text.chars().count() > IMPORT_CHUNK_CHARS;
    let splice = match call.parts() {
        ("splice", [Value::Int(at), Value::Int(delete), Value::Text(text)]) if long(text) => {
            Some((*at, *delete, text.clone()))
        }
        ("append" | "set", [Value::Text(text)]) if long(text) => {
            let Some(Value::Text(now)) = state.value_at(path) else { return vec![call] };
            if !matches!(state.explain(path), Some(known) if known.kind == Kind::Text) {
                return vec![call];
            }
            let now: Vec<char> = now.chars().collect();
            let (at, delete, insert) = if call.operation == "append" {
                (now.len(), 0, text.as_str())
            } else {
                crate::types::sequences::difference(&now, text)
            };
            let place = i64::try_from(at).ok().zip(i64::try_from(delete).ok());
            place.map(|(at, delete)| (at, delete, insert.to_owned()))
        }
        _ => None,
    };
    let Some((at, delete, text)) = splice else { return vec![call] };
    let chars: Vec<char> = text.chars().collect();
    let mut calls = Vec::new();
    let mut done = 0;
    for chunk in chars.chunks(IMPORT_CHUNK_CHARS) {
        let text: String = chunk.iter().collect();
        let delete = if done == 0 { delete } else { 0 };
        calls.push(Call::new("splice", [(at + done).into(), delete.into(), text.into()]));
        done += i64::try_from(chunk.len()).unwrap_or(0);
    }
    if calls.is_empty() { vec![call] } else { calls }
}

/// Where two values differ, the smallest places that cover it, in the order of paths.
pub(crate) fn compare(one: &Value, two: &Value) -> Vec<Difference> {
    let mut differences = Vec::new();
    descend(one, two, &mut Vec::new(), &mut differences);
    differences
}

/// Notes where two values differ, descending into maps.
fn descend(one: &Value, two: &Value, path: &mut Vec<Value>, differences: &mut Vec<Difference>) {
    let (Value::Map(one), Value::Map(two)) = (one, two) else {
        if one != two {
            differences.push(Difference {
                path: path.clone().into(),
                before: Some(one.clone()),
                after: Some(two.clone()),
            });
        }
        return;
    };
    let mut keys: Vec<&String> = one.keys().chain(two.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        path.push(Value::Text(key.clone()));
        match (one.get(key), two.get(key)) {
            (Some(one), Some(two)) => descend(one, two, path, differences),
            (before, after) => differences.push(Difference {
                path: path.clone().into(),
                before: before.cloned(),
                after: after.cloned(),
            }),
        }
        path.pop();
    }
}
