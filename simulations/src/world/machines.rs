//! Machines: they perform what their replica decides, die, come back, and are given other disks.

use meshwork_protocol::store::{Store, StoreError, WriteBatch};
use meshwork_protocol::{
    DeviceId, Effects, Event, Host, Identity, Input, LinkId, Outcome, Replica, Time, Timer, Wish,
    WishId, limits,
};
use rand_core::Rng as _;

use super::{DAWN_MS, NEVER, Part, What, World};
use crate::bytes::frame_kind;
use crate::check::Violation;
use crate::disk::CrashDisk;
use crate::ledger::Ledger;
use crate::plan::CrashAt;

/// One of so many persists ends with a crash, while there are crashes.
const CRASHES_AT_PERSISTS: u32 = 2_000;
/// Mean time until a machine that died starts again, in milliseconds.
const RESTART_MS: u64 = 2_000;

/// What one device's effects come to.
struct Outbox<'a> {
    disk: &'a CrashDisk,
    ledger: Option<&'a mut Ledger>,
    /// Whose effects they are.
    device: (usize, DeviceId),
    violation: Option<Violation>,
    /// Keys of the operations that are stored.
    operations: Vec<Vec<u8>>,
    sent: Vec<(LinkId, Vec<u8>)>,
    timers: Vec<(Time, Timer)>,
    events: Vec<Event>,
    closed: Vec<LinkId>,
    parted: Vec<LinkId>,
    dialled: Vec<DeviceId>,
    /// The machine dies right before the commit, or right after it.
    dies: Option<bool>,
    persisted: bool,
}

impl Host for Outbox<'_> {
    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.sent.push((link, frame));
    }

    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.persisted = true;
        if self.dies == Some(true) {
            return Err(StoreError::Io("the machine died".to_owned()));
        }
        self.disk.commit(batch)?;
        if let Some(ledger) = &mut self.ledger {
            self.violation = ledger.commit(self.device.0, self.device.1, batch);
            let kept = batch.iter().filter(|(key, value)| key.starts_with(b"o") && value.is_some());
            self.operations.extend(kept.map(|(key, _)| key.to_vec()));
        }
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

    fn part(&mut self, link: LinkId) {
        self.parted.push(link);
    }

    fn dial(&mut self, peer: DeviceId, _addresses: Vec<String>) {
        self.dialled.push(peer);
    }
}

impl World {
    /// Carries a wish to a device; its outcome if it was granted.
    pub(super) fn wish(&mut self, device: usize, what: Wish) -> Option<Outcome> {
        self.devices[device].wishes += 1;
        let wish = WishId(self.devices[device].wishes);
        if let Wish::Govern { what, .. } = &what {
            self.tell(|| format!("{device} wants {what:?}"));
        }
        let events = self.input(device, Input::Wished { wish, what });
        events.into_iter().find_map(|event| match event {
            Event::Granted { wish: granted, outcome } if granted == wish => Some(outcome),
            _ => None,
        })
    }

    /// One of how many persists of a kind ends with a crash.
    fn lives_for(&self, input: &Input) -> u32 {
        match input {
            Input::Wished { .. } if self.plan.mischief.dies_at_work => CRASHES_AT_PERSISTS / 40,
            // What comes of entries is stored and acknowledged in one turn.
            Input::Received { bytes, .. }
                if self.plan.mischief.dies_at_work && matches!(frame_kind(bytes), Some(5 | 10)) =>
            {
                CRASHES_AT_PERSISTS / 20
            }
            _ if self.plan.mischief.dies_at_work => CRASHES_AT_PERSISTS / 4,
            _ => CRASHES_AT_PERSISTS,
        }
    }

    /// Whether, and how, a machine dies at what it is about to do.
    fn dies(&mut self, n: usize, input: &Input) -> Option<bool> {
        let now = self.now_ms > DAWN_MS && self.storming() && self.faults.crash_every_ms != NEVER;
        let dies = now && self.rng.next_u32().is_multiple_of(self.lives_for(input));
        let before = self.rng.next_u32().is_multiple_of(2);
        match self.faults.crash_at {
            Some(CrashAt { device, persist, before })
                if device == n && persist == self.devices[n].persists =>
            {
                Some(before)
            }
            _ => dies.then_some(before),
        }
    }

