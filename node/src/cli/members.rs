//! `meshwork members`, `meshwork member` and `meshwork leave`.

use std::time::Duration;

use clap::{Args, Subcommand};
use meshwork_protocol::Role;

use super::Context;
use super::terminal::{counted, table};
use crate::api::ago;
use crate::api::types::{Member, SetRole, SpaceStatus};
use crate::failure::Result;

/// How much of an id is shown where people compare.
const SHORT_CHARS: usize = 8;

/// List who belongs to a space: members, their devices, and what each device has confirmed to hold.
#[derive(Debug, Args)]
pub(super) struct Members {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
}

/// Change what a member may do, or take it out of a space.
#[derive(Debug, Subcommand)]
pub(super) enum MemberVerb {
    Role(GiveRole),
    Remove(Remove),
}

/// Give a member another role: relay, read, write or admin.
///
/// Takes an admin that is not farther from the founder than the member. Of a member that may no longer write, what is
/// here counts; what it writes from now on does not, until an admin adopts it (meshwork adopt).
#[derive(Debug, Args)]
pub(super) struct GiveRole {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The member: its id, the name or id of one of its devices, or the beginning of an id.
    member: String,
    /// What it may do from now on.
    role: Role,
}

/// Take a member out of a space, with all its devices.
///
/// What it wrote counts as far as it is here; what turns up later lies in quarantine until an admin adopts it (meshwork
/// adopt). It keeps the content it has, and is told. The next edit is under a new key, which it is not given.
#[derive(Debug, Args)]
pub(super) struct Remove {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The member: its id, the name or id of one of its devices, or the beginning of an id.
    member: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Leave a space, with all devices of this member.
///
/// What is here stays readable here, but nothing more arrives and nothing can be written. The others keep what was
/// written so far. To come back takes a ticket.
#[derive(Debug, Args)]
pub(super) struct Leave {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl Members {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let members: Vec<Member> =
            context.client()?.get(&["spaces", &self.space, "members"], "")?;
        show(context, &members)
    }
}

impl MemberVerb {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Role(verb) => verb.run(context),
            Self::Remove(verb) => verb.run(context),
        }
    }
}

impl GiveRole {
    fn run(self, context: &Context) -> Result<()> {
        let path = ["spaces", &self.space, "members", &self.member, "role"];
        let body = SetRole { role: self.role };
        let members: Vec<Member> = context.client()?.put(&path, &body, Duration::ZERO)?;
        show(context, &members)
    }
}

impl Remove {
    fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        context.terminal.talk(
            "what it wrote counts as far as it is here; it keeps what it has, and gets no key to what follows",
        );
        let question = format!("take {} out of {} with all its devices?", self.member, self.space);
        context.terminal.confirm(&question, self.yes)?;
        let path = ["spaces", &self.space, "members", &self.member];
        let members: Vec<Member> = client.delete(&path, "")?;
        context.terminal.talk("removed; the next edit is under a new key");
        show(context, &members)
    }
}

impl Leave {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let question = format!("leave {} with all devices of this member?", self.space);
        context.terminal.confirm(&question, self.yes)?;
        let path = ["spaces", &self.space, "leave"];
        let left: SpaceStatus = client.post(&path, &serde_json::json!({}), Duration::ZERO)?;
        context.terminal.talk(&format!("left {}; what is here stays readable here", left.name));
        context.terminal.data(&left, |left| left.id.clone())
    }
}

fn show(context: &Context, members: &[Member]) -> Result<()> {
    context.terminal.data(&members, |members| grouped(members))
}

/// One line for each member, its devices below it.
fn grouped(devices: &[Member]) -> String {
    let mut members: Vec<(&str, Role)> =
        devices.iter().map(|device| (device.member.as_str(), device.role)).collect();
    members.sort_unstable();
    members.dedup();
    let mut rows = Vec::new();
    for (member, role) in members {
        let of_member = || devices.iter().filter(|device| device.member == member);
        let own = if of_member().any(|device| device.this_device) { "you" } else { "" };
        rows.push(vec![
            format!("member {}", short(member)),
            String::new(),
            role.to_string(),
            own.to_owned(),
        ]);
        rows.extend(of_member().map(|device| row(device, devices)));
    }
    table(&rows)
}

pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT_CHARS).unwrap_or(id)
}

fn row(device: &Member, devices: &[Member]) -> Vec<String> {
    let mut state = if device.this_device {
        "this device".to_owned()
    } else {
        let link = match device.last_seen_ms {
            _ if device.connected => "connected".to_owned(),
            Some(at) => format!("last seen {}", ago(crate::clock::now().0.saturating_sub(at))),
            None => "never seen".to_owned(),
        };
        let held = match device.missing {
            0 => "holds everything".to_owned(),
            missing => format!("{} behind", counted(missing, "entry", "entries")),
        };
        format!("{link}, {held}")
    };
    if device.quarantined > 0 {
        let entries = counted(device.quarantined, "entry", "entries");
        state.push_str(&format!(", {entries} in quarantine"));
    }
    if let Some(by) = &device.let_in_by {
        let known = devices.iter().find(|other| other.device == *by);
        let by = known.map_or_else(|| short(by), |other| other.name.as_str());
        state.push_str(&format!(", let in by {by}"));
    }
    vec![format!("  {}", device.name), device.device.clone(), String::new(), state]
}
