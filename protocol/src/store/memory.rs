//! A store in memory: for tests, for simulations of healthy disks, and for hosts without one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::{KEY_BYTES_MAX, Store, StoreError, VALUE_BYTES_MAX, WriteBatch};

/// A store that is gone when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(key).cloned())
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
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
        for (key, value) in rows.range::<[u8], _>(bounds) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        for (key, value) in batch.iter() {
            let bytes = value.map_or(0, <[u8]>::len);
            if key.len() > KEY_BYTES_MAX || bytes > VALUE_BYTES_MAX {
                return Err(StoreError::TooLarge { bytes: bytes.max(key.len()) });
            }
        }
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch.iter() {
            match value {
                Some(value) => rows.insert(key.to_vec(), value.to_vec()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }
}
