//! A replica among peers that do what the input says: one runs the protocol over a link that loses, repeats,
//! reorders and damages; others hold a member's keys, or a ticket, and say anything. Whatever comes of it: no
//! panic, nothing is fed beyond its limit, own edits stay readable, and the store gives back what was there.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use meshwork_crdt::{Edit, Kind, Object, Value};
use meshwork_protocol::fuzzing::{self, Ends, Member, Script};
use meshwork_protocol::store::{MemoryStore, Store as _, StoreError, WriteBatch};
use meshwork_protocol::{
    Action, DeviceId, Effects, Event, History, Host, Identity, Input, LinkId, LogId, ObjectEdit, ObjectId,
    Outcome, Replica, Role, SpaceId, Target, Ticket, Time, Timer, Wish, WishId, limits,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const START: Time = Time(1_000_000);

/// A device with all that its host does.
struct Device {
    replica: Replica,
    identity: Identity,
    store: Arc<MemoryStore>,
    rng: ChaCha20Rng,
    sent: Vec<(LinkId, Vec<u8>)>,
    timers: Vec<(Time, Timer)>,
    closed: Vec<LinkId>,
    outcome: Option<Outcome>,
}

struct Outbox<'a> {
    store: &'a MemoryStore,
    sent: &'a mut Vec<(LinkId, Vec<u8>)>,
    timers: &'a mut Vec<(Time, Timer)>,
    closed: &'a mut Vec<LinkId>,
    outcome: &'a mut Option<Outcome>,
}

impl Host for Outbox<'_> {
    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        assert!(frame.len() <= limits::FRAME_BYTES_MAX, "a frame that no peer takes");
        self.sent.push((link, frame));
    }
    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }
    fn schedule(&mut self, at: Time, timer: Timer) {
        self.timers.push((at, timer));
    }
    fn notify(&mut self, event: Event) {
        if let Event::Granted { outcome, .. } = event {
            *self.outcome = Some(outcome);
        }
    }
    fn close(&mut self, link: LinkId) {
        self.closed.push(link);
    }
}

impl Device {
    fn open(store: MemoryStore, identity: Identity, seed: u64) -> Self {
        let (store, mut rng) = (Arc::new(store), ChaCha20Rng::seed_from_u64(seed));
        let replica = Replica::open(store.clone(), identity.clone(), "device", START, &mut rng)
            .expect("the store holds what was written");
        let (sent, timers, closed) = (Vec::new(), Vec::new(), Vec::new());
        Self { replica, identity, store, rng, sent, timers, closed, outcome: None }
    }

    fn input(&mut self, input: Input, now: Time) {
        let mut effects = Effects::default();
        self.replica.handle([input], now, &mut self.rng, &mut effects);
        let mut outbox = Outbox {
            store: &self.store,
            sent: &mut self.sent,
            timers: &mut self.timers,
            closed: &mut self.closed,
            outcome: &mut self.outcome,
        };
        effects.drain(&mut outbox).expect("memory does not fail");
    }

    fn wish(&mut self, what: Wish, now: Time) -> Option<Outcome> {
        self.outcome = None;
        self.input(Input::Wished { wish: WishId(1), what }, now);
        self.outcome.take()
    }

    fn put(&mut self, space: SpaceId, key: &str, value: u64, now: Time) -> Option<Outcome> {
        let target = Target::Named { name: "settings".into(), shape: Kind::Map.into() };
        let edit = Edit::Put { key: key.into(), value: value.to_string().into() };
        let edits = vec![ObjectEdit { target, action: Action::Change(edit) }];
        self.wish(Wish::Edit { space, edits }, now)
    }
}

