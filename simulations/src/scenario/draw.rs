//! From a scenario and a seed to a plan in which nothing is open.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::file::{Deeds, EventOf, FaultsOf, GroupOf, Kind, OnlineOf, Scenario, WayOf, WorkOf};
use super::regions;
use super::units::{Drawn, Span};
use crate::plan::{
    Deed, Expect, Faults, Group, Labour, NEVER, Occasion, Online, Plan, Scene, SpacePlan, Trace,
    Version, Way, Work,
};

/// Ways within a region of which nothing is said.
const NEAR_MS: (u64, u64) = (1, 5);
/// Devices that a scenario may have.
const DEVICES_MAX: usize = 100_000;
/// How long an event lasts of which nothing is said.
const LASTS_MS: u64 = 60_000;

/// Decides what is open, one question after the other.
struct Seed {
    rng: ChaCha8Rng,
    /// Times are divided by it.
    divisor: u64,
    count_max: usize,
}

impl Seed {
    fn number(&mut self, drawn: Drawn<u64>) -> u64 {
        let choices = (drawn.to - drawn.from).saturating_add(1);
        let at = self.rng.next_u64();
        drawn.from + if choices == 0 { at } else { at % choices }
    }

    fn number_or(&mut self, drawn: Option<Drawn<u64>>, otherwise: u64) -> u64 {
        drawn.map_or(otherwise, |drawn| self.number(drawn))
    }

    fn count(&mut self, drawn: Drawn<usize>) -> usize {
        let wide = Drawn { from: drawn.from as u64, to: drawn.to as u64 };
        usize::try_from(self.number(wide)).unwrap_or(0).min(self.count_max)
    }

    /// A time as it is written, whether the scenario is made smaller or not.
    fn plain(&mut self, drawn: Drawn<Span>) -> u64 {
        self.number(Drawn { from: drawn.from.ms(), to: drawn.to.ms() })
    }

    /// A time that is shorter when the scenario is made smaller.
    fn time(&mut self, drawn: Drawn<Span>) -> u64 {
        self.plain(drawn) / self.divisor
    }

    fn time_or(&mut self, drawn: Option<Drawn<Span>>, otherwise: u64) -> u64 {
        drawn.map_or(otherwise, |drawn| self.time(drawn))
    }

    fn percent(&mut self, drawn: Option<Drawn<u64>>) -> u32 {
        u32::try_from(self.number_or(drawn, 0)).unwrap_or(u32::MAX)
    }
}

impl Scenario {
    /// The plan that a seed makes of it; `small` for a quick look.
    ///
    /// # Errors
    /// What does not fit together, in words: a name that is not there, a group of nobody.
    pub fn plan(&self, seed: u64, small: bool) -> Result<Plan, String> {
        let rng = ChaCha8Rng::seed_from_u64(seed ^ u64::from_le_bytes(*b"scenario"));
        let (divisor, count_max) = if small {
            (self.small.time_divisor.unwrap_or(1).max(1), self.small.count_max)
        } else {
            (1, None)
        };
        let mut open = Seed { rng, divisor, count_max: count_max.unwrap_or(usize::MAX) };
        let ways = self.ways(&mut open)?;
        let (groups, traces) = self.groups(&mut open)?;
        let spaces = self.spaces(&groups)?;
        let mut occasions = Vec::new();
        for event in &self.events {
            self.occasion(event, &groups, &mut open, &mut occasions)?;
        }
        occasions.sort_by_key(|occasion| occasion.at_ms);
        let devices = groups.iter().map(|group| group.count).sum();
        if devices > DEVICES_MAX {
            return Err(format!("{devices} devices are more than {DEVICES_MAX}"));
        }
        let expect = Expect {
            delivery_p99_ms_max: self.expect.delivery_p99_ms_max,
            sent_bytes_max: self.expect.sent_bytes_max,
            disk_bytes_max: self.expect.disk_bytes_max,
            forks_min: self.expect.forks_min,
        };
        let regions = self.regions.iter().map(|region| region.name.clone()).collect();
        let (name, about) = (self.name.clone(), self.about.clone());
        let scene = Scene { name, about, regions, ways, groups, spaces, occasions, expect, traces };
        let governs =
            scene.groups.iter().flat_map(|g| &g.work).any(|labour| labour.work == Work::Govern);
        Ok(Plan {
            seed,
            devices,
            late_devices: 0,
            spaces: scene.spaces.len(),
            chain: false,
            storm_ms: self.safety.ms() / divisor,
            heal_ms_max: self.liveness.ms(),
            edit_every_ms: NEVER,
            skew_ms_max: 0,
            checkpoint_entries: self.checkpoint_entries.unwrap_or(1_024),
            // Far beyond the end, but not never: somebody looks after the members in the end.
            govern_every_ms: if governs { NEVER - 1 } else { NEVER },
            snapshot_entries: meshwork_protocol::limits::SNAPSHOT_ENTRIES_MIN,
            history: meshwork_protocol::History::All,
            stranger: self.stranger,
            faults: faults(&self.faults, &mut open),
            liars: Vec::new(),
            older_devices: 0,
            newer_devices: 0,
            mischief: crate::plan::Mischief::none(),
            scene: Some(scene),
        })
    }

