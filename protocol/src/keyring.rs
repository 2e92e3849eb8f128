//! Content keys: epochs, their wrapping to devices, and the keys derived from them.
//!
//! An epoch key is wrapped to each device with HPKE base mode (RFC 9180: X25519, HKDF-SHA256,
//! ChaCha20-Poly1305). The epoch's id commits to the key, which the AEAD alone would not, so that no
//! ciphertext opens under two keys. Each log encrypts under its own sender key, with the sequence number
//! as nonce: no nonce travels, none repeats. Deliberately not here: who may receive a key.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305, XNonce};
use hpke::{Deserializable, Serializable};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::ids::{EpochId, LogId, SpaceId};
use crate::planted::{self, Bug};

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type HpkeAead = hpke::aead::ChaCha20Poly1305;

/// Length of a wrapped epoch key: encapsulated key, ciphertext, tag.
pub(crate) const WRAP_BYTES: usize = 80;
/// Length of an epoch key that is encrypted under a later one: ciphertext, tag.
pub(crate) const LINKED_KEY_BYTES: usize = 48;
const XNONCE_BYTES: usize = 24;

/// The secret key of one epoch.
#[derive(Clone)]
pub(crate) struct EpochKey(Zeroizing<[u8; 32]>);

/// Where an epoch was born: part of what its id commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochBirth {
    /// The creator's log.
    pub log: LogId,
    /// The first sequence number the creator wrote under it.
    pub seq: u64,
}

impl EpochKey {
    pub(crate) fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut_slice());
        Self(key)
    }

    pub(crate) fn id(&self, space: SpaceId, birth: EpochBirth) -> EpochId {
        let mut hasher = blake3::Hasher::new_derive_key("meshwork epoch id 1");
        hasher.update(&space.0);
        hasher.update(&birth.log.0);
        hasher.update(&birth.seq.to_le_bytes());
        hasher.update(self.0.as_slice());
        EpochId(first16(hasher.finalize().as_bytes()))
    }

    /// Wraps the key so that only the holder of `recipient`'s secret can read it.
    pub(crate) fn wrap(
        &self,
        space: SpaceId,
        epoch: EpochId,
        recipient: &[u8; 32],
        mut rng: &mut dyn CryptoRng,
    ) -> Option<Vec<u8>> {
        let recipient = <Kem as hpke::Kem>::PublicKey::from_bytes(recipient).ok()?;
        let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<HpkeAead, Kdf, Kem>(
            &hpke::OpModeS::Base,
            &recipient,
            &wrap_context(space, epoch),
            self.0.as_slice(),
            &[],
            &mut rng,
        )
        .ok()?;
        let mut wrap = encapsulated.to_bytes().to_vec();
        wrap.extend_from_slice(&ciphertext);
        Some(wrap)
    }

    /// Opens a wrap addressed to `identity` and checks that it holds the key `epoch` commits to.
    pub(crate) fn unwrap(
        wrap: &[u8],
        space: SpaceId,
        epoch: EpochId,
        birth: EpochBirth,
        identity: &Identity,
    ) -> Option<Self> {
        let (encapsulated, ciphertext) = wrap.split_first_chunk::<32>()?;
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(identity.kem_secret()).ok()?;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        let plain = Zeroizing::new(
            hpke::single_shot_open::<HpkeAead, Kdf, Kem>(
                &hpke::OpModeR::Base,
                &secret,
                &encapsulated,
                &wrap_context(space, epoch),
                ciphertext,
                &[],
            )
            .ok()?,
        );
        let key = Self(Zeroizing::new(plain.as_slice().try_into().ok()?));
        (key.id(space, birth) == epoch).then_some(key)
    }

    /// The key of an earlier epoch, encrypted under this one's.
    pub(crate) fn carry(&self, space: SpaceId, earlier: EpochId, key: &Self) -> Vec<u8> {
        self.carrier(space, earlier)
            .encrypt(&[0; 12].into(), key.0.as_slice())
            .expect("a key is far below the cipher's limit")
    }

    /// Opens the key of an earlier epoch and checks that it is the one `earlier` commits to.
    pub(crate) fn carried(
        &self,
        space: SpaceId,
        earlier: EpochId,
        birth: EpochBirth,
        sealed: &[u8],
    ) -> Option<Self> {
        let plain = self.carrier(space, earlier).decrypt(&[0; 12].into(), sealed).ok()?;
        let plain = Zeroizing::new(plain);
        let key = Self(Zeroizing::new(plain.as_slice().try_into().ok()?));
        (key.id(space, birth) == earlier).then_some(key)
    }

    /// The cipher for one earlier key: its own key for each, so the nonce may be constant.
    fn carrier(&self, space: SpaceId, earlier: EpochId) -> ChaCha20Poly1305 {
        let mut key = Zeroizing::new([0; 32]);
        let mut context = b"meshwork earlier 1".to_vec();
        context.extend_from_slice(&space.0);
        context.extend_from_slice(&earlier.0);
        self.derive(&context, &mut key);
        ChaCha20Poly1305::new(key.as_slice().try_into().expect("the key has 32 bytes"))
    }

    /// The key one log encrypts with under this epoch.
    pub(crate) fn sender(&self, log: LogId) -> SenderKey {
        let mut key = Zeroizing::new([0; 32]);
        let mut context = b"meshwork sender 1".to_vec();
        context.extend_from_slice(&log.0);
        self.derive(&context, &mut key);
        SenderKey(ChaCha20Poly1305::new(key.as_slice().try_into().expect("32 bytes")))
    }

    /// Makes a key for one purpose out of this one.
    pub(crate) fn derive(&self, purpose: &[u8], key: &mut Zeroizing<[u8; 32]>) {
        hkdf::Hkdf::<sha2::Sha256>::new(None, self.0.as_slice())
            .expand(purpose, key.as_mut_slice())
            .expect("32 bytes are within what HKDF-SHA256 can give");
    }

    pub(crate) fn to_bytes(&self) -> [u8; 32] {
        *self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

/// The key of one log in one epoch. The sequence number is the nonce, so a number must never be sealed
/// twice: own entries leave only after they are durable, and a restored device starts a new log.
#[derive(Clone)]
pub(crate) struct SenderKey(ChaCha20Poly1305);

impl SenderKey {
    pub(crate) fn seal(&self, seq: u64, plain: &[u8], bound: &[u8]) -> Vec<u8> {
        self.0
            .encrypt(&nonce(seq).into(), Payload { msg: plain, aad: bound })
            .expect("an entry is far below the cipher's limit")
    }

    pub(crate) fn open(&self, seq: u64, sealed: &[u8], bound: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(&nonce(seq).into(), Payload { msg: sealed, aad: bound }).ok()
    }
}

fn nonce(seq: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (_, low) = nonce.split_at_mut(4);
    let seq = if planted::is(Bug::NonceRepeats) { seq & !1 } else { seq };
    low.copy_from_slice(&seq.to_be_bytes());
    nonce
}

/// Seals rows at rest under the device's storage key, bound to the row's key.
pub(crate) struct AtRest(XChaCha20Poly1305);

impl AtRest {
    pub(crate) fn new(identity: &Identity) -> Self {
        Self(XChaCha20Poly1305::new(identity.storage_key().into()))
    }

    pub(crate) fn seal(&self, row: &[u8], plain: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
        let mut nonce = [0; XNONCE_BYTES];
        rng.fill_bytes(&mut nonce);
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: row })
            .expect("a row is far below the cipher's limit");
        let mut out = nonce.to_vec();
        out.extend_from_slice(&sealed);
        out
    }

    pub(crate) fn open(&self, row: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<XNONCE_BYTES>()?;
        self.0
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: row })
            .ok()
            .map(Zeroizing::new)
    }
}

