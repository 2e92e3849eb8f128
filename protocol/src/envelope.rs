//! The envelope around every frame and stored value: `[version][kind][length][postcard body]`.
//!
//! Parsed by hand: postcard alone is not self-describing, ignores trailing bytes and accepts over-long
//! varints. Decoding here requires that the body is exactly `length` bytes and that encoding the value
//! again gives the same bytes, so every value has one form.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::planted::{self, Bug};

/// An envelope taken apart.
pub(crate) struct Envelope<'a> {
    pub version: u8,
    pub kind: u8,
    pub body: &'a [u8],
    /// What follows the envelope.
    pub rest: &'a [u8],
}

/// Encodes `body` inside an envelope.
pub(crate) fn wrap(version: u8, kind: u8, body: &impl Serialize) -> Vec<u8> {
    let body = postcard::to_allocvec(body).expect("writing to a Vec cannot fail");
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.push(version);
    bytes.push(kind);
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push((length & 0x7f) as u8);
    bytes.extend_from_slice(&body);
    bytes
}

/// Takes the envelope at the start of `bytes` apart; `None` if there is no whole one.
pub(crate) fn split(bytes: &[u8]) -> Option<Envelope<'_>> {
    let (&version, rest) = bytes.split_first()?;
    assert!(!rest.is_empty() || !planted::is(Bug::ShortFrameTrusted), "planted");
    let (&kind, mut rest) = rest.split_first()?;
    let mut length = 0_usize;
    let mut shift = 0;
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && shift > 0 {
                return None;
            }
            break;
        }
        shift += 7;
        if shift > 21 {
            return None;
        }
    }
    let (body, rest) = rest.split_at_checked(length)?;
    Some(Envelope { version, kind, body, rest })
}

/// Decodes a postcard body strictly: no trailing bytes, canonical form only.
pub(crate) fn body<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let again = postcard::to_allocvec(&value).ok()?;
    (again == bytes).then_some(value)
}

/// Opens an envelope that must have this version and kind, with nothing after it.
pub(crate) fn open<T: Serialize + DeserializeOwned>(
    version: u8,
    kind: u8,
    bytes: &[u8],
) -> Option<T> {
    let envelope = split(bytes)?;
    let expected = envelope.version == version && envelope.kind == kind && envelope.rest.is_empty();
    if expected { body(envelope.body) } else { None }
}
