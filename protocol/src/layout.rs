//! Where things lie in the store: keys and row formats.
//!
//! Keys start with a row letter and the space's pseudonym; numbers are big-endian, so byte order is number
//! order. `docs/storage-format.md` shows the same as tables.

use serde::{Deserialize, Serialize};

use crate::body::Change;
use crate::entry::{Bytes, Head, LogOpening, Under};
use crate::ids::{EntryHash, LogId, ObjectId, OpId, Pseudonym};

/// Version of the layout, kept in its own row.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const ROW_VERSION: u8 = 1;
pub(crate) const KIND_FORMAT: u8 = 16;
pub(crate) const KIND_SPACE: u8 = 17;
pub(crate) const KIND_LOG: u8 = 18;
pub(crate) const KIND_RUN: u8 = 19;
pub(crate) const KIND_META: u8 = 20;
pub(crate) const KIND_PEER: u8 = 21;
pub(crate) const KIND_VOICE: u8 = 22;
pub(crate) const KIND_PARKED: u8 = 23;
pub(crate) const KIND_HELD: u8 = 24;
pub(crate) const KIND_SEEN: u8 = 25;
pub(crate) const KIND_CARD: u8 = 26;
pub(crate) const KIND_PROOF: u8 = 27;

/// Rows whose length peers decide fit into the store: operations, keys of epochs, what has touched an object and what
/// deletions of it cover, proofs of a log's place, runs.
const _: () = {
    use crate::limits::{
        ENTRY_BYTES_MAX, LOGS_PER_SPACE_MAX, NAME_BYTES_MAX, OP_BYTES_MAX, OPS_PER_SPACE_MAX,
        RUN_BYTES_MAX, RUN_ENTRIES_MAX, SHAPE_BYTES_MAX,
    };
    const ROOM: usize = crate::store::VALUE_BYTES_MAX - 4 * 1024;
    // An id of sixteen bytes and a number of ten at most.
    const PLACE: usize = 16 + 10;
    const HEADER: usize = 128;
    assert!(OP_BYTES_MAX <= ROOM && RUN_BYTES_MAX + OP_BYTES_MAX <= ROOM);
    assert!(OPS_PER_SPACE_MAX * (16 + 32) + OP_BYTES_MAX <= ROOM);
    assert!(2 * LOGS_PER_SPACE_MAX * PLACE + NAME_BYTES_MAX + SHAPE_BYTES_MAX <= ROOM);
    assert!(RUN_ENTRIES_MAX * HEADER <= ROOM && LOGS_PER_SPACE_MAX * 16 + ENTRY_BYTES_MAX <= ROOM);
};

/// The row that says which layout this is.
pub(crate) fn format_key() -> Vec<u8> {
    b"f".to_vec()
}

/// The card that this device was given since its keys were made.
pub(crate) fn card_key() -> Vec<u8> {
    b"i".to_vec()
}

fn key(letter: u8, space: Pseudonym, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(17 + rest.iter().map(|part| part.len()).sum::<usize>());
    key.push(letter);
    key.extend_from_slice(&space.0);
    for part in rest {
        key.extend_from_slice(part);
    }
    key
}

/// The space itself, sealed: secret, keys, own log.
pub(crate) fn space_key(space: Pseudonym) -> Vec<u8> {
    key(b's', space, &[])
}

/// One membership operation.
pub(crate) fn op_key(space: Pseudonym, op: OpId) -> Vec<u8> {
    key(b'o', space, &[&op.0])
}

/// What is known of one log.
pub(crate) fn log_key(space: Pseudonym, log: LogId) -> Vec<u8> {
    key(b'l', space, &[&log.0])
}

/// What the next entry of a log can lean on, sealed.
pub(crate) fn voice_key(space: Pseudonym, log: LogId) -> Vec<u8> {
    key(b'c', space, &[&log.0])
}

/// A run of entries, by its last sequence number.
pub(crate) fn run_key(space: Pseudonym, log: LogId, last: u64) -> Vec<u8> {
    key(b'e', space, &[&log.0, &last.to_be_bytes()])
}

/// The proof that a log had the entry at which what is here begins.
pub(crate) fn proof_key(space: Pseudonym, log: LogId) -> Vec<u8> {
    key(b'b', space, &[&log.0])
}

/// What the objects were where the entries that are here begin, in pieces, sealed.
pub(crate) fn ground_key(space: Pseudonym, row: u32) -> Vec<u8> {
    key(b'z', space, &[&row.to_be_bytes()])
}