    fn region(&self, name: &str) -> Result<usize, String> {
        let found = self.regions.iter().position(|region| region.name == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = self.regions.iter().map(|r| r.name.as_str()).collect();
            format!("there is no region `{name}`; there are: {}", known.join(", "))
        })
    }

    fn ways(&self, open: &mut Seed) -> Result<Vec<Vec<Way>>, String> {
        let count = self.regions.len();
        let mut ways = vec![vec![None; count]; count];
        for (n, region) in self.regions.iter().enumerate() {
            if let Some(city) = region.city.as_deref()
                && regions::way_ms(city, city).is_none()
            {
                let known: Vec<&str> = regions::names().collect();
                return Err(format!("no city `{city}` is known; known are: {}", known.join(", ")));
            }
            ways[n][n] = Some(way(region.way(), NEAR_MS, open));
        }
        for link in &self.links {
            let [a, b] = [self.region(&link.between[0])?, self.region(&link.between[1])?];
            let far = self.far(a, b);
            if link.latency_ms.is_none() && far.is_none() {
                let [a, b] = &link.between;
                return Err(format!(
                    "the link between `{a}` and `{b}` needs latency_ms, or both regions a city"
                ));
            }
            let drawn = way(link.way(), far.unwrap_or(NEAR_MS), open);
            ways[a][b] = Some(drawn);
            ways[b][a] = Some(drawn);
        }
        let pairs = (0..count).flat_map(|a| (0..a).map(move |b| (a, b)));
        for (a, b) in pairs {
            if ways[a][b].is_some() {
                continue;
            }
            let Some(far) = self.far(a, b) else {
                let (a, b) = (&self.regions[a].name, &self.regions[b].name);
                return Err(format!(
                    "nothing says how far `{a}` is from `{b}`: add a [[link]] between them, or a \
                     city to both"
                ));
            };
            let drawn = way(WayOf::default(), far, open);
            ways[a][b] = Some(drawn);
            ways[b][a] = Some(drawn);
        }
        let known = |row: Vec<Option<Way>>| row.into_iter().flatten().collect();
        Ok(ways.into_iter().map(known).collect())
    }

    /// The way between regions in cities: as long as the distance, and a tenth more at most.
    fn far(&self, a: usize, b: usize) -> Option<(u64, u64)> {
        let city = |n: usize| self.regions[n].city.as_deref();
        let ms = regions::way_ms(city(a)?, city(b)?)?;
        Some((ms, ms + ms / 10 + 1))
    }

    /// The groups, and the traces that are typed in them.
    fn groups(&self, open: &mut Seed) -> Result<(Vec<Group>, Vec<Trace>), String> {
        let mut groups: Vec<Group> = Vec::new();
        let named: Vec<&String> = self.traces.keys().collect();
        for group in &self.groups {
            let first = groups.iter().map(|group| group.count).sum();
            if groups.iter().any(|known| known.name == group.name) {
                return Err(format!("two groups are called `{}`", group.name));
            }
            let region = self.region(&group.region)?;
            groups.push(one_group(group, (first, region), &named, open)?);
        }
        Ok((groups, self.traces.values().cloned().collect()))
    }

    fn spaces(&self, groups: &[Group]) -> Result<Vec<SpacePlan>, String> {
        let mut spaces = Vec::new();
        for space in &self.spaces {
            let mut of = Vec::new();
            for name in &space.of {
                of.extend(members(groups, name)?);
            }
            let mut with = Vec::new();
            for name in &space.with {
                with.extend(members(groups, name)?);
            }
            let each = space.each.unwrap_or(of.len()).max(1);
            let in_each = space.with_each.unwrap_or(with.len());
            let mut in_turn = with.iter().cycle();
            for some in of.chunks(each) {
                let mut members: Vec<usize> = in_turn.by_ref().take(in_each).copied().collect();
                members.extend(some);
                members.sort_unstable();
                members.dedup();
                let fit = |n: &usize| {
                    groups.iter().any(|group| {
                        (group.first..group.first + group.count).contains(n)
                            && !group.relay
                            && group.lies.is_empty()
                            && group.starts_ms == 0
                    })
                };
                let Some(founder) = members.iter().position(fit) else {
                    return Err(format!(
                        "nobody can found the space of {:?}: its founder must start at once, read, \
                         and not lie",
                        space.of
                    ));
                };
                members.swap(0, founder);
                spaces.push(SpacePlan { members });
            }
        }
        if spaces.is_empty() {
            return Err(
                "nobody shares anything: add a [[space]] with `of = [\"group\"]`".to_owned()
            );
        }
        Ok(spaces)
    }

    fn occasion(
        &self,
        event: &EventOf,
        groups: &[Group],
        open: &mut Seed,
        occasions: &mut Vec<Occasion>,
    ) -> Result<(), String> {
        let mut devices: Vec<usize> = members(groups, &event.group)?.collect();
        if let Some(count) = event.count {
            let keep = open.count(count).min(devices.len());
            devices.drain(..devices.len() - keep);
        }
        let at_ms = open.time(event.at);
        let for_ms = open.time_or(event.lasts, LASTS_MS);
        let deed = match event.what {
            Deeds::Partition => Deed::Partition { devices, for_ms, one_way: event.one_way },
            Deeds::PowerCut => Deed::PowerCut { devices, for_ms },
            Deeds::Offline => Deed::Offline { devices, for_ms },
            Deeds::Clone => Deed::Clone { devices },
            Deeds::DiskFull => Deed::DiskFull { devices, for_ms },
            Deeds::BitRot => Deed::BitRot { devices },
            Deeds::Remove => Deed::Remove { devices },
            Deeds::Restore => {
                let age = open.time_or(event.by, LASTS_MS);
                let deed = Deed::Backup { devices: devices.clone() };
                occasions.push(Occasion { at_ms: at_ms.saturating_sub(age), deed });
                Deed::Restore { devices }
            }
            Deeds::ClockJump => {
                let Some(by) = event.by else {
                    return Err("a clock_jump needs `by`, like by = \"-2 h\"".to_owned());
                };
                let width = u64::try_from(by.to.0 - by.from.0).unwrap_or(0);
                let drawn = open.number(Drawn { from: 0, to: width });
                Deed::ClockJump { devices, by_ms: by.from.0.saturating_add_unsigned(drawn) }
            }
            Deeds::Upgrade => {
                Deed::Upgrade { devices, every_ms: open.time_or(event.every, 10_000) }
            }
            Deeds::Flap => {
                let each_ms = event.every.map_or(2_000, |every| open.plain(every)).max(10);
                Deed::Flap { devices, for_ms, each_ms }
            }
            Deeds::Import => {
                let files = open.number_or(event.files, 100) / open.divisor;
                Deed::Import { devices, files, bytes: open.number_or(event.bytes, 1_000) }
            }
        };
        occasions.push(Occasion { at_ms, deed });
        Ok(())
    }
}

