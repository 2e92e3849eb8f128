//! Small files that must be whole or absent: written beside, synced, renamed, and the directory synced.
//!
//! Deliberately not here: what the files mean, and the store.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::failure::{Failure, Result};

/// Creates `dir` and its parents, readable by its owner only.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage) with a hint.
pub(crate) fn create_private_dir(dir: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| {
        Failure::storage(format!("cannot create the directory {}: {error}", dir.display()))
            .hint("choose a directory you may write to: --data-dir DIR")
    })
}

/// Replaces the file at `path` by `content`, mode 0600, atomically and durably.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage); the old file is untouched then.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    write_synced(path, content).map_err(|error| {
        Failure::storage(format!("cannot write {}: {error}", path.display()))
            .hint("check free space and permissions of the data directory")
    })
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    File::open(dir)?.sync_all()
}

/// Reads a file of at most `bytes_max` bytes; `None` when there is none.
///
/// # Errors
/// Anything but "not found", and a file that is longer.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too long"));
    }
    Ok(Some(content))
}
