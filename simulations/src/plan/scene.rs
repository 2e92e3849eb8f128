//! A scene: where devices are, how they are linked, what people do, and what happens to them when.
//!
//! Everything in it is decided; what a scenario leaves to the seed has been drawn (`scenario/draw.rs`).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::faults::span;
use super::trace::Trace;

/// Devices in places, with work to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// What the scenario calls itself.
    pub name: String,
    /// What it shows, as the scenario says it.
    #[serde(default)]
    pub about: String,
    /// Where devices are.
    pub regions: Vec<String>,
    /// Ways between regions, row by row; within one on the diagonal.
    pub ways: Vec<Vec<Way>>,
    /// Devices of a kind; they are numbered through, group after group.
    pub groups: Vec<Group>,
    /// Who shares what.
    pub spaces: Vec<SpacePlan>,
    /// What happens when.
    pub occasions: Vec<Occasion>,
    /// What is to come of it.
    pub expect: Expect,
    /// Recorded typing that people type again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<Trace>,
}

/// The way between two devices: a stream that loses nothing, since the transport sends again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// Shortest and longest, one way, in milliseconds.
    pub latency_ms: (u64, u64),
    /// Packets lost, of 100 000: each costs a round trip more, and what is behind it waits.
    pub loss_per_100_000: u32,
    /// What each link carries each way; 0: any amount.
    pub bandwidth_kbit_per_s: u64,
}

/// Devices of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What the scenario calls them.
    pub name: String,
    /// Number of the first.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// Which region.
    pub region: usize,
    /// Whether nobody outside the site can reach them: two of different sites that are both so cannot link.
    pub nat: bool,
    /// Sites among which they are divided; those of one site stand next to each other.
    pub sites: usize,
    /// When they are there.
    pub online: Online,
    /// When they first start, in milliseconds.
    pub starts_ms: u64,
    /// Their clocks are off by no more, in milliseconds.
    pub skew_ms_max: u64,
    /// What they run.
    pub version: Version,
    /// How they lie; mostly not at all.
    pub lies: Vec<Lie>,
    /// What they only keep and pass on, if they are to read nothing.
    pub relay: bool,
    /// What they do.
    pub work: Vec<Labour>,
}

/// When a device is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Online {
    /// All the time.
    Always,
    /// On and off, for about so long each.
    OnOff {
        /// Mean time there.
        on_ms: u64,
        /// Mean time away.
        off_ms: u64,
    },
    /// From about a time of the day to another; worlds with days begin at midnight.
    Hours {
        /// When it comes.
        from_ms: u64,
        /// When it goes.
        to_ms: u64,
    },
}

/// What software a device runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// One that does not know the newest kinds of frames.
    Older,
    /// This one.
    This,
    /// One that sends kinds of frames which nobody else knows.
    Newer,
}

/// A way to lie. The device's keys are right, and what it is told it handles as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lie {
    /// Sends no entries to half of the others.
    Withhold,
    /// Sends again what it sent before, to anybody.
    Replay,
    /// Sends bytes that mean nothing.
    Garbage,
    /// Sends the same frame hundreds of times.
    Flood,
    /// Changes entries on their way.
    Corrupt,
    /// Does not pass on what was decided about members.
    HideOperations,
    /// Runs twice with one key, and tells each half of the others something else.
    Fork,
    /// Changes notes of presence that it passes on, so that they seem newer.
    Forge,
}

impl Lie {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Withhold,
        Self::Replay,
        Self::Garbage,
        Self::Flood,
        Self::Corrupt,
        Self::HideOperations,
        Self::Fork,
        Self::Forge,
    ];
}

/// Something that is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labour {
    /// What.
    pub work: Work,
    /// Mean time between, in milliseconds.
    pub every_ms: u64,
}

