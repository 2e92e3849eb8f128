//! Names of things: fixed-size, ordered, printed as lower-case base32.
//!
//! Every id that crosses a module is a newtype here. Deliberately not here: how an id is derived;
//! that stands where the thing it names is made.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use serde::{Deserialize, Serialize};

pub use meshwork_crdt::LogId;

fn base32() -> Encoding {
    let mut specification: Specification = BASE32_NOPAD.specification();
    specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    specification.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    specification.symbols = "abcdefghijklmnopqrstuvwxyz234567".to_owned();
    specification.encoding().expect("the alphabet is constant and valid")
}

pub(crate) fn to_base32(bytes: &[u8]) -> String {
    base32().encode(bytes)
}

pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    base32().decode(text.as_bytes()).ok()
}

/// A text that is not the id it was given as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnId {
    /// What was expected.
    pub kind: &'static str,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a {} id", self.kind)
    }
}

impl std::error::Error for NotAnId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_base32(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}", $kind, self.short())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                from_base32(&text.to_lowercase())
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or(NotAnId { kind: $kind })
            }
        }

        impl $name {
            /// The first eight characters: enough for people to tell a handful apart.
            #[must_use]
            pub fn short(&self) -> String {
                to_base32(&self.0).chars().take(8).collect()
            }
        }
    };
}

id!(
    /// A device: its Ed25519 public key, which is also its libp2p identity.
    DeviceId, 32, "device"
);
id!(
    /// A member: a person's Ed25519 root key, which certifies devices.
    MemberId, 32, "member"
);
id!(
    /// A space: the hash of the operation that created it.
    SpaceId, 32, "space"
);
id!(
    /// What a space is called in entry headers: derived from its secret, it tells strangers nothing.
    Pseudonym, 16, "pseudonym"
);
id!(
    /// A membership operation: the hash of its signed bytes.
    OpId, 32, "operation"
);
id!(
    /// An epoch: commits to its content key.
    EpochId, 16, "epoch"
);
id!(
    /// An object inside a space.
    ObjectId, 16, "object"
);
id!(
    /// An entry: the hash of its header and ciphertext.
    EntryHash, 32, "entry"
);

impl EntryHash {
    /// What the first entry of a log names as its predecessor.
    pub const NONE: Self = Self([0; 32]);
}

/// One live connection with one peer; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Correlates a wish with its outcome; chosen by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WishId(pub u64);

/// Milliseconds since the Unix epoch, as told by the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// The moment `ms` milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
