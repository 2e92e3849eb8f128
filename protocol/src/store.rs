//! The storage port: ordered byte keys, one atomic write.
//!
//! Data in: one [`WriteBatch`] at a time, from one writer. Data out: point reads and ordered scans of
//! what was committed. Key layout and value formats belong to this crate (`layout.rs`); adapters see
//! bytes only. Deliberately not here: transactions, callbacks, request ids, anything asynchronous.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod memory;

pub use memory::MemoryStore;

/// Longest key an adapter must accept, in bytes.
pub const KEY_BYTES_MAX: usize = 256;
/// Longest value an adapter must accept, in bytes. Values are small as a rule; this is what the longest rows come to
/// whose length peers decide, within the limits of [`crate::limits`].
pub const VALUE_BYTES_MAX: usize = 1000 * 1024;

/// An ordered key-value store that commits batches atomically.
///
/// There is one writer: `commit` is never called concurrently with itself. A scan sees every batch
/// committed before it started.
pub trait Store: Send + Sync {
    /// Reads one value.
    ///
    /// # Errors
    /// Any [`StoreError`]; the caller stops, because it can no longer tell what it knows.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the pairs with `from <= key < to` in ascending byte order until `visit` returns `false`.
    ///
    /// # Errors
    /// Any [`StoreError`]; pairs visited before it are valid.
    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError>;

    /// Applies all writes of `batch`, or none of them.
    ///
    /// When [`WriteBatch::durable`] is set, the batch and every batch before it survive power loss
    /// once this returns.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] leaves the store as it was. After any other [`StoreError`] the caller
    /// stops, and recovery is opening the store again.
    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(key)
    }

    fn scan(
        &self,
        from: &[u8],
        to: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        (**self).scan(from, to, visit)
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        (**self).commit(batch)
    }
}

/// A set of writes that become visible, and durable, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    durable: bool,
}

impl WriteBatch {
    /// Writes `value` under `key`, replacing what this batch said of it before.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Asks that this batch be durable when the commit returns.
    pub fn require_durable(&mut self) {
        self.durable = true;
    }

    /// Tells whether the batch must survive power loss once committed.
    #[must_use]
    pub fn durable(&self) -> bool {
        self.durable
    }

    /// Tells whether every key and value is one that an adapter must accept.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] with the size of the first that is not.
    pub fn check_sizes(&self) -> Result<(), StoreError> {
        for (key, value) in self.iter() {
            if key.len() > KEY_BYTES_MAX {
                return Err(StoreError::TooLarge { bytes: key.len() });
            }
            if let Some(bytes) = value.map(<[u8]>::len).filter(|bytes| *bytes > VALUE_BYTES_MAX) {
                return Err(StoreError::TooLarge { bytes });
            }
        }
        Ok(())
    }

    /// Tells whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Number of keys written or removed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// What this batch says of `key`: nothing, a removal (`Some(None)`), or a value.
    #[must_use]
    pub fn lookup(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.writes.get(key).map(Option::as_deref)
    }

    /// The writes in ascending key order; `None` removes the key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// The writes with `from <= key < to`, in ascending key order.
    pub fn range(&self, from: &[u8], to: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let bounds = (from < to).then(|| {
            self.writes
                .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)))
        });
        bounds.into_iter().flatten().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }
}

/// Why a store could not be opened, read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused or failed; the text says what was attempted.
    Io(String),
    /// What was read cannot be what was written.
    Corrupt {
        /// Which file, tree or record.
        place: String,
    },
    /// The store was written by a newer version of this software.
    NewerFormat {
        /// Format version found.
        found: u32,
        /// Newest format version understood.
        supported: u32,
    },
    /// Another process holds the store open.
    Locked,
    /// A key or value exceeds [`KEY_BYTES_MAX`] or [`VALUE_BYTES_MAX`].
    TooLarge {
        /// Size in bytes.
        bytes: usize,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(what) => write!(f, "storage failed: {what}"),
            Self::Corrupt { place } => write!(f, "stored data is damaged: {place}"),
            Self::NewerFormat { found, supported } => write!(
                f,
                "the store has format {found}, this version understands up to {supported}"
            ),
            Self::Locked => write!(f, "the store is in use by another process"),
            Self::TooLarge { bytes } => write!(f, "a key or value of {bytes} bytes is too large"),
        }
    }
}

impl std::error::Error for StoreError {}
