//! The world: devices on links, a queue of what happens next, and the rules of its two ages.
//!
//! A plan in → a report out. In the first age anything the plan names may fail; in the second everything works, and
//! all who are honest must agree in time. `beginning` sets it up, `links` carries frames, `machines` performs effects and lets machines die,
//! `troubles` lets the rest go wrong, `labour` and `politics` are what people do, `lies` what liars do, `adversary` what
//! others do who mean harm, `finale` what happens as the storm ends and is tried at rest, `sight` what
//! must hold all along, `judge` what must hold in the end. Invariant: nothing here reads a clock or draws from anything but the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use meshwork_protocol::{
    DeviceId, Identity, LinkId, LogId, Replica, SpaceId, Ticket, Time, Timer, WishId,
};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng as _};
use serde::Serialize;

use crate::check::Violation;
use crate::disk::{CrashDisk, Image};
use crate::engine::Queue;
use crate::figures::Figures;
use crate::ledger::Ledger;
use crate::people::Promises;
use crate::plan::{Faults, Guest, Lie, NEVER, Plan, Scene, Version};

mod adversary;
mod beginning;
mod finale;
mod judge;
mod labour;
mod lies;
mod links;
mod machines;
mod measure;
mod politics;
mod sight;
mod story;
mod troubles;

/// When worlds begin, in milliseconds since the Unix epoch: a midnight.
const DAWN_MS: u64 = 19_675 * 86_400_000;
/// Frames under way at one time for each device; more mean that somebody talks without end.
const IN_FLIGHT_PER_DEVICE_MAX: usize = 25_000;
/// How often it is looked whether all agree, once everything works, in milliseconds.
const LOOK_EVERY_MS: u64 = 1_000;
/// How long it takes in chaos, once all agree, until nothing is owed any more: links have compared what both ends hold
/// once more, in milliseconds.
const REST_MS: u64 = 16_000;

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The plan it followed.
    pub plan: Plan,
    /// Whether everybody ended up with the same in time.
    pub converged: bool,
    /// A hash of everything that happened, in order.
    pub trace_hash: String,
    /// Things that happened.
    pub events: u64,
    /// How long it took in the world, in milliseconds.
    pub virtual_ms: u64,
    /// How long it took all to agree once everything worked, in milliseconds.
    pub healed_ms: u64,
    /// Edits that were promised to be durable.
    pub granted: usize,
    /// Crashes.
    pub crashes: u64,
    /// Logs that were found to be forked, counted once for each device that found it.
    pub forks: u64,
    /// What went wrong.
    pub failures: Vec<Violation>,
    /// What was measured on the way; in scenarios only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

impl Report {
    /// The report of a run that did not come to its end.
    pub(crate) fn panicked(plan: Plan, text: &str) -> Self {
        Self {
            plan,
            converged: false,
            trace_hash: String::new(),
            events: 0,
            virtual_ms: 0,
            healed_ms: 0,
            granted: 0,
            crashes: 0,
            forks: 0,
            failures: vec![Violation::new("panic", text)],
            figures: None,
        }
    }

    /// Hours that devices lived through in the world, all of them together.
    #[must_use]
    pub fn node_hours(&self) -> f64 {
        self.plan.members() as f64 * self.virtual_ms as f64 / 3_600_000.0
    }
}

#[derive(Debug)]
enum What {
    Arrive { to: usize, link: LinkId, bytes: Vec<u8>, damaged: bool },
    Fire { device: usize, life: u64, timer: Timer },
    Edit { device: usize },
    Labour { device: usize, labour: usize, keys: u32 },
    Govern,
    Reunite,
    BreakLink,
    Connect { a: usize, b: usize },
    Dial { from: usize, to: usize },
    Crash,
    Restart { device: usize },
    Trouble(troubles::Trouble),
    Backup,
    Over(troubles::Spell),
    Flap { a: usize, b: usize, left: u32, each_ms: u64 },
    Sleep { device: usize, for_ms: u64 },
    Occasion(usize),
    Upgrade { device: usize },
    Sample,
    Act(adversary::Act),
}

