//! Entries, and what has been proven about them: `Sealed` → `Verified` → `Opened`.
//!
//! A [`SealedRun`] is bytes from a peer: consecutive entries of one log. Because each entry's hash covers
//! its predecessor's, the signature of the last entry proves the whole run; only that one is checked,
//! sent and stored. A [`VerifiedRun`] may be stored and forwarded; an [`Opened`] entry has been decrypted
//! and may be applied. Nothing else makes these types. Deliberately not here: who may write.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::body::{Body, Voice};
use crate::envelope;
use crate::fork::{BranchProof, Header};
use crate::identity::{self, Identity};
use crate::ids::{DeviceId, EntryHash, EpochId, LogId, Pseudonym};
use crate::keyring::{Keyring, SenderKey, first16};
use crate::limits;
use crate::planted::{self, Bug};
use crate::rejection::Rejection;

const VERSION: u8 = 1;
const KIND_RUN: u8 = 1;

/// Bytes that serde handles as one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Bytes;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// An Ed25519 signature in two halves, since serde knows arrays up to 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signature([u8; 32], [u8; 32]);

impl Signature {
    pub(crate) fn new(bytes: [u8; 64]) -> Self {
        let (left, right) = bytes.split_at(32);
        Self(
            left.try_into().expect("the left half has 32 bytes"),
            right.try_into().expect("the right half has 32 bytes"),
        )
    }

    pub(crate) fn bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        let (left, right) = bytes.split_at_mut(32);
        left.copy_from_slice(&self.0);
        right.copy_from_slice(&self.1);
        bytes
    }
}

/// What the writer's membership heads were: the first bytes of their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuthRef(pub [u8; 8]);

/// Whose log it is. A device starts a new incarnation when it cannot vouch for its old log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogOpening {
    pub device: DeviceId,
    pub incarnation: u64,
}

impl LogOpening {
    pub(crate) fn log(&self, space: Pseudonym) -> LogId {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork log id 1");
        hasher.update(&space.0);
        hasher.update(&self.device.0);
        hasher.update(&self.incarnation.to_le_bytes());
        LogId(first16(hasher.finalize().as_bytes()))
    }
}

/// The end of a log as far as known: the last sequence number (0 for none) and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub seq: u64,
    pub hash: EntryHash,
}

impl Head {
    pub(crate) const NONE: Self = Self { seq: 0, hash: EntryHash::NONE };
}

/// The epoch an entry is sealed under, and the membership its author saw.
pub(crate) type Under = (EpochId, AuthRef);

/// One entry without its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedEntry {
    /// Epoch and authority; absent when they are those of the entry before it in the run.
    under: Option<Under>,
    ciphertext: Bytes,
}

/// Consecutive entries of one log, as received: nothing is proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedRun {
    pub log: LogId,
    /// Whose log it is; present exactly when the run starts the log.
    pub opening: Option<LogOpening>,
    /// Sequence number of the first entry; the first of a log is 1.
    pub first: u64,
    entries: Vec<SealedEntry>,
    /// Signature of the last entry.
    signature: Signature,
}

