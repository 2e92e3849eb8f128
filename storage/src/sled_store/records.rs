//! How pairs of the port lie in sled's tree.
//!
//! | record key            | record value                                     |
//! |-----------------------|--------------------------------------------------|
//! | `00`                  | [`Tally`], 24 bytes                              |
//! | `01` key              | `00` value, for at most [`PIECE_BYTES_MAX`] bytes |
//! | `01` key              | `01` length of the value, 4 bytes, big-endian    |
//! | `02` key index (1 B)  | one piece of a longer value                      |
//!
//! Invariants: the pieces of a long value change in the batch that changes its head; the tally changes in
//! every batch, and its sum is that of the pairs.

use meshwork_protocol::store::{KEY_BYTES_MAX, StoreError, VALUE_BYTES_MAX, WriteBatch};

const TALLY: [u8; 1] = [0];

const HEAD: u8 = 1;
const PIECE: u8 = 2;
const WHOLE: u8 = 0;
const IN_PIECES: u8 = 1;

/// Longest piece of a value in one record.
const PIECE_BYTES_MAX: usize = 4096;

/// sled writes a page above a quarter of its 512 KiB segment to a blob file that it never syncs.
const PAGE_BYTES_MAX: usize = 512 * 1024 / 4 - 64;
/// sled splits a leaf above 16 records, and merges one below 4 into its neighbour.
const PAGE_RECORDS_MAX: usize = 16 + 4;
/// What sled adds to a record in a page, generously.
const RECORD_OVERHEAD_BYTES_MAX: usize = 32;
const _: () = assert!(
    PAGE_RECORDS_MAX * (PIECE_BYTES_MAX + KEY_BYTES_MAX + 3 + RECORD_OVERHEAD_BYTES_MAX)
        < PAGE_BYTES_MAX
);
const _: () = assert!(VALUE_BYTES_MAX.div_ceil(PIECE_BYTES_MAX) <= u8::MAX as usize);

/// What a tree ought to hold. sled passes over damage to parts of its log and then shows older records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Batches committed.
    pub commits: u64,
    /// Sum of the digests of all pairs, modulo 2^128.
    sum: u128,
}

/// The tree, read as pairs.
pub struct Records<'a>(pub &'a sled::Tree);

/// One pair as the port sees it.
pub struct Pair {
    record_key: sled::IVec,
    value: Value,
}

enum Value {
    Whole(sled::IVec),
    Joined(Vec<u8>),
}

/// What a head says of its value.
enum Head<'a> {
    Whole(&'a [u8]),
    InPieces { bytes: usize },
}

impl Pair {
    /// The key without the mark of a head.
    pub fn key(&self) -> Result<&[u8], StoreError> {
        self.record_key.get(1..).ok_or_else(|| damage("a head without a key"))
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        match &self.value {
            Value::Whole(record) => record.get(1..).unwrap_or_default(),
            Value::Joined(bytes) => bytes,
        }
    }
}

impl Records<'_> {
    /// Reads one value.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(record) = self.0.get(head_key(key)).map_err(super::failure)? else {
            return Ok(None);
        };
        Ok(Some(match Head::decode(&record)? {
            Head::Whole(value) => value.to_vec(),
            Head::InPieces { bytes } => self.join(key, bytes)?,
        }))
    }

    /// The heads of the keys in `from .. to`.
    pub fn heads(&self, from: &[u8], to: &[u8]) -> sled::Iter {
        self.0.range(head_key(from)..head_key(to))
    }

    /// The next pair of a scan.
    pub fn next_pair(&self, heads: &mut sled::Iter) -> Result<Option<Pair>, StoreError> {
        let Some(head) = heads.next() else { return Ok(None) };
        let (record_key, record) = head.map_err(super::failure)?;
        let joined = match Head::decode(&record)? {
            Head::Whole(_) => None,
            Head::InPieces { bytes } => {
                let key = record_key.get(1..).ok_or_else(|| damage("a head without a key"))?;
                Some(self.join(key, bytes)?)
            }
        };
        let value = joined.map_or(Value::Whole(record), Value::Joined);
        Ok(Some(Pair { record_key, value }))
    }

    /// Turns a batch of the port into one of sled, and `tally` into what holds after it.
    pub fn plan(&self, batch: &WriteBatch, tally: &mut Tally) -> Result<sled::Batch, StoreError> {
        let mut writes = sled::Batch::default();
        for (key, value) in batch.iter() {
            let before = self.get(key)?;
            if let Some(before) = &before {
                tally.sum = tally.sum.wrapping_sub(digest(key, before));
            }
            if let Some(value) = value {
                tally.sum = tally.sum.wrapping_add(digest(key, value));
            }
            let pieces_before = before.map_or(0, |before| pieces(&before).len());
            let pieces_now = value.map_or(0, |value| pieces(value).len());
            for index in (0..).take(pieces_before).skip(pieces_now) {
                writes.remove(piece_key(key, index));
            }
            match value {
                None => writes.remove(head_key(key)),
                Some(value) if pieces_now == 0 => {
                    writes.insert(head_key(key), [&[WHOLE], value].concat());
                }
                Some(value) => {
                    let bytes = u32::try_from(value.len()).expect("sizes have been checked");
                    writes.insert(head_key(key), [&[IN_PIECES], &bytes.to_be_bytes()[..]].concat());
                    for (index, piece) in (0..).zip(pieces(value)) {
                        writes.insert(piece_key(key, index), piece);
                    }
                }
            }
        }
        tally.commits += 1;
        writes.insert(&TALLY, tally.encode());
        Ok(writes)
    }

    /// Reads the tally; a tree without one has seen no commit.
    pub fn tally(&self) -> Result<Tally, StoreError> {
        match self.0.get(TALLY).map_err(super::failure)? {
            Some(record) => Tally::decode(&record).ok_or_else(|| damage("no tally")),
            None => Ok(Tally::default()),
        }
    }

    /// Reads every pair and compares their sum with that of `tally`.
    pub fn verify(&self, tally: &Tally) -> Result<(), StoreError> {
        let mut sum = 0_u128;
        let mut heads = self.0.range([HEAD]..[PIECE]);
        while let Some(pair) = self.next_pair(&mut heads)? {
            sum = sum.wrapping_add(digest(pair.key()?, pair.value()));
        }
        if sum == tally.sum { Ok(()) } else { Err(damage("not those that were committed")) }
    }

    fn join(&self, key: &[u8], bytes: usize) -> Result<Vec<u8>, StoreError> {
        let mut value = Vec::with_capacity(bytes);
        for index in (0..).take(bytes.div_ceil(PIECE_BYTES_MAX)) {
            let piece = self.0.get(piece_key(key, index)).map_err(super::failure)?;
            value.extend_from_slice(&piece.ok_or_else(|| damage("a piece is missing"))?);
        }
        if value.len() == bytes { Ok(value) } else { Err(damage("pieces do not add up")) }
    }
}