/// What a device is in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Member,
    /// Belongs to no space, and listens.
    Stranger,
    /// A second machine with a member's key.
    Twin,
    /// Comes with a ticket that is not a good one.
    Guest,
}

struct Device {
    part: Part,
    identity: Identity,
    disk: Arc<CrashDisk>,
    replica: Option<Replica>,
    rng: ChaCha20Rng,
    /// Counts restarts: timers of an earlier life do not fire.
    life: u64,
    /// Counts persists of all lives.
    persists: u64,
    skew_ms: i64,
    /// What its host said the time was, and when, in this life.
    told: Option<(u64, u64)>,
    wishes: u64,
    /// Own link → far device, its link.
    links: BTreeMap<LinkId, (usize, LinkId)>,
    /// Edits under way: what they were about.
    asked: BTreeMap<WishId, SpaceId>,
    /// What was granted, by space and own log: the highest number.
    granted_heads: BTreeMap<(SpaceId, LogId), u64>,
    /// Rows of operations that came with something granted.
    decided: Vec<Vec<u8>>,
    /// A copy of the disk, and how many edits had been asked for then.
    backup: Option<(Image, u64)>,
    /// Whether it has gone on from an older disk: what it writes may turn out to be void, and others may refuse it.
    restored: bool,
    /// Until when the machine is not to be started, if it is away or its disk is full.
    away_until: u64,
    version: Version,
    lies: Vec<Lie>,
    /// What a liar has sent.
    said: Vec<Vec<u8>>,
    sent_frames: u64,
    sent_bytes: u64,
    received_bytes: u64,
    up_since: u64,
    cursor: usize,
    /// Edits of a recorded trace it has typed.
    typed: usize,
}

/// A world and everything in it.
pub struct World {
    plan: Plan,
    scene: Option<Arc<Scene>>,
    faults: Faults,
    storm: bool,
    rng: ChaCha8Rng,
    /// Decides about troubles, so that plans without them are as they would be if there were none.
    fate: ChaCha8Rng,
    now_ms: u64,
    healed_at_ms: u64,
    queue: Queue<What>,
    devices: Vec<Device>,
    numbers: BTreeMap<DeviceId, usize>,
    spaces: Vec<SpaceId>,
    /// Who is to be in each space.
    shares: Vec<Vec<usize>>,
    /// Tickets of each space: to write, to relay.
    tickets: Vec<[Option<Ticket>; 2]>,
    /// Pairs that link with each other again and again.
    contacts: BTreeSet<(usize, usize)>,
    /// Contacts that are to be linked as soon as that is possible.
    waiting: BTreeSet<(usize, usize)>,
    barriers: Vec<troubles::Barrier>,
    /// Until when a link is busy with what it carries.
    busy_until: BTreeMap<LinkId, u64>,
    promises: Promises,
    heard_by_stranger: Vec<Vec<u8>>,
    trace: blake3::Hasher,
    events: u64,
    under_way: usize,
    links: u64,
    crashes: u64,
    forks: u64,
    /// Whose disk rots, once one does.
    rotted: Option<usize>,
    /// Whether a damaged frame was delivered, so that refusals are to be expected.
    damaged: bool,
    failures: Vec<Violation>,
    granted: usize,
    measure: Option<measure::Measure>,
    /// Who wrote what first; in chaos only.
    ledger: Option<Ledger>,
    sight: sight::Sight,
    scheme: adversary::Scheme,
    story: Option<Vec<String>>,
}