impl SealedRun {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        if bytes.len() > limits::RUN_BYTES_MAX {
            return Err(Rejection::OverLimit);
        }
        let run: Self = envelope::open(VERSION, KIND_RUN, bytes).ok_or(Rejection::Malformed)?;
        let shaped = run.first >= 1
            && (run.first == 1) == run.opening.is_some()
            && !run.entries.is_empty()
            && run.entries.len() <= limits::RUN_ENTRIES_MAX
            && run.first.checked_add(run.entries.len() as u64).is_some()
            && run.entries.first().is_some_and(|entry| entry.under.is_some())
            && run.entries.iter().all(|e| e.ciphertext.0.len() <= limits::ENTRY_BYTES_MAX);
        if shaped { Ok(run) } else { Err(Rejection::Malformed) }
    }

    /// Sequence number of the last entry.
    pub(crate) fn last(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64).saturating_sub(1)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        envelope::wrap(VERSION, KIND_RUN, self)
    }

    /// One entry that a peer sent without what can be known of it.
    pub(crate) fn next(
        log: LogId,
        seq: u64,
        under: Under,
        ciphertext: Bytes,
        signature: Signature,
    ) -> Self {
        let entries = vec![SealedEntry { under: Some(under), ciphertext }];
        Self { log, opening: None, first: seq, entries, signature }
    }

    /// The ciphertext and the signature, if it is one entry that does not start its log.
    pub(crate) fn single(&self) -> Option<(&Bytes, Signature)> {
        match self.entries.as_slice() {
            [entry] if self.opening.is_none() => Some((&entry.ciphertext, self.signature)),
            _ => None,
        }
    }

    /// The same run from entry `seq` on; `None` if nothing is left.
    pub(crate) fn starting_at(mut self, seq: u64) -> Option<Self> {
        let drop = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        if drop == 0 {
            return Some(self);
        }
        let under = self.entries.get(..=drop)?.iter().rev().find_map(|entry| entry.under);
        self.entries.drain(..drop);
        self.entries.first_mut()?.under = under;
        self.first = seq;
        self.opening = None;
        Some(self)
    }

    /// Appends the run that follows this one in the log, if the two fit into one; only the later
    /// signature is kept. Gives the follower back when they do not fit. Both come from the store.
    pub(crate) fn extend(&mut self, mut next: Self) -> Result<(), Box<Self>> {
        let fits = next.log == self.log
            && next.first == self.last().saturating_add(1)
            && self.entries.len() + next.entries.len() <= limits::RUN_ENTRIES_MAX
            && self.weight() + next.weight() <= limits::RUN_BYTES_MAX;
        if !fits {
            return Err(Box::new(next));
        }
        let last = self.entries.iter().rev().find_map(|entry| entry.under);
        if let Some(first) = next.entries.first_mut()
            && first.under == last
        {
            first.under = None;
        }
        self.entries.append(&mut next.entries);
        self.signature = next.signature;
        Ok(())
    }

    /// An upper bound of the encoded size, in bytes.
    fn weight(&self) -> usize {
        let entry =
            |entry: &SealedEntry| entry.ciphertext.0.len() + 5 + entry.under.map_or(0, |_| 24);
        self.entries.iter().map(entry).sum::<usize>() + 160
    }

    /// Proves that `writer` wrote this run right after `before`.
    pub(crate) fn verify(
        self,
        space: Pseudonym,
        before: Head,
        writer: DeviceId,
    ) -> Result<VerifiedRun, Rejection> {
        let opens = self
            .opening
            .is_none_or(|opening| opening.device == writer && opening.log(space) == self.log);
        if !opens || self.first != before.seq.saturating_add(1) {
            return Err(Rejection::BadRun);
        }
        let run = VerifiedRun::chain(self, space, before);
        let head = run.head();
        let signature = run.sealed.signature.bytes();
        let signed = identity::verify(&writer.0, &signed_message(head.hash), &signature);
        if signed || planted::is(Bug::SignatureUnchecked) {
            Ok(run)
        } else {
            Err(Rejection::BadRun)
        }
    }
}

/// Consecutive entries of one log whose author and chain are proven.
#[derive(Clone, Debug)]
pub(crate) struct VerifiedRun {
    sealed: SealedRun,
    before: EntryHash,
    places: Vec<Place>,
}

/// What a run leaves implicit about one of its entries.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: EntryHash,
    under: Under,
}

