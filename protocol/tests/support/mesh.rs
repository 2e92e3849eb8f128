//! Replicas wired to each other in memory, with a clock that stands still unless it is told to go on.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::store::{MemoryStore, Store, StoreError, WriteBatch};
use meshwork_protocol::{
    Action, DeviceId, Effects, Event, Governance, History, Host, Identity, Input, LinkId, MemberId,
    ObjectEdit, Outcome, Refusal, Replica, Role, SpaceId, Target, Ticket, Time, Timer, Wish,
    WishId,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

pub struct Device {
    pub replica: Replica,
    pub store: Arc<MemoryStore>,
    pub identity: Identity,
    pub receipt_bytes: Vec<usize>,
    pub rng: ChaCha20Rng,
    pub events: Vec<Event>,
    pub timers: Vec<(Time, Timer)>,
    /// Far end of each link: device, its link.
    pub links: Vec<(LinkId, usize, LinkId)>,
    pub wishes: u64,
}

/// Some devices on reliable links without latency.
pub struct Mesh {
    pub devices: Vec<Device>,
    pub wire: VecDeque<(usize, LinkId, Vec<u8>)>,
    pub recorded: Vec<(usize, usize, Vec<u8>)>,
    /// Dials that are under way: who, whom, where.
    pub dialled: Vec<(usize, DeviceId, Vec<String>)>,
    pub now: Time,
    pub links: u64,
}

pub struct Outbox<'a> {
    pub store: &'a MemoryStore,
    /// Keys and values of rows about what others hold.
    pub receipt_bytes: &'a mut Vec<usize>,
    pub sent: Vec<(LinkId, Vec<u8>)>,
    pub closed: Vec<LinkId>,
    pub events: &'a mut Vec<Event>,
    pub timers: &'a mut Vec<(Time, Timer)>,
    pub dialled: Vec<(DeviceId, Vec<String>)>,
}

impl Host for Outbox<'_> {
    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.sent.push((link, frame));
    }
    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        let receipts = batch.iter().filter(|(key, _)| key.first() == Some(&b'h'));
        let sizes = receipts.map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len));
        self.receipt_bytes.extend(sizes);
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
    fn dial(&mut self, peer: DeviceId, addresses: Vec<String>) {
        self.dialled.push((peer, addresses));
    }
}

impl Mesh {
    pub fn new(devices: usize) -> Self {
        let devices = (0..devices)
            .map(|n| {
                let mut rng = ChaCha20Rng::seed_from_u64(n as u64);
                let identity = Identity::generate(&mut rng);
                let store = Arc::new(MemoryStore::default());
                let name = format!("device {n}");
                let replica =
                    Replica::open(store.clone(), identity.clone(), &name, Time(1), &mut rng)
                        .unwrap();
                Device {
                    replica,
                    store,
                    identity,
                    receipt_bytes: Vec::new(),
                    rng,
                    events: Vec::new(),
                    timers: Vec::new(),
                    links: Vec::new(),
                    wishes: 0,
                }
            })
            .collect();
        Self {
            devices,
            wire: VecDeque::new(),
            recorded: Vec::new(),
            dialled: Vec::new(),
            now: Time(1_000_000),
            links: 0,
        }
    }

    pub fn input(&mut self, n: usize, input: Input) {
        self.inputs(n, vec![input]);
    }

    pub fn inputs(&mut self, n: usize, inputs: Vec<Input>) {
        let mut effects = Effects::default();
        let device = &mut self.devices[n];
        device.replica.handle(inputs, self.now, &mut device.rng, &mut effects);
        let mut outbox = Outbox {
            store: &device.store,
            receipt_bytes: &mut device.receipt_bytes,
            sent: Vec::new(),
            closed: Vec::new(),
            events: &mut device.events,
            timers: &mut device.timers,
            dialled: Vec::new(),
        };
        effects.drain(&mut outbox).unwrap();
        let Outbox { sent, closed, dialled, .. } = outbox;
        self.dialled.extend(dialled.into_iter().map(|(peer, addresses)| (n, peer, addresses)));
        for (link, frame) in sent {
            if let Some((_, far, far_link)) =
                self.devices[n].links.iter().find(|(near, ..)| *near == link).copied()
            {
                self.recorded.push((n, far, frame.clone()));
                self.wire.push_back((far, far_link, frame));
            }
        }
        for link in closed {
            self.disconnect_link(n, link);
        }
    }

    pub fn settle(&mut self) {
        while let Some((n, link, bytes)) = self.wire.pop_front() {
            self.input(n, Input::Received { link, bytes });
        }
    }

    /// Lets time pass, firing timers.
    pub fn pass_ms(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        loop {
            let next = (0..self.devices.len())
                .flat_map(|n| self.devices[n].timers.iter().map(move |timer| (timer.0, n)))
                .filter(|(at, _)| *at <= end)
                .min();
            let Some((at, n)) = next else { break };
            self.now = self.now.max(at);
            let index = self.devices[n].timers.iter().position(|timer| timer.0 == at).unwrap();
            let (_, timer) = self.devices[n].timers.remove(index);
            self.input(n, Input::TimerFired(timer));
            self.settle();
        }
        self.now = end;
    }