    /// Hands an input to a device and performs what it decides; its events.
    pub(super) fn input(&mut self, n: usize, input: Input) -> Vec<Event> {
        let dies = self.dies(n, &input);
        let now = self.clock(n);
        let device = &mut self.devices[n];
        let Some(replica) = &mut device.replica else { return Vec::new() };
        let mut effects = Effects::default();
        replica.handle([input], now, &mut device.rng, &mut effects);
        let mut outbox = Outbox {
            disk: &device.disk,
            ledger: self.ledger.as_mut(),
            device: (n, device.identity.device()),
            violation: None,
            operations: Vec::new(),
            sent: Vec::new(),
            timers: Vec::new(),
            events: Vec::new(),
            closed: Vec::new(),
            parted: Vec::new(),
            dialled: Vec::new(),
            dies,
            persisted: false,
        };
        let result = effects.drain(&mut outbox);
        let (violation, operations) =
            (outbox.violation.take(), std::mem::take(&mut outbox.operations));
        let Outbox { sent, timers, events, closed, parted, dialled, persisted, .. } = outbox;
        let doomed = dies.is_some() && persisted;
        device.persists += u64::from(persisted);
        if let Some(Violation { invariant, detail }) = violation {
            self.fail(invariant, detail);
        }
        for (link, bytes) in sent {
            self.say(n, link, bytes);
        }
        if let Err(error) = result {
            self.stop(n, doomed, &error);
            return Vec::new();
        }
        let life = self.devices[n].life;
        for (at, timer) in timers {
            let delay = at.0.saturating_sub(now.0);
            self.after(delay, What::Fire { device: n, life, timer });
        }
        for link in closed {
            self.unlink(n, link);
        }
        for link in parted {
            self.cut(n, link);
        }
        for peer in dialled {
            if let Some(to) = self.numbers.get(&peer).copied() {
                self.dial(n, to);
            }
        }
        if events.iter().any(|event| matches!(event, Event::Granted { .. })) {
            self.devices[n].decided.extend(operations);
        }
        for event in &events {
            self.hear(n, event);
            self.see(n, event);
        }
        self.see_shown(n, &events);
        events
    }

    /// What a process does whose disk failed: it stops. What comes then depends on what is wrong with the disk.
    fn stop(&mut self, n: usize, doomed: bool, error: &StoreError) {
        match error {
            _ if doomed => self.crash(n),
            StoreError::Corrupt { .. } if self.devices[n].disk.rotten() => self.replace_disk(n),
            StoreError::Io(_) if self.devices[n].disk.is_full() => {
                self.tell(|| format!("{n} stops: its disk is full"));
                self.halt(n);
            }
            _ => self.fail("storage", format!("device {n} stopped: {error}")),
        }
    }

    fn hear(&mut self, n: usize, event: &Event) {
        match event {
            Event::Granted { wish, outcome } => self.on_granted(n, *wish, outcome),
            Event::Refused { wish, .. } => {
                self.devices[n].asked.remove(wish);
                self.promises.refuse(n, *wish);
            }
            Event::Forked { log, .. } => {
                self.forks += 1;
                self.tell(|| format!("{n} knows that log {log} is forked"));
            }
            Event::Rejected { peer, rejection, .. } => {
                let harsh = rejection.penalty() > 0 && self.expected_honest(*peer);
                if self.honest(n) && harsh && !self.damaged {
                    self.fail("honesty", format!("device {n} refused an honest peer: {rejection}"));
                }
            }
            Event::Audited { by, proven: false, .. } if self.expected_honest(*by) => {
                self.fail("snapshots", format!("device {n} was brought to a wrong state by {by}"));
            }
            Event::GreyListed { peer, rejection, .. } => {
                self.tell(|| format!("{n} shuts a device out: {rejection}"));
                if self.honest(n) && self.expected_honest(*peer) && !self.damaged {
                    let detail = format!("device {n} shut out an honest device: {rejection}");
                    self.fail("honesty", detail);
                }
            }
            Event::Visible { name, author, .. } if self.story.is_some() => {
                let author = self.numbers.get(author).copied();
                self.tell(|| format!("{n} shows {name}, changed by {author:?}"));
            }
            _ => {}
        }
    }

