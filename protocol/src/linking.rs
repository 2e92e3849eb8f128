//! Making a device one of a member's: the code a new device shows, and what it is given by one that took it.
//!
//! `meshworklink1` followed by lower-case base32 of an envelope and a four-byte checksum. The code holds the new
//! device's public keys and a one-time secret. What it is given (its card, and the spaces of the member) travels in
//! parts under HPKE in PSK mode (RFC 9180), so only somebody who saw the code can make it, and only the new device can
//! read it. Deliberately not here: who waits for whom; that is the replica's.

use std::fmt;
use std::str::FromStr;

use hpke::{Deserializable, Serializable};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::card::DeviceCard;
use crate::envelope;
use crate::identity::Identity;
use crate::ids::{DeviceId, OpId, SpaceId, Time};
use crate::limits;
use crate::phrase::comparison_words;
use crate::session::Side;
use crate::ticket::{TicketError, pasted, unpasted};

type Kem = hpke::kem::X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type HpkeAead = hpke::aead::ChaCha20Poly1305;

const VERSION: u8 = 1;
const KIND_CODE: u8 = 6;
const KIND_WELCOME: u8 = 7;
const PREFIX: &str = "meshworklink1";
const PSK_ID: &[u8] = b"meshwork link 1";
const WELCOME_INFO: &[u8] = b"meshwork welcome 1";

/// What a new device shows, so that a device of a member can make it another one.
///
/// Whoever has it before it is used or expires can make the device one of theirs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct LinkCode {
    /// The new device.
    #[zeroize(skip)]
    pub device: DeviceId,
    #[zeroize(skip)]
    pub(crate) kem: [u8; 32],
    /// The new device takes nothing after this moment.
    #[zeroize(skip)]
    pub expires: Time,
    /// Where the new device may be reached, as multiaddresses.
    pub addresses: Vec<String>,
    pub(crate) secret: [u8; 32],
}

impl LinkCode {
    /// Six words that both devices show: equal words mean that the code came through unchanged.
    #[must_use]
    pub fn words(&self) -> String {
        comparison_words(&[b"link", &self.device.0, &self.kem, &self.secret])
    }
}

impl fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkCode").field("device", &self.device).finish_non_exhaustive()
    }
}

impl fmt::Display for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&pasted(PREFIX, envelope::wrap(VERSION, KIND_CODE, self)))
    }
}

/// Why a string is no code of a new device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkCodeError {
    /// It does not start like one.
    NotACode,
    /// It starts like one, but characters are missing or changed.
    Damaged,
    /// It was made by a newer version.
    Newer,
}

impl fmt::Display for LinkCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotACode => {
                "this is not the code of a new device; codes start with 'meshworklink1'"
            }
            Self::Damaged => "the code is damaged: characters are missing or changed",
            Self::Newer => "the code was made by a newer version of Meshwork",
        })
    }
}

impl std::error::Error for LinkCodeError {}

impl From<TicketError> for LinkCodeError {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::NotATicket => Self::NotACode,
            TicketError::Damaged => Self::Damaged,
            TicketError::Newer => Self::Newer,
        }
    }
}

impl FromStr for LinkCode {
    type Err = LinkCodeError;

    fn from_str(text: &str) -> Result<Self, LinkCodeError> {
        let code: Self = unpasted(PREFIX, VERSION, KIND_CODE, text)?;
        let bounded = code.addresses.len() <= limits::TICKET_ADDRESSES_MAX;
        if bounded { Ok(code) } else { Err(LinkCodeError::Damaged) }
    }
}

/// Why a new device does not become a member's. Append-only: the order of variants is the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum LinkRefusal {
    /// It waits for nobody: its code has expired or been used, or it was started again.
    NotWaiting,
    /// It waits with another code.
    WrongCode,
    /// It has spaces of its own by now.
    InUse,
}

/// One space that a new device is to enter.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Grant {
    #[zeroize(skip)]
    pub space: SpaceId,
    pub secret: [u8; 32],
    pub name: String,
    /// An operation that gives the member its standing.
    #[zeroize(skip)]
    pub standing: OpId,
}

