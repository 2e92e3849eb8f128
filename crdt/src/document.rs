//! A document like JSON that several people edit: maps, lists whose items move, text, counters, and registers
//! that keep conflicts, at any depth.
//!
//! Calls at places in → a transaction, all or nothing, and one delta for it; deltas of others in → patches to
//! observers. Every change is remembered, so that the document can tell what it was, and own ones can be undone.
//! Not here: where deltas are kept or sent; the objects of a space have their own way.

use crate::causal::CausalContext;
use crate::crdt::{Call, Crdt, EditError, Explanation};
use crate::lattice::Lattice;
use crate::node::{Kind, Node};
use crate::object::{Difference, compare};
use crate::path::Path;
use crate::shape::{SHAPE_DEPTH_MAX, Shape};
use crate::store::{Causal, Change};
use crate::time::{Stamp, Writer};
use crate::value::{VALUE_DEPTH_MAX, Value, depth};

mod step;

use step::{Step, Successors};

/// Most transactions that can be undone.
pub const UNDO_MAX: usize = 1000;

/// A change that a document has taken in.
#[derive(Clone, Debug)]
pub struct Revision {
    /// When, and by whom it was made, if it was made here.
    pub made: Option<Stamp>,
    /// What had been seen with it.
    pub version: CausalContext,
    delta: Causal<Node>,
}

/// Hears what changed at and below a place.
type Observer = Box<dyn FnMut(&[Difference]) + Send>;

/// A document, its history, and what can be undone.
///
/// A step of a path names a field, a key, or, as `#3`, an item of a list. A field gets its type from the shape the
/// document was made with, or by `create`, or by the first operation on it.
///
/// ```
/// use meshwork_crdt::{Document, HybridTime, LogId, Writer};
/// let ann = |ms| Writer { log: LogId([1; 16]), time: HybridTime::at(ms) };
/// let mut list = Document::default();
/// list.change(&ann(1), |edit| {
///     edit.call("title", "set", ["Shopping".into()])?;
///     edit.call("", "create", ["items".into(), "movable-list<record>".into()])?;
///     edit.call("items", "insert", [0.into()])?;
///     edit.call("items/#0/name", "set", ["Milk".into()])?;
///     edit.call("items/#0/count", "increment", [2.into()])
/// })
/// .unwrap();
/// let text = r#"{"items":[{"count":2,"name":"Milk"}],"title":"Shopping"}"#;
/// assert_eq!(list.value().to_string(), text);
/// list.undo(&ann(2)).unwrap();
/// assert_eq!(list.value().to_string(), "{}");
/// list.redo(&ann(3)).unwrap();
/// assert_eq!(list.value().to_string(), text);
/// ```
pub struct Document {
    shape: Shape,
    state: Causal<Node>,
    history: Vec<Revision>,
    undo: Vec<Vec<Step>>,
    redo: Vec<Vec<Step>>,
    successors: Successors,
    observers: Vec<(Path, Observer)>,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("value", &self.value()).finish_non_exhaustive()
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new(Kind::Record)
    }
}

impl Document {
    /// An empty document of a shape: a record, or any other.
    #[must_use]
    pub fn new(shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let state = Causal::of(Node::new(shape.kind()), CausalContext::default());
        Self {
            shape,
            state,
            history: Vec::new(),
            undo: Vec::new(),
            redo: Vec::new(),
            successors: Successors::default(),
            observers: Vec::new(),
        }
    }

    /// What it is made of.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The replica itself.
    #[must_use]
    pub fn state(&self) -> &Causal<Node> {
        &self.state
    }

    /// What it says.
    #[must_use]
    pub fn value(&self) -> Value {
        self.state.value()
    }

    /// What it says at a place; `None` if there is no such place.
    #[must_use]
    pub fn value_at(&self, place: &str) -> Option<Value> {
        self.state.value_at(&path(place))
    }

