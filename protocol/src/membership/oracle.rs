//! The rules of `resolve` once more, by sets and definitions only, and random histories on which both agree.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::op::RootWord;
use super::*;
use crate::card::DeviceCard;
use crate::entry::{Bytes, Head, LogOpening, Signature};
use crate::identity::Identity;
use crate::ids::{EntryHash, EpochId, LogId, Time};

type Ops = BTreeMap<OpId, Op>;
type Stand = (Role, u32);

/// The definitions, given which restrictions are taken to count.
struct Naive<'a> {
    space: SpaceId,
    ops: &'a Ops,
    pasts: &'a BTreeMap<OpId, BTreeSet<OpId>>,
    accepted: BTreeSet<OpId>,
    holds: BTreeSet<OpId>,
    counts: BTreeSet<OpId>,
    entered: BTreeMap<DeviceId, OpId>,
    /// How authors stood, and whether a member that joined had no role before: fixed by an operation's past.
    authors: BTreeMap<OpId, Option<Stand>>,
    strangers: BTreeSet<OpId>,
    order: Vec<OpId>,
}

fn pasts(ops: &Ops) -> BTreeMap<OpId, BTreeSet<OpId>> {
    let mut pasts: BTreeMap<OpId, BTreeSet<OpId>> = BTreeMap::new();
    for id in order(ops) {
        let mut past = BTreeSet::new();
        for dep in &ops[&id].deps {
            past.insert(*dep);
            past.extend(pasts[dep].iter().copied());
        }
        pasts.insert(id, past);
    }
    pasts
}

fn order(ops: &Ops) -> Vec<OpId> {
    let mut done: Vec<OpId> = Vec::new();
    while done.len() < ops.len() {
        let next = ops
            .values()
            .find(|op| !done.contains(&op.id) && op.deps.iter().all(|dep| done.contains(dep)));
        done.push(next.unwrap().id);
    }
    done
}

fn restricts(op: &Op) -> bool {
    match &op.body {
        OpBody::Remove { .. } | OpBody::Revoke { .. } => true,
        OpBody::SetRole { role, .. } => *role != Role::Admin,
        _ => false,
    }
}

