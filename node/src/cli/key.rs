//! `meshwork key`: the identity file of this device, all offline.
//!
//! Every verb but `show` and `backup` changes files and therefore takes the lock of the data directory, so a
//! running daemon is never surprised. Deliberately not here: what the file looks like (`identity.rs`).

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use meshwork_protocol::{Identity, PHRASE_WORDS, Phrase};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use super::passphrase::{self, PassphraseSource};
use super::terminal::table;
use crate::builder::STORE_DIR;
use crate::failure::{Failure, FailureKind, Result};
use crate::files;
use crate::identity::{self, Passphrase, Protection, Seal, Stored};
use crate::lock::DirLock;
use crate::random;

/// More than 24 words with numbers and white space take.
const PHRASE_BYTES_MAX: usize = 4096;
const PHRASE_COLUMNS: usize = 4;
/// Wider than a number and the longest word.
const PHRASE_COLUMN: usize = 16;

/// Look after this device's keys: make, recover, seal and back up.
#[derive(Debug, Subcommand)]
pub(super) enum Key {
    Init(Init),
    Show(Show),
    Recover(Recover),
    Seal(SealFile),
    Unseal(Unseal),
    Backup(Backup),
    Restore(Restore),
}

/// Make a new member and its first device, and show the recovery phrase.
///
/// `meshwork up` does the same on its first start; use this where that is started without a terminal. The
/// phrase is shown once, on standard output, and stored nowhere.
#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    sealing: Sealing,
}

/// Show who this device is, and whether its keys are sealed; no secrets.
#[derive(Debug, Args)]
pub(super) struct Show {}

/// Make a new device of a member whose recovery phrase you have.
///
/// Reads the 24 words from standard input, in any case and over as many lines as you like. The data directory must
/// hold no keys and no store yet. The new device is in no space yet: any ticket of a space that the member is in, whatever
/// its role, lets it in as one of the member's devices. If another device of the member is at hand, link instead
/// (meshwork device link), which needs no tickets.
#[derive(Debug, Args)]
pub(super) struct Recover {
    #[command(flatten)]
    sealing: Sealing,
}

/// Encrypt the keys of this device under a passphrase, or under another one.
///
/// From then on `meshwork up` needs the passphrase. The old file is overwritten where it lies, as far as that is
/// possible: copies made by the file system, by flash storage, by snapshots and backups stay as they are.
#[derive(Debug, Args)]
pub(super) struct SealFile {
    #[command(flatten)]
    source: PassphraseSource,
    #[command(flatten)]
    fresh: NewPassphrase,
    /// Keep a random key in the keyring of the operating system instead of asking for a passphrase.
    #[arg(long)]
    keyring: bool,
}

/// Take the seal off: whoever can read the file has the keys.
#[derive(Debug, Args)]
pub(super) struct Unseal {
    #[command(flatten)]
    source: PassphraseSource,
}

/// Write the keys of this device to a file, sealed under a passphrase.
///
/// If the keys are sealed under a passphrase already, the backup is sealed under the same unless another is given.
/// The backup holds the keys and nothing else: no spaces, no content.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write; it must not exist.
    file: PathBuf,
    #[command(flatten)]
    source: PassphraseSource,
    #[command(flatten)]
    fresh: NewPassphrase,
}

/// Put the keys of a backup into an empty data directory, sealed as they are.
///
/// Only for a device that is gone for good. Two that run with the same keys are clones: both write into one log, which
/// the others notice and then believe neither. For a second device use `meshwork device link`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A file that `meshwork key backup` wrote.
    file: PathBuf,
    #[command(flatten)]
    source: PassphraseSource,
}

/// Whether new keys are sealed from the start.
#[derive(Debug, Args)]
struct Sealing {
    #[command(flatten)]
    source: PassphraseSource,
    /// Seal the new keys under a passphrase; implied if one is given.
    #[arg(long)]
    seal: bool,
}

