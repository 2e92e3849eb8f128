//! `meshwork put`.

use std::io::Read;
use std::time::Duration;

use clap::Args;
use meshwork_crdt::{Kind, Path, Shape, Value};

use super::client::Client;
use super::{Context, duration};
use crate::api::types::{Edited, ObjectSummary, PutObject, Waiting};
use crate::failure::{Failure, Result};

/// Longest value read from standard input, in bytes.
const STDIN_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Make an object hold a value, creating it if need be.
///
/// Only the difference is written: a text is spliced, a map, list, set or counter changed where it differs.
/// Returns once the change is durable on this device.
#[derive(Debug, Args)]
pub(super) struct Put {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The object's name, for example `settings` or `notes/todo.md`.
    object: String,
    /// JSON if it parses as JSON, else a string; `-` reads it from standard input.
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// Put the value at this place inside only: keys and fields between slashes, indices as #N.
    #[arg(long, value_name = "PLACE", default_value = "", hide_default_value = true)]
    at: Path,
    /// The type of a new object: one that `meshwork types` lists, or one made of several.
    ///
    /// [default: map for a JSON object or a place of one step, record for a deeper place, else register]
    #[arg(long)]
    shape: Option<Shape>,
    /// Wait until N devices, this one included, hold the change durably.
    #[arg(long, value_name = "N")]
    wait: Option<usize>,
    /// How long to wait for other devices.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration::parse)]
    timeout: Duration,
}

impl Put {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let raw = if self.value == "-" { read_stdin()? } else { self.value.clone() };
        let body = PutObject {
            value: self.parse(&client, raw)?,
            at: self.at.clone(),
            shape: self.shape.clone(),
            base: None,
            wait: Waiting { devices: self.wait, timeout_ms: Some(duration::ms(self.timeout)) },
        };
        let path = ["spaces", &self.space, "objects", &self.object];
        let waiting = self.wait.map(|devices| {
            context.terminal.waiting(format!("waiting until {devices} devices hold it"))
        });
        let edited: Result<Edited> = client.put(&path, &body, self.timeout);
        if let Some(waiting) = waiting {
            waiting.finish_and_clear();
        }
        context.terminal.data(&edited?, |edited| match edited.held_by.len() {
            1 => String::new(),
            devices => format!("{devices} devices hold it durably"),
        })
    }

    fn parse(&self, client: &Client, raw: String) -> Result<Value> {
        let Ok(value) = serde_json::from_str::<Value>(&raw) else { return Ok(Value::Text(raw)) };
        let into_text = match &self.shape {
            Some(shape) => shape.kind() == Kind::Text && self.at.is_empty(),
            None => {
                let objects: Vec<ObjectSummary> =
                    client.get(&["spaces", &self.space, "objects"], "")?;
                let mut named = objects.iter().filter(|object| object.name == self.object);
                self.at.is_empty() && named.any(|object| object.shape.kind() == Kind::Text)
            }
        };
        Ok(if into_text { Value::Text(raw) } else { value })
    }
}

fn read_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(STDIN_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("standard input: {error}")))?;
    if text.len() as u64 == STDIN_BYTES_MAX {
        return Err(Failure::usage(format!("a value has at most {STDIN_BYTES_MAX} bytes")));
    }
    Ok(text)
}
