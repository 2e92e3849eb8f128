//! Replicas wired to each other in memory: what users see when devices meet, part and meet again.

use std::collections::VecDeque;
use std::sync::Arc;

use meshwork_crdt::{Edit, Kind, Value};
use meshwork_protocol::store::{MemoryStore, Store, StoreError, WriteBatch};
use meshwork_protocol::{
    Action, DeviceId, Effects, Event, Host, Identity, Input, LinkId, ObjectEdit, Outcome, Refusal,
    Replica, Role, SpaceId, Target, Ticket, Time, Timer, Wish, WishId,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

struct Device {
    replica: Replica,
    store: Arc<MemoryStore>,
    identity: Identity,
    rng: ChaCha20Rng,
    events: Vec<Event>,
    timers: Vec<(Time, Timer)>,
    /// Far end of each link: device, its link.
    links: Vec<(LinkId, usize, LinkId)>,
    wishes: u64,
}

/// Some devices on reliable links without latency.
struct Mesh {
    devices: Vec<Device>,
    wire: VecDeque<(usize, LinkId, Vec<u8>)>,
    recorded: Vec<(usize, usize, Vec<u8>)>,
    /// Dials that are under way: who, whom, where.
    dialled: Vec<(usize, DeviceId, Vec<String>)>,
    now: Time,
    links: u64,
}

struct Outbox<'a> {
    store: &'a MemoryStore,
    sent: Vec<(LinkId, Vec<u8>)>,
    closed: Vec<LinkId>,
    events: &'a mut Vec<Event>,
    timers: &'a mut Vec<(Time, Timer)>,
    dialled: Vec<(DeviceId, Vec<String>)>,
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
        self.closed.push(link);
    }
    fn dial(&mut self, peer: DeviceId, addresses: Vec<String>) {
        self.dialled.push((peer, addresses));
    }
}

