//! Devices in memory, and two of them on one link: inputs in → frames out, with the time of the engine alone.
//!
//! Frames that are sent in one flight arrive together and are handled as a group, as the node does it. Timers do
//! not fire: the first exchange on a link needs none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use meshwork_protocol::store::{MemoryStore, Store as _, StoreError, WriteBatch};
use meshwork_protocol::{
    Effects, Event, Host, Identity, Input, LinkId, LogId, Outcome, Replica, Time, Timer, Wish,
    WishId,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use rustix::time::{ClockId, clock_gettime};

/// Kinds of frames, by the byte after the version.
pub const HEADS: u8 = 4;
const RUNS: [u8; 2] = [5, 10];
const NOW_MS: u64 = 1_700_000_000_000;
/// Flights after which two devices must have nothing more to say.
const FLIGHTS_MAX: u64 = 1_000;

/// CPU time of this thread, in nanoseconds.
pub fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// One device.
pub struct Device {
    pub replica: Replica,
    pub store: Arc<MemoryStore>,
    pub identity: Identity,
    rng: ChaCha20Rng,
    wishes: u64,
    events: Vec<Event>,
    /// What its engine took since this was set to nothing.
    pub cpu_ns: u64,
}

struct Outbox<'a> {
    store: &'a MemoryStore,
    sent: Vec<Vec<u8>>,
    events: &'a mut Vec<Event>,
}

impl Host for Outbox<'_> {
    fn send(&mut self, _: LinkId, frame: Vec<u8>) {
        self.sent.push(frame);
    }
    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }
    fn schedule(&mut self, _: Time, _: Timer) {}
    fn notify(&mut self, event: Event) {
        self.events.push(event);
    }
    fn close(&mut self, link: LinkId) {
        panic!("an honest device closed {link:?}");
    }
}

impl Device {
    /// A new one.
    pub fn new(seed: u64) -> Self {
        let identity = Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed));
        Self::open(MemoryStore::new(), &identity, seed)
    }

    /// One with this disk.
    pub fn open(store: MemoryStore, identity: &Identity, seed: u64) -> Self {
        let (store, mut rng) = (Arc::new(store), ChaCha20Rng::seed_from_u64(!seed));
        let now = Time(NOW_MS);
        let mut replica = Replica::open(store.clone(), identity.clone(), "lab", now, &mut rng)
            .expect("a store in memory opens");
        replica.snapshots_from(u64::MAX);
        let (identity, events) = (identity.clone(), Vec::new());
        Self { replica, store, identity, rng, wishes: 0, events, cpu_ns: 0 }
    }

    /// A copy of its disk.
    pub fn disk(&self) -> MemoryStore {
        MemoryStore::clone(&self.store)
    }

    pub fn input(&mut self, inputs: Vec<Input>, flight: u64) -> Vec<Vec<u8>> {
        let mut effects = Effects::default();
        let now = Time(NOW_MS + 10 * flight);
        let before = cpu_ns();
        self.replica.handle(inputs, now, &mut self.rng, &mut effects);
        self.cpu_ns += cpu_ns() - before;
        let (sent, events) = (Vec::new(), &mut self.events);
        let mut outbox = Outbox { store: &self.store, sent, events };
        effects.drain(&mut outbox).expect("a store in memory takes writes");
        outbox.sent
    }

    /// Has a wish granted while there is no link.
    pub fn wish(&mut self, what: Wish) -> Outcome {
        self.wishes += 1;
        let wish = WishId(self.wishes);
        self.events.clear();
        self.input(vec![Input::Wished { wish, what }], 0);
        let granted = self.events.iter().find_map(|event| match event {
            Event::Granted { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        granted.unwrap_or_else(|| panic!("a wish was refused: {:?}", self.events))
    }

    /// How far it holds each log of its first space, ascending by log.
    pub fn logs(&self) -> Vec<(LogId, u64)> {
        let space = self.replica.spaces().into_iter().next().expect("it is in a space");
        let mut logs: Vec<(LogId, u64)> = space.logs.iter().map(|log| (log.log, log.seq)).collect();
        logs.sort_unstable();
        logs
    }
}

/// What two devices have said about heads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Bytes by the first device, and by the other.
    pub bytes: [u64; 2],
    /// Groups of frames about heads that each has heard.
    pub heard: [u64; 2],
    /// From the flight that brought the first frame about heads to the one after which the last of what is missing
    /// was sent.
    pub flights: u64,
    /// CPU time of each engine that counts, in nanoseconds.
    pub cpu_ns: [u64; 2],
}

/// How much of a meeting is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// All of it. No time counts.
    All,
    /// Until each end has heard so many groups of frames about heads. In the same turn it loses the link, and so does
    /// what is to be done about heads without sending what is missing. The time of that turn counts; with the first
    /// group, that of everything before it too.
    Until(u64),
}

/// A link between two devices, until both have nothing more to say.
pub fn meet(one: &mut Device, other: &mut Device, play: Play) -> Said {
    static LINKS: AtomicU64 = AtomicU64::new(1);
    let link = LinkId(LINKS.fetch_add(1, Ordering::Relaxed));
    let ids = [one.identity.device(), other.identity.device()];
    let ends = [one, other];
    let mut gone = [false; 2];
    let (mut said, mut first, mut flight) = (Said::default(), None, 1);
    let mut under_way: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    for n in 0..2 {
        ends[n].cpu_ns = 0;
        let connected = Input::PeerConnected { link, peer: ids[1 - n] };
        under_way[1 - n] = ends[n].input(vec![connected], 0);
    }
    while under_way.iter().any(|frames| !frames.is_empty()) {
        assert!(flight < FLIGHTS_MAX, "they do not come to an end");
        let arriving = std::mem::take(&mut under_way);
        for (n, mut frames) in arriving.into_iter().enumerate() {
            let heads = frames.iter().filter(|frame| kind(frame) == HEADS);
            let bytes: u64 = heads.map(|frame| frame.len() as u64).sum();
            if bytes > 0 {
                said.bytes[1 - n] += bytes;
                said.heard[n] += 1;
                first.get_or_insert(flight);
            }
            if gone[n] || frames.is_empty() {
                continue;
            }
            gone[n] = bytes > 0 && play == Play::Until(said.heard[n]);
            if gone[n] {
                frames.retain(|frame| kind(frame) == HEADS);
                let before = if said.heard[n] > 1 { ends[n].cpu_ns } else { 0 };
                under_way[1 - n] = ends[n].input(received(link, frames, true), flight);
                said.cpu_ns[n] = ends[n].cpu_ns - before;
                continue;
            }
            let sent = ends[n].input(received(link, frames, false), flight);
            if let Some(first) = first
                && sent.iter().any(|frame| RUNS.contains(&kind(frame)))
            {
                said.flights = flight - first + 1;
            }
            under_way[1 - n] = sent;
        }
        flight += 1;
    }
    if play == Play::All {
        ends.into_iter().for_each(|end| drop(end.input(vec![Input::PeerGone { link }], flight)));
    }
    said
}

fn kind(frame: &[u8]) -> u8 {
    frame.get(1).copied().unwrap_or(0)
}

fn received(link: LinkId, frames: Vec<Vec<u8>>, last: bool) -> Vec<Input> {
    let received = frames.into_iter().map(|bytes| Input::Received { link, bytes });
    received.chain(last.then_some(Input::PeerGone { link })).collect()
}
