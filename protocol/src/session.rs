//! One live link with one peer: what it has proven, what it knows, what it is owed.
//!
//! Everything here is forgotten with the link; nothing here is needed for correctness across links.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{DeviceId, LogId, SpaceId, Time};
use crate::limits;
use crate::wire::{Claim, Tag};

pub(crate) struct Session {
    pub peer: DeviceId,
    pub nonce: [u8; 16],
    pub their_nonce: Option<[u8; 16]>,
    /// What the peer claimed last; a space joined later may match.
    pub claims: BTreeSet<Claim>,
    pub shared: BTreeMap<SpaceId, Shared>,
    pub penalty: u32,
    /// Run bytes sent to the peer.
    pub sent: u64,
    /// Run bytes the peer is ready to take in all.
    pub granted: u64,
    /// Run bytes the peer says it has sent.
    pub received: u64,
    /// Run bytes we last told the peer it may send in all.
    pub grant: u64,
    /// Whether something may have to be sent.
    pub dirty: bool,
    /// When the link's timer fires.
    pub wake: Option<Time>,
    pub next_repair: Time,
}

/// One space that both ends of a link have proven to know.
pub(crate) struct Shared {
    pub tag_out: Tag,
    pub tag_in: Tag,
    /// Keys the digests compared on this link.
    pub key: [u8; 32],
    /// Whether the peer has told what it holds, so that sending can start.
    pub known: bool,
    pub progress: BTreeMap<LogId, Progress>,
    /// Logs whose durable heads the peer has not been told yet.
    pub ack_due: BTreeSet<LogId>,
    /// Logs this device asked the peer not to push at once.
    pub pruned: BTreeSet<LogId>,
    pub list_sent: Option<Time>,
    pub ops_sent: Option<Time>,
}

/// What the peer has of one log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Up to where the peer has it or was sent it on this link.
    pub sent: u64,
    /// Up to where the peer has it durably.
    pub acked: u64,
    /// When `acked` last caught up or `sent` first ran ahead of it.
    pub moved: Time,
    /// The peer gets this log elsewhere; push only what is late.
    pub lazy: bool,
    /// When entries for a lazy log become late.
    pub late_at: Option<Time>,
}

impl Progress {
    /// Takes in the peer's own list of what it holds: it has no more than that, whatever it acknowledged
    /// before. What was sent since is on its way, unless this is the first list of the link.
    pub(crate) fn correct(&mut self, listed: u64, first: bool) {
        if first || listed < self.acked {
            self.sent = listed;
            self.acked = self.acked.min(listed);
        }
    }
}

impl Session {
    pub(crate) fn new(peer: DeviceId, nonce: [u8; 16], now: Time) -> Self {
        Self {
            peer,
            nonce,
            their_nonce: None,
            claims: BTreeSet::new(),
            shared: BTreeMap::new(),
            penalty: 0,
            sent: 0,
            granted: limits::CREDIT_BYTES,
            received: 0,
            grant: limits::CREDIT_BYTES,
            dirty: true,
            wake: None,
            next_repair: now.plus_ms(limits::REPAIR_EVERY_MS),
        }
    }

    /// The space a tag of the peer's stands for.
    pub(crate) fn space_of(&self, tag: Tag) -> Option<SpaceId> {
        self.shared.iter().find(|(_, shared)| shared.tag_in == tag).map(|(space, _)| *space)
    }

    pub(crate) fn credit(&self) -> u64 {
        self.granted.saturating_sub(self.sent)
    }
}

impl Shared {
    pub(crate) fn new(secret: &[u8; 32], ours: &Side, theirs: &Side) -> Self {
        Self {
            tag_out: tag(secret, ours, theirs),
            tag_in: tag(secret, theirs, ours),
            key: session_key(secret, ours, theirs),
            known: false,
            progress: BTreeMap::new(),
            ack_due: BTreeSet::new(),
            pruned: BTreeSet::new(),
            list_sent: None,
            ops_sent: None,
        }
    }

    /// Notes that the peer holds a log durably up to `seq`; tells whether that is news.
    pub(crate) fn acked(&mut self, log: LogId, seq: u64, now: Time) -> bool {
        let progress = self.progress.entry(log).or_default();
        if seq <= progress.acked && seq <= progress.sent {
            return false;
        }
        let news = seq > progress.acked;
        progress.acked = progress.acked.max(seq);
        progress.sent = progress.sent.max(seq);
        progress.moved = now;
        progress.late_at = None;
        news
    }

    /// Notes that the peer has a log up to `seq`, durably or not.
    pub(crate) fn has(&mut self, log: LogId, seq: u64) {
        let progress = self.progress.entry(log).or_default();
        progress.sent = progress.sent.max(seq);
        progress.late_at = None;
    }
}

/// One end of a link, as far as proofs bind it.
pub(crate) struct Side {
    pub device: DeviceId,
    pub nonce: [u8; 16],
}

/// What `from` sends to prove to `to` that it knows a space.
pub(crate) fn claim(secret: &[u8; 32], from: &Side, to: &Side) -> Claim {
    let hash = directed("meshwork claim 1", secret, from, to);
    Claim(crate::keyring::first16(hash.as_bytes()))
}

fn tag(secret: &[u8; 32], from: &Side, to: &Side) -> Tag {
    let hash = directed("meshwork tag 1", secret, from, to);
    Tag(*hash.as_bytes().first_chunk::<8>().expect("a hash has 32 bytes"))
}

fn session_key(secret: &[u8; 32], one: &Side, other: &Side) -> [u8; 32] {
    let (low, high) = if one.device < other.device { (one, other) } else { (other, one) };
    *directed("meshwork session key 1", secret, low, high).as_bytes()
}

fn directed(domain: &str, secret: &[u8; 32], from: &Side, to: &Side) -> blake3::Hash {
    let key = blake3::derive_key(domain, secret);
    let mut hasher = blake3::Hasher::new_keyed(&key);
    for side in [from, to] {
        hasher.update(&side.device.0);
        hasher.update(&side.nonce);
    }
    hasher.finalize()
}
