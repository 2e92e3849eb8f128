//! A laboratory: replicas in memory on links of one latency that lose nothing, and a count of every byte.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use meshwork_protocol::store::{MemoryStore, Store, StoreError, WriteBatch};
use meshwork_protocol::{
    Effects, Event, History, Host, Identity, Input, LinkId, Outcome, Replica, Role, SpaceId,
    Ticket, Time, Timer, Wish, WishId,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// The way of a frame, in virtual milliseconds.
pub(super) const LATENCY_MS: u64 = 10;

/// One device of the laboratory.
pub(super) struct Device {
    pub replica: Replica,
    pub store: Arc<MemoryStore>,
    pub identity: Identity,
    pub events: Vec<Event>,
    rng: ChaCha20Rng,
    links: BTreeMap<LinkId, (usize, LinkId)>,
    wishes: u64,
}

enum What {
    Arrive { to: usize, link: LinkId, bytes: Vec<u8> },
    Fire { device: usize, timer: Timer },
}

/// What went over the wire, by the kind of frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// Frames that set up a link: hello and claims.
    pub setup: u64,
    /// All other frames.
    pub synced: u64,
}

/// Devices, links, and what is under way.
pub(super) struct Lab {
    pub devices: Vec<Device>,
    pub now_ms: u64,
    pub traffic: Traffic,
    /// Sizes of frames of one sender, while they are wanted.
    pub heard: Option<(usize, Vec<usize>)>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    what: BTreeMap<u64, What>,
    numbers: u64,
    links: u64,
}

struct Outbox<'a> {
    store: &'a MemoryStore,
    sent: Vec<(LinkId, Vec<u8>)>,
    timers: Vec<(Time, Timer)>,
    events: &'a mut Vec<Event>,
}

impl Host for Outbox<'_> {
    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.sent.push((link, frame));
    }

    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }

    fn schedule(&mut self, at: Time, timer: Timer) {
        self.timers.push((at, timer));
    }

    fn notify(&mut self, event: Event) {
        self.events.push(event);
    }

    fn close(&mut self, link: LinkId) {
        panic!("an honest device closed {link:?}");
    }
}

impl Device {
    fn write(&mut self, wish: &impl Fn(u64) -> Option<Wish>, now: Time) {
        for (number, what) in (0..).map_while(|number| Some((number, wish(number)?))) {
            let mut effects = Effects::default();
            let input = Input::Wished { wish: WishId(number), what };
            self.replica.handle([input], now, &mut self.rng, &mut effects);
            self.events.clear();
            let (sent, timers, events) = (Vec::new(), Vec::new(), &mut self.events);
            let mut outbox = Outbox { store: &self.store, sent, timers, events };
            effects.drain(&mut outbox).expect("a store in memory takes writes");
            assert!(matches!(self.events.last(), Some(Event::Granted { .. })));
        }
    }
}

impl Lab {
    pub fn new(devices: usize) -> Self {
        let mut lab = Self {
            devices: Vec::new(),
            now_ms: 1_700_000_000_000,
            traffic: Traffic::default(),
            heard: None,
            queue: BinaryHeap::new(),
            what: BTreeMap::new(),
            numbers: 0,
            links: 0,
        };
        (0..devices as u64).for_each(|seed| lab.add(seed));
        lab
    }

