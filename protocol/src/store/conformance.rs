//! What every adapter of the storage port must do, as a suite that each one runs.
//!
//! Data in: a way to make empty places ([`Harness`]). Data out: nothing, or a panic that names the broken
//! rule and what was found. Each rule starts from a place of its own; [`run`] applies them all, among them a
//! seeded comparison with a map that reopens and crashes the store between batches. Deliberately not here:
//! speed, damaged files and killed processes, which only the adapter's own tests can arrange.

mod model;
mod rules;

use super::{KEY_BYTES_MAX, Store, StoreError, WriteBatch};

/// One place where an adapter keeps a store, empty when the harness is made.
pub trait Harness {
    /// The adapter under test.
    type Store: Store;

    /// Opens the store at this place, making it the first time. No other one is open meanwhile.
    ///
    /// # Errors
    /// Any [`StoreError`]; the suite treats it as a failure of the adapter.
    fn open(&mut self) -> Result<Self::Store, StoreError>;

    /// Ends `store` the way the process or the machine might die, as unkindly as the adapter can arrange.
    ///
    /// What is opened next must hold every batch up to the last durable one, and may hold any number of
    /// the batches after it, in order and whole. Unless overridden, the store is merely dropped.
    fn crash(&mut self, store: Self::Store) {
        drop(store);
    }
}

/// Runs every rule of the port against places made by `place`.
///
/// # Panics
/// When the adapter breaks a rule; the message says which one.
pub fn run<H: Harness>(mut place: impl FnMut() -> H) {
    for rule in rules::all::<H>() {
        rule(&mut place());
    }
    for seed in model::SEEDS {
        model::compare(&mut place(), seed);
    }
}

/// Just above every key an adapter must accept.
const PAST_ALL_KEYS: [u8; KEY_BYTES_MAX + 1] = [0xFF; KEY_BYTES_MAX + 1];

#[track_caller]
fn open<H: Harness>(place: &mut H) -> H::Store {
    match place.open() {
        Ok(store) => store,
        Err(error) => panic!("a sound place must open: {error}"),
    }
}

#[track_caller]
fn commit(store: &dyn Store, batch: &WriteBatch) {
    if let Err(error) = store.commit(batch) {
        panic!("a batch of {} writes within the limits must be committed: {error}", batch.len());
    }
}

#[track_caller]
fn get(store: &dyn Store, key: &[u8]) -> Option<Vec<u8>> {
    match store.get(key) {
        Ok(value) => value,
        Err(error) => panic!("reading the key {} must succeed: {error}", show(key)),
    }
}

/// Scans the half open range and stops after `pairs_max` pairs.
#[track_caller]
fn scan(store: &dyn Store, from: &[u8], to: &[u8], pairs_max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs = Vec::new();
    let result = store.scan(from, to, &mut |key, value| {
        assert!(pairs.len() < pairs_max, "a scan must stop when the visitor returns false");
        pairs.push((key.to_vec(), value.to_vec()));
        pairs.len() < pairs_max
    });
    if let Err(error) = result {
        panic!("scanning {} .. {} must succeed: {error}", show(from), show(to));
    }
    pairs
}

/// Everything in the store, in the order it gives it.
#[track_caller]
fn contents(store: &dyn Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    scan(store, &[], &PAST_ALL_KEYS, usize::MAX)
}

/// Shows the start of a key or value and its length.
fn show(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 24;
    let start = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    format!("\"{}\" ({} bytes)", start.escape_ascii(), bytes.len())
}

#[cfg(test)]
mod tests;
