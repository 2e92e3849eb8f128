//! Where the command line gets passphrases from: a file, a variable, or the person at the terminal.
//!
//! Never from an argument: those can be read by every user of the machine.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Result};
use crate::identity::{self, Passphrase};

/// The passphrase that an identity is sealed under.
#[derive(Debug, Args)]
pub(super) struct PassphraseSource {
    /// Read the passphrase of the identity from the first line of FILE.
    ///
    /// Also MESHWORK_PASSPHRASE_FILE, or the passphrase itself in MESHWORK_PASSPHRASE. Otherwise it is asked for
    /// where one is needed, if standard input is a terminal.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseSource {
    /// The passphrase that was given without asking.
    ///
    /// # Errors
    /// [`FailureKind::Usage`](crate::FailureKind::Usage) if it cannot be one.
    pub(super) fn given(&self) -> Result<Option<Passphrase>> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let file = self.passphrase_file.clone();
        if let Some(file) = file.or_else(|| variable("MESHWORK_PASSPHRASE_FILE").map(PathBuf::from))
        {
            return Passphrase::from_file(&file).map(Some);
        }
        let Some(text) = variable("MESHWORK_PASSPHRASE") else { return Ok(None) };
        let text = text
            .into_string()
            .map_err(|_| Failure::usage("MESHWORK_PASSPHRASE is not UTF-8 text"))?;
        Passphrase::new(text).map(Some).map_err(|failure| Failure {
            message: format!("MESHWORK_PASSPHRASE: {failure}"),
            ..failure
        })
    }

    /// The passphrase something is sealed under: given, or asked for.
    ///
    /// # Errors
    /// [`FailureKind::Sealed`](crate::FailureKind::Sealed) if nobody can be asked.
    pub(super) fn existing(&self, of: &str) -> Result<Passphrase> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        if !io::stdin().is_terminal() {
            return Err(identity::passphrase_missing());
        }
        ask(&format!("passphrase of {of}: "))
    }

    /// A passphrase to seal under: given, or asked for twice.
    ///
    /// # Errors
    /// [`FailureKind::Usage`](crate::FailureKind::Usage) if nobody can be asked, or the two differ.
    pub(super) fn fresh(&self) -> Result<Passphrase> {
        match self.given()? {
            Some(given) => Ok(given),
            None => ask_twice("--passphrase-file"),
        }
    }
}

/// Asks for a new passphrase, twice; without a terminal the failure names the option to use instead.
pub(super) fn ask_twice(option: &str) -> Result<Passphrase> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("there is no passphrase to seal under, and nobody to ask")
            .hint(format!("give it by {option} FILE, or run the command in a terminal")));
    }
    let first = ask("new passphrase: ")?;
    if first.same(&ask("the same again: ")?) {
        Ok(first)
    } else {
        Err(Failure::usage("the two passphrases differ").hint("run the command again"))
    }
}

fn ask(prompt: &str) -> Result<Passphrase> {
    rpassword::prompt_password(prompt)
        .map_err(|error| Failure::usage(format!("cannot ask for a passphrase: {error}")))
        .and_then(Passphrase::new)
}
