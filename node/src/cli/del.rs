//! `meshwork del`.

use clap::Args;

use super::Context;
use super::client::query;
use crate::api::types::Edited;
use crate::failure::Result;

/// Remove an object, or a part of one.
///
/// An edit made elsewhere without knowledge of the removal brings the object back.
#[derive(Debug, Args)]
pub(super) struct Del {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The object's name.
    object: String,
    /// Remove only what is at this place inside: keys and fields between slashes, indices as #N.
    #[arg(long, value_name = "PLACE")]
    at: Option<String>,
}

impl Del {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let path = ["spaces", &self.space, "objects", &self.object];
        let query = query(&[("at", self.at.as_deref())]);
        let edited: Edited = context.client()?.delete(&path, &query)?;
        context.terminal.data(&edited, |_| String::new())
    }
}
