//! What the targets of `protocol/fuzz` reach of the inside; no other build has it.
//!
//! Bytes in → decoded and encoded again, or frames, entries and operations of a [`Member`] that lies. It holds
//! the keys that a real member holds, so what it makes passes every check that a signature can.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_crdt::{HybridTime, Kind};
use rand_core::CryptoRng;

use crate::body::{Body, Change, Part, Voice};
use crate::effect::JoinRefusal;
use crate::entry::{AuthRef, Bytes, Head, LogOpening, SealedRun, Signature, VerifiedRun};
use crate::fork::ForkProof;
use crate::identity::Identity;
use crate::ids::{
    DeviceId, EntryHash, EpochId, LogId, MemberId, ObjectId, OpId, Pseudonym, SpaceId, Time,
};
use crate::keyring::{AtRest, EpochBirth, EpochKey, first16};
use crate::layout::{self, SpaceRow};
use crate::linking::{self, LinkRefusal};
use crate::membership::{Cut, History, Membership, Op, OpBody, Role, Subject, join_proof};
use crate::overlay::{Sample, Told};
use crate::presence::Note;
use crate::replica::Replica;
use crate::session::{self, Shared, Side};
use crate::store::Store;
use crate::wire::{
    Ack, ChangedHead, Claim, Claims, Credit, Detail, Echo, Entries, Evidence, Frame, Heads, Hello,
    Holds, Linking, LogHead, Marks, Next, Notes, Operations, Part as Parting, Peers, Presence,
    Range, Refused, Spread, Tag,
};
use crate::{envelope, limits};

mod snapshots;

/// A frame, decoded and encoded again; `None` if it is refused or of an unknown kind.
#[must_use]
pub fn frame_again(bytes: &[u8]) -> Option<Vec<u8>> {
    Frame::decode(bytes).ok().flatten().map(|frame| frame.encode())
}

/// A run, decoded and encoded again.
#[must_use]
pub fn run_again(bytes: &[u8]) -> Option<Vec<u8>> {
    SealedRun::decode(bytes).ok().map(|run| run.to_bytes())
}

/// The plaintext of an entry, decoded and encoded again with the padding it is due.
#[must_use]
pub fn body_again(bytes: &[u8]) -> Option<Vec<u8>> {
    let epoch = EpochId([2; 16]);
    let (body, _) = Body::from_padded_bytes(bytes, epoch, &Voice::default())?;
    Some(body.to_padded_bytes(epoch, &Voice::default()).0)
}

/// The text of a ticket with these bytes and a right checksum.
#[must_use]
pub fn ticket_text(bytes: &[u8]) -> String {
    crate::ticket::text(bytes.to_vec())
}

/// The text of a new device's code with these bytes and a right checksum.
#[must_use]
pub fn code_text(bytes: &[u8]) -> String {
    crate::ticket::pasted("meshworklink1", bytes.to_vec())
}

/// Whether bytes are a run that `writer` started its log in `space` with.
#[must_use]
pub fn run_verifies(space: Pseudonym, writer: DeviceId, bytes: &[u8]) -> bool {
    SealedRun::decode(bytes).and_then(|run| run.verify(space, Head::NONE, writer)).is_ok()
}

/// Whether bytes are an operation in `space`.
#[must_use]
pub fn operation_verifies(space: SpaceId, bytes: &[u8]) -> bool {
    Op::verify(space, Pseudonym([5; 16]), bytes).is_ok()
}

/// A signed run of some entries that starts a log.
#[must_use]
pub fn signed_run(space: Pseudonym, identity: &Identity, entries: u64) -> Vec<u8> {
    let opening = LogOpening { device: identity.device(), incarnation: 1 };
    let key = EpochKey::from_bytes([5; 32]).sender(opening.log(space));
    let (mut head, mut all) = (Head::NONE, None::<SealedRun>);
    for seq in 0..entries {
        let body = Body { logs: vec![], deps: vec![], time: HybridTime(seq), parts: vec![] };
        let (epoch, auth) = (EpochId([2; 16]), AuthRef([3; 8]));
        let (body, _) = body.to_padded_bytes(epoch, &Voice::default());
        let run = VerifiedRun::seal(space, opening, head, epoch, auth, &body, &key, identity);
        head = run.head();
        let run = SealedRun::decode(&run.to_bytes()).expect("it has just been sealed");
        match &mut all {
            Some(all) => all.extend(run).expect("a few small entries fit"),
            None => all = Some(run),
        }
    }
    all.map_or_else(Vec::new, |run| run.to_bytes())
}