impl Naive<'_> {
    fn evaluate(&mut self) {
        for id in self.order.clone() {
            let op = &self.ops[&id];
            self.authors.insert(id, self.stood(op));
            if op.card().is_some_and(|card| self.member(card.member, Some(id)).is_none()) {
                self.strangers.insert(id);
            }
            let voided = self.accepted.iter().any(|r| self.voids(&self.ops[r], op));
            if !voided && self.entitled(op) {
                self.holds.insert(id);
                if !restricts(op) || self.accepted.contains(&id) {
                    self.counts.insert(id);
                    if op.card().is_some() {
                        self.entered.insert(op.author, id);
                    }
                }
            }
        }
    }

    fn owner(&self, device: DeviceId) -> Option<MemberId> {
        self.entered.get(&device).map(|id| self.ops[id].card().unwrap().member)
    }

    /// The last of some marks that lie in `within`: those in no other's past.
    fn last(&self, marks: &[(OpId, Option<Role>, u32)], within: Option<OpId>) -> Option<Stand> {
        let inside: Vec<_> = marks
            .iter()
            .filter(|(id, ..)| within.is_none_or(|at| self.pasts[&at].contains(id)))
            .collect();
        let last: Vec<_> = inside
            .iter()
            .filter(|(id, ..)| !inside.iter().any(|(other, ..)| self.pasts[other].contains(id)))
            .collect();
        let role = last.iter().map(|(_, role, _)| *role).min()??;
        Some((role, last.iter().map(|(.., depth)| *depth).max()?))
    }

    fn member(&self, member: MemberId, within: Option<OpId>) -> Option<Stand> {
        let mut marks = Vec::new();
        let inside = |id: &&OpId| within.is_none_or(|at| self.pasts[&at].contains(id));
        for id in self.counts.iter().filter(inside) {
            let op = &self.ops[id];
            match &op.body {
                OpBody::Create { founder, .. } if founder.member == member => {
                    marks.push((*id, Some(Role::Admin), 0));
                }
                OpBody::Join { invite, card, .. }
                    if card.member == member && self.strangers.contains(id) =>
                {
                    let by = self.author(&self.ops[invite]).unwrap().1;
                    let OpBody::Invite { role, .. } = self.ops[invite].body else { panic!() };
                    marks.push((*id, Some(role), by + 1));
                }
                OpBody::AddMember { member: whom, role } if *whom == member => {
                    marks.push((*id, Some(*role), self.author(op).unwrap().1 + 1));
                }
                OpBody::SetRole { member: whom, role, .. } if *whom == member => {
                    let own = self.owner(op.author) == Some(member);
                    let depth = self.author(op).unwrap().1 + u32::from(!own);
                    marks.push((*id, Some(*role), depth));
                }
                OpBody::Remove { subject: Subject::Member(whom), .. } if *whom == member => {
                    marks.push((*id, None, self.author(op).unwrap().1 + 1));
                }
                _ => {}
            }
        }
        self.last(&marks, within)
    }

    fn is_in(&self, device: DeviceId, within: Option<OpId>) -> bool {
        let mut marks = Vec::new();
        for id in &self.counts {
            let op = &self.ops[id];
            if op.card().is_some() && op.author == device {
                marks.push((*id, Some(Role::Relay), 0));
            }
            let taken = match &op.body {
                OpBody::Remove { subject: Subject::Device(whom), .. } => *whom == device,
                OpBody::Remove { subject: Subject::Member(whom), .. } => {
                    self.owner(device) == Some(*whom) && self.came_before(device, *id)
                }
                _ => false,
            };
            if taken {
                marks.push((*id, None, 0));
            }
        }
        self.last(&marks, within).is_some()
    }

    /// Whether a device was let in before an operation, in canonical order.
    fn came_before(&self, device: DeviceId, id: OpId) -> bool {
        let at = self.order.iter().position(|other| *other == id).unwrap();
        self.order[..at].iter().any(|other| {
            let op = &self.ops[other];
            self.counts.contains(other) && op.card().is_some() && op.author == device
        })
    }

    fn author(&self, op: &Op) -> Option<Stand> {
        self.authors.get(&op.id).copied().flatten()
    }

    fn stood(&self, op: &Op) -> Option<Stand> {
        let owner = self.owner(op.author)?;
        if !self.is_in(op.author, Some(op.id)) {
            return None;
        }
        self.member(owner, Some(op.id))
    }

    fn is_own(&self, op: &Op) -> bool {
        let own = self.owner(op.author);
        own.is_some()
            && match &op.body {
                OpBody::SetRole { member, .. }
                | OpBody::Remove { subject: Subject::Member(member), .. } => own == Some(*member),
                OpBody::Remove { subject: Subject::Device(device), .. } => {
                    own == self.owner(*device)
                }
                _ => false,
            }
    }

    fn need(&self, op: &Op) -> Option<Role> {
        match &op.body {
            OpBody::Create { .. } | OpBody::Fork(_) => None,
            OpBody::Join { .. } | OpBody::AddDevice { .. } | OpBody::Plea { .. } => {
                Some(Role::Relay)
            }
            OpBody::Epoch { .. } => Some(Role::Write),
            OpBody::Adopt { log, .. } if log.device == op.author => Some(Role::Relay),
            OpBody::Remove { .. } if self.is_own(op) => Some(Role::Relay),
            _ => Some(Role::Admin),
        }
    }

    fn voids(&self, by: &Op, op: &Op) -> bool {
        if by.id == op.id || self.pasts[&by.id].contains(&op.id) {
            return false;
        }
        if let OpBody::Revoke { invite } = &by.body {
            return matches!(&op.body, OpBody::Join { invite: used, .. } if used == invite);
        }
        if self.pasts[&op.id].contains(&by.id) {
            return false;
        }
        let owner = op.card().map(|card| card.member).or_else(|| self.owner(op.author));
        match &by.body {
            OpBody::Remove { subject: Subject::Member(member), .. } => {
                owner == Some(*member) && self.need(op).is_some()
            }
            OpBody::SetRole { member, role, .. } => {
                owner == Some(*member) && self.need(op).is_some_and(|need| need > *role)
            }
            OpBody::Remove { subject: Subject::Device(device), .. } => {
                let via = op.card().is_some_and(|card| {
                    card.certificate.via.iter().any(|voucher| voucher.device == *device)
                });
                (op.author == *device || via) && self.need(op).is_some()
            }
            _ => false,
        }
    }

    fn may_enter(&self, op: &Op, card: &DeviceCard) -> bool {
        let vouched = card.certificate.via.iter().all(|voucher| {
            let met = self.counts.iter().any(|id| {
                let other = &self.ops[id];
                let about = other.card().is_some() && other.author == voucher.device
                    || matches!(&other.body, OpBody::Remove { subject: Subject::Device(d), .. }
                        if *d == voucher.device)
                    || matches!(&other.body, OpBody::Remove { subject: Subject::Member(m), .. }
                        if self.owner(voucher.device) == Some(*m)
                            && self.came_before(voucher.device, *id));
                about && self.pasts[&op.id].contains(id)
            });
            !met || self.is_in(voucher.device, Some(op.id))
        });
        self.owner(op.author).is_none_or(|owner| owner == card.member) && vouched
    }

    fn entitled(&self, op: &Op) -> bool {
        let author = self.author(op);
        let may = |role| author.is_some_and(|(has, _)| has >= role);
        let above = |target: Option<Stand>| {
            target.is_some_and(|(_, depth)| author.is_some_and(|(_, own)| own <= depth))
        };
        let at = Some(op.id);
        match &op.body {
            OpBody::Create { .. } => op.id.0 == self.space.0,
            OpBody::Join { invite, card, proof } => {
                let Some(OpBody::Invite { key, uses, .. }) = self.ops.get(invite).map(|o| &o.body)
                else {
                    return false;
                };
                let used = self.counts.iter().filter(|id| {
                    matches!(&self.ops[id].body, OpBody::Join { invite: other, .. } if other == invite)
                });
                let message = join_proof(self.space, *invite, card);
                self.counts.contains(invite)
                    && (used.count() as u32) < *uses
                    && identity::verify(key, &message, &proof.bytes())
                    && self.may_enter(op, card)
            }
            OpBody::AddDevice { card } => {
                self.member(card.member, at).is_some() && self.may_enter(op, card)
            }
            OpBody::AddMember { member, .. } => {
                may(Role::Admin) && self.member(*member, at).is_none()
            }
            OpBody::SetRole { member, .. } => {
                let target = self.member(*member, at);
                may(Role::Admin) && (target.is_some() && self.is_own(op) || above(target))
            }
            OpBody::Remove { subject, root, .. } => {
                let target = match subject {
                    Subject::Member(member) => self.member(*member, at),
                    Subject::Device(device) if self.is_in(*device, at) => {
                        self.owner(*device).and_then(|owner| self.member(owner, at))
                    }
                    Subject::Device(_) => None,
                };
                let own = self.is_own(op);
                root.is_none_or(|root| own && self.owner(op.author) == Some(root.member))
                    && target.is_some()
                    && author.is_some()
                    && (own || may(Role::Admin) && above(target))
            }
            OpBody::Invite { .. } | OpBody::Revoke { .. } | OpBody::Checkpoint { .. } => {
                may(Role::Admin)
            }
            OpBody::Epoch { .. } => may(Role::Write),
            OpBody::Adopt { log, .. } => {
                may(Role::Admin) || log.device == op.author && author.is_some()
            }
            OpBody::Plea { .. } => may(Role::Read),
            OpBody::Fork(_) => true,
        }
    }
}