/// Two members after some edits, what a third needs to join, and openings of more logs than a space may have.
struct Template {
    space: SpaceId,
    stores: [MemoryStore; 2],
    identities: [Identity; 2],
    ticket: Ticket,
    liars: [Member; 2],
    openings: Vec<Vec<u8>>,
}

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let mut identities =
        [1, 2, 3].map(|seed| Identity::generate(&mut ChaCha20Rng::seed_from_u64(seed)));
    identities.sort_by_key(Identity::device);
    let [a_identity, b_identity, stranger] = identities;
    let mut a = Device::open(MemoryStore::new(), a_identity, 4);
    let mut b = Device::open(MemoryStore::new(), b_identity, 5);
    let created = a.wish(Wish::CreateSpace { name: "work".into(), history: History::All }, START);
    let Some(Outcome::Created(space)) = created else { panic!("{created:?}") };
    let invite = || {
        let (role, expires) = (Role::Write, START.plus_ms(1 << 40));
        Wish::Invite { space, role, expires, uses: 1, addresses: vec![] }
    };
    let Some(Outcome::Invited(ticket)) = a.wish(invite(), START) else { panic!("no ticket") };
    b.wish(Wish::Join { ticket }, START).expect("the ticket is good");
    let link = LinkId(0);
    let (id_a, id_b) = (a.replica.device(), b.replica.device());
    a.input(Input::PeerConnected { link, peer: id_b }, START);
    b.input(Input::PeerConnected { link, peer: id_a }, START);
    let exchange = |a: &mut Device, b: &mut Device| {
        while !a.sent.is_empty() || !b.sent.is_empty() {
            for (link, bytes) in std::mem::take(&mut a.sent) {
                b.input(Input::Received { link, bytes }, START);
            }
            for (link, bytes) in std::mem::take(&mut b.sent) {
                a.input(Input::Received { link, bytes }, START);
            }
        }
    };
    exchange(&mut a, &mut b);
    for n in 0..3 {
        a.put(space, "a", n, START).expect("a member may write");
        b.put(space, "b", n, START).expect("a member may write");
    }
    let target = Target::Named { name: "notes".into(), shape: Kind::Text.into() };
    let edit = Action::Change(Edit::Replace("hello world".into()));
    let edits = vec![ObjectEdit { target, action: edit }];
    b.wish(Wish::Edit { space, edits }, START).expect("a member may write");
    let Some(Outcome::Invited(ticket)) = a.wish(invite(), START) else { panic!("no ticket") };
    exchange(&mut a, &mut b);
    assert!(b.replica.space(space).is_some_and(|view| view.ready && view.waiting == 0));
    assert_eq!(a.replica.digest(space), b.replica.digest(space));
    let mut liars = [&b.identity, &stranger].map(|id| Member::new(&b.identity, &*b.store, id));
    liars[1].invited(&ticket);
    let openings = (100..400).map(|n| liars[0].opening_run(n)).collect();
    Template {
        space,
        stores: [(*a.store).clone(), (*b.store).clone()],
        identities: [a.identity, b.identity],
        ticket: *ticket,
        liars,
        openings,
    }
});

/// Who is at the far end of a link of the replica.
enum Far {
    /// The replica that runs the protocol; its own link has the same number.
    Honest,
    /// One of the liars.
    Liar(usize, Ends),
}

struct Play {
    a: Device,
    b: Device,
    liars: [Member; 2],
    links: Vec<(LinkId, Far)>,
    next_link: u64,
    to_a: Vec<(LinkId, Vec<u8>)>,
    to_b: Vec<(LinkId, Vec<u8>)>,
    recorded: Vec<Vec<u8>>,
    now: Time,
    flooded: bool,
    /// Whether a liar wrote entries of its own.
    lied: bool,
    written: u64,
    wanted: Option<(LogId, u64, Vec<ObjectId>)>,
}

impl Play {
    fn new() -> Self {
        let template = &*TEMPLATE;
        let [a, b] = [0, 1].map(|n| {
            let (store, identity) = (template.stores[n].clone(), template.identities[n].clone());
            Device::open(store, identity, n as u64)
        });
        Self {
            a,
            b,
            liars: template.liars.clone(),
            links: Vec::new(),
            next_link: 1,
            to_a: Vec::new(),
            to_b: Vec::new(),
            recorded: Vec::new(),
            now: START,
            flooded: false,
            lied: false,
            written: 0,
            wanted: None,
        }
    }

    fn input_a(&mut self, input: Input) {
        self.a.input(input, self.now);
        self.collect();
    }

    fn input_b(&mut self, input: Input) {
        self.b.input(input, self.now);
        self.collect();
    }

    /// Takes what both devices want done.
    fn collect(&mut self) {
        for (link, frame) in std::mem::take(&mut self.a.sent) {
            match self.links.iter_mut().find(|(near, _)| *near == link) {
                Some((_, Far::Honest)) => self.to_b.push((link, frame)),
                Some((_, Far::Liar(_, ends))) => ends.hear(&frame),
                None => {}
            }
        }
        for (link, frame) in std::mem::take(&mut self.b.sent) {
            if self.recorded.len() < 64 {
                self.recorded.push(frame.clone());
            }
            self.to_a.push((link, frame));
        }
        let mut closed = std::mem::take(&mut self.a.closed);
        closed.append(&mut self.b.closed);
        for link in closed {
            self.disconnect(link);
        }
    }

