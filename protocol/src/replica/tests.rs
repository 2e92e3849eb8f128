//! What a proven member can do with well-formed frames that lie.

use meshwork_crdt::{Edit, Kind, LogId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use super::*;
use crate::body::{Body, Change, Part, Voice};
use crate::effect::{Host, Outcome};
use crate::entry::{Bytes, Head, LogOpening, VerifiedRun};
use crate::ids::WishId;
use crate::input::{Action, Governance, ObjectEdit, Target, Wish};
use crate::membership::{History, Op, OpBody, Role};
use crate::store::{MemoryStore, WriteBatch};
use crate::wire::{
    Ack, ChangedHead, Claim, Claims, Credit, Detail, Entries, Heads, Holds, LogHead, Next,
    Operations, Range, Spread,
};

struct Node {
    replica: Replica,
    store: Arc<MemoryStore>,
    rng: ChaCha20Rng,
}

#[derive(Default)]
struct Out {
    store: Arc<MemoryStore>,
    frames: Vec<Vec<u8>>,
    outcome: Option<Outcome>,
    audits: Vec<(crate::ids::DeviceId, bool)>,
    closed: bool,
}

impl Host for Out {
    fn send(&mut self, _: LinkId, frame: Vec<u8>) {
        self.frames.push(frame);
    }
    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }
    fn schedule(&mut self, _: Time, _: Timer) {}
    fn notify(&mut self, event: Event) {
        match event {
            Event::Granted { outcome, .. } => self.outcome = Some(outcome),
            Event::Audited { by, proven, .. } => self.audits.push((by, proven)),
            _ => {}
        }
    }
    fn close(&mut self, _: LinkId) {
        self.closed = true;
    }
}

impl Node {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Identity::generate(&mut rng);
        let store = Arc::new(MemoryStore::new());
        let replica = Replica::open(store.clone(), identity, "", Time(1), &mut rng).unwrap();
        Self { replica, store, rng }
    }

    fn input(&mut self, input: Input, now: u64) -> Out {
        let mut effects = Effects::default();
        self.replica.handle([input], Time(now), &mut self.rng, &mut effects);
        let mut out = Out { store: self.store.clone(), ..Out::default() };
        effects.drain(&mut out).unwrap();
        out
    }

    fn wish(&mut self, what: Wish) -> Outcome {
        self.wish_at(10, what)
    }

    fn wish_at(&mut self, now: u64, what: Wish) -> Outcome {
        self.input(Input::Wished { wish: WishId(1), what }, now).outcome.expect("it is granted")
    }
}

const LINK: LinkId = LinkId(7);

/// Two members on one link, everything said.
fn pair() -> (Node, Node, SpaceId) {
    let (mut a, mut b) = (Node::new(1), Node::new(2));
    let Outcome::Created(space) =
        a.wish(Wish::CreateSpace { name: "x".into(), history: History::All })
    else {
        panic!()
    };
    let (role, expires) = (Role::Write, Time(1_000));
    let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
    let Outcome::Invited(ticket) = a.wish(wish) else { panic!() };
    b.wish(Wish::Join { ticket });
    meet(&mut a, &mut b, LINK);
    assert!(b.replica.space(space).unwrap().ready);
    (a, b, space)
}

/// Two devices on a new link say everything.
fn meet(a: &mut Node, b: &mut Node, link: LinkId) {
    meet_at(a, b, link, 10);
}

fn meet_at(a: &mut Node, b: &mut Node, link: LinkId, now: u64) {
    let (id_a, id_b) = (a.replica.device(), b.replica.device());
    let mut to_b = a.input(Input::PeerConnected { link, peer: id_b }, now).frames;
    let mut to_a = b.input(Input::PeerConnected { link, peer: id_a }, now).frames;
    while !to_a.is_empty() || !to_b.is_empty() {
        for bytes in std::mem::take(&mut to_a) {
            to_b.extend(a.input(Input::Received { link, bytes }, now).frames);
        }
        for bytes in std::mem::take(&mut to_b) {
            to_a.extend(b.input(Input::Received { link, bytes }, now).frames);
        }
    }
}

