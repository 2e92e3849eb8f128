//! How many commits were acknowledged as durable, kept apart from the engine.
//!
//! A log that lost its tail looks to its engine like one that was being written when the power failed,
//! and opens without a word. This count tells the two apart. It is written after the engine has synced
//! and is itself not synced, so it costs microseconds and can only lag: what it claims was on the disk.
//! It survives a killed process, and follows within the kernel's write-back delay when power fails. Making
//! a store ends with a first commit and a synced count: a count of none means that it never ended.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use meshwork_protocol::store::StoreError;

/// A count and its complement, little-endian. Lies within one sector, so it is never torn.
const RECORD_BYTES: usize = 16;

/// An open count.
pub struct Acknowledged {
    file: File,
    commits: u64,
}

impl Acknowledged {
    /// Writes a count of none, durably but for its name.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn create(path: &Path) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(&encode(0))?;
        file.sync_all()
    }

    /// Opens a count; `None` if what is there is not one.
    ///
    /// # Errors
    /// Whatever the operating system says.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::options().read(true).write(true).open(path)?;
        let mut bytes = Vec::new();
        // One byte more than is right, to notice what is too long.
        Read::by_ref(&mut file).take(RECORD_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(decode(&bytes).map(|commits| Self { file, commits }))
    }

    /// Commits that were acknowledged, at least.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Notes that commits up to `commits` are on the disk.
    ///
    /// # Errors
    /// `Io`.
    pub fn record(&mut self, commits: u64) -> Result<(), StoreError> {
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(&encode(commits)))
            .map_err(|error| StoreError::Io(format!("noting a durable commit: {error}")))?;
        self.commits = commits;
        Ok(())
    }

    /// Makes the count itself durable.
    ///
    /// # Errors
    /// `Io`.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_data()
            .map_err(|error| StoreError::Io(format!("syncing the count of commits: {error}")))
    }

    /// Checks that an engine which holds `found` commits holds all that were acknowledged.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn expect_at_most(&self, found: u64) -> Result<(), StoreError> {
        let wanted = self.commits;
        if found < wanted {
            let place = format!("holds {found} of {wanted} acknowledged commits");
            return Err(StoreError::Corrupt { place });
        }
        Ok(())
    }
}

fn encode(commits: u64) -> Vec<u8> {
    [commits.to_le_bytes(), (!commits).to_le_bytes()].concat()
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let (count, complement) = bytes.split_first_chunk::<8>()?;
    let commits = u64::from_le_bytes(*count);
    (complement == (!commits).to_le_bytes()).then_some(commits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_back() {
        for commits in [0, 1, u64::MAX] {
            assert_eq!(decode(&encode(commits)), Some(commits));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let sound = encode(7);
        for bit in 0..RECORD_BYTES * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
        assert_eq!(decode(&sound[..15]), None);
        assert_eq!(decode(&[&sound[..], &[0]].concat()), None);
        assert_eq!(decode(&[0; RECORD_BYTES]), None);
    }
}
