//! `meshwork watch`.

use clap::Args;

use super::Context;
use super::client::query;
use super::get::shown;
use crate::api::types::{ObjectValue, WatchMessage};
use crate::failure::Result;

/// Print the objects of a space, and then every change, until Ctrl-C.
///
/// With --json, one message per line: a snapshot first, then changes; another snapshot if changes came
/// faster than they were read.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// Only this object.
    object: Option<String>,
}

impl Watch {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let query = query(&[("object", self.object.as_deref())]);
        let mut following = context.client()?.watch(&["spaces", &self.space, "watch"], &query)?;
        loop {
            let message = following.next()?;
            if let WatchMessage::Failed { failure } = message {
                return Err(failure);
            }
            context.terminal.data(&message, lines)?;
        }
    }
}

fn lines(message: &WatchMessage) -> String {
    match message {
        WatchMessage::Snapshot { objects, .. } => objects.iter().map(line).collect(),
        WatchMessage::Change { object, deleted: true, .. } => {
            format!("{} deleted\n", object.object.name)
        }
        WatchMessage::Change { object, .. } => line(object),
        WatchMessage::Presence { name, value: Some(value), .. } => {
            format!("{name} is present: {}\n", shown(value))
        }
        WatchMessage::Presence { name, value: None, .. } => format!("{name} is gone\n"),
        WatchMessage::Failed { failure } => format!("{failure}\n"),
    }
}

fn line(object: &ObjectValue) -> String {
    format!("{} = {}\n", object.object.name, shown(&object.value))
}