impl VerifiedRun {
    /// Seals and signs one entry of this device's own log, of which `body` is the padded plaintext.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn seal(
        space: Pseudonym,
        opening: LogOpening,
        before: Head,
        epoch: EpochId,
        auth: AuthRef,
        body: &[u8],
        key: &SenderKey,
        identity: &Identity,
    ) -> Self {
        let log = opening.log(space);
        let first = before.seq + 1;
        let ciphertext = key.seal(first, body, &bound(space, log, epoch));
        let sealed = SealedRun {
            log,
            opening: (first == 1).then_some(opening),
            first,
            entries: vec![SealedEntry {
                under: Some((epoch, auth)),
                ciphertext: Bytes(ciphertext),
            }],
            signature: Signature::new([0; 64]),
        };
        let mut run = Self::chain(sealed, space, before);
        run.sealed.signature = Signature::new(identity.sign(&signed_message(run.head().hash)));
        run
    }

    /// Rebuilds a run from the store, where only verified runs are put.
    pub(crate) fn from_stored(space: Pseudonym, before: EntryHash, bytes: &[u8]) -> Option<Self> {
        let sealed = SealedRun::decode(bytes).ok()?;
        let seq = sealed.first - 1;
        Some(Self::chain(sealed, space, Head { seq, hash: before }))
    }

    fn chain(sealed: SealedRun, space: Pseudonym, before: Head) -> Self {
        let mut places = Vec::with_capacity(sealed.entries.len());
        let mut under = (EpochId([0; 16]), AuthRef([0; 8]));
        let mut head = before;
        for entry in &sealed.entries {
            under = entry.under.unwrap_or(under);
            let seq = head.seq.saturating_add(1);
            let ciphertext = blake3::hash(&entry.ciphertext.0);
            let hash = header_hash(space, sealed.log, seq, head.hash, under, ciphertext.as_bytes());
            head = Head { seq, hash };
            places.push(Place { hash, under });
        }
        Self { sealed, before: before.hash, places }
    }

    pub(crate) fn log(&self) -> LogId {
        self.sealed.log
    }

    pub(crate) fn first(&self) -> u64 {
        self.sealed.first
    }

    /// The last entry.
    pub(crate) fn head(&self) -> Head {
        Head {
            seq: self.sealed.last(),
            hash: self.places.last().map_or(self.before, |place| place.hash),
        }
    }

    pub(crate) fn sealed(&self) -> &SealedRun {
        &self.sealed
    }

    /// What the last entry is sealed under, and the first entry of the run from which on that is so.
    pub(crate) fn under(&self) -> Option<(Under, u64)> {
        let last = self.places.last()?.under;
        let same = self.places.iter().rev().take_while(|place| place.under == last).count();
        Some((last, self.sealed.last().saturating_add(1).saturating_sub(same as u64)))
    }

    pub(crate) fn before(&self) -> EntryHash {
        self.before
    }

    /// The hash of entry `seq` of this run, or of the one before it.
    pub(crate) fn hash_at(&self, seq: u64) -> Option<EntryHash> {
        let index = (seq + 1).checked_sub(self.sealed.first)?;
        match index.checked_sub(1) {
            None => Some(self.before),
            Some(index) => self.places.get(usize::try_from(index).ok()?).map(|p| p.hash),
        }
    }

    /// The headers of the entries after `seq`, with the signature of the last.
    pub(crate) fn branch_after(&self, seq: u64) -> Option<BranchProof> {
        let skip = usize::try_from((seq + 1).checked_sub(self.sealed.first)?).ok()?;
        let mut last = None;
        let headers = self.sealed.entries.iter().zip(&self.places).skip(skip);
        let headers = headers.map(|(entry, place)| {
            let under = (last.replace(place.under) != Some(place.under)).then_some(place.under);
            Header { under, ciphertext: *blake3::hash(&entry.ciphertext.0).as_bytes() }
        });
        Some(BranchProof { headers: headers.collect(), signature: self.sealed.signature })
    }

    /// The bytes to store and to send.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.sealed.to_bytes()
    }

    /// Decrypts entry `seq`.
    pub(crate) fn open(
        &self,
        space: Pseudonym,
        seq: u64,
        keys: &mut Keyring,
        voice: &Voice,
    ) -> Opening {
        let index = seq.checked_sub(self.sealed.first).and_then(|i| usize::try_from(i).ok());
        let found = index.and_then(|i| Some((self.sealed.entries.get(i)?, self.places.get(i)?)));
        let Some((entry, place)) = found else { return Opening::Unreadable };
        let Some(key) = keys.sender(place.under.0, self.sealed.log) else {
            return Opening::NoKey;
        };
        let bound = bound(space, self.sealed.log, place.under.0);
        match key.open(seq, &entry.ciphertext.0, &bound) {
            Some(plain) => match Body::from_padded_bytes(&plain, place.under.0, voice) {
                Some((body, voice)) => {
                    Opening::Opened(Opened { log: self.sealed.log, seq, body, voice })
                }
                None => Opening::Unreadable,
            },
            None => Opening::Unreadable,
        }
    }
}

/// What came of decrypting an entry.
#[derive(Debug)]
pub(crate) enum Opening {
    /// Decrypted and well formed.
    Opened(Opened),
    /// The epoch's key is not here yet.
    NoKey,
    /// The author sealed something that is no entry body. All readers agree on that, so it counts as an
    /// entry that changes nothing.
    Unreadable,
}

/// A decrypted entry of a proven author.
#[derive(Debug)]
pub(crate) struct Opened {
    pub log: LogId,
    pub seq: u64,
    pub body: Body,
    /// What the next entry of the log can lean on.
    pub voice: Voice,
}

/// The hash of an entry whose ciphertext has this hash.
pub(crate) fn header_hash(
    space: Pseudonym,
    log: LogId,
    seq: u64,
    before: EntryHash,
    under: Under,
    ciphertext: &[u8; 32],
) -> EntryHash {
    let mut hasher = blake3::Hasher::new_derive_key("meshwork entry hash 1");
    hasher.update(&space.0);
    hasher.update(&log.0);
    hasher.update(&seq.to_le_bytes());
    hasher.update(&before.0);
    hasher.update(&under.0.0);
    hasher.update(&under.1.0);
    hasher.update(ciphertext);
    EntryHash(*hasher.finalize().as_bytes())
}

pub(crate) fn signed_message(hash: EntryHash) -> Vec<u8> {
    let mut message = b"meshwork entry 1".to_vec();
    message.extend_from_slice(&hash.0);
    message
}

fn bound(space: Pseudonym, log: LogId, epoch: EpochId) -> Vec<u8> {
    let mut bound = space.0.to_vec();
    bound.extend_from_slice(&log.0);
    bound.extend_from_slice(&epoch.0);
    bound
}

#[cfg(test)]
pub(crate) mod tests;
