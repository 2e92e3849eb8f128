//! Who this device is: its secret keys.
//!
//! Three independent secrets: the Ed25519 key that signs (and is the libp2p identity), the X25519 key
//! that content keys are wrapped to, and the key that seals what lies at rest. All are wiped on drop
//! and never printed. Beside them the card that says whose device it is; the member's root key, which signed
//! it, is not kept: it is in the recovery phrase ([`Phrase`]) alone.

use ed25519_dalek::{Signature, Signer, SigningKey};
use hpke::{Deserializable, Kem as _, Serializable};
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::card::DeviceCard;
use crate::envelope;
use crate::ids::{DeviceId, MemberId};
use crate::phrase::Phrase;

type Kem = hpke::kem::X25519HkdfSha256;

const VERSION: u8 = 1;
const KIND_CARD: u8 = 5;

/// The secret keys of one device.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Identity {
    /// Wipes itself; holds the public key, which takes longer to compute than most inputs to handle.
    #[zeroize(skip)]
    signing: SigningKey,
    kem: [u8; 32],
    storage: [u8; 32],
    #[zeroize(skip)]
    card: DeviceCard,
}

impl Identity {
    /// Makes a new device of a new member, and the phrase that member is recovered by.
    pub fn create(rng: &mut dyn CryptoRng) -> (Self, Phrase) {
        let phrase = Phrase::generate(rng);
        (Self::recover(&phrase, rng), phrase)
    }

    /// Makes a new device of the member this phrase belongs to.
    pub fn recover(phrase: &Phrase, rng: &mut dyn CryptoRng) -> Self {
        Self::rooted(&phrase.root_seed(), rng)
    }

    /// Makes a new device of a new member, whose root key is forgotten: for simulations and tests.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut root = Zeroizing::new([0; 32]);
        rng.fill_bytes(root.as_mut_slice());
        Self::rooted(&root, rng)
    }

    /// Makes a new device of the member with this root seed.
    fn rooted(root: &[u8; 32], rng: &mut dyn CryptoRng) -> Self {
        let root = SigningKey::from_bytes(root);
        let member = MemberId(root.verifying_key().to_bytes());
        let mut seed = Zeroizing::new([0; 32]);
        let mut storage = Zeroizing::new([0; 32]);
        let mut material = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        rng.fill_bytes(storage.as_mut_slice());
        rng.fill_bytes(material.as_mut_slice());
        let (secret, public) = Kem::derive_keypair(material.as_slice());
        let kem: Zeroizing<[u8; 32]> = Zeroizing::new(secret.to_bytes().into());
        let signing = SigningKey::from_bytes(&seed);
        let device = DeviceId(signing.verifying_key().to_bytes());
        let sign = |message: &[u8]| root.sign(message).to_bytes();
        let card = DeviceCard::certify(member, None, device, public.to_bytes().into(), sign);
        Self { signing, kem: *kem, storage: *storage, card }
    }

    /// The bytes to keep in a private file: version, the three secrets, the card.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let card = envelope::wrap(VERSION, KIND_CARD, &self.card);
        let mut bytes = Zeroizing::new(Vec::with_capacity(97 + card.len()));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.seed());
        bytes.extend_from_slice(&self.kem);
        bytes.extend_from_slice(&self.storage);
        bytes.extend_from_slice(&card);
        bytes
    }

    /// Reads what [`Identity::to_bytes`] wrote; `None` if it is anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (seed, rest) = rest.split_first_chunk::<32>()?;
        let (kem, rest) = rest.split_first_chunk::<32>()?;
        let (storage, rest) = rest.split_first_chunk::<32>()?;
        <Kem as hpke::Kem>::PrivateKey::from_bytes(kem).ok()?;
        let card: DeviceCard = envelope::open(VERSION, KIND_CARD, rest)?;
        let signing = SigningKey::from_bytes(seed);
        let identity = Self { signing, kem: *kem, storage: *storage, card };
        let card = &identity.card;
        let own = card.device == identity.device() && card.kem == identity.kem_public();
        (own && card.certified()).then_some(identity)
    }

    /// The public name of this device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceId(self.signing.verifying_key().to_bytes())
    }

    /// The member whose device this is.
    #[must_use]
    pub fn member(&self) -> MemberId {
        self.card.member
    }

    /// The device that vouches for this one; none if the member's root does.
    #[must_use]
    pub fn vouched_by(&self) -> Option<DeviceId> {
        self.card.certifier()
    }

    /// This device as others see it.
    pub(crate) fn card(&self) -> DeviceCard {
        self.card.clone()
    }

    /// The card of another device of the same member, vouched for by this one.
    pub(crate) fn certify(&self, device: DeviceId, kem: [u8; 32]) -> DeviceCard {
        let sign = |message: &[u8]| self.sign(message);
        DeviceCard::certify(self.card.member, Some(&self.card), device, kem, sign)
    }

    /// Becomes a device of the member that a card names; tells whether the card is one of this device's.
    pub(crate) fn recertify(&mut self, card: DeviceCard) -> bool {
        let own = card.device == self.device() && card.kem == self.kem_public() && card.certified();
        if own {
            self.card = card;
        }
        own
    }

    /// The Ed25519 secret, for the transport that must prove the same identity.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        self.signing.as_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
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
}

/// Verifies an Ed25519 signature by the one rule used everywhere: strictly.
pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    fn rng(seed: u64) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(seed)
    }

    #[test]
    fn the_phrase_makes_another_device_of_the_same_member() {
        let (first, phrase) = Identity::create(&mut rng(1));
        let written: Phrase = phrase.to_string().parse().unwrap();
        let second = Identity::recover(&written, &mut rng(2));
        assert_eq!(second.member(), first.member());
        assert_ne!(second.device(), first.device());
        assert_ne!(second.kem_public(), first.kem_public());
        assert_ne!(second.storage_key(), first.storage_key());
        assert!(second.card().certified());
        let (stranger, _) = Identity::create(&mut rng(2));
        assert_ne!(stranger.member(), first.member());
    }

    #[test]
    fn a_card_of_another_device_is_no_part_of_an_identity() {
        let (identity, _) = Identity::create(&mut rng(1));
        let bytes = identity.to_bytes();
        let foreign = Identity::generate(&mut rng(2)).to_bytes();
        let mixed = [&bytes[..97], &foreign[97..]].concat();
        assert!(Identity::from_bytes(&bytes).is_some());
        assert!(Identity::from_bytes(&mixed).is_none());
    }

    /// What the wire format says about certificates, done by hand.
    #[test]
    fn the_certificate_of_the_wire_format_is_met() {
        let words = "void come effort suffer camp survey warrior heavy shoot primary clutch crush \
                     open amazing screen patrol group space point ten exist slush involve unfold";
        let root = SigningKey::from_bytes(&words.parse::<Phrase>().unwrap().root_seed());
        let member = MemberId(root.verifying_key().to_bytes());
        let (device, kem) = (DeviceId([1; 32]), [2; 32]);
        let sign = |message: &[u8]| root.sign(message).to_bytes();
        let card = DeviceCard::certify(member, None, device, kem, sign);
        let statement: &[u8] =
            &[b"meshwork device 1".as_slice(), &member.0, &member.0, &device.0, &kem].concat();
        let signature = card.certificate.signature.bytes();
        assert!(verify(&member.0, statement, &signature));
        let document = include_str!("../../docs/wire-format.md");
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert!(document.contains(&format!("`{}`", hex(&signature))), "{}", hex(&signature));
    }
}
