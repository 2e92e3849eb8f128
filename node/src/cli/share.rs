//! `meshwork share`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use meshwork_protocol::History;

use super::Context;
use super::client::Client;
use super::terminal::{counted, table};
use crate::api::types::{CreateSpace, ShareFolder, SpaceStatus};
use crate::failure::{Failure, Result};
use crate::share::ShareStatus;

/// Share the text files of a folder; without a folder, list what is shared.
///
/// Files become text objects of a space and follow both ways: what any editor saves on one device appears in
/// the file on the others, and concurrent edits merge by character. Binary files are left alone. A file named
/// .meshworkignore lists patterns of names to leave out. To get the folder on another device, let it join the
/// space and share an empty folder there.
#[derive(Debug, Args)]
pub(super) struct Share {
    /// The folder.
    dir: Option<PathBuf>,
    /// The space to bind it to; created if there is none of that name [default: the folder's name].
    #[arg(long, requires = "dir")]
    space: Option<String>,
}

impl Share {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let Some(dir) = self.dir else {
            let shares: Vec<ShareStatus> = client.get(&["shares"], "")?;
            return context
                .terminal
                .data(&shares, |shares| shares.iter().map(human).collect::<Vec<_>>().join("\n"));
        };
        let dir = absolute(&dir)?;
        let space = space_for(&client, &dir, self.space)?;
        let body = ShareFolder { dir, space };
        let status: ShareStatus = client.post(&["shares"], &body, Duration::from_secs(600))?;
        context.terminal.data(&status, human)
    }
}

fn absolute(dir: &Path) -> Result<PathBuf> {
    dir.canonicalize().map_err(|error| {
        Failure::usage(format!("cannot share {}: {error}", dir.display()))
            .hint("name a directory that exists")
    })
}

/// The space to bind to; one of the folder's name is made where none was named.
fn space_for(client: &Client, dir: &Path, named: Option<String>) -> Result<String> {
    let spaces: Vec<SpaceStatus> = client.get(&["spaces"], "")?;
    let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = named.or(folder).unwrap_or_else(|| "files".to_owned());
    let known =
        spaces.iter().any(|space| space.name == name || space.id.starts_with(name.as_str()));
    if !known {
        let body = CreateSpace { name: name.clone(), history: History::All };
        let made: SpaceStatus = client.post(&["spaces"], &body, Duration::ZERO)?;
        return Ok(made.id);
    }
    Ok(name)
}

fn human(share: &ShareStatus) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let state = match (&share.error, share.pending) {
        (Some(failure), _) => failure.message.clone(),
        (None, true) => "work left".to_owned(),
        (None, false) => "up to date".to_owned(),
    };
    let mut rows = vec![
        row("folder", share.dir.display().to_string()),
        row("space", share.space.clone()),
        row("follows", counted(share.files as u64, "file", "files")),
        row("state", state),
    ];
    rows.extend(
        share.skipped.iter().map(|(name, why)| row("left alone", format!("{name}: {why}"))),
    );
    table(&rows)
}
