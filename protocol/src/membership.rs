//! Who belongs to a space: signed operations, and the roster they resolve to.
//!
//! Data in: operations in any order. Data out: a [`Roster`], a pure function of the set of operations, so
//! every device that holds the same set sees the same members. `op` is what is signed, `past` what each
//! operation builds on, `resolve` the rules, `roster` what comes of them. Deliberately not here: names,
//! which travel encrypted; entries, which the roster only bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::entry::AuthRef;
use crate::identity;
use crate::ids::{DeviceId, MemberId, OpId, SpaceId};
use crate::limits;

#[cfg(feature = "histories")]
#[doc(hidden)]
pub mod histories;
mod op;
mod past;
mod resolve;
mod roster;

pub use op::RootWord;
pub(crate) use op::{Cut, Op, OpBody, Subject, join_proof};
pub(crate) use roster::{Epoch, Limit, Roster};

use past::Past;

/// What a member may do; each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Store and forward ciphertext.
    Relay,
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Read, write, and invite others.
    Admin,
}

/// What of a space's past those who are let in later can read. The founder decides, for good.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// All of it.
    #[default]
    All,
    /// What is written from their entry on, and the objects as they are then, on the word of a member.
    FromJoin,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::FromJoin => "from-join",
        })
    }
}

impl FromStr for History {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "from-join" => Ok(Self::FromJoin),
            _ => Err(format!("'{text}' is neither all nor from-join")),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relay => "relay",
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "relay" => Ok(Self::Relay),
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            _ => Err(format!("'{text}' is no role; roles are relay, read, write, admin")),
        }
    }
}

/// One operation among those it builds on. Places are numbers in the order of arrival.
#[derive(Clone, Debug)]
struct Node {
    op: Op,
    past: Past,
    deps: Vec<usize>,
    author: usize,
    /// Whose device the author says it is.
    member: Option<usize>,
    /// The devices that vouch for the author's.
    via: Vec<usize>,
    /// Whom it takes rights from, or gives a role.
    target: Option<Target>,
    /// The invite that it is about.
    invite: Option<usize>,
    /// Whether the proof of a join is by that invite's key.
    invited: bool,
}

/// Whom an operation is about, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Member(usize),
    Device(usize),
    Invite(usize),
}

/// Numbers for ids that are met one by one.
#[derive(Clone, Debug)]
struct Numbers<T>(BTreeMap<T, usize>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Numbers<T> {
    fn of(&mut self, id: T) -> usize {
        let next = self.0.len();
        *self.0.entry(id).or_insert(next)
    }

    fn ids(&self) -> Vec<&T> {
        let mut ids: Vec<(&usize, &T)> = self.0.iter().map(|(id, number)| (number, id)).collect();
        ids.sort_unstable_by_key(|(number, _)| **number);
        ids.into_iter().map(|(_, id)| id).collect()
    }
}

/// The operations of one space that are known here, with the roster they resolve to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership {
    nodes: Vec<Node>,
    places: BTreeMap<OpId, usize>,
    devices: Numbers<DeviceId>,
    members: Numbers<MemberId>,
    bytes: usize,
    heads: BTreeSet<OpId>,
    roster: Roster,
    /// By place: whether the operation counts.
    counts: Vec<bool>,
}

impl Membership {
    /// Adds operations; returns those that were new and whose predecessors are all here.
    pub(crate) fn insert(&mut self, space: SpaceId, ops: Vec<Op>) -> Vec<Op> {
        let mut waiting = ops;
        let mut added = Vec::new();
        loop {
            let before = waiting.len();
            let mut blocked = Vec::new();
            for op in waiting {
                if self.places.contains_key(&op.id) {
                    continue;
                }
                if op.deps.iter().all(|dep| self.places.contains_key(dep)) && self.room(&op) {
                    added.push(op.clone());
                    self.add(space, op);
                } else {
                    blocked.push(op);
                }
            }
            if blocked.len() == before || blocked.is_empty() {
                break;
            }
            waiting = blocked;
        }
        if !added.is_empty() {
            (self.roster, self.counts) = resolve::resolve(space, self);
        }
        added
    }

    fn room(&self, op: &Op) -> bool {
        self.nodes.len() < limits::OPS_PER_SPACE_MAX
            && self.bytes + op.bytes.len() <= limits::OPS_BYTES_PER_SPACE_MAX
    }

    fn add(&mut self, space: SpaceId, op: Op) {
        let deps: Vec<usize> =
            op.deps.iter().filter_map(|dep| self.places.get(dep).copied()).collect();
        let known = deps.iter().filter_map(|dep| Some((*dep, &self.nodes.get(*dep)?.past)));
        let past = Past::of(known);
        for dep in &op.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(op.id);
        self.places.insert(op.id, self.nodes.len());
        self.bytes += op.bytes.len();
        let author = self.devices.of(op.author);
        let mut node = Node {
            op,
            past,
            deps,
            author,
            member: None,
            via: Vec::new(),
            target: None,
            invite: None,
            invited: false,
        };
        if let Some(card) = node.op.card() {
            node.member = Some(self.members.of(card.member));
            let via = card.certificate.via.iter();
            node.via = via.map(|voucher| self.devices.of(voucher.device)).collect();
        }
        self.relate(space, &mut node);
        self.nodes.push(node);
    }

