//! What undoes a call: steps that name what they change so that they still find it when others have edited.

use std::collections::{BTreeMap, BTreeSet};

use crate::causal::CausalContext;
use crate::crdt::{Call, Crdt, EditError};
use crate::dot::{Dot, DotRange};
use crate::node::{Kind, Node};
use crate::path::Path;
use crate::policy::Policy;
use crate::types::maps::Record;
use crate::types::sequences::{RichText, Writing};
use crate::value::Value;

/// A change that is still to be made.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A call at a place.
    Call(Path, Call),
    /// Inserting an item into a list, which stands for one that was removed.
    InsertItem(Path, usize, Dot),
    /// Removing an item of a list, wherever it stands.
    RemoveItem(Path, Dot),
    /// Moving an item of a list, wherever it stands, to an index.
    MoveItem(Path, Dot, usize),
    /// Deleting elements of a text or list, and inserting others, which stand for some that were deleted.
    Splice {
        place: Path,
        after: Option<Dot>,
        delete: Vec<DotRange>,
        insert: Value,
        stands_for: Vec<DotRange>,
    },
    /// Taking formats of a rich text away, and putting back others, which stand for some that were taken away.
    Revert { place: Path, away: Vec<Dot>, again: BTreeMap<Dot, Writing> },
    /// There is no way.
    Impossible,
}

impl Step {
    /// The call that makes the change now; `None` if there is nothing left to change.
    pub(super) fn resolve(
        &self,
        state: &Node,
        successors: &Successors,
    ) -> Result<Option<(Path, Call)>, EditError> {
        let index_of = |place: &Path, item: Dot| match state.at(place) {
            Some(Node::MovableList(list)) => {
                (0..list.len()).find(|index| list.id_at(*index) == Some(item))
            }
            _ => None,
        };
        Ok(match self {
            Self::Call(place, call) => Some((place.clone(), call.clone())),
            Self::InsertItem(place, index, _) => {
                Some((place.clone(), Call::new("insert", [Value::count(*index)])))
            }
            Self::RemoveItem(place, item) => index_of(place, successors.latest(*item))
                .map(|index| (place.clone(), Call::new("remove", [Value::count(index)]))),
            Self::MoveItem(place, item, to) => {
                index_of(place, successors.latest(*item)).map(|index| {
                    let to = Value::count(*to);
                    (place.clone(), Call::new("move", [Value::count(index), to]))
                })
            }
            Self::Splice { place, after, delete, insert, .. } => {
                let after = after.map(|dot| successors.latest(dot));
                let delete = successors.latest_of(delete);
                let arguments = [dot_value(after), ranges_value(&delete), insert.clone()];
                Some((place.clone(), Call::new("splice-at", arguments)))
            }
            Self::Revert { place, away, again } => {
                let away = away.iter().map(|dot| DotRange::from(successors.latest(*dot)));
                let away = ranges_value(&away.collect::<Vec<_>>());
                let latest = |dot| successors.latest(dot);
                let again = again.values().map(|writing| writing.moved(latest).to_value());
                let again = Value::list(again);
                Some((place.clone(), Call::new("revert", [away, again])))
            }
            Self::Impossible => {
                return Err(EditError::refused("the change was one that cannot be undone"));
            }
        })
    }
}

/// Which element stands for one that was deleted and brought back.
#[derive(Debug, Default)]
pub(super) struct Successors(BTreeMap<Dot, Dot>);

impl Successors {
    /// Notes that what a step inserted, from a dot on, stands for what it says, and what else stands for what.
    pub(super) fn note(&mut self, step: &Step, first: Dot, moved: Vec<(Dot, Dot)>) {
        self.0.extend(moved);
        if let Step::InsertItem(_, _, item) = step {
            self.0.insert(*item, first);
        }
        if let Step::Revert { again, .. } = step {
            self.0.extend(again.keys().copied().zip((0..).map(|n| first.plus(n))));
        }
        let Step::Splice { stands_for, .. } = step else { return };
        let old = stands_for.iter().flat_map(|range| (0..range.len).map(|n| range.first().plus(n)));
        self.0.extend(old.zip((0..).map(|n| first.plus(n))));
    }

    fn latest(&self, mut dot: Dot) -> Dot {
        while let Some(next) = self.0.get(&dot) {
            dot = *next;
        }
        dot
    }

    fn latest_of(&self, ranges: &[DotRange]) -> Vec<DotRange> {
        let mut context = CausalContext::default();
        for range in ranges {
            (0..range.len).for_each(|n| {
                context.insert(self.latest(range.first().plus(n)));
            });
        }
        context.ranges().collect()
    }
}

