//! `meshwork status`.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::space::{in_quarantine, sync_state};
use super::terminal::{counted, table};
use crate::api::types;
use crate::failure::Result;

/// Show how this device is: its spaces, who has what, its links.
#[derive(Debug, Args)]
pub(super) struct Status {}

impl Status {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let status: types::Status = client.get(&["status"], "")?;
        let dashboard =
            format!("http://{}/#token={}", client.endpoint().address, client.endpoint().token);
        context.terminal.data(&status, |status| human(status, &dashboard))
    }
}

fn human(status: &types::Status, dashboard: &str) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("device", status.device.clone()),
        row("name", status.name.clone()),
        row("data", status.data_dir.display().to_string()),
        row("up", format!("{} s", Duration::from_millis(status.uptime_ms).as_secs())),
        row("network", if status.online { "online" } else { "offline" }.to_owned()),
    ];
    rows.extend(status.listening.iter().map(|address| row("listening", address.clone())));
    rows.push(row("dashboard", dashboard.to_owned()));
    rows.push(row("peers", status.peers.to_string()));
    for space in &status.spaces {
        let none = if space.removed_by.is_some() { "no role any more" } else { "no role yet" };
        let role = space.role.map_or_else(|| none.to_owned(), |role| role.to_string());
        rows.push(row(
            "space",
            format!(
                "{} ({role}): {}, {}, {} of {} devices here now, {}",
                space.name,
                counted(space.objects as u64, "object", "objects"),
                counted(space.entries, "entry", "entries"),
                space.connected + usize::from(space.role.is_some()),
                space.devices,
                sync_state(space)
            ),
        ));
        if space.quarantined > 0 {
            rows.push(row("", in_quarantine(space)));
        }
    }
    table(&rows)
}
