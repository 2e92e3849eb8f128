//! `meshwork invites`.

use clap::Args;

use super::Context;
use super::members::short;
use super::terminal::table;
use crate::api::types::InviteState;
use crate::clock;
use crate::failure::Result;

/// List the tickets that were made for a space, or let nobody join by one any more.
///
/// The secret part of a ticket is not kept, so a ticket cannot be shown again: make another one.
#[derive(Debug, Args)]
pub(super) struct Invites {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// Let nobody join by this invite any more: its id, or the beginning of it. Who has joined by it stays.
    #[arg(long, value_name = "ID")]
    revoke: Option<String>,
}

impl Invites {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let invites: Vec<InviteState> = match &self.revoke {
            Some(id) => client.delete(&["spaces", &self.space, "invites", id], "")?,
            None => client.get(&["spaces", &self.space, "invites"], "")?,
        };
        if invites.is_empty() {
            context.terminal.talk("no tickets yet: meshwork invite SPACE");
        }
        let now = clock::now().0;
        let row = |invite: &InviteState| {
            vec![
                short(&invite.id).to_owned(),
                invite.role.to_string(),
                format!("{} of {} used", invite.used, invite.uses),
                state(invite, now),
            ]
        };
        context
            .terminal
            .data(&invites, |invites| table(&invites.iter().map(row).collect::<Vec<_>>()))
    }
}

fn state(invite: &InviteState, now_ms: u64) -> String {
    let left_minutes = invite.expires_ms.saturating_sub(now_ms) / 60_000;
    if invite.revoked {
        "revoked".to_owned()
    } else if invite.used >= invite.uses {
        "used up".to_owned()
    } else if invite.expires_ms < now_ms {
        "expired".to_owned()
    } else if left_minutes >= 120 {
        format!("open for {} h", left_minutes / 60)
    } else {
        format!("open for {left_minutes} min")
    }
}
