//! Production replicas, each with a swarm of its own that carries its frames.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identity};
use meshwork_crdt::{Edit, Kind};
use meshwork_protocol::store::{MemoryStore, Store as _, StoreError, WriteBatch};
use meshwork_protocol::{
    Action, DeviceId, Effects, Event, History, Host, Identity, Input, LinkId, LogId, ObjectEdit, Outcome,
    Replica, Role, SpaceId, Target, Time, Timer, Wish, WishId,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::report::{Arrivals, Row};
use crate::{AUTHORS, TAIL, WARM_UP, Work, graph, transport};

/// Entries that a device has written when it is let in, or has made the space.
const INTRODUCTIONS: u64 = 1;
const PROTOCOL: StreamProtocol = StreamProtocol::new("/meshwork/1");

fn address(work: Work, node: usize) -> Multiaddr {
    format!("/memory/{}", 2_000_000 + work.nodes * 1_000 + node).parse().expect("it is well formed")
}

/// A device, as it does what its replica decides.
struct Device {
    replica: Replica,
    store: Arc<MemoryStore>,
    identity: Identity,
    rng: ChaCha20Rng,
    wishes: u64,
}

#[derive(Default)]
struct Outbox {
    store: Arc<MemoryStore>,
    sent: Vec<(LinkId, Vec<u8>)>,
    timers: Vec<(Time, Timer)>,
    events: Vec<Event>,
    closed: Vec<LinkId>,
    dialled: Vec<Vec<String>>,
}

impl Host for Outbox {
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
        self.closed.push(link);
    }
    fn dial(&mut self, _: DeviceId, addresses: Vec<String>) {
        self.dialled.push(addresses);
    }
}

fn now(begin: Instant) -> Time {
    Time(1_700_000_000_000 + begin.elapsed().as_millis() as u64)
}