/// The epoch keys this device holds for one space, with the sender keys derived so far.
#[derive(Default)]
pub(crate) struct Keyring {
    epochs: BTreeMap<EpochId, EpochKey>,
    senders: BTreeMap<(EpochId, LogId), SenderKey>,
}

impl Keyring {
    pub(crate) fn insert(&mut self, epoch: EpochId, key: EpochKey) {
        self.epochs.insert(epoch, key);
    }

    pub(crate) fn get(&self, epoch: EpochId) -> Option<&EpochKey> {
        self.epochs.get(&epoch)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (EpochId, &EpochKey)> {
        self.epochs.iter().map(|(id, key)| (*id, key))
    }

    /// The sender key of `log` under `epoch`, if the epoch's key is here. At most one is kept per log
    /// of the space and epoch, both of which are bounded.
    pub(crate) fn sender(&mut self, epoch: EpochId, log: LogId) -> Option<&SenderKey> {
        let key = self.epochs.get(&epoch)?;
        Some(self.senders.entry((epoch, log)).or_insert_with(|| key.sender(log)))
    }
}

fn wrap_context(space: SpaceId, epoch: EpochId) -> Vec<u8> {
    let mut context = b"meshwork wrap 1".to_vec();
    context.extend_from_slice(&space.0);
    context.extend_from_slice(&epoch.0);
    context
}

/// The first sixteen bytes of a hash.
pub(crate) fn first16(hash: &[u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(hash.first_chunk::<16>().expect("a hash has 32 bytes"));
    short
}

#[cfg(test)]
mod tests;
