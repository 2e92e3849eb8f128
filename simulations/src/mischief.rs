//! What else a run asks of devices: people and machines that are not what they should be, and odd circumstances.
//!
//! Drawn after everything else of a plan, so that what was drawn before stays what it was for every seed.

use std::fmt;

use rand_core::Rng;
use serde::Serialize;

/// Somebody with a ticket that does not do what a ticket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
}

/// What is not as it should be, beyond the faults of links and machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mischief {
    /// Frames that come again seconds later, on whatever link there is then, in a thousand.
    pub replay_per_mille: u32,
    /// Whether somebody who belongs to nothing sends rubbish, floods, and what others have said.
    pub pest: bool,
    /// Who comes with a ticket that is not a good one.
    pub guest: Option<Guest>,
    /// Steps in which clocks go, in milliseconds.
    pub clock_step_ms: u64,
    /// Mean time between changes of what a device is present with, in milliseconds.
    pub present_every_ms: u64,
    /// Whether a device is put back on an old copy of its disk.
    pub old_disk: bool,
    /// Length of a text that is written when everything has healed, in bytes.
    pub bulk_bytes: usize,
    /// Whether machines like to die while they do something, right before or after it is stored.
    pub dies_at_work: bool,
}

impl Mischief {
    /// Nothing of all that.
    #[must_use]
    pub fn none() -> Self {
        Self {
            replay_per_mille: 0,
            pest: false,
            guest: None,
            clock_step_ms: 1,
            present_every_ms: u64::MAX,
            old_disk: false,
            bulk_bytes: 0,
            dies_at_work: false,
        }
    }

    pub(crate) fn draw(rng: &mut dyn Rng) -> Self {
        let mut pick = |n: u32| rng.next_u32() % n;
        let replay_per_mille = if pick(4) == 0 { 1 + pick(50) } else { 0 };
        let pest = pick(4) == 0;
        let guest = match pick(12) {
            0 => Some(Guest::Expired),
            1 => Some(Guest::Revoked),
            2 => Some(Guest::UsedUp),
            3 => Some(Guest::Relay),
            _ => None,
        };
        let clock_step_ms = [1, 1, 1, 16, 1_000][pick(5) as usize];
        let present_every_ms = if pick(4) == 0 { 1_000 + u64::from(pick(8_000)) } else { u64::MAX };
        let old_disk = pick(6) == 0;
        let bulk_bytes = if pick(40) == 0 { 5 << 20 } else { 0 };
        let dies_at_work = pick(4) == 0;
        Self {
            replay_per_mille,
            pest,
            guest,
            clock_step_ms,
            present_every_ms,
            old_disk,
            bulk_bytes,
            dies_at_work,
        }
    }
}

impl fmt::Display for Mischief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.replay_per_mille > 0 {
            write!(f, ", {} ‰ replayed", self.replay_per_mille)?;
        }
        if self.pest {
            f.write_str(", a pest")?;
        }
        if let Some(guest) = self.guest {
            write!(f, ", a guest ({guest:?})")?;
        }
        if self.clock_step_ms > 1 {
            write!(f, ", clocks in steps of {} ms", self.clock_step_ms)?;
        }
        if self.present_every_ms != u64::MAX {
            f.write_str(", presence")?;
        }
        if self.old_disk {
            f.write_str(", an old disk")?;
        }
        if self.bulk_bytes > 0 {
            write!(f, ", {} bytes at once", self.bulk_bytes)?;
        }
        if self.dies_at_work {
            f.write_str(", machines die at work")?;
        }
        Ok(())
    }
}