fn naive<'a>(
    space: SpaceId,
    ops: &'a Ops,
    pasts: &'a BTreeMap<OpId, BTreeSet<OpId>>,
    accepted: &BTreeSet<OpId>,
) -> Naive<'a> {
    let (holds, counts) = (BTreeSet::new(), BTreeSet::new());
    let accepted = accepted.clone();
    let (entered, authors, strangers) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    let order = order(ops);
    let mut naive =
        Naive { space, ops, pasts, accepted, holds, counts, entered, authors, strangers, order };
    naive.evaluate();
    naive
}

/// Settles restrictions one by one, by rank, with circles of equal rank left out.
fn settle<'a>(
    space: SpaceId,
    ops: &'a Ops,
    pasts: &'a BTreeMap<OpId, BTreeSet<OpId>>,
) -> Naive<'a> {
    let mut accepted = BTreeSet::new();
    let none = naive(space, ops, pasts, &accepted);
    let order = order(ops);
    let mut ranks: BTreeMap<(u32, usize), Vec<OpId>> = BTreeMap::new();
    for id in order.iter().filter(|id| restricts(&ops[id]) && none.holds.contains(id)) {
        let op = &ops[id];
        let rooted = matches!(op.body, OpBody::Remove { root: Some(_), .. });
        let card = ops[&none.entered[&op.author]].card().unwrap();
        let rung = if rooted { 0 } else { 1 + card.certificate.via.len() };
        ranks.entry((none.author(op).unwrap().1, rung)).or_default().push(*id);
    }
    for group in ranks.values() {
        let now = naive(space, ops, pasts, &accepted);
        let group: Vec<OpId> = group.iter().filter(|id| now.holds.contains(id)).copied().collect();
        let edge = |a: &OpId, b: &OpId| now.voids(&ops[a], &ops[b]);
        let mut reach: BTreeSet<(OpId, OpId)> = BTreeSet::new();
        for a in &group {
            reach.extend(group.iter().filter(|b| edge(a, b)).map(|b| (*a, *b)));
        }
        for middle in &group {
            for a in &group {
                for b in &group {
                    if reach.contains(&(*a, *middle)) && reach.contains(&(*middle, *b)) {
                        reach.insert((*a, *b));
                    }
                }
            }
        }
        let mut left: Vec<OpId> = group;
        left.retain(|id| !reach.contains(&(*id, *id)));
        while !left.is_empty() {
            let at = (0..left.len())
                .find(|at| !left.iter().any(|other| reach.contains(&(*other, left[*at]))))
                .unwrap();
            let id = left.remove(at);
            let mut with = accepted.clone();
            with.insert(id);
            let then = naive(space, ops, pasts, &with);
            if with.iter().all(|id| then.holds.contains(id)) {
                accepted = with;
            }
        }
    }
    naive(space, ops, pasts, &accepted)
}

