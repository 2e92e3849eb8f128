//! An identity under seal: encrypted with a key from a passphrase, or with one kept in the OS keyring.
//!
//! Layout (docs/storage-format.md): the line `meshwork sealed identity 1`, device, member, method, 24 bytes of
//! nonce, the ciphertext, and the BLAKE3 hash of all that. The ciphertext is XChaCha20-Poly1305 over
//! [`Identity::to_bytes`], bound to every byte before it. The hash tells damage apart from a wrong key before
//! anybody is asked for anything. What a file asks Argon2id (RFC 9106) to spend is bounded here.
//! Deliberately not here: where the bytes lie (`identity.rs`), and the keyring itself (`keyring.rs`).

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use meshwork_protocol::{DeviceId, Identity, MemberId};
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::passphrase::Passphrase;
use crate::failure::{Failure, Result};

const MAGIC: &[u8] = b"meshwork sealed identity 1\n";
const BY_PASSPHRASE: u8 = 1;
const BY_KEYRING: u8 = 2;
const HASH_BYTES: usize = 32;

/// Most memory a file may ask for, in KiB.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
/// Most passes a file may ask for.
const PASSES_MAX: u32 = 8;
/// Most lanes a file may ask for.
const LANES_MAX: u32 = 16;

pub(crate) type Key = Zeroizing<[u8; 32]>;

/// What Argon2id spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Costs {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Costs {
    /// The second choice of RFC 9106, section 4: 64 MiB, which small machines have too.
    pub(crate) const USUAL: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    fn within_bounds(self) -> bool {
        self.memory_kib <= MEMORY_KIB_MAX && self.passes <= PASSES_MAX && self.lanes <= LANES_MAX
    }
}

/// Where the key of the seal comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Passphrase {
        costs: Costs,
        salt: [u8; 16],
    },
    /// A random key, in the OS keyring under this name.
    Keyring {
        entry: [u8; 16],
    },
}

/// Why bytes are no sealed identity that this version can open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Damaged,
    /// Whole, but sealed in a way unknown here.
    Newer,
    /// Whole, but it asks for more memory or time than is sane.
    Excessive,
}

/// A sealed identity, whole and within bounds.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) device: DeviceId,
    pub(crate) member: MemberId,
    pub(crate) method: Method,
    bytes: Vec<u8>,
    /// Where the nonce begins.
    nonce_at: usize,
}

