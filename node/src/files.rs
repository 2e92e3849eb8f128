//! Small files that must be whole or absent: written beside, synced, renamed, and the directory synced.
//!
//! Deliberately not here: what the files mean, and the store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use crate::failure::{Failure, Result};

/// How the names of files in the making start.
const UNFINISHED: &str = ".new-";

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
    let old = OpenOptions::new().write(true).open(path).map_err(failed)?;
    write_private(path, content)?;
    if old.metadata().map_err(failed)?.nlink() > 0 {
        return Ok(false);
    }
    overwrite(old).map_err(failed)?;
    Ok(true)
}

/// Overwrites and removes what writes that were cut short have left in `dir`.
///
/// Only for who holds the directory's lock: anybody else's file in the making would go too.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage); some may be left.
pub(crate) fn clear_unfinished(dir: &Path) -> Result<()> {
    let cleared = fs::read_dir(dir).and_then(|mut entries| {
        entries.try_for_each(|entry| {
            let entry = entry?;
            let unfinished =
                entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
            if unfinished && entry.file_type()?.is_file() {
                overwrite(OpenOptions::new().write(true).open(entry.path())?)?;
                fs::remove_file(entry.path())?;
            }
            Ok(())
        })
    });
    cleared.map_err(|error: io::Error| {
        Failure::storage(format!("cannot clear unfinished files in {}: {error}", dir.display()))
    })
}

fn overwrite(mut file: File) -> io::Result<()> {
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    written_beside(path, content)?.persist(path).map_err(|error| error.error)?;
    sync_dir_of(path)
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn written_beside(path: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut temporary = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir_of(path))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cut_write_left_is_overwritten_and_gone_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (left, kept) = (dir.path().join(".new-abc"), dir.path().join("identity"));
        fs::write(&left, "a secret").unwrap();
        fs::write(&kept, "whole").unwrap();
        fs::create_dir(dir.path().join(".new-dir")).unwrap();
        let second_name = dir.path().join("other");
        fs::hard_link(&left, &second_name).unwrap();
        clear_unfinished(dir.path()).unwrap();
        assert!(!left.exists() && dir.path().join(".new-dir").exists());
        assert_eq!(fs::read(&kept).unwrap(), b"whole");
        assert_eq!(fs::read(&second_name).unwrap(), [0; 8]);
    }

    #[test]
    fn a_file_that_exists_is_not_created_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        create_private(&path, b"first").unwrap();
        assert!(create_private(&path, b"second").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing unfinished is left");
    }
}