impl Mesh {
    fn new(devices: usize) -> Self {
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

    fn input(&mut self, n: usize, input: Input) {
        self.inputs(n, vec![input]);
    }

    fn inputs(&mut self, n: usize, inputs: Vec<Input>) {
        let mut effects = Effects::default();
        let device = &mut self.devices[n];
        device.replica.handle(inputs, self.now, &mut device.rng, &mut effects);
        let mut outbox = Outbox {
            store: &device.store,
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

    fn settle(&mut self) {
        while let Some((n, link, bytes)) = self.wire.pop_front() {
            self.input(n, Input::Received { link, bytes });
        }
    }

    /// Lets time pass, firing timers.
    fn pass_ms(&mut self, ms: u64) {
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

    fn id(&self, n: usize) -> DeviceId {
        self.devices[n].replica.device()
    }

    fn connect(&mut self, a: usize, b: usize) {
        let (near, far) = (LinkId(self.links), LinkId(self.links + 1));
        self.links += 2;
        self.devices[a].links.push((near, b, far));
        self.devices[b].links.push((far, a, near));
        let (id_a, id_b) = (self.id(a), self.id(b));
        self.input(a, Input::PeerConnected { link: near, peer: id_b });
        self.input(b, Input::PeerConnected { link: far, peer: id_a });
        self.settle();
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        while let Some((near, ..)) =
            self.devices[a].links.iter().find(|(_, far, _)| *far == b).copied()
        {
            self.disconnect_link(a, near);
        }
    }

    fn disconnect_link(&mut self, n: usize, link: LinkId) {
        let Some(index) = self.devices[n].links.iter().position(|(near, ..)| *near == link) else {
            return;
        };
        let (near, far, far_link) = self.devices[n].links.remove(index);
        self.devices[far].links.retain(|(near, ..)| *near != far_link);
        self.wire.retain(|(_, link, _)| *link != near && *link != far_link);
        self.input(n, Input::PeerGone { link: near });
        self.input(far, Input::PeerGone { link: far_link });
    }

    fn wish(&mut self, n: usize, what: Wish) -> Result<Outcome, Refusal> {
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

    fn create(&mut self, n: usize, name: &str) -> SpaceId {
        match self.wish(n, Wish::CreateSpace { name: name.to_owned() }) {
            Ok(Outcome::Created(space)) => space,
            other => panic!("{other:?}"),
        }
    }

    fn invite(&mut self, n: usize, space: SpaceId, uses: u32) -> Ticket {
        let expires = self.now.plus_ms(60_000);
        let addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
        let wish = Wish::Invite { space, role: Role::Write, expires, uses, addresses };
        match self.wish(n, wish) {
            Ok(Outcome::Invited(ticket)) => *ticket,
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, n: usize, ticket: &Ticket) {
        let ticket = ticket.to_string().parse().unwrap();
        self.wish(n, Wish::Join { ticket: Box::new(ticket) }).unwrap();
    }

    fn edit(&mut self, n: usize, space: SpaceId, name: &str, kind: Kind, edit: Edit) -> u64 {
        let target = Target::Named { name: name.to_owned(), shape: kind.into() };
        let edits = vec![ObjectEdit { target, action: Action::Change(edit) }];
        match self.wish(n, Wish::Edit { space, edits }) {
            Ok(Outcome::Edited { seq, .. }) => seq,
            other => panic!("{other:?}"),
        }
    }

    fn put(&mut self, n: usize, space: SpaceId, key: &str, value: &str) {
        let edit = Edit::Put { key: key.to_owned(), value: value.into() };
        self.edit(n, space, "settings", Kind::Map, edit);
    }

    fn value(&mut self, n: usize, space: SpaceId, name: &str) -> Option<Value> {
        let replica = &mut self.devices[n].replica;
        let id = replica.find(space, name)?.id;
        replica.read(space, id, meshwork_crdt::Object::value).unwrap()
    }

    fn digest(&mut self, n: usize, space: SpaceId) -> [u8; 32] {
        self.devices[n].replica.digest(space).unwrap().expect("the device has the space")
    }

    fn assert_converged(&mut self, space: SpaceId) {
        let digests: Vec<_> = (0..self.devices.len()).map(|n| self.digest(n, space)).collect();
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "digests differ: {digests:?}");
        for n in 0..self.devices.len() {
            let view = self.devices[n].replica.space(space).unwrap();
            assert_eq!(view.waiting, 0, "device {n} holds entries it could not apply");
        }
    }

    fn reopen(&mut self, n: usize) {
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

    fn rejections(&self) -> u64 {
        self.devices.iter().map(|device| device.replica.counters().rejections).sum()
    }
}

fn pair() -> (Mesh, SpaceId) {
    let mut mesh = Mesh::new(2);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 1);
    mesh.join(1, &ticket);
    mesh.connect(0, 1);
    (mesh, space)
}

#[path = "replicas/large_spaces.rs"]
mod large_spaces;
#[path = "replicas/presence.rs"]
mod presence;

#[test]
fn a_joined_device_sees_what_was_there_and_what_comes() {
    let mut mesh = Mesh::new(2);
    let space = mesh.create(0, "work");
    mesh.put(0, space, "theme", "dark");
    let ticket = mesh.invite(0, space, 1);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    assert!(mesh.devices[1].events.contains(&Event::SpaceReady { space }));
    assert_eq!(mesh.devices[1].replica.space(space).unwrap().name, "work");
    mesh.put(0, space, "lang", "en");
    mesh.put(1, space, "font", "mono");
    let expected = r#"{"font":"mono","lang":"en","theme":"dark"}"#;
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "settings").unwrap().to_string(), expected);
    }
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
    let names: Vec<String> = mesh.devices[0]
        .replica
        .members(space)
        .unwrap()
        .into_iter()
        .map(|member| member.name)
        .collect();
    assert!(names.contains(&"device 0".to_owned()) && names.contains(&"device 1".to_owned()));
}

#[test]
fn offline_edits_of_one_text_merge_by_character() {
    let (mut mesh, space) = pair();
    mesh.edit(0, space, "notes", Kind::Text, Edit::Replace("one three".into()));
    assert_eq!(mesh.value(1, space, "notes"), Some("one three".into()));
    mesh.disconnect(0, 1);
    mesh.edit(0, space, "notes", Kind::Text, Edit::Replace("one two three".into()));
    mesh.edit(1, space, "notes", Kind::Text, Edit::Replace("one three four".into()));
    mesh.connect(0, 1);
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "notes"), Some("one two three four".into()));
    }
    mesh.assert_converged(space);
}

