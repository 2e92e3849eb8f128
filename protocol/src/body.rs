//! The plaintext of an entry: causal dependencies, hybrid time, and the changes themselves.
//!
//! Logs are named once in a table and by index elsewhere; index 0 is the entry's own log. Time and objects are
//! written relative to the entry before in the log. The plaintext is a version byte and postcard, padded with
//! zeros to size buckets, so that a relay learns little from lengths.

use meshwork_crdt::{HybridTime, LogTable};
use serde::{Deserialize, Serialize};

use crate::entry::Bytes;
use crate::ids::{EpochId, LogId, ObjectId};
use crate::limits;

const VERSION: u8 = 1;

/// Length of the authentication tag that sealing adds.
const TAG_BYTES: usize = 16;

/// What one entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// Other logs this entry mentions, by index from 1.
    pub logs: Vec<LogId>,
    /// What the author had applied of other logs and did not say before: log index, sequence number.
    pub deps: Vec<(u32, u64)>,
    pub time: HybridTime,
    pub parts: Vec<Part>,
}

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What the entries of a log so far leave for the next one to lean on; starts anew with each epoch, so that
/// who holds only a later key can read from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Voice {
    epoch: Option<EpochId>,
    time: HybridTime,
    object: Option<ObjectId>,
}

/// A body as it is written: times and objects relative to what the log said before.
#[derive(Serialize, Deserialize)]
struct Spoken {
    logs: Vec<LogId>,
    deps: Vec<(u32, u64)>,
    /// Milliseconds since the entry before.
    ms: u64,
    counter: u16,
    /// Changes; no object means that of the change before.
    parts: Vec<(Option<ObjectId>, Change)>,
}

impl Body {
    pub(crate) fn log_table(&self, own: LogId) -> Option<LogTable> {
        LogTable::from_parts(own, self.logs.clone()).ok()
    }

    /// The padded bytes, and what the next entry can lean on.
    pub(crate) fn to_padded_bytes(&self, epoch: EpochId, voice: &Voice) -> (Vec<u8>, Voice) {
        let mut voice = voice.under(epoch);
        let part = |part: &Part| {
            let named = Some(part.object).filter(|_| voice.object != Some(part.object));
            voice.object = Some(part.object);
            (named, part.change.clone())
        };
        let parts = self.parts.iter().map(part).collect();
        let spoken = Spoken {
            logs: self.logs.clone(),
            deps: self.deps.clone(),
            ms: self.time.millis().wrapping_sub(voice.time.millis()),
            counter: (self.time.0 & 0xffff) as u16,
            parts,
        };
        voice.time = self.time;
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_allocvec(&spoken).expect("writing to a Vec cannot fail"));
        bytes.resize(bucket(bytes.len()), 0);
        (bytes, voice)
    }

    pub(crate) fn from_padded_bytes(
        bytes: &[u8],
        epoch: EpochId,
        voice: &Voice,
    ) -> Option<(Self, Voice)> {
        let (&VERSION, bytes) = bytes.split_first()? else { return None };
        let (spoken, rest) = postcard::take_from_bytes::<Spoken>(bytes).ok()?;
        let bounded = spoken.deps.len() <= limits::DEPS_PER_ENTRY_MAX
            && spoken.parts.len() <= limits::PARTS_PER_ENTRY_MAX
            && spoken.logs.len() <= limits::LOGS_PER_ENTRY_MAX;
        if !bounded || rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        let canonical = postcard::to_allocvec(&spoken).ok()?;
        if bytes.get(..canonical.len()) != Some(canonical.as_slice()) {
            return None;
        }
        let mut voice = voice.under(epoch);
        let ms = voice.time.millis().wrapping_add(spoken.ms);
        if ms > u64::MAX >> 16 {
            return None;
        }
        voice.time = HybridTime(ms << 16 | u64::from(spoken.counter));
        let mut parts = Vec::with_capacity(spoken.parts.len());
        for (object, change) in spoken.parts {
            let object = object.or(voice.object)?;
            voice.object = Some(object);
            parts.push(Part { object, change });
        }
        let Spoken { logs, deps, .. } = spoken;
        Some((Self { logs, deps, time: voice.time, parts }, voice))
    }
}

impl Voice {
    /// The time of the latest entry.
    pub(crate) fn time(&self) -> HybridTime {
        self.time
    }

    /// What an entry under an epoch can lean on.
    fn under(&self, epoch: EpochId) -> Self {
        if self.epoch == Some(epoch) {
            return *self;
        }
        Self { epoch: Some(epoch), ..Self::default() }
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