impl<'a> Head<'a> {
    fn decode(record: &'a [u8]) -> Result<Self, StoreError> {
        match record.split_first() {
            Some((&WHOLE, value)) if value.len() <= PIECE_BYTES_MAX => Ok(Self::Whole(value)),
            Some((&IN_PIECES, length)) => {
                let length = length.try_into().ok().map(u32::from_be_bytes);
                length
                    .and_then(|bytes| usize::try_from(bytes).ok())
                    .filter(|bytes| (PIECE_BYTES_MAX + 1..=VALUE_BYTES_MAX).contains(bytes))
                    .map(|bytes| Self::InPieces { bytes })
                    .ok_or_else(|| damage("a head with an impossible length"))
            }
            _ => Err(damage("a head of no known kind")),
        }
    }
}

impl Tally {
    fn encode(&self) -> Vec<u8> {
        [&self.commits.to_be_bytes()[..], &self.sum.to_be_bytes()].concat()
    }

    fn decode(record: &[u8]) -> Option<Self> {
        let (commits, sum) = record.split_first_chunk()?;
        let sum = u128::from_be_bytes(sum.try_into().ok()?);
        Some(Self { commits: u64::from_be_bytes(*commits), sum })
    }
}

/// The first half of a hash of one pair.
fn digest(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&u64::try_from(key.len()).expect("usize has at most 64 bits").to_le_bytes());
    hasher.update(key).update(value);
    let hash = hasher.finalize();
    u128::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// The records of a value that does not fit into its head; none if it does.
fn pieces(value: &[u8]) -> std::slice::Chunks<'_, u8> {
    let long = if value.len() > PIECE_BYTES_MAX { value } else { &[] };
    long.chunks(PIECE_BYTES_MAX)
}

fn head_key(key: &[u8]) -> Vec<u8> {
    [&[HEAD], key].concat()
}

/// Piece keys end in exactly one byte of index, so those of different keys never meet.
fn piece_key(key: &[u8], index: u8) -> Vec<u8> {
    [&[PIECE], key, &[index]].concat()
}

fn damage(what: &str) -> StoreError {
    StoreError::Corrupt { place: format!("sled's records: {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_heads_are_damage() {
        let lengths = [0, PIECE_BYTES_MAX as u32, VALUE_BYTES_MAX as u32 + 1, u32::MAX];
        for record in lengths.map(|length| [&[IN_PIECES], &length.to_be_bytes()[..]].concat()) {
            assert!(Head::decode(&record).is_err(), "{record:?}");
        }
        for record in [&[][..], &[2], &[IN_PIECES], &[IN_PIECES, 0, 0, 1], &[0; 4098]] {
            assert!(Head::decode(record).is_err(), "{record:?}");
        }
    }

    #[test]
    fn a_tally_of_another_size_is_damage() {
        let tally = Tally { commits: 9, sum: u128::MAX - 9 };
        let record = tally.encode();
        assert_eq!(Tally::decode(&record), Some(tally));
        assert_eq!(Tally::decode(&record[1..]), None);
        assert_eq!(Tally::decode(&[&record[..], &[0]].concat()), None);
    }

    #[test]
    fn a_sum_is_that_of_the_pairs_whatever_the_way_to_them() {
        let directory = tempfile::tempdir().unwrap();
        let tree = sled::open(directory.path()).unwrap().open_tree("test").unwrap();
        let records = Records(&tree);
        let mut tally = Tally::default();
        for sizes in [[10, 5000], [32_768, 0], [4096, 4097], [0, 20_000]] {
            let mut batch = WriteBatch::default();
            for (key, size) in [b"a", b"b"].into_iter().zip(sizes) {
                batch.put(key.to_vec(), vec![7; size]);
            }
            batch.delete(b"never there".to_vec());
            tree.apply_batch(records.plan(&batch, &mut tally).unwrap()).unwrap();
            records.verify(&tally).unwrap();
            assert_eq!(records.tally().unwrap(), tally);
        }
        let mut batch = WriteBatch::default();
        batch.delete(b"a".to_vec());
        batch.delete(b"b".to_vec());
        tree.apply_batch(records.plan(&batch, &mut tally).unwrap()).unwrap();
        assert_eq!(tally, Tally { commits: 5, sum: 0 });
        assert_eq!(tree.len(), 1, "only the tally is left");
        tree.insert(head_key(b"c"), &[WHOLE]).unwrap();
        assert!(records.verify(&tally).is_err());
    }
}
