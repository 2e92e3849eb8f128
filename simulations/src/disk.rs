//! A disk that keeps what was synced and, after a crash, perhaps some of what was not.
//!
//! Batches go into a journal whose records carry a checksum, as in any store that is worth its name. A crash cuts the
//! unsynced end of the journal anywhere, in the midst of a record if it likes: opening takes whole records and drops
//! the torn one. Besides, a disk may be full, rot, be copied and be put back as it once was.
//! Deliberately not here: when any of that happens (`world/machines.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use meshwork_protocol::store::{Store, StoreError, WriteBatch};
use rand_core::Rng;

type Rows = BTreeMap<Vec<u8>, Arc<[u8]>>;
type Changes = BTreeMap<Vec<u8>, Option<Arc<[u8]>>>;

/// What is on the platter, and the batches that are not yet.
#[derive(Debug, Default)]
struct State {
    durable: Arc<Rows>,
    /// What the unsynced batches come to.
    newer: Arc<Changes>,
    unsynced: Vec<WriteBatch>,
    rotten: BTreeSet<Vec<u8>>,
    full: bool,
    /// Bytes of keys and values on the platter.
    bytes: u64,
}

/// A store that loses a suffix of the batches that were not durable when the machine dies.
#[derive(Debug, Default)]
pub struct CrashDisk {
    state: Mutex<State>,
}

/// All that was durable on a disk at some time.
#[derive(Clone, Debug, Default)]
pub struct Image {
    rows: Arc<Rows>,
    bytes: u64,
}

impl CrashDisk {
    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine dies: some of the unsynced batches, in order, may have reached the platter, and a part of the next.
    pub fn crash(&self, rng: &mut dyn Rng) {
        let mut state = self.locked();
        let unsynced = std::mem::take(&mut state.unsynced);
        let drawn = rng.next_u32() as usize;
        let kept = drawn % (unsynced.len() + 1);
        let mut journal = Vec::new();
        for batch in unsynced.iter().take(kept) {
            journal::append(&mut journal, batch);
        }
        if let Some(torn) = unsynced.get(kept) {
            let whole = journal.len();
            journal::append(&mut journal, torn);
            // Less than the whole record, or it would be there.
            let length = journal.len() - whole;
            journal.truncate(whole + drawn / 7 % length);
        }
        state.newer = Arc::default();
        for changes in journal::replay(&journal) {
            state.settle(changes);
        }
    }

    /// Everything that is there becomes durable: the machine is shut down in good order, or a store is opened.
    pub fn sync(&self) {
        let mut state = self.locked();
        state.sync();
    }

    /// From now on there is no room for anything, or there is again.
    pub fn fill(&self, full: bool) {
        self.locked().full = full;
    }

    /// A row goes bad; the next to read it is told so, until it is written again. Nothing if there is none.
    pub fn rot(&self, rng: &mut dyn Rng) {
        let mut state = self.locked();
        let drawn = rng.next_u64();
        if !state.durable.is_empty() {
            let at = drawn % state.durable.len() as u64;
            let key = state.durable.keys().nth(usize::try_from(at).unwrap_or(0)).cloned();
            state.rotten.extend(key);
        }
    }

    /// Whether some row has gone bad and was not written again.
    #[must_use]
    pub fn rotten(&self) -> bool {
        !self.locked().rotten.is_empty()
    }

    /// Whether there is no room.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.locked().full
    }

    /// A copy of what is durable.
    #[must_use]
    pub fn image(&self) -> Image {
        let state = self.locked();
        Image { rows: state.durable.clone(), bytes: state.bytes }
    }

    /// Becomes what a disk was when the copy was made.
    pub fn restore(&self, image: &Image) {
        let rows = image.rows.clone();
        *self.locked() = State { durable: rows, bytes: image.bytes, ..State::default() };
    }

    /// Bytes of keys and values that are durable.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.locked().bytes
    }
}

impl State {
    fn settle(&mut self, changes: impl IntoIterator<Item = (Vec<u8>, Option<Arc<[u8]>>)>) {
        let durable = Arc::make_mut(&mut self.durable);
        for (key, value) in changes {
            self.rotten.remove(&key);
            let length = key.len();
            let (now, before) = match value {
                Some(value) => (length + value.len(), durable.insert(key, value)),
                None => (0, durable.remove(&key)),
            };
            let before = before.map_or(0, |value| length + value.len());
            self.bytes = (self.bytes + now as u64).saturating_sub(before as u64);
        }
    }