#[test]
fn who_is_handed_a_wrong_key_says_so_and_gets_the_right_one_from_another() {
    let (mut a, b, space) = pair();
    let (role, expires) = (Role::Write, Time(1_000));
    let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
    let Outcome::Invited(ticket) = a.wish(wish) else { panic!() };
    let mut c = Node::new(3);
    c.wish(Wish::Join { ticket });
    meet(&mut a, &mut c, LinkId(8));
    c.input(Input::PeerGone { link: LinkId(8) }, 10);
    a.input(Input::PeerGone { link: LinkId(8) }, 10);

    // The second member starts an epoch; the key it hands to the first is not the epoch's.
    let known = &a.replica.spaces[&space];
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let key = crate::keyring::EpochKey::generate(&mut rng);
    let log = LogOpening { device: b.replica.device(), incarnation: 77 }.log(known.pseudonym);
    let birth = crate::keyring::EpochBirth { log, seq: 1 };
    let epoch = key.id(space, birth);
    let wrong = crate::keyring::EpochKey::generate(&mut rng);
    let wraps = [(&a, &wrong), (&b, &key), (&c, &key)].map(|(whom, key)| {
        let kem = whom.replica.identity.kem_public();
        (whom.replica.device(), Bytes(key.wrap(space, epoch, &kem, &mut rng).unwrap()))
    });
    let body = OpBody::Epoch {
        epoch,
        log,
        seq: 1,
        made: Time(10),
        earlier: vec![],
        wraps: wraps.to_vec(),
    };
    let deps = known.membership.heads();
    let op = Op::sign(Some(space), deps, body, &b.replica.identity);
    let tag = a.replica.sessions[&LINK].shared[&space].tag_in;
    let ops = vec![Bytes(op.bytes)];
    let frame = Frame::Operations(Operations { tag, ops }).encode();
    a.input(Input::Received { link: LINK, bytes: frame }, 20);
    let held = |node: &Node| node.replica.spaces[&space].keyring.get(epoch).is_some();
    assert!(!held(&a), "another key passes for the epoch's");
    let edit = |node: &mut Node| {
        let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
        let action = Action::Change(Edit::Increment(1));
        node.wish(Wish::Edit { space, edits: vec![ObjectEdit { target, action }] })
    };
    edit(&mut a);

    meet(&mut a, &mut c, LinkId(9));
    assert!(held(&c));
    assert!(held(&a), "nobody made it good");
    edit(&mut c);
    assert_eq!(
        a.replica.digest(space).unwrap().is_some(),
        c.replica.digest(space).unwrap().is_some()
    );
}

