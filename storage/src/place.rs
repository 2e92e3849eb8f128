//! The directory of a store: who may open it, and whose format it holds.
//!
//! Data in: a path and an [`Engine`]. Data out: a [`Place`], whose lock is held until it is dropped.
//! Invariant: nothing is written into a directory that holds another format, a newer one, or an engine's
//! file without its marker. The marker is written, with all that precedes it, before the engine's file.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use meshwork_protocol::store::StoreError;

use crate::acknowledged::Acknowledged;

const MARKER: &str = "format";
const MARKER_UNFINISHED: &str = "format.new";
const LOCK: &str = "lock";
const ACKNOWLEDGED: &str = "acknowledged";
/// First word of a marker.
const MAGIC: &str = "meshwork-store";
/// More than any marker of any version needs.
const MARKER_BYTES_MAX: u64 = 64;

/// What an adapter keeps in its directory.
pub struct Engine {
    /// Name in the marker.
    pub name: &'static str,
    /// Newest version of the adapter's format that is understood, and the one that is written.
    pub format: u32,
    /// The engine's main file, which exists in every store that holds anything.
    pub file: &'static str,
    /// Tells whether a name in the directory is one that the engine makes.
    pub owns: fn(&str) -> bool,
}

/// A directory that this process alone has open.
pub struct Place {
    path: PathBuf,
    engine: &'static Engine,
    lock: File,
}

impl Place {
    /// Locks the directory, making it first if need be, and checks its marker.
    ///
    /// # Errors
    /// `Locked`, `NewerFormat`, `Corrupt` for a marker that is missing or makes no sense, or is of another
    /// engine, `Io`.
    pub fn open(path: &Path, engine: &'static Engine) -> Result<Self, StoreError> {
        fs::create_dir_all(path).map_err(|error| io_failure("making", path, &error))?;
        let lock_path = path.join(LOCK);
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(|error| io_failure("opening", &lock_path, &error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => StoreError::Locked,
            TryLockError::Error(error) => io_failure("locking", &lock_path, &error),
        })?;
        let place = Self { path: path.to_owned(), engine, lock };
        match place.read_marker()? {
            Some(text) => place.check_marker(&text)?,
            None if place.engine_path().exists() => {
                return Err(place.corrupt(MARKER, "is missing beside the data"));
            }
            None => place.write_marker()?,
        }
        Ok(place)
    }

    /// Opens the count of acknowledged commits, and clears away a store whose making never ended.
    ///
    /// # Errors
    /// `Corrupt` when the count makes no sense, or says that the engine's file cannot be missing or empty
    /// as it is; `Io`.
    pub fn acknowledged(&self) -> Result<Acknowledged, StoreError> {
        let path = self.path.join(ACKNOWLEDGED);
        let acknowledged = match Acknowledged::open(&path) {
            Ok(Some(acknowledged)) => acknowledged,
            Ok(None) => return Err(self.corrupt(ACKNOWLEDGED, "does not hold a count")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.corrupt(ACKNOWLEDGED, "is missing"));
            }
            Err(error) => return Err(io_failure("opening", &path, &error)),
        };
        if acknowledged.commits() == 0 {
            self.clear()?;
            return Ok(acknowledged);
        }
        let file = self.engine_path();
        match fs::metadata(&file) {
            Ok(metadata) if metadata.len() > 0 => Ok(acknowledged),
            Ok(_) => Err(self.corrupt(self.engine.file, "is empty")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.corrupt(self.engine.file, "is missing"))
            }
            Err(error) => Err(io_failure("inspecting", &file, &error)),
        }
    }

    /// Removes what the engine has made: some engines cannot open what they had half made.
    fn clear(&self) -> Result<(), StoreError> {
        let failed = |error| io_failure("clearing", &self.path, &error);
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !entry.file_name().to_str().is_some_and(self.engine.owns) {
                continue;
            }
            let removed = if entry.file_type().map_err(failed)?.is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            removed.map_err(failed)?;
        }
        Ok(())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The engine's main file.
    pub fn engine_path(&self) -> PathBuf {
        self.path().join(self.engine.file)
    }

    /// Makes the names of the files in the directory durable.
    ///
    /// # Errors
    /// `Io`.
    pub fn sync_names(&self) -> Result<(), StoreError> {
        sync_directory(&self.path)
    }

    /// Says that `what` in this directory is damaged.
    pub fn corrupt(&self, what: &str, how: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt { place: format!("{} {how}", self.path.join(what).display()) }
    }

    /// Adds the engine's file to what the engine said of damage.
    pub fn name_damage(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Corrupt { place } => {
                self.corrupt(self.engine.file, format_args!("({place})"))
            }
            error => error,
        }
    }

    fn read_marker(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path.join(MARKER);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_failure("opening", &path, &error)),
        };
        let mut text = Vec::new();
        file.take(MARKER_BYTES_MAX + 1)
            .read_to_end(&mut text)
            .map_err(|error| io_failure("reading", &path, &error))?;
        Ok(Some(text))
    }

    fn check_marker(&self, text: &[u8]) -> Result<(), StoreError> {
        let words: Vec<&str> =
            std::str::from_utf8(text).unwrap_or_default().split_whitespace().collect();
        let [MAGIC, engine, format] = words.as_slice() else {
            return Err(self.corrupt(MARKER, "is not a format marker"));
        };
        if *engine != self.engine.name {
            let wanted = self.engine.name;
            return Err(self.corrupt(MARKER, format_args!("is of {engine:?}, not of {wanted:?}")));
        }
        match format.parse::<u32>() {
            Ok(found) if found > self.engine.format => {
                Err(StoreError::NewerFormat { found, supported: self.engine.format })
            }
            Ok(found) if found == self.engine.format => Ok(()),
            _ => Err(self.corrupt(MARKER, "names no known format")),
        }
    }

    /// Claims an empty directory. A crash in between leaves a directory that can be claimed again.
    fn write_marker(&self) -> Result<(), StoreError> {
        let count = self.path.join(ACKNOWLEDGED);
        Acknowledged::create(&count).map_err(|error| io_failure("writing", &count, &error))?;
        let unfinished = self.path.join(MARKER_UNFINISHED);
        let marker = self.path.join(MARKER);
        let written = File::create(&unfinished).and_then(|mut file| {
            writeln!(file, "{MAGIC} {} {}", self.engine.name, self.engine.format)?;
            file.sync_all()
        });
        written.map_err(|error| io_failure("writing", &unfinished, &error))?;
        fs::rename(&unfinished, &marker).map_err(|error| io_failure("naming", &marker, &error))?;
        self.sync_names()?;
        // The name of the directory itself lies in its parent.
        match self.path.canonicalize().ok().as_deref().and_then(Path::parent) {
            Some(parent) => sync_directory(parent),
            None => Ok(()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Closing is not enough: a process being started shares the lock until it runs its program.
        // If this fails, the end of this process frees the lock.
        let _ = self.lock.unlock();
    }
}

/// Says what was attempted and how the operating system answered.
pub fn io_failure(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Io(format!("{doing} {}: {error}", path.display()))
}

/// Makes the entries of a directory durable. Windows gives no handle to sync; its file systems log names.
fn sync_directory(path: &Path) -> Result<(), StoreError> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_failure("syncing", path, &error))
}