impl World {
    /// A world that will go as planned.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x6d65_7368);
        let members = plan.members();
        let strangers = members + usize::from(plan.stranger);
        let guests = match plan.mischief.guest {
            Some(Guest::Contested) => 2,
            Some(_) => 1,
            None => 0,
        };
        let count = strangers + guests;
        let scene = plan.scene.clone().map(Arc::new);
        let devices: Vec<Device> = (0..count)
            .map(|n| {
                let mut own = ChaCha20Rng::seed_from_u64(rng.next_u64());
                let group = scene.as_ref().and_then(|scene| scene.group(n));
                let skew_max = group.map_or(plan.skew_ms_max, |group| group.skew_ms_max);
                let skew = rng.next_u64() % (skew_max * 2 + 1);
                let mut device = Device::new(Identity::generate(&mut own), own);
                device.skew_ms =
                    i64::try_from(skew).unwrap_or(0) - i64::try_from(skew_max).unwrap_or(0);
                let lies = plan.liars.iter().find(|(liar, _)| *liar == n);
                device.lies = lies.map(|(_, lies)| lies.clone()).unwrap_or_default();
                if n < plan.newer_devices {
                    device.version = Version::Newer;
                }
                if n < members && n >= members.saturating_sub(plan.older_devices) {
                    device.version = Version::Older;
                }
                if n >= members {
                    device.part = Part::Stranger;
                }
                if n >= strangers {
                    device.part = Part::Guest;
                    // So far behind that it takes every ticket for a good one.
                    device.skew_ms = -86_400_000;
                }
                if let Some(group) = group {
                    device.lies.clone_from(&group.lies);
                    device.version = group.version;
                }
                device
            })
            .collect();
        let numbers = devices.iter().enumerate().map(|(n, it)| (it.identity.device(), n)).collect();
        Self {
            faults: plan.faults,
            storm: true,
            rng,
            fate: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x6661_7465),
            now_ms: DAWN_MS,
            healed_at_ms: DAWN_MS,
            queue: Queue::default(),
            devices,
            numbers,
            spaces: Vec::new(),
            shares: Vec::new(),
            tickets: Vec::new(),
            contacts: BTreeSet::new(),
            waiting: BTreeSet::new(),
            barriers: Vec::new(),
            busy_until: BTreeMap::new(),
            promises: Promises::default(),
            heard_by_stranger: Vec::new(),
            trace: blake3::Hasher::new(),
            events: 0,
            under_way: 0,
            links: 0,
            crashes: 0,
            forks: 0,
            rotted: None,
            damaged: false,
            failures: Vec::new(),
            granted: 0,
            measure: scene.as_ref().map(|_| measure::Measure::new(members, plan.storm_ms)),
            story: None,
            ledger: scene.is_none().then(Ledger::default),
            sight: sight::Sight::default(),
            scheme: adversary::Scheme::new(plan.seed),
            scene,
            plan,
        }
    }

    /// Lets the world run to its end.
    #[must_use]
    pub fn run(mut self) -> Report {
        self.go();
        self.report()
    }

    /// Lets the world run to its end, and tells what happened, line by line.
    #[must_use]
    pub fn told(mut self) -> (Report, Vec<String>) {
        self.story = Some(Vec::new());
        self.go();
        let story = self.story.take().unwrap_or_default();
        (self.report(), story)
    }

    /// Lets the world run to its end; `look` is called once before the verdict, while everything is there.
    #[must_use]
    pub fn run_watched(mut self, look: &mut dyn FnMut()) -> Report {
        self.go();
        look();
        self.report()
    }

    fn go(&mut self) {
        self.begin();
        let storm_end = self.now_ms + self.plan.storm_ms;
        self.run_until(storm_end, |_| false);
        self.heal();
        let end = self.now_ms + self.plan.heal_ms_max;
        self.run_until(end, Self::agreed);
        self.healed_at_ms = self.now_ms;
        self.sample();
        if self.scene.is_none() {
            self.run_until(self.now_ms + REST_MS, |_| false);
            // Who is let in again says something as well: what all agreed on just before was not the last.
            while self.failures.is_empty() && self.now_ms < end && !self.agreed() {
                self.run_until(end, Self::agreed);
                self.healed_at_ms = self.now_ms;
                self.run_until(self.now_ms + REST_MS, |_| false);
            }
            self.probe();
        }
        self.judge();
    }

    fn report(self) -> Report {
        let healed_ms = (self.healed_at_ms - DAWN_MS).saturating_sub(self.plan.storm_ms);
        Report {
            converged: self.failures.iter().all(|failure| failure.invariant != "convergence"),
            trace_hash: self.trace.finalize().to_hex().to_string(),
            events: self.events,
            virtual_ms: self.now_ms - DAWN_MS,
            healed_ms,
            granted: self.granted,
            crashes: self.crashes,
            forks: self.forks,
            figures: self.figures(),
            failures: self.failures,
            plan: self.plan,
        }
    }

    fn members(&self) -> usize {
        self.plan.members()
    }

    /// Whether a device is a member from which the truth is to be expected.
    fn honest(&self, n: usize) -> bool {
        self.devices[n].part == Part::Member && self.devices[n].lies.is_empty()
    }

    /// Those who are to be in a space and to agree.
    fn sharers(&self, space: SpaceId) -> Vec<usize> {
        let place = self.spaces.iter().position(|id| *id == space);
        let share = place.and_then(|place| self.shares.get(place));
        share.into_iter().flatten().copied().filter(|n| self.honest(*n)).collect()
    }

    /// Everything works from now on. Links that have damaged frames are made anew, as by a transport that notices:
    /// what a damaged frame said about a link lasts as long as the link.
    fn heal(&mut self) {
        self.tell(|| "everything works from now on".to_owned());
        let damaging =
            self.faults.corruption_per_mille > 0 || self.plan.mischief.replay_per_mille > 0;
        self.faults = Faults::none();
        self.storm = false;
        self.barriers.clear();
        for device in 0..self.devices.len() {
            while let Some(link) = self.devices[device].links.keys().next().copied()
                && damaging
            {
                self.unlink(device, link);
            }
        }
        if self.plan.mischief.restart_all {
            self.restart_all();
        }
        for device in 0..self.devices.len() {
            self.devices[device].away_until = 0;
            self.devices[device].disk.fill(false);
            if self.devices[device].disk.rotten() {
                self.replace_disk(device);
            }
            if self.devices[device].replica.is_none() {
                self.start(device);
            }
            if self.devices[device].part == Part::Member {
                self.join_all(device);
            }
        }
        // Who lost its disk may have been the only one that knew of somebody it had let in, whose word only those take
        // who both know.
        if self.rotted.is_some() {
            self.contacts.extend((1..self.members()).map(|n| (0, n)));
        }
        for (a, b) in self.contacts.clone() {
            if !self.linked(a, b) {
                self.after(1, What::Connect { a, b });
            }
        }
        if self.plan.govern_every_ms != NEVER || self.troubled_members() {
            self.after(5_000, What::Reunite);
        }
    }

    fn run_until(&mut self, end_ms: u64, done: impl Fn(&mut Self) -> bool) {
        let mut check_at = self.now_ms;
        while self.failures.is_empty()
            && let Some((at, what)) = self.queue.pop_until(end_ms)
        {
            self.now_ms = self.now_ms.max(at);
            self.events += 1;
            self.note(at, &what);
            self.happen(what);
            if self.now_ms >= check_at {
                check_at = self.now_ms + LOOK_EVERY_MS;
                if done(self) {
                    return;
                }
            }
        }
        self.now_ms = self.now_ms.max(end_ms);
    }

    fn note(&mut self, at_ms: u64, what: &What) {
        let (kind, who, bytes): (u8, usize, &[u8]) = match what {
            What::Arrive { to, bytes, .. } => (1, *to, bytes),
            What::Fire { device, .. } => (2, *device, &[]),
            What::Edit { device } => (3, *device, &[]),
            What::BreakLink => (4, 0, &[]),
            What::Connect { a, b } => (5, a * 1_000_000 + b, &[]),
            What::Crash => (6, 0, &[]),
            What::Restart { device } => (7, *device, &[]),
            What::Govern => (8, 0, &[]),
            What::Reunite => (9, 0, &[]),
            What::Labour { device, labour, .. } => (10, device * 100 + labour, &[]),
            What::Dial { from, to } => (11, from * 1_000_000 + to, &[]),
            What::Trouble(trouble) => (12, *trouble as usize, &[]),
            What::Backup => (13, 0, &[]),
            What::Over(spell) => (14, spell.number(), &[]),
            What::Flap { a, b, .. } => (15, a * 1_000_000 + b, &[]),
            What::Sleep { device, .. } => (16, *device, &[]),
            What::Occasion(place) => (17, *place, &[]),
            What::Upgrade { device } => (18, *device, &[]),
            What::Sample => (19, 0, &[]),
            What::Act(adversary::Act::Replay { to, bytes, .. }) => (20, *to, bytes),
            What::Act(_) => (21, 0, &[]),
        };
        let mut line = [0; 17];
        line[..8].copy_from_slice(&at_ms.to_le_bytes());
        line[8] = kind;
        line[9..].copy_from_slice(&(who as u64).to_le_bytes());
        self.trace.update(&line);
        self.trace.update(bytes);
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Arrive { to, link, bytes, damaged } => self.arrive(to, link, bytes, damaged),
            What::Fire { device, life, timer } => {
                if self.devices[device].life == life {
                    self.input(device, meshwork_protocol::Input::TimerFired(timer));
                }
            }
            What::Edit { device } => self.edit(device),
            What::Labour { device, labour, keys } => self.labour(device, labour, keys),
            What::Govern => self.govern(),
            What::Reunite => self.reunite(),
            What::BreakLink => self.break_some_link(),
            What::Connect { a, b } => self.connect(a, b),
            What::Dial { from, to } => self.dialled(from, to),
            What::Crash => self.crash_some_device(),
            What::Restart { device } => self.start(device),
            What::Trouble(trouble) => self.trouble(trouble),
            What::Backup => self.back_up_all(),
            What::Over(spell) => self.over(&spell),
            What::Flap { a, b, left, each_ms } => self.flap(a, b, left, each_ms),
            What::Sleep { device, for_ms } => self.go_away(device, for_ms),
            What::Occasion(place) => self.occasion(place),
            What::Upgrade { device } => self.upgrade(device),
            What::Sample => self.sample(),
            What::Act(act) => self.act(act),
        }
    }

    fn storming(&self) -> bool {
        self.storm
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.next_u32() % 1_000 < per_mille
    }

    /// A random time around a mean; never for what never happens.
    fn about(&mut self, mean_ms: u64) -> u64 {
        if mean_ms == NEVER {
            return NEVER;
        }
        (self.rng.next_u64() % mean_ms.saturating_mul(2).max(1)).saturating_add(1)
    }

    fn after(&mut self, delay_ms: u64, what: What) {
        let Some(at_ms) = self.now_ms.checked_add(delay_ms) else { return };
        self.under_way += usize::from(matches!(what, What::Arrive { .. }));
        self.queue.push(at_ms, what);
    }

    fn id(&self, n: usize) -> DeviceId {
        self.devices[n].identity.device()
    }

    /// What a device's host says the time is: it follows the clock forwards, and goes on at its own pace when that is
    /// set back, as `node/src/clock.rs` does; after a restart it believes the clock.
    fn clock(&mut self, n: usize) -> Time {
        let device = &mut self.devices[n];
        let wall = self.now_ms.saturating_add_signed(device.skew_ms);
        let told = device.told.map_or(0, |(at, told)| told + (self.now_ms - at));
        let now = wall.max(told);
        device.told = Some((self.now_ms, now));
        Time(now)
    }

    fn fail(&mut self, invariant: &'static str, detail: impl Into<String>) {
        let violation = Violation::new(invariant, detail);
        self.tell(|| format!("FAILED {}: {}", violation.invariant, violation.detail));
        self.failures.push(violation);
    }
}

impl Device {
    fn new(identity: Identity, rng: ChaCha20Rng) -> Self {
        Self {
            part: Part::Member,
            identity,
            disk: Arc::new(CrashDisk::default()),
            replica: None,
            rng,
            life: 0,
            persists: 0,
            skew_ms: 0,
            told: None,
            wishes: 0,
            links: BTreeMap::new(),
            asked: BTreeMap::new(),
            granted_heads: BTreeMap::new(),
            decided: Vec::new(),
            backup: None,
            restored: false,
            away_until: 0,
            version: Version::This,
            lies: Vec::new(),
            said: Vec::new(),
            sent_frames: 0,
            sent_bytes: 0,
            received_bytes: 0,
            up_since: 0,
            cursor: 0,
            typed: 0,
        }
    }
}
