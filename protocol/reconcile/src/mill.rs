//! A space of as many logs as are wanted, and disks that hold them.
//!
//! All are logs of production replicas. A device whose disk is older than what others have of its log starts
//! another one; so one member device that is set back again and again to the same disk writes as many logs as it
//! likes, with few operations about members. What it stored of each is copied to the disks of others, as if they
//! had stored it right before a crash: opening a replica then takes it in.

use meshwork_crdt::{Edit, Kind};
use meshwork_protocol::store::{MemoryStore, Store as _, WriteBatch};
use meshwork_protocol::{
    Action, History, Identity, ObjectEdit, Outcome, Role, SpaceId, Target, Ticket, Time, Wish,
};

use crate::lab::{Device, Play, meet};

/// Logs that write in one object.
const LOGS_PER_OBJECT: u64 = 256;

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

/// One log, as the device that wrote it stored it with one entry, and with another one.
struct Log {
    short: Rows,
    long: Rows,
}

/// The disks of two devices that are to meet, and of one that brings them news.
pub struct Mill {
    pub identities: [Identity; 3],
    disks: [MemoryStore; 3],
    logs: Vec<Log>,
    /// Logs that are there besides.
    others: usize,
}

/// Two disks of the same logs, and who they are of.
#[derive(Clone)]
pub struct Pair {
    pub identities: [Identity; 2],
    pub disks: [MemoryStore; 2],
}

impl Mill {
    /// A space of up to so many logs.
    pub fn new(logs: usize) -> Self {
        let mut devices: Vec<Device> = (0..4).map(Device::new).collect();
        let created =
            devices[0].wish(Wish::CreateSpace { name: "lab".into(), history: History::All });
        let Outcome::Created(space) = created else { panic!("no space but {created:?}") };
        let ticket = invite(&mut devices[0], space);
        for device in devices.iter_mut().skip(1) {
            device.wish(Wish::Join { ticket: Box::new(ticket.clone()) });
        }
        for n in [1, 2, 3, 1, 2, 3] {
            let (first, rest) = devices.split_at_mut(1);
            meet(&mut first[0], &mut rest[n - 1], Play::All);
        }
        let before = devices[3].disk();
        count(&mut devices[3], space, 0);
        for n in [3, 1, 2] {
            let (first, rest) = devices.split_at_mut(1);
            meet(&mut first[0], &mut rest[n - 1], Play::All);
        }
        let others = devices[0].logs().len();
        let writer = devices[3].identity.clone();
        let made = (0..logs.saturating_sub(others) as u64).map(|n| {
            let mut device = Device::open(before.clone(), &writer, 1_000 + n);
            let known = rows(&device.store, b'l');
            meet(&mut device, &mut devices[0], Play::All);
            count(&mut device, space, n);
            let short = new_log(&device, &known);
            count(&mut device, space, n);
            Log { short, long: new_log(&device, &known) }
        });
        let logs = made.collect();
        let of = |n: usize| devices[n].identity.clone();
        let identities = [of(1), of(2), of(0)];
        let disks = [devices[1].disk(), devices[2].disk(), devices[0].disk()];
        Self { identities, disks, logs, others }
    }

    /// Two devices that hold the same so many logs, and have agreed on that.
    pub fn agreed(&self, logs: usize) -> Pair {
        let made = logs - self.others;
        let mut ends = [0, 1].map(|n| self.device(n, self.disk(n, made, |_| false)));
        let [one, other] = &mut ends;
        meet(one, other, Play::All);
        assert_eq!(one.logs(), other.logs());
        assert_eq!(one.logs().len(), logs);
        let identities = [self.identities[0].clone(), self.identities[1].clone()];
        Pair { identities, disks: ends.map(|end| end.disk()) }
    }

    /// The same two after so many of their logs have grown by an entry, each of which reached one of them.
    pub fn grown(&self, pair: &Pair, logs: usize, changed: usize) -> Pair {
        let made = logs - self.others;
        assert!(changed <= made, "the other logs stay as they are");
        let mut pair = pair.clone();
        for n in 0..2 {
            let news = |log: usize| log < changed && log % 2 == n;
            let mut bringer = self.device(2, self.disk(2, made, news));
            let mut end = self.device(n, pair.disks[n].clone());
            meet(&mut bringer, &mut end, Play::All);
            assert_eq!(bringer.logs(), end.logs());
            pair.disks[n] = end.disk();
        }
        pair
    }

    /// Logs that can grow, of so many.
    pub fn can_grow(&self, logs: usize) -> usize {
        logs - self.others
    }

    fn device(&self, n: usize, disk: MemoryStore) -> Device {
        Device::open(disk, &self.identities[n], n as u64)
    }

    fn disk(&self, n: usize, made: usize, long: impl Fn(usize) -> bool) -> MemoryStore {
        let disk = self.disks[n].clone();
        let mut batch = WriteBatch::default();
        for (number, log) in self.logs.iter().take(made).enumerate() {
            let rows = if long(number) { &log.long } else { &log.short };
            rows.iter().for_each(|(key, value)| batch.put(key.clone(), value.clone()));
        }
        disk.commit(&batch).expect("a store in memory takes writes");
        disk
    }
}

impl Pair {
    /// Makes both forget what they agreed on.
    pub fn forget(&mut self) {
        for disk in &self.disks {
            let mut batch = WriteBatch::default();
            rows(disk, b'p').into_iter().for_each(|(key, _)| batch.delete(key));
            disk.commit(&batch).expect("a store in memory takes writes");
        }
    }

    /// Both devices, started.
    pub fn open(&self, seed: u64) -> [Device; 2] {
        [0, 1]
            .map(|n| Device::open(self.disks[n].clone(), &self.identities[n], 2 * seed + n as u64))
    }
}

/// The rows of one letter, as `docs/storage-format.md` has them.
pub fn rows(store: &MemoryStore, letter: u8) -> Rows {
    let mut rows = Vec::new();
    let scanned = store.scan(&[letter], &[letter + 1], &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        true
    });
    scanned.expect("a store in memory can be read");
    rows
}

/// What a device stored of the one log that it did not know before: the log's row, and those of its runs.
fn new_log(device: &Device, known: &Rows) -> Rows {
    let all = rows(&device.store, b'l').into_iter();
    let new: Rows = all.filter(|(key, _)| known.iter().all(|(before, _)| before != key)).collect();
    let [(key, _)] = new.as_slice() else { panic!("{} new logs", new.len()) };
    let runs =
        rows(&device.store, b'e').into_iter().filter(|(run, _)| run[1..].starts_with(&key[1..]));
    let runs: Rows = runs.collect();
    assert!(!runs.is_empty(), "nothing was written");
    new.into_iter().chain(runs).collect()
}

fn invite(device: &mut Device, space: SpaceId) -> Ticket {
    let (role, expires, addresses) = (Role::Write, Time(u64::MAX), Vec::new());
    match device.wish(Wish::Invite { space, role, expires, uses: 3, addresses }) {
        Outcome::Invited(ticket) => *ticket,
        other => panic!("no ticket but {other:?}"),
    }
}

/// Writes one small entry, in an object that few logs write in.
fn count(device: &mut Device, space: SpaceId, log: u64) {
    let name = format!("counter {}", log / LOGS_PER_OBJECT);
    let target = Target::Named { name, shape: Kind::Counter.into() };
    let edit = ObjectEdit { target, action: Action::Change(Edit::Increment(1)) };
    device.wish(Wish::Edit { space, edits: vec![edit] });
}