#[test]
fn acknowledgements_tell_who_holds_an_edit() {
    let (mut mesh, space) = pair();
    let seq = mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    let members = mesh.devices[0].replica.members(space).unwrap();
    let other = members.iter().find(|member| !member.this_device).unwrap();
    assert_eq!((other.acked, other.behind), (seq, 0));
    let peer = mesh.id(1);
    let acked = mesh.devices[0].events.iter().any(
        |event| matches!(event, Event::Acked { peer: p, seq: s, .. } if *p == peer && *s == seq),
    );
    assert!(acked);
}

#[test]
fn a_reopened_device_knows_everything_and_continues_its_log() {
    let (mut mesh, space) = pair();
    for n in 0..1500 {
        mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(n));
    }
    mesh.edit(1, space, "set", Kind::Set, Edit::Add("x".into()));
    let digest = mesh.digest(0, space);
    assert!(mesh.devices[0].replica.counters().checkpoints > 0);
    mesh.reopen(0);
    mesh.reopen(1);
    assert_eq!(mesh.digest(0, space), digest);
    assert_eq!(mesh.digest(1, space), digest);
    mesh.edit(0, space, "n", Kind::Counter, Edit::Increment(1));
    mesh.connect(0, 1);
    assert_eq!(mesh.value(1, space, "n"), Some(Value::Int(1500 * 1499 / 2 + 1)));
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn a_chain_passes_entries_on() {
    let mut mesh = Mesh::new(4);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 3);
    for n in 1..4 {
        mesh.connect(n - 1, n);
        mesh.join(n, &ticket);
    }
    mesh.put(0, space, "from", "first");
    mesh.put(3, space, "to", "last");
    mesh.pass_ms(1_000);
    mesh.assert_converged(space);
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn in_a_full_mesh_payloads_stop_travelling_twice() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 2);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        mesh.connect(a, b);
    }
    mesh.join(1, &ticket);
    mesh.join(2, &ticket);
    for n in 0..6 {
        mesh.put(n % 3, space, "warm", "up");
    }
    mesh.pass_ms(30_000);
    let duplicates = |mesh: &Mesh| -> u64 {
        mesh.devices.iter().map(|d| d.replica.counters().entries_duplicate).sum()
    };
    let before = duplicates(&mesh);
    for n in 0..30 {
        mesh.put(n % 3, space, "key", &n.to_string());
    }
    mesh.pass_ms(1_000);
    assert_eq!(duplicates(&mesh) - before, 0);
    mesh.assert_converged(space);
}

#[test]
fn a_concurrent_edit_survives_a_deletion() {
    let (mut mesh, space) = pair();
    mesh.edit(0, space, "notes", Kind::Text, Edit::Replace("hello".into()));
    mesh.disconnect(0, 1);
    let id = mesh.devices[0].replica.find(space, "notes").unwrap().id;
    let delete = vec![ObjectEdit { target: Target::Id(id), action: Action::Delete }];
    mesh.wish(0, Wish::Edit { space, edits: delete.clone() }).unwrap();
    assert!(mesh.devices[0].replica.find(space, "notes").is_none());
    mesh.edit(1, space, "notes", Kind::Text, Edit::Replace("hello world".into()));
    mesh.connect(0, 1);
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "notes"), Some("hello world".into()));
    }
    mesh.wish(1, Wish::Edit { space, edits: delete }).unwrap();
    for n in 0..2 {
        assert!(mesh.devices[n].replica.find(space, "notes").is_none());
    }
    mesh.assert_converged(space);
}

#[test]
fn a_deleted_name_that_is_written_again_starts_empty() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "old", "1");
    let id = mesh.devices[0].replica.find(space, "settings").unwrap().id;
    let edits = vec![ObjectEdit { target: Target::Id(id), action: Action::Delete }];
    mesh.wish(0, Wish::Edit { space, edits }).unwrap();
    mesh.put(1, space, "new", "2");
    for n in 0..2 {
        assert_eq!(mesh.value(n, space, "settings").unwrap().to_string(), r#"{"new":"2"}"#);
    }
    mesh.assert_converged(space);
}

