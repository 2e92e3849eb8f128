//! What a share remembers of each file across restarts: the version on which file and object last agreed.
//!
//! Around each write to a file both versions are kept, before and after; the file itself says which holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use meshwork_crdt::DotRange;
use meshwork_protocol::ObjectId;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::files;

const VERSION: u32 = 1;
const BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A version of a text on which a file and its object agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shadow {
    /// The characters, as dots.
    pub spans: Vec<DotRange>,
    /// The hash of the text.
    pub hash: [u8; 32],
}

/// One file that is bound to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tracked {
    pub name: String,
    pub shadow: Shadow,
    /// The version that was being written to the file.
    pub writing: Option<Shadow>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    files: Vec<(String, Tracked)>,
}

/// Everything a share remembers.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    pub files: BTreeMap<ObjectId, Tracked>,
    saved: BTreeMap<ObjectId, Tracked>,
}

impl State {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let damaged = || {
            Failure::storage(format!("{} is damaged", path.display())).hint(
                "move it away and share the folder again: files that differ are kept beside each other",
            )
        };
        let content = files::read_bounded(path, BYTES_MAX).map_err(|error| {
            Failure::storage(format!("cannot read {}: {error}", path.display()))
        })?;
        let mut files = BTreeMap::new();
        if let Some(content) = content {
            let stored: Stored = serde_json::from_slice(&content).map_err(|_| damaged())?;
            if stored.version != VERSION {
                return Err(damaged());
            }
            for (id, tracked) in stored.files {
                files.insert(id.parse().map_err(|_| damaged())?, tracked);
            }
        }
        Ok(Self { path: path.to_owned(), saved: files.clone(), files })
    }

    /// Writes what has changed, durably.
    pub(crate) fn save(&mut self) -> Result<()> {
        if self.files == self.saved {
            return Ok(());
        }
        let files = self.files.iter().map(|(id, tracked)| (id.to_string(), tracked.clone()));
        let stored = Stored { version: VERSION, files: files.collect() };
        let content = serde_json::to_vec(&stored).expect("plain JSON");
        files::write_private(&self.path, &content)?;
        self.saved = self.files.clone();
        Ok(())
    }
}
