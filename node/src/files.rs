//! Small files that must be whole or absent: written beside, synced, renamed, and the directory synced.
//!
//! Deliberately not here: what the files mean, and the store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
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

/// Writes a file that must not exist yet, mode 0600, atomically and durably.
///
/// # Errors
/// [`FailureKind::Usage`](crate::FailureKind::Usage) if it exists,
/// [`FailureKind::Storage`](crate::FailureKind::Storage).
pub(crate) fn create_private(path: &Path, content: &[u8]) -> Result<()> {
    let shown = path.display();
    let created = written_beside(path, content).and_then(|temporary| {
        temporary.persist_noclobber(path).map_err(|error| error.error)?;
        sync_dir_of(path)
    });
    created.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format!("{shown} exists already"))
            .hint("choose another name; nothing is ever replaced"),
        _ => Failure::storage(format!("cannot write {shown}: {error}"))
            .hint("choose a directory that exists and that you may write to"),
    })
}

/// Replaces a file as [`write_private`] does, then overwrites the old bytes where they lay.
///
/// `false` if they were left because the old file has another name as well. File systems that never write in
/// place, flash storage and snapshots keep copies that nothing here can reach.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage); the file is whole, old or new.
pub(crate) fn replace_secret(path: &Path, content: &[u8]) -> Result<bool> {
    let failed = |error: io::Error| {
        Failure::storage(format!("cannot overwrite the old {}: {error}", path.display()))
    };
    let mut old = OpenOptions::new().write(true).open(path).map_err(failed)?;
    write_private(path, content)?;
    let metadata = old.metadata().map_err(failed)?;
    if metadata.nlink() > 0 {
        return Ok(false);
    }
    let zeros = vec![0; usize::try_from(metadata.len()).unwrap_or_default()];
    old.write_all(&zeros).and_then(|()| old.sync_all()).map_err(failed)?;
    Ok(true)
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    written_beside(path, content)?.persist(path).map_err(|error| error.error)?;
    sync_dir_of(path)
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn written_beside(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut temporary = tempfile::Builder::new().prefix(".new-").tempfile_in(dir_of(path))?;
    temporary.write_all(content)?;
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

fn sync_dir_of(path: &Path) -> io::Result<()> {
    File::open(dir_of(path))?.sync_all()
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