fn members(groups: &[Group], name: &str) -> Result<std::ops::Range<usize>, String> {
    let found = groups.iter().find(|group| group.name == name);
    found.map(|group| group.first..group.first + group.count).ok_or_else(|| {
        let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        format!("there is no group `{name}`; there are: {}", known.join(", "))
    })
}

fn way(of: WayOf, (least, most): (u64, u64), open: &mut Seed) -> Way {
    let (least, most) = match (of.latency_ms, of.jitter_ms) {
        (Some(latency), Some(jitter)) => {
            let least = open.number(latency);
            (least, least + open.number(jitter))
        }
        // Without jitter the two values are the shortest and the longest way.
        (Some(latency), None) => (latency.from, latency.to),
        (None, Some(jitter)) => (least, least + open.number(jitter)),
        (None, None) => (least, most),
    };
    let loss = of.loss_percent.map_or(0.0, |loss| {
        let share = (open.rng.next_u32() % 1_001) as f64 / 1_000.0;
        loss.from + (loss.to - loss.from) * share
    });
    Way {
        latency_ms: (least, most),
        loss_per_100_000: (loss.clamp(0.0, 90.0) * 1_000.0).round() as u32,
        bandwidth_kbit_per_s: open.number_or(of.bandwidth_kbit_per_s, 0),
    }
}