#[test]
fn files_imported_alike_coalesce_and_others_stand_beside_each_other() {
    let (mut mesh, space) = pair();
    mesh.disconnect(0, 1);
    for (n, content) in [(0, "same"), (1, "same")] {
        let target = Target::File { name: "a.md".into(), content: content.into() };
        let edits = vec![ObjectEdit { target, action: Action::Create }];
        mesh.wish(n, Wish::Edit { space, edits }).unwrap();
    }
    for (n, content) in [(0, "mine"), (1, "yours")] {
        let target = Target::File { name: "b.md".into(), content: content.into() };
        let edits = vec![ObjectEdit { target, action: Action::Create }];
        mesh.wish(n, Wish::Edit { space, edits }).unwrap();
    }
    mesh.connect(0, 1);
    mesh.assert_converged(space);
    let objects = mesh.devices[0].replica.objects(space).unwrap();
    let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(mesh.value(0, space, "a.md"), Some("same".into()));
    let conflicts: Vec<&&str> = names.iter().filter(|name| name.contains("(conflict ")).collect();
    assert_eq!(conflicts.len(), 1);
    let (shown, other) = (mesh.value(1, space, "b.md"), mesh.value(1, space, conflicts[0]));
    let mut contents = [shown.unwrap().to_string(), other.unwrap().to_string()];
    contents.sort();
    assert_eq!(contents, [r#""mine""#, r#""yours""#]);
}

#[test]
fn a_refused_edit_leaves_no_trace_of_those_before_it() {
    let (mut mesh, space) = pair();
    mesh.edit(0, space, "text", Kind::Text, Edit::Replace("abc".into()));
    let before = mesh.digest(0, space);
    let text = || Target::Named { name: "text".into(), shape: Kind::Text.into() };
    let splice = |at| Edit::Splice { at, delete: 0, insert: "x".into() };
    let edits = vec![
        ObjectEdit { target: text(), action: Action::Change(splice(0)) },
        ObjectEdit { target: text(), action: Action::Change(splice(99)) },
    ];
    let result = mesh.wish(0, Wish::Edit { space, edits });
    assert_eq!(result, Err(Refusal::Edit(meshwork_crdt::EditError::OutOfRange)));
    assert_eq!(mesh.digest(0, space), before);
    mesh.assert_converged(space);
}

#[test]
fn tickets_that_are_wrong_expired_or_used_up_are_refused() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "work");
    let ticket = mesh.invite(0, space, 1);
    let text = ticket.to_string();
    let mut damaged = text.clone();
    damaged.replace_range(20..21, if &text[20..21] == "a" { "b" } else { "a" });
    assert!(damaged.parse::<Ticket>().is_err());
    assert!("hello".parse::<Ticket>().is_err());
    mesh.connect(0, 1);
    mesh.connect(0, 2);
    mesh.join(1, &ticket);
    mesh.join(2, &ticket);
    let refused = |mesh: &Mesh, n: usize| {
        mesh.devices[n].events.iter().find_map(|event| match event {
            Event::JoinRefused { reason, .. } => Some(*reason),
            _ => None,
        })
    };
    assert_eq!(refused(&mesh, 1), None);
    assert_eq!(refused(&mesh, 2), Some(meshwork_protocol::JoinRefusal::UsedUp));
    let late = mesh.invite(0, space, 5);
    mesh.now = mesh.now.plus_ms(120_000);
    let wish = Wish::Join { ticket: Box::new(late) };
    assert_eq!(mesh.wish(2, wish), Err(Refusal::TicketExpired));
    assert!(!mesh.devices[2].replica.space(space).unwrap().ready);
}