/// A signed operation of each kind, with the space they are in.
#[must_use]
pub fn signed_operations(identity: &Identity) -> (SpaceId, Vec<Vec<u8>>) {
    let card = identity.card();
    let create = OpBody::Create { founder: card.clone(), salt: [1; 16], history: History::All };
    let create = Op::sign(None, vec![], create, identity);
    let (space, first) = (SpaceId(create.id.0), create.id);
    let opening = LogOpening { device: identity.device(), incarnation: 2 };
    let head = Head { seq: 3, hash: EntryHash([4; 32]) };
    let cut = vec![Cut { log: opening, head }];
    let bodies = [
        OpBody::Invite { key: [6; 32], role: Role::Write, expires: Time(9), uses: 300 },
        OpBody::Join { invite: first, card, proof: Signature::new([7; 64]) },
        OpBody::Epoch {
            epoch: EpochId([2; 16]),
            log: LogId([3; 16]),
            seq: 1,
            made: Time(1),
            earlier: vec![(EpochId([3; 16]), Bytes(vec![9; 48]))],
            wraps: vec![(identity.device(), Bytes(vec![8; 80]))],
        },
        OpBody::AddMember { member: identity.member(), role: Role::Read },
        OpBody::AddDevice { card: identity.card() },
        OpBody::SetRole { member: identity.member(), role: Role::Read, cut: cut.clone() },
        OpBody::Remove { subject: Subject::Device(identity.device()), cut, root: None },
        OpBody::Revoke { invite: first },
        OpBody::Adopt { log: opening, head },
        OpBody::Fork(Box::new(forked(identity))),
        OpBody::Plea { epoch: EpochId([2; 16]) },
    ];
    let mut all = vec![create.bytes];
    all.extend(bodies.map(|body| Op::sign(Some(space), vec![first], body, identity).bytes));
    (space, all)
}

/// The proof that a device wrote two first entries of one log.
fn forked(identity: &Identity) -> ForkProof {
    let log = LogOpening { device: identity.device(), incarnation: 7 };
    let space = Pseudonym([5; 16]);
    let key = EpochKey::from_bytes([1; 32]).sender(log.log(space));
    let [one, other] = [[1; 32], [2; 32]].map(|body| {
        let under = (EpochId([2; 16]), AuthRef([0; 8]));
        VerifiedRun::seal(space, log, Head::NONE, under.0, under.1, &body, &key, identity)
    });
    ForkProof::between(space, log, &one, &other).expect("they differ")
}

/// What is fed by a peer and larger than it may be.
#[must_use]
pub fn over_limit(replica: &Replica) -> Option<&'static str> {
    for session in replica.sessions.values() {
        if session.claims.len() > limits::CLAIMS_MAX {
            return Some("claims of a link");
        }
        for shared in session.shared.values() {
            // As many as the peer names, and as many as there are here.
            if shared.progress.len() > 2 * limits::LOGS_PER_SPACE_MAX {
                return Some("logs whose progress is followed");
            }
            if shared.ack_due.len() > limits::LOGS_PER_SPACE_MAX {
                return Some("logs to acknowledge");
            }
            if shared.notes.len() > limits::PRESENCE_DEVICES_MAX {
                return Some("devices whose notes a peer has");
            }
            if shared.due.len().max(shared.unacked.len()) > 2 * limits::LOGS_PER_SPACE_MAX {
                return Some("logs to send");
            }
        }
    }
    if replica.parts_expected() > limits::SNAPSHOT_PARTS_INCOMING_MAX {
        return Some("parts of snapshots on their way here");
    }
    if replica.overlays.values().any(|overlay| overlay.known() > limits::OVERLAY_KNOWN_MAX) {
        return Some("devices known without a link");
    }
    let present = |known: &crate::presence::Presences| known.devices.len();
    if replica.presences.values().map(present).max() > Some(limits::PRESENCE_DEVICES_MAX) {
        return Some("devices present");
    }
    None
}

