//! How a change reaches every device of a large space: the tree of each author's log on a random overlay.
//!
//! Nodes here are no more than their links: whom they are linked with, how far they have each log, and the
//! production [`Branch`] of each link and log. What an entry says, and whether it may, does not change its way.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use meshwork_protocol::{Branch, Time};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng as _};
use serde::Serialize;

/// Links each device makes itself; as many others make with it.
const DIALLED: usize = 4;
/// Most links of a device.
const LINKS_MAX: usize = 9;
/// The way of a frame over a link, in milliseconds, each as likely.
const LATENCY_MS: (u64, u64) = (10, 50);
/// How long a device takes to make entries durable before it acknowledges them.
const PERSIST_MS: u64 = 3;
const AUTHORS: usize = 8;
/// Entries of each author from which its tree grows, and those that are measured then.
const WARM_UP: u32 = 10;
const MEASURED: u32 = 20;

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
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// An entry arrives over a link.
    Entry {
        log: usize,
        seq: u32,
        hops: u32,
    },
    Acked {
        log: usize,
        seq: u32,
    },
    Asked {
        log: usize,
        eager: bool,
    },
    /// A device looks whether a peer lacks what is late.
    Late {
        log: usize,
    },
}

/// One end of a link.
struct Link {
    to: usize,
    /// The place of the other end among the peer's links.
    far: usize,
    latency_ms: u64,
    /// By log: what the peer has or was sent, and the branch.
    logs: Vec<(u32, Branch)>,
}

/// What happens at a moment, in the order it was asked for: to which device, over which of its links.
type Due = (u64, u64, usize, usize, What);

struct Overlay {
    nodes: Vec<(Vec<Link>, Vec<u32>)>,
    queue: BinaryHeap<Reverse<Due>>,
    numbers: u64,
    now_ms: u64,
    written_ms: u64,
    arrivals: Vec<u64>,
    copies: u64,
    hops: u32,
}

/// Lets entries of some authors spread among so many devices, on links that lose nothing.
#[must_use]
pub fn spread(nodes: usize, seed: u64) -> Spread {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut overlay = Overlay::new(nodes, &mut rng);
    let authors: Vec<usize> = (0..AUTHORS).map(|_| rng.next_u64() as usize % nodes).collect();
    let (mut all, mut lasts, mut missed) = (Vec::new(), Vec::new(), 0);
    let (mut first, mut steady) = (0.0, 0.0);
    for round in 1..=WARM_UP + MEASURED {
        for (log, author) in authors.iter().enumerate() {
            overlay.write(*author, log, round);
            let last = overlay.arrivals.iter().max().copied().unwrap_or(0);
            let others = (nodes - 1) as u64;
            let redundant = (overlay.copies - others.min(overlay.copies)) as f64 / others as f64;
            missed += others - overlay.arrivals.len() as u64;
            if round == 1 {
                first += redundant / AUTHORS as f64;
            }
            if round > WARM_UP {
                steady += redundant / f64::from(MEASURED) / AUTHORS as f64;
                all.append(&mut overlay.arrivals);
                lasts.push(last);
            }
        }
        if round == WARM_UP {
            overlay.hops = 0;
        }
    }
    all.sort_unstable();
    let at = |share: f64| all.get((all.len() as f64 * share) as usize).copied().unwrap_or(0) as f64;
    Spread {
        nodes,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        last_ms: lasts.iter().sum::<u64>() as f64 / lasts.len() as f64,
        last_max_ms: lasts.into_iter().max().unwrap_or(0),
        rmr: steady,
        rmr_first: first,
        hops: overlay.hops,
        missed,
    }
}

