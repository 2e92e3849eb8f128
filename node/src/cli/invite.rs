//! `meshwork invite`.

use std::time::Duration;

use clap::Args;
use meshwork_protocol::Role;

use super::{Context, duration};
use crate::api::types;
use crate::failure::Result;

/// Make a ticket with which another device can join a space.
///
/// The ticket is a secret: whoever has it can join until it expires or is used up.
#[derive(Debug, Args)]
pub(super) struct Invite {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// What the newcomer may do: relay, read, write or admin.
    #[arg(long, default_value = "write")]
    role: Role,
    /// How long the ticket is valid.
    #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = duration::parse)]
    expires: Duration,
    /// How many devices may join with it.
    #[arg(long, default_value_t = 1, value_name = "N")]
    uses: u32,
}

impl Invite {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let body = types::Invite {
            role: Some(self.role),
            lifetime_ms: Some(duration::ms(self.expires)),
            uses: Some(self.uses),
        };
        let path = ["spaces", &self.space, "invites"];
        let invited: types::Invited = context.client()?.post(&path, &body, Duration::ZERO)?;
        context.terminal.data(&invited, |invited| invited.ticket.clone())?;
        context.terminal.talk("on the other device: meshwork join TICKET");
        Ok(())
    }
}