#[test]
fn a_stranger_learns_neither_ids_nor_content() {
    let mut mesh = Mesh::new(3);
    let space = mesh.create(0, "secret plans");
    let ticket = mesh.invite(0, space, 1);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    mesh.put(0, space, "codename", "hummingbird");
    let other = mesh.create(2, "something else");
    mesh.connect(0, 2);
    mesh.connect(1, 2);
    mesh.put(1, space, "place", "lighthouse");
    mesh.pass_ms(60_000);
    let view = mesh.devices[0].replica.space(space).unwrap();
    let mut needles: Vec<Vec<u8>> = ["secret", "codename", "hummingbird", "lighthouse", "device 0"]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .collect();
    needles.push(space.0.to_vec());
    needles.push(other.0.to_vec());
    needles.extend(view.logs.iter().map(|log| log.log.0.to_vec()));
    needles.extend([mesh.id(0).0.to_vec(), mesh.id(1).0.to_vec()]);
    let heard = mesh.recorded.iter().filter(|(from, to, _)| *to == 2 && *from != 2);
    let mut frames = 0;
    for (_, _, frame) in heard {
        frames += 1;
        for needle in &needles {
            assert!(!frame.windows(needle.len()).any(|window| window == needle));
        }
    }
    assert!(frames > 0);
    assert!(mesh.devices[2].replica.space(space).is_none());
}

#[test]
fn hostile_frames_change_nothing_and_end_the_link() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "a", "b");
    let before = mesh.digest(0, space);
    let link = mesh.devices[0].links[0].0;
    let frames: Vec<Vec<u8>> =
        mesh.recorded.iter().filter(|(_, to, _)| *to == 0).map(|(.., f)| f.clone()).collect();
    for frame in frames {
        for at in 0..frame.len() {
            let mut bytes = frame.clone();
            bytes[at] ^= 0x41;
            mesh.input(0, Input::Received { link, bytes });
            if mesh.devices[0].links.is_empty() {
                mesh.connect(0, 1);
            }
            let bytes = frame[..at].to_vec();
            let link = mesh.devices[0].links[0].0;
            mesh.input(0, Input::Received { link, bytes });
            if mesh.devices[0].links.is_empty() {
                mesh.connect(0, 1);
            }
        }
    }
    mesh.settle();
    assert_eq!(mesh.digest(0, space), before);
    assert!(mesh.devices[0].replica.counters().rejections > 0);
}

#[test]
fn a_cold_sync_moves_thousands_of_entries_under_few_signatures() {
    let mut mesh = Mesh::new(2);
    let space = mesh.create(0, "work");
    for n in 0..5_000 {
        mesh.edit(0, space, &format!("o{}", n % 50), Kind::Counter, Edit::Increment(1));
    }
    let ticket = mesh.invite(0, space, 1);
    mesh.connect(0, 1);
    mesh.join(1, &ticket);
    mesh.assert_converged(space);
    let counters = mesh.devices[1].replica.counters();
    assert!(counters.entries_received >= 5_000);
    assert!(counters.signatures_verified < 100, "{counters:?}");
    assert_eq!(mesh.rejections(), 0);
}

#[test]
fn equal_replicas_reconnect_with_digests_alone() {
    let (mut mesh, space) = pair();
    mesh.put(0, space, "a", "b");
    mesh.disconnect(0, 1);
    mesh.recorded.clear();
    let before = mesh.devices[0].replica.counters().run_bytes_sent;
    mesh.connect(0, 1);
    let about_space: usize =
        mesh.recorded.iter().filter(|(.., f)| f[1] == 4).map(|(.., f)| f.len()).sum();
    assert!(about_space <= 2 * 64, "{about_space} bytes of heads");
    assert_eq!(mesh.devices[0].replica.counters().run_bytes_sent, before);
    mesh.assert_converged(space);
}

#[test]
fn a_keystroke_is_small_on_the_wire() {
    let (mut mesh, space) = pair();
    let text = "word ".repeat(1000);
    mesh.edit(0, space, "essay", Kind::Text, Edit::Replace(text));
    for n in 0..3 {
        let insert = "x".to_owned();
        mesh.recorded.clear();
        mesh.edit(0, space, "essay", Kind::Text, Edit::Splice { at: 2500 + n, delete: 0, insert });
        mesh.settle();
        let told = mesh.recorded.iter().filter(|(from, to, _)| (*from, *to) == (0, 1));
        let bytes: Vec<usize> = told.map(|(_, _, frame)| frame.len()).collect();
        assert!(bytes.len() == 1 && bytes[0] <= 120, "a sealed and signed key takes {bytes:?}");
    }
}
