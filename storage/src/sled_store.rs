//! The sled adapter: one log, one tree.
//!
//! Data in: batches, each one sled batch with a tally in it. Data out: reads of the tree.
//! Three traps of sled 0.34 shape it. `flush` writes but does not sync on Linux, so a durable commit also
//! syncs the log file. A page above 128 KiB, such as a leaf of sixteen long values, goes to a blob file
//! that is never synced, so `records` cuts long values until every page stays below. And recovery passes
//! over damage and shows what is left of the log, so the tally says what must be there.
//! Deliberately not here: repair; sled shortens a damaged log when it opens it.

mod records;

use std::fs::File;
use std::mem;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use meshwork_protocol::store::{Store, StoreError, WriteBatch};

use crate::acknowledged::Acknowledged;
use crate::latch::Latch;
use crate::place::{Engine, Place, io_failure};

use records::{Records, Tally};

const ENGINE: Engine = Engine {
    name: "sled",
    format: 1,
    file: "db",
    owns: |name| ["db", SETTINGS, "blobs"].contains(&name) || name.starts_with("snap."),
};
/// sled's own settings. It writes them unsynced and replaces them when they are missing.
const SETTINGS: &str = "conf";
const TREE: &str = "records";
/// How long an instance that was dropped may hold its files while its threads end.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_POLL: Duration = Duration::from_millis(5);

/// How a [`SledStore`] trades memory, background work and time to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SledOptions {
    /// Page cache in bytes. sled uses about twice this much memory when it is full.
    pub cache_bytes: u64,
    /// Milliseconds between background flushes: the most that non-durable batches may lose to a crash,
    /// and how often a sleeping disk is touched.
    pub flush_interval_ms: u64,
    /// Read everything when opening, and refuse what is not what was committed. Without this, damage
    /// inside sled's log can show as missing or older values.
    pub verify_on_open: bool,
}

impl Default for SledOptions {
    /// 32 MiB of cache, a flush each second, and verification.
    fn default() -> Self {
        Self { cache_bytes: 32 * 1024 * 1024, flush_interval_ms: 1000, verify_on_open: true }
    }
}

/// A [`Store`] in a directory, kept by sled 0.34.
///
/// Opening reads everything once, or only the log written since the last opening when it does not verify:
/// see [`SledOptions::verify_on_open`]. A scan sees commits that happen while it runs.
pub struct SledStore {
    latch: Latch,
    // Always there until it is dropped.
    database: Option<Database>,
    writer: Mutex<Writer>,
    // Last, so that the directory is free only when sled has closed.
    _place: Place,
}

struct Database {
    engine: sled::Db,
    tree: sled::Tree,
}

struct Writer {
    /// What the tree holds.
    tally: Tally,
    acknowledged: Acknowledged,
    log: File,
}

impl SledStore {
    /// Opens the store in the directory `path`, making both if they are not there.
    ///
    /// # Errors
    /// - `Locked`: another process has it open.
    /// - `NewerFormat`: a later version of this adapter wrote it.
    /// - `Corrupt`: something is damaged or missing, among it any acknowledged commit. What can be told
    ///   before sled touches its log is; sled itself may have cut the log at the damage.
    /// - `Io`: the operating system refused.
    pub fn open(path: impl AsRef<Path>, options: SledOptions) -> Result<Self, StoreError> {
        let place = Place::open(path.as_ref(), &ENGINE)?;
        let acknowledged = place.acknowledged()?;
        let latch = Latch::default();
        let opened = latch.run(|| {
            let database = Database::open(&place, &options)?;
            let tally = Records(&database.tree).tally()?;
            Ok((database, tally))
        });
        let (database, tally) = opened.map_err(|error| place.name_damage(error))?;
        acknowledged.expect_at_most(tally.commits).map_err(|error| place.name_damage(error))?;
        if options.verify_on_open {
            let verified = latch.run(|| Records(&database.tree).verify(&tally));
            verified.map_err(|error| place.name_damage(error))?;
        }
        let log_path = place.engine_path();
        let log = File::options()
            .read(true)
            .write(true)
            .open(&log_path)
            .map_err(|error| io_failure("opening", &log_path, &error))?;
        let mut writer = Writer { tally, acknowledged, log };
        latch.run(|| writer.begin(&database, &place))?;
        Ok(Self { latch, database: Some(database), writer: Mutex::new(writer), _place: place })
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("only dropping takes the database")
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.latch.run(|| Records(&self.database().tree).get(key))
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
        let records = Records(&self.database().tree);
        let mut heads = self.latch.run(|| Ok(records.heads(from, to)))?;
        while let Some(pair) = self.latch.run(|| records.next_pair(&mut heads))? {
            if !visit(pair.key()?, pair.value()) {
                break;
            }
        }
        Ok(())
    }

