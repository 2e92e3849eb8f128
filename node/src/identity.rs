//! The identity file: this device's secret keys, in a small file of their own, plain or sealed.
//!
//! Plain layout: the line `meshwork identity 1`, the bytes of [`Identity::to_bytes`], and the BLAKE3 hash of
//! both; sealed layout: `identity/sealed.rs`. Mode 0600, always written atomically and synced. A file that is
//! damaged, readable by others or missing beside an existing store is refused, never replaced: a new identity
//! would be a new device. Whoever changes the file holds the lock of the data directory.

mod keyring;
mod passphrase;
mod sealed;

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use meshwork_protocol::{DeviceId, Identity, MemberId, Phrase, comparison_words};
use rand_core::Rng as _;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::{Failure, FailureKind, Result};
use crate::files;
use crate::random;

pub use passphrase::{PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN, Passphrase};

use sealed::{Costs, Key, Method, Sealed, Unreadable};

/// Name of the identity file in the data directory.
const IDENTITY_FILE: &str = "identity";

const MAGIC: &[u8] = b"meshwork identity 1\n";
const HASH_BYTES: usize = 32;
const FILE_BYTES_MAX: u64 = 8192;

/// How an identity is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Seal {
    /// Not at all: whoever reads the file has the keys.
    None,
    Passphrase,
    Keyring,
}

/// How an identity is to be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protection<'a> {
    Plain,
    Passphrase(&'a Passphrase),
    Keyring,
}

/// What it takes to write an identity again, protected as it is.
///
/// It opens nothing but what is in memory beside it.
#[derive(Clone)]
pub(crate) enum Reseal {
    Plain,
    Sealed { method: Method, key: Key },
}

/// An identity that is in use.
pub(crate) struct Kept {
    pub(crate) identity: Identity,
    pub(crate) reseal: Reseal,
}

/// An identity file that is whole; its secrets may be under seal.
pub(crate) enum Stored {
    Plain(Box<Identity>),
    Sealed(Sealed),
}

/// Where the identity of a data directory is.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(IDENTITY_FILE)
}

/// Reads the identity file of `data_dir`; `None` if there is none.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage) with a hint if it is damaged or open to others.
pub(crate) fn read(data_dir: &Path) -> Result<Option<Stored>> {
    let path = path(data_dir);
    let Some(content) = content(&path)? else { return Ok(None) };
    check_permissions(&path)?;
    Stored::parse(&path, content).map(Some).map_err(|failure| {
        failure.hint("or start as a new device in an empty directory: --data-dir DIR")
    })
}

/// Reads a backup of an identity, which is sealed.
///
/// # Errors
/// [`FailureKind::NotFound`], [`FailureKind::Usage`](crate::FailureKind::Usage) if it is something else,
/// [`FailureKind::Storage`](crate::FailureKind::Storage) if it is damaged.
pub(crate) fn read_backup(path: &Path) -> Result<Stored> {
    let shown = path.display();
    let content =
        content(path)?.ok_or_else(|| Failure::not_found(format!("there is no file {shown}")))?;
    if !Sealed::claimed(&content) {
        return Err(Failure::usage(format!("{shown} is no backup of an identity"))
            .hint("one is made by: meshwork key backup FILE"));
    }
    Stored::parse(path, content)
}

fn content(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    match files::read_bounded(path, FILE_BYTES_MAX) {
        Ok(content) => Ok(content.map(Zeroizing::new)),
        // A data directory that cannot exist is reported when it is made.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(Failure::storage(format!(
            "cannot read the identity file {}: {error}",
            path.display()
        ))),
    }
}

