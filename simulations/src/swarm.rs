//! A swarm: the production [`Overlay`] of each device of one large space, and on its links the production
//! [`Branch`] of each log.
//!
//! In: devices that come and go, entries that are written. Out: who is linked with whom, when which entry
//! arrived where. What an entry says, and whether it may, does not change its way, so nodes here are no more
//! than their links and how far they have each log. Same seed, same run. Not here: what is measured (`bench`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use meshwork_protocol::{Branch, DeviceId, Happening, Move, Overlay, Sample, Time, Told, limits};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng as _};

/// The way of a frame over a link, in milliseconds, each as likely.
const LATENCY_MS: (u64, u64) = (10, 50);
/// Ways from a dial to a link on which a space is proven: transport, hello, claims.
const DIAL_WAYS: u64 = 6;
/// How long a device takes to make entries durable before it acknowledges them.
const PERSIST_MS: u64 = 3;
/// How long it takes until a device notices that another has died.
const DEATH_SHOWS_MS: (u64, u64) = (1_000, 5_000);

/// What goes over a link, or becomes due at one end of it.
enum What {
    /// Entries of a log from one to another, after so many hops.
    Entries {
        log: usize,
        first: u32,
        last: u32,
        hops: u32,
    },
    Acked {
        log: usize,
        seq: u32,
    },
    /// How far the peer has every log.
    Heads(Vec<u32>),
    Asked {
        log: usize,
        eager: bool,
    },
    Told(Told),
    Part,
    /// The other end has closed, or died.
    Closed,
    /// The round trip has been measured.
    Trip,
    /// Heads are compared.
    Repair,
    /// A device looks whether the peer lacks what is late, or has not acknowledged what was sent.
    Look {
        log: usize,
    },
}

enum Due {
    /// At a device, on its link of this serial with a peer.
    AtLink {
        node: usize,
        peer: usize,
        serial: u64,
        what: What,
    },
    Dialled {
        from: usize,
        to: usize,
    },
    Woken {
        node: usize,
        life: u32,
    },
}

/// Something due at a time, in the order it was asked for.
struct Next {
    at_ms: u64,
    number: u64,
    due: Due,
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Next {}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.number).cmp(&(other.at_ms, other.number))
    }
}

/// What one end of a link knows of a log there.
#[derive(Clone, Copy, Default)]
struct Progress {
    sent: u32,
    acked: u32,
    branch: Branch,
    /// When what was sent is sent again.
    resend_at: Option<u64>,
}

struct End {
    peer: usize,
    serial: u64,
    latency_ms: u64,
    /// Whether the peer has told how far it has the logs.
    known: bool,
    logs: Vec<Progress>,
}

struct Node {
    overlay: Overlay,
    links: Vec<End>,
    heads: Vec<u32>,
    up: bool,
    /// Counts starts: what was due in an earlier life is void.
    life: u32,
    since_ms: u64,
    wake: Option<u64>,
}

/// What became of one entry.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// When it was written.
    pub written_ms: u64,
    /// When it arrived at devices other than its author.
    pub arrivals: Vec<(usize, u64)>,
    /// Copies that reached a device which had it.
    pub copies: u64,
    /// Most hops.
    pub hops: u32,
}

/// Devices, their links, and what is under way.
pub struct Swarm {
    nodes: Vec<Node>,
    authors: Vec<usize>,
    queue: BinaryHeap<Reverse<Next>>,
    numbers: u64,
    serials: u64,
    events: u64,
    now_ms: u64,
    rng: ChaCha8Rng,
    /// Frames lost, of a thousand.
    pub loss_per_mille: u64,
    fates: BTreeMap<(usize, u32), Fate>,
}

fn id(node: usize) -> DeviceId {
    let mut bytes = *blake3::hash(&node.to_le_bytes()).as_bytes();
    bytes[..8].copy_from_slice(&(node as u64).to_be_bytes());
    DeviceId(bytes)
}

fn number(id: DeviceId) -> usize {
    let first = id.0.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first) as usize
}

