//! `meshwork presence`.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::get::shown;
use super::terminal::table;
use crate::api::types::{Presence, Present};
use crate::failure::Result;

/// List the devices that are present in a space, or say something yourself.
///
/// What a device says is not stored. It is renewed while the device is up, and gone half a minute after it.
#[derive(Debug, Args)]
pub(super) struct Presences {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// What to let the others know: JSON if it parses as JSON, else a string.
    #[arg(allow_negative_numbers = true, conflicts_with = "gone")]
    value: Option<String>,
    /// Say nothing any more.
    #[arg(long)]
    gone: bool,
}

impl Presences {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let path = ["spaces", &self.space, "presence"];
        let present: Vec<Presence> = if self.gone {
            client.delete(&path, "")?
        } else if let Some(text) = self.value {
            let value = serde_json::from_str(&text).unwrap_or_else(|_| text.as_str().into());
            client.put(&path, &Present { value }, Duration::ZERO)?
        } else {
            client.get(&path, "")?
        };
        context.terminal.data(&present, |present| {
            let row = |one: &Presence| {
                let whose = if one.this_device { "this device" } else { "" };
                vec![one.name.clone(), one.device.clone(), shown(&one.value), whose.to_owned()]
            };
            table(&present.iter().map(row).collect::<Vec<_>>())
        })
    }
}
