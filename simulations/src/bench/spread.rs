//! How a change reaches every device of a large space.
//!
//! The production overlay and the production tree of each author's log run together in a [`Swarm`]: devices
//! join by the tickets of a few, settle, and then some of them write; in the end frames are lost while devices
//! come and go.

use std::time::Instant;

use serde::Serialize;

use super::simulator::resident;
use crate::swarm::Swarm;

/// Devices whose tickets the others join by.
const CONTACTS: usize = 8;
/// Devices join about that many a second, or all within the shortest time.
const JOINS_PER_S: u64 = 200;
const JOIN_MS_MIN: u64 = 10_000;
/// How long the overlay settles before anybody writes.
const SETTLE_MS: u64 = 180_000;
const AUTHORS: usize = 8;
/// Entries of each author from which its tree grows, and those that are measured then.
const WARM_UP: u32 = 10;
const MEASURED: u32 = 20;
/// An entry may take that long to be everywhere.
const WITHIN_MS: u64 = 30_000;
/// Frames lost in the last part, of a thousand; devices that die and start again each second, of a thousand.
const LOSS_PER_MILLE: u64 = 10;
const CHURN_PER_MILLE: usize = 1;

/// How entries spread among so many devices.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// Devices online in the space.
    pub nodes: usize,
    /// Median time from an entry's writing to its arrival at a device.
    pub p50_ms: f64,
    /// 99 of 100 arrivals take no longer.
    pub p99_ms: f64,
    /// Time to the last device, mean over entries.
    pub last_ms: f64,
    /// Time to the last device, longest.
    pub last_max_ms: u64,
    /// Copies of an entry that reach a device beyond the first, mean (relative message redundancy).
    pub rmr: f64,
    /// The same for the first entry of an author, which finds no tree yet.
    pub rmr_first: f64,
    /// Most hops of an entry.
    pub hops: u32,
    /// Entries that some device did not get.
    pub missed: u64,
    /// Links of a device: mean, fewest, most.
    pub links_mean: f64,
    /// Fewest links of a device.
    pub links_min: usize,
    /// Most links of a device.
    pub links_max: usize,
    /// Mean way over a link; a random one takes 30 ms.
    pub link_ms: f64,
    /// The same while one frame of a hundred is lost and one device of a thousand dies and another starts
    /// each second.
    pub churn: Churn,
    /// What happened in all.
    pub events: u64,
    /// Seconds of wall time.
    pub wall_s: f64,
    /// Resident memory beyond that before, for each device, in bytes, once all have joined; 0 where it cannot be told.
    pub bytes_per_device: u64,
}

/// How entries spread while frames are lost and devices come and go, to those that are there throughout.
#[derive(Clone, Debug, Serialize)]
pub struct Churn {
    /// Median time of arrival.
    pub p50_ms: f64,
    /// 99 of 100 arrivals take no longer.
    pub p99_ms: f64,
    /// Time to the last device, mean over entries.
    pub last_ms: f64,
    /// Copies of an entry that reach a device beyond the first, mean.
    pub rmr: f64,
    /// Entries that some device did not get within half a minute.
    pub missed: u64,
    /// Parts without a link between them, in the end.
    pub parts: usize,
}

