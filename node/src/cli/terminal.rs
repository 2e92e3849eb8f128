//! How a command speaks: data on standard output, talk on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::{Failure, Result};

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// The standard streams of this process.
#[derive(Debug)]
pub(super) struct Terminal {
    json: bool,
}

impl Terminal {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether programs are spoken to.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    /// Prints `value` as one line of JSON, or what `human` makes of it.
    pub(super) fn data<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        if self.json {
            let json = serde_json::to_string(value).expect("answers are plain JSON");
            return self.line(&json);
        }
        self.line(&human(value))
    }

    /// Prints one line, or nothing if it is empty.
    pub(super) fn line(&self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = if text.ends_with('\n') {
            stdout.write_all(text.as_bytes())
        } else {
            writeln!(stdout, "{text}")
        };
        match written.and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            // Whoever read has enough, as in `meshwork watch SPACE | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => Err(Failure::storage(format!("cannot write the answer: {error}"))),
        }
    }

    /// Says something to the person in front of the terminal; programs are spared.
    pub(super) fn talk(&self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// Shows that something takes time, until the result is dropped.
    pub(super) fn waiting(&self, text: String) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        if !io::stderr().is_terminal() {
            self.talk(&text);
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
            .expect("the constant template is valid");
        let spinner = ProgressBar::new_spinner().with_style(style).with_message(text);
        spinner.enable_steady_tick(TICK);
        spinner
    }

    /// Asks the person at the terminal whether to go on, unless they said so beforehand.
    ///
    /// # Errors
    /// [`FailureKind::Usage`](crate::FailureKind::Usage) if they do not want to, or nobody can be asked.
    pub(super) fn confirm(&self, question: &str, yes: bool) -> Result<()> {
        if yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage("this has to be confirmed, and there is nobody to ask")
                .hint("if you are sure: --yes"));
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        io::stdin()
            .read_line(&mut answer)
            .map_err(|error| Failure::usage(format!("cannot ask: {error}")))?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::usage("nothing was done")),
        }
    }

    /// Tells why the command failed.
    pub(super) fn failed(&self, failure: &Failure) {
        if self.json {
            eprintln!("{}", serde_json::to_string(failure).expect("a failure is plain JSON"));
            return;
        }
        eprintln!("error: {}", failure.message);
        for hint in &failure.hints {
            eprintln!("  hint: {hint}");
        }
    }
}

/// A number with its noun.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Lays rows out in columns, two spaces apart.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    rows.iter()
        .map(|row| {
            let cells: String =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  ")).collect();
            format!("{}\n", cells.trim_end())
        })
        .collect()
}
