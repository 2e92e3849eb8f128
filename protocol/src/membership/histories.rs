//! Long histories of membership operations, in the shapes that cost the resolver most: for benches.
//!
//! Everything is signed and inserted as in a replica, except that signatures are not verified again. Deliberately not
//! here: random histories (`oracle` has them), and clocks, which belong to the bench.

use rand_core::{TryCryptoRng, TryRng};

use super::{Membership, Op, OpBody, Role, Subject, resolve};
use crate::identity::Identity;
use crate::ids::{OpId, SpaceId, Time};

/// How a history is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One admin invites again and again.
    Chain,
    /// 64 admins who know nothing of each other invite again and again; then one of them hears of all.
    Wide,
    /// Members are let in and removed, one after the other.
    Removals,
    /// Admins remove members of each other without knowing of each other.
    Apart,
    /// As many members as there can be, each with a device.
    Devices,
    /// Two admins: each removes the other again and again, not knowing of the other's removals, and members besides.
    Quarrel,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Chain, Self::Wide, Self::Removals, Self::Apart, Self::Devices, Self::Quarrel];
}

/// Operations of one space, with one more.
#[derive(Clone)]
pub struct History {
    space: SpaceId,
    membership: Membership,
    next: Op,
}

impl History {
    /// At least so many operations, and few more.
    #[must_use]
    pub fn new(shape: Shape, operations: usize) -> Self {
        let mut scribe = Scribe::new();
        match shape {
            Shape::Chain => {
                while scribe.ops.len() < operations {
                    scribe.invite(0, Scribe::last);
                }
            }
            Shape::Wide => wide(&mut scribe, operations),
            Shape::Removals => {
                while scribe.ops.len() < operations {
                    let who = scribe.member(0, Role::Write);
                    scribe.remove(0, who, Scribe::last);
                }
            }
            Shape::Apart => apart(&mut scribe, operations),
            Shape::Devices => {
                while scribe.ops.len() < operations {
                    scribe.member(0, Role::Write);
                }
            }
            Shape::Quarrel => quarrel(&mut scribe, operations),
        }
        let Scribe { space, people, ops, .. } = scribe;
        let mut membership = Membership::default();
        membership.insert(space, ops);
        let deps = membership.heads();
        let next =
            people.first().map(|founder| Op::sign(Some(space), deps, open_invite(), founder));
        Self { space, membership, next: next.expect("there is a founder") }
    }

    /// Resolves all of them from nothing; tells how many members there are.
    #[must_use]
    pub fn resolve(&self) -> usize {
        resolve::resolve(self.space, &self.membership).0.members.len()
    }

    /// Takes in one more.
    pub fn add_one(&mut self) {
        self.membership.insert(self.space, vec![self.next.clone()]);
    }
}

fn wide(scribe: &mut Scribe, operations: usize) {
    let admins: Vec<usize> = (0..63).map(|_| scribe.member(0, Role::Admin)).collect();
    let start = scribe.last();
    let mut lines: Vec<(usize, OpId)> = admins.into_iter().map(|who| (who, start)).collect();
    while scribe.ops.len() < operations {
        for (who, last) in &mut lines {
            *last = scribe.op(*who, vec![*last], open_invite());
        }
    }
    let heads = lines.into_iter().map(|(_, last)| last).collect();
    scribe.op(0, heads, open_invite());
}

fn apart(scribe: &mut Scribe, operations: usize) {
    let admins: Vec<usize> = (0..8).map(|_| scribe.member(0, Role::Admin)).collect();
    let mut targets = Vec::new();
    while scribe.ops.len() < operations * 2 / 3 {
        targets.push(scribe.member(0, Role::Write));
    }
    let start = scribe.last();
    let mut lines: Vec<(usize, OpId)> = admins.into_iter().map(|who| (who, start)).collect();
    for (who, place) in targets.into_iter().zip((0..lines.len()).cycle()) {
        if let Some((by, last)) = lines.get_mut(place) {
            *last = scribe.remove(*by, who, |_| *last);
        }
    }
}

fn quarrel(scribe: &mut Scribe, operations: usize) {
    let (one, other) = (scribe.member(0, Role::Admin), scribe.member(0, Role::Admin));
    let mut targets = Vec::new();
    while scribe.ops.len() < operations / 2 {
        targets.push(scribe.member(0, Role::Write));
    }
    let mut lasts = [scribe.last(); 2];
    while scribe.ops.len() < operations {
        for ((by, whom), last) in [(one, other), (other, one)].into_iter().zip(&mut lasts) {
            *last = scribe.remove(by, whom, |_| *last);
            if let Some(target) = targets.pop() {
                *last = scribe.remove(by, target, |_| *last);
            }
        }
    }
}

fn open_invite() -> OpBody {
    OpBody::Invite { key: [7; 32], role: Role::Read, expires: Time(0), uses: 1 }
}

/// Writes operations for everybody.
struct Scribe {
    space: SpaceId,
    people: Vec<Identity>,
    ops: Vec<Op>,
    bytes: Counting,
}

impl Scribe {
    fn new() -> Self {
        let mut bytes = Counting(0);
        let founder = Identity::generate(&mut bytes);
        let (salt, history) = ([0; 16], super::History::All);
        let body = OpBody::Create { founder: founder.card(), salt, history };
        let create = Op::sign(None, vec![], body, &founder);
        let space = SpaceId(create.id.0);
        Self { space, people: vec![founder], ops: vec![create], bytes }
    }

    fn last(&self) -> OpId {
        self.ops.last().map(|op| op.id).expect("the space has been created")
    }

    fn op(&mut self, by: usize, deps: Vec<OpId>, body: OpBody) -> OpId {
        let by = self.people.get(by).expect("somebody writes");
        self.ops.push(Op::sign(Some(self.space), deps, body, by));
        self.last()
    }

    fn invite(&mut self, by: usize, after: impl Fn(&Self) -> OpId) {
        let deps = vec![after(self)];
        self.op(by, deps, open_invite());
    }

    /// Somebody new with a device.
    fn member(&mut self, by: usize, role: Role) -> usize {
        let who = self.people.len();
        let person = Identity::generate(&mut self.bytes);
        let (member, card) = (person.member(), person.card());
        self.people.push(person);
        let added = self.op(by, vec![self.last()], OpBody::AddMember { member, role });
        self.op(who, vec![added], OpBody::AddDevice { card });
        who
    }

    fn remove(&mut self, by: usize, whom: usize, after: impl Fn(&Self) -> OpId) -> OpId {
        let member = self.people.get(whom).map(Identity::member).expect("somebody is removed");
        let body = OpBody::Remove { subject: Subject::Member(member), cut: vec![], root: None };
        let deps = vec![after(self)];
        self.op(by, deps, body)
    }
}

/// Bytes that are never the same twice, and the same in every run.
struct Counting(u64);

impl TryRng for Counting {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0 += 1;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0.to_le_bytes());
        hasher.finalize_xof().fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Counting {}