impl Stored {
    fn parse(path: &Path, content: Zeroizing<Vec<u8>>) -> Result<Self> {
        let shown = path.display();
        let damaged = || {
            Failure::storage(format!("the identity file {shown} is damaged"))
                .hint("restore it from a backup; without it this device cannot be itself again")
        };
        if !Sealed::claimed(&content) {
            return parse_plain(&content).map(Box::new).map(Self::Plain).ok_or_else(damaged);
        }
        Sealed::parse(content.to_vec()).map(Self::Sealed).map_err(|unreadable| match unreadable {
            Unreadable::Damaged => damaged(),
            Unreadable::Newer => Failure::storage(format!(
                "the identity file {shown} is sealed in a way this version does not know"
            ))
            .hint("install the newer version of meshwork again"),
            Unreadable::Excessive => Failure::storage(format!(
                "the identity file {shown} asks for more memory or time than any seal needs"
            ))
            .hint("meshwork has not written it so: restore it from a backup"),
        })
    }

    pub(crate) fn seal(&self) -> Seal {
        match self {
            Self::Plain(_) => Seal::None,
            Self::Sealed(Sealed { method: Method::Passphrase { .. }, .. }) => Seal::Passphrase,
            Self::Sealed(Sealed { method: Method::Keyring { .. }, .. }) => Seal::Keyring,
        }
    }

    pub(crate) fn device(&self) -> DeviceId {
        match self {
            Self::Plain(identity) => identity.device(),
            Self::Sealed(sealed) => sealed.device,
        }
    }

    pub(crate) fn member(&self) -> MemberId {
        match self {
            Self::Plain(identity) => identity.member(),
            Self::Sealed(sealed) => sealed.member,
        }
    }

    /// The identity itself; `passphrase` is needed if and only if it is sealed under one.
    ///
    /// # Errors
    /// [`FailureKind::Sealed`] if what opens the seal is missing or wrong.
    pub(crate) fn open(&self, passphrase: Option<&Passphrase>) -> Result<Identity> {
        self.keep(passphrase).map(|kept| kept.identity)
    }

    /// The identity, with what it takes to write it again; see [`Stored::open`].
    ///
    /// # Errors
    /// As [`Stored::open`].
    pub(crate) fn keep(&self, passphrase: Option<&Passphrase>) -> Result<Kept> {
        let sealed = match self {
            Self::Plain(identity) => {
                return Ok(Kept { identity: *identity.clone(), reseal: Reseal::Plain });
            }
            Self::Sealed(sealed) => sealed,
        };
        let (key, wrong) = match sealed.method {
            Method::Passphrase { costs, salt } => {
                let passphrase = passphrase.ok_or_else(passphrase_missing)?;
                (sealed::derive(passphrase, costs, &salt)?, "the passphrase is wrong")
            }
            Method::Keyring { entry } => {
                (keyring::get(&entry)?, "the key in the OS keyring is another one")
            }
        };
        let identity = sealed.open(&key).ok_or_else(|| {
            Failure::new(FailureKind::Sealed, format!("the identity is sealed, and {wrong}"))
                .hint("the file is whole: nothing is lost, try again")
                .hint("if what opens it is lost, only the recovery phrase helps, as a new device: meshwork key recover")
        })?;
        Ok(Kept { identity, reseal: Reseal::Sealed { method: sealed.method, key } })
    }
}

/// The failure of a start that would need a passphrase and has none.
pub(crate) fn passphrase_missing() -> Failure {
    Failure::new(FailureKind::Sealed, "the identity is sealed under a passphrase")
        .hint("run the command in a terminal to be asked for it")
        .hint(
            "or give it by --passphrase-file FILE, MESHWORK_PASSPHRASE_FILE or MESHWORK_PASSPHRASE",
        )
}

/// Six words by which people know a device.
pub(crate) fn device_words(device: DeviceId) -> String {
    comparison_words(&[b"device", &device.0])
}

