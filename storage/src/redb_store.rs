//! The redb adapter: one file, one table of pairs, one count.
//!
//! Data in: batches, each one write transaction. Data out: reads of the last committed state; a scan keeps
//! the state it started with. Invariant: the count of commits changes in the transaction it counts.
//! Deliberately not here: redb's own repair, which runs when a store that was not closed is opened.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use meshwork_protocol::store::{Store, StoreError, WriteBatch};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use crate::acknowledged::Acknowledged;
use crate::latch::Latch;
use crate::place::{Engine, Place};

const FILE: &str = "records.redb";
const ENGINE: Engine = Engine { name: "redb", format: 1, file: FILE, owns: |name| name == FILE };
const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");
const COUNTS: TableDefinition<&str, u64> = TableDefinition::new("counts");
const COMMITS: &str = "commits";

/// How a [`RedbStore`] trades memory and time to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedbOptions {
    /// Page cache in bytes.
    pub cache_bytes: usize,
    /// Read the whole file when opening it, and refuse it if any page is not what was written. Without
    /// this, redb trusts a file that was closed, and damage to it can show as wrong values.
    pub verify_on_open: bool,
}

impl Default for RedbOptions {
    /// 32 MiB of cache, and verification.
    fn default() -> Self {
        Self { cache_bytes: 32 * 1024 * 1024, verify_on_open: true }
    }
}

/// A [`Store`] in a directory, kept by redb.
///
/// A scan keeps the state it started with. Opening a store that was not closed verifies all of it.
pub struct RedbStore {
    latch: Latch,
    // Always there until it is dropped.
    database: Option<redb::Database>,
    writer: Mutex<Writer>,
    // Last, so that the directory is free only when redb has closed.
    _place: Place,
}

struct Writer {
    /// Commits in the table.
    commits: u64,
    acknowledged: Acknowledged,
}

impl RedbStore {
    /// Opens the store in the directory `path`, making both if they are not there.
    ///
    /// # Errors
    /// - `Locked`: another process has it open.
    /// - `NewerFormat`: a later version of this adapter wrote it.
    /// - `Corrupt`: something is damaged or missing, among it any acknowledged commit.
    /// - `Io`: the operating system refused.
    pub fn open(path: impl AsRef<Path>, options: RedbOptions) -> Result<Self, StoreError> {
        let place = Place::open(path.as_ref(), &ENGINE)?;
        let mut acknowledged = place.acknowledged()?;
        let latch = Latch::default();
        let opened = latch.run(|| {
            let database = redb::Builder::new()
                .set_cache_size(options.cache_bytes)
                .set_check_integrity_on_open(options.verify_on_open)
                .create(place.engine_path())
                .map_err(failure)?;
            let commits = first_transaction(&database)?;
            Ok((database, commits))
        });
        let (database, commits) = opened.map_err(|error| place.name_damage(error))?;
        acknowledged.expect_at_most(commits).map_err(|error| place.name_damage(error))?;
        place.sync_names()?;
        acknowledged.record(commits)?;
        acknowledged.sync()?;
        let writer = Mutex::new(Writer { commits, acknowledged });
        Ok(Self { latch, database: Some(database), writer, _place: place })
    }

    fn database(&self) -> &redb::Database {
        self.database.as_ref().expect("only dropping takes the database")
    }
}

/// Makes the tables exist, makes what a killed process left durable, and returns the count of commits,
/// which starts with one.
fn first_transaction(database: &redb::Database) -> Result<u64, StoreError> {
    let transaction = database.begin_write().map_err(failure)?;
    transaction.open_table(RECORDS).map_err(failure)?;
    let commits = {
        let mut counts = transaction.open_table(COUNTS).map_err(failure)?;
        let found = counts.get(COMMITS).map_err(failure)?.map(|count| count.value());
        let commits = found.unwrap_or(1);
        counts.insert(COMMITS, commits).map_err(failure)?;
        commits
    };
    transaction.commit().map_err(failure)?;
    Ok(commits)
}

impl Store for RedbStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.latch.run(|| {
            let transaction = self.database().begin_read().map_err(failure)?;
            let records = transaction.open_table(RECORDS).map_err(failure)?;
            let value = records.get(key).map_err(failure)?;
            Ok(value.map(|value| value.value().to_vec()))
        })
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
        let mut pairs = self.latch.run(|| {
            let transaction = self.database().begin_read().map_err(failure)?;
            let records = transaction.open_table(RECORDS).map_err(failure)?;
            records.range(from..to).map_err(failure)
        })?;
        while let Some((key, value)) =
            self.latch.run(|| pairs.next().transpose().map_err(failure))?
        {
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        batch.check_sizes()?;
        if batch.is_empty() && !batch.durable() {
            return Ok(());
        }
        // A writer that panicked has closed the latch.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.latch.run(|| writer.commit(self.database(), batch))
    }
}

impl Writer {
    fn commit(&mut self, database: &redb::Database, batch: &WriteBatch) -> Result<(), StoreError> {
        let commits = self.commits + 1;
        let mut transaction = database.begin_write().map_err(failure)?;
        if !batch.durable() {
            transaction.set_durability(redb::Durability::None).map_err(failure)?;
        }
        {
            let mut records = transaction.open_table(RECORDS).map_err(failure)?;
            for (key, value) in batch.iter() {
                match value {
                    Some(value) => records.insert(key, value).map_err(failure)?,
                    None => records.remove(key).map_err(failure)?,
                };
            }
            let mut counts = transaction.open_table(COUNTS).map_err(failure)?;
            counts.insert(COMMITS, commits).map_err(failure)?;
        }
        transaction.commit().map_err(failure)?;
        self.commits = commits;
        if batch.durable() {
            self.acknowledged.record(commits)?;
        }
        Ok(())
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        // Closing writes, and must not do so from a state that has been found impossible.
        if self.latch.has_panicked() {
            std::mem::forget(self.database.take());
        }
    }
}

/// Sorts redb's errors into those of the port.
fn failure(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => StoreError::Locked,
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                StoreError::Corrupt { place: format!("redb's file: {error}") }
            }
            _ => StoreError::Io(format!("redb: {error}")),
        },
        error @ (redb::Error::PreviousIo | redb::Error::Backend(_) | redb::Error::Unsupported) => {
            StoreError::Io(format!("redb: {error}"))
        }
        other => StoreError::Corrupt { place: format!("redb's file: {other}") },
    }
}