    /// Notes what an operation is about.
    fn relate(&mut self, space: SpaceId, node: &mut Node) {
        match &node.op.body {
            OpBody::AddMember { member, .. } | OpBody::SetRole { member, .. } => {
                node.target = Some(Target::Member(self.members.of(*member)));
            }
            OpBody::Remove { subject: Subject::Member(member), .. } => {
                node.target = Some(Target::Member(self.members.of(*member)));
            }
            OpBody::Remove { subject: Subject::Device(device), .. } => {
                node.target = Some(Target::Device(self.devices.of(*device)));
            }
            OpBody::Revoke { invite } => {
                let place = self.places.get(invite).copied();
                node.target = place.filter(|p| node.past.contains(*p)).map(Target::Invite);
            }
            OpBody::Join { invite, card, proof } => {
                node.invite = self.places.get(invite).copied();
                let named = node.invite.and_then(|place| self.nodes.get(place));
                if let Some(OpBody::Invite { key, .. }) = named.map(|named| &named.op.body) {
                    let message = join_proof(space, *invite, card);
                    node.invited = identity::verify(key, &message, &proof.bytes());
                }
            }
            _ => {}
        }
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Whether an operation is here and counts.
    pub(crate) fn counts(&self, id: OpId) -> bool {
        let place = self.places.get(&id);
        place.and_then(|place| self.counts.get(*place)).copied().unwrap_or(false)
    }

    /// The latest operation that lets a member in or gives it a role, of those that count.
    pub(crate) fn standing_of(&self, member: MemberId) -> Option<OpId> {
        let number = self.members.0.get(&member).copied();
        let gives = |node: &Node| match &node.op.body {
            OpBody::Create { .. } | OpBody::Join { .. } => node.member == number,
            OpBody::AddMember { .. } | OpBody::SetRole { .. } => {
                node.target == number.map(Target::Member)
            }
            _ => false,
        };
        let mut latest = self.nodes.iter().zip(&self.counts).rev();
        latest.find(|(node, counts)| **counts && gives(node)).map(|(node, _)| node.op.id)
    }

    /// The operations nothing known builds on: what a new one names as predecessors.
    pub(crate) fn heads(&self) -> Vec<OpId> {
        self.heads.iter().take(limits::OP_DEPS_MAX).copied().collect()
    }

    /// All operations, predecessors first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Op> {
        self.nodes.iter().map(|node| &node.op)
    }