/// Reads the identity in `data_dir`, or makes one if `data_dir` holds neither identity nor store.
///
/// A new one is sealed if there is a passphrase. Its phrase is told before the file is written, so nobody ends
/// up with a member whose phrase was lost.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage) or [`FailureKind::Sealed`], with a hint.
pub(crate) fn load_or_create(
    data_dir: &Path,
    store_exists: bool,
    passphrase: Option<&Passphrase>,
    first_start: &dyn Fn(&Phrase),
) -> Result<Kept> {
    if let Some(stored) = read(data_dir)? {
        if stored.seal() != Seal::Passphrase && passphrase.is_some() {
            tracing::warn!(
                "the identity is not sealed under a passphrase; the one given is unused"
            );
        }
        return stored.keep(passphrase);
    }
    if store_exists {
        let path = path(data_dir);
        return Err(Failure::storage(format!(
            "the identity file {} is missing, but the store beside it is not",
            path.display()
        ))
        .hint("restore it from a backup of the file")
        .hint("or start as a new device in an empty directory: --data-dir DIR"));
    }
    let (identity, phrase) = Identity::create(&mut random::system()?);
    first_start(&phrase);
    let protection = passphrase.map_or(Protection::Plain, Protection::Passphrase);
    let (content, reseal) = render(&identity, protection)?;
    files::write_private(&path(data_dir), &content)?;
    Ok(Kept { identity, reseal })
}

/// Writes an identity whose card has changed, protected as before.
///
/// The old file holds the same secrets under the same protection, so it is not overwritten where it lay.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage); the file is whole in any case.
pub(crate) fn recertify(data_dir: &Path, identity: &Identity, reseal: &Reseal) -> Result<()> {
    let content = match reseal {
        Reseal::Plain => render_plain(identity),
        Reseal::Sealed { method, key } => {
            let sealed = Sealed::seal(identity, *method, key, &mut random::system()?)?;
            Zeroizing::new(sealed.bytes().to_vec())
        }
    };
    files::write_private(&path(data_dir), &content)
}

/// Writes the identity of a data directory that has none.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage), or the keyring's.
pub(crate) fn write(data_dir: &Path, identity: &Identity, protection: Protection) -> Result<()> {
    files::write_private(&path(data_dir), &render(identity, protection)?.0)
}

/// Writes the identity of a data directory anew, protected in another way, and overwrites what was there.
///
/// Returns whether the old bytes were overwritten where they lay; not so if the file has another name too. Goes on
/// to what writes that were cut short have left, which may hold the same.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage), or the keyring's. The file is whole in any case.
pub(crate) fn rewrite(
    data_dir: &Path,
    before: &Stored,
    identity: &Identity,
    protection: Protection,
) -> Result<bool> {
    let (content, _) = render(identity, protection)?;
    let overwritten = files::replace_secret(&path(data_dir), &content)?;
    files::clear_unfinished(data_dir)?;
    if let Stored::Sealed(Sealed { method: Method::Keyring { entry }, .. }) = before {
        keyring::forget(entry).map_err(|failure| Failure {
            message: format!("the file is written, but the old key is not removed: {failure}"),
            ..failure
        })?;
    }
    Ok(overwritten)
}

/// Writes a backup to a file that does not exist yet, sealed under a passphrase.
///
/// # Errors
/// [`FailureKind::Usage`](crate::FailureKind::Usage) if the file exists,
/// [`FailureKind::Storage`](crate::FailureKind::Storage).
pub(crate) fn write_backup(path: &Path, identity: &Identity, under: &Passphrase) -> Result<()> {
    files::create_private(path, &render(identity, Protection::Passphrase(under))?.0)
}

/// Puts a backup, sealed as it is, into a data directory that has no identity.
///
/// # Errors
/// [`FailureKind::Storage`](crate::FailureKind::Storage).
pub(crate) fn restore(data_dir: &Path, backup: &Stored) -> Result<()> {
    let Stored::Sealed(sealed) = backup else {
        return Err(Failure::internal("a backup that is not sealed"));
    };
    files::write_private(&path(data_dir), sealed.bytes())
}

