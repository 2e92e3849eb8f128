//! What can go wrong with links and machines, each kind an option of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A time between things that never happen.
pub const NEVER: u64 = u64::MAX;

/// How unkind links and machines are. Percentages are of frames; times between things are means; what never
/// happens has [`NEVER`] between, which is `null` in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// What a link carries; 0: any amount.
    pub bandwidth_kbit_per_s: u64,
    /// Between breaks of some link.
    #[serde(with = "never")]
    pub break_every_ms: u64,
    /// Longest time a link stays down.
    pub down_ms_max: u64,
    /// Between partitions of the devices into two sides that hear nothing of each other.
    #[serde(with = "never")]
    pub partition_every_ms: u64,
    /// Longest partition.
    pub partition_ms_max: u64,
    /// Partitions in which one side still hears the other.
    pub one_way_percent: u32,
    /// Between spells in which some link goes up and down.
    #[serde(with = "never")]
    pub flap_every_ms: u64,
    /// How long such a link stays up, and down, ten times over.
    pub flap_ms: u64,
    /// Between jumps of some device's clock.
    #[serde(with = "never")]
    pub clock_jump_every_ms: u64,
    /// Furthest jump, forward or back.
    pub clock_jump_ms_max: u64,
    /// Between crashes of some device; while there are any, machines die around persists as well.
    #[serde(with = "never")]
    pub crash_every_ms: u64,
    /// A device that dies around one of its persists.
    pub crash_at: Option<CrashAt>,
    /// Between times when some device goes away in good order.
    #[serde(with = "never")]
    pub sleep_every_ms: u64,
    /// Longest time it stays away.
    pub sleep_ms_max: u64,
    /// Between times when some disk is full, which stops its device.
    #[serde(with = "never")]
    pub disk_full_every_ms: u64,
    /// Longest time a disk stays full.
    pub disk_full_ms_max: u64,
    /// Between rows that go bad on some disk. The device that reads one stops, and goes on from an older disk or as a
    /// new device.
    #[serde(with = "never")]
    pub bit_rot_every_ms: u64,
    /// Between times when some device is given an older disk of its own.
    #[serde(with = "never")]
    pub restore_every_ms: u64,
}

/// A death right before, or right after, a batch is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashAt {
    /// Which device.
    pub device: usize,
    /// At which of its persists, counted from its first start.
    pub persist: u64,
    /// Whether the batch is lost.
    pub before: bool,
}

/// Turns one fault off: in what is given, as in the other.
type Off = fn(&mut Faults, &Faults);

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
            bandwidth_kbit_per_s: 0,
            break_every_ms: NEVER,
            down_ms_max: 1,
            partition_every_ms: NEVER,
            partition_ms_max: 1,
            one_way_percent: 0,
            flap_every_ms: NEVER,
            flap_ms: 500,
            clock_jump_every_ms: NEVER,
            clock_jump_ms_max: 1,
            crash_every_ms: NEVER,
            crash_at: None,
            sleep_every_ms: NEVER,
            sleep_ms_max: 1,
            disk_full_every_ms: NEVER,
            disk_full_ms_max: 1,
            bit_rot_every_ms: NEVER,
            restore_every_ms: NEVER,
        }
    }

    /// The names of what is not as it should be, each with a copy in which it is: one way at a time to make a run
    /// kinder.
    #[must_use]
    pub fn without_each(&self) -> Vec<(&'static str, Self)> {
        let none = Self::none();
        let ways: [(&'static str, Off); 15] = [
            ("restores", |f, n| f.restore_every_ms = n.restore_every_ms),
            ("bit rot", |f, n| f.bit_rot_every_ms = n.bit_rot_every_ms),
            ("full disks", |f, n| f.disk_full_every_ms = n.disk_full_every_ms),
            ("clock jumps", |f, n| f.clock_jump_every_ms = n.clock_jump_every_ms),
            ("partitions", |f, n| f.partition_every_ms = n.partition_every_ms),
            ("flapping", |f, n| f.flap_every_ms = n.flap_every_ms),
            ("sleep", |f, n| f.sleep_every_ms = n.sleep_every_ms),
            ("a crash at a persist", |f, n| f.crash_at = n.crash_at),
            ("crashes", |f, n| f.crash_every_ms = n.crash_every_ms),
            ("breaks", |f, n| f.break_every_ms = n.break_every_ms),
            ("a narrow band", |f, n| f.bandwidth_kbit_per_s = n.bandwidth_kbit_per_s),
            ("corruption", |f, n| f.corruption_per_mille = n.corruption_per_mille),
            ("reordering", |f, n| f.reorder_percent = n.reorder_percent),
            ("duplication", |f, n| f.duplication_percent = n.duplication_percent),
            ("loss", |f, n| f.loss_percent = n.loss_percent),
        ];
        let kinder = ways.into_iter().map(|(name, off)| {
            let mut kinder = *self;
            off(&mut kinder, &none);
            (name, kinder)
        });
        kinder.filter(|(_, kinder)| kinder != self).collect()
    }
}

/// A time for people.
pub(crate) fn span(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..600_000 => format!("{} s", ms / 1_000),
        600_000..36_000_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "way {}–{} ms", self.latency_ms.0, self.latency_ms.1)?;
        let percents = [
            ("loss", self.loss_percent),
            ("duplication", self.duplication_percent),
            ("reorder", self.reorder_percent),
        ];
        for (name, percent) in percents.into_iter().filter(|(_, percent)| *percent > 0) {
            write!(f, ", {name} {percent} %")?;
        }
        if self.corruption_per_mille > 0 {
            write!(f, ", corruption {} ‰", self.corruption_per_mille)?;
        }
        if self.bandwidth_kbit_per_s > 0 {
            write!(f, ", {} kbit/s", self.bandwidth_kbit_per_s)?;
        }
        let rates = [
            ("break", self.break_every_ms, Some(self.down_ms_max)),
            ("partition", self.partition_every_ms, Some(self.partition_ms_max)),
            ("flapping", self.flap_every_ms, Some(self.flap_ms)),
            ("clock jump", self.clock_jump_every_ms, Some(self.clock_jump_ms_max)),
            ("crash", self.crash_every_ms, None),
            ("sleep", self.sleep_every_ms, Some(self.sleep_ms_max)),
            ("full disk", self.disk_full_every_ms, Some(self.disk_full_ms_max)),
            ("bit rot", self.bit_rot_every_ms, None),
            ("restored disk", self.restore_every_ms, None),
        ];
        for (name, every, most) in rates.into_iter().filter(|(_, every, _)| *every != NEVER) {
            write!(f, ", {name} every {}", span(every))?;
            if let Some(most) = most {
                write!(f, " (≤ {})", span(most))?;
            }
        }
        if self.partition_every_ms != NEVER && self.one_way_percent > 0 {
            write!(f, ", {} % of partitions one way", self.one_way_percent)?;
        }
        if let Some(CrashAt { device, persist, before }) = self.crash_at {
            let when = if before { "before" } else { "after" };
            write!(f, ", device {device} dies {when} persist {persist}")?;
        }
        Ok(())
    }
}

/// [`NEVER`] as `null`.
pub(super) mod never {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(ms: &u64, to: S) -> Result<S::Ok, S::Error> {
        (*ms != super::NEVER).then_some(*ms).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        Ok(Option::deserialize(from)?.unwrap_or(super::NEVER))
    }
}