#[test]
fn extreme_numbers_from_a_member_neither_panic_nor_grow_without_bound() {
    let (mut a, _, space) = pair();
    let tag = a.replica.sessions[&LINK].shared[&space].tag_in;
    let own = a.replica.spaces[&space].own_log;
    let other = *a.replica.spaces[&space].logs.keys().find(|log| **log != own).unwrap();
    let mut frames = Vec::new();
    let heads = |detail| Frame::Heads(Heads { tag, digest: [0; 8], detail });
    for log in [own, other, LogId([9; 16])] {
        let head = LogHead { log, seq: u64::MAX, hash: [0; 4] };
        frames.push(Frame::Ack(Ack { tag, numbered: vec![], named: vec![(log, u64::MAX)] }));
        let holds = Holds::Heads { heads: vec![head], answer: true };
        let ranges = vec![Range { until: None, holds }];
        frames.push(heads(Detail::Ranges { membership: [0; 8], ranges }));
        let changed = vec![ChangedHead { number: 0, grown: u64::MAX, hash: [0; 4] }];
        let new = vec![head];
        frames.push(heads(Detail::Since { base: [0; 4], membership: None, changed, new }));
    }
    for number in [0, 1, 2, 3, u32::MAX] {
        frames.push(Frame::Spread(Spread { tag, number, eager: false }));
        let numbered = vec![(number, u64::MAX)];
        frames.push(Frame::Ack(Ack { tag, numbered, named: vec![] }));
        let (ciphertext, signature) = (Bytes(vec![1; 32]), crate::entry::Signature::new([1; 64]));
        frames.push(Frame::Next(Next { tag, number, low: 0, ciphertext, signature }));
    }
    frames.push(heads(Detail::None));
    frames.push(Frame::Credit(Credit { granted: u64::MAX, sent: u64::MAX }));
    frames.push(Frame::Entries(Entries { tag, number: 1, sent: u64::MAX, run: Bytes(vec![]) }));
    frames.push(Frame::Operations(Operations { tag, ops: vec![] }));
    frames.push(Frame::Claims(Claims { claims: vec![Claim([0; 16]); 3] }));
    for n in 0..20_u16 {
        let named = |m: u16| {
            let mut log = [1; 16];
            log[..2].copy_from_slice(&(n * 1_000 + m).to_be_bytes());
            (LogId(log), u64::from(m))
        };
        let named = (0..1_000).map(named).collect();
        frames.push(Frame::Ack(Ack { tag, numbered: vec![], named }));
    }
    for (n, frame) in frames.iter().enumerate() {
        let now = 20 + n as u64 * 500;
        a.input(Input::Received { link: LINK, bytes: frame.encode() }, now);
        a.input(Input::TimerFired(Timer::Link(LINK)), now);
        let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
        let edits = vec![ObjectEdit { target, action: Action::Change(Edit::Increment(1)) }];
        let wish = Wish::Edit { space, edits };
        a.input(Input::Wished { wish: WishId(2), what: wish }, now);
    }
    let shared = &a.replica.sessions[&LINK].shared[&space];
    assert!(shared.progress.len() <= limits::LOGS_PER_SPACE_MAX);
    assert_eq!(a.replica.space(space).unwrap().waiting, 0);
    let member = a.replica.members(space).unwrap().into_iter().find(|m| !m.this_device).unwrap();
    assert!(member.acked <= a.replica.spaces[&space].head(own).seq);
}

#[test]
fn a_member_that_keeps_sending_nonsense_loses_its_link() {
    let (mut a, _, _) = pair();
    let mut closed = false;
    for _ in 0..30 {
        closed |= a.input(Input::Received { link: LINK, bytes: vec![1, 4, 0] }, 20).closed;
    }
    assert!(closed);
}

#[test]
fn an_entry_that_names_a_number_before_the_first_is_dropped() {
    let (mut a, _, space) = pair();
    let shared = &a.replica.sessions[&LINK].shared[&space];
    let own = a.replica.spaces[&space].own_log;
    let mut logs = a.replica.spaces[&space].logs.keys().filter(|log| **log != own);
    let number = logs.find_map(|log| shared.numbers.theirs(*log)).unwrap();
    let tag = shared.tag_in;
    for low in 0..=u8::MAX {
        let (ciphertext, signature) = (Bytes(vec![1; 32]), crate::entry::Signature::new([1; 64]));
        let frame = Frame::Next(Next { tag, number, low, ciphertext, signature });
        a.input(Input::Received { link: LINK, bytes: frame.encode() }, 20);
    }
    assert!(!a.replica.links().is_empty());
}

/// More short frames than their low byte can tell apart, of which the first is lost.
#[test]
fn hundreds_of_entries_under_way_are_told_apart() {
    let (mut a, mut b, space) = pair();
    let edit = |node: &mut Node| {
        let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
        let edits = vec![ObjectEdit { target, action: Action::Change(Edit::Increment(1)) }];
        let what = Wish::Edit { space, edits };
        node.input(Input::Wished { wish: WishId(1), what }, 20).frames
    };
    let mut to_b = Vec::new();
    for _ in 0..600 {
        to_b.extend(edit(&mut a));
    }
    let short = |bytes: &Vec<u8>| matches!(Frame::decode(bytes), Ok(Some(Frame::Next(_))));
    let lost = to_b.iter().position(short).expect("some are short");
    assert!(to_b.iter().filter(|bytes| short(bytes)).count() > 100);
    to_b.remove(lost);
    for bytes in to_b {
        b.input(Input::Received { link: LINK, bytes }, 20);
    }
    assert_eq!(b.replica.counters().rejections, 0);
    let (now, timer) = (20 + limits::RESEND_AFTER_MS, Timer::Link(LINK));
    for bytes in a.input(Input::TimerFired(timer), now).frames {
        b.input(Input::Received { link: LINK, bytes }, now);
    }
    let log = a.replica.spaces[&space].own_log;
    assert_eq!(b.replica.spaces[&space].head(log), a.replica.spaces[&space].head(log));
}