/// What a new device is given, or one part of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub card: DeviceCard,
    /// Where the sender may be reached.
    pub addresses: Vec<String>,
    pub spaces: Vec<Grant>,
}

/// Which part of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub number: u16,
    pub of: u16,
}

/// The link that a welcome travels on, from its sender's side.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    pub from: &'a Side,
    pub to: &'a Side,
}

impl Welcome {
    /// Seals one part so that only the device of the code can read it, and knows that the sender saw the code.
    pub(crate) fn seal(
        &self,
        code: &LinkCode,
        part: Part,
        way: Way<'_>,
        mut rng: &mut dyn CryptoRng,
    ) -> Option<Vec<u8>> {
        let recipient = <Kem as hpke::Kem>::PublicKey::from_bytes(&code.kem).ok()?;
        let psk = psk(&code.secret);
        let bundle = hpke::PskBundle::new(psk.as_slice(), PSK_ID).ok()?;
        let plain = Zeroizing::new(envelope::wrap(VERSION, KIND_WELCOME, self));
        let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<HpkeAead, Kdf, Kem>(
            &hpke::OpModeS::Psk(bundle),
            &recipient,
            &info(part, way),
            &plain,
            &[],
            &mut rng,
        )
        .ok()?;
        let mut sealed = encapsulated.to_bytes().to_vec();
        sealed.extend_from_slice(&ciphertext);
        Some(sealed)
    }

    /// Opens one part; `None` if it is not for this device, or by somebody who did not see the code.
    ///
    /// That the secret is the right one shows in the cipher's tag, which is compared in constant time.
    pub(crate) fn open(
        sealed: &[u8],
        secret: &[u8; 32],
        part: Part,
        way: Way<'_>,
        identity: &Identity,
    ) -> Option<Self> {
        let (encapsulated, ciphertext) = sealed.split_first_chunk::<32>()?;
        let own = <Kem as hpke::Kem>::PrivateKey::from_bytes(identity.kem_secret()).ok()?;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        let psk = psk(secret);
        let bundle = hpke::PskBundle::new(psk.as_slice(), PSK_ID).ok()?;
        let plain = hpke::single_shot_open::<HpkeAead, Kdf, Kem>(
            &hpke::OpModeR::Psk(bundle),
            &own,
            &encapsulated,
            &info(part, way),
            ciphertext,
            &[],
        );
        let plain = Zeroizing::new(plain.ok()?);
        let welcome: Self = envelope::open(VERSION, KIND_WELCOME, &plain)?;
        welcome.bounded().then_some(welcome)
    }

    fn bounded(&self) -> bool {
        self.addresses.len() <= limits::TICKET_ADDRESSES_MAX
            && self.spaces.len() <= limits::GRANTS_PER_PART_MAX
            && self.spaces.iter().all(|grant| grant.name.len() <= limits::NAME_BYTES_MAX)
    }

    /// Whether it makes this device one of the sender's, by the sender's own signature.
    pub(crate) fn fits(&self, identity: &Identity, sender: DeviceId) -> bool {
        let own = identity.card();
        self.card.device == own.device
            && self.card.kem == own.kem
            && self.card.certifier() == Some(sender)
            && self.card.certified()
    }
}

impl Part {
    pub(crate) fn bounded(self) -> bool {
        self.number < self.of && usize::from(self.of) <= limits::WELCOME_PARTS_MAX
    }
}

fn psk(secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(blake3::derive_key("meshwork link secret 1", secret))
}

/// What a part is bound to: its place, and this one link.
fn info(part: Part, way: Way<'_>) -> Vec<u8> {
    let mut info = WELCOME_INFO.to_vec();
    for side in [way.from, way.to] {
        info.extend_from_slice(&side.device.0);
        info.extend_from_slice(&side.nonce);
    }
    info.extend_from_slice(&part.number.to_le_bytes());
    info.extend_from_slice(&part.of.to_le_bytes());
    info
}

#[cfg(test)]
mod tests;