/// What must be known of a place before a call to undo it afterwards.
pub(super) enum Before {
    /// All there is to know.
    Steps(Vec<Step>),
    /// What it says.
    Value(Value),
    /// The dots that show, in order.
    Spans(Vec<DotRange>),
    /// The dots of a rich text that show, and what formats it, if the call may change that.
    Rich(Vec<DotRange>, Option<BTreeMap<Dot, Writing>>),
    /// The same of one to which text is brought back.
    Back(Vec<DotRange>, BTreeMap<Dot, Writing>),
    /// The items of a list.
    Items(BTreeSet<Dot>),
    /// Of a map the keys that may change: what they said, and the steps that make an empty one say it.
    Keys(Vec<(Value, Option<Value>, Vec<Step>)>),
}

/// Looks at the place of a call that is about to be made.
pub(super) fn before(state: &Node, place: &Path, call: &Call) -> Before {
    // A call at a place that is not there yet makes it, and all above it that is not there either.
    for (depth, step) in place.iter().enumerate() {
        let (above, _) = place.split_at(depth);
        let below: Path = place.iter().take(depth + 1).cloned().collect();
        if state.at(&below).is_none() {
            return Before::Steps(match state.at(above) {
                Some(Node::Table(_)) => vec![remove(above, "remove-row", step)],
                Some(Node::Record(_)) => {
                    vec![remove(above, "remove", &Value::Text(step.clone().into_key()))]
                }
                Some(node) if node.kind().is_some_and(Kind::is_map) => {
                    vec![remove(above, "remove", step)]
                }
                _ => Vec::new(),
            });
        }
    }
    let Some(node) = state.at(place) else { return Before::Steps(Vec::new()) };
    let step = |operation: &str, arguments: Vec<Value>| {
        Step::Call(place.clone(), Call::new(operation, arguments))
    };
    let steps = match node {
        Node::Register(register) => vec![match register.get() {
            Some(value) => step("set", vec![value.clone()]),
            None => step("clear", vec![]),
        }],
        Node::MvRegister(register) => vec![match register.resolve(&Policy::Latest) {
            Some(value) => step("set", vec![value]),
            None => step("clear", vec![]),
        }],
        Node::Counter(_) | Node::ResettableCounter(_) | Node::Set(_) => {
            return Before::Value(node.value());
        }
        Node::Flag(_) | Node::DisableFlag(_) => vec![step("set", vec![node.value()])],
        Node::Text(text) => return Before::Spans(text.spans()),
        Node::RichText(text) => return rich_before(text, call),
        Node::List(list) => return Before::Spans(list.spans()),
        Node::MovableList(list) => match call.parts() {
            ("insert", _) => return Before::Items(list.ids().collect()),
            ("move", [Value::Int(from), _]) => {
                let from = usize::try_from(*from).unwrap_or(usize::MAX);
                let item = list.id_at(from);
                item.map(|item| Step::MoveItem(place.clone(), item, from)).into_iter().collect()
            }
            ("remove", [Value::Int(at)]) => {
                let below: Path = place.iter().cloned().chain([Value::Int(*at)]).collect();
                let at = usize::try_from(*at).unwrap_or(usize::MAX);
                let item = list.id_at(at);
                let insert = item.map(|item| Step::InsertItem(place.clone(), at, item));
                let mut steps: Vec<Step> = insert.into_iter().collect();
                state.at(&below).into_iter().for_each(|part| restore(part, &below, &mut steps));
                steps.reverse();
                steps
            }
            ("clear", []) => {
                let mut steps = Vec::new();
                restore(node, place, &mut steps);
                steps.reverse();
                steps
            }
            _ => vec![Step::Impossible],
        },
        _ if node.kind().is_some_and(Kind::is_map) => {
            return Before::Keys(keys_of(state, node, place, call));
        }
        _ => vec![Step::Impossible],
    };
    Before::Steps(steps)
}

