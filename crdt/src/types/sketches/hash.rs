//! How sketches see data: sixty-four bits of a hash of the canonical form.

use crate::codec::to_bytes;
use crate::datum::{Datum, Plain};

/// A hash of a datum (BLAKE3), the same on every device; `salt` gives independent ones.
pub(crate) fn hash(item: &impl Datum, salt: u8) -> u64 {
    let mut bytes = to_bytes(&Plain(item.clone()));
    bytes.push(salt);
    let hash = blake3::hash(&bytes);
    hash.as_bytes().first_chunk::<8>().map_or(0, |head| u64::from_le_bytes(*head))
}
