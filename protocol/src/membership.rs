//! Who belongs to a space: signed operations, and the roster they resolve to.
//!
//! Data in: operations in any order. Data out: a [`Roster`], a pure function of the set of operations, so
//! every device that holds the same set sees the same members. An operation counts when its author had
//! the right to make it in the operation's own causal past. Deliberately not here: removal and roles
//! that change; names, which travel encrypted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::card::DeviceCard;
use crate::entry::{AuthRef, Bytes, Signature};
use crate::envelope;
use crate::identity::{self, Identity};
use crate::ids::{DeviceId, EpochId, LogId, OpId, SpaceId, Time};
use crate::keyring::{EpochBirth, WRAP_BYTES};
use crate::limits;
use crate::rejection::Rejection;

const VERSION: u8 = 1;
const KIND_OP: u8 = 3;
const JOIN_PROOF: &[u8] = b"meshwork join 1";
const OP_SIGNED: &[u8] = b"meshwork operation 1";

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

/// What an operation does. Append-only: the order of variants is the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OpBody {
    /// Founds a space; its hash is the space's id. The author is its first admin.
    Create { founder: DeviceCard, salt: [u8; 16] },
    /// Lets holders of a secret join.
    Invite { key: [u8; 32], role: Role, expires: Time, uses: u32 },
    /// The author joins by an invite; `proof` is the invite key's signature over space and card.
    Join { invite: OpId, card: DeviceCard, proof: Signature },
    /// Hands an epoch's key to devices. The first one for an epoch starts it.
    Epoch { epoch: EpochId, log: LogId, seq: u64, wraps: Vec<(DeviceId, Bytes)> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Payload {
    /// Absent only in `Create`, whose hash the space's id is.
    space: Option<SpaceId>,
    author: DeviceId,
    deps: Vec<OpId>,
    body: OpBody,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Signed {
    payload: Payload,
    signature: Signature,
}

/// A membership operation whose signature has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Op {
    pub id: OpId,
    pub author: DeviceId,
    pub deps: Vec<OpId>,
    pub body: OpBody,
    pub bytes: Vec<u8>,
}

impl Op {
    pub(crate) fn sign(
        space: Option<SpaceId>,
        deps: Vec<OpId>,
        body: OpBody,
        identity: &Identity,
    ) -> Self {
        let payload = Payload { space, author: identity.device(), deps, body };
        let id = op_id(&payload);
        let signature = Signature::new(identity.sign(&signed_message(id)));
        let bytes =
            envelope::wrap(VERSION, KIND_OP, &Signed { payload: payload.clone(), signature });
        let Payload { author, deps, body, .. } = payload;
        Self { id, author, deps, body, bytes }
    }

    /// Decodes an operation of `space` and verifies its signature.
    pub(crate) fn verify(space: SpaceId, bytes: &[u8]) -> Result<Self, Rejection> {
        if bytes.len() > limits::OP_BYTES_MAX {
            return Err(Rejection::OverLimit);
        }
        let signed: Signed =
            envelope::open(VERSION, KIND_OP, bytes).ok_or(Rejection::BadOperation)?;
        let id = op_id(&signed.payload);
        let Payload { space: named, author, deps, body } = signed.payload;
        let placed = match (&body, named) {
            (OpBody::Create { founder, .. }, None) => {
                SpaceId(id.0) == space
                    && deps.is_empty()
                    && founder.device == author
                    && founder.certified()
            }
            (OpBody::Create { .. }, Some(_)) | (_, None) => false,
            (_, Some(named)) => named == space && !deps.is_empty(),
        };
        let shaped = deps.len() <= limits::OP_DEPS_MAX
            && match &body {
                OpBody::Epoch { wraps, .. } => {
                    wraps.len() <= limits::WRAPS_PER_OP_MAX
                        && wraps.iter().all(|(_, wrap)| wrap.0.len() == WRAP_BYTES)
                }
                OpBody::Join { invite, card, .. } => {
                    card.device == author && deps.contains(invite) && card.certified()
                }
                OpBody::Create { .. } | OpBody::Invite { .. } => true,
            };
        if placed
            && shaped
            && identity::verify(&author.0, &signed_message(id), &signed.signature.bytes())
        {
            Ok(Self { id, author, deps, body, bytes: bytes.to_vec() })
        } else {
            Err(Rejection::BadOperation)
        }
    }
}

impl Op {
    pub(crate) fn is_join(&self) -> bool {
        matches!(self.body, OpBody::Join { .. })
    }
}

/// What the holder of an invite's secret signs to let `card` into `space`.
pub(crate) fn join_proof(space: SpaceId, invite: OpId, card: &DeviceCard) -> Vec<u8> {
    let mut message = JOIN_PROOF.to_vec();
    message.extend_from_slice(&space.0);
    message.extend_from_slice(&invite.0);
    message.extend_from_slice(&card.device.0);
    message.extend_from_slice(&card.kem);
    message
}

fn op_id(payload: &Payload) -> OpId {
    let mut hasher = blake3::Hasher::new_derive_key("meshwork operation id 1");
    hasher.update(&postcard::to_allocvec(payload).expect("writing to a Vec cannot fail"));
    OpId(*hasher.finalize().as_bytes())
}

fn signed_message(id: OpId) -> Vec<u8> {
    let mut message = OP_SIGNED.to_vec();
    message.extend_from_slice(&id.0);
    message
}

/// The operations of one space that are known here, with the roster they resolve to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Membership {
    ops: BTreeMap<OpId, Op>,
    heads: BTreeSet<OpId>,
    roster: Roster,
}

