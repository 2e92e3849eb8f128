//! The world: devices on links, a queue of what happens next, and the rules of its two ages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use meshwork_crdt::Edit;
use meshwork_protocol::store::{Store, StoreError, WriteBatch};
use meshwork_protocol::{
    Action, DeviceId, Effects, Event, Host, Identity, Input, LinkId, LogId, ObjectEdit, Outcome,
    Replica, Role, SpaceId, SpaceView, Ticket, Time, Timer, Wish, WishId,
};
use rand_chacha::{ChaCha8Rng, ChaCha20Rng};
use rand_core::{Rng, SeedableRng as _};
use serde::Serialize;

use crate::check::Violation;
use crate::disk::CrashDisk;
use crate::ledger::{Committed, Ledger};
use crate::people::{Promises, edits};
use crate::plan::{Faults, Plan};

mod adversary;
mod judge;
mod politics;
mod watch;

use adversary::{Act, Scheme};
use watch::Watch;

/// When worlds begin, in milliseconds since the Unix epoch.
const DAWN_MS: u64 = 1_700_000_000_000;
/// How long it takes once all agree until nothing is owed any more: links have compared what both ends hold once
/// more, in milliseconds.
const REST_MS: u64 = 16_000;
/// Frames a link holds on their way; more break it.
const IN_FLIGHT_MAX: usize = 100_000;

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
    /// Edits that were promised to be durable.
    pub granted: usize,
    /// Crashes.
    pub crashes: u64,
    /// What went wrong.
    pub failures: Vec<Violation>,
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
            granted: 0,
            crashes: 0,
            failures: vec![Violation::new("panic", text)],
        }
    }
}

#[derive(Debug)]
enum What {
    Arrive { to: usize, link: LinkId, bytes: Vec<u8>, damaged: bool },
    Fire { device: usize, life: u64, timer: Timer },
    Edit { device: usize },
    Govern,
    Reunite,
    BreakLink,
    Connect { a: usize, b: usize },
    Crash,
    Restart { device: usize },
    Act(Act),
}

struct Happening {
    at_ms: u64,
    number: u64,
    what: What,
}

impl PartialEq for Happening {
    fn eq(&self, other: &Self) -> bool {
        (self.at_ms, self.number) == (other.at_ms, other.number)
    }
}

impl Eq for Happening {}

impl PartialOrd for Happening {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Happening {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

struct Device {
    identity: Identity,
    disk: Arc<CrashDisk>,
    replica: Option<Replica>,
    rng: ChaCha20Rng,
    /// Counts restarts: timers of an earlier life do not fire.
    life: u64,
    skew_ms: i64,
    wishes: u64,
    /// Own link → far device, its link.
    links: BTreeMap<LinkId, (usize, LinkId)>,
    /// What was granted, by space and own log: the highest number.
    granted_heads: BTreeMap<(SpaceId, LogId), u64>,
    /// Rows of operations that came with something granted.
    decided: Vec<Vec<u8>>,
}

/// A world and everything in it.
pub struct World {
    plan: Plan,
    faults: Faults,
    rng: ChaCha8Rng,
    now_ms: u64,
    queue: BinaryHeap<Reverse<Happening>>,
    numbers: u64,
    devices: Vec<Device>,
    spaces: Vec<SpaceId>,
    tickets: Vec<Ticket>,
    promises: Promises,
    heard_by_stranger: Vec<Vec<u8>>,
    trace: blake3::Hasher,
    events: u64,
    links: u64,
    crashes: u64,
    /// Whether a damaged frame was delivered, so that refusals are to be expected.
    damaged: bool,
    ledger: Ledger,
    watch: Watch,
    scheme: Scheme,
    failures: Vec<Violation>,
}

/// What one device's effects come to.
struct Outbox<'a> {
    disk: &'a CrashDisk,
    sent: Vec<(LinkId, Vec<u8>)>,
    timers: Vec<(Time, Timer)>,
    events: Vec<Event>,
    closed: Vec<LinkId>,
    ledger: &'a mut Ledger,
    /// Whose effects they are.
    device: (usize, DeviceId),
    committed: Committed,
    /// The machine dies right before the commit, or right after it.
    dies: Option<bool>,
}

impl Host for Outbox<'_> {
    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.sent.push((link, frame));
    }

    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        if self.dies == Some(true) {
            return Err(StoreError::Io("the machine died".to_owned()));
        }
        self.disk.commit(batch)?;
        self.committed = self.ledger.commit(self.device.0, self.device.1, batch);
        if self.dies == Some(false) {
            return Err(StoreError::Io("the machine died".to_owned()));
        }
        Ok(())
    }

    fn schedule(&mut self, at: Time, timer: Timer) {
        self.timers.push((at, timer));
    }

    fn notify(&mut self, event: Event) {
        self.events.push(event);
    }

    fn close(&mut self, link: LinkId) {
        self.closed.push(link);
    }
}