/// What undoes a call that was made, to be carried out from the last to the first.
pub(super) fn inverse(before: Before, state: &Node, place: &Path) -> Vec<Step> {
    let step = |operation: &str, arguments: Vec<Value>| {
        Step::Call(place.clone(), Call::new(operation, arguments))
    };
    match (before, state.at(place)) {
        (Before::Steps(steps), _) => steps,
        (Before::Value(Value::Int(old)), Some(counter)) => match counter.value() {
            Value::Int(new) if new != old => {
                vec![step("increment", vec![old.saturating_sub(new).into()])]
            }
            _ => Vec::new(),
        },
        (Before::Value(Value::List(old)), Some(Node::Set(set))) => {
            let old: BTreeSet<Value> = old.into_iter().collect();
            let new: BTreeSet<Value> = set.iter().cloned().collect();
            let back = old.difference(&new).map(|item| step("add", vec![item.clone()]));
            let gone = new.difference(&old).map(|item| step("remove", vec![item.clone()]));
            back.chain(gone).collect()
        }
        (Before::Spans(old), Some(Node::Text(text))) => {
            let (new, gone) = turnover(&old, &text.spans());
            let back = text.text_of(&gone).unwrap_or_default();
            splice(place, text.before(&gone), new, back.into(), gone).into_iter().collect()
        }
        (Before::Back(old, _), Some(Node::RichText(text))) => {
            let (new, gone) = turnover(&old, &text.text().spans());
            splice(place, None, new, ranges_value(&gone), gone).into_iter().collect()
        }
        (Before::Rich(old, formats), Some(Node::RichText(text))) => {
            let (new, gone) = turnover(&old, &text.text().spans());
            let steps = splice(place, None, new, ranges_value(&gone), gone).into_iter();
            steps.chain(formats.and_then(|old| revert(place, &old, &text.writings()))).collect()
        }
        (Before::Spans(old), Some(Node::List(list))) => {
            let (new, gone) = turnover(&old, &list.spans());
            let (after, back) = list.before_and_values(&gone);
            splice(place, after, new, Value::List(back), gone).into_iter().collect()
        }
        (Before::Keys(keys), _) => {
            let mut steps = Vec::new();
            for (key, old, again) in keys {
                let below: Path = place.iter().cloned().chain([key.clone()]).collect();
                let new = state.at(&below).map(Crdt::value);
                if new != old {
                    steps.extend(again.into_iter().rev());
                    steps.extend(new.map(|_| remove(place, "remove", &key)));
                }
            }
            steps
        }
        (Before::Items(old), Some(Node::MovableList(list))) => {
            let new = list.ids().filter(|item| !old.contains(item));
            new.map(|item| Step::RemoveItem(place.clone(), item)).collect()
        }
        _ => Vec::new(),
    }
}

/// What must be known of a rich text before a call: formats only if it says something of them.
fn rich_before(text: &RichText, call: &Call) -> Before {
    let spans = text.text().spans();
    match call.operation.as_str() {
        "splice-at" => Before::Back(spans, text.writings()),
        "mark" | "unmark" | "set-block" | "revert" | "clear" => {
            Before::Rich(spans, Some(text.writings()))
        }
        _ => Before::Rich(spans, None),
    }
}

impl Before {
    /// Which formats stand for others now that hung on text that was brought back.
    pub(super) fn moved(&self, state: &Node, place: &Path) -> Vec<(Dot, Dot)> {
        let (Self::Back(_, old), Some(Node::RichText(text))) = (self, state.at(place)) else {
            return Vec::new();
        };
        let new = text.writings();
        let gone = old.keys().filter(|dot| !new.contains_key(dot)).copied();
        gone.zip(new.keys().filter(|dot| !old.contains_key(dot)).copied()).collect()
    }
}

/// What takes new formats away and puts those back that are gone, as they were: what others wrote since stands.
fn revert(
    place: &Path,
    old: &BTreeMap<Dot, Writing>,
    new: &BTreeMap<Dot, Writing>,
) -> Option<Step> {
    let away = new.keys().filter(|dot| !old.contains_key(dot)).copied().collect::<Vec<_>>();
    let again = old.iter().filter(|(dot, _)| !new.contains_key(dot));
    let again: BTreeMap<_, _> = again.map(|(dot, it)| (*dot, it.clone())).collect();
    let anything = !away.is_empty() || !again.is_empty();
    anything.then(|| Step::Revert { place: place.clone(), away, again })
}

/// What is in the one and not in the other: new dots, and those that are gone.
fn turnover(old: &[DotRange], new: &[DotRange]) -> (Vec<DotRange>, Vec<DotRange>) {
    let context = |spans: &[DotRange]| {
        let mut context = CausalContext::default();
        spans.iter().for_each(|span| {
            context.insert_range(*span);
        });
        context
    };
    let (before, after) = (context(old), context(new));
    let new = new.iter().flat_map(|span| before.gaps(*span)).collect();
    let gone = old.iter().flat_map(|span| after.gaps(*span)).collect();
    (new, gone)
}

fn splice(
    place: &Path,
    after: Option<Dot>,
    delete: Vec<DotRange>,
    insert: Value,
    stands_for: Vec<DotRange>,
) -> Option<Step> {
    let anything = !delete.is_empty() || !stands_for.is_empty();
    let place = place.clone();
    anything.then_some(Step::Splice { place, after, delete, insert, stands_for })
}

