//! Who wrote what first: every entry and operation of a run, as it reaches the disks.
//!
//! Batches that devices commit in → what each disk holds for good, and violations: an entry or operation that is on
//! somebody's disk before it is on its author's, two entries of one number, two ciphertexts under one key stream.
//! Disks are told apart by their device's key: a machine that is replaced is another device. Costs a hash for each entry
//! that is stored. Not here: what entries say.

use std::collections::{BTreeMap, BTreeSet};

use meshwork_protocol::DeviceId;
use meshwork_protocol::store::{Store as _, WriteBatch};

use crate::bytes::{author_of_operation, head_of_row, run_of_row};
use crate::check::Violation;
use crate::disk::CrashDisk;

/// A log, as rows name it.
pub(crate) type Log = [u8; 16];

/// Ciphertext bytes at equal places that show one key stream: chance gives one in 256, plaintexts share most.
const SAME_BYTES_MIN: usize = 12;

#[derive(Debug)]
struct Story {
    writer: [u8; 32],
    /// By number less one: the hash of the ciphertext.
    entries: Vec<[u8; 8]>,
    /// The latest ciphertext, and what it is sealed under.
    last: ([u8; 16], Vec<u8>),
}

/// How far a device's disk goes with each log, in the objects or as entries.
type Heads = BTreeMap<Log, u64>;

#[derive(Debug, Default)]
struct Disk {
    written: Heads,
    durable: Heads,
}

/// Everything that was ever stored by anybody.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    logs: BTreeMap<Log, Story>,
    operations: BTreeSet<Vec<u8>>,
    disks: BTreeMap<DeviceId, Disk>,
    /// Whose disk was put back or copied: it writes numbers again, without meaning to.
    forkers: BTreeSet<DeviceId>,
}

impl Ledger {
    /// Takes in a batch that a device has committed; what it shows that must not be.
    pub(crate) fn commit(
        &mut self,
        n: usize,
        device: DeviceId,
        batch: &WriteBatch,
    ) -> Option<Violation> {
        let mut first = None;
        for (key, value) in batch.iter() {
            let Some(value) = value else { continue };
            let violation = match key.first() {
                Some(b'e') => self.run(n, device, value),
                Some(b'l') => self.head(device, key, value),
                Some(b'o') => self.operation(n, device, key, value),
                _ => None,
            };
            first = first.or(violation);
        }
        if batch.durable() {
            let disk = self.disks.entry(device).or_default();
            disk.durable.clone_from(&disk.written);
        }
        first
    }

    /// Takes in what a device may have decided while it opened its store, which it commits by itself.
    pub(crate) fn opened(
        &mut self,
        n: usize,
        device: DeviceId,
        disk: &CrashDisk,
    ) -> Option<Violation> {
        let mut first = None;
        // A row that cannot be read is the device's affair.
        let _ = disk.scan(b"o", b"p", &mut |key, row| {
            let violation = self.operation(n, device, key, row);
            first = first.take().or(violation);
            true
        });
        first
    }

    fn run(&mut self, n: usize, device: DeviceId, row: &[u8]) -> Option<Violation> {
        let Some(run) = run_of_row(row) else {
            return Some(Violation::new("format", "a row of entries is not as the page says"));
        };
        let story = match (self.logs.get_mut(&run.log), run.writer) {
            (Some(story), _) => story,
            (None, Some(writer)) => {
                let last = ([0; 16], Vec::new());
                self.logs.entry(run.log).or_insert(Story { writer, entries: Vec::new(), last })
            }
            (None, None) => {
                let detail = format!("device {n} stores the middle of a log that nobody has begun");
                return Some(Violation::new("authorship", detail));
            }
        };
        let forked = self.forkers.contains(&DeviceId(story.writer));
        let mut violation = None;
        for (seq, (epoch, ciphertext)) in (run.first..).zip(&run.entries) {
            let hash = first8(ciphertext);
            let place = usize::try_from(seq - 1).unwrap_or(usize::MAX);
            match story.entries.get(place) {
                Some(known) if *known == hash || forked => continue,
                Some(_) => {
                    let who = if device.0 == story.writer { "its author" } else { "another" };
                    let detail = format!(
                        "device {n}, {who}, stores an entry {seq} of a log that is not the one first \
                         written: one key, one nonce, two texts"
                    );
                    violation = violation.or(Some(Violation::new("nonce", detail)));
                }
                None if device.0 != story.writer => {
                    let detail = format!(
                        "device {n} stores entry {seq} of the log of {} before its author does",
                        DeviceId(story.writer).short()
                    );
                    violation = violation.or(Some(Violation::new("authorship", detail)));
                }
                None => {
                    let (before, text) = &story.last;
                    let same = text.iter().zip(*ciphertext).filter(|(a, b)| a == b).count();
                    if before == epoch && same >= SAME_BYTES_MIN.max(text.len() / 16) {
                        let detail = format!(
                            "entry {seq} of device {n} and the one before have {same} bytes of \
                             ciphertext in common: one key stream"
                        );
                        violation = violation.or(Some(Violation::new("nonce", detail)));
                    }
                    story.entries.push(hash);
                    story.last = (*epoch, ciphertext.to_vec());
                }
            }
        }
        let last = run.first + run.entries.len() as u64 - 1;
        self.reaches(device, run.log, last);
        violation
    }

    fn head(&mut self, device: DeviceId, key: &[u8], row: &[u8]) -> Option<Violation> {
        let Some((log, seq)) = head_of_row(key, row) else {
            return Some(Violation::new("format", "a row of a log is not as the page says"));
        };
        self.reaches(device, log, seq);
        None
    }

    fn reaches(&mut self, device: DeviceId, log: Log, seq: u64) {
        let head = self.disks.entry(device).or_default().written.entry(log).or_default();
        *head = seq.max(*head);
    }

    fn operation(
        &mut self,
        n: usize,
        device: DeviceId,
        key: &[u8],
        row: &[u8],
    ) -> Option<Violation> {
        if !self.operations.insert(key.to_vec()) {
            return None;
        }
        let Some((author, enters)) = author_of_operation(row) else {
            return Some(Violation::new("format", "an operation is not as the page says"));
        };
        (author != device.0 && !enters).then(|| {
            let author = DeviceId(author).short();
            let detail = format!("device {n} stores an operation that {author} has not made");
            Violation::new("authorship", detail)
        })
    }

    /// What the latest entry of a log is sealed under.
    pub(crate) fn sealed_under(&self, log: Log) -> Option<[u8; 16]> {
        self.logs.get(&log).map(|story| story.last.0)
    }

    /// Up to where a device's disk holds a log whatever happens.
    pub(crate) fn durable(&self, device: DeviceId, log: Log) -> u64 {
        self.disks.get(&device).and_then(|disk| disk.durable.get(&log)).copied().unwrap_or(0)
    }

    /// Whether a device's log may fork, though it means no harm.
    pub(crate) fn forks(&self, device: DeviceId) -> bool {
        self.forkers.contains(&device)
    }

    /// A device goes on with an older disk, or on two machines.
    pub(crate) fn forked(&mut self, device: DeviceId) {
        self.forkers.insert(device);
    }

    /// A machine has died: what was not durable is not counted upon.
    pub(crate) fn crashed(&mut self, device: DeviceId) {
        if let Some(disk) = self.disks.get_mut(&device) {
            disk.written.clone_from(&disk.durable);
        }
    }
}

fn first8(bytes: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(bytes);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    first
}
