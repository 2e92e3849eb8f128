//! A disk that keeps what was synced and, after a crash, perhaps some of what was not.

use std::sync::{Mutex, PoisonError};

use meshwork_protocol::store::{MemoryStore, Store, StoreError, WriteBatch};
use rand_core::Rng;

/// What is on the platter, what the process sees, and the batches in between.
#[derive(Debug, Default)]
struct State {
    durable: MemoryStore,
    seen: MemoryStore,
    unsynced: Vec<WriteBatch>,
}

/// A store that loses a suffix of the batches that were not durable when the machine dies.
#[derive(Debug, Default)]
pub struct CrashDisk {
    state: Mutex<State>,
}

impl CrashDisk {
    /// The machine dies: some of the unsynced batches, in order, may have reached the platter.
    pub fn crash(&self, rng: &mut dyn Rng) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let unsynced = std::mem::take(&mut state.unsynced);
        let kept = rng.next_u32() as usize % (unsynced.len() + 1);
        for batch in unsynced.iter().take(kept) {
            state.durable.commit(batch).expect("it was committed before");
        }
        state.seen = state.durable.clone();
    }

    /// What is on the platter.
    #[must_use]
    pub fn copy(&self) -> MemoryStore {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).durable.clone()
    }

    /// The platter is what a copy says, as after a backup has been put back.
    pub fn put_back(&self, copy: MemoryStore) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = State { durable: copy.clone(), seen: copy, unsynced: Vec::new() };
    }
}

impl Store for CrashDisk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).seen.get(key)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let image = self.state.lock().unwrap_or_else(PoisonError::into_inner).seen.clone();
        image.scan(from, to, visit)
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen.commit(batch)?;
        state.unsynced.push(batch.clone());
        if batch.durable() {
            for batch in std::mem::take(&mut state.unsynced) {
                state.durable.commit(&batch)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn a_crash_keeps_what_was_durable_and_a_prefix_of_the_rest() {
        let mut lost = 0;
        for seed in 0..50 {
            let disk = CrashDisk::default();
            for n in 0..10_u8 {
                let mut batch = WriteBatch::default();
                batch.put(vec![n], vec![n]);
                if n == 4 {
                    batch.require_durable();
                }
                disk.commit(&batch).unwrap();
            }
            disk.crash(&mut ChaCha8Rng::seed_from_u64(seed));
            let kept: Vec<bool> = (0..10).map(|n| disk.get(&[n]).unwrap().is_some()).collect();
            assert!(kept.iter().take(5).all(|kept| *kept));
            assert!(kept.is_sorted_by(|a, b| a >= b), "{kept:?} is no prefix");
            lost += kept.iter().filter(|kept| !**kept).count();
        }
        assert!(lost > 0);
    }
}
