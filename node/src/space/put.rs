//! Making an object hold a plain value: the smallest edits that get it there.
//!
//! Data in: a [`Put`] and the object as it is. Data out: edits of the object's own type, so that what
//! others change meanwhile merges by that type's rule. Deliberately not here: conflict rules.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{Edit, Shape, Value};
use meshwork_protocol::{Action, ObjectEdit, ObjectView, Target};

use super::merge::{self, TextBase};
use super::{Receipt, Space};
use crate::failure::{Failure, Result};

/// A plain value to put into an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    value: Value,
    key: Option<String>,
    shape: Option<Shape>,
    base: Option<TextBase>,
}

impl Put {
    /// Puts `value` into the whole object.
    ///
    /// An object that does not exist becomes a map if the value is one, else a register.
    pub fn new(value: impl Into<Value>) -> Self {
        Self { value: value.into(), key: None, shape: None, base: None }
    }

    /// Puts the value under one key of a map only.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The type of the object if it does not exist yet; another type is refused.
    #[must_use]
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// The version of a text that the value was made from: only the difference between the two is
    /// applied, whatever the text has become meanwhile.
    #[must_use]
    pub fn base(mut self, base: TextBase) -> Self {
        self.base = Some(base);
        self
    }
}

impl Space {
    /// Makes the object shown under `name` hold a value, creating it if need be.
    ///
    /// # Errors
    /// `FailureKind::Usage` if the value does not fit the object's type, and as [`Space::edit`].
    pub async fn put(&self, name: &str, put: Put) -> Result<Receipt> {
        let edits = match self.look_up(name).await? {
            Some((view, current)) => {
                if put.shape.is_some_and(|shape| shape != view.shape) {
                    return Err(Failure::usage(format!("`{name}` is a {}", view.shape)));
                }
                let changes = match (&put.base, &put.value) {
                    (Some(base), Value::Text(text)) if view.shape == Shape::Text => {
                        self.rebased(&view, base, text).await?
                    }
                    _ => changes(view.shape, &current, put)?,
                };
                to_edits(Target::Id(view.id), changes)
            }
            None => {
                let shape = put.shape.unwrap_or_else(|| default_shape(&put));
                let changes = changes(shape, &empty(shape), put)?;
                to_edits(Target::Named { name: name.to_owned(), shape }, changes)
            }
        };
        self.edit(edits).await
    }

    /// Removes an object, or one key of a map.
    ///
    /// # Errors
    /// `FailureKind::NotFound` if there is no such object or key, and as [`Space::edit`].
    pub async fn delete(&self, name: &str, key: Option<&str>) -> Result<Receipt> {
        let Some((view, value)) = self.look_up(name).await? else {
            return Err(no_object(name));
        };
        let action = match key {
            None => Action::Delete,
            Some(key) => {
                if let Value::Map(map) = &value
                    && !map.contains_key(key)
                {
                    return Err(Failure::not_found(format!("`{name}` has no key `{key}`")));
                }
                Action::Change(Edit::Remove { key: key.to_owned() })
            }
        };
        self.edit(vec![ObjectEdit { target: Target::Id(view.id), action }]).await
    }

    async fn rebased(&self, view: &ObjectView, base: &TextBase, text: &str) -> Result<Vec<Edit>> {
        let spans = base.spans.clone();
        let old = self
            .read(view.id, move |object| object.as_text()?.text_of(&spans))
            .await?
            .flatten()
            .ok_or_else(|| Failure::usage("the base is not a version of this text"))?;
        Ok(merge::splices(&old, &base.spans, text))
    }
}

pub(crate) fn no_object(name: &str) -> Failure {
    Failure::not_found(format!("there is no object `{name}` in the space"))
        .hint("list them: meshwork get SPACE")
}

fn to_edits(target: Target, changes: Vec<Edit>) -> Vec<ObjectEdit> {
    if changes.is_empty() {
        return vec![ObjectEdit { target, action: Action::Create }];
    }
    changes
        .into_iter()
        .map(|edit| ObjectEdit { target: target.clone(), action: Action::Change(edit) })
        .collect()
}