fn remove(above: &[Value], operation: &str, step: &Value) -> Step {
    Step::Call(above.iter().cloned().collect(), Call::new(operation, [step.clone()]))
}

/// The keys that a call on a map may change, those it names or all, and how to put them back.
fn keys_of(
    state: &Node,
    node: &Node,
    place: &Path,
    call: &Call,
) -> Vec<(Value, Option<Value>, Vec<Step>)> {
    let keys: Vec<Value> = match call.parts() {
        ("put" | "insert" | "create" | "remove", [key, ..]) => vec![key.clone()],
        _ => match node.value() {
            Value::Map(map) => {
                let named = call.arguments.iter().flat_map(|argument| match argument {
                    Value::Map(new) => new.keys().cloned().collect(),
                    _ => Vec::new(),
                });
                let all: BTreeSet<String> = map.into_keys().chain(named).collect();
                all.into_iter().map(Value::Text).collect()
            }
            _ => Vec::new(),
        },
    };
    let known = |key: Value| {
        let below: Path = place.iter().cloned().chain([key.clone()]).collect();
        let mut steps = Vec::new();
        let part = state.at(&below);
        if let Some(part) = part {
            match node {
                Node::Record(record) => {
                    steps.extend(create(record, place, &key.clone().into_key()));
                }
                _ => {
                    let call = Call::new("insert", [key.clone()]);
                    steps.push(Step::Call(place.clone(), call));
                }
            }
            restore(part, &below, &mut steps);
        }
        (key, part.map(Crdt::value), steps)
    };
    keys.into_iter().map(known).collect()
}

/// The call that puts a field of the shape it has there.
fn create(record: &Record, place: &Path, name: &str) -> Option<Step> {
    let shape = record.shape_at(name)?.to_string();
    let call = Call::new("create", [name.into(), shape.into()]);
    Some(Step::Call(place.clone(), call))
}

/// The calls that make an empty part at a place say what `part` says, part by part, in their order.
fn restore(part: &Node, place: &Path, steps: &mut Vec<Step>) {
    let below = |step: Value| -> Path { place.iter().cloned().chain([step]).collect() };
    let call = |call: Call| Step::Call(place.clone(), call);
    match part {
        Node::Record(record) => {
            for (name, field) in record.iter() {
                steps.extend(create(record, place, name));
                restore(field, &below(name.into()), steps);
            }
        }
        Node::Map(map) => {
            for (key, part) in map.iter() {
                steps.push(call(Call::new("insert", [key.clone()])));
                restore(part, &below(key.clone()), steps);
            }
        }
        Node::MovableList(list) => {
            for (index, part) in list.iter().enumerate() {
                let item = list.id_at(index);
                steps.extend(item.map(|item| Step::InsertItem(place.clone(), index, item)));
                restore(part, &below(Value::count(index)), steps);
            }
        }
        Node::Text(text) => {
            let insert = text.to_string().into();
            steps.extend(splice(place, None, Vec::new(), insert, text.spans()));
        }
        Node::RichText(text) => {
            let insert = text.to_string().into();
            steps.extend(splice(place, None, Vec::new(), insert, text.text().spans()));
            steps.extend(text.formatting().into_iter().map(call));
        }
        Node::List(list) => {
            let insert = Value::list(list.iter());
            steps.extend(splice(place, None, Vec::new(), insert, list.spans()));
        }
        Node::MvRegister(register) => {
            let value = register.resolve(&Policy::Latest);
            steps.extend(value.map(|value| call(Call::new("set", [value]))));
        }
        Node::Register(register) => {
            steps.extend(register.get().map(|value| call(Call::new("set", [value.clone()]))));
        }
        part if part.kind().is_some_and(Kind::is_set_to_a_value) => {
            steps.push(call(Call::new("set", [part.value()])));
        }
        _ => steps.push(Step::Impossible),
    }
}

/// A dot as a value: the log in hexadecimal digits, and the number.
fn dot_value(dot: Option<Dot>) -> Value {
    dot.map_or(Value::Null, |dot| {
        Value::list([Value::Text(dot.log.to_string()), Value::count(dot.seq)])
    })
}

/// Ranges of dots as a value: lists of log, first number and length.
fn ranges_value(ranges: &[DotRange]) -> Value {
    Value::list(ranges.iter().map(|range| {
        let log = Value::Text(range.log.to_string());
        Value::list([log, Value::count(range.start), Value::count(range.len)])
    }))
}
