//! The schema of scenario files.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::units::{Drawn, Span};
use crate::plan::{Lie, Trace, Version};

/// A scenario as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// What it shows, in a sentence or two.
    pub about: String,
    /// How long anything may fail, and people work.
    pub(super) safety: Span,
    /// Within what time all must agree once everything works.
    pub(super) liveness: Span,
    /// Applied entries after which a device writes its objects to its disk.
    pub(super) checkpoint_entries: Option<u64>,
    /// Whether somebody who belongs to nothing listens.
    #[serde(default)]
    pub(super) stranger: bool,
    #[serde(rename = "region")]
    pub(super) regions: Vec<Region>,
    #[serde(rename = "link", default)]
    pub(super) links: Vec<Link>,
    #[serde(rename = "group")]
    pub(super) groups: Vec<GroupOf>,
    #[serde(rename = "space")]
    pub(super) spaces: Vec<SpaceOf>,
    #[serde(default)]
    pub(super) faults: FaultsOf,
    #[serde(rename = "event", default)]
    pub(super) events: Vec<EventOf>,
    #[serde(default)]
    pub(super) expect: ExpectOf,
    /// The same, smaller: for a test that runs all scenarios.
    #[serde(default)]
    pub(super) small: Small,
    /// The traces it names, once they have been read.
    #[serde(skip)]
    pub(super) traces: BTreeMap<String, Trace>,
}

/// A place in which devices are near each other.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Region {
    pub(super) name: String,
    /// A place of `data/regions.csv`: ways to other such regions follow from the distance.
    pub(super) city: Option<String>,
    // The way between devices of the region. Not flattened: that would lose the lines of errors.
    pub(super) latency_ms: Option<Drawn<u64>>,
    /// How much longer than `latency_ms` a way may take.
    pub(super) jitter_ms: Option<Drawn<u64>>,
    /// Packets that the transport has to send again.
    pub(super) loss_percent: Option<Drawn<f64>>,
    pub(super) bandwidth_kbit_per_s: Option<Drawn<u64>>,
}

impl Region {
    pub(super) fn way(&self) -> WayOf {
        let Self { latency_ms, jitter_ms, loss_percent, bandwidth_kbit_per_s, .. } = *self;
        WayOf { latency_ms, jitter_ms, loss_percent, bandwidth_kbit_per_s }
    }
}

/// What links are like.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WayOf {
    pub(super) latency_ms: Option<Drawn<u64>>,
    /// How much longer than `latency_ms` a way may take.
    pub(super) jitter_ms: Option<Drawn<u64>>,
    /// Packets that the transport has to send again.
    pub(super) loss_percent: Option<Drawn<f64>>,
    pub(super) bandwidth_kbit_per_s: Option<Drawn<u64>>,
}

/// The way between two regions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub(super) between: [String; 2],
    pub(super) latency_ms: Option<Drawn<u64>>,
    /// How much longer than `latency_ms` a way may take.
    pub(super) jitter_ms: Option<Drawn<u64>>,
    /// Packets that the transport has to send again.
    pub(super) loss_percent: Option<Drawn<f64>>,
    pub(super) bandwidth_kbit_per_s: Option<Drawn<u64>>,
}

impl Link {
    pub(super) fn way(&self) -> WayOf {
        let Self { latency_ms, jitter_ms, loss_percent, bandwidth_kbit_per_s, .. } = *self;
        WayOf { latency_ms, jitter_ms, loss_percent, bandwidth_kbit_per_s }
    }
}

/// Devices of a kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupOf {
    pub(super) name: String,
    pub(super) count: Drawn<usize>,
    pub(super) region: String,
    #[serde(default)]
    pub(super) nat: bool,
    /// Sites among which they are divided; whoever is behind NAT is reached from its own site.
    pub(super) sites: Option<usize>,
    #[serde(default)]
    pub(super) relay: bool,
    pub(super) online: Option<OnlineOf>,
    pub(super) starts_at: Option<Drawn<Span>>,
    pub(super) clock_skew: Option<Drawn<Span>>,
    pub(super) version: Option<Version>,
    #[serde(default)]
    pub(super) lies: Vec<Lie>,
    #[serde(default)]
    pub(super) work: Vec<WorkOf>,
}