impl Overlay {
    /// Every device links with some others at random, as long as they have room.
    fn new(nodes: usize, rng: &mut ChaCha8Rng) -> Self {
        let mut links: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); nodes];
        let mut overlay = Self {
            nodes: (0..nodes).map(|_| (Vec::new(), vec![0; AUTHORS])).collect(),
            queue: BinaryHeap::new(),
            numbers: 0,
            now_ms: 0,
            written_ms: 0,
            arrivals: Vec::new(),
            copies: 0,
            hops: 0,
        };
        for _ in 0..DIALLED {
            for one in 0..nodes {
                for _ in 0..100 {
                    let other = rng.next_u64() as usize % nodes;
                    let room = links[one].len() < LINKS_MAX && links[other].len() < LINKS_MAX;
                    if other == one || !room || !links[one].insert(other) {
                        continue;
                    }
                    links[other].insert(one);
                    let (least, most) = LATENCY_MS;
                    let latency_ms = least + rng.next_u64() % (most - least + 1);
                    let far = (overlay.nodes[one].0.len(), overlay.nodes[other].0.len());
                    for (near, to, far) in [(one, other, far.1), (other, one, far.0)] {
                        let logs = vec![(0, Branch::default()); AUTHORS];
                        overlay.nodes[near].0.push(Link { to, far, latency_ms, logs });
                    }
                    break;
                }
            }
        }
        overlay
    }

    /// Lets an author write an entry, and everything that follows from it happen.
    fn write(&mut self, author: usize, log: usize, seq: u32) {
        self.now_ms += 1_000;
        self.written_ms = self.now_ms;
        self.arrivals.clear();
        self.copies = 0;
        self.nodes[author].1[log] = seq;
        self.relay(author, None, log, seq, 0);
        while let Some(Reverse((at, _, node, link, what))) = self.queue.pop() {
            self.now_ms = at;
            self.happen(node, link, what);
        }
    }

    fn happen(&mut self, node: usize, link: usize, what: What) {
        let (links, heads) = &mut self.nodes[node];
        match what {
            What::Entry { log, seq, hops } => {
                let new = seq > heads[log];
                let (has, branch) = &mut links[link].logs[log];
                *has = (*has).max(seq);
                self.copies += 1;
                if new {
                    let ask = branch.on_new();
                    heads[log] = seq;
                    self.arrivals.push(self.now_ms - self.written_ms);
                    self.hops = self.hops.max(hops);
                    if ask {
                        self.send(node, link, 0, What::Asked { log, eager: true });
                    }
                    self.relay(node, Some(link), log, seq, hops);
                } else if branch.on_repeated() {
                    self.send(node, link, 0, What::Asked { log, eager: false });
                }
            }
            What::Acked { log, seq } => {
                let (has, branch) = &mut links[link].logs[log];
                *has = (*has).max(seq);
                branch.on_caught_up();
            }
            What::Asked { log, eager } => links[link].logs[log].1.on_asked(eager),
            What::Late { log } => {
                let (has, branch) = &mut links[link].logs[log];
                if *has < heads[log] && branch.due(Time(self.now_ms)) {
                    *has = heads[log];
                    branch.on_caught_up();
                    let what = What::Entry { log, seq: heads[log], hops: 0 };
                    self.send(node, link, 0, what);
                }
            }
        }
    }

    /// Sends an entry on along eager branches, and word of it along all.
    fn relay(&mut self, node: usize, from: Option<usize>, log: usize, seq: u32, hops: u32) {
        for link in 0..self.nodes[node].0.len() {
            let (has, branch) = &mut self.nodes[node].0[link].logs[log];
            if Some(link) != from && *has < seq {
                if branch.due(Time(self.now_ms)) {
                    *has = seq;
                    self.send(node, link, 0, What::Entry { log, seq, hops: hops + 1 });
                } else if let Some(late_at) = branch.late_at() {
                    self.later(late_at.0, node, link, What::Late { log });
                }
            }
            self.send(node, link, PERSIST_MS, What::Acked { log, seq });
        }
    }

    fn send(&mut self, node: usize, link: usize, after_ms: u64, what: What) {
        let Link { to, far, latency_ms, .. } = self.nodes[node].0[link];
        self.later(self.now_ms + after_ms + latency_ms, to, far, what);
    }

    fn later(&mut self, at_ms: u64, node: usize, link: usize, what: What) {
        self.numbers += 1;
        self.queue.push(Reverse((at_ms, self.numbers, node, link, what)));
    }
}