    fn sync(&mut self) {
        self.unsynced.clear();
        let newer = std::mem::take(Arc::make_mut(&mut self.newer));
        self.settle(newer);
    }

    fn check(&self, key: &[u8]) -> Result<(), StoreError> {
        if self.rotten.contains(key) {
            return Err(StoreError::Corrupt { place: "a row whose checksum is wrong".to_owned() });
        }
        Ok(())
    }
}

impl Store for CrashDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let state = self.locked();
        if let Some(newer) = state.newer.get(key) {
            return Ok(newer.as_ref().map(|value| value.to_vec()));
        }
        state.check(key)?;
        Ok(state.durable.get(key).map(|value| value.to_vec()))
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        if from >= to {
            return Ok(());
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        let (durable, newer, rotten) = {
            let state = self.locked();
            let rotten: BTreeSet<Vec<u8>> =
                state.rotten.range::<[u8], _>(bounds).cloned().collect();
            (state.durable.clone(), state.newer.clone(), rotten)
        };
        let mut old = durable.range::<[u8], _>(bounds).peekable();
        let mut new = newer.range::<[u8], _>(bounds).peekable();
        loop {
            let before = |a: &[u8], b: Option<&[u8]>| b.is_none_or(|b| a < b);
            let (key, value) = match (old.peek(), new.peek()) {
                (Some((key, value)), there)
                    if before(key, there.map(|(key, _)| key.as_slice())) =>
                {
                    let row = (*key, Some(*value));
                    old.next();
                    if rotten.contains(row.0) {
                        let place = "a row whose checksum is wrong".to_owned();
                        return Err(StoreError::Corrupt { place });
                    }
                    row
                }
                (there, Some((key, value))) => {
                    let row = (*key, value.as_ref());
                    if there.is_some_and(|(old, _)| old == key) {
                        old.next();
                    }
                    new.next();
                    row
                }
                (_, None) => return Ok(()),
            };
            if let Some(value) = value
                && !visit(key, value)
            {
                return Ok(());
            }
        }
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        batch.check_sizes()?;
        let mut state = self.locked();
        if state.full {
            return Err(StoreError::Io("no space is left on the disk".to_owned()));
        }
        let changes = batch.iter().map(|(key, value)| (key.to_vec(), value.map(Arc::from)));
        if !batch.durable() {
            Arc::make_mut(&mut state.newer).extend(changes);
            state.unsynced.push(batch.clone());
            return Ok(());
        }
        state.sync();
        state.settle(changes);
        Ok(())
    }
}

/// Records of batches: `[checksum 8][length 4][rows]`, a row being `[key length 2][value length 4][key][value]`, the
/// length of a value all ones where the key is removed.
mod journal {
    use std::sync::Arc;

    use meshwork_protocol::store::WriteBatch;

    use super::Changes;

    const GONE: u32 = u32::MAX;