/// Choices read from the input of the fuzzer; when it has ended, every choice is the first.
pub struct Script<'a>(pub &'a [u8]);

impl Script<'_> {
    /// Whether nothing is left.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// One of `count` choices.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// Some bytes, fewer than `most`.
    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most);
        (0..count).map(|_| self.byte()).collect()
    }

    /// A number: small, near a power of two, or near the largest.
    pub fn number(&mut self) -> u64 {
        let byte = self.byte();
        let low = u64::from(byte & 0x3f);
        match byte >> 6 {
            0 | 1 => u64::from(byte),
            2 => (1_u64 << low).wrapping_add(u64::from(self.byte() % 3)).wrapping_sub(1),
            _ => u64::MAX - low,
        }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        [self.byte(); N]
    }

    /// Changes some of `bytes`.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = usize::from(self.byte()) << 8 | usize::from(self.byte());
            let at = at % (bytes.len() + 1);
            match self.below(5) {
                0 => {
                    let flip = self.byte();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= flip;
                    }
                }
                1 => bytes.truncate(at),
                2 => {
                    let piece = self.bytes(32);
                    bytes.splice(at..at, piece);
                }
                3 => {
                    let end = (at + self.below(32)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let end = (at + self.below(64)).min(bytes.len());
                    let piece: Vec<u8> = bytes.get(at..end).unwrap_or_default().to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, piece);
                }
            }
        }
    }
}

/// What one end of a link knows of it.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    nonce: [u8; 16],
    far: DeviceId,
    their_nonce: Option<[u8; 16]>,
}

impl Ends {
    /// A new link with `far`; the nonce is made of `seed`.
    #[must_use]
    pub fn new(far: DeviceId, seed: u8) -> Self {
        Self { nonce: [seed; 16], far, their_nonce: None }
    }

    /// Learns the nonce of the other end from a frame that it has sent.
    pub fn hear(&mut self, frame: &[u8]) {
        if let Ok(Some(Frame::Hello(hello))) = Frame::decode(frame) {
            self.their_nonce = Some(hello.nonce);
        }
    }

    /// The first frame.
    #[must_use]
    pub fn hello(&self) -> Vec<u8> {
        Frame::Hello(Hello { nonce: self.nonce }).encode()
    }
}

/// A device that holds what a member holds and says what it likes.
#[derive(Clone)]
pub struct Member {
    identity: Identity,
    space: SpaceId,
    secret: [u8; 32],
    pseudonym: Pseudonym,
    epochs: Vec<(EpochId, [u8; 32])>,
    membership: Membership,
    ops: Vec<Vec<u8>>,
    objects: Vec<ObjectId>,
    logs: Vec<LogId>,
    heads: BTreeMap<u64, Head>,
    invite: Option<(OpId, [u8; 32])>,
    /// Parts of the snapshot that was told of last.
    parts: Vec<Vec<u8>>,
}