    /// What checkpoints say that count and that a device has not said yet that it knows of.
    pub(crate) fn checkpoints_unknown_to(&self, device: DeviceId) -> Vec<&[Cut]> {
        let counts = |place: usize| self.counts.get(place) == Some(&true);
        let own: Vec<&Node> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(place, node)| node.op.author == device && counts(*place))
            .map(|(_, node)| node)
            .collect();
        let open = self.nodes.iter().enumerate().filter_map(|(place, node)| match &node.op.body {
            OpBody::Checkpoint { cut } if !cut.is_empty() && counts(place) => {
                let known = |own: &&Node| own.op.id == node.op.id || own.past.contains(place);
                (!own.iter().any(known)).then_some(cut.as_slice())
            }
            _ => None,
        });
        open.collect()
    }

    /// What of the past newcomers can read.
    pub(crate) fn history(&self) -> History {
        match self.in_order().next().map(|op| &op.body) {
            Some(OpBody::Create { history, .. }) => *history,
            _ => History::All,
        }
    }

    /// The device that made the space.
    pub(crate) fn founder(&self) -> Option<DeviceId> {
        self.in_order().next().map(|op| op.author)
    }

    /// What shows a device that it is not in, or not any more: the operations that took it out, or that may have voided
    /// its entry, and what they build on; and those that let `by` in, who says so, since the other may know as little of
    /// that. None while it is in, or if it never came.
    pub(crate) fn farewell(&self, device: DeviceId, by: DeviceId) -> Vec<&Op> {
        if self.roster.role(device).is_some() {
            return Vec::new();
        }
        let member = self.roster.devices.get(&device).map(|known| known.card.member);
        let entries: Vec<(usize, &Node)> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.op.author == device && node.op.card().is_some())
            .collect();
        let takes = |(place, node): &(usize, &Node)| {
            let apart = |(at, entry): &(usize, &Node)| {
                !node.past.contains(*at) && !entry.past.contains(*place)
            };
            self.counts.get(*place) == Some(&true)
                && match (&node.op.body, member) {
                    (OpBody::Remove { subject, .. }, Some(member)) => {
                        [Subject::Member(member), Subject::Device(device)].contains(subject)
                    }
                    (body, None) => resolve::restricts(body) && entries.iter().any(apart),
                    _ => false,
                }
        };
        let mut taking: Vec<(usize, &Node)> = self.nodes.iter().enumerate().filter(takes).collect();
        if taking.is_empty() {
            return Vec::new();
        }
        let enters = |(place, node): &(usize, &Node)| {
            node.op.author == by && node.op.enters() && self.counts.get(*place) == Some(&true)
        };
        taking.extend(self.nodes.iter().enumerate().rfind(enters));
        let shows = |place: usize| {
            taking.iter().any(|(at, node)| *at == place || node.past.contains(place))
        };
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(place, _)| shows(*place)).map(|(_, node)| &node.op).collect()
    }

    /// Who let each device in that came by an invite or was vouched for by another device.
    pub(crate) fn let_in(&self) -> BTreeMap<DeviceId, DeviceId> {
        let entries = self.nodes.iter().zip(&self.counts).filter(|(_, counts)| **counts);
        let by = |node: &Node| match &node.op.body {
            OpBody::Join { .. } => Some(self.nodes.get(node.invite?)?.op.author),
            OpBody::AddDevice { card } => card.certifier(),
            _ => None,
        };
        entries.filter_map(|(node, _)| Some((node.op.author, by(node)?))).collect()
    }

    /// Who took a device or its member out; none while it is in, or if it never was.
    pub(crate) fn removed_by(&self, device: DeviceId) -> Option<DeviceId> {
        let known = self.roster.devices.get(&device)?;
        if self.roster.role(device).is_some() {
            return None;
        }
        let subjects = [Subject::Member(known.card.member), Subject::Device(device)];
        let removes = |(node, counts): &(&Node, &bool)| {
            **counts
                && matches!(&node.op.body, OpBody::Remove { subject, .. } if subjects.contains(subject))
        };
        let last = self.nodes.iter().zip(&self.counts).rev().find(removes);
        last.map(|(node, _)| node.op.author)
    }

    /// Whether a device is a member that the others have let in: somebody who is known to be one, `anchors` first, has
    /// said something that knows of its entry. That a device says itself that it came in by an invite shows nothing:
    /// the set of operations cannot tell whether the invite had expired by then.
    pub(crate) fn is_let_in(&self, device: DeviceId, anchors: &BTreeSet<DeviceId>) -> bool {
        let counts = |place: &usize| self.counts.get(*place) == Some(&true);
        let mut said: BTreeMap<DeviceId, Vec<&Node>> = BTreeMap::new();
        let mut entries: Vec<(usize, DeviceId)> = Vec::new();
        for (place, node) in self.nodes.iter().enumerate().filter(|(place, _)| counts(place)) {
            said.entry(node.op.author).or_default().push(node);
            if node.op.enters() {
                entries.push((place, node.op.author));
            }
        }
        let mut known = anchors.clone();
        let mut todo: Vec<DeviceId> = anchors.iter().copied().collect();
        while let Some(next) = todo.pop() {
            let words = said.get(&next).map_or(&[][..], Vec::as_slice);
            entries.retain(|(place, entered)| {
                let told = words.iter().any(|node| node.past.contains(*place));
                if told && known.insert(*entered) {
                    todo.push(*entered);
                }
                !told
            });
        }
        known.contains(&device) && self.roster.may(device, Role::Relay)
    }

    /// Those of some operations, told by a device that is no member here, that are to be believed: all if they show that
    /// members have let it in; of one that was let in before, those by devices that were, if they change who is in.
    pub(crate) fn news(&self, space: SpaceId, from: DeviceId, ops: &[Op]) -> Vec<Op> {
        let mut then = self.clone();
        then.insert(space, ops.to_vec());
        let (before, after) = (&self.roster, &then.roster);
        if then.is_let_in(from, &before.devices_in().collect()) {
            return ops.to_vec();
        }
        if !before.devices.contains_key(&from) {
            return Vec::new();
        }
        // Whether it may come in again is judged by the invite, not here.
        let mut news: Vec<Op> = ops.to_vec();
        news.retain(|op| {
            after.devices.contains_key(&op.author) && !(op.author == from && op.enters())
        });
        let mut then = self.clone();
        then.insert(space, news.clone());
        let after = &then.roster;
        let changed = (&before.members, &before.devices) != (&after.members, &after.devices);
        if changed { news } else { Vec::new() }
    }

    /// The operation that these bytes are, if it is here, byte for byte the same: then it has been verified.
    pub(crate) fn same(&self, bytes: &[u8]) -> Option<Op> {
        let place = *self.places.get(&Op::id_of(bytes)?)?;
        self.nodes.get(place).map(|node| &node.op).filter(|op| op.bytes == bytes).cloned()
    }

    /// Whether an operation is here.
    pub(crate) fn knows(&self, id: OpId) -> bool {
        self.places.contains_key(&id)
    }

    /// A hash of the whole set.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork membership digest 1");
        for id in self.places.keys() {
            hasher.update(&id.0);
        }
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn auth_ref(&self) -> AuthRef {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork auth ref 1");
        for id in &self.heads {
            hasher.update(&id.0);
        }
        let hash = hasher.finalize();
        AuthRef(*hash.as_bytes().first_chunk::<8>().expect("a hash has 32 bytes"))
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