/// When devices are there: for a while on and off, or at some hours of the day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlineOf {
    pub(super) on: Option<Drawn<Span>>,
    pub(super) off: Option<Drawn<Span>>,
    /// `["9 h", "17 h"]`.
    pub(super) hours: Option<[Span; 2]>,
}

/// Something that is done again and again.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkOf {
    pub(super) kind: Kind,
    pub(super) every: Drawn<Span>,
    pub(super) texts: Option<Drawn<u64>>,
    /// A file of recorded typing, found from where the scenario lies.
    pub(super) trace: Option<Spanned<String>>,
    pub(super) keys: Option<Drawn<u64>>,
    pub(super) bytes: Option<Drawn<u64>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Mixed,
    Typing,
    KeyValue,
    Count,
    Presence,
    Govern,
}

/// Who shares: the members of some groups, all together or so many at a time, and others in each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpaceOf {
    pub(super) of: Vec<String>,
    pub(super) each: Option<usize>,
    #[serde(default)]
    pub(super) with: Vec<String>,
    /// How many of those are in each, in turn; all of them without it.
    pub(super) with_each: Option<usize>,
}

/// What goes wrong again and again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultsOf {
    pub(super) loss_percent: Option<Drawn<u64>>,
    pub(super) duplication_percent: Option<Drawn<u64>>,
    pub(super) reorder_percent: Option<Drawn<u64>>,
    pub(super) corruption_per_mille: Option<Drawn<u64>>,
    pub(super) break_every: Option<Drawn<Span>>,
    pub(super) break_longest: Option<Drawn<Span>>,
    pub(super) partition_every: Option<Drawn<Span>>,
    pub(super) partition_longest: Option<Drawn<Span>>,
    pub(super) one_way_percent: Option<Drawn<u64>>,
    pub(super) flap_every: Option<Drawn<Span>>,
    pub(super) flap_each: Option<Drawn<Span>>,
    pub(super) clock_jump_every: Option<Drawn<Span>>,
    pub(super) clock_jump_furthest: Option<Drawn<Span>>,
    pub(super) crash_every: Option<Drawn<Span>>,
    pub(super) sleep_every: Option<Drawn<Span>>,
    pub(super) sleep_longest: Option<Drawn<Span>>,
    pub(super) disk_full_every: Option<Drawn<Span>>,
    pub(super) disk_full_longest: Option<Drawn<Span>>,
    pub(super) bit_rot_every: Option<Drawn<Span>>,
    pub(super) restore_every: Option<Drawn<Span>>,
}

/// Something that happens at a time to the devices of a group, or to some of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventOf {
    pub(super) at: Drawn<Span>,
    #[serde(rename = "do")]
    pub(super) what: Deeds,
    pub(super) group: String,
    /// How many of the group, from the last on; all of them without it.
    pub(super) count: Option<Drawn<usize>>,
    #[serde(rename = "for")]
    pub(super) lasts: Option<Drawn<Span>>,
    /// Time between two devices, or between up and down.
    pub(super) every: Option<Drawn<Span>>,
    /// How far a clock jumps, or how old a backup is.
    pub(super) by: Option<Drawn<Span>>,
    pub(super) files: Option<Drawn<u64>>,
    pub(super) bytes: Option<Drawn<u64>>,
    #[serde(default)]
    pub(super) one_way: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Deeds {
    Partition,
    PowerCut,
    Offline,
    Restore,
    Clone,
    DiskFull,
    BitRot,
    ClockJump,
    Upgrade,
    Flap,
    Import,
    Remove,
}

/// What is to come of it, besides that all agree and nothing is lost.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectOf {
    pub(super) delivery_p99_ms_max: Option<u64>,
    pub(super) sent_bytes_max: Option<u64>,
    pub(super) disk_bytes_max: Option<u64>,
    pub(super) forks_min: Option<u64>,
}

/// How a scenario is made smaller.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Small {
    /// Devices of a group, at most.
    pub(super) count_max: Option<usize>,
    /// Time is divided by it, that of events and pauses as well; work is not made faster.
    pub(super) time_divisor: Option<u64>,
}
