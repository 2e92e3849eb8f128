//! Damaged, foreign, newer and busy stores are refused with the error that says so, and without a panic.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use meshwork_protocol::store::{KEY_BYTES_MAX, Store, StoreError, VALUE_BYTES_MAX, WriteBatch};
use meshwork_storage::{RedbOptions, RedbStore, SledOptions, SledStore};
use tempfile::TempDir;

/// One adapter: how it opens a place, and the names of its files.
struct Adapter {
    open: fn(&Path) -> Result<Box<dyn Store>, StoreError>,
    name: &'static str,
    file: &'static str,
}

const SLED: Adapter = Adapter {
    open: |place| Ok(Box::new(SledStore::open(place, SledOptions::default())?)),
    name: "sled",
    file: "db",
};
const REDB: Adapter = Adapter {
    open: |place| Ok(Box::new(RedbStore::open(place, RedbOptions::default())?)),
    name: "redb",
    file: "records.redb",
};

const PAIRS: u32 = 4000;

fn value(index: u32) -> Vec<u8> {
    vec![index.to_le_bytes()[0]; 300]
}

/// Makes a store of [`PAIRS`] pairs in several durable batches, and closes it.
fn filled(adapter: &Adapter) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("store");
    let store = (adapter.open)(&place).unwrap();
    for part in 0..8 {
        let mut batch = WriteBatch::default();
        for index in (0..PAIRS).filter(|index| index % 8 == part) {
            batch.put(index.to_be_bytes().to_vec(), value(index));
        }
        batch.require_durable();
        store.commit(&batch).unwrap();
    }
    (directory, place)
}

/// Opens and reads everything; counts the right pairs.
fn read_all(adapter: &Adapter, place: &Path) -> Result<u32, StoreError> {
    let store = (adapter.open)(place)?;
    let mut right = 0;
    store.scan(b"", b"\xFF", &mut |key, found| {
        let index = u32::from_be_bytes(key.try_into().unwrap());
        right += u32::from(found == value(index));
        true
    })?;
    Ok(right)
}

#[track_caller]
fn assert_corrupt(adapter: &Adapter, place: &Path, names: &str, what: &str) {
    match read_all(adapter, place) {
        Err(StoreError::Corrupt { place }) => {
            assert!(place.contains(names), "{what}: the error names {place:?}, not {names:?}");
        }
        other => panic!("{}: {what}: wanted Corrupt, found {other:?}", adapter.name),
    }
}

fn a_closed_store_opens(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    assert_eq!(read_all(adapter, &place), Ok(PAIRS));
}

fn a_shortened_file_is_corrupt(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    let file = place.join(adapter.file);
    let whole = fs::read(&file).unwrap();
    let last = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for length in [0, 1, 4096, whole.len() / 4, whole.len() / 2, last / 10 * 9, last - 1000] {
        let (_directory, place) = filled(adapter);
        fs::OpenOptions::new()
            .write(true)
            .open(place.join(adapter.file))
            .unwrap()
            .set_len(u64::try_from(length).unwrap())
            .unwrap();
        // What is missing at the end may be space that was free.
        if length > whole.len() / 2 && read_all(adapter, &place) == Ok(PAIRS) {
            continue;
        }
        assert_corrupt(adapter, &place, adapter.file, &format!("{length} of {}", whole.len()));
    }
}

fn a_missing_file_is_corrupt(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    fs::remove_file(place.join(adapter.file)).unwrap();
    assert_corrupt(adapter, &place, adapter.file, "missing");
    assert!(!place.join(adapter.file).exists(), "a refused store must not be begun anew");
}

fn garbage_is_corrupt(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    let file = place.join(adapter.file);
    let length = fs::metadata(&file).unwrap().len();
    fs::write(&file, vec![0xA5; usize::try_from(length).unwrap()]).unwrap();
    assert_corrupt(adapter, &place, adapter.file, "garbage");
}