    fn connect(&mut self, liar: Option<usize>, seed: u8) {
        let link = LinkId(self.next_link);
        self.next_link += 1;
        let near = self.a.replica.device();
        let (peer, far): (DeviceId, _) = match liar {
            Some(n) => (self.liars[n].device(), Far::Liar(n, Ends::new(near, seed))),
            None => (self.b.replica.device(), Far::Honest),
        };
        self.links.push((link, far));
        self.input_a(Input::PeerConnected { link, peer });
        match self.links.iter().find(|(known, _)| *known == link) {
            Some((_, Far::Honest)) => self.input_b(Input::PeerConnected { link, peer: near }),
            Some((_, Far::Liar(n, ends))) => {
                let first = [ends.hello(), self.liars[*n].claims(ends)];
                for bytes in first {
                    self.input_a(Input::Received { link, bytes });
                }
            }
            None => {}
        }
    }

    fn disconnect(&mut self, link: LinkId) {
        let Some(at) = self.links.iter().position(|(near, _)| *near == link) else { return };
        let (_, far) = self.links.remove(at);
        self.to_a.retain(|(near, _)| *near != link);
        self.to_b.retain(|(near, _)| *near != link);
        self.input_a(Input::PeerGone { link });
        if matches!(far, Far::Honest) {
            self.input_b(Input::PeerGone { link });
        }
    }

    fn some_link(&self, script: &mut Script<'_>) -> Option<LinkId> {
        self.links.get(script.below(self.links.len())).map(|(link, _)| *link)
    }

