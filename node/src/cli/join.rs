//! `meshwork join`.

use std::time::Duration;

use clap::Args;

use super::{Context, duration};
use crate::api::types::{self, SpaceStatus};
use crate::failure::Result;

/// Join the space a ticket leads to; prints its id.
///
/// Returns once this device has been admitted and can read the space.
#[derive(Debug, Args)]
pub(super) struct Join {
    /// What `meshwork invite` printed on a device that is a member.
    ticket: String,
    /// How long to wait to be admitted.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = duration::parse)]
    timeout: Duration,
}

impl Join {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let body =
            types::Join { ticket: self.ticket, timeout_ms: Some(duration::ms(self.timeout)) };
        let waiting = context.terminal.waiting("waiting to be admitted by a member".to_owned());
        let joined: Result<SpaceStatus> = client.post(&["joins"], &body, self.timeout);
        waiting.finish_and_clear();
        let joined = joined?;
        context.terminal.talk(&format!("joined {}", joined.name));
        context.terminal.data(&joined, |joined| joined.id.clone())
    }
}
