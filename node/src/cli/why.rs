//! `meshwork why`.

use clap::Args;

use super::Context;
use super::terminal::counted;
use crate::api::types::{Reason, Why as Report, WhyPeer};
use crate::failure::{Failure, FailureKind, Result};

/// Tell, device by device, why something is not synced yet.
///
/// Ends with exit code 0 if every member device is known to hold everything.
#[derive(Debug, Args)]
pub(super) struct Why {
    /// The space: its name, its id, or the beginning of its id [default: all].
    space: Option<String>,
}

impl Why {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let reports: Vec<Report> = match &self.space {
            Some(space) => vec![client.get(&["spaces", space, "why"], "")?],
            None => client.get(&["why"], "")?,
        };
        if reports.is_empty() {
            context.terminal.talk("no spaces yet: meshwork space create NAME");
        }
        context.terminal.data(&reports, |reports| reports.iter().map(told).collect())?;
        match reports.iter().filter(|report| !report.synced).count() {
            0 => Ok(()),
            apart => Err(Failure::new(
                FailureKind::NotSynced,
                format!("{} not in sync", counted(apart as u64, "space is", "spaces are")),
            )),
        }
    }
}

fn told(report: &Report) -> String {
    let state = if report.synced { "in sync" } else { "not in sync" };
    let mut text = format!("{}: {state}\n", report.name);
    text.extend(report.here.iter().map(|reason| reason_told("this device", reason)));
    for peer in &report.peers {
        if peer.reasons.is_empty() {
            text.push_str(&format!("  {}: {}\n", peer.name, level(peer)));
        }
        text.extend(peer.reasons.iter().map(|reason| reason_told(&peer.name, reason)));
    }
    text
}

fn level(peer: &WhyPeer) -> &'static str {
    match (peer.linked, peer.missing) {
        (true, 0) => "holds everything",
        (false, 0) => "not connected; held everything when it was last there",
        _ => "is being sent what it lacks",
    }
}

fn reason_told(who: &str, reason: &Reason) -> String {
    format!("  {who}: {}\n    hint: {}\n", reason.sentence, reason.hint)
}