impl Membership {
    /// Adds operations; returns those that were new and whose predecessors are all here.
    pub(crate) fn insert(&mut self, space: SpaceId, ops: Vec<Op>) -> Vec<Op> {
        let mut waiting: Vec<Op> =
            ops.into_iter().filter(|op| !self.ops.contains_key(&op.id)).collect();
        let mut added = Vec::new();
        loop {
            let (ready, blocked): (Vec<Op>, Vec<Op>) = waiting
                .into_iter()
                .partition(|op| op.deps.iter().all(|dep| self.ops.contains_key(dep)));
            if ready.is_empty() || self.ops.len() + ready.len() > limits::OPS_PER_SPACE_MAX {
                break;
            }
            for op in ready {
                for dep in &op.deps {
                    self.heads.remove(dep);
                }
                if self.ops.insert(op.id, op.clone()).is_none() {
                    self.heads.insert(op.id);
                    added.push(op);
                }
            }
            waiting = blocked;
        }
        if !added.is_empty() {
            self.roster = Roster::resolve(space, &self.ops);
        }
        added
    }

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The operations nothing known builds on: what a new one names as predecessors.
    pub(crate) fn heads(&self) -> Vec<OpId> {
        self.heads.iter().take(limits::OP_DEPS_MAX).copied().collect()
    }

    /// All operations, predecessors first.
    pub(crate) fn in_order(&self) -> Vec<&Op> {
        topological(&self.ops)
    }

    /// A hash of the whole set.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork membership digest 1");
        for id in self.ops.keys() {
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

/// One member device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub role: Role,
    pub card: DeviceCard,
}

/// One invite and how often it has been used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invite {
    pub key: [u8; 32],
    pub role: Role,
    pub expires: Time,
    pub uses: u32,
    pub used: u32,
}

/// One epoch, as handed out so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub birth: EpochBirth,
    pub wraps: BTreeMap<DeviceId, Vec<u8>>,
}

/// Who is in, what invites are open, which epochs exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    pub members: BTreeMap<DeviceId, Member>,
    pub invites: BTreeMap<OpId, Invite>,
    pub epochs: BTreeMap<EpochId, Epoch>,
    /// Epochs in the order they came to be; the last one is written under.
    pub epoch_order: Vec<EpochId>,
}

impl Roster {
    pub(crate) fn role(&self, device: DeviceId) -> Option<Role> {
        self.members.get(&device).map(|member| member.role)
    }

    pub(crate) fn may(&self, device: DeviceId, role: Role) -> bool {
        self.role(device).is_some_and(|has| has >= role)
    }

    /// Resolves a set of operations. The order is topological, ties by id; an operation without the
    /// right to be made changes nothing, and neither does a join beyond its invite's uses.
    fn resolve(space: SpaceId, ops: &BTreeMap<OpId, Op>) -> Self {
        let mut roster = Self::default();
        for op in topological(ops) {
            match &op.body {
                OpBody::Create { founder, .. } => {
                    if SpaceId(op.id.0) == space {
                        let member = Member { role: Role::Admin, card: founder.clone() };
                        roster.members.insert(founder.device, member);
                    }
                }
                OpBody::Invite { key, role, expires, uses } => {
                    if roster.may(op.author, Role::Admin) {
                        let invite = Invite {
                            key: *key,
                            role: *role,
                            expires: *expires,
                            uses: *uses,
                            used: 0,
                        };
                        roster.invites.insert(op.id, invite);
                    }
                }
                OpBody::Join { invite, card, proof } => roster.join(space, *invite, card, proof),
                OpBody::Epoch { epoch, log, seq, wraps } => {
                    if roster.may(op.author, Role::Write) {
                        roster.hand_out(*epoch, EpochBirth { log: *log, seq: *seq }, wraps);
                    }
                }
            }
        }
        roster
    }

    fn join(&mut self, space: SpaceId, invite_id: OpId, card: &DeviceCard, proof: &Signature) {
        let Some(invite) = self.invites.get_mut(&invite_id) else { return };
        let proven =
            identity::verify(&invite.key, &join_proof(space, invite_id, card), &proof.bytes());
        if !proven || self.members.contains_key(&card.device) || invite.used >= invite.uses {
            return;
        }
        invite.used += 1;
        self.members.insert(card.device, Member { role: invite.role, card: card.clone() });
    }

    fn hand_out(&mut self, epoch: EpochId, birth: EpochBirth, wraps: &[(DeviceId, Bytes)]) {
        if !self.epochs.contains_key(&epoch) {
            self.epoch_order.push(epoch);
        }
        let known = self.epochs.entry(epoch).or_insert(Epoch { birth, wraps: BTreeMap::new() });
        if known.birth == birth {
            for (device, wrap) in wraps {
                known.wraps.entry(*device).or_insert_with(|| wrap.0.clone());
            }
        }
    }
}

/// Predecessors before successors; among those free to come next, the smallest id first.
fn topological(ops: &BTreeMap<OpId, Op>) -> Vec<&Op> {
    let mut missing: BTreeMap<OpId, usize> = BTreeMap::new();
    let mut successors: BTreeMap<OpId, Vec<OpId>> = BTreeMap::new();
    let mut free = BTreeSet::new();
    for op in ops.values() {
        let deps: BTreeSet<OpId> = op.deps.iter().copied().collect();
        if deps.is_empty() {
            free.insert(op.id);
        }
        for dep in &deps {
            successors.entry(*dep).or_default().push(op.id);
        }
        missing.insert(op.id, deps.len());
    }
    let mut order = Vec::with_capacity(ops.len());
    while let Some(id) = free.pop_first() {
        order.extend(ops.get(&id));
        for next in successors.remove(&id).unwrap_or_default() {
            if let Some(count) = missing.get_mut(&next) {
                *count -= 1;
                if *count == 0 {
                    free.insert(next);
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests;