/// One end numbers the logs after what both once held, the other has forgotten it.
#[test]
fn who_numbers_logs_by_what_the_other_forgot_is_understood_all_the_same() {
    for forgetful in [0, 1] {
        let (mut a, mut b, space) = pair();
        let mut ends = [&mut a, &mut b];
        let base = {
            let mut logs = ends[0].replica.spaces[&space].logs.iter();
            let logs = logs.by_ref().map(|(log, known)| (*log, known.head.seq)).collect();
            crate::session::Base { root: [0; 32], members: [0; 32], logs }
        };
        let remembers: &mut Node = ends[1 - forgetful];
        let shared = remembers.replica.sessions.get_mut(&LINK).unwrap().shared.get_mut(&space);
        shared.unwrap().numbers.agree(&base);
        for writer in [0, 1, 0, 1] {
            let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
            let edits = vec![ObjectEdit { target, action: Action::Change(Edit::Increment(1)) }];
            let what = Wish::Edit { space, edits };
            let mut frames = ends[writer].input(Input::Wished { wish: WishId(1), what }, 20).frames;
            let mut to = 1 - writer;
            while !frames.is_empty() {
                let received =
                    frames.into_iter().map(|bytes| Input::Received { link: LINK, bytes });
                let outs = received.map(|input| ends[to].input(input, 20).frames);
                frames = outs.collect::<Vec<_>>().concat();
                to = 1 - to;
            }
        }
        let unacked = |node: &Node| node.replica.sessions[&LINK].shared[&space].unacked.len();
        assert_eq!((unacked(&a), unacked(&b)), (0, 0), "end {forgetful} forgot");
    }
}

#[test]
fn runs_of_logs_that_nobody_started_leave_nothing_behind() {
    let (mut a, _, space) = pair();
    let tag = a.replica.sessions[&LINK].shared[&space].tag_in;
    for n in 0..1_000_u16 {
        let mut log = LogId([1; 16]);
        log.0[..2].copy_from_slice(&n.to_be_bytes());
        let run = Bytes(crate::entry::tests::unsigned(log, 7));
        let frame = Frame::Entries(Entries { tag, number: 1, sent: 1, run });
        let out = a.input(Input::Received { link: LINK, bytes: frame.encode() }, 20);
        assert!(out.frames.is_empty(), "it is answered");
    }
    let shared = &a.replica.sessions[&LINK].shared[&space];
    assert!(shared.ack_due.is_empty() && shared.due.is_empty());
}

/// A guest that may write by an invite which expires at 500, and what it says: that it came in, that it handed itself a
/// key.
fn late_guest(a: &mut Node, space: SpaceId) -> (Node, Vec<Op>) {
    let (role, expires) = (Role::Write, Time(500));
    let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
    let Outcome::Invited(ticket) = a.wish(wish) else { panic!() };
    let mut guest = Node::new(5);
    guest.wish(Wish::Join { ticket });
    let known = &guest.replica.spaces[&space];
    let join = known.joining.clone().unwrap();
    let (identity, log) = (&guest.replica.identity, known.own_log);
    let key = crate::keyring::EpochKey::generate(&mut ChaCha20Rng::seed_from_u64(9));
    let epoch = key.id(space, crate::keyring::EpochBirth { log, seq: 1 });
    let wrap = key.wrap(space, epoch, &identity.kem_public(), &mut guest.rng).unwrap();
    let wraps = vec![(identity.device(), Bytes(wrap))];
    let (earlier, made) = (vec![], Time(10));
    let body = OpBody::Epoch { epoch, log, seq: 1, made, earlier, wraps };
    let hands = Op::sign(Some(space), vec![join.id], body, identity);
    (guest, vec![join, hands])
}

/// What a node is told over a link by `ops`.
fn tell(node: &mut Node, link: LinkId, space: SpaceId, ops: &[Op], now: u64) {
    let tag = node.replica.sessions[&link].shared[&space].tag_in;
    let ops = ops.iter().map(|op| Bytes(op.bytes.clone())).collect();
    let frame = Frame::Operations(Operations { tag, ops });
    node.input(Input::Received { link, bytes: frame.encode() }, now);
}

