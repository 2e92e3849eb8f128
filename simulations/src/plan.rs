//! What a run will be like, drawn from its seed and printed with every report.
//!
//! A seed in → a plan; or a scenario and a seed (`scenario/draw.rs`). A plan and nothing else decides a run, so a plan
//! that was saved can be run again, and a smaller one tried. Deliberately not here: how any of it is done (`world`).

use std::fmt;

use meshwork_protocol::History;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng as _};
use serde::{Deserialize, Serialize};

mod faults;
mod mischief;
mod scene;
mod trace;

pub(crate) use faults::span;
pub use faults::{CrashAt, Faults, NEVER};
pub use mischief::{Guest, Mischief};
pub use scene::{
    Deed, Expect, Group, Labour, Lie, Occasion, Online, Scene, SpacePlan, Version, Way, Work,
};
pub use trace::{Patch, Trace};

/// Everything a run depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// What of the past newcomers can read.
    #[serde(default)]
    pub history: History,
    /// What goes wrong.
    pub faults: Faults,
    /// Devices that lie, and how. They keep lying to the end, and need not agree with anybody.
    pub liars: Vec<(usize, Vec<Lie>)>,
    /// So many devices, from the last on, are of an older version, which does not know the newest kinds of frames.
    pub older_devices: usize,
    /// So many devices, from the first on, are of a newer version, which sends kinds of frames that nobody knows.
    pub newer_devices: usize,
    /// Who else is not what it should be.
    #[serde(default)]
    pub mischief: Mischief,
    /// Where devices are, how they are linked and what they do; without it they are all alike.
    pub scene: Option<Scene>,
}

/// A generator for one question about a seed, which says nothing about the others.
fn generator(seed: u64, question: &[u8; 8]) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed ^ u64::from_le_bytes(*question))
}

