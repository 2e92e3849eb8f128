//! `meshwork space`.

use std::time::Duration;

use clap::Subcommand;

use super::Context;
use super::terminal::{counted, table};
use crate::api::types::{CreateSpace, SpaceStatus};
use crate::failure::Result;

/// Create and list spaces: what is shared, with whom.
#[derive(Debug, Subcommand)]
pub(super) enum Space {
    /// Create a space of which this device is the first admin; prints its id.
    Create {
        /// What to call it.
        name: String,
    },
    /// List the spaces of this device.
    List,
}

impl Space {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        match self {
            Self::Create { name } => {
                let body = CreateSpace { name };
                let space: SpaceStatus = client.post(&["spaces"], &body, Duration::ZERO)?;
                context.terminal.data(&space, |space| space.id.clone())
            }
            Self::List => {
                let spaces: Vec<SpaceStatus> = client.get(&["spaces"], "")?;
                if spaces.is_empty() {
                    context.terminal.talk("no spaces yet: meshwork space create NAME");
                }
                context
                    .terminal
                    .data(&spaces, |spaces| table(&spaces.iter().map(row).collect::<Vec<_>>()))
            }
        }
    }
}

fn row(space: &SpaceStatus) -> Vec<String> {
    let role = space.role.map_or_else(|| "-".to_owned(), |role| role.to_string());
    vec![space.name.clone(), space.id.clone(), role, sync_state(space)]
}

/// How far others are known to have a space, in words.
pub(super) fn sync_state(space: &SpaceStatus) -> String {
    let others = space.devices.saturating_sub(1);
    if !space.ready {
        "waiting to be admitted".to_owned()
    } else if space.waiting > 0 {
        format!("{} for others", counted(space.waiting, "entry waits", "entries wait"))
    } else if others == 0 {
        "only here".to_owned()
    } else {
        format!("{} of {others} others have confirmed all written here", space.confirmed)
    }
}