/// Lets entries of some authors spread among so many devices.
#[must_use]
pub fn spread(nodes: usize, seed: u64) -> Spread {
    let (began, before) = (Instant::now(), resident());
    let mut swarm = Swarm::new(seed, AUTHORS);
    let joined_ms = (nodes as u64 * 1_000 / JOINS_PER_S).max(JOIN_MS_MIN);
    swarm.join(nodes, joined_ms, CONTACTS);
    swarm.run_until(swarm.now_ms() + SETTLE_MS);
    let bytes_per_device = resident().saturating_sub(before) / nodes.max(1) as u64;
    swarm.choose_authors();
    let first = write(&mut swarm, 1, false);
    write(&mut swarm, WARM_UP - 1, false);
    let steady = write(&mut swarm, MEASURED, false);
    let degrees = swarm.degrees();
    let link_ms = swarm.latency_ms();
    swarm.loss_per_mille = LOSS_PER_MILLE;
    let stormy = write(&mut swarm, MEASURED, true);
    Spread {
        nodes,
        p50_ms: steady.at(0.5),
        p99_ms: steady.at(0.99),
        last_ms: steady.last_ms(),
        last_max_ms: steady.lasts.iter().max().copied().unwrap_or(0),
        rmr: steady.rmr(),
        rmr_first: first.rmr(),
        hops: steady.hops,
        missed: steady.missed,
        links_mean: degrees.iter().sum::<usize>() as f64 / degrees.len() as f64,
        links_min: degrees.iter().min().copied().unwrap_or(0),
        links_max: degrees.iter().max().copied().unwrap_or(0),
        link_ms,
        churn: Churn {
            p50_ms: stormy.at(0.5),
            p99_ms: stormy.at(0.99),
            last_ms: stormy.last_ms(),
            rmr: stormy.rmr(),
            missed: stormy.missed,
            parts: swarm.parts(),
        },
        events: swarm.events(),
        wall_s: began.elapsed().as_secs_f64(),
        bytes_per_device,
    }
}

/// What came of some entries.
#[derive(Default)]
struct Measured {
    /// Times of all arrivals, ascending.
    arrivals: Vec<u64>,
    /// Times of the last arrival of each entry.
    lasts: Vec<u64>,
    copies: u64,
    due: u64,
    missed: u64,
    hops: u32,
}

impl Measured {
    fn at(&self, share: f64) -> f64 {
        let at = (self.arrivals.len() as f64 * share) as usize;
        self.arrivals.get(at).copied().unwrap_or(0) as f64
    }

    fn last_ms(&self) -> f64 {
        self.lasts.iter().sum::<u64>() as f64 / self.lasts.len().max(1) as f64
    }

    fn rmr(&self) -> f64 {
        self.copies as f64 / self.due.max(1) as f64
    }
}

/// Lets every author write some entries, one each second in turn, while devices perhaps come and go.
fn write(swarm: &mut Swarm, rounds: u32, churn: bool) -> Measured {
    let mut written = Vec::new();
    let authors: Vec<usize> = (0..AUTHORS).map(|log| swarm.author(log)).collect();
    let mut down = Vec::new();
    let mut turn = 0_usize;
    for _ in 0..rounds {
        for log in 0..AUTHORS {
            written.push((log, swarm.write(log), swarm.now_ms()));
            swarm.run_until(swarm.now_ms() + 1_000);
            if churn {
                turn += 1;
                for node in std::mem::take(&mut down) {
                    swarm.start(node, CONTACTS);
                }
                let up: Vec<usize> = swarm
                    .up()
                    .filter(|node| *node >= CONTACTS && !authors.contains(node))
                    .collect();
                for n in 0..(up.len() * CHURN_PER_MILLE).div_ceil(1_000) {
                    let node = up[(turn * 7_919 + n * 104_729) % up.len()];
                    if swarm.up_since(node).is_some() {
                        swarm.kill(node);
                        down.push(node);
                    }
                }
            }
        }
    }
    swarm.run_until(swarm.now_ms() + if churn { WITHIN_MS } else { 1_000 });
    let mut measured = Measured::default();
    for (log, seq, at_ms) in written {
        let Some(fate) = swarm.fate(log, seq) else { continue };
        let stayed = |node: usize| swarm.up_since(node).is_some_and(|since| since <= at_ms);
        let due = swarm.up().filter(|node| stayed(*node)).count() as u64 - 1;
        let arrivals: Vec<u64> =
            fate.arrivals.iter().filter(|(node, _)| stayed(*node)).map(|(_, ms)| *ms).collect();
        measured.missed += due - arrivals.len() as u64;
        measured.due += due;
        measured.copies += fate.copies;
        measured.hops = measured.hops.max(fate.hops);
        measured.lasts.extend(arrivals.iter().max());
        measured.arrivals.extend(arrivals);
    }
    measured.arrivals.sort_unstable();
    measured
}