#[derive(Debug, Args)]
struct NewPassphrase {
    /// Read the passphrase to seal under from the first line of FILE, if it is not the one the keys are under now.
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    device: String,
    member: String,
    /// Six words by which people know the device.
    words: String,
    seal: Seal,
    file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_phrase: Option<Zeroizing<String>>,
}

impl Key {
    pub(super) fn run(self, context: &Context) -> Result<()> {
        let data_dir = context.config()?.data_dir;
        match self {
            Self::Init(verb) => verb.run(context, &data_dir),
            Self::Show(_) => show(context, &data_dir, &present(&data_dir)?),
            Self::Recover(verb) => verb.run(context, &data_dir),
            Self::Seal(verb) => verb.run(context, &data_dir),
            Self::Unseal(verb) => verb.run(context, &data_dir),
            Self::Backup(verb) => verb.run(context, &data_dir),
            Self::Restore(verb) => verb.run(context, &data_dir),
        }
    }
}

impl Init {
    fn run(self, context: &Context, data_dir: &Path) -> Result<()> {
        let _lock = claim_empty(data_dir)?;
        let passphrase = self.sealing.passphrase()?;
        let (identity, phrase) = Identity::create(&mut random::system()?);
        // The words come first: what was shown and not kept does no harm, the other way round it does.
        let mut report =
            Report::of(&identity::path(data_dir), &Stored::Plain(Box::new(identity.clone())));
        report.seal = passphrase.as_ref().map_or(Seal::None, |_| Seal::Passphrase);
        report.show(context, Some(&phrase))?;
        identity::write(data_dir, &identity, protection(passphrase.as_ref()))?;
        context.terminal.talk(PHRASE_ADVICE);
        context.terminal.talk("run this device: meshwork up");
        Ok(())
    }
}

impl Recover {
    fn run(self, context: &Context, data_dir: &Path) -> Result<()> {
        let _lock = claim_empty(data_dir)?;
        let phrase = read_phrase(context)?;
        let passphrase = self.sealing.passphrase()?;
        let identity = Identity::recover(&phrase, &mut random::system()?);
        identity::write(data_dir, &identity, protection(passphrase.as_ref()))?;
        show(context, data_dir, &present(data_dir)?)?;
        context.terminal.talk("this is a new device of that member; it is in no space yet");
        context.terminal.talk(
            "run it: meshwork up; then join with tickets, as the same member: meshwork join TICKET",
        );
        context.terminal.talk("revoke a lost device: meshwork device revoke DEVICE --phrase");
        Ok(())
    }
}

impl SealFile {
    fn run(self, context: &Context, data_dir: &Path) -> Result<()> {
        let _lock = lock(data_dir)?;
        let stored = present(data_dir)?;
        let (identity, current) = open(&stored, &self.source)?;
        let under = match current {
            _ if self.keyring => None,
            Some(_) => Some(self.fresh.or_ask()?),
            None => match self.fresh.given()? {
                Some(fresh) => Some(fresh),
                None => Some(self.source.fresh()?),
            },
        };
        let protection = under.as_ref().map_or(Protection::Keyring, Protection::Passphrase);
        let overwritten = identity::rewrite(data_dir, &stored, &identity, protection)?;
        show(context, data_dir, &present(data_dir)?)?;
        if stored.seal() == Seal::None {
            context.terminal.talk(if overwritten {
                "the plain file was overwritten; copies the file system or a backup made are not"
            } else {
                "the plain file has another name too, and is still there under it"
            });
        }
        Ok(())
    }
}

impl Unseal {
    fn run(self, context: &Context, data_dir: &Path) -> Result<()> {
        let _lock = lock(data_dir)?;
        let stored = present(data_dir)?;
        if stored.seal() == Seal::None {
            return Err(
                Failure::usage("the identity is not sealed").hint("to seal it: meshwork key seal")
            );
        }
        let (identity, _) = open(&stored, &self.source)?;
        identity::rewrite(data_dir, &stored, &identity, Protection::Plain)?;
        show(context, data_dir, &present(data_dir)?)?;
        context.terminal.talk("whoever reads this file has the keys: use full-disk encryption");
        Ok(())
    }
}

