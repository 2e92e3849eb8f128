//! Plans that failed, in files: to be run again, and to be made smaller.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::check::Violation;
use crate::plan::Plan;
use crate::world::Report;

/// A run as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// What was run.
    pub plan: Plan,
    /// What happened, as a hash.
    pub trace_hash: String,
    /// What was wrong with it.
    pub failures: Vec<Found>,
}

/// A violation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Which invariant.
    pub invariant: String,
    /// What was found.
    pub detail: String,
}

impl From<&Violation> for Found {
    fn from(violation: &Violation) -> Self {
        Self { invariant: violation.invariant.to_owned(), detail: violation.detail.clone() }
    }
}

impl Saved {
    /// What is to be kept of a run.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        Self {
            plan: report.plan.clone(),
            trace_hash: report.trace_hash.clone(),
            failures: report.failures.iter().map(Found::from).collect(),
        }
    }

    /// Writes it into a folder, which is made if need be; the file.
    ///
    /// # Errors
    /// What the operating system says, with the path.
    pub fn write(&self, folder: &Path, name: &str) -> Result<PathBuf, String> {
        let path = folder.join(format!("{name}.json"));
        let json = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, json + "\n"))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }

    /// Reads what [`Saved::write`] wrote.
    ///
    /// # Errors
    /// That there is no such file, or that it is something else.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| format!("{} is no saved run: {error}", path.display()))
    }
}
