//! Membership operations: what is signed, and what of it can be judged without knowing any other operation.
//!
//! Bytes in → [`Op`], whose signature, form and self-contained proofs have been checked; whether it *counts* is
//! for the roster to say. Each names its predecessors, so every operation fixes its own causal past.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::card::DeviceCard;
use crate::entry::{Bytes, Head, LogOpening, Signature};
use crate::envelope;
use crate::fork::ForkProof;
use crate::identity::{self, Identity};
use crate::ids::{
    DeviceId, EpochId, LogId, MemberId, NotAnId, OpId, Pseudonym, SpaceId, Time, from_base32,
    to_base32,
};
use crate::keyring::{LINKED_KEY_BYTES, WRAP_BYTES};
use crate::limits;
use crate::phrase::Phrase;
use crate::planted::{self, Bug};
use crate::rejection::Rejection;

use super::{History, Role};

const VERSION: u8 = 1;
const KIND_OP: u8 = 3;
const JOIN_PROOF: &[u8] = b"meshwork join 1";
const OP_SIGNED: &[u8] = b"meshwork operation 1";
const ROOT_SIGNED: &[u8] = b"meshwork revocation 1";

/// Whom an operation takes rights from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Subject {
    Member(MemberId),
    Device(DeviceId),
}

/// Up to where a log counts although its writer has lost the right to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cut {
    pub log: LogOpening,
    pub head: Head,
}

/// The word of a member's root key that one of its devices is to be revoked in one space, by way of another device.
///
/// It is no secret, and good for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootWord {
    pub(crate) member: MemberId,
    pub(crate) signature: Signature,
}

/// What an operation does. Append-only: the order of variants is the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OpBody {
    /// Founds a space; its hash is the space's id. The author is its first device, of its first admin.
    Create { founder: DeviceCard, salt: [u8; 16], history: History },
    /// Lets holders of a secret join.
    Invite { key: [u8; 32], role: Role, expires: Time, uses: u32 },
    /// The author joins by an invite; `proof` is the invite key's signature over space and card.
    Join { invite: OpId, card: DeviceCard, proof: Signature },
    /// Hands an epoch's key to devices. The first one for an epoch starts it.
    Epoch {
        epoch: EpochId,
        log: LogId,
        seq: u64,
        made: Time,
        /// Keys of earlier epochs, encrypted under this one's.
        earlier: Vec<(EpochId, Bytes)>,
        wraps: Vec<(DeviceId, Bytes)>,
    },
    /// Lets a member in whose devices bring their own cards.
    AddMember { member: MemberId, role: Role },
    /// The author is one more device of a member.
    AddDevice { card: DeviceCard },
    /// Gives a member another role. Below `write` its logs count up to the cut.
    SetRole { member: MemberId, role: Role, cut: Vec<Cut> },
    /// Takes a member or a device out. Its logs count up to the cut.
    Remove { subject: Subject, cut: Vec<Cut>, root: Option<RootWord> },
    /// Nobody joins by an invite any more.
    Revoke { invite: OpId },
    /// Lets a log count up to an entry, whatever cut or fork stands before it.
    Adopt { log: LogOpening, head: Head },
    /// Shows that a device wrote two entries of one number.
    Fork(Box<ForkProof>),
    /// The author has been handed no key of an epoch that opens.
    Plea { epoch: EpochId },
    /// Logs count up to here for good, whatever is decided about their writers, as soon as every admin's device has
    /// said something that knows of it; so that what led there need not be kept. An empty one says just that.
    Checkpoint { cut: Vec<Cut> },
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
        mut deps: Vec<OpId>,
        body: OpBody,
        identity: &Identity,
    ) -> Self {
        deps.sort_unstable();
        deps.dedup();
        let payload = Payload { space, author: identity.device(), deps, body };
        let id = op_id(&payload);
        let signature = Signature::new(identity.sign(&signed_message(id)));
        let bytes =
            envelope::wrap(VERSION, KIND_OP, &Signed { payload: payload.clone(), signature });
        let Payload { author, deps, body, .. } = payload;
        Self { id, author, deps, body, bytes }
    }

    /// The id of what claims to be an operation; nothing of it is verified.
    pub(crate) fn id_of(bytes: &[u8]) -> Option<OpId> {
        if bytes.len() > limits::OP_BYTES_MAX {
            return None;
        }
        envelope::open::<Signed>(VERSION, KIND_OP, bytes).map(|signed| op_id(&signed.payload))
    }

    /// Decodes an operation of `space` and verifies its signature and what it proves by itself.
    pub(crate) fn verify(
        space: SpaceId,
        pseudonym: Pseudonym,
        bytes: &[u8],
    ) -> Result<Self, Rejection> {
        if bytes.len() > limits::OP_BYTES_MAX {
            return Err(Rejection::OverLimit);
        }
        let signed: Signed =
            envelope::open(VERSION, KIND_OP, bytes).ok_or(Rejection::BadOperation)?;
        let id = op_id(&signed.payload);
        let Payload { space: named, author, deps, body } = signed.payload;
        let placed = match (&body, named) {
            (OpBody::Create { .. }, None) => SpaceId(id.0) == space && deps.is_empty(),
            (OpBody::Create { .. }, Some(_)) | (_, None) => false,
            (_, Some(named)) => named == space && !deps.is_empty(),
        };
        let proven = placed
            && deps.len() <= limits::OP_DEPS_MAX
            && deps.is_sorted_by(|a, b| a < b)
            && (planted::is(Bug::OperationUnchecked)
                || identity::verify(&author.0, &signed_message(id), &signed.signature.bytes()))
            && body.proven(space, pseudonym, author, &deps);
        if proven {
            Ok(Self { id, author, deps, body, bytes: bytes.to_vec() })
        } else {
            Err(Rejection::BadOperation)
        }
    }

    /// Whether the author enters the space by it, on its own word.
    pub(crate) fn enters(&self) -> bool {
        matches!(self.body, OpBody::Join { .. } | OpBody::AddDevice { .. })
    }

    pub(crate) fn is_plea(&self) -> bool {
        matches!(self.body, OpBody::Plea { .. })
    }

    /// The card by which the author becomes a device of the space.
    pub(crate) fn card(&self) -> Option<&DeviceCard> {
        match &self.body {
            OpBody::Create { founder: card, .. }
            | OpBody::Join { card, .. }
            | OpBody::AddDevice { card } => Some(card),
            _ => None,
        }
    }
}

