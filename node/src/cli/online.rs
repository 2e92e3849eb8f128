//! `meshwork online` and `meshwork offline`.

use std::time::Duration;

use clap::Args;

use super::Context;
use crate::api::types;
use crate::failure::Result;

/// Go back on the network after `meshwork offline`.
#[derive(Debug, Args)]
pub(super) struct Online {}

/// Leave the network: close all links, until `meshwork online` or the next start.
///
/// Everything stays usable; changes go out when the device is back.
#[derive(Debug, Args)]
pub(super) struct Offline {}

impl Online {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        set(context, true)
    }
}

impl Offline {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        set(context, false)
    }
}

fn set(context: &Context, online: bool) -> Result<()> {
    let wanted = types::Online { online };
    let now: types::Online = context.client()?.post(&["online"], &wanted, Duration::ZERO)?;
    context.terminal.data(&now, |_| String::new())
}