impl Backup {
    fn run(self, context: &Context, data_dir: &Path) -> Result<()> {
        let stored = present(data_dir)?;
        let (identity, current) = open(&stored, &self.source)?;
        let under = match (self.fresh.given()?, current) {
            (Some(fresh), _) => fresh,
            (None, Some(current)) => current,
            (None, None) => self.source.fresh()?,
        };
        identity::write_backup(&self.file, &identity, &under)?;
        Report::of(&self.file, &identity::read_backup(&self.file)?).show(context, None)?;
        context.terminal.talk("it holds this device's keys alone; never run two devices from it");
        Ok(())
    }
}

impl Restore {
    fn run(self, context: &Context, data_dir: &Path) -> Result<()> {
        let backup = identity::read_backup(&self.file)?;
        let _lock = claim_empty(data_dir).map_err(|failure| match failure.kind {
            FailureKind::Usage => failure.hint(
                "two devices with the same keys are clones: others notice, and then believe neither",
            ),
            _ => failure,
        })?;
        open(&backup, &self.source)?;
        identity::restore(data_dir, &backup)?;
        show(context, data_dir, &present(data_dir)?)?;
        context.terminal.talk(
            "this is the device the backup is of: make sure that no other runs with these keys",
        );
        context.terminal.talk("it knows no spaces: join them again with tickets once it is up");
        Ok(())
    }
}

impl Sealing {
    /// What to seal new keys under; none to leave them plain.
    fn passphrase(&self) -> Result<Option<Passphrase>> {
        if self.seal { self.source.fresh().map(Some) } else { self.source.given() }
    }
}

impl NewPassphrase {
    fn given(&self) -> Result<Option<Passphrase>> {
        self.new_passphrase_file.as_deref().map(Passphrase::from_file).transpose()
    }

    fn or_ask(&self) -> Result<Passphrase> {
        match self.given()? {
            Some(given) => Ok(given),
            None => passphrase::ask_twice("--new-passphrase-file"),
        }
    }
}

/// What to do with a phrase that was just shown.
pub(super) const PHRASE_ADVICE: &str = "\
write these 24 words down and keep them away from this machine: they are stored nowhere and cannot be shown again
whoever has them is you: with them you add a device after losing this one (meshwork key recover)";

/// The words in numbered columns.
pub(super) fn phrase_table(phrase: &Phrase) -> Zeroizing<String> {
    // Longer than any phrase, so that it never moves and leaves a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(PHRASE_WORDS * PHRASE_COLUMN));
    for (n, word) in phrase.words().into_iter().enumerate() {
        let number = n + 1;
        let written = if number % PHRASE_COLUMNS == 0 {
            writeln!(text, "{number:>2}. {word}")
        } else {
            write!(text, "{number:>2}. {word:<10}")
        };
        written.expect("writing to a string succeeds");
    }
    text
}

fn protection(passphrase: Option<&Passphrase>) -> Protection<'_> {
    passphrase.map_or(Protection::Plain, Protection::Passphrase)
}

/// The identity of a data directory that must have one.
fn present(data_dir: &Path) -> Result<Stored> {
    identity::read(data_dir)?.ok_or_else(|| {
        Failure::not_found(format!("there are no keys in {} yet", data_dir.display()))
            .hint("make some: meshwork key init, or meshwork up")
            .hint("or name the directory they are in: --data-dir DIR")
    })
}

/// Opens an identity, asking for a passphrase if it takes one; returns that too.
fn open(stored: &Stored, source: &PassphraseSource) -> Result<(Identity, Option<Passphrase>)> {
    let passphrase = match stored.seal() {
        Seal::Passphrase => Some(source.existing("these keys")?),
        Seal::None | Seal::Keyring => None,
    };
    Ok((stored.open(passphrase.as_ref())?, passphrase))
}