/// What people do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// A bit of everything: registers, maps, counters, texts, files, renames, removals.
    Mixed,
    /// Bursts of keys in one of so many texts, with slips taken back; a key is an entry.
    Typing {
        /// Texts that people share.
        texts: u64,
        /// Which of the scene's traces is typed; none: made up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<usize>,
    },
    /// Values put and now and then removed under so many keys.
    KeyValue {
        /// Keys.
        keys: u64,
        /// Bytes of a value.
        bytes: u64,
    },
    /// A counter, as of a meter.
    Count,
    /// What is true for the moment: a cursor.
    Presence {
        /// Bytes.
        bytes: u64,
    },
    /// Somebody is let in, given a role or taken out, and in the end let in again.
    Govern,
}

/// Who shares a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpacePlan {
    /// Devices; the first founds it.
    pub members: Vec<usize>,
}

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Occasion {
    /// When, in milliseconds from the beginning.
    pub at_ms: u64,
    /// What.
    pub deed: Deed,
}

/// What happens to devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// These hear nothing of the others, or nothing of them is heard.
    Partition {
        /// One side.
        devices: Vec<usize>,
        /// For how long.
        for_ms: u64,
        /// Whether they still hear the others.
        one_way: bool,
    },
    /// They lose power at once.
    PowerCut {
        /// Which.
        devices: Vec<usize>,
        /// For how long.
        for_ms: u64,
    },
    /// They go away in good order.
    Offline {
        /// Which.
        devices: Vec<usize>,
        /// For how long.
        for_ms: u64,
    },
    /// A copy of each disk is put away.
    Backup {
        /// Which.
        devices: Vec<usize>,
    },
    /// Each goes on with the copy that was put away.
    Restore {
        /// Which.
        devices: Vec<usize>,
    },
    /// A second machine starts with a copy of the disk.
    Clone {
        /// Which.
        devices: Vec<usize>,
    },
    /// Their disks are full.
    DiskFull {
        /// Which.
        devices: Vec<usize>,
        /// For how long.
        for_ms: u64,
    },
    /// A row of each disk goes bad.
    BitRot {
        /// Which.
        devices: Vec<usize>,
    },
    /// Their clocks jump.
    ClockJump {
        /// Which.
        devices: Vec<usize>,
        /// By so much.
        by_ms: i64,
    },
    /// One after the other stops and starts again with this version.
    Upgrade {
        /// Which.
        devices: Vec<usize>,
        /// Time between two.
        every_ms: u64,
    },
    /// Their links go up and down, so long each.
    Flap {
        /// Which.
        devices: Vec<usize>,
        /// Until when, from now.
        for_ms: u64,
        /// How long up, and how long down.
        each_ms: u64,
    },
    /// Each writes so many files at once.
    Import {
        /// Which.
        devices: Vec<usize>,
        /// Files.
        files: u64,
        /// Characters in each.
        bytes: u64,
    },
    /// They are taken out of their spaces.
    Remove {
        /// Which.
        devices: Vec<usize>,
    },
}

/// What is to come of a run, besides that all agree and nothing is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Of a hundred deliveries to devices that are there, ninety-nine take no longer.
    pub delivery_p99_ms_max: Option<u64>,
    /// No device sends more.
    pub sent_bytes_max: Option<u64>,
    /// No disk holds more.
    pub disk_bytes_max: Option<u64>,
    /// So many forks are to be found, at least.
    pub forks_min: Option<u64>,
}

impl Group {
    /// At which of the sites a device is.
    fn site(&self, device: usize) -> usize {
        (device - self.first) * self.sites.max(1) / self.count.max(1)
    }
}

impl Scene {
    /// The group a device is of.
    #[must_use]
    pub fn group(&self, device: usize) -> Option<&Group> {
        self.groups.iter().find(|group| (group.first..group.first + group.count).contains(&device))
    }

    /// All devices.
    #[must_use]
    pub fn devices(&self) -> usize {
        self.groups.iter().map(|group| group.count).sum()
    }

    /// Whether two devices can ever link.
    #[must_use]
    pub fn reachable(&self, a: usize, b: usize) -> bool {
        let (Some(of_a), Some(of_b)) = (self.group(a), self.group(b)) else { return true };
        if of_a.region == of_b.region {
            let one = of_a.first == of_b.first;
            let near = !one || of_a.site(a) == of_a.site(b);
            return near || !of_a.nat;
        }
        !(of_a.nat && of_b.nat)
    }

