//! `meshwork stop`.

use clap::Args;

use super::Context;
use crate::failure::Result;

/// Stop the daemon of this device, as Ctrl-C does.
#[derive(Debug, Args)]
pub(super) struct Stop {}

impl Stop {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        context.client()?.command(&["shutdown"])
    }
}