fn lock(data_dir: &Path) -> Result<DirLock> {
    // A directory without keys is not to be littered with a lock.
    present(data_dir)?;
    DirLock::take(data_dir).map_err(|failure| match failure.kind {
        FailureKind::InUse => {
            Failure { hints: Vec::new(), ..failure }.hint("stop it first: meshwork stop")
        }
        _ => failure,
    })
}

/// Takes a data directory that has neither keys nor store, making it if need be.
fn claim_empty(data_dir: &Path) -> Result<DirLock> {
    files::create_private_dir(data_dir)?;
    let lock = DirLock::take(data_dir)?;
    let taken = [identity::path(data_dir), data_dir.join(STORE_DIR)];
    if let Some(there) = taken.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(Failure::usage(format!("{} is there already", there.display()))
            .hint("use an empty directory: --data-dir DIR"));
    }
    Ok(lock)
}

fn show(context: &Context, data_dir: &Path, stored: &Stored) -> Result<()> {
    Report::of(&identity::path(data_dir), stored).show(context, None)
}

impl Report {
    fn of(file: &Path, stored: &Stored) -> Self {
        Self {
            device: stored.device().to_string(),
            member: stored.member().to_string(),
            words: identity::device_words(stored.device()),
            seal: stored.seal(),
            file: file.display().to_string(),
            recovery_phrase: None,
        }
    }

    fn show(mut self, context: &Context, phrase: Option<&Phrase>) -> Result<()> {
        self.recovery_phrase = phrase.map(|phrase| Zeroizing::new(phrase.to_string()));
        context.terminal.data(&self, |report| {
            let sealed = match report.seal {
                Seal::None => "no: whoever reads the file has the keys (meshwork key seal)",
                Seal::Passphrase => "under a passphrase",
                Seal::Keyring => "under a key in the OS keyring",
            };
            let rows = [
                ["device", &report.device],
                ["words", &report.words],
                ["member", &report.member],
                ["file", &report.file],
                ["sealed", sealed],
            ];
            let rows: Vec<Vec<String>> =
                rows.iter().map(|row| row.map(ToOwned::to_owned).to_vec()).collect();
            table(&rows)
        })?;
        match phrase {
            Some(phrase) if !context.terminal.json() => {
                context.terminal.line("\n")?;
                context.terminal.line(&phrase_table(phrase))
            }
            _ => Ok(()),
        }
    }
}

/// Reads the 24 words: all of standard input, or from a terminal until they are there or a line is empty.
pub(super) fn read_phrase(context: &Context) -> Result<Phrase> {
    let stdin = io::stdin();
    let asked = stdin.is_terminal();
    if asked {
        context.terminal.talk("type the 24 words, then Enter; an empty line ends early");
    }
    let failed =
        |why: &dyn std::fmt::Display| Failure::usage(format!("the recovery phrase: {why}"));
    let mut text = Zeroizing::new(String::with_capacity(PHRASE_BYTES_MAX));
    let mut line = Zeroizing::new(String::with_capacity(PHRASE_BYTES_MAX));
    let mut input = io::Read::take(stdin.lock(), PHRASE_BYTES_MAX as u64);
    while input.read_line(&mut line).map_err(|error| failed(&error))? > 0 {
        text.push_str(&line);
        let ends = asked && (line.trim().is_empty() || words_in(&text) >= PHRASE_WORDS);
        line.clear();
        if ends {
            break;
        }
    }
    text.parse().map_err(|error| {
        Failure::usage(format!("{error}")).hint(format!(
            "a recovery phrase is the {PHRASE_WORDS} words a first start or `meshwork key init` showed"
        ))
    })
}

fn words_in(text: &str) -> usize {
    text.split_whitespace().filter(|token| token.starts_with(char::is_alphabetic)).count()
}
