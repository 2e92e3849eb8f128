//! `meshwork adopt`.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::terminal::{counted, table};
use crate::api::types::{Adopt as Body, Adopted, Quarantined};
use crate::failure::Result;

/// Let count what a device wrote after it lost the right to write; without DEVICE, show what there is.
///
/// Such entries are kept and passed on, but nobody sees them until an admin adopts them. Adopting lets count what is
/// here of that device now; the device does not get its right back.
#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// Whose entries are to count: the name of the device, its id, or the beginning of its id.
    device: Option<String>,
}

impl Adopt {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let path = ["spaces", &self.space, "quarantine"];
        if let Some(device) = self.device {
            let adopted: Adopted = client.post(&path, &Body { device }, Duration::ZERO)?;
            return context.terminal.data(&adopted, |adopted| {
                let entries = counted(adopted.entries, "entry counts", "entries count");
                format!("{entries} now")
            });
        }
        let held: Vec<Quarantined> = client.get(&path, "")?;
        if held.is_empty() {
            context.terminal.talk("nothing is in quarantine");
        }
        let row = |held: &Quarantined| {
            let entries = counted(held.entries, "entry", "entries");
            vec![held.name.clone(), held.device.clone(), entries]
        };
        context.terminal.data(&held, |held| table(&held.iter().map(row).collect::<Vec<_>>()))
    }
}