impl Device {
    fn new(seed: u64, at: Time) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng);
        let store = Arc::new(MemoryStore::default());
        let replica = Replica::open(store.clone(), identity.clone(), "device", at, &mut rng)
            .expect("a store in memory opens");
        Self { replica, store, identity, rng, wishes: 0 }
    }

    fn input(&mut self, inputs: Vec<Input>, at: Time) -> Outbox {
        let mut effects = Effects::default();
        self.replica.handle(inputs, at, &mut self.rng, &mut effects);
        let mut outbox = Outbox { store: self.store.clone(), ..Outbox::default() };
        effects.drain(&mut outbox).expect("a store in memory takes writes");
        outbox
    }

    fn wish(&mut self, what: Wish, at: Time) -> (Outbox, Outcome) {
        self.wishes += 1;
        let wish = WishId(self.wishes);
        let outbox = self.input(vec![Input::Wished { wish, what }], at);
        let granted = outbox.events.iter().find_map(|event| match event {
            Event::Granted { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        let outcome = granted.unwrap_or_else(|| panic!("refused: {:?}", outbox.events));
        (outbox, outcome)
    }
}

/// A space of all, in which each but the first has joined by a link with the first.
fn space_of_all(work: Work, begin: Instant) -> (Vec<Device>, SpaceId) {
    let mut devices: Vec<Device> =
        (0..work.nodes).map(|n| Device::new(n as u64, now(begin))).collect();
    let created = devices[0].wish(Wish::CreateSpace { name: "all".into(), history: History::All }, now(begin)).1;
    let Outcome::Created(space) = created else { panic!("{created:?}") };
    let invite = Wish::Invite {
        space,
        role: Role::Write,
        expires: Time(u64::MAX),
        uses: 100_000,
        addresses: Vec::new(),
    };
    let Outcome::Invited(ticket) = devices[0].wish(invite, now(begin)).1 else { panic!() };
    for n in 1..work.nodes {
        devices[n].wish(Wish::Join { ticket: ticket.clone() }, now(begin));
        meet(&mut devices, n, begin);
        assert!(
            devices[n].replica.space(space).is_some_and(|view| view.ready),
            "it was not let in"
        );
    }
    // Who joined early learns who joined late.
    for n in 1..work.nodes {
        meet(&mut devices, n, begin);
    }
    (devices, space)
}

/// A link between a device and the first, until both have nothing more to say.
fn meet(devices: &mut [Device], n: usize, begin: Instant) {
    static LINKS: AtomicU64 = AtomicU64::new(1 << 40);
    let link = LinkId(LINKS.fetch_add(1, Ordering::Relaxed));
    let (first, others) = devices.split_at_mut(1);
    let (one, other) = (&mut first[0], &mut others[n - 1]);
    let (peer_of_other, peer_of_one) = (one.identity.device(), other.identity.device());
    let connected = |peer| vec![Input::PeerConnected { link, peer }];
    let mut to_other = one.input(connected(peer_of_one), now(begin)).sent;
    let mut to_one = other.input(connected(peer_of_other), now(begin)).sent;
    while !to_one.is_empty() || !to_other.is_empty() {
        let received = |frames: Vec<(LinkId, Vec<u8>)>| {
            frames.into_iter().map(|(link, bytes)| Input::Received { link, bytes }).collect()
        };
        let next = one.input(received(std::mem::take(&mut to_one)), now(begin)).sent;
        to_one = other.input(received(std::mem::take(&mut to_other)), now(begin)).sent;
        to_other = next;
    }
    one.input(vec![Input::PeerGone { link }], now(begin));
    other.input(vec![Input::PeerGone { link }], now(begin));
}

pub async fn run(work: Work) -> Row {
    let begin = Instant::now();
    let (devices, space) = space_of_all(work, begin);
    let arrivals = Arc::new(Arrivals::new(work));
    let written = Arc::new(AtomicU64::new(0));
    let links = Arc::new(AtomicU64::new(0));
    let made = Arc::new(AtomicU64::new(0));
    let logs: BTreeMap<LogId, usize> = (0..work.nodes)
        .map(|n| (devices[n].replica.space(space).and_then(|view| view.own_log), n))
        .map(|(log, n)| (log.expect("it may write"), n))
        .collect();
    let logs = Arc::new(logs);
    let mut writers = Vec::new();
    let mut tasks = Vec::new();
    for (node, (device, dials)) in devices.into_iter().zip(graph::dials(work.nodes)).enumerate() {
        let keypair = identity::Keypair::ed25519_from_bytes(*device.identity.seed());
        let keypair = keypair.expect("a device's seed is a key");
        let streams = libp2p_stream::Behaviour::new();
        let mut swarm = transport::swarm(&keypair, streams, address(work, node), written.clone());
        while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
        let (writer, wishes) = mpsc::unbounded_channel();
        writers.push(writer);
        let (events, received) = mpsc::unbounded_channel();
        let state = Node {
            device,
            space,
            work,
            begin,
            own: keypair.public().to_peer_id(),
            swarm,
            events,
            links: BTreeMap::new(),
            timers: BinaryHeap::new(),
            applied: BTreeMap::new(),
            logs: logs.clone(),
            arrivals: arrivals.clone(),
            links_up: links.clone(),
            links_made: made.clone(),
        };
        let addresses = dials.into_iter().map(|to| address(work, to)).collect();
        tasks.push(tokio::spawn(state.live(address(work, node), addresses, wishes, received)));
    }
    sleep(work.settle).await;
    let mut before = 0;
    let settled = made.load(Ordering::Relaxed);
    let start = Instant::now();
    for message in 0..work.all() {
        sleep_until(start + Duration::from_millis(work.every_ms * u64::from(message))).await;
        if message == WARM_UP * AUTHORS as u32 {
            before = written.load(Ordering::Relaxed);
        }
        writers[work.author(message)].send(message).expect("the node runs");
    }
    sleep(TAIL).await;
    arrivals.bytes.store(written.load(Ordering::Relaxed), Ordering::Relaxed);
    let links = links.load(Ordering::Relaxed) as f64 / work.nodes as f64;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let made = (made.load(Ordering::Relaxed) - settled) as f64 / work.nodes as f64;
    Row { links_made: made, ..arrivals.row("meshwork", before, links) }
}

/// What the links of a node tell it.
enum Heard {
    Up(PeerId, libp2p::Stream),
    Frame(LinkId, Vec<u8>),
    Down(LinkId),
}

struct Node {
    device: Device,
    space: SpaceId,
    work: Work,
    begin: Instant,
    own: PeerId,
    swarm: Swarm<libp2p_stream::Behaviour>,
    events: mpsc::UnboundedSender<Heard>,
    links: BTreeMap<LinkId, (PeerId, mpsc::UnboundedSender<Vec<u8>>)>,
    timers: BinaryHeap<Reverse<(Time, Timer)>>,
    /// By log: messages seen.
    applied: BTreeMap<LogId, u32>,
    logs: Arc<BTreeMap<LogId, usize>>,
    arrivals: Arc<Arrivals>,
    links_up: Arc<AtomicU64>,
    links_made: Arc<AtomicU64>,
}

impl Node {
    async fn live(
        mut self,
        own: Multiaddr,
        dials: Vec<Multiaddr>,
        mut wishes: mpsc::UnboundedReceiver<u32>,
        mut received: mpsc::UnboundedReceiver<Heard>,
    ) {
        let mut incoming =
            self.swarm.behaviour().new_control().accept(PROTOCOL).expect("it is registered once");
        let events = self.events.clone();
        // Streams are dropped while nobody waits for the next one, so this task does nothing else.
        tokio::spawn(async move {
            while let Some((peer, stream)) = incoming.next().await {
                // The node may have ended.
                events.send(Heard::Up(peer, stream)).ok();
            }
        });
        self.input(vec![Input::Reachable { addresses: vec![own.to_string()] }]);
        // Until everybody listens.
        sleep(Duration::from_secs(3)).await;
        for address in dials {
            self.swarm.dial(address).expect("a dial is allowed");
        }
        loop {
            let wake = self.timers.peek().map_or(u64::MAX / 2, |Reverse((at, _))| at.0);
            let wait = Duration::from_millis(wake.saturating_sub(now(self.begin).0).min(60_000));
            tokio::select! {
                Some(message) = wishes.recv() => self.write(message),
                Some(heard) = received.recv() => {
                    let mut all = vec![heard];
                    while let Ok(heard) = received.try_recv() {
                        all.push(heard);
                    }
                    self.hear(all);
                }
                event = self.swarm.select_next_some() => {
                    if let SwarmEvent::ConnectionEstablished { peer_id, num_established, .. } = event
                        && num_established.get() == 1
                        && self.own < peer_id
                    {
                        self.open(peer_id);
                    }
                }
                () = sleep(wait) => self.fire(),
            }
        }
    }

    fn open(&self, peer: PeerId) {
        let mut control = self.swarm.behaviour().new_control();
        let events = self.events.clone();
        tokio::spawn(async move {
            if let Ok(stream) = control.open_stream(peer, PROTOCOL).await {
                // The node may have ended.
                events.send(Heard::Up(peer, stream)).ok();
            }
        });
    }

    /// A stream becomes a link.
    fn up(&mut self, peer: PeerId, stream: libp2p::Stream) {
        static LINKS: AtomicU64 = AtomicU64::new(1);
        let link = LinkId(LINKS.fetch_add(1, Ordering::Relaxed));
        let (mut reader, mut writer) = stream.split();
        let (frames, mut queue) = mpsc::unbounded_channel::<Vec<u8>>();
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(first) = queue.recv().await {
                let mut bytes = Vec::new();
                let mut next = Some(first);
                while let Some(frame) = next {
                    bytes.extend_from_slice(&(frame.len() as u32).to_le_bytes());
                    bytes.extend_from_slice(&frame);
                    next = queue.try_recv().ok();
                }
                let written = writer.write_all(&bytes).await;
                if written.is_err() || writer.flush().await.is_err() {
                    break;
                }
            }
            // The link is gone; there is nothing to save.
            writer.close().await.ok();
        });
        tokio::spawn(async move {
            let mut prefix = [0; 4];
            while reader.read_exact(&mut prefix).await.is_ok() {
                let mut frame = vec![0; u32::from_le_bytes(prefix) as usize];
                if reader.read_exact(&mut frame).await.is_err()
                    || events.send(Heard::Frame(link, frame)).is_err()
                {
                    break;
                }
            }
            // The node may have ended.
            events.send(Heard::Down(link)).ok();
        });
        let device = device_of(&peer);
        self.links.insert(link, (peer, frames));
        self.links_up.fetch_add(1, Ordering::Relaxed);
        self.links_made.fetch_add(1, Ordering::Relaxed);
        self.input(vec![Input::PeerConnected { link, peer: device }]);
    }

    fn hear(&mut self, all: Vec<Heard>) {
        let mut inputs = Vec::new();
        for heard in all {
            match heard {
                Heard::Frame(link, bytes) => inputs.push(Input::Received { link, bytes }),
                Heard::Up(peer, stream) => {
                    self.input(std::mem::take(&mut inputs));
                    self.up(peer, stream);
                }
                Heard::Down(link) => {
                    if let Some((peer, _)) = self.links.remove(&link) {
                        self.links_up.fetch_sub(1, Ordering::Relaxed);
                        inputs.push(Input::PeerGone { link });
                        // It may be gone already.
                        self.swarm.disconnect_peer_id(peer).ok();
                    }
                }
            }
        }
        self.input(inputs);
    }

    fn fire(&mut self) {
        let at = now(self.begin);
        let mut due = Vec::new();
        while self.timers.peek().is_some_and(|Reverse((due, _))| *due <= at) {
            due.extend(self.timers.pop().map(|Reverse((_, timer))| Input::TimerFired(timer)));
        }
        self.input(due);
    }

    fn write(&mut self, message: u32) {
        self.arrivals.write(message);
        let target = Target::Named { name: "board".into(), shape: Kind::Map.into() };
        let value = format!("{message:04}").repeat(self.work.bytes.div_ceil(4));
        let edit = Edit::Put { key: format!("{}", message % 16), value: value.into() };
        let edits = vec![ObjectEdit { target, action: Action::Change(edit) }];
        let at = now(self.begin);
        let (outbox, _) = self.device.wish(Wish::Edit { space: self.space, edits }, at);
        self.perform(outbox);
    }

    fn input(&mut self, inputs: Vec<Input>) {
        if !inputs.is_empty() {
            let outbox = self.device.input(inputs, now(self.begin));
            self.perform(outbox);
        }
    }

    fn perform(&mut self, outbox: Outbox) {
        let visible = |event: &Event| {
            matches!(event, Event::Visible { name, author, .. }
                if name == "board" && *author != self.device.identity.device())
        };
        let changed = outbox.events.iter().any(visible);
        for (link, frame) in outbox.sent {
            if let Some((_, frames)) = self.links.get(&link) {
                // The writer ends with its link.
                frames.send(frame).ok();
            }
        }
        self.timers.extend(outbox.timers.into_iter().map(Reverse));
        for link in outbox.closed {
            if let Some((peer, _)) = self.links.get(&link) {
                // It may be gone already.
                self.swarm.disconnect_peer_id(*peer).ok();
            }
        }
        for addresses in outbox.dialled {
            for address in addresses {
                let address: Multiaddr = address.parse().expect("nodes are honest");
                // The overlay tries another if it fails.
                self.swarm.dial(address).ok();
            }
        }
        if changed {
            self.note_arrivals();
        }
    }

    /// Each author's entries but its first, which introduces it, are its messages, in order.
    fn note_arrivals(&mut self) {
        let view = self.device.replica.space(self.space).expect("the space is there");
        for log in view.logs {
            let Some(author) = self.logs.get(&log.log).copied() else { continue };
            let own = log.device == self.device.identity.device();
            if own || self.work.nth_of(author, 0).is_none() {
                continue;
            }
            let seen = log.applied.saturating_sub(INTRODUCTIONS);
            let seen = u32::try_from(seen).expect("few entries are written");
            let known = self.applied.entry(log.log).or_default();
            for nth in *known..seen {
                if let Some(message) = self.work.nth_of(author, nth) {
                    self.arrivals.arrive(message);
                }
            }
            *known = seen;
        }
    }
}

fn device_of(peer: &PeerId) -> DeviceId {
    let key = identity::PublicKey::try_decode_protobuf(peer.as_ref().digest());
    let key = key.ok().and_then(|key| key.try_into_ed25519().ok()).expect("nodes have such keys");
    DeviceId(key.to_bytes())
}