impl Sealed {
    /// Whether bytes claim to be a sealed identity, damaged or not.
    pub(crate) fn claimed(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    pub(crate) fn parse(bytes: Vec<u8>) -> std::result::Result<Self, Unreadable> {
        let damaged = || Unreadable::Damaged;
        let body_len = bytes.len().checked_sub(HASH_BYTES).ok_or_else(damaged)?;
        let (body, hash) = bytes.split_at(body_len);
        if blake3::hash(body).as_bytes().as_slice() != hash {
            return Err(Unreadable::Damaged);
        }
        let rest = body.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (device, rest) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
        let (member, rest) = rest.split_first_chunk::<32>().ok_or_else(damaged)?;
        let (method, rest) = Method::read(rest)?;
        rest.split_first_chunk::<24>().ok_or_else(damaged)?;
        let nonce_at = body_len - rest.len();
        let (device, member) = (DeviceId(*device), MemberId(*member));
        Ok(Self { device, member, method, nonce_at, bytes })
    }

    /// Seals an identity; what comes back has been opened again.
    pub(crate) fn seal(
        identity: &Identity,
        method: Method,
        key: &Key,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&identity.device().0);
        bytes.extend_from_slice(&identity.member().0);
        method.write(&mut bytes);
        let mut nonce = [0; 24];
        rng.fill_bytes(&mut nonce);
        let plain = identity.to_bytes();
        let ciphertext = XChaCha20Poly1305::new((&**key).into())
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: &bytes })
            .map_err(|_| Failure::internal("an identity is too long to be encrypted"))?;
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&ciphertext);
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        let sealed = Self::parse(bytes)
            .map_err(|_| Failure::internal("a sealed identity does not read back"))?;
        match sealed.open(key) {
            Some(again) if again.to_bytes() == plain => Ok(sealed),
            _ => Err(Failure::internal("a sealed identity does not open again")),
        }
    }

    /// Opens the seal; `None` if the key is another one or somebody has changed the file on purpose.
    pub(crate) fn open(&self, key: &Key) -> Option<Identity> {
        let (head, rest) = self.bytes.split_at_checked(self.nonce_at)?;
        let (nonce, rest) = rest.split_first_chunk::<24>()?;
        let ciphertext = rest.get(..rest.len().checked_sub(HASH_BYTES)?)?;
        let plain = XChaCha20Poly1305::new((&**key).into())
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad: head })
            .map(Zeroizing::new)
            .ok()?;
        let identity = Identity::from_bytes(&plain)?;
        let own = (identity.device(), identity.member()) == (self.device, self.member);
        own.then_some(identity)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Method {
    fn write(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Passphrase { costs, salt } => {
                bytes.push(BY_PASSPHRASE);
                for cost in [costs.memory_kib, costs.passes, costs.lanes] {
                    bytes.extend_from_slice(&cost.to_le_bytes());
                }
                bytes.extend_from_slice(&salt);
            }
            Self::Keyring { entry } => {
                bytes.push(BY_KEYRING);
                bytes.extend_from_slice(&entry);
            }
        }
    }

    fn read(bytes: &[u8]) -> std::result::Result<(Self, &[u8]), Unreadable> {
        let damaged = || Unreadable::Damaged;
        let (&method, rest) = bytes.split_first().ok_or_else(damaged)?;
        match method {
            BY_PASSPHRASE => {
                let (memory, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
                let (passes, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
                let (lanes, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
                let (salt, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
                let costs = Costs {
                    memory_kib: u32::from_le_bytes(*memory),
                    passes: u32::from_le_bytes(*passes),
                    lanes: u32::from_le_bytes(*lanes),
                };
                if !costs.within_bounds() {
                    return Err(Unreadable::Excessive);
                }
                Ok((Self::Passphrase { costs, salt: *salt }, rest))
            }
            BY_KEYRING => {
                let (entry, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
                Ok((Self::Keyring { entry: *entry }, rest))
            }
            _ => Err(Unreadable::Newer),
        }
    }
}

/// The key a passphrase gives: Argon2id, version 1.3, without secret or associated data.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage) if the costs make no sense or there is not that much
/// memory.
pub(crate) fn derive(passphrase: &Passphrase, costs: Costs, salt: &[u8; 16]) -> Result<Key> {
    let mut key = Zeroizing::new([0; 32]);
    let params = Params::new(costs.memory_kib, costs.passes, costs.lanes, Some(key.len()))
        .map_err(|error| Failure::storage(format!("the costs of the seal: {error}")))?;
    let mut memory: Vec<Block> = Vec::new();
    memory.try_reserve_exact(params.block_count()).map_err(|_| {
        Failure::storage(format!("opening a seal takes {} KiB of memory", costs.memory_kib))
            .hint("end other programs, and try again")
    })?;
    memory.resize(params.block_count(), Block::default());
    let derived = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(
            passphrase.bytes(),
            salt,
            key.as_mut_slice(),
            memory.as_mut_slice(),
        );
    memory.iter_mut().for_each(Zeroize::zeroize);
    derived.map_err(|error| Failure::internal(format!("deriving a key: {error}")))?;
    Ok(key)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    const CHEAP: Costs = Costs { memory_kib: 8, passes: 1, lanes: 1 };

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([5; 32])
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    /// Opens as the owner of the passphrase would, whatever the file says.
    fn open(
        bytes: Vec<u8>,
        with: &Passphrase,
    ) -> std::result::Result<Option<Identity>, Unreadable> {
        let sealed = Sealed::parse(bytes)?;
        let Method::Passphrase { costs, salt } = sealed.method else { return Ok(None) };
        Ok(derive(with, costs, &salt).ok().and_then(|key| sealed.open(&key)))
    }

    fn sealed() -> (Identity, Sealed) {
        let identity = Identity::create(&mut rng()).0;
        let method = Method::Passphrase { costs: CHEAP, salt: [3; 16] };
        let key = derive(&passphrase("correct horse"), CHEAP, &[3; 16]).unwrap();
        let sealed = Sealed::seal(&identity, method, &key, &mut rng()).unwrap();
        (identity, sealed)
    }

    #[test]
    fn the_right_passphrase_opens_and_a_wrong_one_is_no_damage() {
        let (identity, sealed) = sealed();
        let bytes = sealed.bytes().to_vec();
        let opened = open(bytes.clone(), &passphrase("correct horse")).unwrap().unwrap();
        assert_eq!(opened.to_bytes(), identity.to_bytes());
        assert!(open(bytes, &passphrase("Correct horse")).unwrap().is_none());
    }

    #[test]
    fn nothing_secret_is_in_the_file() {
        let (identity, sealed) = sealed();
        let secret = identity.to_bytes();
        for window in secret[..97].windows(16) {
            assert!(!sealed.bytes().windows(16).any(|sealed| sealed == window));
        }
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_damage() {
        let (_, sealed) = sealed();
        let whole = sealed.bytes().to_vec();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(Sealed::parse(damaged).unwrap_err(), Unreadable::Damaged, "byte {at}");
            let cut = whole[..at].to_vec();
            assert_eq!(Sealed::parse(cut).unwrap_err(), Unreadable::Damaged, "length {at}");
        }
    }

    #[test]
    fn a_byte_changed_on_purpose_with_the_hash_made_anew_never_opens() {
        let (_, sealed) = sealed();
        let body_len = sealed.bytes().len() - HASH_BYTES;
        for at in 0..body_len {
            let mut forged = sealed.bytes()[..body_len].to_vec();
            forged[at] ^= 1;
            let hash = blake3::hash(&forged);
            forged.extend_from_slice(hash.as_bytes());
            let opened = open(forged, &passphrase("correct horse"));
            assert!(!matches!(opened, Ok(Some(_))), "byte {at}");
        }
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory_or_time() {
        let (identity, _) = sealed();
        let too_much = [
            Costs { memory_kib: MEMORY_KIB_MAX + 1, ..Costs::USUAL },
            Costs { passes: PASSES_MAX + 1, ..Costs::USUAL },
            Costs { lanes: LANES_MAX + 1, ..Costs::USUAL },
        ];
        for costs in too_much {
            let method = Method::Passphrase { costs, salt: [3; 16] };
            let mut bytes = MAGIC.to_vec();
            bytes.extend_from_slice(&identity.device().0);
            bytes.extend_from_slice(&identity.member().0);
            method.write(&mut bytes);
            bytes.extend_from_slice(&[0; 24 + 16]);
            let hash = blake3::hash(&bytes);
            bytes.extend_from_slice(hash.as_bytes());
            assert_eq!(Sealed::parse(bytes).unwrap_err(), Unreadable::Excessive);
        }
        let nonsense = Costs { memory_kib: 0, passes: 0, lanes: 0 };
        assert!(derive(&passphrase("correct horse"), nonsense, &[3; 16]).is_err());
    }

    #[test]
    fn a_key_of_a_keyring_opens_what_it_sealed() {
        let identity = Identity::create(&mut rng()).0;
        let method = Method::Keyring { entry: [7; 16] };
        let sealed = Sealed::seal(&identity, method, &Zeroizing::new([1; 32]), &mut rng()).unwrap();
        let read = Sealed::parse(sealed.bytes().to_vec()).unwrap();
        assert_eq!(read.method, method);
        assert!(read.open(&Zeroizing::new([1; 32])).is_some());
        assert!(read.open(&Zeroizing::new([2; 32])).is_none());
    }

    #[test]
    fn the_key_is_the_one_argon2id_gives_by_the_documented_parameters() {
        let key = derive(&passphrase("correct horse"), CHEAP, &[3; 16]).unwrap();
        let document = include_str!("../../../docs/storage-format.md");
        let hex = data_encoding::HEXLOWER.encode(key.as_slice());
        assert!(document.contains(&hex), "{hex}");
    }
}
