//! What a run will be like, drawn from its seed and printed with every report.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng as _};
use serde::Serialize;

use crate::mischief::Mischief;

/// How unkind links and machines are. Percentages are of frames.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Faults {
    /// Frames that vanish.
    pub loss_percent: u32,
    /// Frames that arrive twice.
    pub duplication_percent: u32,
    /// Frames that overtake others.
    pub reorder_percent: u32,
    /// Frames of which a byte is changed.
    pub corruption_per_mille: u32,
    /// Shortest and longest way of a frame, in milliseconds.
    pub latency_ms: (u64, u64),
    /// Mean time between breaks of some link, in milliseconds.
    pub break_every_ms: u64,
    /// Longest time a link stays down, in milliseconds.
    pub down_ms_max: u64,
    /// Mean time between crashes of some device, in milliseconds.
    pub crash_every_ms: u64,
}

impl Faults {
    /// A network and machines that do nothing wrong.
    #[must_use]
    pub fn none() -> Self {
        Self {
            loss_percent: 0,
            duplication_percent: 0,
            reorder_percent: 0,
            corruption_per_mille: 0,
            latency_ms: (1, 20),
            break_every_ms: u64::MAX,
            down_ms_max: 1,
            crash_every_ms: u64::MAX,
        }
    }
}

/// Everything a run depends on.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Where it was drawn from.
    pub seed: u64,
    /// Devices at the start.
    pub devices: usize,
    /// Devices that join on the way.
    pub late_devices: usize,
    /// Spaces.
    pub spaces: usize,
    /// Whether devices are linked in a row instead of each with each.
    pub chain: bool,
    /// How long anything may fail, in virtual milliseconds.
    pub storm_ms: u64,
    /// How long healing may take, in virtual milliseconds.
    pub heal_ms_max: u64,
    /// Mean time between edits of one device, in milliseconds.
    pub edit_every_ms: u64,
    /// Furthest a device's clock is off, in milliseconds.
    pub skew_ms_max: u64,
    /// Applied entries after which a device writes its objects to its disk.
    pub checkpoint_entries: u64,
    /// Mean time between decisions about members, in milliseconds: roles, removals, adoption.
    pub govern_every_ms: u64,
    /// Whether a device that belongs to no space connects to the others.
    pub stranger: bool,
    /// Entries from which a new device is brought to the present by a snapshot.
    pub snapshot_entries: u64,
    /// What goes wrong.
    pub faults: Faults,
    /// Who is not what it should be.
    pub mischief: Mischief,
}

impl Plan {
    /// Draws a plan.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut pick = |from: u64, to: u64| from + rng.next_u64() % (to - from + 1);
        let lossy = pick(0, 2) > 0;
        let percent = |drawn: u64| u32::try_from(drawn).unwrap_or(0);
        let faults = Faults {
            loss_percent: if lossy { percent(pick(0, 30)) } else { 0 },
            duplication_percent: if lossy { percent(pick(0, 50)) } else { 0 },
            reorder_percent: if lossy { percent(pick(0, 30)) } else { 0 },
            corruption_per_mille: if pick(0, 3) == 0 { percent(pick(1, 300)) } else { 0 },
            latency_ms: (pick(1, 30), pick(30, 300)),
            break_every_ms: pick(500, 10_000),
            down_ms_max: pick(100, 20_000),
            crash_every_ms: if pick(0, 3) == 0 { u64::MAX } else { pick(1_000, 20_000) },
        };
        let devices = usize::try_from(pick(3, 5)).unwrap_or(3);
        let mut plan = Self {
            seed,
            devices,
            late_devices: usize::try_from(pick(0, 1)).unwrap_or(0),
            spaces: usize::try_from(pick(2, 3)).unwrap_or(2),
            chain: pick(0, 3) == 0,
            storm_ms: pick(20_000, 60_000),
            heal_ms_max: 180_000,
            edit_every_ms: pick(100, 2_000),
            skew_ms_max: if pick(0, 1) == 0 { 0 } else { 600_000 },
            checkpoint_entries: [1, 7, 40, 1_024][usize::try_from(pick(0, 3)).unwrap_or(0)],
            govern_every_ms: if pick(0, 1) == 0 { u64::MAX } else { pick(1_000, 15_000) },
            stranger: pick(0, 2) == 0,
            snapshot_entries: [1, 20, 100, 2_048][usize::try_from(pick(0, 3)).unwrap_or(0)],
            faults,
            mischief: Mischief::none(),
        };
        plan.mischief = Mischief::draw(&mut rng);
        plan
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Faults { loss_percent, duplication_percent, reorder_percent, .. } = self.faults;
        write!(
            f,
            "seed {}: {}+{} devices {}, {} spaces, {} s storm; loss {loss_percent} %, duplication \
             {duplication_percent} %, reorder {reorder_percent} %, corruption {} ‰, latency {:?} ms, \
             skew ±{} s, {}",
            self.seed,
            self.devices,
            self.late_devices,
            if self.chain { "in a row" } else { "each with each" },
            self.spaces,
            self.storm_ms / 1_000,
            self.faults.corruption_per_mille,
            self.faults.latency_ms,
            self.skew_ms_max / 1_000,
            if self.govern_every_ms == u64::MAX { "members stay" } else { "members come and go" },
        )?;
        self.mischief.fmt(f)
    }
}