    fn commit(&self, batch: &WriteBatch) -> Result<(), StoreError> {
        batch.check_sizes()?;
        // A writer that panicked has closed the latch.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.latch.run(|| writer.commit(self.database(), batch))
    }
}

impl Writer {
    fn commit(&mut self, database: &Database, batch: &WriteBatch) -> Result<(), StoreError> {
        if !batch.is_empty() {
            self.apply(database, batch)?;
        }
        if batch.durable() {
            self.sync(database)?;
            self.acknowledged.record(self.tally.commits)?;
        }
        Ok(())
    }

    fn apply(&mut self, database: &Database, batch: &WriteBatch) -> Result<(), StoreError> {
        let writes = Records(&database.tree).plan(batch, &mut self.tally)?;
        database.tree.apply_batch(writes).map_err(failure)
    }

    fn sync(&self, database: &Database) -> Result<(), StoreError> {
        database.engine.flush().map_err(failure)?;
        self.log.sync_data().map_err(|error| StoreError::Io(format!("syncing sled's log: {error}")))
    }

    /// Makes what was found durable, with the names and settings that sled leaves unsynced: what a killed
    /// process left in the page cache is about to be built upon.
    fn begin(&mut self, database: &Database, place: &Place) -> Result<(), StoreError> {
        if self.tally.commits == 0 {
            self.apply(database, &WriteBatch::default())?;
        }
        self.sync(database)?;
        let settings = place.path().join(SETTINGS);
        File::options()
            .write(true)
            .open(&settings)
            .and_then(|file| file.sync_all())
            .map_err(|error| io_failure("syncing", &settings, &error))?;
        place.sync_names()?;
        self.acknowledged.record(self.tally.commits)?;
        self.acknowledged.sync()
    }
}

impl Database {
    fn open(place: &Place, options: &SledOptions) -> Result<Self, StoreError> {
        let config = sled::Config::new()
            .path(place.path())
            .cache_capacity(options.cache_bytes)
            .flush_every_ms(Some(options.flush_interval_ms));
        let begun = Instant::now();
        let engine = loop {
            match config.open().map_err(failure) {
                // This process holds the place, so the holder is ending, or is no store of ours.
                Err(StoreError::Locked) if begun.elapsed() < LINGER => thread::sleep(LINGER_POLL),
                result => break result?,
            }
        };
        let tree = engine.open_tree(TREE).map_err(failure)?;
        Ok(Self { engine, tree })
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        let Some(database) = self.database.take() else { return };
        if self.latch.has_panicked() {
            // Closing waits for sled's threads, of which one may be gone.
            mem::forget(database);
        } else {
            // Nothing durable is at stake: a failure here is found by the next opening.
            let _ = self.latch.run(|| database.engine.flush().map_err(failure));
        }
    }
}

/// Sorts sled's errors into those of the port.
fn failure(error: sled::Error) -> StoreError {
    use std::io::ErrorKind;
    match error {
        sled::Error::Io(error) => {
            let text = error.to_string();
            if text.starts_with("could not acquire lock") && text.contains("WouldBlock") {
                return StoreError::Locked;
            }
            match error.kind() {
                // sled reads only what it has written, so an early end is a shortened file.
                ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
                    StoreError::Corrupt { place: format!("sled's log: {text}") }
                }
                _ => StoreError::Io(format!("sled: {text}")),
            }
        }
        sled::Error::Corruption { at: Some(at), .. } => {
            StoreError::Corrupt { place: format!("sled's log at {at:?}") }
        }
        sled::Error::Corruption { at: None, .. } => {
            StoreError::Corrupt { place: "sled's log".into() }
        }
        other => StoreError::Corrupt { place: format!("sled's log: {other}") },
    }
}