impl Member {
    /// Somebody with the secrets of the first space in the store of `owner`, who is `identity` to others.
    ///
    /// # Panics
    /// If the store has no space of `owner`.
    #[must_use]
    pub fn new(owner: &Identity, store: &dyn Store, identity: &Identity) -> Self {
        let rows = |(from, to): (Vec<u8>, Vec<u8>)| {
            let mut rows = Vec::new();
            store
                .scan(&from, &to, &mut |key, value| {
                    rows.push((key.to_vec(), value.to_vec()));
                    true
                })
                .expect("memory does not fail");
            rows
        };
        let (key, sealed) = rows(layout::prefix_range(b"s".to_vec())).remove(0);
        let plain = AtRest::new(owner).open(&key, &sealed).expect("the owner sealed it");
        let row: SpaceRow = envelope::open(layout::ROW_VERSION, layout::KIND_SPACE, &plain)
            .expect("the owner wrote it");
        let pseudonym = Pseudonym(*key.last_chunk().expect("the key ends with it"));
        let ops: Vec<Vec<u8>> =
            rows(layout::rows(b'o', pseudonym)).into_iter().map(|(_, bytes)| bytes).collect();
        let mut membership = Membership::default();
        let known =
            ops.iter().filter_map(|bytes| Op::verify(row.space, pseudonym, bytes).ok()).collect();
        membership.insert(row.space, known);
        let logs = rows(layout::rows(b'l', pseudonym))
            .into_iter()
            .filter_map(|(key, _)| key.last_chunk().copied().map(LogId))
            .collect();
        let names = [("settings", Kind::Map), ("notes", Kind::Text), ("n", Kind::Counter)];
        let mut objects: Vec<ObjectId> =
            names.iter().map(|(name, kind)| ObjectId::named(name, &(*kind).into())).collect();
        objects.push(ObjectId::named(crate::space::objects::ABOUT, &Kind::LwwMap.into()));
        Self {
            identity: identity.clone(),
            space: row.space,
            secret: row.secret,
            pseudonym,
            epochs: row.epochs.clone(),
            membership,
            ops,
            objects,
            logs,
            heads: BTreeMap::new(),
            invite: None,
            parts: Vec::new(),
        }
    }

    /// Lets it use a ticket.
    pub fn invited(&mut self, ticket: &crate::Ticket) {
        self.invite = Some((ticket.invite, ticket.invite_seed));
    }

