//! One turn of the replica: what the branches of `handle` share while inputs are being handled.
//!
//! Reads go through the port, seen through the writes this turn has already decided on. A read that fails,
//! or a row that cannot be what was written, halts the replica: the effects say so and nothing more is
//! promised.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::effect::Effects;
use crate::envelope;
use crate::identity::Identity;
use crate::ids::Time;
use crate::keyring::AtRest;
use crate::layout::ROW_VERSION;
use crate::store::{Store, StoreError};
use crate::view::Counters;

pub(crate) struct Turn<'a> {
    pub store: &'a dyn Store,
    pub identity: &'a Identity,
    pub at_rest: &'a AtRest,
    pub device_name: &'a str,
    pub checkpoint_entries: u64,
    pub now: Time,
    pub rng: &'a mut dyn CryptoRng,
    pub effects: &'a mut Effects,
    pub counters: &'a mut Counters,
}

impl Turn<'_> {
    pub(crate) fn halt(&mut self, error: StoreError) {
        self.effects.halt.get_or_insert(error);
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(written) = self.effects.batch.lookup(key) {
            return written.map(<[u8]>::to_vec);
        }
        match self.store.get(key) {
            Ok(value) => value,
            Err(error) => {
                self.halt(error);
                None
            }
        }
    }

    /// The first pairs of a range, up to `most`.
    pub(crate) fn scan(&mut self, from: &[u8], to: &[u8], most: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let batch = &self.effects.batch;
        let mut found: BTreeMap<Vec<u8>, Vec<u8>> = batch
            .range(from, to)
            .filter_map(|(key, value)| Some((key.to_vec(), value?.to_vec())))
            .take(most)
            .collect();
        let mut stored = 0;
        let result = self.store.scan(from, to, &mut |key, value| {
            if batch.lookup(key).is_none() {
                found.insert(key.to_vec(), value.to_vec());
                stored += 1;
            }
            stored < most
        });
        if let Err(error) = result {
            self.halt(error);
        }
        while found.len() > most {
            found.pop_last();
        }
        found.into_iter().collect()
    }

    /// Reads a row; halts when it is there but is not what such a row can be.
    pub(crate) fn row<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &[u8],
        kind: u8,
    ) -> Option<T> {
        let bytes = self.get(key)?;
        let row = envelope::open(ROW_VERSION, kind, &bytes);
        if row.is_none() {
            self.halt(damaged(key));
        }
        row
    }

    pub(crate) fn put_row(&mut self, key: Vec<u8>, kind: u8, row: &impl Serialize) {
        self.effects.batch.put(key, envelope::wrap(ROW_VERSION, kind, row));
    }

    /// Reads a row sealed under the storage key.
    pub(crate) fn sealed_row<T: Serialize + DeserializeOwned>(
        &mut self,
        key: &[u8],
        kind: u8,
    ) -> Option<T> {
        let bytes = self.sealed_bytes(key)?;
        let row = envelope::open(ROW_VERSION, kind, &bytes);
        if row.is_none() {
            self.halt(damaged(key));
        }
        row
    }

    pub(crate) fn sealed_bytes(&mut self, key: &[u8]) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        let sealed = self.get(key)?;
        let plain = self.at_rest.open(key, &sealed);
        if plain.is_none() {
            self.halt(damaged(key));
        }
        plain
    }

    pub(crate) fn put_sealed_row(&mut self, key: Vec<u8>, kind: u8, row: &impl Serialize) {
        let plain = zeroize::Zeroizing::new(envelope::wrap(ROW_VERSION, kind, row));
        self.put_sealed_bytes(key, &plain);
    }

    pub(crate) fn put_sealed_bytes(&mut self, key: Vec<u8>, plain: &[u8]) {
        let sealed = self.at_rest.seal(&key, plain, self.rng);
        self.effects.batch.put(key, sealed);
    }
}

/// The error for a row that is not what was written.
pub(crate) fn damaged(key: &[u8]) -> StoreError {
    let row = key.first().map_or('?', |letter| char::from(*letter));
    StoreError::Corrupt { place: format!("a row of kind '{row}'") }
}