impl World {
    /// A world that will go as planned.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x6d65_7368);
        let members = plan.devices + plan.late_devices;
        let guest = usize::from(plan.mischief.guest.is_some());
        let count = members + usize::from(plan.stranger) + guest;
        let devices = (0..count)
            .map(|_| {
                let mut own = ChaCha20Rng::seed_from_u64(rng.next_u64());
                let spread = plan.skew_ms_max * 2 + 1;
                let skew = rng.next_u64() % spread;
                Device {
                    identity: Identity::generate(&mut own),
                    disk: Arc::new(CrashDisk::default()),
                    replica: None,
                    rng: own,
                    life: 0,
                    skew_ms: i64::try_from(skew).unwrap_or(0)
                        - i64::try_from(plan.skew_ms_max).unwrap_or(0),
                    wishes: 0,
                    links: BTreeMap::new(),
                    granted_heads: BTreeMap::new(),
                    decided: Vec::new(),
                }
            })
            .collect();
        let faults = plan.faults;
        let scheme = Scheme::new(plan.seed);
        let mut world = Self {
            plan,
            faults,
            rng,
            now_ms: DAWN_MS,
            queue: BinaryHeap::new(),
            numbers: 0,
            devices,
            spaces: Vec::new(),
            tickets: Vec::new(),
            promises: Promises::default(),
            heard_by_stranger: Vec::new(),
            trace: blake3::Hasher::new(),
            events: 0,
            links: 0,
            crashes: 0,
            damaged: false,
            ledger: Ledger::default(),
            watch: Watch::default(),
            scheme,
            failures: Vec::new(),
        };
        if let Some(guest) = world.guest() {
            // So far behind that it takes every ticket for a good one.
            world.devices[guest].skew_ms = -86_400_000;
        }
        world
    }

    /// Lets the world run to its end.
    #[must_use]
    pub fn run(mut self) -> Report {
        self.begin();
        let storm_end = self.now_ms + self.plan.storm_ms;
        self.run_until(storm_end, |_| false);
        self.heal();
        let end = self.now_ms + self.plan.heal_ms_max;
        self.run_until(end, Self::agreed);
        let rest = self.now_ms + REST_MS;
        self.run_until(rest, |_| false);
        self.judge();
        Report {
            converged: self.failures.iter().all(|failure| failure.invariant != "convergence"),
            trace_hash: self.trace.finalize().to_hex().to_string(),
            events: self.events,
            virtual_ms: self.now_ms - DAWN_MS,
            granted: self.promises.count(),
            crashes: self.crashes,
            failures: self.failures,
            plan: self.plan,
        }
    }

    fn members(&self) -> usize {
        self.plan.devices + self.plan.late_devices
    }

    /// Everybody starts; the first device makes the spaces, the others join.
    fn begin(&mut self) {
        for device in 0..self.devices.len() {
            self.start(device);
        }
        for n in 0..self.plan.spaces {
            let outcome = self.wish(0, Wish::CreateSpace { name: format!("secret space {n}") });
            let Some(Outcome::Created(space)) = outcome else {
                self.fail("wishes", "a space was not created");
                return;
            };
            self.spaces.push(space);
            let wish = Wish::Invite {
                space,
                role: Role::Admin,
                expires: Time(u64::MAX),
                uses: u32::try_from(self.members()).unwrap_or(1),
                addresses: Vec::new(),
            };
            if let Some(Outcome::Invited(ticket)) = self.wish(0, wish) {
                self.tickets.push(*ticket);
            }
        }
        for device in 1..self.plan.devices {
            self.join_all(device);
        }
        for (a, b) in self.neighbours() {
            self.after(1, What::Connect { a, b });
        }
        for device in 0..self.members() {
            let delay = self.about(self.plan.edit_every_ms);
            self.after(delay, What::Edit { device });
        }
        let delay = self.about(self.plan.govern_every_ms);
        self.after(delay, What::Govern);
        let delay = self.about(self.faults.break_every_ms);
        self.after(delay, What::BreakLink);
        let delay = self.about(self.faults.crash_every_ms);
        self.after(delay, What::Crash);
        self.plot();
    }

    fn join_all(&mut self, device: usize) {
        for ticket in self.tickets.clone() {
            self.wish(device, Wish::Join { ticket: Box::new(ticket) });
        }
    }

    /// The pairs of devices that have a way to each other. A stranger has one to everybody.
    fn neighbours(&self) -> Vec<(usize, usize)> {
        let members = self.members();
        let mut pairs = Vec::new();
        for b in 1..self.devices.len() {
            for a in 0..b {
                if b >= members || !self.plan.chain || b == a + 1 {
                    pairs.push((a, b));
                }
            }
        }
        pairs
    }

    /// Everything works from now on. Links that have damaged frames are made anew, as by a transport that notices:
    /// what a damaged frame said about a link lasts as long as the link.
    fn heal(&mut self) {
        let damaging = self.faults.corruption_per_mille > 0;
        self.faults = Faults::none();
        for device in 0..self.devices.len() {
            while let Some(link) = self.devices[device].links.keys().next().copied()
                && damaging
            {
                self.unlink(device, link);
            }
        }
        for device in 0..self.devices.len() {
            if self.devices[device].replica.is_none() {
                self.start(device);
            }
            if device >= self.plan.devices && device < self.members() {
                self.join_all(device);
            }
        }
        if self.plan.mischief.bulk_bytes > 0 {
            self.act(Act::Bulk);
        }
        for (a, b) in self.neighbours() {
            if !self.linked(a, b) {
                self.after(1, What::Connect { a, b });
            }
        }
        if self.plan.govern_every_ms != u64::MAX {
            self.after(5_000, What::Reunite);
        }
    }

    fn run_until(&mut self, end_ms: u64, done: impl Fn(&mut Self) -> bool) {
        let mut check_at = self.now_ms;
        while let Some(Reverse(next)) = self.queue.peek() {
            if next.at_ms > end_ms || !self.failures.is_empty() {
                break;
            }
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.now_ms = self.now_ms.max(next.at_ms);
            self.events += 1;
            self.note(&next);
            self.happen(next.what);
            if self.now_ms >= check_at {
                check_at = self.now_ms + 1_000;
                if done(self) {
                    return;
                }
            }
        }
        self.now_ms = self.now_ms.max(end_ms);
    }

    fn note(&mut self, happening: &Happening) {
        self.trace.update(&happening.at_ms.to_le_bytes());
        let (kind, who, bytes): (u8, usize, &[u8]) = match &happening.what {
            What::Arrive { to, bytes, .. } => (1, *to, bytes),
            What::Fire { device, .. } => (2, *device, &[]),
            What::Edit { device } => (3, *device, &[]),
            What::BreakLink => (4, 0, &[]),
            What::Connect { a, b } => (5, a * 1000 + b, &[]),
            What::Crash => (6, 0, &[]),
            What::Restart { device } => (7, *device, &[]),
            What::Govern => (8, 0, &[]),
            What::Reunite => (9, 0, &[]),
            What::Act(Act::Replay { to, bytes, .. }) => (10, *to, bytes),
            What::Act(_) => (11, 0, &[]),
        };
        self.trace.update(&[kind]);
        self.trace.update(&(who as u64).to_le_bytes());
        self.trace.update(blake3::hash(bytes).as_bytes());
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Arrive { to, link, bytes, damaged } => {
                if self.devices[to].links.contains_key(&link) {
                    self.damaged |= damaged;
                    if self.stranger() == Some(to) {
                        self.heard_by_stranger.push(bytes.clone());
                    }
                    self.input(to, Input::Received { link, bytes });
                }
            }
            What::Fire { device, life, timer } => {
                if self.devices[device].life == life {
                    self.input(device, Input::TimerFired(timer));
                }
            }
            What::Edit { device } => self.edit(device),
            What::Govern => self.govern(),
            What::Reunite => self.reunite(),
            What::BreakLink => self.break_some_link(),
            What::Connect { a, b } => self.connect(a, b),
            What::Crash => self.crash_some_device(),
            What::Restart { device } => self.start(device),
            What::Act(act) => self.act(act),
        }
    }

    fn storming(&self) -> bool {
        self.faults.break_every_ms != u64::MAX
    }

    fn edit(&mut self, device: usize) {
        if !self.storming() {
            return;
        }
        let delay = self.about(self.plan.edit_every_ms);
        self.after(delay, What::Edit { device });
        let late = device >= self.plan.devices;
        let no_space = self.devices[device]
            .replica
            .as_ref()
            .is_some_and(|replica| replica.spaces().is_empty());
        if late && no_space {
            self.join_all(device);
            return;
        }
        let space = self.spaces[self.rng.next_u32() as usize % self.spaces.len()];
        let Some(replica) = &mut self.devices[device].replica else { return };
        let Some(view) = replica.space(space).filter(|view| view.ready) else { return };
        let mut lengths = BTreeMap::new();
        for n in 0..3 {
            let name = format!("notes{n}");
            let found = replica.find(space, &name).map(|view| view.id);
            let length = found.and_then(|id| {
                replica
                    .read(space, id, |object| object.as_text().map_or(0, |text| text.len()))
                    .ok()?
            });
            lengths.insert(name, length.unwrap_or(0));
        }
        let wish = WishId(self.devices[device].wishes + 1);
        let marker = self.promises.ask(device, wish, space);
        let edits = edits(&mut self.rng, marker, |name| lengths.get(name).copied().unwrap_or(0));
        let asked = edits.last().cloned();
        let Some(outcome) = self.wish(device, Wish::Edit { space, edits }) else { return };
        self.on_edited(device, &view, asked, &outcome);
    }

    fn on_edited(
        &mut self,
        device: usize,
        before: &SpaceView,
        asked: Option<ObjectEdit>,
        outcome: &Outcome,
    ) {
        let space = before.id;
        if before.role < Some(Role::Write) {
            self.fail("rights", format!("device {device} writes as {:?}", before.role));
        }
        self.watch_granted(device, space, outcome);
        let Outcome::Edited { objects, .. } = outcome else { return };
        if let (Some(edit), Some(id)) = (asked, objects.last()) {
            if let Action::Change(Edit::Increment(by)) = &edit.action {
                self.promises.count_on(space, *by);
            }
            self.watch_own(device, space, &edit, *id);
        }
    }

    /// Carries a wish to a device; its outcome if it was granted.
    fn wish(&mut self, device: usize, what: Wish) -> Option<Outcome> {
        self.devices[device].wishes += 1;
        let wish = WishId(self.devices[device].wishes);
        let events = self.input(device, Input::Wished { wish, what });
        events.into_iter().find_map(|event| match event {
            Event::Granted { wish: granted, outcome } if granted == wish => Some(outcome),
            _ => None,
        })
    }

    /// After how many inputs of a kind a machine dies, about.
    fn lives_for(&self, input: &Input) -> u32 {
        match input {
            Input::Wished { .. } if self.plan.mischief.dies_at_work => 50,
            _ if self.plan.mischief.dies_at_work => 500,
            _ => 2_000,
        }
    }

    /// Hands an input to a device and performs what it decides; its events.
    fn input(&mut self, n: usize, input: Input) -> Vec<Event> {
        let dies = self.storming()
            && self.now_ms > DAWN_MS
            && self.faults.crash_every_ms != u64::MAX
            && self.rng.next_u32().is_multiple_of(self.lives_for(&input));
        let before = self.rng.next_u32().is_multiple_of(2);
        let (now, id) = (self.clock(n), self.id(n));
        let device = &mut self.devices[n];
        let Some(replica) = &mut device.replica else { return Vec::new() };
        let mut effects = Effects::default();
        replica.handle([input], now, &mut device.rng, &mut effects);
        let mut outbox = Outbox {
            disk: &device.disk,
            sent: Vec::new(),
            timers: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            ledger: &mut self.ledger,
            device: (n, id),
            committed: Committed::default(),
            dies: dies.then_some(before),
        };
        let result = effects.drain(&mut outbox);
        let Outbox { sent, timers, events, closed, committed, .. } = outbox;
        self.failures.extend(committed.violation);
        for (link, bytes) in sent {
            self.transmit(n, link, bytes);
        }
        if result.is_err() {
            if dies {
                self.crash(n);
            } else {
                self.fail("storage", format!("device {n} stopped: {result:?}"));
            }
            return Vec::new();
        }
        for (at, timer) in timers {
            let delay = self.until(n, at);
            let life = self.devices[n].life;
            self.after(delay, What::Fire { device: n, life, timer });
        }
        for link in closed {
            self.unlink(n, link);
        }
        if events.iter().any(|event| matches!(event, Event::Granted { .. })) {
            self.devices[n].decided.extend(committed.operations);
        }
        for event in &events {
            self.hear(n, event);
            self.watch(n, event);
        }
        self.watch_shown(n, id, &events);
        self.watch_written(n, &committed.wrote);
        events
    }

    fn hear(&mut self, n: usize, event: &Event) {
        match event {
            Event::Granted { wish, outcome } => {
                self.promises.grant(n, *wish);
                if let Outcome::Edited { log, seq, .. } = outcome
                    && let Some(space) = self.space_of_log(n, outcome)
                {
                    let head = self.devices[n].granted_heads.entry((space, *log)).or_default();
                    *head = (*head).max(*seq);
                }
            }
            Event::Rejected { rejection, peer, .. } => {
                let member = n < self.members() && self.honest(*peer);
                let harsh = rejection.penalty() > 0;
                if member && harsh && !self.damaged {
                    self.fail("honesty", format!("device {n} refused an honest peer: {rejection}"));
                }
            }
            Event::Audited { by, proven: false, .. } => {
                self.fail("snapshots", format!("device {n} was brought to a wrong state by {by}"));
            }
            Event::GreyListed { peer, rejection, .. } if self.honest(*peer) => {
                let detail = format!("device {n} shut out an honest device: {rejection}");
                self.fail("honesty", detail);
            }
            _ => {}
        }
    }

    fn space_of_log(&self, n: usize, outcome: &Outcome) -> Option<SpaceId> {
        let Outcome::Edited { log, .. } = outcome else { return None };
        let replica = self.devices[n].replica.as_ref()?;
        let mut spaces = replica.spaces().into_iter();
        spaces.find(|view| view.own_log == Some(*log)).map(|view| view.id)
    }

    /// A member whose disk is its own.
    fn honest(&self, peer: DeviceId) -> bool {
        let old = self.scheme.old_disk;
        (0..self.members()).any(|far| self.id(far) == peer && Some(far) != old)
    }

    fn watch_shown(&mut self, n: usize, id: DeviceId, events: &[Event]) {
        let (mut shown, mut changed) = (BTreeSet::new(), BTreeSet::new());
        for event in events {
            match event {
                Event::Visible { space, author, .. } if *author != id => {
                    shown.insert(*space);
                }
                Event::MembersChanged { space } => {
                    changed.insert(*space);
                }
                _ => {}
            }
        }
        changed.extend(&shown);
        shown.into_iter().for_each(|space| self.watch_order(n, space));
        changed.into_iter().for_each(|space| self.watch_cuts(n, space));
    }

    /// What a device's clock shows: it goes in steps.
    fn clock(&self, n: usize) -> Time {
        let ms = self.now_ms.saturating_add_signed(self.devices[n].skew_ms);
        Time(ms - ms % self.plan.mischief.clock_step_ms)
    }

    /// How long it takes until a device's clock shows a time.
    fn until(&self, n: usize, at: Time) -> u64 {
        let ms = self.now_ms.saturating_add_signed(self.devices[n].skew_ms);
        let step = self.plan.mischief.clock_step_ms;
        at.0.div_ceil(step).saturating_mul(step).saturating_sub(ms)
    }

    /// Puts a frame on its way, as kindly as the plan has it.
    fn transmit(&mut self, from: usize, link: LinkId, mut bytes: Vec<u8>) {
        let Some((to, far)) = self.devices[from].links.get(&link).copied() else {
            self.told_to_pest(from, link, &bytes);
            return;
        };
        self.watch_guest(from, to, &bytes);
        self.overhear(from, to, &bytes);
        if self.queue.len() > IN_FLIGHT_MAX {
            self.fail("bounds", "too many frames on their way");
            return;
        }
        if self.chance(self.faults.loss_percent * 10) {
            return;
        }
        let damaged = self.chance(self.faults.corruption_per_mille);
        if damaged && !bytes.is_empty() {
            let at = self.rng.next_u32() as usize % bytes.len();
            bytes[at] ^= 1 << (self.rng.next_u32() % 8);
        }
        let (least, most) = self.faults.latency_ms;
        let ordered = least + (link.0 * 7 + 13) % (most - least + 1);
        let delay = if self.chance(self.faults.reorder_percent * 10) {
            least + self.rng.next_u64() % (most - least + 1)
        } else {
            ordered
        };
        let copies = if self.chance(self.faults.duplication_percent * 10) { 2 } else { 1 };
        for copy in 0..copies {
            let bytes = bytes.clone();
            self.after(delay + copy * 5, What::Arrive { to, link: far, bytes, damaged });
        }
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.rng.next_u32() % 1_000 < per_mille
    }

    /// A random time around a mean; never for what never happens.
    fn about(&mut self, mean_ms: u64) -> u64 {
        if mean_ms == u64::MAX { u64::MAX } else { self.rng.next_u64() % (mean_ms * 2) + 1 }
    }

    fn after(&mut self, delay_ms: u64, what: What) {
        let Some(at_ms) = self.now_ms.checked_add(delay_ms) else { return };
        self.numbers += 1;
        self.queue.push(Reverse(Happening { at_ms, number: self.numbers, what }));
    }

    fn linked(&self, a: usize, b: usize) -> bool {
        let sees = |a: usize, b: usize| self.devices[a].links.values().any(|(far, _)| *far == b);
        sees(a, b) || sees(b, a)
    }

    fn connect(&mut self, a: usize, b: usize) {
        let up = |device: &Device| device.replica.is_some();
        if self.linked(a, b) {
            return;
        }
        if !up(&self.devices[a]) || !up(&self.devices[b]) {
            self.after(1_000, What::Connect { a, b });
            return;
        }
        let (near, far) = (LinkId(self.links), LinkId(self.links + 1));
        self.links += 2;
        self.devices[a].links.insert(near, (b, far));
        self.devices[b].links.insert(far, (a, near));
        let (id_a, id_b) = (self.id(a), self.id(b));
        self.input(a, Input::PeerConnected { link: near, peer: id_b });
        self.input(b, Input::PeerConnected { link: far, peer: id_a });
    }

    fn id(&self, n: usize) -> DeviceId {
        self.devices[n].identity.device()
    }

    /// Ends a link on both sides; it comes back after a while.
    fn unlink(&mut self, n: usize, link: LinkId) {
        let Some((far, far_link)) = self.devices[n].links.remove(&link) else { return };
        self.devices[far].links.remove(&far_link);
        self.input(n, Input::PeerGone { link });
        self.input(far, Input::PeerGone { link: far_link });
        let delay = 50 + self.about(self.faults.down_ms_max) / 2;
        self.after(delay, What::Connect { a: n.min(far), b: n.max(far) });
    }

    fn break_some_link(&mut self) {
        let delay = self.about(self.faults.break_every_ms);
        self.after(delay, What::BreakLink);
        let all: Vec<(usize, LinkId)> = (0..self.devices.len())
            .flat_map(|n| self.devices[n].links.keys().map(move |link| (n, *link)))
            .collect();
        if !all.is_empty() && self.storming() {
            let (n, link) = all[self.rng.next_u32() as usize % all.len()];
            self.unlink(n, link);
        }
    }

    fn crash_some_device(&mut self) {
        let delay = self.about(self.faults.crash_every_ms);
        self.after(delay, What::Crash);
        if self.storming() {
            let n = self.rng.next_u32() as usize % self.members();
            if self.devices[n].replica.is_some() {
                self.crash(n);
            }
        }
    }

    /// A machine dies; it starts again after a while.
    fn crash(&mut self, n: usize) {
        self.crashes += 1;
        self.devices[n].replica = None;
        self.devices[n].life += 1;
        self.devices[n].disk.clone().crash(&mut self.rng);
        self.ledger.crashed(n);
        if self.plan.mischief.dies_at_work {
            self.vanish(n);
        }
        let links: Vec<LinkId> = self.devices[n].links.keys().copied().collect();
        for link in links {
            self.unlink(n, link);
        }
        let delay = self.about(2_000);
        self.after(delay, What::Restart { device: n });
    }

    fn start(&mut self, n: usize) {
        if self.devices[n].replica.is_some() {
            return;
        }
        let now = self.clock(n);
        let device = &mut self.devices[n];
        let store = device.disk.clone();
        let name = format!("secret device {n}");
        match Replica::open(store, device.identity.clone(), &name, now, &mut device.rng) {
            Ok(mut replica) => {
                replica.checkpoint_every(self.plan.checkpoint_entries);
                replica.snapshots_from(self.plan.snapshot_entries);
                device.replica = Some(replica);
            }
            Err(error) => self.fail("storage", format!("device {n} does not open: {error}")),
        }
        self.check_durable(n);
        self.watch_restart(n);
    }

    /// What a device was granted before it died is there when it comes back.
    fn check_durable(&mut self, n: usize) {
        if self.scheme.old_disk == Some(n) {
            return;
        }
        let device = &self.devices[n];
        let Some(replica) = &device.replica else { return };
        for ((space, log), granted) in &device.granted_heads {
            let view = replica.space(*space);
            let own = view.as_ref().and_then(|view| {
                view.logs.iter().find(|known| known.log == *log).map(|log| log.seq)
            });
            if own.unwrap_or(0) < *granted {
                let detail = format!("device {n} was granted entry {granted}, has {own:?}");
                self.fail("durability", detail);
                return;
            }
        }
    }

    fn fail(&mut self, invariant: &'static str, detail: impl Into<String>) {
        self.failures.push(Violation::new(invariant, detail));
    }
}
