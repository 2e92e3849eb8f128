//! Troubles: partitions, links that flap, clocks that jump, disks that fill, rot or are put back, devices that go away;
//! those a plan draws again and again, and the occasions of a scene.

use std::collections::BTreeSet;

use meshwork_protocol::{Governance, LinkId, Wish};
use rand_core::Rng as _;

use super::{NEVER, Part, What, World};
use crate::plan::{Deed, Lie, Online, Version, Work};

/// Times a flapping link goes down.
const FLAPS: u32 = 10;
/// How often disks are copied where one may be put back, in milliseconds.
const BACKUP_EVERY_MS: u64 = 7_000;
/// A day.
const DAY_MS: u64 = 86_400_000;

/// What goes wrong again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Partition,
    Flap,
    ClockJump,
    Sleep,
    DiskFull,
    BitRot,
    Restore,
}

/// Something that lasts for a while.
#[derive(Debug)]
pub(super) enum Spell {
    Barrier(u64),
    DiskFull { device: usize },
}

impl Spell {
    pub(super) fn number(&self) -> usize {
        match self {
            Self::Barrier(number) => usize::try_from(*number).unwrap_or(0),
            Self::DiskFull { device } => 1_000_000_000 + device,
        }
    }
}

/// Some devices of which the others hear nothing; and they of those, unless it goes one way.
#[derive(Debug)]
pub(super) struct Barrier {
    number: u64,
    side: BTreeSet<usize>,
    one_way: bool,
}