fn one_group(
    of: &GroupOf,
    (first, region): (usize, usize),
    traces: &[&String],
    open: &mut Seed,
) -> Result<Group, String> {
    let count = open.count(of.count);
    if count == 0 {
        return Err(format!("the group `{}` is of nobody", of.name));
    }
    let online = match &of.online {
        None => Online::Always,
        Some(OnlineOf { on: Some(on), off: Some(off), hours: None }) => {
            Online::OnOff { on_ms: open.time(*on).max(1), off_ms: open.time(*off).max(1) }
        }
        Some(OnlineOf { on: None, off: None, hours: Some([from, to]) }) if from < to => {
            Online::Hours { from_ms: from.ms(), to_ms: to.ms() }
        }
        Some(_) => {
            return Err(format!(
                "online of the group `{}` is either on and off, like {{ on = \"10 min\", off = \
                 \"1 h\" }}, or hours, like {{ hours = [\"9 h\", \"17 h\"] }}",
                of.name
            ));
        }
    };
    let mut work = Vec::new();
    for labour in &of.work {
        work.push(one_labour(labour, traces, open)?);
    }
    Ok(Group {
        name: of.name.clone(),
        first,
        count,
        region,
        nat: of.nat,
        sites: of.sites.unwrap_or(1).clamp(1, count),
        online,
        starts_ms: open.time_or(of.starts_at, 0),
        skew_ms_max: of.clock_skew.map_or(0, |skew| open.plain(skew)),
        version: of.version.unwrap_or(Version::This),
        lies: of.lies.clone(),
        relay: of.relay,
        work,
    })
}

fn one_labour(of: &WorkOf, traces: &[&String], open: &mut Seed) -> Result<Labour, String> {
    let takes = |what: &str, given: bool, takes: &[Kind]| {
        if given && !takes.contains(&of.kind) {
            return Err(format!("`{what}` means nothing for work of the kind {:?}", of.kind));
        }
        Ok(())
    };
    takes("texts", of.texts.is_some(), &[Kind::Typing])?;
    takes("trace", of.trace.is_some(), &[Kind::Typing])?;
    takes("keys", of.keys.is_some(), &[Kind::KeyValue])?;
    takes("bytes", of.bytes.is_some(), &[Kind::KeyValue, Kind::Presence])?;
    let trace = match &of.trace {
        None => None,
        Some(named) => {
            let place = traces.iter().position(|path| *path == named.as_ref());
            let unread = || format!("the trace {} was not read: load the file", named.as_ref());
            Some(place.ok_or_else(unread)?)
        }
    };
    let work = match of.kind {
        Kind::Mixed => Work::Mixed,
        Kind::Typing => Work::Typing { texts: open.number_or(of.texts, 1), trace },
        Kind::KeyValue => Work::KeyValue {
            keys: open.number_or(of.keys, 100),
            bytes: open.number_or(of.bytes, 40),
        },
        Kind::Count => Work::Count,
        Kind::Presence => Work::Presence { bytes: open.number_or(of.bytes, 24) },
        Kind::Govern => Work::Govern,
    };
    Ok(Labour { work, every_ms: open.plain(of.every).max(1) })
}

fn faults(of: &FaultsOf, open: &mut Seed) -> Faults {
    let none = Faults::none();
    Faults {
        loss_percent: open.percent(of.loss_percent),
        duplication_percent: open.percent(of.duplication_percent),
        reorder_percent: open.percent(of.reorder_percent),
        corruption_per_mille: open.percent(of.corruption_per_mille),
        break_every_ms: open.time_or(of.break_every, NEVER),
        down_ms_max: open.time_or(of.break_longest, 5_000).max(1),
        partition_every_ms: open.time_or(of.partition_every, NEVER),
        partition_ms_max: open.time_or(of.partition_longest, 30_000).max(2),
        one_way_percent: open.percent(of.one_way_percent),
        flap_every_ms: open.time_or(of.flap_every, NEVER),
        flap_ms: of.flap_each.map_or(none.flap_ms, |each| open.plain(each)).max(1),
        clock_jump_every_ms: open.time_or(of.clock_jump_every, NEVER),
        clock_jump_ms_max: of.clock_jump_furthest.map_or(60_000, |far| open.plain(far)),
        crash_every_ms: open.time_or(of.crash_every, NEVER),
        sleep_every_ms: open.time_or(of.sleep_every, NEVER),
        sleep_ms_max: open.time_or(of.sleep_longest, 30_000).max(2),
        disk_full_every_ms: open.time_or(of.disk_full_every, NEVER),
        disk_full_ms_max: open.time_or(of.disk_full_longest, 10_000).max(2),
        bit_rot_every_ms: open.time_or(of.bit_rot_every, NEVER),
        restore_every_ms: open.time_or(of.restore_every, NEVER),
        ..none
    }
}