    /// Lets time pass, firing timers; what is sent stays on its way.
    pub fn pass_ms_unsettled(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        for n in 0..self.devices.len() {
            let now = self.now;
            let due = |timer: &(Time, Timer)| timer.0 <= now;
            let fired: Vec<Input> = self.devices[n]
                .timers
                .extract_if(.., |timer| due(timer))
                .map(|(_, timer)| Input::TimerFired(timer))
                .collect();
            self.inputs(n, fired);
        }
    }

    pub fn id(&self, n: usize) -> DeviceId {
        self.devices[n].replica.device()
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        self.connect_silently(a, b);
        self.settle();
    }

    pub fn disconnect(&mut self, a: usize, b: usize) {
        while let Some((near, ..)) =
            self.devices[a].links.iter().find(|(_, far, _)| *far == b).copied()
        {
            self.disconnect_link(a, near);
        }
    }

    pub fn disconnect_link(&mut self, n: usize, link: LinkId) {
        let Some(index) = self.devices[n].links.iter().position(|(near, ..)| *near == link) else {
            return;
        };
        let (near, far, far_link) = self.devices[n].links.remove(index);
        self.devices[far].links.retain(|(near, ..)| *near != far_link);
        self.wire.retain(|(_, link, _)| *link != near && *link != far_link);
        self.input(n, Input::PeerGone { link: near });
        self.input(far, Input::PeerGone { link: far_link });
    }

    pub fn wish(&mut self, n: usize, what: Wish) -> Result<Outcome, Refusal> {
        self.devices[n].wishes += 1;
        let wish = WishId(self.devices[n].wishes);
        self.input(n, Input::Wished { wish, what });
        let found = self.devices[n].events.iter().find_map(|event| match event {
            Event::Granted { wish: id, outcome } if *id == wish => Some(Ok(outcome.clone())),
            Event::Refused { wish: id, refusal } if *id == wish => Some(Err(refusal.clone())),
            _ => None,
        });
        let result = found.expect("every wish is answered in its turn");
        self.settle();
        result
    }

    pub fn create(&mut self, n: usize, name: &str) -> SpaceId {
        self.create_with(n, name, History::All)
    }

    pub fn create_with(&mut self, n: usize, name: &str, history: History) -> SpaceId {
        match self.wish(n, Wish::CreateSpace { name: name.to_owned(), history }) {
            Ok(Outcome::Created(space)) => space,
            other => panic!("{other:?}"),
        }
    }

    pub fn invite(&mut self, n: usize, space: SpaceId, uses: u32) -> Ticket {
        let expires = self.now.plus_ms(60_000);
        let addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
        let wish = Wish::Invite { space, role: Role::Write, expires, uses, addresses };
        match self.wish(n, wish) {
            Ok(Outcome::Invited(ticket)) => *ticket,
            other => panic!("{other:?}"),
        }
    }

    pub fn join(&mut self, n: usize, ticket: &Ticket) {
        let ticket = ticket.to_string().parse().unwrap();
        self.wish(n, Wish::Join { ticket: Box::new(ticket) }).unwrap();
    }

    pub fn edit(&mut self, n: usize, space: SpaceId, name: &str, kind: Kind, edit: Edit) -> u64 {
        let target = Target::Named { name: name.to_owned(), shape: kind.into() };
        let edits = vec![ObjectEdit { target, action: Action::Change(edit) }];
        match self.wish(n, Wish::Edit { space, edits }) {
            Ok(Outcome::Edited { seq, .. }) => seq,
            other => panic!("{other:?}"),
        }
    }

    pub fn put(&mut self, n: usize, space: SpaceId, key: &str, value: &str) {
        let edit = Edit::Put { key: key.to_owned(), value: value.into() };
        self.edit(n, space, "settings", Kind::Map, edit);
    }

    pub fn value(&mut self, n: usize, space: SpaceId, name: &str) -> Option<Value> {
        let replica = &mut self.devices[n].replica;
        let id = replica.find(space, name)?.id;
        replica.read(space, id, meshwork_crdt::Object::value).unwrap()
    }

    pub fn digest(&mut self, n: usize, space: SpaceId) -> [u8; 32] {
        self.devices[n].replica.digest(space).unwrap().expect("the device has the space")
    }