/// Compares what the engine made of the operations with what the definitions say.
fn compare(space: SpaceId, membership: &Membership, what: &str) {
    let ops: Ops = membership.in_order().map(|op| (op.id, op.clone())).collect();
    let pasts = pasts(&ops);
    let oracle = settle(space, &ops, &pasts);
    let roster = membership.roster();
    for member in membership.members.0.keys() {
        let engine = roster.members.get(member).map(|member| (member.role, member.depth));
        assert_eq!(engine, oracle.member(*member, None), "{member:?} {what}");
    }
    for device in membership.devices.0.keys() {
        let engine = roster.devices.get(device).map(|known| (known.card.member, known.active));
        let naive = oracle.owner(*device).map(|owner| (owner, oracle.is_in(*device, None)));
        assert_eq!(engine, naive, "{device:?} {what}");
    }
    for op in ops.values().filter(|op| matches!(op.body, OpBody::Invite { .. })) {
        let known = roster.invites.get(&op.id);
        assert_eq!(known.is_some(), oracle.counts.contains(&op.id), "{:?} {what}", op.id);
    }
    for op in ops.values() {
        let OpBody::Checkpoint { cut } = &op.body else { continue };
        let knows = |id: &OpId| *id == op.id || pasts[id].contains(&op.id);
        let shows = |by: &Op| {
            let at = Some(by.id);
            let admin = |device: &DeviceId| {
                let owner = oracle.owner(*device);
                let role = owner.and_then(|owner| oracle.member(owner, at));
                oracle.is_in(*device, at) && role.is_some_and(|(role, _)| role == Role::Admin)
            };
            let admins: BTreeSet<DeviceId> =
                ops.values().map(|op| op.author).filter(admin).collect();
            admins.iter().all(|device| {
                *device == by.author
                    || oracle.counts.iter().any(|id| {
                        ops[id].author == *device && knows(id) && pasts[&by.id].contains(id)
                    })
            })
        };
        let stands = oracle.counts.contains(&op.id)
            && ops.values().any(|by| {
                matches!(by.body, OpBody::Checkpoint { .. })
                    && oracle.counts.contains(&by.id)
                    && knows(&by.id)
                    && shows(by)
            });
        for cut in cut {
            let place = (cut.log.device, cut.log.incarnation);
            let least = roster.checkpoints.get(&place).map_or(0, |head| head.seq);
            assert!(!stands || least >= cut.head.seq, "{:?} {what}", op.id);
            let limit = roster.limits.get(&place).map_or(u64::MAX, |head| head.seq);
            assert!(!stands || limit >= cut.head.seq, "{:?} {what}", op.id);
        }
    }
    let cuts: Vec<&Cut> = ops
        .values()
        .filter_map(|op| match &op.body {
            OpBody::Checkpoint { cut } if oracle.counts.contains(&op.id) => Some(cut),
            _ => None,
        })
        .flatten()
        .collect();
    for (place, head) in &roster.checkpoints {
        let said = |cut: &&&Cut| (cut.log.device, cut.log.incarnation) == *place;
        assert!(cuts.iter().filter(said).any(|cut| cut.head == *head), "{what}");
    }
    for (id, epoch) in &roster.epochs {
        let valid = ops.values().any(|op| {
            matches!(&op.body, OpBody::Epoch { epoch, .. } if epoch == id)
                && oracle.counts.contains(&op.id)
        });
        assert_eq!(epoch.valid, valid, "{id:?} {what}");
    }
}