/// Garbage in a place that matters is named; elsewhere nothing is lost. Never a panic, never a wrong value.
fn garbage_anywhere_is_corrupt_or_harmless(adapter: &Adapter) {
    const PLACES: usize = 24;
    const GARBAGE_BYTES: usize = 700;
    let mut refused = 0;
    for name in [adapter.file, "format", "acknowledged", "lock"] {
        for part in 0..if name == adapter.file { PLACES } else { 1 } {
            let (_directory, place) = filled(adapter);
            let file = place.join(name);
            let mut bytes = fs::read(&file).unwrap();
            let start = bytes.len() * part / PLACES;
            let end = (start + GARBAGE_BYTES).min(bytes.len());
            bytes[start..end].fill(0x5A);
            fs::write(&file, &bytes).unwrap();
            match read_all(adapter, &place) {
                Ok(PAIRS) => {}
                Err(StoreError::Corrupt { .. }) => refused += 1,
                other => panic!("{name} {start}..{end}: {other:?}"),
            }
        }
    }
    assert!(refused > 3, "only {refused} of the damaged stores were refused");
}

fn a_damaged_count_is_corrupt(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    let file = place.join("acknowledged");
    let mut count = fs::read(&file).unwrap();
    count[0] ^= 1;
    fs::write(&file, &count).unwrap();
    assert_corrupt(adapter, &place, "acknowledged", "a damaged count");
    fs::remove_file(&file).unwrap();
    assert_corrupt(adapter, &place, "acknowledged", "a missing count");
}

fn an_older_copy_of_the_file_is_corrupt(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    let older = fs::read(place.join(adapter.file)).unwrap();
    let store = (adapter.open)(&place).unwrap();
    let mut batch = WriteBatch::default();
    batch.put(b"late".to_vec(), b"news".to_vec());
    batch.require_durable();
    store.commit(&batch).unwrap();
    drop(store);
    fs::write(place.join(adapter.file), older).unwrap();
    assert_corrupt(adapter, &place, adapter.file, "an older copy");
}

fn markers_are_checked(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    let marker = place.join("format");
    let before = fs::read(place.join(adapter.file)).unwrap();
    fs::write(&marker, format!("meshwork-store {} 7\n", adapter.name)).unwrap();
    let refusal = (adapter.open)(&place).err();
    assert_eq!(refusal, Some(StoreError::NewerFormat { found: 7, supported: 1 }));
    for text in ["", "meshwork-store", "meshwork-store other 1", "garbage \u{FFFD} 1 2 3"] {
        fs::write(&marker, text).unwrap();
        assert_corrupt(adapter, &place, "format", text);
    }
    fs::write(&marker, format!("meshwork-store {} 0", adapter.name)).unwrap();
    assert_corrupt(adapter, &place, "format", "version 0");
    fs::write(&marker, vec![b'x'; 1 << 20]).unwrap();
    assert_corrupt(adapter, &place, "format", "a long marker");
    fs::remove_file(&marker).unwrap();
    assert_corrupt(adapter, &place, "format", "a missing marker");
    let after = fs::read(place.join(adapter.file)).unwrap();
    assert!(before == after, "a refused store must not be touched");
}

/// Tells the child of [`a_store_open_elsewhere_is_locked`] what to hold open.
const PLACE: &str = "MESHWORK_TEST_LOCK_PLACE";

fn a_store_open_elsewhere_is_locked(adapter: &Adapter, test: &str) {
    if let Some(place) = env::var_os(PLACE) {
        let _held = (adapter.open)(Path::new(&place)).unwrap();
        eprintln!("open");
        std::io::stdin().lock().lines().next();
        return;
    }
    let (_directory, place) = filled(adapter);
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PLACE, &place)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "open");
    assert_eq!((adapter.open)(&place).err(), Some(StoreError::Locked));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(read_all(adapter, &place), Ok(PAIRS));
}

