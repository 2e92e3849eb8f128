//! The objects of a space at one place of its history, as one device says they are: for who has nothing yet, or
//! has been away for longer than others keep entries.
//!
//! [`Contents`] → parts, each encrypted under a key of the space's epoch, and a [`Manifest`] that names them all and is
//! signed; and back. Where the history of each log stands is proven by its author's signature, so a snapshot
//! cannot claim entries that nobody wrote. What the objects are is the word of the device that signed, until the
//! entries have come and say the same. Deliberately not here: which device makes one, and who takes it.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use meshwork_crdt::HybridTime;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::body::Voice;
use crate::entry::{self, Bytes, Head, LogOpening, Signature, Under};
use crate::envelope;
use crate::fork::BranchProof;
use crate::identity::{self, Identity};
use crate::ids::{DeviceId, EntryHash, EpochId, LogId, ObjectId, Pseudonym};
use crate::keyring::EpochKey;
use crate::layout::ParkedRow;
use crate::limits;

const VERSION: u8 = 1;
const KIND_MANIFEST: u8 = 8;
const KIND_CONTENTS: u8 = 9;
const NONCE_BYTES: usize = 24;

/// Where one log stands in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stand {
    pub opening: LogOpening,
    pub proof: HeadProof,
    /// What the next entry of the log can lean on.
    pub voice: Voice,
}

/// Proof that a log has an entry: the entry's header, those after it up to a signed one, the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadProof {
    pub seq: u64,
    /// The hash of the entry before.
    pub before: EntryHash,
    pub branch: BranchProof,
}

/// One object, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectState {
    pub object: ObjectId,
    pub shape: Bytes,
    pub name: String,
    pub named: Option<(HybridTime, LogId)>,
    pub touched: Vec<(LogId, u64)>,
    pub deleted: Vec<(LogId, u64)>,
    pub state: Bytes,
}

/// A change of an object that is not there: its object, its place in its entry, the change.
pub(crate) type ParkedChange = (ObjectId, u32, ParkedRow);

/// What a snapshot says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    pub time: HybridTime,
    pub logs: Vec<Stand>,
    pub objects: Vec<ObjectState>,
    pub parked: Vec<ParkedChange>,
}

/// What a snapshot consists of, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub device: DeviceId,
    pub epoch: EpochId,
    /// Entries that the objects contain.
    pub entries: u64,
    /// BLAKE3 of each part, as it travels.
    pub parts: Vec<[u8; 32]>,
    pub signature: Signature,
}

/// A snapshot ready to be sent.
pub(crate) struct Snapshot {
    pub manifest: Manifest,
    pub parts: Vec<Bytes>,
}

impl Contents {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        envelope::wrap(VERSION, KIND_CONTENTS, self)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        envelope::open(VERSION, KIND_CONTENTS, bytes)
    }
}

impl HeadProof {
    /// The entry that is proven, and what it is sealed under; none if the log's device has not signed for it.
    pub(crate) fn head(&self, space: Pseudonym, log: LogOpening) -> Option<(Head, Under)> {
        let before = Head { seq: self.seq.checked_sub(1)?, hash: self.before };
        let bounded = self.branch.headers.len() <= limits::RUN_ENTRIES_MAX
            && self.seq.checked_add(self.branch.headers.len() as u64).is_some();
        let chain = if bounded { self.branch.chain(space, log, before) } else { Vec::new() };
        let message = entry::signed_message(*chain.last()?);
        let signed = identity::verify(&log.device.0, &message, &self.branch.signature.bytes());
        let under = self.branch.headers.first()?.under?;
        signed.then_some((Head { seq: self.seq, hash: *chain.first()? }, under))
    }
}

