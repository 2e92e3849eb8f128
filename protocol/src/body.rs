//! The plaintext of an entry: causal dependencies, hybrid time, and the changes themselves.
//!
//! Logs are named once in a table and by index elsewhere; index 0 is the entry's own log. The plaintext
//! is an envelope padded with zeros to size buckets, so that a relay learns little from lengths.

use meshwork_crdt::{HybridTime, LogTable};
use serde::{Deserialize, Serialize};

use crate::entry::Bytes;
use crate::envelope;
use crate::ids::{LogId, ObjectId};
use crate::limits;

const VERSION: u8 = 1;
const KIND_BODY: u8 = 2;

/// Length of the authentication tag that sealing adds.
const TAG_BYTES: usize = 16;

/// What one entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    /// Other logs this entry mentions, by index from 1.
    pub logs: Vec<LogId>,
    /// What the author had applied of other logs and did not say before: log index, sequence number.
    pub deps: Vec<(u32, u64)>,
    pub time: HybridTime,
    pub parts: Vec<Part>,
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub object: ObjectId,
    pub change: Change,
}

/// What an entry may do to an object. Append-only: the order of variants is the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// The object exists, with this shape and first name. The object's id commits to the bare shape, the
    /// name and the seed.
    Create { shape: Bytes, name: String, seed: Option<[u8; 16]> },
    /// Its name, as of a time.
    Rename { name: String, time: HybridTime },
    /// It is gone, as far as the author had seen it: log index, sequence number of the last entry.
    Delete { observed: Vec<(u32, u64)> },
    /// Its content: an encoded delta of its shape.
    Delta(Bytes),
}

impl Body {
    pub(crate) fn log_table(&self, own: LogId) -> Option<LogTable> {
        LogTable::from_parts(own, self.logs.clone()).ok()
    }

    pub(crate) fn to_padded_bytes(&self) -> Vec<u8> {
        let mut bytes = envelope::wrap(VERSION, KIND_BODY, self);
        bytes.resize(bucket(bytes.len()), 0);
        bytes
    }

    pub(crate) fn from_padded_bytes(bytes: &[u8]) -> Option<Self> {
        let envelope = envelope::split(bytes)?;
        let expected = envelope.version == VERSION && envelope.kind == KIND_BODY;
        if !expected || envelope.rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        let body: Self = envelope::body(envelope.body)?;
        let bounded = body.deps.len() <= limits::DEPS_PER_ENTRY_MAX
            && body.parts.len() <= limits::PARTS_PER_ENTRY_MAX
            && body.logs.len() <= limits::LOGS_PER_SPACE_MAX;
        bounded.then_some(body)
    }
}

/// The padded length for a content of `len` bytes: buckets of 32 · 1.25ᵏ, rounded down to whole bytes,
/// never above what an entry may hold.
fn bucket(len: usize) -> usize {
    let most = limits::ENTRY_BYTES_MAX - TAG_BYTES;
    let mut size = 32;
    while size < len && size < most {
        size += size / 4;
    }
    size.min(most).max(len)
}