#[test]
fn who_comes_too_late_does_not_let_itself_in() {
    let (mut a, _b, space) = pair();
    let (mut guest, said) = late_guest(&mut a, space);
    let link = LinkId(9);
    meet_at(&mut a, &mut guest, link, 2_000);
    tell(&mut a, link, space, &said, 2_000);
    let device = guest.replica.device();
    assert!(!a.replica.spaces[&space].membership.roster().devices.contains_key(&device));
    // In time the same words do.
    let (mut a, _b, space) = pair();
    let (mut guest, said) = late_guest(&mut a, space);
    meet_at(&mut a, &mut guest, link, 100);
    tell(&mut a, link, space, &said, 100);
    assert!(a.replica.spaces[&space].membership.roster().may(device, Role::Write));
}

#[test]
fn who_comes_too_late_is_not_let_in_by_way_of_a_newcomer() {
    let (mut a, _b, space) = pair();
    let (guest, said) = late_guest(&mut a, space);
    let (role, expires) = (Role::Write, Time(10_000));
    let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
    let Outcome::Invited(ticket) = a.wish(wish) else { panic!() };
    let mut newcomer = Node::new(6);
    newcomer.wish(Wish::Join { ticket });
    // The guest has come by all operations, and says more.
    let mut all: Vec<Op> = a.replica.spaces[&space].membership.in_order().cloned().collect();
    all.extend(said);
    let (link, device) = (LinkId(9), guest.replica.device());
    let mut guest = guest;
    meet_at(&mut newcomer, &mut guest, link, 2_000);
    tell(&mut newcomer, link, space, &all, 2_000);
    meet_at(&mut a, &mut newcomer, LinkId(10), 2_000);
    assert!(newcomer.replica.space(space).unwrap().ready);
    for node in [&a, &newcomer] {
        let roster = node.replica.spaces[&space].membership.roster();
        assert!(!roster.devices.contains_key(&device));
    }
    let heard = |session: &Session| session.shared.values().any(|s| s.hearsay.is_some());
    assert!(newcomer.replica.sessions.values().any(heard));
}

#[test]
fn who_comes_later_is_handed_no_key_to_what_was_written_before_where_that_is_hidden() {
    for (history, opens) in [(History::All, true), (History::FromJoin, false)] {
        let (mut a, mut b) = (Node::new(1), Node::new(2));
        let create = Wish::CreateSpace { name: "x".into(), history };
        let Outcome::Created(space) = a.wish(create) else { panic!() };
        let then = a.replica.spaces[&space].writing_epoch().unwrap();
        let (role, expires) = (Role::Write, Time(1_000));
        let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
        let Outcome::Invited(ticket) = a.wish(wish) else { panic!() };
        b.wish(Wish::Join { ticket });
        meet(&mut a, &mut b, LINK);
        assert!(b.replica.space(space).unwrap().ready);
        assert_eq!(b.replica.spaces[&space].keyring.get(then).is_some(), opens);
        assert_eq!(b.replica.spaces[&space].name(), "x");
        assert_eq!(a.replica.digest(space).unwrap(), b.replica.digest(space).unwrap());
    }
}

