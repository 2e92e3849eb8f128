//! The heads that a device holds, read from its disk as `docs/storage-format.md` describes the rows of logs.

use meshwork_protocol::store::MemoryStore;
use serde::Deserialize;

use crate::mill::rows;

/// Ascending by log.
pub type Heads = Vec<Head>;

/// The head of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub log: [u8; 16],
    pub seq: u64,
    pub hash: [u8; 32],
}

/// The fields that a log's row begins with.
#[derive(Deserialize)]
struct Row {
    _device: [u8; 32],
    _incarnation: u64,
    seq: u64,
    hash: [u8; 32],
}

pub fn heads(disk: &MemoryStore) -> Heads {
    let head = |(key, value): (Vec<u8>, Vec<u8>)| {
        let log = *key.last_chunk().expect("the key ends with the log");
        // Version, kind, a length of one or more bytes.
        let length = 1 + value[2..].iter().take_while(|byte| **byte >= 0x80).count();
        let (row, _) = postcard::take_from_bytes::<Row>(&value[2 + length..]).expect("it is a row");
        Head { log, seq: row.seq, hash: row.hash }
    };
    rows(disk, b'l').into_iter().map(head).collect()
}
