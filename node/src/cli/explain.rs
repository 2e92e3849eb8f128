//! `meshwork explain`.

use clap::Args;

use super::Context;
use super::client::query;
use super::get::shown;
use super::terminal::table;
use crate::api::types::{Claim, Explanation};
use crate::failure::Result;

/// Tell why an object says what it says: who wrote what, and which rule decides.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The space: its name, its id, or the beginning of its id.
    space: String,
    /// The object's name.
    object: String,
    /// A place inside: keys and fields between slashes, indices as #N.
    #[arg(long, value_name = "PLACE")]
    at: Option<String>,
}

impl Explain {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let query = query(&[("at", self.at.as_deref())]);
        let path = ["spaces", &self.space, "explain", &self.object];
        let explanation: Explanation = context.client()?.get(&path, &query)?;
        context.terminal.data(&explanation, told)
    }
}

fn told(explanation: &Explanation) -> String {
    let Explanation { kind, rule, value, claims } = explanation;
    let row = |claim: &Claim| {
        vec![
            if claim.stands { "stands" } else { "lost" }.to_owned(),
            claim.value.to_string(),
            claim
                .by
                .as_ref()
                .or(claim.log.as_ref())
                .map_or_else(String::new, |by| format!("by {by}")),
            claim.time_ms.map_or_else(String::new, |ms| format!("at {ms} ms")),
        ]
    };
    let claims = table(&claims.iter().map(row).collect::<Vec<_>>());
    format!("{}\n{kind}: {rule}\n{claims}", shown(value))
}