/// Three people with two devices each, and a secret of all invites.
struct Cast {
    devices: Vec<Identity>,
    cards: Vec<DeviceCard>,
    roots: Vec<ed25519_dalek::SigningKey>,
    secret: Identity,
}

fn cast() -> Cast {
    use ed25519_dalek::Signer as _;
    let devices: Vec<Identity> =
        (0..8).map(|n| Identity::generate(&mut ChaCha8Rng::seed_from_u64(n))).collect();
    let roots: Vec<_> = (0..4).map(|n| ed25519_dalek::SigningKey::from_bytes(&[n; 32])).collect();
    let mut cards: Vec<DeviceCard> = Vec::new();
    for (n, device) in devices.iter().enumerate() {
        let root = &roots[n / 2];
        let member = MemberId(root.verifying_key().to_bytes());
        let (id, kem) = (device.device(), device.kem_public());
        let card = if n % 2 == 1 {
            let sign = |message: &[u8]| devices[n - 1].sign(message);
            DeviceCard::certify(member, Some(&cards[n - 1]), id, kem, sign)
        } else {
            DeviceCard::certify(member, None, id, kem, |m| root.sign(m).to_bytes())
        };
        cards.push(card);
    }
    Cast { devices, cards, roots, secret: Identity::generate(&mut ChaCha8Rng::seed_from_u64(99)) }
}

fn pick(rng: &mut ChaCha8Rng, below: usize) -> usize {
    (rng.next_u32() as usize) % below
}

impl Cast {
    fn body(
        &self,
        rng: &mut ChaCha8Rng,
        space: SpaceId,
        ops: &[Op],
        deps: &mut Vec<OpId>,
        who: usize,
    ) -> OpBody {
        use ed25519_dalek::Signer as _;
        let member = |n: usize| self.cards[n].member;
        let roles = [Role::Relay, Role::Read, Role::Write, Role::Admin, Role::Admin];
        let role = roles[pick(rng, roles.len())];
        let whom = pick(rng, self.cards.len());
        let invites: Vec<&Op> =
            ops.iter().filter(|op| matches!(op.body, OpBody::Invite { .. })).collect();
        let log = LogOpening { device: self.devices[whom].device(), incarnation: 1 };
        let head = Head { seq: 1 + pick(rng, 4) as u64, hash: EntryHash([7; 32]) };
        let cut = if pick(rng, 2) == 0 { vec![] } else { vec![Cut { log, head }] };
        match pick(rng, 18) {
            0 | 1 => {
                let key = self.secret.device().0;
                OpBody::Invite { key, role, expires: Time(0), uses: 1 + pick(rng, 2) as u32 }
            }
            2 | 3 if !invites.is_empty() => {
                let invite = invites[pick(rng, invites.len())].id;
                deps.push(invite);
                let card = self.cards[who].clone();
                let proof = Signature::new(self.secret.sign(&join_proof(space, invite, &card)));
                OpBody::Join { invite, card, proof }
            }
            4 | 5 => OpBody::AddMember { member: member(whom), role },
            6 | 7 => OpBody::AddDevice { card: self.cards[who].clone() },
            8 | 9 => OpBody::SetRole { member: member(whom), role, cut },
            10 | 11 => OpBody::Remove { subject: Subject::Member(member(whom)), cut, root: None },
            12 => {
                let subject = Subject::Device(self.devices[whom].device());
                let message = RootWord::statement(space, subject, self.devices[who].device());
                let signature = Signature::new(self.roots[who / 2].sign(&message).to_bytes());
                let rooted = pick(rng, 2) == 0;
                let root = rooted.then_some(RootWord { member: member(who), signature });
                OpBody::Remove { subject, cut, root }
            }
            13 if !invites.is_empty() => {
                let invite = invites[pick(rng, invites.len())].id;
                deps.push(invite);
                OpBody::Revoke { invite }
            }
            14 => OpBody::Adopt { log, head },
            16 | 17 => OpBody::Checkpoint { cut },
            _ => OpBody::Epoch {
                epoch: EpochId([pick(rng, 3) as u8; 16]),
                log: LogId([1; 16]),
                seq: 1,
                made: Time(0),
                earlier: vec![],
                wraps: vec![(self.devices[whom].device(), Bytes(vec![0; 80]))],
            },
        }
    }

