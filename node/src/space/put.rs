//! Making a place in an object hold a plain value.
//!
//! Data in: a [`Put`]. Data out: one edit, the type's own `set`, which changes what differs and nothing else.
//! Deliberately not here: conflict rules, and what `set` means for a type (`meshwork-crdt`).

use meshwork_crdt::{Edit, Kind, Path, Shape, Value};
use meshwork_protocol::{Action, ObjectEdit, ObjectView, Target};

use super::merge::{self, TextBase};
use super::{Receipt, Space};
use crate::failure::{Failure, FailureKind, Result};

/// A plain value to put into an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    value: Value,
    at: Path,
    shape: Option<Shape>,
    base: Option<TextBase>,
}

impl Put {
    /// Puts `value` into the whole object.
    ///
    /// An object that does not exist becomes a map if the value is one, else a register.
    pub fn new(value: impl Into<Value>) -> Self {
        Self { value: value.into(), at: Path::default(), shape: None, base: None }
    }

    /// Puts the value at a place inside only. An object that does not exist becomes a map, or a record if the
    /// place is deeper than one step.
    #[must_use]
    pub fn at(mut self, place: impl Into<Path>) -> Self {
        self.at = place.into();
        self
    }

    /// Puts the value under one key of a map only.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        self.at(vec![Value::Text(key.into())])
    }

    /// The type of the object if it does not exist yet; another type is refused.
    #[must_use]
    pub fn shape(mut self, shape: impl Into<Shape>) -> Self {
        self.shape = Some(shape.into());
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
        let (target, shape) = match self.find(name).await? {
            Some(view) => {
                let other = put.shape.as_ref().filter(|shape| shape.bare() != view.shape.bare());
                if other.is_some() {
                    return Err(Failure::usage(format!("`{name}` is a {}", view.shape)));
                }
                if let (Some(base), Value::Text(text)) = (&put.base, &put.value)
                    && view.shape.kind() == Kind::Text
                {
                    let edits = self.rebased(&view, base, text).await?;
                    return self.edit(to_edits(Target::Id(view.id), edits)).await;
                }
                (Target::Id(view.id), view.shape)
            }
            None => {
                let shape = put.shape.clone().unwrap_or_else(|| default_shape(&put));
                (Target::Named { name: name.to_owned(), shape: shape.clone() }, shape)
            }
        };
        let edit = Edit::call(put.at.iter().cloned(), "set", [put.value]);
        self.edit(to_edits(target, vec![edit])).await.map_err(|failure| {
            if failure.kind != FailureKind::Usage {
                return failure;
            }
            failure.hint(format!("`{name}` is a {shape}: meshwork types {}", shape.kind()))
        })
    }

    /// Removes an object, or what is at a place inside.
    ///
    /// # Errors
    /// `FailureKind::NotFound` if there is no such object or place, and as [`Space::edit`].
    pub async fn delete(&self, name: &str, place: &Path) -> Result<Receipt> {
        let Some(view) = self.find(name).await? else { return Err(no_object(name)) };
        let action = match place.split_last() {
            None => Action::Delete,
            Some((last, outer)) => {
                let path = place.clone();
                let there = self.read(view.id, move |object| object.value_at(&path)).await?;
                if there.flatten().is_none() {
                    return Err(no_place(name, place));
                }
                Action::Change(Edit::call(outer.iter().cloned(), "remove", [last.clone()]))
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

pub(crate) fn no_place(name: &str, place: &Path) -> Failure {
    Failure::not_found(format!("there is no place `{place}` in `{name}`"))
        .hint(format!("see what there is: meshwork get SPACE {name}"))
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
    Shape::new(match (put.at.len(), &put.value) {
        (0, Value::Map(_)) | (1, _) => Kind::Map,
        (0, _) => Kind::Register,
        _ => Kind::Record,
    })
}