    /// Delivers what is on its way.
    fn settle(&mut self, most: usize) {
        for _ in 0..most {
            if !self.to_a.is_empty() {
                let (link, bytes) = self.to_a.remove(0);
                self.input_a(Input::Received { link, bytes });
            } else if !self.to_b.is_empty() {
                let (link, bytes) = self.to_b.remove(0);
                self.input_b(Input::Received { link, bytes });
            } else {
                break;
            }
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(16) {
            0 if self.links.len() < 8 => self.connect(None, 0),
            1 | 2 if self.links.len() < 8 => {
                let liar = script.below(2);
                let seed = script.byte();
                self.connect(Some(liar), seed);
            }
            3 => {
                if let Some(link) = self.some_link(script) {
                    self.disconnect(link);
                }
            }
            4 => self.settle(1 + script.below(32)),
            5 => self.disturb(script),
            6 => {
                let bytes = self.recorded.get(script.below(self.recorded.len())).cloned();
                if let (Some(link), Some(bytes)) = (self.some_link(script), bytes) {
                    self.input_a(Input::Received { link, bytes });
                }
            }
            7 => {
                if let Some(link) = self.some_link(script) {
                    let bytes = script.bytes(128);
                    self.input_a(Input::Received { link, bytes });
                }
            }
            8..=11 => self.lie(script),
            12 => {
                let device = if script.below(2) == 0 { &mut self.a } else { &mut self.b };
                let count = device.timers.len();
                if count > 0 {
                    let (at, timer) = device.timers.remove(script.below(count));
                    self.now = self.now.max(at);
                    let near = device.replica.device() == self.a.replica.device();
                    let input = Input::TimerFired(timer);
                    if near { self.input_a(input) } else { self.input_b(input) }
                }
            }
            13 => self.now = self.now.plus_ms(script.number() & 0xffff),
            _ => self.wish(script),
        }
    }

    /// Loses, repeats, reorders, damages or moves to another link a frame on its way to the replica.
    fn disturb(&mut self, script: &mut Script<'_>) {
        if self.to_a.is_empty() {
            return;
        }
        let at = script.below(self.to_a.len());
        let (link, mut bytes) = self.to_a.remove(at);
        match script.below(4) {
            0 => {}
            1 => {
                for _ in 0..2 {
                    self.input_a(Input::Received { link, bytes: bytes.clone() });
                }
            }
            2 => {
                script.mutate(&mut bytes);
                self.input_a(Input::Received { link, bytes });
            }
            _ => {
                if let Some(link) = self.some_link(script) {
                    self.input_a(Input::Received { link, bytes });
                }
            }
        }
    }

    fn lie(&mut self, script: &mut Script<'_>) {
        let liars: Vec<(LinkId, usize, Ends)> = self
            .links
            .iter()
            .filter_map(|(link, far)| match far {
                Far::Liar(n, ends) => Some((*link, *n, *ends)),
                Far::Honest => None,
            })
            .collect();
        let Some((link, n, ends)) = liars.get(script.below(liars.len())).copied() else { return };
        if script.below(64) == 63 && !self.flooded {
            self.flooded = true;
            let gaps = script.below(2) == 1;
            for number in 0..300 {
                let liar = &self.liars[n];
                let run = match gaps {
                    true => liar.gap(number),
                    false => TEMPLATE.openings[usize::from(number)].clone(),
                };
                let bytes = liar.entries(&ends, run);
                self.input_a(Input::Received { link, bytes });
            }
            return;
        }
        let (mut bytes, wrote) = self.liars[n].frame(&ends, script, &mut self.a.rng);
        self.lied |= wrote;
        if script.below(16) == 15 {
            script.mutate(&mut bytes);
        }
        self.input_a(Input::Received { link, bytes });
    }

    fn wish(&mut self, script: &mut Script<'_>) {
        let space = TEMPLATE.space;
        match script.below(8) {
            0..=3 => {
                self.written += 1;
                let outcome = self.a.put(space, "a", self.written, self.now);
                let Some(Outcome::Edited { log, seq, objects }) = outcome else {
                    panic!("a member may write: {outcome:?}")
                };
                self.wanted = Some((log, seq, objects));
            }
            4 => {
                self.b.put(space, "b", u64::from(script.byte()), self.now);
            }
            5 => {
                let name = String::from_utf8_lossy(&script.bytes(8)).into_owned();
                let history = if name.len() % 2 == 0 { History::All } else { History::FromJoin };
                self.a.wish(Wish::CreateSpace { name, history }, self.now);
            }
            6 => {
                let (role, expires) = (Role::Read, Time(script.number()));
                let wish = Wish::Invite { space, role, expires, uses: 3, addresses: vec![] };
                self.a.wish(wish, self.now);
            }
            _ => {
                let ticket = Box::new(TEMPLATE.ticket.clone());
                let device = if script.below(2) == 0 { &mut self.a } else { &mut self.b };
                device.wish(Wish::Join { ticket }, self.now);
            }
        }
        self.collect();
    }

    fn check(mut self) {
        let space = TEMPLATE.space;
        let replica = &mut self.a.replica;
        assert_eq!(fuzzing::over_limit(replica), None);
        assert!(replica.links().len() <= limits::LINKS_MAX);
        assert!(replica.spaces().len() <= limits::SPACES_MAX);
        let view = replica.space(space).expect("a space does not go away");
        assert!(view.logs.len() <= limits::LOGS_PER_SPACE_MAX);
        assert!(view.ready, "a member stays one");
        if let Some((log, seq, objects)) = &self.wanted {
            let own = view.logs.iter().find(|known| known.log == *log).expect("it was written");
            assert!(own.seq >= *seq && own.applied >= *seq, "an own edit is gone");
            let value = replica.read(space, objects[0], Object::value).expect("memory");
            let value = value.expect("the object is there");
            if !self.lied {
                let Value::Map(map) = value else { panic!("{value:?}") };
                assert_eq!(map.get("a"), Some(&self.written.to_string().as_str().into()));
            }
        }
        let digest = replica.digest(space).expect("memory");
        let again = Device::open((*self.a.store).clone(), self.a.identity.clone(), 9);
        let mut again = again.replica;
        assert_eq!(again.spaces().len(), replica.spaces().len());
        assert_eq!(again.space(space), Some(view));
        assert_eq!(again.digest(space).expect("memory"), digest, "the store gives back another");
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (mut play, mut script) = (Play::new(), Script(bytes));
    let parted = script.byte();
    for (bit, liar) in [(1, None), (2, Some(0)), (4, Some(1))] {
        if parted & bit == 0 {
            play.connect(liar, bit);
        }
    }
    if parted & 8 == 0 {
        play.settle(100);
    }
    for _ in 0..64 {
        if script.ended() {
            break;
        }
        play.step(&mut script);
    }
    play.check();
});
