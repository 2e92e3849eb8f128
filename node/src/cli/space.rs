//! `meshwork space`.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use meshwork_protocol::History;

use super::members::short;
use super::terminal::{counted, table};
use super::{Context, duration};
use crate::api::ago;
use crate::api::types::{CreateSpace, KeepHistory, Lagging, MakeCheckpoint, SpaceStatus};
use crate::failure::Result;

/// Create and list spaces: what is shared, with whom.
#[derive(Debug, Subcommand)]
pub(super) enum Space {
    /// Create a space of which this device is the first admin; prints its id.
    Create {
        /// What to call it.
        name: String,
        /// What of the past those who are let in later can read: all, or from-join.
        ///
        /// With from-join a newcomer is given no key to what was written before it came; a member hands it what the
        /// space contains at that moment, and nothing proves that to it. This cannot be changed later.
        #[arg(long, value_name = "HOW MUCH", default_value_t = History::All)]
        history: History,
    },
    /// List the spaces of this device.
    List,
    /// Let the past be forgotten, as far as every device of the space is known to hold it; for admins.
    ///
    /// A checkpoint stands once every admin's device knows of it. From then on devices that keep no history (meshwork
    /// space history SPACE forget) give up the entries before it; others keep all. What is in the space does not
    /// change.
    Checkpoint {
        /// The space: its name, its id, or the beginning of its id.
        space: String,
        /// Do not wait for devices that were last seen longer ago than this, such as 30d: what they lack comes to them as a
        /// snapshot when they return.
        #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
        away: Option<Duration>,
    },
    /// Keep the older entries of a space on this device, or forget them where a checkpoint stands.
    ///
    /// What the space contains now does not need them: they say how it came to be so.
    History {
        /// The space: its name, its id, or the beginning of its id.
        space: String,
        /// Whether to keep them.
        #[arg(value_enum)]
        what: Past,
    },
}

/// What becomes of older entries.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Past {
    /// They stay; those that others have are asked for.
    Keep,
    /// They go where a checkpoint stands, and are not asked for.
    Forget,
}

impl Space {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        match self {
            Self::Create { name, history } => {
                let body = CreateSpace { name, history };
                let space: SpaceStatus = client.post(&["spaces"], &body, Duration::ZERO)?;
                context.terminal.data(&space, |space| space.id.clone())
            }
            Self::Checkpoint { space, away } => {
                let away_ms = away.map(|away| u64::try_from(away.as_millis()).unwrap_or(u64::MAX));
                let path = ["spaces", &space, "checkpoint"];
                let space: SpaceStatus =
                    client.post(&path, &MakeCheckpoint { away_ms }, Duration::ZERO)?;
                context.terminal.data(&space, past)
            }
            Self::History { space, what } => {
                let keep = matches!(what, Past::Keep);
                let path = ["spaces", &space, "history"];
                let space: SpaceStatus =
                    client.put(&path, &KeepHistory { keep }, Duration::ZERO)?;
                context.terminal.data(&space, past)
            }
            Self::List => {
                let spaces: Vec<SpaceStatus> = client.get(&["spaces"], "")?;
                if spaces.is_empty() {
                    context.terminal.talk("no spaces yet: meshwork space create NAME");
                }
                context
                    .terminal
                    .data(&spaces, |spaces| table(&spaces.iter().map(row).collect::<Vec<_>>()))
            }
        }
    }
}

fn row(space: &SpaceStatus) -> Vec<String> {
    let role = space.role.map_or_else(|| "-".to_owned(), |role| role.to_string());
    let mut state = sync_state(space);
    if space.quarantined > 0 {
        state.push_str(&format!("; {}", in_quarantine(space)));
    }
    if let Some(by) = &space.brought_by {
        state.push_str(&format!("; on the word of {}", short(by)));
        if space.older > 0 {
            let older = counted(space.older, "older entry", "older entries");
            state.push_str(&format!(", {older} to come"));
        }
    }
    vec![space.name.clone(), space.id.clone(), role, state]
}

/// What is here of the past, in words.
fn past(space: &SpaceStatus) -> String {
    let held = counted(space.entries, "entry is", "entries are");
    let keeps = if space.keeps_history { "kept" } else { "forgotten at checkpoints" };
    format!("{held} here, {} older not; older ones are {keeps}", space.older)
}

/// How much does not count, in words.
pub(super) fn in_quarantine(space: &SpaceStatus) -> String {
    let entries = counted(space.quarantined, "entry is", "entries are");
    format!("{entries} in quarantine (meshwork adopt {})", space.name)
}

/// Devices that are behind of which so many are named.
const LAGGING_NAMED: usize = 3;

fn behind(one: &Lagging) -> String {
    let seen = match one.last_seen_ms {
        _ if one.connected => "connected".to_owned(),
        Some(at) => format!("last seen {}", ago(crate::clock::now().0.saturating_sub(at))),
        None => "never seen".to_owned(),
    };
    format!("{} is {} behind, {seen}", one.name, counted(one.missing, "entry", "entries"))
}

/// How far others are known to have a space, in words.
pub(super) fn sync_state(space: &SpaceStatus) -> String {
    let others = space.devices.saturating_sub(1);
    if let Some(by) = &space.removed_by {
        format!("this device was removed, by {}", short(by))
    } else if !space.ready {
        "waiting to be admitted".to_owned()
    } else if space.waiting > 0 {
        format!("{} for others", counted(space.waiting, "entry waits", "entries wait"))
    } else if others == 0 {
        "only here".to_owned()
    } else if space.in_sync == others {
        "in sync".to_owned()
    } else {
        let holders = counted(space.devices as u64, "device", "devices");
        let verb = if space.in_sync == 0 { "holds" } else { "hold" };
        let behind = space.lagging.iter().take(LAGGING_NAMED).map(behind);
        let behind: Vec<String> = behind.collect();
        let more = match space.lagging.len().saturating_sub(LAGGING_NAMED) {
            0 => String::new(),
            more => format!("; {more} more are behind"),
        };
        format!("{} of {holders} {verb} everything; {}{more}", space.in_sync + 1, behind.join("; "))
    }
}
