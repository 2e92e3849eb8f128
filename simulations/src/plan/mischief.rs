//! People and machines that are not what they should be, and what else is asked of devices beside edits.
//!
//! Drawn from a generator of its own, so that the rest of a plan is what it would be without. Not here: what they do
//! (`world/adversary.rs`), and members who lie ([`super::Lie`]).

use std::fmt;

use rand_core::Rng;
use serde::{Deserialize, Serialize};

use super::NEVER;
use super::faults::span;

/// Somebody with a ticket that does not do what a ticket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guest {
    /// The invite has expired, and the guest's clock is a day behind.
    Expired,
    /// The invite has been revoked.
    Revoked,
    /// The invite is for nobody any more.
    UsedUp,
    /// The invite is that of a relay, which is let in and reads nothing.
    Relay,
    /// The invite is for one relay, and two come with it at once.
    Contested,
}

/// What is not as it should be, beyond the faults of links and machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mischief {
    /// Frames that come again seconds later, on whatever link there is then, in a thousand.
    pub replay_per_mille: u32,
    /// Whether somebody who belongs to nothing sends rubbish, floods, and what others have said.
    pub pest: bool,
    /// Who comes with a ticket that is not a good one.
    pub guest: Option<Guest>,
    /// Mean time between changes of what a device is present with, in milliseconds.
    #[serde(with = "super::faults::never")]
    pub present_every_ms: u64,
    /// Whether machines like to die while they do something, right before or after it is stored; the others notice a
    /// while later.
    pub dies_at_work: bool,
    /// Whether all members write in one text, set one register and rename it in the same millisecond, now and then
    /// and as the storm ends.
    pub unison: bool,
    /// Whether all machines stop and start again as the storm ends.
    pub restart_all: bool,
    /// Whether the twin of a liar that forks is started as the storm ends, so that its branch is as long as the other.
    pub late_twin: bool,
    /// Whether those who were taken out are let in again on the way, and not in the end only.
    pub returns: bool,
}

impl Default for Mischief {
    fn default() -> Self {
        Self::none()
    }
}

impl Mischief {
    /// Nothing of all that.
    #[must_use]
    pub fn none() -> Self {
        Self {
            replay_per_mille: 0,
            pest: false,
            guest: None,
            present_every_ms: NEVER,
            dies_at_work: false,
            unison: false,
            restart_all: false,
            late_twin: false,
            returns: false,
        }
    }

    pub(super) fn draw(rng: &mut dyn Rng) -> Self {
        let mut pick = |n: u32| rng.next_u32() % n;
        let replay_per_mille = if pick(6) == 0 { 1 + pick(50) } else { 0 };
        let pest = pick(6) == 0;
        let guest = match pick(16) {
            0 => Some(Guest::Expired),
            1 => Some(Guest::Revoked),
            2 => Some(Guest::UsedUp),
            3 | 4 => Some(Guest::Relay),
            5 => Some(Guest::Contested),
            _ => None,
        };
        let present_every_ms = if pick(6) == 0 { 1_000 + u64::from(pick(8_000)) } else { NEVER };
        let dies_at_work = pick(5) == 0;
        Self {
            replay_per_mille,
            pest,
            guest,
            present_every_ms,
            dies_at_work,
            unison: pick(6) == 0,
            restart_all: pick(6) == 0,
            late_twin: pick(2) == 0,
            // One draw is passed over, so that seeds stay what they were.
            returns: (pick(1), pick(3)).1 == 0,
        }
    }

    /// The names of what is not as it should be, each with a copy in which it is.
    #[must_use]
    pub fn without_each(&self) -> Vec<(&'static str, Self)> {
        let kinder = [
            ("replays", Self { replay_per_mille: 0, ..self.clone() }),
            ("the pest", Self { pest: false, ..self.clone() }),
            ("the guest", Self { guest: None, ..self.clone() }),
            ("deaths at work", Self { dies_at_work: false, ..self.clone() }),
            ("presence", Self { present_every_ms: NEVER, ..self.clone() }),
            ("unison", Self { unison: false, ..self.clone() }),
            ("the restart of all", Self { restart_all: false, ..self.clone() }),
            ("the late twin", Self { late_twin: false, ..self.clone() }),
            ("returns", Self { returns: false, ..self.clone() }),
        ];
        kinder.into_iter().filter(|(_, kinder)| kinder != self).collect()
    }
}

impl fmt::Display for Mischief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.replay_per_mille > 0 {
            write!(f, "; {} ‰ of frames come again later", self.replay_per_mille)?;
        }
        if self.pest {
            f.write_str("; a pest")?;
        }
        if let Some(guest) = self.guest {
            write!(f, "; a guest ({guest:?})")?;
        }
        if self.present_every_ms != NEVER {
            write!(f, "; presence every {}", span(self.present_every_ms))?;
        }
        if self.dies_at_work {
            f.write_str("; machines die at work")?;
        }
        if self.unison {
            f.write_str("; all write at one moment")?;
        }
        if self.restart_all {
            f.write_str("; all start again as the storm ends")?;
        }
        if self.late_twin {
            f.write_str("; twins come late")?;
        }
        if self.returns {
            f.write_str("; who is out comes back")?;
        }
        Ok(())
    }
}