    fn checksum(rows: &[u8]) -> [u8; 8] {
        blake3::hash(rows).as_bytes().first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn append(journal: &mut Vec<u8>, batch: &WriteBatch) {
        let mut rows = Vec::new();
        for (key, value) in batch.iter() {
            rows.extend((key.len() as u16).to_be_bytes());
            rows.extend(value.map_or(GONE, |value| value.len() as u32).to_be_bytes());
            rows.extend(key);
            rows.extend(value.unwrap_or_default());
        }
        journal.extend(checksum(&rows));
        journal.extend((rows.len() as u32).to_be_bytes());
        journal.extend(rows);
    }

    /// The batches of whole records, up to the first that is torn.
    pub(super) fn replay(mut journal: &[u8]) -> Vec<Changes> {
        let mut batches = Vec::new();
        while let Some((sum, length, rest)) = take(journal)
            && let Some((rows, rest)) = rest.split_at_checked(length)
            && checksum(rows) == sum
        {
            batches.push(changes(rows));
            journal = rest;
        }
        batches
    }

    fn take(bytes: &[u8]) -> Option<([u8; 8], usize, &[u8])> {
        let (sum, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        Some((*sum, u32::from_be_bytes(*length) as usize, rest))
    }

    fn changes(mut rows: &[u8]) -> Changes {
        let mut changes = Changes::new();
        while let Some((key, rest)) = rows.split_first_chunk()
            && let Some((value, rest)) = rest.split_first_chunk()
        {
            let (key, value) = (u16::from_be_bytes(*key) as usize, u32::from_be_bytes(*value));
            let length = if value == GONE { 0 } else { value as usize };
            let Some((row, rest)) = rest.split_at_checked(key + length) else { break };
            let (key, bytes) = row.split_at(key);
            changes.insert(key.to_vec(), (value != GONE).then(|| Arc::from(bytes)));
            rows = rest;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use meshwork_protocol::store::MemoryStore;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    fn batch(n: u8, durable: bool) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.put(vec![n], vec![n; 5]);
        if durable {
            batch.require_durable();
        }
        batch
    }

    #[test]
    fn a_crash_keeps_what_was_durable_and_a_prefix_of_the_rest() {
        let mut lost = 0;
        for seed in 0..50 {
            let disk = CrashDisk::default();
            for n in 0..10_u8 {
                disk.commit(&batch(n, n == 4)).unwrap();
            }
            disk.crash(&mut ChaCha8Rng::seed_from_u64(seed));
            let kept: Vec<bool> = (0..10).map(|n| disk.get(&[n]).unwrap().is_some()).collect();
            assert!(kept.iter().take(5).all(|kept| *kept));
            assert!(kept.is_sorted_by(|a, b| a >= b), "{kept:?} is no prefix");
            lost += kept.iter().filter(|kept| !**kept).count();
        }
        assert!(lost > 0);
    }

    #[test]
    fn a_journal_cut_anywhere_gives_whole_batches_and_one_with_a_wrong_bit_none_after_it() {
        let mut journal = Vec::new();
        let ends: Vec<usize> = (0..5)
            .map(|n| {
                journal::append(&mut journal, &batch(n, false));
                journal.len()
            })
            .collect();
        for cut in 0..=journal.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(journal::replay(&journal[..cut]).len(), whole, "cut at {cut}");
        }
        for at in 0..journal.len() {
            let mut damaged = journal.clone();
            damaged[at] ^= 4;
            let whole = ends.iter().filter(|end| **end <= at).count();
            assert_eq!(journal::replay(&damaged).len(), whole, "damaged at {at}");
        }
    }

    #[test]
    fn what_is_read_is_what_a_store_in_memory_says_whatever_is_synced() {
        for seed in 0..30 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (disk, memory) = (CrashDisk::default(), MemoryStore::default());
            for _ in 0..60 {
                let mut batch = WriteBatch::default();
                for _ in 0..rng.next_u32() % 6 {
                    let key = vec![(rng.next_u32() % 20) as u8];
                    match rng.next_u32() % 3 {
                        0 => batch.delete(key),
                        _ => batch.put(key, vec![(rng.next_u32() % 250) as u8; 3]),
                    }
                }
                if rng.next_u32().is_multiple_of(4) {
                    batch.require_durable();
                }
                disk.commit(&batch).unwrap();
                memory.commit(&batch).unwrap();
                let rows = |store: &dyn Store| {
                    let mut rows = Vec::new();
                    let mut visit = |key: &[u8], value: &[u8]| {
                        rows.push((key.to_vec(), value.to_vec()));
                        rows.len() < 9
                    };
                    store.scan(&[2], &[18], &mut visit).unwrap();
                    rows
                };
                assert_eq!(rows(&disk), rows(&memory), "seed {seed}");
                assert_eq!(disk.get(&[7]).unwrap(), memory.get(&[7]).unwrap());
            }
            disk.sync();
            let size: usize =
                (0..20).filter_map(|n| disk.get(&[n]).unwrap()).map(|v| v.len() + 1).sum();
            assert_eq!(disk.bytes(), size as u64);
        }
    }

    #[test]
    fn a_rotten_row_is_told_until_it_is_written_again_and_a_full_disk_takes_nothing() {
        let disk = CrashDisk::default();
        disk.commit(&batch(1, true)).unwrap();
        let image = disk.image();
        disk.rot(&mut ChaCha8Rng::seed_from_u64(1));
        assert!(matches!(disk.get(&[1]), Err(StoreError::Corrupt { .. })));
        assert!(disk.scan(&[0], &[9], &mut |_, _| true).is_err());
        disk.commit(&batch(1, true)).unwrap();
        assert!(disk.get(&[1]).unwrap().is_some());
        disk.fill(true);
        assert!(matches!(disk.commit(&batch(2, true)), Err(StoreError::Io(_))));
        assert_eq!(disk.get(&[2]).unwrap(), None);
        disk.fill(false);
        disk.commit(&batch(2, true)).unwrap();
        disk.restore(&image);
        assert_eq!(disk.get(&[2]).unwrap(), None);
        assert!(disk.get(&[1]).unwrap().is_some());
    }
}