fn check_permissions(path: &Path) -> Result<()> {
    let mode = std::fs::metadata(path)
        .map_err(|error| Failure::storage(format!("cannot inspect {}: {error}", path.display())))?
        .permissions()
        .mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::storage(format!(
        "the identity file {} is open to other users (mode {:04o})",
        path.display(),
        mode & 0o7777
    ))
    .hint(format!("close it: chmod 600 {}", path.display()))
    .hint("if somebody may have read it, start as a new device instead"))
}

fn render(identity: &Identity, protection: Protection) -> Result<(Zeroizing<Vec<u8>>, Reseal)> {
    let rng = &mut random::system()?;
    let (sealed, method, key) = match protection {
        Protection::Plain => return Ok((render_plain(identity), Reseal::Plain)),
        Protection::Passphrase(passphrase) => {
            let (costs, mut salt) = (Costs::USUAL, [0; 16]);
            rng.fill_bytes(&mut salt);
            let key = sealed::derive(passphrase, costs, &salt)?;
            let method = Method::Passphrase { costs, salt };
            (Sealed::seal(identity, method, &key, rng)?, method, key)
        }
        Protection::Keyring => {
            let mut entry = [0; 16];
            let mut key: Key = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut entry);
            rng.fill_bytes(key.as_mut_slice());
            let method = Method::Keyring { entry };
            let sealed = Sealed::seal(identity, method, &key, rng)?;
            keyring::put(&entry, &key)?;
            (sealed, method, key)
        }
    };
    Ok((Zeroizing::new(sealed.bytes().to_vec()), Reseal::Sealed { method, key }))
}

fn render_plain(identity: &Identity) -> Zeroizing<Vec<u8>> {
    let secret = identity.to_bytes();
    let length = MAGIC.len() + secret.len() + HASH_BYTES;
    let mut content = Zeroizing::new(Vec::with_capacity(length));
    content.extend_from_slice(MAGIC);
    content.extend_from_slice(&secret);
    let hash = blake3::hash(&content);
    content.extend_from_slice(hash.as_bytes());
    content
}

