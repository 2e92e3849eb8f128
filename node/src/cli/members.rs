//! `meshwork members`.

use clap::Args;

use super::Context;
use super::terminal::{counted, table};
use crate::api::ago;
use crate::api::types::Member;
use crate::failure::Result;

/// List the member devices of a space, and what each is known to hold.
#[derive(Debug, Args)]
pub(super) struct Members {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
}

impl Members {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let members: Vec<Member> =
            context.client()?.get(&["spaces", &self.space, "members"], "")?;
        context
            .terminal
            .data(&members, |members| table(&members.iter().map(row).collect::<Vec<_>>()))
    }
}

fn row(member: &Member) -> Vec<String> {
    let state = if member.this_device {
        "this device".to_owned()
    } else {
        let link = match member.last_seen_ms {
            _ if member.connected => "connected".to_owned(),
            Some(at) => format!("last seen {}", ago(crate::clock::now().0.saturating_sub(at))),
            None => "never seen".to_owned(),
        };
        let held = match member.missing {
            0 => "holds everything".to_owned(),
            missing => format!("{} behind", counted(missing, "entry", "entries")),
        };
        format!("{link}, {held}")
    };
    vec![member.name.clone(), member.device.clone(), member.role.to_string(), state]
}