    /// A random history: everybody does anything, knowing anything.
    fn history(&self, seed: u64, length: usize) -> (SpaceId, Vec<Op>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let create =
            OpBody::Create { founder: self.cards[0].clone(), salt: [0; 16], history: History::All };
        let create = Op::sign(None, vec![], create, &self.devices[0]);
        let space = SpaceId(create.id.0);
        let mut ops = vec![create];
        // Most histories start with everybody let in as an admin, so that there is something to fight about.
        if pick(&mut rng, 4) > 0 {
            for (n, by) in [(2, 0), (4, pick(&mut rng, 2) * 2), (6, pick(&mut rng, 3) * 2)] {
                let member = self.cards[n].member;
                let deps = vec![ops[ops.len() - 1].id];
                let body = OpBody::AddMember { member, role: Role::Admin };
                ops.push(Op::sign(Some(space), deps, body, &self.devices[by]));
                let deps = vec![ops[ops.len() - 1].id];
                let body = OpBody::AddDevice { card: self.cards[n].clone() };
                ops.push(Op::sign(Some(space), deps, body, &self.devices[n]));
            }
        }
        let shared = ops.len();
        while ops.len() < shared + length {
            let who = pick(&mut rng, self.devices.len());
            let recent = ops.len() - shared.min(ops.len());
            let mut deps: Vec<OpId> = (0..1 + pick(&mut rng, 2))
                .map(|_| {
                    let back = pick(&mut rng, 1 + recent.min(6));
                    ops[ops.len() - 1 - back].id
                })
                .collect();
            let body = self.body(&mut rng, space, &ops, &mut deps, who);
            ops.push(Op::sign(Some(space), deps, body, &self.devices[who]));
        }
        (space, ops)
    }
}

fn shuffled(rng: &mut ChaCha8Rng, ops: &[Op]) -> Vec<Op> {
    let mut ops = ops.to_vec();
    for index in (1..ops.len()).rev() {
        ops.swap(index, pick(rng, index + 1));
    }
    ops
}

/// How many random histories: a long run sets `MEMBERSHIP_HISTORIES`.
fn histories() -> u64 {
    std::env::var("MEMBERSHIP_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000)
}

fn agree(seeds: std::ops::Range<u64>) {
    let cast = cast();
    for seed in seeds {
        let (space, ops) = cast.history(seed, 2 + (seed % 11) as usize);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut one = Membership::default();
        // All at once, and one by one in any order, what waits for predecessors tried again.
        one.insert(space, shuffled(&mut rng, &ops));
        let mut other = Membership::default();
        let mut waiting = shuffled(&mut rng, &ops);
        while !waiting.is_empty() {
            waiting.retain(|op| {
                other.insert(space, vec![op.clone()]);
                !other.places.contains_key(&op.id)
            });
        }
        assert_eq!(one.roster(), other.roster(), "seed {seed}");
        if seed % 4 == 0 {
            compare(space, &one, &format!("seed {seed}"));
        }
    }
}

#[test]
fn random_histories_resolve_as_the_definitions_say_whatever_the_order_1_of_2() {
    agree(0..histories() / 2);
}

#[test]
fn random_histories_resolve_as_the_definitions_say_whatever_the_order_2_of_2() {
    agree(histories() / 2..histories());
}

/// Inserts operations in every order that keeps predecessors first; tells how many there were.
fn every_order(
    space: SpaceId,
    left: &[Op],
    sofar: &Membership,
    expected: &Roster,
    budget: &mut u64,
) {
    if left.is_empty() {
        assert_eq!(sofar.roster(), expected);
        *budget = budget.saturating_sub(1);
        return;
    }
    for at in 0..left.len() {
        if *budget == 0 {
            return;
        }
        let mut next = sofar.clone();
        next.insert(space, vec![left[at].clone()]);
        if !next.places.contains_key(&left[at].id) {
            continue;
        }
        let mut rest = left.to_vec();
        rest.remove(at);
        every_order(space, &rest, &next, expected, budget);
    }
}

#[test]
fn small_histories_resolve_alike_in_every_order() {
    let cast = cast();
    for seed in 0..60 {
        let (space, ops) = cast.history(1_000_000 + seed, 5);
        let mut all = Membership::default();
        all.insert(space, ops.clone());
        let (first, rest) = ops.split_at(ops.len() - 5);
        let mut start = Membership::default();
        start.insert(space, first.to_vec());
        every_order(space, rest, &start, all.roster(), &mut 120);
    }
}