    pub fn assert_converged(&mut self, space: SpaceId) {
        let digests: Vec<_> = (0..self.devices.len()).map(|n| self.digest(n, space)).collect();
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "digests differ: {digests:?}");
        for n in 0..self.devices.len() {
            let view = self.devices[n].replica.space(space).unwrap();
            assert_eq!(view.waiting, 0, "device {n} holds entries it could not apply");
        }
    }

    pub fn reopen(&mut self, n: usize) {
        let others: Vec<usize> = self.devices[n].links.iter().map(|(_, far, _)| *far).collect();
        for other in others {
            self.disconnect(n, other);
        }
        let device = &mut self.devices[n];
        device.replica = Replica::open(
            device.store.clone(),
            device.identity.clone(),
            &format!("device {n}"),
            self.now,
            &mut device.rng,
        )
        .unwrap();
        device.timers.clear();
    }

    /// One more device, in no space.
    pub fn add_device(&mut self) -> usize {
        let n = self.devices.len();
        self.devices.push(Mesh::new(n + 1).devices.remove(n));
        n
    }

    /// One more device, with keys of its own choice, in no space.
    pub fn add_device_of(&mut self, identity: Identity) -> usize {
        let n = self.add_device();
        let device = &mut self.devices[n];
        device.store = Arc::new(MemoryStore::default());
        device.identity = identity.clone();
        let name = format!("device {n}");
        device.replica =
            Replica::open(device.store.clone(), identity, &name, self.now, &mut device.rng)
                .unwrap();
        n
    }

    /// Makes both ends of a link without letting anything arrive.
    pub fn connect_silently(&mut self, a: usize, b: usize) {
        let (near, far) = (LinkId(self.links), LinkId(self.links + 1));
        self.links += 2;
        self.devices[a].links.push((near, b, far));
        self.devices[b].links.push((far, a, near));
        let (id_a, id_b) = (self.id(a), self.id(b));
        self.input(a, Input::PeerConnected { link: near, peer: id_b });
        self.input(b, Input::PeerConnected { link: far, peer: id_a });
    }

    /// Lets one frame arrive; tells whether there was one.
    pub fn step(&mut self) -> bool {
        let Some((n, link, bytes)) = self.wire.pop_front() else { return false };
        self.input(n, Input::Received { link, bytes });
        true
    }

    /// Joins again with a ticket.
    pub fn rejoin(&mut self, n: usize, ticket: &Ticket) {
        self.wish(n, Wish::Join { ticket: Box::new(ticket.to_string().parse().unwrap()) }).unwrap();
    }

    pub fn member(&self, n: usize) -> MemberId {
        self.devices[n].identity.member()
    }

    pub fn govern(&mut self, n: usize, space: SpaceId, what: Governance) -> Result<(), Refusal> {
        self.wish(n, Wish::Govern { space, what }).map(|_| ())
    }

    pub fn set(&mut self, n: usize, space: SpaceId, name: &str, value: &str) {
        self.edit(n, space, name, Kind::Register, Edit::Set(value.into()));
    }

    /// What a register holds on a device.
    pub fn get(&mut self, n: usize, space: SpaceId, name: &str) -> Option<Value> {
        self.value(n, space, name)
    }

    pub fn quarantined(&self, n: usize, space: SpaceId) -> u64 {
        self.devices[n].replica.space(space).unwrap().quarantined
    }

    /// Entries that wait for others.
    pub fn waiting(&self, n: usize, space: SpaceId) -> u64 {
        self.devices[n].replica.space(space).unwrap().waiting
    }

    /// A second device with the same keys and the same disk as `n` has now.
    pub fn clone_device(&mut self, n: usize) -> usize {
        let store = Arc::new(MemoryStore::default());
        let mut batch = WriteBatch::default();
        self.devices[n]
            .store
            .scan(&[], &[255; 64], &mut |key, value| {
                batch.put(key.to_vec(), value.to_vec());
                true
            })
            .unwrap();
        store.commit(&batch).unwrap();
        let identity = self.devices[n].identity.clone();
        let mut rng = ChaCha20Rng::seed_from_u64(1_000 + n as u64);
        let replica =
            Replica::open(store.clone(), identity.clone(), "clone", self.now, &mut rng).unwrap();
        let (events, timers, links) = (Vec::new(), Vec::new(), Vec::new());
        self.devices.push(Device {
            replica,
            store,
            identity,
            rng,
            events,
            timers,
            links,
            receipt_bytes: Vec::new(),
            wishes: 0,
        });
        self.devices.len() - 1
    }

    pub fn rejections(&self) -> u64 {
        self.devices.iter().map(|device| device.replica.counters().rejections).sum()
    }
}

/// So many devices in one space, the first of which founded it, on no links.
pub fn members(devices: usize) -> (Mesh, SpaceId) {
    let mut mesh = Mesh::new(devices);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, devices as u32);
    for n in 1..devices {
        mesh.join(n, &ticket);
        mesh.connect(0, n);
    }
    for n in 1..devices {
        mesh.disconnect(0, n);
    }
    (mesh, space)
}

pub fn pair() -> (Mesh, SpaceId) {
    let mut mesh = Mesh::new(2);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 1);
    mesh.join(1, &ticket);
    mesh.connect(0, 1);
    (mesh, space)
}
