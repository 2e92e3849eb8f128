//! `meshwork members`.

use clap::Args;

use super::Context;
use super::terminal::{counted, table};
use crate::api::types::Member;
use crate::failure::Result;

/// List the member devices of a space, and what each has confirmed to hold.
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
        let link = if member.connected { "connected" } else { "not connected" };
        let held = match member.behind {
            0 => "holds all written here".to_owned(),
            behind => format!("{} not confirmed", counted(behind, "entry", "entries")),
        };
        format!("{link}, {held}")
    };
    vec![member.name.clone(), member.device.clone(), member.role.to_string(), state]
}