#[test]
fn nobody_writes_under_a_key_that_one_who_is_out_has_by_a_later_one() {
    let (mut a, mut b, space) = pair();
    let first = a.replica.spaces[&space].writing_epoch().unwrap();
    // An epoch later somebody comes, and is given both keys by one wrap; then it goes.
    let later = 10 + limits::EPOCH_MS_MAX + 1;
    let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
    let edits = vec![ObjectEdit { target, action: Action::Change(Edit::Increment(1)) }];
    a.wish_at(later, Wish::Edit { space, edits: edits.clone() });
    let second = a.replica.spaces[&space].writing_epoch().unwrap();
    assert_ne!(first, second);
    let (role, expires) = (Role::Read, Time(later + 1_000));
    let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
    let Outcome::Invited(ticket) = a.wish_at(later, wish) else { panic!() };
    let mut c = Node::new(3);
    c.wish(Wish::Join { ticket });
    meet_at(&mut a, &mut c, LinkId(8), later);
    assert!(c.replica.spaces[&space].keyring.get(first).is_some());
    let member = c.replica.identity.member();
    a.wish_at(later, Wish::Govern { space, what: Governance::RemoveMember { member } });
    // To this clock the first epoch is young.
    meet(&mut a, &mut b, LinkId(9));
    assert!(b.replica.spaces[&space].membership.roster().role(c.replica.device()).is_none());
    b.wish(Wish::Edit { space, edits });
    let known = &b.replica.spaces[&space];
    let under = known.writing_epoch().unwrap();
    assert!(![first, second].contains(&under));
    assert!(!known.reached_by(c.replica.device()).contains(&under));
}

/// Sends the first entry of another log of `from`, whatever it says.
fn forge(a: &mut Node, from: &Node, space: SpaceId, incarnation: u64, body: &Body) {
    let tag = a.replica.sessions[&LINK].shared[&space].tag_in;
    let known = &a.replica.spaces[&space];
    let (pseudonym, epoch) = (known.pseudonym, known.writing_epoch().unwrap());
    let (auth, identity) = (known.membership.auth_ref(), &from.replica.identity);
    let opening = LogOpening { device: from.replica.device(), incarnation };
    let sender = known.keyring.get(epoch).unwrap().sender(opening.log(pseudonym));
    let (body, _) = body.to_padded_bytes(epoch, &Voice::default());
    let head = Head::NONE;
    let run = VerifiedRun::seal(pseudonym, opening, head, epoch, auth, &body, &sender, identity);
    let run = Bytes(run.to_bytes());
    let frame = Frame::Entries(Entries { tag, number: 1, sent: 1, run });
    a.input(Input::Received { link: LINK, bytes: frame.encode() }, 20);
}

/// A writer that lies about what it builds on: the change of an object comes before its creation.
#[test]
fn what_comes_before_its_object_is_the_same_on_every_device() {
    let (mut a, b, space) = pair();
    let (pseudonym, device) = (a.replica.spaces[&space].pseudonym, b.replica.device());
    let shape: meshwork_crdt::Shape = Kind::Counter.into();
    let object = crate::ids::ObjectId::named("late", &shape);
    let time = meshwork_crdt::HybridTime(5);
    let rename = Change::Rename { name: "early".into(), time };
    let create = Change::Create { shape: Bytes(shape.to_bytes()), name: "late".into(), seed: None };
    let mut incarnations = [0, 1];
    incarnations.sort_by_key(|n| LogOpening { device, incarnation: *n }.log(pseudonym));
    for (incarnation, change) in [(incarnations[1], rename), (incarnations[0], create)] {
        let parts = vec![Part { object, change }];
        forge(&mut a, &b, space, incarnation, &Body { logs: vec![], deps: vec![], time, parts });
        assert!(a.replica.object(space, object).is_none_or(|view| view.name == "early"));
    }
    assert_eq!(a.replica.object(space, object).unwrap().name, "early");
    opens_as_it_is(&mut a, space);
}

/// A writer that lies about what it builds on: it names an entry that is not written yet.
#[test]
fn what_names_an_entry_to_come_is_applied_when_it_comes() {
    let (mut a, b, space) = pair();
    let known = &a.replica.spaces[&space];
    let (own, seq) = (known.own_log, known.head(known.own_log).seq);
    let time = meshwork_crdt::HybridTime(5);
    let body = Body { logs: vec![own], deps: vec![(1, seq + 1)], time, parts: vec![] };
    forge(&mut a, &b, space, 3, &body);
    assert_eq!(a.replica.space(space).unwrap().waiting, 1);
    let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
    let edits = vec![ObjectEdit { target, action: Action::Change(Edit::Increment(1)) }];
    a.wish(Wish::Edit { space, edits });
    assert_eq!(a.replica.space(space).unwrap().waiting, 0);
    opens_as_it_is(&mut a, space);
}