    /// Why it says what it says at a place; `None` if there is no such place.
    #[must_use]
    pub fn explain(&self, place: &str) -> Option<Explanation> {
        self.state.explain(&path(place))
    }

    /// Makes a transaction: all of its calls take effect, or, if it fails, none. Returns the delta for others,
    /// `None` if nothing changed. It can be undone.
    ///
    /// # Errors
    /// What `alter` says.
    pub fn change(
        &mut self,
        writer: &Writer,
        alter: impl FnOnce(&mut Transaction<'_>) -> Result<(), EditError>,
    ) -> Result<Option<Causal<Node>>, EditError> {
        self.transact(writer, alter, |document, inverse| {
            document.redo.clear();
            remember(&mut document.undo, inverse);
        })
    }

    /// Undoes the latest transaction of this document that has not been undone, as far as others have left what it
    /// changed; what they changed since stays. Returns the delta for others, `None` if there is nothing to undo.
    ///
    /// An undo is a change like any other: it restores what was seen before (Stewen & Kleppmann, PaPoC 2024).
    ///
    /// # Errors
    /// If the transaction did something that cannot be undone.
    pub fn undo(&mut self, writer: &Writer) -> Result<Option<Causal<Node>>, EditError> {
        while let Some(steps) = self.undo.pop() {
            let keep = |document: &mut Self, inverse| remember(&mut document.redo, inverse);
            if let Some(delta) = self.transact(writer, |edit| edit.go_back(&steps), keep)? {
                return Ok(Some(delta));
            }
        }
        Ok(None)
    }

    /// Makes the transaction that was undone last again. Returns the delta for others, `None` if there is none.
    ///
    /// # Errors
    /// If the transaction did something that cannot be undone.
    pub fn redo(&mut self, writer: &Writer) -> Result<Option<Causal<Node>>, EditError> {
        while let Some(steps) = self.redo.pop() {
            let keep = |document: &mut Self, inverse| remember(&mut document.undo, inverse);
            if let Some(delta) = self.transact(writer, |edit| edit.go_back(&steps), keep)? {
                return Ok(Some(delta));
            }
        }
        Ok(None)
    }

    fn transact(
        &mut self,
        writer: &Writer,
        alter: impl FnOnce(&mut Transaction<'_>) -> Result<(), EditError>,
        keep: impl FnOnce(&mut Self, Vec<Step>),
    ) -> Result<Option<Causal<Node>>, EditError> {
        let watched = self.watched();
        let mut transaction = Transaction {
            document: self,
            writer: *writer,
            delta: Causal::default(),
            inverse: Vec::new(),
        };
        let result = alter(&mut transaction);
        let Transaction { delta, inverse, .. } = transaction;
        if let Err(why) = result {
            self.state = self.replayed(self.history.len());
            return Err(why);
        }
        if delta == Causal::default() {
            return Ok(None);
        }
        keep(self, inverse);
        self.note(Some(writer.stamp()), delta.clone());
        self.tell(&watched);
        Ok(Some(delta))
    }

    /// Takes in what others did; tells whether it was news.
    pub fn merge(&mut self, delta: Causal<Node>) -> bool {
        let watched = self.watched();
        let news = self.state.join(delta.clone());
        if news {
            self.note(None, delta);
            self.tell(&watched);
        }
        news
    }

    fn note(&mut self, made: Option<Stamp>, delta: Causal<Node>) {
        self.history.push(Revision { made, version: self.state.seen().clone(), delta });
    }

    /// Everything this document has taken in, in its own order.
    #[must_use]
    pub fn history(&self) -> &[Revision] {
        &self.history
    }

    /// What the document said after its first `revisions` changes. O(these changes).
    #[must_use]
    pub fn value_after(&self, revisions: usize) -> Value {
        self.replayed(revisions).value()
    }

    /// What differs between two moments of its history.
    #[must_use]
    pub fn diff(&self, from: usize, to: usize) -> Vec<Difference> {
        compare(&self.value_after(from), &self.value_after(to))
    }

    fn replayed(&self, revisions: usize) -> Causal<Node> {
        let empty = Causal::of(Node::new(self.shape.kind()), CausalContext::default());
        self.history.iter().take(revisions).fold(empty, |mut state, revision| {
            state.join(revision.delta.clone());
            state
        })
    }

    /// Calls `observer` with what changed at and below a place, after each transaction and merge that changes it.
    pub fn observe(&mut self, place: &str, observer: impl FnMut(&[Difference]) + Send + 'static) {
        self.observers.push((path(place), Box::new(observer)));
    }

    /// What observers look at, before a change.
    fn watched(&self) -> Vec<Option<Value>> {
        self.observers.iter().map(|(place, _)| self.state.value_at(place)).collect()
    }

    fn tell(&mut self, before: &[Option<Value>]) {
        for ((place, observer), before) in self.observers.iter_mut().zip(before) {
            let after = self.state.value_at(place);
            let null = Value::Null;
            let (one, two) = (before.as_ref().unwrap_or(&null), after.as_ref().unwrap_or(&null));
            let mut differences = compare(one, two);
            for difference in &mut differences {
                difference.path = place.iter().chain(difference.path.iter()).cloned().collect();
            }
            if !differences.is_empty() {
                observer(&differences);
            }
        }
    }
}

fn remember(stack: &mut Vec<Vec<Step>>, steps: Vec<Step>) {
    if steps.is_empty() {
        return;
    }
    if stack.len() >= UNDO_MAX {
        stack.remove(0);
    }
    stack.push(steps);
}

fn path(place: &str) -> Path {
    let Ok(path) = place.parse();
    path
}

/// Calls on a document that take effect together.
#[derive(Debug)]
pub struct Transaction<'a> {
    document: &'a mut Document,
    writer: Writer,
    delta: Causal<Node>,
    inverse: Vec<Step>,
}

impl Transaction<'_> {
    /// What the document says at a place now.
    #[must_use]
    pub fn value_at(&self, place: &str) -> Option<Value> {
        self.document.value_at(place)
    }