fn a_store_open_here_is_locked(adapter: &Adapter) {
    let (_directory, place) = filled(adapter);
    let held = (adapter.open)(&place).unwrap();
    assert_eq!((adapter.open)(&place).err(), Some(StoreError::Locked));
    drop(held);
    assert_eq!(read_all(adapter, &place), Ok(PAIRS));
}

/// Permission bits do not stop the superuser, but nobody can make a directory below a file.
fn a_place_that_cannot_be_made_is_an_io_failure(adapter: &Adapter) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"not a directory").unwrap();
    for place in [file.join("store"), file.clone()] {
        match (adapter.open)(&place).err() {
            Some(StoreError::Io(text)) => assert!(text.contains("file"), "{text}"),
            other => panic!("wanted Io, found {other:?}"),
        }
    }
}

fn an_unfinished_beginning_is_finished(adapter: &Adapter) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("acknowledged"), b"torn").unwrap();
    fs::write(directory.path().join("format.new"), b"meshw").unwrap();
    let store = (adapter.open)(directory.path()).unwrap();
    let mut batch = WriteBatch::default();
    batch.put(b"a".to_vec(), b"1".to_vec());
    store.commit(&batch).unwrap();
    assert_eq!(store.get(b"a"), Ok(Some(b"1".to_vec())));
}

macro_rules! for_both {
    ($($rule:ident),* $(,)?) => {
        mod sled {
            $(#[test] fn $rule() { super::$rule(&super::SLED); })*
        }
        mod redb {
            $(#[test] fn $rule() { super::$rule(&super::REDB); })*
        }
    };
}

for_both!(
    a_closed_store_opens,
    a_shortened_file_is_corrupt,
    a_missing_file_is_corrupt,
    garbage_is_corrupt,
    garbage_anywhere_is_corrupt_or_harmless,
    a_damaged_count_is_corrupt,
    an_older_copy_of_the_file_is_corrupt,
    markers_are_checked,
    a_store_open_here_is_locked,
    a_place_that_cannot_be_made_is_an_io_failure,
    an_unfinished_beginning_is_finished,
);

#[test]
fn sled_settings_are_remade_when_missing_and_corrupt_when_damaged() {
    let (_directory, place) = filled(&SLED);
    fs::remove_file(place.join("conf")).unwrap();
    assert_eq!(read_all(&SLED, &place), Ok(PAIRS));
    for damage in
        ["segment_size: 4096\nuse_compression: false\nversion: 0.34\n....", "\u{FFFD}a garbage"]
    {
        fs::write(place.join("conf"), damage).unwrap();
        assert_corrupt(&SLED, &place, "store", damage);
    }
}

/// sled never syncs what lies in blob files, so no page may grow into one.
#[test]
fn sled_keeps_long_values_out_of_unsynced_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = SledStore::open(directory.path(), SledOptions::default()).unwrap();
    for round in 0..4_u32 {
        for first in (0..96_u32).step_by(8) {
            let mut batch = WriteBatch::default();
            for index in first..first + 8 {
                let mut key = vec![b'k'; KEY_BYTES_MAX - 4];
                key.extend((index * 37 % 96).to_be_bytes());
                let bytes = VALUE_BYTES_MAX / usize::try_from(1 + (index + round) % 9).unwrap();
                batch.put(key, vec![0x77; bytes]);
            }
            batch.require_durable();
            store.commit(&batch).unwrap();
            let blobs = fs::read_dir(directory.path().join("blobs")).unwrap().count();
            assert_eq!(blobs, 0, "round {round}, keys from {first}");
        }
    }
}

#[test]
fn sled_store_open_elsewhere_is_locked() {
    a_store_open_elsewhere_is_locked(&SLED, "sled_store_open_elsewhere_is_locked");
}

#[test]
fn redb_store_open_elsewhere_is_locked() {
    a_store_open_elsewhere_is_locked(&REDB, "redb_store_open_elsewhere_is_locked");
}