    /// Whether what a device sends must be right: that of a member that does not lie, on the disk it has always had.
    pub(super) fn expected_honest(&self, peer: DeviceId) -> bool {
        let known = self.numbers.get(&peer).copied();
        known.is_some_and(|far| self.honest(far) && !self.devices[far].restored)
    }

    fn on_granted(&mut self, n: usize, wish: WishId, outcome: &Outcome) {
        let space = self.devices[n].asked.remove(&wish);
        let counts = self.honest(n) && !self.devices[n].restored;
        if counts {
            self.promises.grant(n, wish);
        } else {
            self.promises.refuse(n, wish);
        }
        let Outcome::Edited { log, seq, .. } = outcome else { return };
        self.granted += usize::from(counts);
        if let Some(space) = space.filter(|_| counts) {
            let head = self.devices[n].granted_heads.entry((space, *log)).or_default();
            *head = (*head).max(*seq);
        }
        self.tell(|| format!("{n} has written entry {seq} of log {log}"));
        self.watch_written(n, *log, *seq);
    }

    pub(super) fn crash_some_device(&mut self) {
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
    pub(super) fn crash(&mut self, n: usize) {
        self.tell(|| format!("{n} dies"));
        self.crashes += 1;
        self.devices[n].disk.clone().crash(&mut self.rng);
        let id = self.id(n);
        if let Some(ledger) = &mut self.ledger {
            ledger.crashed(id);
        }
        if self.plan.mischief.dies_at_work {
            self.vanish(n);
        }
        self.halt(n);
        let delay = self.about(RESTART_MS);
        self.after(delay, What::Restart { device: n });
    }

    /// A process ends, whatever becomes of its disk.
    pub(super) fn halt(&mut self, n: usize) {
        self.devices[n].replica = None;
        self.devices[n].told = None;
        self.devices[n].life += 1;
        self.devices[n].asked.clear();
        let links: Vec<LinkId> = self.devices[n].links.keys().copied().collect();
        for link in links {
            self.unlink(n, link);
        }
    }

    pub(super) fn start(&mut self, n: usize) {
        if self.devices[n].replica.is_some() || self.devices[n].away_until > self.now_ms {
            return;
        }
        let now = self.clock(n);
        let device = &mut self.devices[n];
        let store = device.disk.clone();
        if !store.is_full() {
            store.sync();
        }
        let name = format!("secret device {n}");
        match Replica::open(store, device.identity.clone(), &name, now, &mut device.rng) {
            Ok(mut replica) => {
                replica.checkpoint_every(self.plan.checkpoint_entries);
                replica.snapshots_from(self.plan.snapshot_entries);
                device.replica = Some(replica);
                device.up_since = self.now_ms;
                self.tell(|| format!("{n} starts"));
            }
            Err(StoreError::Corrupt { .. }) if device.disk.rotten() => self.replace_disk(n),
            Err(StoreError::Io(_)) if device.disk.is_full() => {}
            Err(error) => self.fail("storage", format!("device {n} does not open: {error}")),
        }
        if let (Some(ledger), true) = (&mut self.ledger, self.devices[n].replica.is_some()) {
            let device = &self.devices[n];
            let violation = ledger.opened(n, device.identity.device(), &device.disk);
            self.failures.extend(violation);
        }
        self.check_durable(n);
        self.see_decisions(n);
        self.sight.forget_presence(n);
        if self.scene.is_some() && self.devices[n].replica.is_some() {
            let large = self.shares.iter().any(|share| share.len() > limits::FULL_MESH_MAX);
            if large {
                let addresses = vec![format!("/memory/{n}")];
                self.input(n, Input::Reachable { addresses });
            }
            if self.now_ms > DAWN_MS {
                self.join_all(n);
            }
        }
        self.reconnect(Some(n));
    }

    /// What a device was granted before it died is there when it comes back.
    fn check_durable(&mut self, n: usize) {
        let device = &self.devices[n];
        let Some(replica) = &device.replica else { return };
        for ((space, log), granted) in &device.granted_heads {
            let view = replica.space(*space);
            let own = view.as_ref().and_then(|view| {
                view.logs.iter().find(|known| known.log == *log).map(|log| log.seq)
            });
            if own.unwrap_or(0) < *granted {
                let detail = format!(
                    "device {n} was granted entry {granted} of {log} and has {own:?} after a start"
                );
                self.fail("durability", detail);
                return;
            }
        }
    }

    /// All machines stop in good order and start again.
    pub(super) fn restart_all(&mut self) {
        self.tell(|| "all start again".to_owned());
        for n in 0..self.devices.len() {
            if self.devices[n].replica.is_some() {
                self.devices[n].disk.sync();
                self.halt(n);
            }
        }
        (0..self.devices.len()).for_each(|n| self.start(n));
    }

    /// A device goes away in good order, for a while.
    pub(super) fn go_away(&mut self, n: usize, for_ms: u64) {
        let until = self.now_ms + for_ms;
        self.devices[n].away_until = self.devices[n].away_until.max(until);
        if self.devices[n].replica.is_some() {
            self.tell(|| format!("{n} goes away"));
            self.devices[n].disk.sync();
            self.halt(n);
        }
        self.after(for_ms, What::Restart { device: n });
    }

    /// A copy of a disk is put away. Not of one that rots: who would copy that finds out.
    pub(super) fn back_up(&mut self, n: usize) {
        if !self.devices[n].disk.rotten() {
            self.devices[n].backup = Some((self.devices[n].disk.image(), self.promises.asked()));
        }
    }

    /// A device goes on with the copy of its disk that was put away, or else as a new device. No device goes back twice.
    pub(super) fn replace_disk(&mut self, n: usize) {
        let backup = self.devices[n].backup.clone().filter(|_| !self.devices[n].restored);
        self.promises.forget(n, backup.as_ref().map_or(0, |(_, asked)| *asked));
        self.devices[n].granted_heads.clear();
        self.devices[n].decided.clear();
        if let Some((image, _)) = backup {
            self.tell(|| format!("{n} is given an older disk"));
            self.halt(n);
            self.forks_from_now_on(n);
            self.devices[n].restored = true;
            self.devices[n].disk.restore(&image);
        } else {
            self.tell(|| format!("{n} is replaced by a new device"));
            self.halt(n);
            let device = &mut self.devices[n];
            device.identity = Identity::generate(&mut device.rng);
            device.disk = std::sync::Arc::default();
            device.restored = false;
            device.backup = None;
            let id = device.identity.device();
            self.numbers.insert(id, n);
        }
        self.forget_watched(n);
        let delay = 1 + self.about(RESTART_MS);
        self.after(delay, What::Restart { device: n });
    }

    /// A device may write numbers again that it has written before.
    fn forks_from_now_on(&mut self, n: usize) {
        let id = self.id(n);
        if let Some(ledger) = &mut self.ledger {
            ledger.forked(id);
        }
    }

    /// A second machine starts with a copy of a device's disk, and with its key.
    pub(super) fn clone_device(&mut self, n: usize) -> usize {
        let twin = self.devices.len();
        let mut rng = self.devices[n].rng.clone();
        rng.set_stream(twin as u64);
        let mut device = super::Device::new(self.devices[n].identity.clone(), rng);
        device.part = Part::Twin;
        device.skew_ms = self.devices[n].skew_ms;
        device.disk.restore(&self.devices[n].disk.image());
        self.devices.push(device);
        // Either of the two may turn out to be the one whose entries are void.
        let asked = self.devices[n].backup.as_ref().map_or(self.promises.asked(), |(_, at)| *at);
        self.promises.forget(n, asked);
        self.devices[n].restored = true;
        self.devices[n].granted_heads.clear();
        self.forks_from_now_on(n);
        self.tell(|| format!("{twin} is a copy of {n}"));
        self.start(twin);
        twin
    }
}