impl World {
    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.fate.next_u64() % count.max(1) as u64).unwrap_or(0)
    }

    fn fate_about(&mut self, mean_ms: u64) -> u64 {
        if mean_ms == NEVER {
            return NEVER;
        }
        (self.fate.next_u64() % mean_ms.saturating_mul(2).max(1)).saturating_add(1)
    }

    /// Whether nothing goes from one device to another.
    pub(super) fn blocked(&self, from: usize, to: usize) -> bool {
        self.barriers.iter().any(|barrier| {
            let (sends, hears) = (barrier.side.contains(&from), barrier.side.contains(&to));
            sends != hears && (sends || !barrier.one_way)
        })
    }

    /// Whether nothing goes between two devices either way, or not enough to make a link.
    pub(super) fn parted(&self, a: usize, b: usize) -> bool {
        !self.barriers.is_empty() && (self.blocked(a, b) || self.blocked(b, a))
    }

    /// Whether members come and go by themselves, so that somebody must see to it that all are back in the end.
    pub(super) fn troubled_members(&self) -> bool {
        self.faults_of_plan().any(|every| every != NEVER)
            || self.devices.iter().any(|device| device.restored || device.part == Part::Twin)
    }

    fn faults_of_plan(&self) -> impl Iterator<Item = u64> {
        [self.plan.faults.bit_rot_every_ms, self.plan.faults.restore_every_ms].into_iter()
    }

    fn every(&self, trouble: Trouble) -> u64 {
        match trouble {
            Trouble::Partition => self.faults.partition_every_ms,
            Trouble::Flap => self.faults.flap_every_ms,
            Trouble::ClockJump => self.faults.clock_jump_every_ms,
            Trouble::Sleep => self.faults.sleep_every_ms,
            Trouble::DiskFull => self.faults.disk_full_every_ms,
            Trouble::BitRot => self.faults.bit_rot_every_ms,
            Trouble::Restore => self.faults.restore_every_ms,
        }
    }

    pub(super) fn plan_troubles(&mut self) {
        for trouble in [
            Trouble::Partition,
            Trouble::Flap,
            Trouble::ClockJump,
            Trouble::Sleep,
            Trouble::DiskFull,
            Trouble::BitRot,
            Trouble::Restore,
        ] {
            let delay = self.fate_about(self.every(trouble));
            self.after(delay, What::Trouble(trouble));
        }
        if self.faults_of_plan().any(|every| every != NEVER) {
            self.after(BACKUP_EVERY_MS, What::Backup);
        }
        let twins: Vec<usize> =
            (0..self.members()).filter(|n| self.devices[*n].lies.contains(&Lie::Fork)).collect();
        for device in twins {
            let late = self.plan.mischief.late_twin;
            let delay = if late { self.plan.storm_ms - 1 } else { self.plan.storm_ms / 4 };
            self.after(delay, What::Upgrade { device });
        }
    }

    pub(super) fn back_up_all(&mut self) {
        if self.storming() {
            let every = BACKUP_EVERY_MS.max(self.plan.storm_ms / 8);
            self.after(every, What::Backup);
            for n in 0..self.members() {
                self.back_up(n);
            }
        }
    }

    pub(super) fn trouble(&mut self, trouble: Trouble) {
        let delay = self.fate_about(self.every(trouble));
        self.after(delay, What::Trouble(trouble));
        if !self.storming() {
            return;
        }
        let n = self.below(self.members());
        match trouble {
            Trouble::Partition => {
                let side = (0..self.members()).filter(|_| self.below(2) == 0).collect();
                let one_way = (self.below(100) as u32) < self.faults.one_way_percent;
                let for_ms = self.fate_about(self.faults.partition_ms_max / 2);
                self.partition(side, for_ms, one_way);
            }
            Trouble::Flap => {
                let peers: Vec<usize> = self.devices[n].links.values().map(|(to, _)| *to).collect();
                if !peers.is_empty() {
                    let peer = peers[self.below(peers.len())];
                    let (a, b) = (n.min(peer), n.max(peer));
                    self.flap(a, b, FLAPS, self.faults.flap_ms);
                }
            }
            Trouble::ClockJump => {
                let furthest = i64::try_from(self.faults.clock_jump_ms_max).unwrap_or(0);
                let by = self.fate.next_u64() % (self.faults.clock_jump_ms_max * 2 + 1);
                self.jump(n, i64::try_from(by).unwrap_or(0) - furthest);
            }
            Trouble::Sleep => {
                let for_ms = self.fate_about(self.faults.sleep_ms_max / 2);
                self.go_away(n, for_ms);
            }
            Trouble::DiskFull => {
                let for_ms = self.fate_about(self.faults.disk_full_ms_max / 2);
                self.fill(n, for_ms);
            }
            // The founder's disk is left alone: it is the one that brings all together in the end. And one device only
            // loses what it has: two at a time may be all who had something.
            Trouble::BitRot if n > 0 && self.rotted.is_none_or(|rotted| rotted == n) => {
                self.rotted = Some(n);
                self.devices[n].disk.clone().rot(&mut self.fate);
            }
            Trouble::Restore
                if n > 0 && self.devices[n].backup.is_some() && !self.devices[n].restored =>
            {
                self.replace_disk(n);
            }
            Trouble::BitRot | Trouble::Restore => {}
        }
    }

    /// The links across are gone at once, as far as nothing is heard over them either way.
    fn partition(&mut self, side: BTreeSet<usize>, for_ms: u64, one_way: bool) {
        self.tell(|| {
            let how = if one_way { "hear the others, but are not heard" } else { "are cut off" };
            format!("{side:?} {how} for {} s", for_ms / 1_000)
        });
        let number = self.events;
        self.barriers.push(Barrier { number, side, one_way });
        self.after(for_ms, What::Over(Spell::Barrier(number)));
        let across: Vec<(usize, LinkId)> = (0..self.devices.len())
            .flat_map(|n| self.devices[n].links.iter().map(move |(link, (to, _))| (n, *link, *to)))
            .filter(|(n, _, to)| self.blocked(*n, *to) && self.blocked(*to, *n))
            .map(|(n, link, _)| (n, link))
            .collect();
        for (n, link) in across {
            self.unlink(n, link);
        }
    }

    pub(super) fn over(&mut self, spell: &Spell) {
        match spell {
            Spell::Barrier(number) => {
                self.barriers.retain(|barrier| barrier.number != *number);
                self.tell(|| "a partition is over".to_owned());
                self.reconnect(None);
            }
            Spell::DiskFull { device } => {
                self.devices[*device].disk.fill(false);
                self.start(*device);
            }
        }
    }

    pub(super) fn flap(&mut self, a: usize, b: usize, left: u32, each_ms: u64) {
        if left == 0 || !self.storming() {
            return;
        }
        let link =
            self.devices[a].links.iter().find(|(_, (to, _))| *to == b).map(|(link, _)| *link);
        match link {
            Some(link) => {
                self.cut(a, link);
                self.after(each_ms, What::Connect { a, b });
            }
            None => self.after(each_ms, What::Connect { a, b }),
        }
        self.after(2 * each_ms, What::Flap { a, b, left: left - 1, each_ms });
    }

    fn jump(&mut self, n: usize, by_ms: i64) {
        self.tell(|| format!("the clock of {n} jumps by {} s", by_ms / 1_000));
        let skew = self.devices[n].skew_ms.saturating_add(by_ms);
        let earliest = -i64::try_from(super::DAWN_MS / 2).unwrap_or(0);
        self.devices[n].skew_ms = skew.clamp(earliest, -earliest);
    }

    fn fill(&mut self, n: usize, for_ms: u64) {
        self.tell(|| format!("the disk of {n} is full for {} s", for_ms / 1_000));
        self.devices[n].disk.fill(true);
        self.after(for_ms, What::Over(Spell::DiskFull { device: n }));
    }

    /// Plans what a scene says about when devices are there and what happens to them.
    pub(super) fn plan_scene(&mut self) {
        let Some(scene) = self.scene.clone() else { return };
        for (place, occasion) in scene.occasions.iter().enumerate() {
            self.after(occasion.at_ms, What::Occasion(place));
        }
        for group in &scene.groups {
            for device in group.first..group.first + group.count {
                self.plan_presence(device, group.online, group.starts_ms);
                for (labour, what) in group.work.iter().enumerate() {
                    let delay = group.starts_ms + self.about(what.every_ms);
                    self.after(delay, What::Labour { device, labour, keys: 0 });
                }
            }
        }
        self.after(0, What::Sample);
    }

    fn plan_presence(&mut self, device: usize, online: Online, starts_ms: u64) {
        let mut at = starts_ms;
        let storm = self.plan.storm_ms;
        match online {
            Online::Always => {}
            Online::OnOff { on_ms, off_ms } => {
                while at < storm {
                    at += self.fate_about(on_ms);
                    let for_ms = self.fate_about(off_ms);
                    self.after(at, What::Sleep { device, for_ms });
                    at += for_ms;
                }
            }
            Online::Hours { from_ms, to_ms } => {
                // Nobody comes and goes at the same minute every day, but all are there at first, to be let in.
                let mut day = 0;
                while day * DAY_MS < storm {
                    let midnight = day * DAY_MS;
                    let early = self.fate_about(1_800_000).min(from_ms);
                    let (comes, goes) = (midnight + from_ms - early, midnight + to_ms + early / 2);
                    let first = midnight.max(300_000);
                    if comes > first {
                        self.after(first, What::Sleep { device, for_ms: comes - first });
                    }
                    let night = (midnight + DAY_MS).saturating_sub(goes);
                    self.after(goes, What::Sleep { device, for_ms: night });
                    day += 1;
                }
            }
        }
    }

    pub(super) fn occasion(&mut self, place: usize) {
        let Some(scene) = self.scene.clone() else { return };
        let Some(occasion) = scene.occasions.get(place) else { return };
        match &occasion.deed {
            Deed::Partition { devices, for_ms, one_way } => {
                self.partition(devices.iter().copied().collect(), *for_ms, *one_way);
            }
            Deed::PowerCut { devices, for_ms } => {
                for n in devices {
                    self.devices[*n].away_until = self.now_ms + for_ms;
                    if self.devices[*n].replica.is_some() {
                        self.crash(*n);
                    }
                    self.after(*for_ms, What::Restart { device: *n });
                }
            }
            Deed::Offline { devices, for_ms } => {
                devices.iter().for_each(|n| self.go_away(*n, *for_ms));
            }
            Deed::Backup { devices } => devices.iter().for_each(|n| self.back_up(*n)),
            Deed::Restore { devices } => devices.iter().for_each(|n| self.replace_disk(*n)),
            Deed::Clone { devices } => devices.iter().for_each(|n| self.start_twin(*n)),
            Deed::DiskFull { devices, for_ms } => {
                devices.iter().for_each(|n| self.fill(*n, *for_ms));
            }
            Deed::BitRot { devices } => {
                devices.iter().for_each(|n| self.devices[*n].disk.clone().rot(&mut self.fate));
            }
            Deed::ClockJump { devices, by_ms } => {
                devices.iter().for_each(|n| self.jump(*n, *by_ms))
            }
            Deed::Upgrade { devices, every_ms } => {
                for (turn, device) in devices.iter().copied().enumerate() {
                    self.after(every_ms * turn as u64, What::Upgrade { device });
                }
            }
            Deed::Flap { devices, for_ms, each_ms } => self.flap_all(devices, *for_ms, *each_ms),
            Deed::Import { devices, files, bytes } => {
                devices.iter().for_each(|n| self.import(*n, *files, *bytes));
            }
            Deed::Remove { devices } => devices.iter().for_each(|n| self.remove(*n)),
        }
    }

    fn flap_all(&mut self, devices: &[usize], for_ms: u64, each_ms: u64) {
        let times = u32::try_from(for_ms / (2 * each_ms.max(1))).unwrap_or(u32::MAX);
        let pairs: BTreeSet<(usize, usize)> = devices
            .iter()
            .flat_map(|n| self.devices[*n].links.values().map(|(to, _)| (*n.min(to), *n.max(to))))
            .collect();
        for (a, b) in pairs {
            self.flap(a, b, times, each_ms);
        }
    }

    /// Stops a device and starts it with this version; a liar that forks gets its twin instead.
    pub(super) fn upgrade(&mut self, n: usize) {
        if self.devices[n].lies.contains(&Lie::Fork) {
            self.start_twin(n);
            return;
        }
        self.tell(|| format!("{n} is upgraded"));
        self.devices[n].version = Version::This;
        self.go_away(n, 500);
    }

    /// A device and its twin both write something before they can hear of each other, which makes their log fork; then
    /// the twin links with half of the others.
    fn start_twin(&mut self, n: usize) {
        if self.devices[n].replica.is_none() || !self.storming() {
            return;
        }
        let twin = self.clone_device(n);
        for (place, space) in self.spaces.clone().into_iter().enumerate() {
            for one in [twin, n] {
                if self.shares[place].contains(&n) && self.ready(one, space) {
                    self.work(one, space, Work::Count, true);
                }
            }
        }
        let others: Vec<usize> = (0..self.members()).filter(|far| *far != n).collect();
        for far in others.into_iter().filter(|far| far % 2 == 1) {
            self.after(2, What::Dial { from: twin, to: far });
        }
    }

    /// The founder takes a device's member out of all spaces they share.
    fn remove(&mut self, n: usize) {
        let member = self.devices[n].identity.member();
        for (place, space) in self.spaces.clone().into_iter().enumerate() {
            if let Some(founder) = self.shares[place].first().copied()
                && founder != n
                && self.shares[place].contains(&n)
            {
                let what = Governance::RemoveMember { member };
                if self.wish(founder, Wish::Govern { space, what }).is_some() {
                    self.tell(|| format!("{founder} takes {n} out"));
                    self.shares[place].retain(|sharer| *sharer != n);
                }
            }
        }
    }
}
