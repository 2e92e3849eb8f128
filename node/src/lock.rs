//! One process per data directory: an advisory lock on a file that says who holds it.
//!
//! The kernel releases the lock with the process, however that ends, so nothing is ever stale.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::failure::{Failure, FailureKind, Result};

const LOCK_FILE: &str = "lock";

/// Holds a data directory for this process until dropped.
#[derive(Debug)]
pub(crate) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the lock of `data_dir`.
    ///
    /// # Errors
    /// [`FailureKind::InUse`] naming the holder's process id, or [`FailureKind::Storage`].
    pub(crate) fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join(LOCK_FILE);
        let failed = |error: &dyn std::fmt::Display| {
            Failure::storage(format!(
                "cannot use the data directory {}: {error}",
                data_dir.display()
            ))
            .hint("choose a directory you may write to: --data-dir DIR")
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| failed(&error))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(in_use(data_dir, &mut file)),
            Err(error) => return Err(failed(&error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| failed(&error))?;
        Ok(Self { _file: file })
    }
}

fn in_use(data_dir: &Path, file: &mut File) -> Failure {
    let mut holder = String::new();
    let read = file.take(32).read_to_string(&mut holder);
    let holder = match read.map(|_| holder.trim().parse::<u32>()) {
        Ok(Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    Failure::new(
        FailureKind::InUse,
        format!("the data directory {} is in use by {holder}", data_dir.display()),
    )
    .hint("that daemon is already up: talk to it with the other commands")
    .hint("or run a second device beside it: --data-dir DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_learns_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::take(dir.path()).unwrap();
        let failure = DirLock::take(dir.path()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::InUse);
        assert!(failure.message.contains(&format!("process {}", std::process::id())));
        drop(first);
        DirLock::take(dir.path()).unwrap();
    }
}