    /// Who it is to others.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.identity.device()
    }

    fn sides(&self, ends: &Ends) -> (Side, Side) {
        let ours = Side { device: self.device(), nonce: ends.nonce };
        let theirs = Side { device: ends.far, nonce: ends.their_nonce.unwrap_or_default() };
        (ours, theirs)
    }

    /// The frame that proves the space.
    #[must_use]
    pub fn claims(&self, ends: &Ends) -> Vec<u8> {
        let (ours, theirs) = self.sides(ends);
        let claims = vec![session::claim(&self.secret, &ours, &theirs)];
        Frame::Claims(Claims { claims }).encode()
    }

    fn shared(&self, ends: &Ends) -> Shared {
        let (ours, theirs) = self.sides(ends);
        Shared::new((Tag(0), Tag(0)), &self.secret, &ours, &theirs)
    }

    fn log(&self, script: &mut Script<'_>) -> LogId {
        match script.below(self.logs.len() + 2) {
            0 => LogId(script.array()),
            at => self.logs.get(at - 1).copied().unwrap_or(LogId([9; 16])),
        }
    }

    /// The run that opens a log of this device with an entry that says nothing.
    #[must_use]
    pub fn opening_run(&self, incarnation: u64) -> Vec<u8> {
        let body = Body { logs: vec![], deps: vec![], time: HybridTime(0), parts: vec![] };
        self.seal(incarnation, Head::NONE, &body).to_bytes()
    }

    /// A frame with a run.
    #[must_use]
    pub fn entries(&self, ends: &Ends, run: Vec<u8>) -> Vec<u8> {
        let tag = self.shared(ends).tag_out;
        let entries = Entries { tag, number: 1, sent: 1, run: Bytes(run) };
        Frame::Entries(entries).encode()
    }

    /// A run of an unknown log that does not start it.
    #[must_use]
    pub fn gap(&self, number: u16) -> Vec<u8> {
        let mut log = [1; 16];
        if let Some(start) = log.first_chunk_mut() {
            *start = number.to_be_bytes();
        }
        forged(LogId(log), None, 7, &[vec![1; 20]])
    }

    fn seal(&self, incarnation: u64, before: Head, body: &Body) -> VerifiedRun {
        let opening = LogOpening { device: self.device(), incarnation };
        let (epoch, key) = self.epochs.last().copied().unwrap_or((EpochId([0; 16]), [0; 32]));
        let key = EpochKey::from_bytes(key).sender(opening.log(self.pseudonym));
        let auth = self.membership.auth_ref();
        let (space, identity) = (self.pseudonym, &self.identity);
        let (body, _) = body.to_padded_bytes(epoch, &Voice::default());
        VerifiedRun::seal(space, opening, before, epoch, auth, &body, &key, identity)
    }

    /// The next entry of one of this device's logs, saying anything.
    fn write(&mut self, script: &mut Script<'_>) -> Vec<u8> {
        let incarnation = script.below(4) as u64;
        let before = self.heads.get(&incarnation).copied().unwrap_or(Head::NONE);
        let body = self.body(script);
        let run = self.seal(incarnation, before, &body);
        if script.below(4) > 0 {
            self.heads.insert(incarnation, run.head());
        }
        if !self.logs.contains(&run.log()) {
            self.logs.push(run.log());
        }
        run.to_bytes()
    }

    fn body(&mut self, script: &mut Script<'_>) -> Body {
        let logs = (0..script.below(4)).map(|_| self.log(script)).collect();
        let index = |script: &mut Script<'_>| u32::try_from(script.below(5)).unwrap_or(0);
        let deps = (0..script.below(4)).map(|_| (index(script), script.number())).collect();
        let time = HybridTime(script.number());
        let mut parts = Vec::new();
        for _ in 0..script.below(4) {
            let known = script.below(self.objects.len() + 1);
            let object = self.objects.get(known).copied().unwrap_or(ObjectId(script.array()));
            let change = match script.below(4) {
                0 => Change::Delta(Bytes(script.bytes(64))),
                1 => Change::Rename {
                    name: String::from_utf8_lossy(&script.bytes(16)).into_owned(),
                    time: HybridTime(script.number()),
                },
                2 => Change::Delete {
                    observed: (0..script.below(4))
                        .map(|_| (index(script), script.number()))
                        .collect(),
                },
                _ => {
                    let kind = Kind::ALL.get(script.below(Kind::ALL.len())).copied();
                    let shape: meshwork_crdt::Shape = kind.unwrap_or(Kind::Map).into();
                    let name = String::from_utf8_lossy(&script.bytes(8)).into_owned();
                    let seed = (script.below(2) == 1).then(|| script.array());
                    let id = ObjectId::derive(&name, &shape, seed);
                    self.objects.push(id);
                    let shape = Bytes(shape.to_bytes());
                    parts.push(Part { object: id, change: Change::Create { shape, name, seed } });
                    continue;
                }
            };
            parts.push(Part { object, change });
        }
        Body { logs, deps, time, parts }
    }

    /// A member of the space, or nobody.
    fn member(&self, script: &mut Script<'_>) -> MemberId {
        let members = &self.membership.roster().members;
        let known = members.keys().nth(script.below(members.len() + 1)).copied();
        known.unwrap_or(MemberId(script.array()))
    }

    /// How far logs of some member device are to count.
    fn cut(&self, script: &mut Script<'_>) -> Vec<Cut> {
        let devices = &self.membership.roster().devices;
        let device = devices.keys().nth(script.below(devices.len() + 1)).copied();
        let device = device.unwrap_or(self.device());
        (0..script.below(3) as u64)
            .map(|incarnation| {
                let head = Head { seq: script.number(), hash: EntryHash(script.array()) };
                Cut { log: LogOpening { device, incarnation }, head }
            })
            .collect()
    }

    /// An operation of this device that says anything.
    fn operation(&mut self, script: &mut Script<'_>, rng: &mut dyn CryptoRng) -> Vec<u8> {
        let card = self.identity.card();
        let mut deps = self.membership.heads();
        let body = match script.below(12) {
            5 => OpBody::AddMember { member: self.member(script), role: Role::Admin },
            6 => OpBody::AddDevice { card },
            7 => OpBody::SetRole {
                member: self.member(script),
                role: [Role::Relay, Role::Read, Role::Write, Role::Admin][script.below(4)],
                cut: self.cut(script),
            },
            8 => {
                let subject = match script.below(3) {
                    0 => Subject::Member(self.member(script)),
                    1 => Subject::Device(self.device()),
                    _ => Subject::Device(DeviceId(script.array())),
                };
                OpBody::Remove { subject, cut: self.cut(script), root: None }
            }
            9 => OpBody::Revoke { invite: self.invite.map_or(OpId([0; 32]), |(invite, _)| invite) },
            10 => {
                let head = Head { seq: script.number(), hash: EntryHash(script.array()) };
                let incarnation = script.below(4) as u64;
                OpBody::Adopt { log: LogOpening { device: self.device(), incarnation }, head }
            }
            11 => match self.epochs.last() {
                Some((epoch, _)) => OpBody::Plea { epoch: *epoch },
                None => OpBody::Fork(Box::new(forked(&self.identity))),
            },
            0 => OpBody::Invite {
                key: script.array(),
                role: Role::Admin,
                expires: Time(script.number()),
                uses: u32::try_from(script.number() & 0xffff_ffff).unwrap_or(u32::MAX),
            },
            1 => {
                let (invite, seed) = self.invite.unwrap_or((OpId(script.array()), [0; 32]));
                let key = ed25519_dalek::SigningKey::from_bytes(&seed);
                use ed25519_dalek::Signer as _;
                let proof = key.sign(&join_proof(self.space, invite, &card)).to_bytes();
                deps = vec![invite];
                OpBody::Join { invite, card, proof: Signature::new(proof) }
            }
            2 => {
                let (epoch, log, seq) =
                    (EpochId(script.array()), self.log(script), script.number());
                let wraps = (0..script.below(4))
                    .map(|_| (DeviceId(script.array()), Bytes(vec![script.byte(); 80])))
                    .collect();
                let earlier = (0..script.below(3))
                    .map(|_| (EpochId(script.array()), Bytes(vec![script.byte(); 48])))
                    .collect();
                OpBody::Epoch { epoch, log, seq, made: Time(script.number()), earlier, wraps }
            }
            3 => {
                let birth = EpochBirth { log: self.log(script), seq: script.number() };
                let bytes = script.array();
                let key = EpochKey::from_bytes(bytes);
                let epoch = key.id(self.space, birth);
                let readers = self.membership.roster().devices_who_may(Role::Read);
                let wraps = readers
                    .filter_map(|card| {
                        let wrap = key.wrap(self.space, epoch, &card.kem, rng)?;
                        Some((card.device, Bytes(wrap)))
                    })
                    .collect();
                if script.below(2) == 1 {
                    self.epochs.push((epoch, bytes));
                }
                let (log, seq, made) = (birth.log, birth.seq, Time(script.number()));
                OpBody::Epoch { epoch, log, seq, made, earlier: Vec::new(), wraps }
            }
            _ => OpBody::Create { founder: card, salt: script.array(), history: History::All },
        };
        if script.below(4) == 3 {
            deps = (0..script.below(80)).map(|_| OpId(script.array())).collect();
        }
        let space = (script.below(16) < 15).then_some(self.space);
        let op = Op::sign(space, deps, body, &self.identity);
        self.ops.push(op.bytes.clone());
        self.membership.insert(self.space, vec![op.clone()]);
        op.bytes
    }

    /// A well-formed frame that says anything, with whether it may hold an entry of this device.
    pub fn frame(
        &mut self,
        ends: &Ends,
        script: &mut Script<'_>,
        rng: &mut dyn CryptoRng,
    ) -> (Vec<u8>, bool) {
        let shared = self.shared(ends);
        let tag =
            if script.below(32) == 31 { Tag(u32::from(script.byte())) } else { shared.tag_out };
        let mut wrote = false;
        let frame = match script.below(22) {
            0 => Frame::Hello(Hello { nonce: script.array() }),
            1 => {
                let (ours, theirs) = self.sides(ends);
                let mut claims = vec![session::claim(&self.secret, &ours, &theirs)];
                claims.extend((0..script.below(200)).map(|n| Claim([n as u8; 16])));
                Frame::Claims(Claims { claims })
            }
            2 => {
                let mut ops = Vec::new();
                for _ in 0..script.below(4) {
                    let known = self.ops.get(script.below(self.ops.len())).cloned();
                    ops.push(Bytes(match script.below(4) {
                        0 => script.bytes(64),
                        1 => known.unwrap_or_default(),
                        _ => self.operation(script, rng),
                    }));
                }
                Frame::Operations(Operations { tag, ops })
            }
            3 => {
                let detail = self.detail(script);
                Frame::Heads(Heads { tag, digest: script.array(), detail })
            }
            4 | 5 => {
                let run = match script.below(4) {
                    0 => script.bytes(200),
                    1 => {
                        let opening = (script.below(2) == 1)
                            .then(|| LogOpening { device: self.device(), incarnation: 0 });
                        let log = match opening {
                            Some(opening) => opening.log(self.pseudonym),
                            None => self.log(script),
                        };
                        let ciphertexts: Vec<Vec<u8>> =
                            (0..=script.below(4)).map(|_| script.bytes(32)).collect();
                        forged(log, opening, script.number(), &ciphertexts)
                    }
                    _ => {
                        wrote = true;
                        self.write(script)
                    }
                };
                let sent = if script.below(8) == 7 { script.number() } else { 0 };
                let number = u32::from(script.byte());
                Frame::Entries(Entries { tag, number, sent, run: Bytes(run) })
            }
            6 => {
                let named = self.heads_of(script).iter().map(|head| (head.log, head.seq)).collect();
                let numbered = vec![(u32::from(script.byte()), script.number())];
                Frame::Ack(Ack { tag, numbered, named })
            }
            7 => {
                let sent = if script.below(8) == 7 { script.number() } else { 0 };
                Frame::Credit(Credit { granted: script.number(), sent })
            }
            8 => {
                let (number, eager) = (u32::from(script.byte()), script.below(2) == 1);
                Frame::Spread(Spread { tag, number, eager })
            }
            9 => {
                let (number, low) = (u32::from(script.byte()), script.byte());
                let (ciphertext, signature) =
                    (Bytes(script.bytes(64)), Signature::new([script.byte(); 64]));
                Frame::Next(Next { tag, number, low, ciphertext, signature })
            }
            10 => {
                let log = self.log(script);
                let (mut seq, mut marks) = (0_u64, Vec::new());
                for _ in 0..script.below(6) {
                    seq = seq.saturating_add(1 + script.number() % 9);
                    marks.push(Head { seq, hash: EntryHash(script.array()) });
                }
                Frame::Marks(Marks { tag, log, marks })
            }
            11 => {
                wrote = true;
                Frame::Evidence(Evidence { tag, run: Bytes(self.write(script)) })
            }
            12 => Frame::Peers(Peers { tag, told: self.told(script) }),
            13 => Frame::Part(Parting { tag }),
            14 => Frame::Echo(Echo { number: script.number(), back: script.below(2) == 1 }),
            15 => {
                let left_ms = u32::try_from(script.number() & 0xffff_ffff).unwrap_or(u32::MAX);
                Frame::Presence(Presence { tag, left_ms, note: self.note(script, rng) })
            }
            16 => {
                let (device, number) = (self.somebody(script), script.number());
                Frame::Notes(Notes { tag, device, number, eager: script.below(2) == 1 })
            }
            17 => {
                let of = 1 + u16::from(script.byte() % 8);
                let part = linking::Part { number: u16::from(script.byte()) % of, of };
                Frame::Linking(match script.below(4) {
                    0 => Linking::Taken,
                    1 => Linking::Declined(LinkRefusal::NotWaiting),
                    _ => Linking::Welcome { part, sealed: Bytes(script.bytes(200)) },
                })
            }
            18 => self.history(tag, script),
            19 | 20 => self.snapshot(tag, script, rng),
            _ => Frame::Refused(Refused { tag, reason: JoinRefusal::Expired }),
        };
        (frame.encode(), wrote)
    }

    fn somebody(&self, script: &mut Script<'_>) -> DeviceId {
        let members: Vec<DeviceId> = self.membership.roster().devices_in().collect();
        let known = members.get(script.below(members.len() + 1)).copied();
        known.unwrap_or(DeviceId(script.array()))
    }

    fn told(&self, script: &mut Script<'_>) -> Told {
        let addresses = |script: &mut Script<'_>| {
            (0..script.below(6)).map(|_| "x".repeat(usize::from(script.byte()))).collect()
        };
        let samples = (0..script.below(20)).map(|_| {
            let age_s = u16::from(script.byte());
            let (device, walk) = (self.somebody(script), script.byte());
            Sample { device, age_s, walk, addresses: addresses(script) }
        });
        let samples = samples.collect();
        Told { degree: script.byte(), addresses: addresses(script), samples }
    }

    /// A note of this device, or one that nobody has signed.
    fn note(&self, script: &mut Script<'_>, rng: &mut dyn CryptoRng) -> Note {
        let (epoch, key) = self.epochs.last().copied().unwrap_or((EpochId([0; 16]), [0; 32]));
        let (number, value) = (script.number(), script.bytes(200));
        let value = (script.below(4) > 0).then_some(value.as_slice());
        let under = (epoch, &EpochKey::from_bytes(key));
        let mut note = Note::seal(self.pseudonym, &self.identity, under, number, value, rng);
        match script.below(6) {
            0 => note.device = self.somebody(script),
            1 => note.signature = Signature::new([script.byte(); 64]),
            2 => note.ciphertext = Bytes(script.bytes(64)),
            _ => {}
        }
        note
    }

    /// What heads may say beyond their digest.
    fn detail(&mut self, script: &mut Script<'_>) -> Detail {
        let heads = self.heads_of(script);
        match script.below(5) {
            0 => Detail::None,
            4 => Detail::Unchanged,
            1 => {
                let mut numbers: Vec<u32> =
                    (0..script.below(4)).map(|_| u32::from(script.byte())).collect();
                numbers.sort_unstable();
                numbers.dedup();
                let changed = numbers.into_iter().map(|number| {
                    let (grown, hash) = (script.number(), script.array());
                    ChangedHead { number, grown, hash }
                });
                let changed = changed.collect();
                let membership = (script.below(2) == 1).then(|| script.array());
                Detail::Since { base: script.array(), membership, changed, new: heads }
            }
            _ => {
                let mut bounds: Vec<LogId> =
                    (0..script.below(4)).map(|_| self.log(script)).collect();
                bounds.sort_unstable();
                bounds.dedup();
                let ends = bounds.into_iter().map(Some).chain([None]);
                let mut range = |until: Option<LogId>| {
                    let holds = match script.below(4) {
                        0 => Holds::Unsaid,
                        1 => Holds::Digest(script.array()),
                        _ if until.is_none() => {
                            Holds::Heads { heads: heads.clone(), answer: script.below(2) == 1 }
                        }
                        _ => Holds::Heads { heads: vec![], answer: script.below(2) == 1 },
                    };
                    Range { until, holds }
                };
                let ranges = ends.map(&mut range).collect();
                Detail::Ranges { membership: script.array(), ranges }
            }
        }
    }

    fn heads_of(&mut self, script: &mut Script<'_>) -> Vec<LogHead> {
        let mut named = BTreeSet::new();
        let mut heads = Vec::new();
        for _ in 0..script.below(6) {
            let log = self.log(script);
            if named.insert(log) {
                heads.push(LogHead { log, seq: script.number(), hash: script.array() });
            }
        }
        if script.below(16) == 15 {
            let seed = script.byte();
            for n in 0..900_u16 {
                let hash = blake3::hash(&[seed, n.to_be_bytes()[0], n.to_be_bytes()[1]]);
                let log = LogId(first16(hash.as_bytes()));
                heads.push(LogHead { log, seq: script.number(), hash: [0; 4] });
            }
        }
        heads.sort_by_key(|head| head.log);
        heads
    }
}

/// A run as nobody would sign it.
fn forged(log: LogId, opening: Option<LogOpening>, first: u64, ciphertexts: &[Vec<u8>]) -> Vec<u8> {
    let under = Some((EpochId([0; 16]), AuthRef([0; 8])));
    let entries: Vec<_> =
        ciphertexts.iter().map(|ciphertext| (under, Bytes(ciphertext.clone()))).collect();
    envelope::wrap(1, 1, &(log, opening, first, entries, Signature::new([0; 64])))
}