    /// A new device.
    pub fn add(&mut self, seed: u64) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng);
        let device = self.device(identity, Arc::new(MemoryStore::default()), rng);
        self.devices.push(device);
    }

    fn device(&self, identity: Identity, store: Arc<MemoryStore>, mut rng: ChaCha20Rng) -> Device {
        let now = Time(self.now_ms);
        let mut replica = Replica::open(store.clone(), identity.clone(), "lab", now, &mut rng)
            .expect("a store in memory opens");
        // What entries cost is measured, unless said otherwise.
        replica.snapshots_from(u64::MAX);
        let (links, events) = (BTreeMap::new(), Vec::new());
        Device { replica, store, identity, rng, links, events, wishes: 0 }
    }

    /// Another device with the keys and a copy of the disk of one that is there: a restored backup.
    pub fn restore(&mut self, n: usize) -> usize {
        let store = Arc::new(MemoryStore::default());
        let mut batch = WriteBatch::default();
        let copied = self.devices[n].store.scan(&[], &[u8::MAX; 64], &mut |key, value| {
            batch.put(key.to_vec(), value.to_vec());
            true
        });
        copied.and_then(|()| store.commit(&batch)).expect("a store in memory can be copied");
        let rng = ChaCha20Rng::seed_from_u64(1_000_000 + self.devices.len() as u64);
        let device = self.device(self.devices[n].identity.clone(), store, rng);
        self.devices.push(device);
        self.devices.len() - 1
    }

    /// Makes a device forget what it has agreed on with whom.
    pub fn forget_peers(&mut self, n: usize) {
        let mut batch = WriteBatch::default();
        let store = &self.devices[n].store;
        let rows = store.scan(b"p", b"q", &mut |key, _| {
            batch.delete(key.to_vec());
            true
        });
        rows.and_then(|()| store.commit(&batch)).expect("a store in memory takes writes");
    }

    pub fn input(&mut self, n: usize, input: Input) {
        let mut effects = Effects::default();
        let device = &mut self.devices[n];
        device.replica.handle([input], Time(self.now_ms), &mut device.rng, &mut effects);
        let mut outbox = Outbox {
            store: &device.store,
            sent: Vec::new(),
            timers: Vec::new(),
            events: &mut device.events,
        };
        effects.drain(&mut outbox).expect("a store in memory takes writes");
        let Outbox { sent, timers, .. } = outbox;
        for (link, bytes) in sent {
            let Some((to, link)) = self.devices[n].links.get(&link).copied() else { continue };
            let setup = matches!(bytes.get(1), Some(1 | 2));
            let of = if setup { &mut self.traffic.setup } else { &mut self.traffic.synced };
            *of += bytes.len() as u64;
            if let Some((_, sizes)) = self.heard.as_mut().filter(|(from, _)| *from == n) {
                sizes.push(bytes.len());
            }
            self.later(self.now_ms + LATENCY_MS, What::Arrive { to, link, bytes });
        }
        for (at, timer) in timers {
            self.later(at.0.max(self.now_ms + 1), What::Fire { device: n, timer });
        }
    }

    fn later(&mut self, at_ms: u64, what: What) {
        self.numbers += 1;
        self.queue.push(Reverse((at_ms, self.numbers)));
        self.what.insert(self.numbers, what);
    }

    /// Lets frames arrive, and timers fire, until `done`, or for so long.
    pub fn run(&mut self, for_ms: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now_ms + for_ms;
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now_ms = self.now_ms.max(at);
            match self.what.remove(&number) {
                Some(What::Arrive { to, link, bytes }) => {
                    self.input(to, Input::Received { link, bytes });
                }
                Some(What::Fire { device, timer }) => {
                    self.input(device, Input::TimerFired(timer));
                }
                None => {}
            }
            if done(self) {
                return true;
            }
        }
        self.now_ms = end;
        false
    }

    /// Lets everything that is under way arrive, and acknowledgements of it.
    pub fn settle(&mut self) {
        self.run(2_000, |_| false);
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        let (near, far) = (LinkId(self.links), LinkId(self.links + 1));
        self.links += 2;
        self.devices[a].links.insert(near, (b, far));
        self.devices[b].links.insert(far, (a, near));
        let id = |n: usize| self.devices[n].replica.device();
        let (id_a, id_b) = (id(a), id(b));
        self.input(a, Input::PeerConnected { link: near, peer: id_b });
        self.input(b, Input::PeerConnected { link: far, peer: id_a });
    }

    pub fn disconnect(&mut self, a: usize, b: usize) {
        let links = self.devices[a].links.clone();
        for (near, (_, far)) in links.into_iter().filter(|(_, (to, _))| *to == b) {
            self.devices[a].links.remove(&near);
            self.devices[b].links.remove(&far);
            self.input(a, Input::PeerGone { link: near });
            self.input(b, Input::PeerGone { link: far });
        }
    }

    pub fn wish(&mut self, n: usize, what: Wish) -> Outcome {
        self.devices[n].wishes += 1;
        let wish = WishId(self.devices[n].wishes);
        self.devices[n].events.clear();
        self.input(n, Input::Wished { wish, what });
        let granted = self.devices[n].events.iter().find_map(|event| match event {
            Event::Granted { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        granted.unwrap_or_else(|| panic!("a wish was refused: {:?}", self.devices[n].events))
    }

    /// Lets every device that has no link write entries, each on a thread of its own if there are cores.
    pub fn write_apart(&mut self, wish: impl Fn(u64) -> Option<Wish> + Sync) {
        let now = Time(self.now_ms);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = self.devices.len().div_ceil(cores);
        std::thread::scope(|scope| {
            for devices in self.devices.chunks_mut(share) {
                scope.spawn(|| devices.iter_mut().for_each(|device| device.write(&wish, now)));
            }
        });
    }

    /// A space of the first device, in which every other becomes a member, one after the other.
    pub fn space_of_all(&mut self) -> SpaceId {
        let Outcome::Created(space) =
            self.wish(0, Wish::CreateSpace { name: "lab".into(), history: History::All })
        else {
            panic!("a space was not created");
        };
        let ticket = self.invite(0, space);
        for n in 1..self.devices.len() {
            self.join(n, 0, &ticket);
        }
        space
    }

    pub fn invite(&mut self, n: usize, space: SpaceId) -> Ticket {
        let wish = Wish::Invite {
            space,
            role: Role::Write,
            expires: Time(u64::MAX),
            uses: 100_000,
            addresses: Vec::new(),
        };
        match self.wish(n, wish) {
            Outcome::Invited(ticket) => *ticket,
            other => panic!("no ticket but {other:?}"),
        }
    }

    pub fn join(&mut self, n: usize, by: usize, ticket: &Ticket) {
        self.connect(n, by);
        self.wish(n, Wish::Join { ticket: Box::new(ticket.clone()) });
        self.settle();
        let space = self.devices[n].replica.space(ticket.space);
        assert!(space.is_some_and(|space| space.ready), "a device was not let in");
        self.disconnect(n, by);
    }

    /// Entries that a device holds of a space.
    pub fn entries(&self, n: usize, space: SpaceId) -> u64 {
        self.devices[n].replica.space(space).map_or(0, |view| view.entries)
    }

    /// Panics unless two devices hold and show the same.
    pub fn assert_same(&mut self, a: usize, b: usize, space: SpaceId) {
        let digest = |lab: &mut Self, n: usize| lab.devices[n].replica.digest(space);
        let (one, other) = (digest(self, a), digest(self, b));
        let held = |n: usize| self.devices[n].replica.space(space).map(|view| view.logs);
        assert!(one.is_ok() && one == other, "{a} holds {:?}, {b} {:?}", held(a), held(b));
    }
}