impl Manifest {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        envelope::wrap(VERSION, KIND_MANIFEST, self)
    }

    /// Reads a manifest whose device has signed it for this space.
    pub(crate) fn verify(space: Pseudonym, bytes: &[u8]) -> Option<Self> {
        let manifest: Self = envelope::open(VERSION, KIND_MANIFEST, bytes)?;
        let bounded =
            !manifest.parts.is_empty() && manifest.parts.len() <= limits::SNAPSHOT_PARTS_MAX;
        let message = manifest.message(space);
        let signed = identity::verify(&manifest.device.0, &message, &manifest.signature.bytes());
        (bounded && signed).then_some(manifest)
    }

    fn message(&self, space: Pseudonym) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork snapshot 1");
        hasher.update(&space.0);
        hasher.update(&self.device.0);
        hasher.update(&self.epoch.0);
        hasher.update(&self.entries.to_le_bytes());
        for part in &self.parts {
            hasher.update(part);
        }
        let mut message = b"meshwork snapshot 1".to_vec();
        message.extend_from_slice(hasher.finalize().as_bytes());
        message
    }
}

impl Snapshot {
    /// Encrypts and signs; `None` if it would be larger than a snapshot may be.
    pub(crate) fn seal(
        space: Pseudonym,
        contents: &Contents,
        entries: u64,
        (epoch, key): (EpochId, &EpochKey),
        identity: &Identity,
        rng: &mut dyn CryptoRng,
    ) -> Option<Self> {
        let plain = Zeroizing::new(contents.to_bytes());
        let cipher = cipher(key);
        let device = identity.device();
        let chunks = plain.chunks(limits::SNAPSHOT_PART_BYTES);
        if chunks.len() > limits::SNAPSHOT_PARTS_MAX {
            return None;
        }
        let parts: Vec<Bytes> = (0_u32..)
            .zip(chunks)
            .map(|(index, chunk)| {
                let mut nonce = [0; NONCE_BYTES];
                rng.fill_bytes(&mut nonce);
                let bound = bound(space, device, epoch, index);
                let sealed = cipher
                    .encrypt(&XNonce::from(nonce), Payload { msg: chunk, aad: &bound })
                    .expect("a part is far below the cipher's limit");
                Bytes([nonce.as_slice(), &sealed].concat())
            })
            .collect();
        let hashes = parts.iter().map(|part| *blake3::hash(&part.0).as_bytes()).collect();
        let signature = Signature::new([0; 64]);
        let mut manifest = Manifest { device, epoch, entries, parts: hashes, signature };
        manifest.signature = Signature::new(identity.sign(&manifest.message(space)));
        Some(Self { manifest, parts })
    }
}

impl Manifest {
    /// Decrypts all parts; `None` if they are not what this device would seal.
    pub(crate) fn open(
        &self,
        space: Pseudonym,
        parts: &[Bytes],
        key: &EpochKey,
    ) -> Option<Contents> {
        let cipher = cipher(key);
        let mut plain = Zeroizing::new(Vec::new());
        for (index, part) in (0_u32..).zip(parts) {
            let (nonce, sealed) = part.0.split_first_chunk::<NONCE_BYTES>()?;
            let bound = bound(space, self.device, self.epoch, index);
            let sealed = Payload { msg: sealed, aad: &bound };
            let chunk = cipher.decrypt(&XNonce::from(*nonce), sealed).ok()?;
            plain.extend_from_slice(&Zeroizing::new(chunk));
        }
        let contents = Contents::from_bytes(&plain)?;
        let bounded = contents.logs.len() <= limits::LOGS_PER_SPACE_MAX
            && contents.objects.len() <= limits::OBJECTS_PER_SPACE_MAX;
        bounded.then_some(contents)
    }
}

fn cipher(key: &EpochKey) -> XChaCha20Poly1305 {
    let mut snapshot = Zeroizing::new([0; 32]);
    key.derive(b"meshwork snapshot 1", &mut snapshot);
    XChaCha20Poly1305::new(snapshot.as_slice().try_into().expect("the key has 32 bytes"))
}

fn bound(space: Pseudonym, device: DeviceId, epoch: EpochId, index: u32) -> Vec<u8> {
    let mut bound = b"meshwork snapshot 1".to_vec();
    bound.extend_from_slice(&space.0);
    bound.extend_from_slice(&device.0);
    bound.extend_from_slice(&epoch.0);
    bound.extend_from_slice(&index.to_le_bytes());
    bound
}
