//! Who this device is: its secret keys.
//!
//! Three independent secrets: the Ed25519 key that signs (and is the libp2p identity), the X25519 key
//! that content keys are wrapped to, and the key that seals what lies at rest. All are wiped on drop
//! and never printed.

use ed25519_dalek::{Signature, Signer, SigningKey};
use hpke::{Deserializable, Kem as _, Serializable};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ids::DeviceId;

type Kem = hpke::kem::X25519HkdfSha256;

/// Length of [`Identity::to_bytes`], in bytes.
pub const IDENTITY_BYTES: usize = 97;
const VERSION: u8 = 1;

/// The secret keys of one device.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Identity {
    seed: [u8; 32],
    kem: [u8; 32],
    storage: [u8; 32],
}

impl Identity {
    /// Makes a new identity.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut identity = Self { seed: [0; 32], kem: [0; 32], storage: [0; 32] };
        rng.fill_bytes(&mut identity.seed);
        rng.fill_bytes(&mut identity.storage);
        let mut material = Zeroizing::new([0; 32]);
        rng.fill_bytes(material.as_mut_slice());
        let (secret, _) = Kem::derive_keypair(material.as_slice());
        identity.kem.copy_from_slice(&secret.to_bytes());
        identity
    }

    /// The bytes to keep in a private file: version, then the three secrets.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(IDENTITY_BYTES));
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.seed);
        bytes.extend_from_slice(&self.kem);
        bytes.extend_from_slice(&self.storage);
        bytes
    }

    /// Reads what [`Identity::to_bytes`] wrote; `None` if it is anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (seed, rest) = rest.split_first_chunk::<32>()?;
        let (kem, rest) = rest.split_first_chunk::<32>()?;
        let storage: &[u8; 32] = rest.try_into().ok()?;
        <Kem as hpke::Kem>::PrivateKey::from_bytes(kem).ok()?;
        Some(Self { seed: *seed, kem: *kem, storage: *storage })
    }

    /// The public name of this device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceId(self.signing().verifying_key().to_bytes())
    }

    /// The Ed25519 secret, for the transport that must prove the same identity.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing().sign(message).to_bytes()
    }

    pub(crate) fn kem_secret(&self) -> &[u8; 32] {
        &self.kem
    }

    pub(crate) fn kem_public(&self) -> [u8; 32] {
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(&self.kem)
            .expect("checked when the identity was made or read");
        Kem::sk_to_pk(&secret).to_bytes().into()
    }

    pub(crate) fn storage_key(&self) -> &[u8; 32] {
        &self.storage
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed)
    }
}

/// Verifies an Ed25519 signature by the one rule used everywhere: strictly.
pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}