/// Every device of a space writes its name into one object.
#[test]
fn an_object_that_thousands_of_logs_have_touched_is_stored() {
    let (mut a, b, space) = pair();
    let shape: meshwork_crdt::Shape = Kind::Counter.into();
    let object = crate::ids::ObjectId::named("shared", &shape);
    let time = meshwork_crdt::HybridTime(5);
    let create =
        Change::Create { shape: Bytes(shape.to_bytes()), name: "shared".into(), seed: None };
    let parts = vec![Part { object, change: create }];
    let body = Body { logs: vec![], deps: vec![], time, parts };
    for incarnation in 0..2_200 {
        forge(&mut a, &b, space, incarnation, &body);
    }
    assert!(a.replica.object(space, object).is_some());
    assert!(a.replica.space(space).unwrap().logs.len() > 2_000);
    opens_as_it_is(&mut a, space);
}

/// The store gives back what is there.
fn opens_as_it_is(node: &mut Node, space: SpaceId) {
    let identity = node.replica.identity.clone();
    let store = node.store.clone();
    let mut again = Replica::open(store, identity, "", Time(30), &mut node.rng).unwrap();
    assert_eq!(again.space(space), node.replica.space(space));
    assert_eq!(again.digest(space).unwrap(), node.replica.digest(space).unwrap());
    assert_eq!(again.objects(space), node.replica.objects(space));
}

#[test]
fn a_snapshot_that_lies_is_found_out_by_its_history() {
    let mut a = Node::new(1);
    let mut b = Node::new(2);
    a.replica.snapshots_from(10);
    b.replica.snapshots_from(10);
    let Outcome::Created(space) =
        a.wish(Wish::CreateSpace { name: "x".into(), history: History::All })
    else {
        panic!()
    };
    let edit = |node: &mut Node| {
        let target = Target::Named { name: "n".into(), shape: Kind::Counter.into() };
        let action = Action::Change(Edit::Increment(1));
        node.wish(Wish::Edit { space, edits: vec![ObjectEdit { target, action }] })
    };
    for _ in 0..30 {
        edit(&mut a);
    }
    // What it will say it has is more than what it ever wrote.
    let known = a.replica.spaces.get_mut(&space).unwrap();
    let (id, log) = (known.objects.find("n").unwrap(), known.own_log);
    let mut effects = Effects::default();
    let (now, rng) = (Time(10), &mut a.rng);
    let mut turn = turn!(a.replica, now, rng, &mut effects);
    let object = known.objects.load(known.pseudonym, id, &mut turn).unwrap();
    let time = meshwork_crdt::HybridTime(999 << 16);
    let writer = meshwork_crdt::Writer { log, time };
    object.edit(&writer, &Edit::Increment(1_000), &mut meshwork_crdt::LogTable::new(log)).unwrap();

    let (role, expires) = (Role::Write, Time(1_000));
    let wish = Wish::Invite { space, role, expires, uses: 1, addresses: vec![] };
    let Outcome::Invited(ticket) = a.wish(wish) else { panic!() };
    b.wish(Wish::Join { ticket });
    let (id_a, id_b) = (a.replica.device(), b.replica.device());
    let mut to_b = a.input(Input::PeerConnected { link: LINK, peer: id_b }, 10).frames;
    let mut to_a = b.input(Input::PeerConnected { link: LINK, peer: id_a }, 10).frames;
    let (mut shown, mut audits) = (Vec::new(), Vec::new());
    while !to_a.is_empty() || !to_b.is_empty() {
        for bytes in std::mem::take(&mut to_a) {
            to_b.extend(a.input(Input::Received { link: LINK, bytes }, 10).frames);
        }
        for bytes in std::mem::take(&mut to_b) {
            let out = b.input(Input::Received { link: LINK, bytes }, 10);
            to_a.extend(out.frames);
            audits.extend(out.audits);
            let value = b.replica.read(space, id, meshwork_crdt::Object::value).unwrap();
            shown.extend(value.filter(|value| shown.last() != Some(value)));
        }
    }
    assert_eq!(shown, [1_030.into(), 30.into()]);
    assert_eq!(audits, [(id_a, false)]);
    edit(&mut b);
    assert_eq!(b.replica.read(space, id, meshwork_crdt::Object::value).unwrap(), Some(31.into()));
}