    /// Makes a change in words at a place.
    ///
    /// # Errors
    /// An [`EditError`]; the transaction may go on without this call.
    pub fn call(
        &mut self,
        place: &str,
        operation: &str,
        arguments: impl IntoIterator<Item = Value>,
    ) -> Result<(), EditError> {
        self.run(&Step::Call(path(place), Call::new(operation, arguments)))
    }

    fn go_back(&mut self, steps: &[Step]) -> Result<(), EditError> {
        for step in steps.iter().rev() {
            match self.run(step) {
                // Others have taken away what was to be changed back.
                Ok(()) | Err(EditError::NoSuchPlace { .. } | EditError::OutOfRange) => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    fn run(&mut self, step: &Step) -> Result<(), EditError> {
        let resolved = step.resolve(&self.document.state, &self.document.successors)?;
        let Some((place, call)) = resolved else { return Ok(()) };
        let too_long = place.len() >= usize::try_from(SHAPE_DEPTH_MAX).unwrap_or(0);
        let mut values = place.iter().chain(&call.arguments);
        if too_long || values.any(|value| depth(value) > VALUE_DEPTH_MAX) {
            return Err(EditError::TooDeep);
        }
        let state = &mut self.document.state;
        let first = state.seen().next(self.writer.log);
        let change = Change::new(&self.writer, state.seen());
        let mut change = change.of_shape(self.document.shape.clone());
        let node = state.call(&mut change, &place, &call)?;
        let delta = Causal::made(node, change);
        let before = step::before(state, &place, &call);
        if state.join(delta.clone()) {
            let moved = before.moved(state, &place);
            self.inverse.extend(step::inverse(before, state, &place));
            self.delta.join(delta);
            self.document.successors.note(step, first, moved);
        }
        Ok(())
    }
}