    /// Which one a device is of those who type a trace, and how many they are.
    #[must_use]
    pub fn typist(&self, device: usize, trace: usize) -> (usize, usize) {
        let types = |labour: &Labour| matches!(labour.work, Work::Typing { trace: Some(typed), .. } if typed == trace);
        let typing = self.groups.iter().filter(|group| group.work.iter().any(types));
        typing.fold((0, 0), |(before, all), group| {
            (before + device.saturating_sub(group.first).min(group.count), all + group.count)
        })
    }

    /// The way between two devices.
    #[must_use]
    pub fn way(&self, a: usize, b: usize) -> Option<Way> {
        let (a, b) = (self.group(a)?.region, self.group(b)?.region);
        self.ways.get(a)?.get(b).copied()
    }
}

impl Deed {
    /// What it is called in scenarios, and the devices it happens to.
    #[must_use]
    pub fn told(&self) -> (&'static str, &[usize]) {
        match self {
            Self::Partition { devices, one_way: false, .. } => ("partition", devices),
            Self::Partition { devices, one_way: true, .. } => ("one-way partition", devices),
            Self::PowerCut { devices, .. } => ("power cut", devices),
            Self::Offline { devices, .. } => ("offline", devices),
            Self::Backup { devices } => ("backup", devices),
            Self::Restore { devices } => ("restore", devices),
            Self::Clone { devices } => ("clone", devices),
            Self::DiskFull { devices, .. } => ("disk full", devices),
            Self::BitRot { devices } => ("bit rot", devices),
            Self::ClockJump { devices, .. } => ("clock jump", devices),
            Self::Upgrade { devices, .. } => ("upgrade", devices),
            Self::Flap { devices, .. } => ("flap", devices),
            Self::Import { devices, .. } => ("import", devices),
            Self::Remove { devices } => ("remove", devices),
        }
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in &self.groups {
            let region = self.regions.get(group.region).map_or("nowhere", String::as_str);
            let last = group.first + group.count.max(1) - 1;
            write!(f, "  {}: devices {}–{last} in {region}", group.name, group.first)?;
            if group.nat {
                write!(f, ", behind NAT")?;
            }
            match group.online {
                Online::Always => {}
                Online::OnOff { on_ms, off_ms } => {
                    write!(f, ", {} there, {} away", span(on_ms), span(off_ms))?;
                }
                Online::Hours { from_ms, to_ms } => {
                    write!(f, ", from {} to {}", span(from_ms), span(to_ms))?;
                }
            }
            if !group.lies.is_empty() {
                write!(f, ", liars {:?}", group.lies)?;
            }
            for Labour { work, every_ms } in &group.work {
                write!(f, ", {work:?} every {}", span(*every_ms))?;
            }
            writeln!(f)?;
        }
        for (a, row) in self.ways.iter().enumerate() {
            for (b, way) in row.iter().enumerate().take(a + 1) {
                let name = |n: usize| self.regions.get(n).map_or("nowhere", String::as_str);
                let (least, most) = way.latency_ms;
                write!(f, "  {} – {}: {least}–{most} ms", name(b), name(a))?;
                if way.loss_per_100_000 > 0 {
                    write!(f, ", loss {} %", f64::from(way.loss_per_100_000) / 1_000.0)?;
                }
                if way.bandwidth_kbit_per_s > 0 {
                    write!(f, ", {} kbit/s", way.bandwidth_kbit_per_s)?;
                }
                writeln!(f)?;
            }
        }
        let sizes = self.spaces.iter().map(|space| space.members.len());
        let (least, most) = (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
        writeln!(f, "  {} spaces of {least} to {most} devices", self.spaces.len())?;
        for Occasion { at_ms, deed } in &self.occasions {
            let (what, devices) = deed.told();
            let whom = match devices {
                [one] => format!("device {one}"),
                many => format!("{} devices", many.len()),
            };
            writeln!(f, "  at {}: {what}, {whom}", span(*at_ms))?;
        }
        Ok(())
    }
}