fn default_shape(put: &Put) -> Shape {
    match (&put.key, &put.value) {
        (Some(_), _) | (None, Value::Map(_)) => Shape::Map,
        _ => Shape::Register,
    }
}

fn empty(shape: Shape) -> Value {
    meshwork_crdt::Object::new(shape).value()
}

fn changes(shape: Shape, current: &Value, put: Put) -> Result<Vec<Edit>> {
    if let Some(key) = put.key {
        if shape != Shape::Map {
            return Err(Failure::usage(format!("only a map has keys; the object is a {shape}")));
        }
        return Ok(vec![Edit::Put { key, value: put.value }]);
    }
    match (shape, current, put.value) {
        (Shape::Register, _, value) => Ok(vec![Edit::Set(value)]),
        (Shape::Text, _, Value::Text(text)) => Ok(vec![Edit::Replace(text)]),
        (Shape::Map, Value::Map(old), Value::Map(new)) => Ok(map_changes(old, new)),
        (Shape::Counter, Value::Int(old), Value::Int(new)) => new
            .checked_sub(*old)
            .map(|by| if by == 0 { Vec::new() } else { vec![Edit::Increment(by)] })
            .ok_or_else(|| Failure::usage("the counter cannot change by that much at once")),
        (Shape::Set, Value::List(old), Value::List(new)) => Ok(set_changes(old, new)),
        (shape, _, _) => Err(Failure::usage(format!(
            "the object is a {shape}, which takes {}",
            match shape {
                Shape::Text => "a string",
                Shape::Map => "a JSON object",
                Shape::Counter => "a whole number",
                Shape::Set => "a JSON list",
                Shape::Register => "any JSON value",
            }
        ))),
    }
}

fn map_changes(old: &BTreeMap<String, Value>, new: BTreeMap<String, Value>) -> Vec<Edit> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let mut changes: Vec<Edit> = gone.map(|key| Edit::Remove { key: key.clone() }).collect();
    let changed = new.into_iter().filter(|(key, value)| old.get(key) != Some(value));
    changes.extend(changed.map(|(key, value)| Edit::Put { key, value }));
    changes
}

fn set_changes(old: &[Value], new: Vec<Value>) -> Vec<Edit> {
    let old: BTreeSet<&Value> = old.iter().collect();
    let new: BTreeSet<Value> = new.into_iter().collect();
    let gone = old.iter().filter(|value| !new.contains(**value));
    let mut changes: Vec<Edit> = gone.map(|value| Edit::Discard((*value).clone())).collect();
    let added = new.iter().filter(|value| !old.contains(value));
    changes.extend(added.map(|value| Edit::Add(value.clone())));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    fn put(shape: Shape, current: &str, new: &str) -> Result<Vec<Edit>> {
        changes(shape, &value(current), Put::new(value(new)))
    }

    #[test]
    fn a_map_changes_only_where_it_differs() {
        let edits = put(Shape::Map, r#"{"a":1,"b":2,"c":3}"#, r#"{"a":1,"b":5,"d":4}"#).unwrap();
        assert_eq!(
            edits,
            [
                Edit::Remove { key: "c".to_owned() },
                Edit::Put { key: "b".to_owned(), value: Value::Int(5) },
                Edit::Put { key: "d".to_owned(), value: Value::Int(4) },
            ]
        );
    }

    #[test]
    fn a_counter_moves_by_the_difference() {
        assert_eq!(put(Shape::Counter, "7", "4").unwrap(), [Edit::Increment(-3)]);
        assert_eq!(put(Shape::Counter, "7", "7").unwrap(), []);
    }

    #[test]
    fn a_set_gains_and_loses_members() {
        let edits = put(Shape::Set, r#"["a","b"]"#, r#"["b","c","c"]"#).unwrap();
        assert_eq!(
            edits,
            [Edit::Discard(Value::Text("a".to_owned())), Edit::Add(Value::Text("c".to_owned()))]
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_what_fits() {
        let failure = put(Shape::Counter, "1", r#""x""#).unwrap_err();
        assert_eq!(failure.message, "the object is a counter, which takes a whole number");
        let failure = changes(Shape::Set, &value("[]"), Put::new(value("1")).key("k")).unwrap_err();
        assert!(failure.message.starts_with("only a map has keys"));
    }
}