fn parse_plain(content: &[u8]) -> Option<Identity> {
    let (body, hash) = content.split_at_checked(content.len().checked_sub(HASH_BYTES)?)?;
    if blake3::hash(body) != *<&[u8; HASH_BYTES]>::try_from(hash).ok()? {
        return None;
    }
    Identity::from_bytes(body.strip_prefix(MAGIC)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::fs;
    use std::io::{Read as _, Seek as _};

    fn silent(_: &Phrase) {}

    fn load_or_create(
        dir: &Path,
        store_exists: bool,
        passphrase: Option<&Passphrase>,
        first_start: &dyn Fn(&Phrase),
    ) -> Result<Identity> {
        super::load_or_create(dir, store_exists, passphrase, first_start).map(|kept| kept.identity)
    }

    fn load(dir: &Path) -> Result<Identity> {
        load_or_create(dir, false, None, &silent)
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).unwrap()
    }

    #[test]
    fn the_identity_survives_a_restart_and_its_phrase_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let told: RefCell<Vec<String>> = RefCell::default();
        let tell = |phrase: &Phrase| {
            assert!(!path(dir.path()).exists(), "it is told before anything is kept");
            told.borrow_mut().push(phrase.to_string());
        };
        let first = load_or_create(dir.path(), false, None, &tell).unwrap();
        let mode = fs::metadata(path(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = load_or_create(dir.path(), true, None, &tell).unwrap();
        assert_eq!(first.to_bytes(), second.to_bytes());
        let [phrase] = &told.borrow()[..] else { panic!("told more than once") };
        let phrase: Phrase = phrase.parse().unwrap();
        let again = Identity::recover(&phrase, &mut random::system().unwrap());
        assert_eq!((again.member(), again.device() == first.device()), (first.member(), false));
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path()).unwrap();
        let content = fs::read(path(dir.path())).unwrap();
        for at in 0..content.len() {
            let mut damaged = content.clone();
            damaged[at] ^= 1;
            assert!(parse_plain(&damaged).is_none(), "byte {at}");
        }
        for len in 0..content.len() {
            assert!(parse_plain(&content[..len]).is_none(), "length {len}");
        }
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        load(dir.path()).unwrap();
        fs::set_permissions(path(dir.path()), fs::Permissions::from_mode(0o644)).unwrap();
        let failure = load(dir.path()).err().unwrap();
        assert_eq!(failure.kind, FailureKind::Storage);
        assert!(failure.hints[0].contains("chmod 600"));
    }

    #[test]
    fn a_lost_identity_is_never_replaced_beside_a_store() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load_or_create(dir.path(), true, None, &silent).is_err());
        assert!(!path(dir.path()).exists());
    }

    #[test]
    fn a_first_start_with_a_passphrase_seals_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let right = passphrase("correct horse");
        let made = load_or_create(dir.path(), false, Some(&right), &silent).unwrap();
        let stored = read(dir.path()).unwrap().unwrap();
        assert_eq!(stored.seal(), Seal::Passphrase);
        assert_eq!((stored.device(), stored.member()), (made.device(), made.member()));
        for wrong in [None, Some(passphrase("battery staple"))] {
            let failure = load_or_create(dir.path(), true, wrong.as_ref(), &silent).err().unwrap();
            assert_eq!(failure.kind, FailureKind::Sealed);
        }
        let opened = load_or_create(dir.path(), true, Some(&right), &silent).unwrap();
        assert_eq!(opened.to_bytes(), made.to_bytes());
    }

    #[test]
    fn sealing_overwrites_the_plain_bytes_where_they_lay_and_unsealing_brings_them_back() {
        let dir = tempfile::tempdir().unwrap();
        let made = load(dir.path()).unwrap();
        let right = passphrase("correct horse");
        let mut old = fs::File::open(path(dir.path())).unwrap();
        let plain = read(dir.path()).unwrap().unwrap();
        assert!(rewrite(dir.path(), &plain, &made, Protection::Passphrase(&right)).unwrap());
        let mut left = Vec::new();
        old.rewind().unwrap();
        old.read_to_end(&mut left).unwrap();
        assert!(!left.is_empty() && left.iter().all(|byte| *byte == 0));

        let sealed = read(dir.path()).unwrap().unwrap();
        let opened = sealed.open(Some(&right)).unwrap();
        rewrite(dir.path(), &sealed, &opened, Protection::Plain).unwrap();
        assert_eq!(load(dir.path()).unwrap().to_bytes(), made.to_bytes());
    }

    #[test]
    fn a_second_name_of_the_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let made = load(dir.path()).unwrap();
        let copy = dir.path().join("copy");
        fs::hard_link(path(dir.path()), &copy).unwrap();
        let before = fs::read(&copy).unwrap();
        let plain = read(dir.path()).unwrap().unwrap();
        let under = passphrase("correct horse");
        assert!(!rewrite(dir.path(), &plain, &made, Protection::Passphrase(&under)).unwrap());
        assert_eq!(fs::read(&copy).unwrap(), before);
    }

    #[test]
    fn a_backup_opens_elsewhere_and_never_replaces_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let made = load(dir.path()).unwrap();
        let (backup, elsewhere) = (dir.path().join("backup"), tempfile::tempdir().unwrap());
        let under = passphrase("correct horse");
        write_backup(&backup, &made, &under).unwrap();
        assert_eq!(write_backup(&backup, &made, &under).unwrap_err().kind, FailureKind::Usage);
        restore(elsewhere.path(), &read_backup(&backup).unwrap()).unwrap();
        let opened = load_or_create(elsewhere.path(), false, Some(&under), &silent).unwrap();
        assert_eq!(opened.to_bytes(), made.to_bytes());
        let plain = read_backup(&path(dir.path())).err().unwrap();
        assert_eq!(plain.kind, FailureKind::Usage);
        assert_eq!(
            read_backup(&dir.path().join("none")).err().unwrap().kind,
            FailureKind::NotFound
        );
    }
}