/// What is known of one object, sealed.
pub(crate) fn meta_key(space: Pseudonym, object: ObjectId) -> Vec<u8> {
    key(b'd', space, &[&object.0])
}

/// One row of an object's snapshot, sealed.
pub(crate) fn snapshot_key(space: Pseudonym, object: ObjectId, row: u32) -> Vec<u8> {
    key(b'v', space, &[&object.0, &row.to_be_bytes()])
}

/// A change that came before its object, sealed.
pub(crate) fn parked_key(
    space: Pseudonym,
    object: ObjectId,
    log: LogId,
    seq: u64,
    part: u32,
) -> Vec<u8> {
    key(b'w', space, &[&object.0, &log.0, &seq.to_be_bytes(), &part.to_be_bytes()])
}

/// The object and the place in its entry that such a key is about.
pub(crate) fn parked_of(key: &[u8]) -> Option<(ObjectId, u32)> {
    let object = key.get(17..33)?.try_into().ok()?;
    Some((ObjectId(object), u32::from_be_bytes(*key.last_chunk::<4>()?)))
}

/// The changes that came before an object.
pub(crate) fn parked_rows(space: Pseudonym, object: ObjectId) -> (Vec<u8>, Vec<u8>) {
    prefix_range(key(b'w', space, &[&object.0]))
}

/// The frontier one peer last confirmed to share.
pub(crate) fn peer_key(space: Pseudonym, device: crate::ids::DeviceId) -> Vec<u8> {
    key(b'p', space, &[&device.0])
}

/// How far a device is known to hold a log durably.
pub(crate) fn held_key(space: Pseudonym, device: crate::ids::DeviceId, log: LogId) -> Vec<u8> {
    key(b'h', space, &[&device.0, &log.0])
}

/// The device and the log that such a key is about.
pub(crate) fn held_of(key: &[u8]) -> Option<(crate::ids::DeviceId, LogId)> {
    let (device, log) = key.get(17..)?.split_at_checked(32)?;
    Some((crate::ids::DeviceId(device.try_into().ok()?), LogId(log.try_into().ok()?)))
}

/// When a device was last there.
pub(crate) fn seen_key(space: Pseudonym, device: crate::ids::DeviceId) -> Vec<u8> {
    key(b't', space, &[&device.0])
}

/// The range of all keys that start with `prefix`.
pub(crate) fn prefix_range(prefix: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut end = prefix.clone();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    (prefix, end)
}

/// The range of rows of one letter in one space.
pub(crate) fn rows(letter: u8, space: Pseudonym) -> (Vec<u8>, Vec<u8>) {
    prefix_range(key(letter, space, &[]))
}

/// The row of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogRow {
    pub opening: LogOpening,
    pub head: Head,
    /// Up to where the object rows contain this log.
    pub applied: u64,
    /// What the head is sealed under, and since which entry.
    pub under: Option<(Under, u64)>,
    /// The change of the space's frontier that brought the head.
    pub changed: u64,
    /// Earlier heads that some peer may remember: the change that brought each, its number.
    pub marks: Vec<(u64, u64)>,
    /// Entries that are in the objects and not here.
    pub gap: Option<crate::space::Gap>,
    /// Entries that members told of before the last of the missing ones.
    pub told: Vec<Head>,
}

/// What a peer and this device last agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeerRow {
    /// The hash of all heads.
    pub root: [u8; 32],
    /// The digest of the membership operations.
    pub members: [u8; 32],
    /// The last change of the frontier before.
    pub at: u64,
}

/// The row of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRow {
    pub before: EntryHash,
    pub run: Bytes,
}

/// The row of a change that came before its object, before sealing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ParkedRow {
    pub log: LogId,
    pub seq: u64,
    pub logs: Vec<LogId>,
    pub change: Change,
}

/// The row of a space, before sealing.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SpaceRow {
    pub space: crate::ids::SpaceId,
    pub secret: [u8; 32],
    pub name: String,
    pub incarnation: u64,
    pub epochs: Vec<(crate::ids::EpochId, [u8; 32])>,
    /// The join operation this device waits with, while it waits.
    pub joining: Option<Bytes>,
    /// Who signed the snapshot that the objects began with, until its history has proven it.
    pub brought_by: Option<crate::ids::DeviceId>,
    /// Whether older entries are kept, or asked for.
    pub keeps_history: bool,
    /// Whether the objects contain entries that do not count, or that are of another branch of a forked log.
    pub overdue: bool,
}

impl Drop for SpaceRow {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.secret.zeroize();
        for (_, key) in &mut self.epochs {
            key.zeroize();
        }
    }
}