impl Swarm {
    /// A swarm of nobody yet, in which these write.
    #[must_use]
    pub fn new(seed: u64, authors: usize) -> Self {
        Self {
            nodes: Vec::new(),
            authors: vec![0; authors],
            queue: BinaryHeap::new(),
            numbers: 0,
            serials: 0,
            events: 0,
            now_ms: 1_000_000,
            rng: ChaCha8Rng::seed_from_u64(seed),
            loss_per_mille: 0,
            fates: BTreeMap::new(),
        }
    }

    /// Lets so many devices more join within some time, each by one of the first few.
    pub fn join(&mut self, count: usize, within_ms: u64, contacts: usize) {
        let start = self.now_ms;
        for n in 0..count as u64 {
            self.run_until(start + within_ms * n / count as u64);
            self.nodes.push(Node {
                overlay: Overlay::new(id(self.nodes.len())),
                links: Vec::new(),
                heads: vec![0; self.authors.len()],
                up: false,
                life: 0,
                since_ms: 0,
                wake: None,
            });
            self.start(self.nodes.len() - 1, contacts);
        }
        self.run_until(start + within_ms);
    }

    /// Starts a device that knows nobody but one of the first few.
    pub fn start(&mut self, node: usize, contacts: usize) {
        let now_ms = self.now_ms;
        let it = &mut self.nodes[node];
        it.up = true;
        it.life += 1;
        it.since_ms = now_ms;
        it.overlay = Overlay::new(id(node));
        it.overlay.reachable_at(vec![format!("/memory/{node}")]);
        it.wake = None;
        let first: Vec<usize> = (0..self.nodes.len())
            .filter(|other| *other != node && self.nodes[*other].up)
            .take(contacts)
            .collect();
        if !first.is_empty() {
            let to = first[self.rng.next_u64() as usize % first.len()];
            self.dial(node, to);
        }
        self.handle(node, Happening::Woken);
    }