impl OpBody {
    /// Whether form, bounds and the proofs that need no other operation are right.
    fn proven(
        &self,
        space: SpaceId,
        pseudonym: Pseudonym,
        author: DeviceId,
        deps: &[OpId],
    ) -> bool {
        match self {
            Self::Create { founder: card, .. } | Self::AddDevice { card } => {
                card.device == author && card.certified()
            }
            Self::Join { invite, card, .. } => {
                card.device == author && deps.contains(invite) && card.certified()
            }
            Self::Epoch { earlier, wraps, .. } => {
                wraps.len() <= limits::WRAPS_PER_OP_MAX
                    && wraps.iter().all(|(_, wrap)| wrap.0.len() == WRAP_BYTES)
                    && earlier.len() <= limits::EARLIER_EPOCHS_MAX
                    && earlier.iter().all(|(_, sealed)| sealed.0.len() == LINKED_KEY_BYTES)
            }
            Self::SetRole { cut, .. } | Self::Checkpoint { cut } => cut_in_order(cut),
            Self::Remove { subject, cut, root } => {
                cut_in_order(cut) && root.is_none_or(|root| root.proven(space, *subject, author))
            }
            Self::Fork(proof) => proof.proven(pseudonym),
            Self::Invite { .. }
            | Self::AddMember { .. }
            | Self::Revoke { .. }
            | Self::Adopt { .. }
            | Self::Plea { .. } => true,
        }
    }
}

impl RootWord {
    /// The word of the member whose phrase this is; `author` is the device that will revoke `device`.
    #[must_use]
    pub fn give(phrase: &Phrase, space: SpaceId, device: DeviceId, author: DeviceId) -> Self {
        use ed25519_dalek::Signer as _;
        let root = ed25519_dalek::SigningKey::from_bytes(&phrase.root_seed());
        let message = Self::statement(space, Subject::Device(device), author);
        let signature = Signature::new(root.sign(&message).to_bytes());
        Self { member: MemberId(root.verifying_key().to_bytes()), signature }
    }

    /// What a root key says, by way of the device that will be the operation's author.
    pub(crate) fn statement(space: SpaceId, subject: Subject, author: DeviceId) -> Vec<u8> {
        let mut message = ROOT_SIGNED.to_vec();
        message.extend_from_slice(&space.0);
        let (kind, id) = match subject {
            Subject::Member(member) => (0, member.0),
            Subject::Device(device) => (1, device.0),
        };
        message.push(kind);
        message.extend_from_slice(&id);
        message.extend_from_slice(&author.0);
        message
    }

    /// Whether it says that `author` may revoke `device` in `space`.
    pub(crate) fn revokes(&self, space: SpaceId, device: DeviceId, author: DeviceId) -> bool {
        self.proven(space, Subject::Device(device), author)
    }

    fn proven(&self, space: SpaceId, subject: Subject, author: DeviceId) -> bool {
        let message = Self::statement(space, subject, author);
        identity::verify(&self.member.0, &message, &self.signature.bytes())
    }
}

impl fmt::Display for RootWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base32(&[&self.member.0[..], &self.signature.bytes()].concat()))
    }
}

impl FromStr for RootWord {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let wrong = NotAnId { kind: "revocation" };
        let bytes = from_base32(text).ok_or(wrong.clone())?;
        let (member, signature) = bytes.split_first_chunk::<32>().ok_or(wrong.clone())?;
        let signature = <[u8; 64]>::try_from(signature).map_err(|_| wrong)?;
        Ok(Self { member: MemberId(*member), signature: Signature::new(signature) })
    }
}

fn cut_in_order(cut: &[Cut]) -> bool {
    let place = |cut: &Cut| (cut.log.device, cut.log.incarnation);
    cut.len() <= limits::CUT_LOGS_MAX && cut.is_sorted_by(|a, b| place(a) < place(b))
}

/// What the holder of an invite's secret signs to let `card` into `space`.
pub(crate) fn join_proof(space: SpaceId, invite: OpId, card: &DeviceCard) -> Vec<u8> {
    let mut message = JOIN_PROOF.to_vec();
    message.extend_from_slice(&space.0);
    message.extend_from_slice(&invite.0);
    message.extend_from_slice(&card.device.0);
    message.extend_from_slice(&card.kem);
    message.extend_from_slice(&card.member.0);
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
