//! A process that is killed while it writes loses no acknowledged batch and tears none.
//!
//! The parent runs this test binary again as the child, which writes numbered batches and reports each
//! durable one on its standard error; the parent kills it at a random moment, opens the store and looks.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use meshwork_protocol::store::{Store, WriteBatch};
use meshwork_storage::{RedbOptions, RedbStore, SledOptions, SledStore};

const ROUNDS: u64 = 30;
/// Tells the child where to write; without it, a test is the parent.
const PLACE: &str = "MESHWORK_TEST_KILL_PLACE";
const ACKNOWLEDGED: &str = "acknowledged ";
/// Batches whose own keys are kept; each batch deletes those of the one this far behind it.
const KEPT: u64 = 40;
/// Keys that every batch overwrites.
const SHARED: [&[u8]; 3] = [b"a/shared", b"m/shared", b"z/shared"];

/// What batch `number` puts under keys of its own: a few short values, at times a long one.
fn own_pairs(number: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    (0..3 + number % 5)
        .map(|index| {
            let key = format!("n/{number:08}/{index}").into_bytes();
            let size = if number % 7 == 3 && index == 1 { 20_000 } else { 50 + 40 * index };
            let fill = number.wrapping_mul(31).wrapping_add(index).to_le_bytes()[0];
            (key, vec![fill; usize::try_from(size).unwrap()])
        })
        .collect()
}

fn batch(number: u64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for (key, value) in own_pairs(number) {
        batch.put(key, value);
    }
    for key in SHARED {
        batch.put(key.to_vec(), number.to_be_bytes().to_vec());
    }
    if let Some(old) = number.checked_sub(KEPT) {
        for (key, _) in own_pairs(old) {
            batch.delete(key);
        }
    }
    if number % 4 != 1 {
        batch.require_durable();
    }
    batch
}

/// Writes batches until killed.
fn write(store: &dyn Store) -> ! {
    let mut number = last_batch(store);
    loop {
        number += 1;
        let batch = batch(number);
        store.commit(&batch).unwrap();
        if batch.durable() {
            // In one write, so that a kill leaves a whole line or none.
            io::stderr().write_all(format!("{ACKNOWLEDGED}{number}\n").as_bytes()).unwrap();
        }
    }
}

fn last_batch(store: &dyn Store) -> u64 {
    let number = store.get(SHARED[0]).unwrap();
    number.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

/// Checks that exactly the batches up to some number are there, each whole, and returns the number.
fn check(store: &dyn Store) -> u64 {
    let last = last_batch(store);
    let mut wanted = Vec::new();
    if last > 0 {
        wanted.extend(SHARED.map(|key| (key.to_vec(), last.to_be_bytes().to_vec())));
        for number in last.saturating_sub(KEPT - 1).max(1)..=last {
            wanted.extend(own_pairs(number));
        }
        wanted.sort();
    }
    let mut found = Vec::new();
    store
        .scan(b"", b"\xFF", &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    let keys = |pairs: &[(Vec<u8>, Vec<u8>)]| -> Vec<String> {
        pairs.iter().map(|(key, _)| key.escape_ascii().to_string()).collect()
    };
    assert_eq!(keys(&found), keys(&wanted), "batch {last} was torn");
    assert!(found == wanted, "batch {last} was torn: some value differs");
    last
}

/// Runs the child until it has acknowledged `batches` more, and then `grace`; returns the last number.
fn kill_child(test: &str, place: &Path, batches: usize, grace: Duration) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PLACE, place)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    for _ in 0..batches {
        output.read_line(&mut text).unwrap();
    }
    thread::sleep(grace);
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut text).unwrap();
    let number = |line: &str| line.strip_prefix(ACKNOWLEDGED)?.parse().ok();
    let numbers: Option<Vec<u64>> = text.lines().map(number).collect();
    numbers.unwrap_or_else(|| panic!("the child said: {text}")).last().copied().unwrap_or(0)
}

fn survive<S: Store>(test: &str, open: impl Fn(&Path) -> S) {
    if let Some(place) = env::var_os(PLACE) {
        write(&open(Path::new(&place)));
    }
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("store");
    let mut random = 0x5EED_u64;
    let mut progress = 0;
    for round in 0..ROUNDS {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Without a batch to wait for, the kill falls into making or recovering the store.
        let batches =
            if round % 5 == 0 { 0 } else { usize::try_from((random >> 33) % 60).unwrap() };
        let grace = Duration::from_micros((random >> 40) % 12_000);
        let acknowledged = kill_child(test, &place, batches, grace);
        let found = check(&open(&place));
        assert!(
            found >= acknowledged.max(progress),
            "round {round}: {acknowledged} was acknowledged, {progress} was there before, \
             {found} is there"
        );
        progress = found;
    }
    for round in 0..ROUNDS {
        // How long making a store takes differs between machines; these moments straddle it.
        let place = directory.path().join(format!("begun {round}"));
        kill_child(test, &place, 0, Duration::from_micros(round * round * 12));
        check(&open(&place));
    }
    assert!(progress > ROUNDS, "the children must have written something");
}

#[test]
fn sled_keeps_acknowledged_batches_through_kill() {
    survive("sled_keeps_acknowledged_batches_through_kill", |place| {
        SledStore::open(place, SledOptions::default()).unwrap()
    });
}

#[test]
fn redb_keeps_acknowledged_batches_through_kill() {
    survive("redb_keeps_acknowledged_batches_through_kill", |place| {
        RedbStore::open(place, RedbOptions::default()).unwrap()
    });
}