    /// Ends a device without a word.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].up = false;
        for end in std::mem::take(&mut self.nodes[node].links) {
            let after = self.between(DEATH_SHOWS_MS);
            let (peer, serial) = (end.peer, end.serial);
            let what = What::Closed;
            self.later(after, Due::AtLink { node: peer, peer: node, serial, what });
        }
    }

    /// Chooses who writes each log, among those that are up.
    pub fn choose_authors(&mut self) {
        let up: Vec<usize> = self.up().collect();
        for log in 0..self.authors.len() {
            self.authors[log] = up[self.rng.next_u64() as usize % up.len()];
        }
    }

    /// Who writes a log.
    #[must_use]
    pub fn author(&self, log: usize) -> usize {
        self.authors[log]
    }

    /// Lets the author of a log write an entry; its number.
    pub fn write(&mut self, log: usize) -> u32 {
        let node = self.authors[log];
        self.nodes[node].heads[log] += 1;
        let seq = self.nodes[node].heads[log];
        self.fates.insert((log, seq), Fate { written_ms: self.now_ms, ..Fate::default() });
        self.spread(node, None, log, 0);
        seq
    }

    /// What has become of an entry so far.
    #[must_use]
    pub fn fate(&self, log: usize, seq: u32) -> Option<&Fate> {
        self.fates.get(&(log, seq))
    }

    /// What has happened so far, in number.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The time, in milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Those that are up.
    pub fn up(&self) -> impl Iterator<Item = usize> + '_ {
        self.nodes.iter().enumerate().filter(|(_, node)| node.up).map(|(n, _)| n)
    }

    /// Since when a device is up; none if it is not.
    #[must_use]
    pub fn up_since(&self, node: usize) -> Option<u64> {
        self.nodes.get(node).filter(|node| node.up).map(|node| node.since_ms)
    }

    /// How many links each device that is up has.
    #[must_use]
    pub fn degrees(&self) -> Vec<usize> {
        self.up().map(|n| self.nodes[n].links.len()).collect()
    }

    /// Devices a device knows besides those it is linked with.
    #[must_use]
    pub fn known(&self, node: usize) -> usize {
        self.nodes[node].overlay.known()
    }

    /// The mean way over the links of those that are up, in milliseconds.
    #[must_use]
    pub fn latency_ms(&self) -> f64 {
        let links = self.up().flat_map(|n| self.nodes[n].links.iter());
        let (sum, count) =
            links.fold((0, 0_u64), |(sum, count), end| (sum + end.latency_ms, count + 1));
        sum as f64 / count.max(1) as f64
    }

    /// Into how many parts without a link between them the devices that are up fall.
    #[must_use]
    pub fn parts(&self) -> usize {
        let mut left: BTreeSet<usize> = self.up().collect();
        let mut parts = 0;
        while let Some(first) = left.pop_first() {
            parts += 1;
            let mut open = vec![first];
            while let Some(node) = open.pop() {
                open.extend(
                    self.nodes[node].links.iter().map(|end| end.peer).filter(|n| left.remove(n)),
                );
            }
        }
        parts
    }

    /// A hash of who is linked with whom.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for node in &self.nodes {
            for end in &node.links {
                hasher.update(&(end.peer as u64).to_le_bytes());
            }
            hasher.update(&[u8::from(node.up); 9]);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Lets a member tell another whatever it likes of devices that are not there.
    pub fn tell_lies(&mut self, from: usize, to: usize, count: usize) {
        let sample = |rng: &mut ChaCha8Rng| {
            let mut device = [0xff; 32];
            device[8..16].copy_from_slice(&rng.next_u64().to_le_bytes());
            let addresses = vec!["x".repeat(4_096); 64];
            Sample { device: DeviceId(device), age_s: 0, walk: u8::MAX, addresses }
        };
        let samples = (0..count).map(|_| sample(&mut self.rng)).collect();
        let told = Told { degree: u8::MAX, addresses: Vec::new(), samples };
        self.handle(to, Happening::Told(id(from), told));
    }

    /// Lets everything happen that is due until some time.
    pub fn run_until(&mut self, end_ms: u64) {
        while self.queue.peek().is_some_and(|Reverse(next)| next.at_ms <= end_ms) {
            let Some(Reverse(Next { at_ms: at, due, .. })) = self.queue.pop() else { break };
            self.now_ms = at;
            self.events += 1;
            match due {
                Due::AtLink { node, peer, serial, what } => self.at_link(node, peer, serial, what),
                Due::Dialled { from, to } => self.connect(from, to),
                Due::Woken { node, life } => {
                    let it = &mut self.nodes[node];
                    if it.up && it.life == life && it.wake.is_some_and(|wake| wake <= at) {
                        it.wake = None;
                        self.handle(node, Happening::Woken);
                    }
                }
            }
        }
        self.now_ms = end_ms;
    }

    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.rng.next_u64() % (most - least + 1)
    }

    fn later(&mut self, after_ms: u64, due: Due) {
        self.numbers += 1;
        let (at_ms, number) = (self.now_ms + after_ms, self.numbers);
        self.queue.push(Reverse(Next { at_ms, number, due }));
    }

    /// The way between two devices, the same each time.
    fn way(a: usize, b: usize) -> u64 {
        let (least, most) = LATENCY_MS;
        let pair = [a.min(b).to_le_bytes(), a.max(b).to_le_bytes()].concat();
        let drawn =
            blake3::hash(&pair).as_bytes().first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        least + drawn % (most - least + 1)
    }

    fn dial(&mut self, from: usize, to: usize) {
        self.later(Self::way(from, to) * DIAL_WAYS, Due::Dialled { from, to });
    }

    fn connect(&mut self, a: usize, b: usize) {
        let linked = |n: usize, peer: usize| self.nodes[n].links.iter().any(|end| end.peer == peer);
        if b >= self.nodes.len() || !self.nodes[a].up || !self.nodes[b].up {
            return;
        }
        if linked(a, b) || linked(b, a) {
            return;
        }
        self.serials += 1;
        let (serial, latency_ms) = (self.serials, Self::way(a, b));
        for (node, peer) in [(a, b), (b, a)] {
            let logs = vec![Progress::default(); self.authors.len()];
            self.nodes[node].links.push(End { peer, serial, latency_ms, known: false, logs });
        }
        for (node, peer) in [(a, b), (b, a)] {
            self.handle(node, Happening::Linked(id(peer)));
            let what = What::Trip;
            self.later(2 * latency_ms, Due::AtLink { node, peer, serial, what });
            self.at_link(node, peer, serial, What::Repair);
        }
    }

    /// Feeds an overlay, and makes its moves.
    fn handle(&mut self, node: usize, what: Happening) {
        let now = Time(self.now_ms);
        let mut moves = Vec::new();
        let it = &mut self.nodes[node];
        it.overlay.handle(what, now, &mut self.rng, &mut moves);
        let at = it.overlay.wake_at(now).0;
        if it.wake.is_none_or(|wake| at < wake) {
            it.wake = Some(at);
            let life = it.life;
            self.later(at - now.0, Due::Woken { node, life });
        }
        for one in moves {
            match one {
                Move::Dial(peer, _) => self.dial(node, number(peer)),
                Move::Tell(peer, told) => self.tell(node, number(peer), What::Told(told)),
                Move::Part(peer) => self.tell(node, number(peer), What::Part),
                Move::Release(peer) => self.close(node, number(peer)),
            }
        }
    }

    fn close(&mut self, node: usize, peer: usize) {
        let it = &mut self.nodes[node];
        let Some(at) = it.links.iter().position(|end| end.peer == peer) else { return };
        let End { serial, latency_ms, .. } = it.links.swap_remove(at);
        self.later(latency_ms, Due::AtLink { node: peer, peer: node, serial, what: What::Closed });
        self.handle(node, Happening::Gone(id(peer)));
    }

    fn tell(&mut self, node: usize, peer: usize, what: What) {
        if let Some(link) = self.nodes[node].links.iter().position(|end| end.peer == peer) {
            self.send(node, link, 0, what);
        }
    }

    fn send(&mut self, node: usize, link: usize, after_ms: u64, what: What) {
        if self.loss_per_mille > 0 && self.rng.next_u64() % 1_000 < self.loss_per_mille {
            return;
        }
        let End { peer, serial, latency_ms, .. } = self.nodes[node].links[link];
        let due = Due::AtLink { node: peer, peer: node, serial, what };
        self.later(after_ms + latency_ms, due);
    }

    fn at_link(&mut self, node: usize, peer: usize, serial: u64, what: What) {
        let ends = &mut self.nodes[node].links;
        let Some(link) = ends.iter().position(|end| end.peer == peer && end.serial == serial)
        else {
            return;
        };
        match what {
            What::Entries { log, first, last, hops } => {
                self.on_entries(node, link, log, (first, last), hops);
            }
            What::Acked { log, seq } => {
                let progress = &mut ends[link].logs[log];
                progress.acked = progress.acked.max(seq);
                progress.sent = progress.sent.max(seq);
                progress.branch.on_caught_up();
                if progress.acked == progress.sent {
                    progress.resend_at = None;
                }
            }
            What::Heads(heads) => {
                let known = std::mem::replace(&mut ends[link].known, true);
                for (log, head) in heads.into_iter().enumerate() {
                    let progress = &mut self.nodes[node].links[link].logs[log];
                    if !known || head < progress.acked {
                        progress.sent = head;
                        progress.acked = head;
                    }
                    progress.acked = progress.acked.max(head);
                    progress.sent = progress.sent.max(head);
                    self.owe(node, link, log, 0);
                }
            }
            What::Asked { log, eager } => {
                let own = self.authors[log] == node;
                ends[link].logs[log].branch.on_asked(eager || own);
                self.owe(node, link, log, 0);
            }
            What::Told(told) => self.handle(node, Happening::Told(id(peer), told)),
            What::Part => self.handle(node, Happening::Parted(id(peer))),
            What::Trip => {
                let ms = 2 * ends[link].latency_ms;
                self.handle(node, Happening::Trip(id(peer), ms));
            }
            What::Closed => {
                ends.swap_remove(link);
                self.handle(node, Happening::Gone(id(peer)));
            }
            What::Repair => {
                let heads = self.nodes[node].heads.clone();
                self.send(node, link, 0, What::Heads(heads));
                let every = limits::REPAIR_EVERY_MS;
                let after = every * 3 / 4 + self.rng.next_u64() % (every / 2);
                self.later(after, Due::AtLink { node, peer, serial, what: What::Repair });
            }
            What::Look { log } => {
                let progress = &mut ends[link].logs[log];
                if progress.resend_at.is_some_and(|at| at <= self.now_ms) {
                    progress.resend_at = None;
                    progress.sent = progress.acked;
                }
                self.owe(node, link, log, 0);
            }
        }
    }

    fn on_entries(&mut self, node: usize, link: usize, log: usize, run: (u32, u32), hops: u32) {
        let (first, last) = run;
        let now_ms = self.now_ms;
        let Node { links, heads, since_ms, .. } = &mut self.nodes[node];
        let end = &mut links[link];
        let direct = self.authors[log] == end.peer;
        let progress = &mut end.logs[log];
        progress.sent = progress.sent.max(last);
        progress.branch.on_caught_up();
        let head = heads[log];
        for seq in first..=last.min(head) {
            if let Some(fate) = self.fates.get_mut(&(log, seq)) {
                fate.copies += 1;
            }
        }
        if last <= head {
            let ask = !direct && progress.branch.on_repeated();
            self.send(node, link, PERSIST_MS, What::Acked { log, seq: head });
            if ask {
                self.send(node, link, 0, What::Asked { log, eager: false });
            }
            return;
        }
        if first > head + 1 {
            return;
        }
        let ask = !direct && progress.branch.on_new();
        heads[log] = last;
        for seq in head + 1..=last {
            if let Some(fate) = self.fates.get_mut(&(log, seq))
                && *since_ms <= fate.written_ms
            {
                fate.arrivals.push((node, now_ms - fate.written_ms));
                fate.hops = fate.hops.max(hops);
            }
        }
        if ask {
            self.send(node, link, 0, What::Asked { log, eager: true });
        }
        self.spread(node, Some(link), log, hops);
    }

    /// Sends entries on along eager branches, and word of them along all.
    fn spread(&mut self, node: usize, from: Option<usize>, log: usize, hops: u32) {
        let seq = self.nodes[node].heads[log];
        for link in 0..self.nodes[node].links.len() {
            if Some(link) != from {
                self.owe(node, link, log, hops);
            }
            self.send(node, link, PERSIST_MS, What::Acked { log, seq });
        }
    }

    /// Sends a peer what it lacks of a log, if it is to be sent now, or looks again when it is late.
    fn owe(&mut self, node: usize, link: usize, log: usize, hops: u32) {
        let now = Time(self.now_ms);
        let Node { links, heads, .. } = &mut self.nodes[node];
        let (end, head) = (&mut links[link], heads[log]);
        let (peer, serial) = (end.peer, end.serial);
        let progress = &mut end.logs[log];
        if !end.known || progress.sent >= head {
            return;
        }
        let look = Due::AtLink { node, peer, serial, what: What::Look { log } };
        if !progress.branch.due(now) {
            if let Some(at) = progress.branch.late_at() {
                self.later(at.0.saturating_sub(now.0), look);
            }
            return;
        }
        let first = progress.sent + 1;
        progress.sent = head;
        progress.branch.on_caught_up();
        if progress.resend_at.is_none() {
            progress.resend_at = Some(now.0 + limits::RESEND_AFTER_MS);
            self.later(limits::RESEND_AFTER_MS, look);
        }
        self.send(node, link, 0, What::Entries { log, first, last: head, hops: hops + 1 });
    }
}