impl Plan {
    /// Draws a plan: mostly a short storm, of every ninth seed a long day in which little happens.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut plan = Self::draw_storm(seed);
        plan.draw_troubles();
        plan.draw_company();
        plan.mischief = Mischief::draw(&mut generator(seed, b"mischief"));
        plan.draw_forger();
        if seed % 9 == 8 {
            plan.become_a_day();
        }
        plan
    }

    /// Draws a plan of a storm on links and crashes of machines, and nothing else.
    #[must_use]
    pub fn draw_storm(seed: u64) -> Self {
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
            crash_every_ms: if pick(0, 3) == 0 { NEVER } else { pick(1_000, 20_000) },
            ..Faults::none()
        };
        let devices = usize::try_from(pick(3, 5)).unwrap_or(3);
        Self {
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
            govern_every_ms: if pick(0, 1) == 0 { NEVER } else { pick(1_000, 15_000) },
            stranger: pick(0, 2) == 0,
            snapshot_entries: [1, 20, 100, 2_048][usize::try_from(pick(0, 3)).unwrap_or(0)],
            history: History::All,
            faults,
            liars: Vec::new(),
            older_devices: 0,
            newer_devices: 0,
            mischief: Mischief::none(),
            scene: None,
        }
    }

    /// What else goes wrong: each kind in one of six seeds, none at all in about a third.
    fn draw_troubles(&mut self) {
        let mut rng = generator(self.seed, b"troubles");
        let mut pick = |from: u64, to: u64| from + rng.next_u64() % (to - from + 1);
        let mut some = |from: u64, to: u64| if pick(0, 5) == 0 { pick(from, to) } else { NEVER };
        let faults = &mut self.faults;
        faults.partition_every_ms = some(5_000, 30_000);
        faults.flap_every_ms = some(5_000, 30_000);
        faults.clock_jump_every_ms = some(2_000, 20_000);
        faults.sleep_every_ms = some(2_000, 20_000);
        faults.disk_full_every_ms = some(5_000, 30_000);
        faults.bit_rot_every_ms = some(5_000, 30_000);
        faults.restore_every_ms = some(10_000, 40_000);
        let narrow = some(16, 512);
        faults.bandwidth_kbit_per_s = if narrow == NEVER { 0 } else { narrow };
        faults.partition_ms_max = pick(1_000, 30_000);
        faults.one_way_percent = [0, 50, 100][usize::try_from(pick(0, 2)).unwrap_or(0)];
        faults.flap_ms = pick(20, 2_000);
        faults.clock_jump_ms_max =
            [1_000, 3_600_000, 30 * 86_400_000][usize::try_from(pick(0, 2)).unwrap_or(0)];
        faults.sleep_ms_max = pick(1_000, 30_000);
        faults.disk_full_ms_max = pick(1_000, 10_000);
    }

    /// Who else is there: a liar, devices of other versions.
    fn draw_company(&mut self) {
        let mut rng = generator(self.seed, b"company.");
        let mut pick = |below: usize| rng.next_u32() as usize % below;
        if pick(6) == 0 {
            self.older_devices = 1 + pick(self.devices);
        }
        if pick(6) == 0 {
            self.newer_devices = 1 + pick(self.devices);
        }
        // In a row a liar could keep the two halves apart for good; the founder brings all together in the end.
        if pick(6) == 0 && !self.chain && self.devices > 3 {
            let lies = Lie::ALL.into_iter().filter(|lie| *lie != Lie::Forge && pick(3) == 0);
            let lies = lies.collect();
            self.liars.push((1 + pick(self.devices - 1), lies));
        }
        // An older device knows no snapshots, without which nobody is brought into such a space.
        if pick(5) == 0 && self.older_devices == 0 {
            self.history = History::FromJoin;
        }
    }

    /// Where people let each other know that they are there, somebody may forge what others say.
    fn draw_forger(&mut self) {
        let drawn = generator(self.seed, b"forgers.").next_u32() as usize;
        let room = !self.chain && self.devices > 3 && self.liars.is_empty();
        if self.mischief.present_every_ms != NEVER && room && drawn.is_multiple_of(2) {
            self.liars.push((1 + drawn / 2 % (self.devices - 1), vec![Lie::Forge]));
        }
    }

    /// Hours instead of seconds, and as many things in them.
    fn become_a_day(&mut self) {
        let slower = 600;
        self.storm_ms *= slower;
        self.edit_every_ms *= slower;
        // Who is present says so every few seconds, which would be all that happens.
        self.mischief.present_every_ms = NEVER;
        let faults = &mut self.faults;
        for every in [
            &mut self.govern_every_ms,
            &mut faults.break_every_ms,
            &mut faults.down_ms_max,
            &mut faults.crash_every_ms,
            &mut faults.partition_every_ms,
            &mut faults.partition_ms_max,
            &mut faults.flap_every_ms,
            &mut faults.clock_jump_every_ms,
            &mut faults.sleep_every_ms,
            &mut faults.sleep_ms_max,
            &mut faults.disk_full_every_ms,
            &mut faults.disk_full_ms_max,
            &mut faults.bit_rot_every_ms,
            &mut faults.restore_every_ms,
        ] {
            *every = every.saturating_mul(slower);
        }
    }

    /// Devices that are members in the end.
    #[must_use]
    pub fn members(&self) -> usize {
        self.devices + self.late_devices
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: ", self.seed)?;
        if let Some(scene) = &self.scene {
            writeln!(f, "{}", scene.name)?;
            write!(f, "{scene}")?;
        } else {
            let (row, each) = ("in a row", "each with each");
            write!(
                f,
                "{}+{} devices {}, {} spaces, an edit every {}, skew ±{}, {}",
                self.devices,
                self.late_devices,
                if self.chain { row } else { each },
                self.spaces,
                span(self.edit_every_ms),
                span(self.skew_ms_max),
                if self.govern_every_ms == NEVER { "members stay" } else { "members come and go" },
            )?;
        }
        write!(f, "; {} of storm; {}", span(self.storm_ms), self.faults)?;
        if self.history == History::FromJoin {
            write!(f, "; newcomers read nothing of before")?;
        }
        if self.stranger {
            write!(f, "; a stranger listens")?;
        }
        self.mischief.fmt(f)?;
        for (device, lies) in &self.liars {
            write!(f, "; device {device} lies {lies:?}")?;
        }
        if self.older_devices > 0 {
            write!(f, "; the last {} are of an older version", self.older_devices)?;
        }
        if self.newer_devices > 0 {
            write!(f, "; the first {} are of a newer version", self.newer_devices)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_plan_is_the_plan() {
        for seed in 0..200 {
            let plan = Plan::draw(seed);
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
        }
    }

    #[test]
    fn seeds_draw_every_fault_now_and_then_and_none_too() {
        let plans: Vec<Plan> = (0..500).map(Plan::draw).collect();
        let mut met = std::collections::BTreeSet::new();
        for plan in &plans {
            met.extend(plan.faults.without_each().into_iter().map(|(name, _)| name));
        }
        // A crash at one persist is tried at each of them, one after the other.
        assert_eq!(met.len(), 14, "{met:?}");
        let lies: std::collections::BTreeSet<_> =
            plans.iter().flat_map(|plan| plan.liars.iter().flat_map(|(_, lies)| lies)).collect();
        assert_eq!(lies.len(), Lie::ALL.len());
        let mischief: std::collections::BTreeSet<_> = plans
            .iter()
            .flat_map(|plan| plan.mischief.without_each())
            .map(|(name, _)| name)
            .collect();
        assert_eq!(mischief.len(), 9, "{mischief:?}");
        let storm_only = |plan: &&Plan| plan.faults == Plan::draw_storm(plan.seed).faults;
        assert!(plans.iter().filter(storm_only).count() < 250);
    }
}
