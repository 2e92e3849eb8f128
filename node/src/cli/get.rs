//! `meshwork get`.

use clap::Args;
use meshwork_crdt::Value;

use super::Context;
use super::client::query;
use super::terminal::table;
use crate::api::types::{ObjectSummary, ObjectValue};
use crate::failure::{Failure, Result};

/// Print an object's value, or list the objects of a space.
///
/// Strings and texts are printed as they are, everything else as JSON.
#[derive(Debug, Args)]
pub(super) struct Get {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The object's name; without it, all objects are listed.
    object: Option<String>,
    /// Only what is at this place inside: keys and fields between slashes, indices as #N.
    #[arg(long, value_name = "PLACE")]
    at: Option<String>,
}

impl Get {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let Some(name) = &self.object else {
            if self.at.is_some() {
                return Err(Failure::usage("--at needs an object"));
            }
            let objects: Vec<ObjectSummary> =
                client.get(&["spaces", &self.space, "objects"], "")?;
            return context.terminal.data(&objects, |objects| {
                let row =
                    |object: &ObjectSummary| vec![object.name.clone(), object.shape.to_string()];
                table(&objects.iter().map(row).collect::<Vec<_>>())
            });
        };
        let query = query(&[("at", self.at.as_deref())]);
        let object: ObjectValue = client.get(&["spaces", &self.space, "objects", name], &query)?;
        context.terminal.data(&object, |object| shown(&object.value))
    }
}

/// A value for people: strings bare, the rest as JSON.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    }
}
