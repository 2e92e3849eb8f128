//! One live link with one peer: what it has proven, what it knows, what it is owed.
//!
//! Everything here is forgotten with the link; nothing here is needed for correctness across links.

use std::collections::{BTreeMap, BTreeSet};

use crate::branch::Branch;
use crate::ids::{DeviceId, LogId, SpaceId, Time};
use crate::limits::{self, Pace};
use crate::membership::Membership;
use crate::planted::{self, Bug};
use crate::replica::bootstrap::Outgoing;
use crate::wire::{Claim, Tag};

mod numbers;
mod rate;

pub(crate) use numbers::{Base, Numbers};
pub(crate) use rate::{Entrance, Rate};

pub(crate) struct Session {
    pub peer: DeviceId,
    pub nonce: [u8; 16],
    pub their_nonce: Option<[u8; 16]>,
    /// What the peer claimed last; a space joined later may match.
    pub claims: Vec<Claim>,
    /// What was claimed here, each with whether it stands for a space; others are padding.
    pub claimed: Vec<(Claim, bool)>,
    /// Boxed, for a leaf of the map has room for eleven.
    pub shared: BTreeMap<SpaceId, Box<Shared>>,
    /// Of spaces that are begun anew on this link, until they are: how the peer names them, and numbers for logs.
    pub numbers: BTreeMap<SpaceId, (Tag, Numbers)>,
    pace: &'static Pace,
    rate: Rate,
    /// Run bytes sent to the peer.
    pub sent: u64,
    /// Run bytes the peer is ready to take in all.
    pub granted: u64,
    /// Run bytes the peer says it has sent.
    pub received: u64,
    /// Run bytes that came since without saying how many there were in all.
    pub uncounted: u64,
    /// Run bytes we last told the peer it may send in all.
    pub grant: u64,
    /// Whether something may have to be sent.
    pub dirty: bool,
    /// When the link's timer fires.
    pub wake: Option<Time>,
    pub next_repair: Time,
    /// The number that is to be sent back, and when it went.
    pub echo: Option<(u64, Time)>,
    /// When the peer was last asked for its claims, since it spoke of something it had not proven here.
    pub claims_asked: Option<Time>,
}

/// One space that both ends of a link have proven to know.
pub(crate) struct Shared {
    pub tag_out: Tag,
    pub tag_in: Tag,
    /// Keys the digests compared on this link.
    pub key: [u8; 32],
    /// Whether the peer has told all it holds, so that a log it did not name is one it does not have.
    pub known: bool,
    /// What both ends held when they last agreed, as this end remembers it.
    pub base: Option<Base>,
    pub numbers: Numbers,
    /// Ranges of logs of which the peer has not told what it holds, by their first log; to an exclusive end.
    open: BTreeMap<LogId, Option<LogId>>,
    pub progress: BTreeMap<LogId, Progress>,
    /// Logs of which the peer may have to be sent something.
    pub due: BTreeSet<LogId>,
    /// Logs of which something was sent and not acknowledged.
    pub unacked: BTreeSet<LogId>,
    /// Logs of which the peer has said something new about what it holds durably, and whether that was all
    /// it holds.
    pub heard: BTreeMap<LogId, bool>,
    /// Logs whose durable heads the peer has not been told yet.
    pub ack_due: BTreeSet<LogId>,
    /// Whether the peer was told what is held here in more than a digest.
    pub told: bool,
    /// Whether that was as changes since the base.
    pub told_since: bool,
    /// Whether the peer is known to remember the same base.
    pub agreed: bool,
    /// When the peer was last asked for what it holds.
    pub asked: Option<Time>,
    pub ops_sent: Option<Time>,
    /// When the peer was last shown where branches lie.
    pub marked: Option<Time>,
    /// Whether the peer said that it does not know this device as a member, and nothing else since.
    pub estranged: bool,
    /// What the peer has told of the space's members, while this device waits to be let in and the peer has not shown
    /// that it was.
    pub hearsay: Option<Box<Membership>>,
    /// The snapshot that the peer is being sent.
    pub outgoing: Option<Outgoing>,
    /// When one was last made for it.
    pub snapshot_made: Option<Time>,
    /// When it was last told that it lacks what is here only as part of a snapshot.
    pub offered: Option<Time>,
    /// Whether the peer gives no snapshot, or none that is of use.
    pub no_snapshot: bool,
    /// When the peer was last asked for older entries.
    pub history_asked: Option<Time>,
    /// Whether older entries have come since the peer was asked for some.
    pub history_moved: bool,
    /// By device: the last note the peer has, and whether notes go over this link at once.
    pub notes: BTreeMap<DeviceId, (u64, Branch)>,
    /// Whether the peer was told who is present.
    pub notes_told: bool,
    pub tally: Tally,
}

/// What went over a link about one space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub entries_sent: u64,
    pub entries_received: u64,
    pub run_bytes_sent: u64,
    pub run_bytes_received: u64,
}

/// What the peer has of one log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Whether the peer has told what it has of it, or cannot have any.
    pub known: bool,
    /// Up to where the peer has it or was sent it on this link.
    pub sent: u64,
    /// Up to where the peer has it durably.
    pub acked: u64,
    /// When `acked` last caught up or `sent` first ran ahead of it.
    pub moved: Time,
    /// Whether the log spreads over this link at once.
    pub branch: Branch,
    /// The peer holds another branch of the log; what is here does not follow from it.
    pub parted: bool,
    /// The next run is to say in full what it is: the last one may not have been understood.
    pub resend: bool,
}

impl Progress {
    /// Takes in the peer's own word of what it holds: it has no more than that, whatever it acknowledged
    /// before. What was sent since is on its way, unless this is its first word on the link.
    fn correct(&mut self, told: u64) {
        if !self.known || told < self.acked && !planted::is(Bug::HeadsNotCorrected) {
            self.sent = told;
            self.acked = self.acked.min(told);
        }
        self.known = true;
        // It may have gone back to where the branches part; if not, that is seen next.
        self.parted = false;
    }
}

impl Session {
    pub(crate) fn new(peer: DeviceId, nonce: [u8; 16], now: Time) -> Self {
        Self {
            peer,
            nonce,
            their_nonce: None,
            claims: Vec::new(),
            claimed: Vec::new(),
            shared: BTreeMap::new(),
            numbers: BTreeMap::new(),
            pace: &limits::PACE_OF_STRANGERS,
            rate: Rate::new(&limits::PACE_OF_STRANGERS, now),
            sent: 0,
            granted: limits::CREDIT_BYTES,
            received: 0,
            uncounted: 0,
            grant: limits::CREDIT_BYTES,
            dirty: true,
            wake: None,
            next_repair: now.plus_ms(limits::REPAIR_EVERY_MS),
            echo: None,
            claims_asked: None,
        }
    }

    /// The space a tag of the peer's stands for.
    pub(crate) fn space_of(&self, tag: Tag) -> Option<SpaceId> {
        self.shared.iter().find(|(_, shared)| shared.tag_in == tag).map(|(space, _)| *space)
    }

    /// Sets how fast the peer may speak from now on.
    pub(crate) fn keep_pace(&mut self, pace: &'static Pace, now: Time) {
        if self.pace != pace {
            self.pace = pace;
            self.rate = Rate::new(pace, now);
        }
    }

    /// Whether a frame that costs so much is to be looked at.
    pub(crate) fn admit(&mut self, frames: u64, bytes: u64, now: Time) -> Entrance {
        self.rate.admit(self.pace, frames, bytes, now)
    }

    /// Frames with runs are sent to the peer, which may acknowledge them.
    pub(crate) fn may_answer(&mut self, frames: u64) {
        self.rate.may_answer(self.pace, frames);
    }

    pub(crate) fn credit(&self) -> u64 {
        self.granted.saturating_sub(self.sent)
    }

    /// Takes in how many run bytes the peer says it has sent in all; tells whether it may have.
    pub(crate) fn counted(&mut self, sent: u64) -> bool {
        let within = sent <= self.grant || planted::is(Bug::CreditUnchecked);
        if within {
            self.received = self.received.max(sent);
            self.uncounted = 0;
        }
        within
    }

    /// Takes in run bytes that came without a count; tells whether they may have.
    pub(crate) fn came(&mut self, bytes: u64) -> bool {
        self.uncounted = self.uncounted.saturating_add(bytes);
        self.uncounted <= limits::CREDIT_BYTES
    }

    /// Makes sure that some of the claims are padding.
    pub(crate) fn pad_claims(&mut self, random: &mut impl FnMut() -> Claim) {
        if self.claimed.iter().all(|(_, real)| *real) {
            let fresh = (0..limits::CLAIMS_PADDED_TO).map(|_| (random(), false));
            self.claimed.extend(fresh);
        }
    }

    /// Claims a space, in the place of padding; the padding is drawn by `random`.
    pub(crate) fn claim(&mut self, claim: Claim, random: &mut impl FnMut() -> Claim) {
        if self.claimed.iter().any(|(known, _)| *known == claim) {
            return;
        }
        self.pad_claims(random);
        let free: Vec<usize> =
            (0..).zip(&self.claimed).filter(|(_, (_, real))| !real).map(|(at, _)| at).collect();
        let Claim([drawn, ..]) = random();
        let place = free.get(usize::from(drawn) % free.len().max(1));
        if let Some(place) = place.and_then(|at| self.claimed.get_mut(*at)) {
            *place = (claim, true);
        }
    }

    /// How frames from here name a space with this claim.
    pub(crate) fn tag_of(&self, claim: Claim) -> Option<Tag> {
        let place = self.claimed.iter().position(|(known, _)| *known == claim)?;
        u32::try_from(place).ok().map(Tag)
    }
}

impl Shared {
    pub(crate) fn new(
        (tag_out, tag_in): (Tag, Tag),
        secret: &[u8; 32],
        ours: &Side,
        theirs: &Side,
    ) -> Self {
        Self {
            tag_out,
            tag_in,
            key: session_key(secret, ours, theirs),
            known: false,
            base: None,
            numbers: Numbers::default(),
            open: BTreeMap::from([(LogId([0; 16]), None)]),
            progress: BTreeMap::new(),
            due: BTreeSet::new(),
            unacked: BTreeSet::new(),
            heard: BTreeMap::new(),
            ack_due: BTreeSet::new(),
            told: false,
            told_since: false,
            agreed: false,
            asked: None,
            ops_sent: None,
            marked: None,
            estranged: false,
            hearsay: None,
            outgoing: None,
            snapshot_made: None,
            offered: None,
            no_snapshot: false,
            history_asked: None,
            history_moved: false,
            tally: Tally::default(),
            notes: BTreeMap::new(),
            notes_told: false,
        }
    }

    /// Takes in what the peer says it holds durably of a log; tells whether it is more than was known.
    pub(crate) fn told(&mut self, log: LogId, seq: u64, now: Time) -> bool {
        let room = self.progress.len() < limits::LOGS_PER_SPACE_MAX;
        if !room && !self.progress.contains_key(&log) {
            return false;
        }
        self.progress.entry(log).or_default().correct(seq);
        self.due.insert(log);
        self.heard.insert(log, true);
        self.acked(log, seq, now)
    }

    /// Notes that the peer holds a log durably up to `seq`; tells whether that is news.
    pub(crate) fn acked(&mut self, log: LogId, seq: u64, now: Time) -> bool {
        let room = self.progress.len() < limits::LOGS_PER_SPACE_MAX;
        if !room && !self.progress.contains_key(&log) {
            return false;
        }
        let progress = self.progress.entry(log).or_default();
        if seq <= progress.acked && seq <= progress.sent {
            return false;
        }
        let news = seq > progress.acked;
        if news {
            self.heard.entry(log).or_default();
        }
        progress.acked = progress.acked.max(seq);
        progress.sent = progress.sent.max(seq);
        progress.moved = now;
        progress.branch.on_caught_up();
        if progress.sent == progress.acked && !planted::is(Bug::UnackedKept) {
            self.unacked.remove(&log);
        }
        news
    }

    /// Notes that the peer has a log up to `seq`, durably or not.
    pub(crate) fn has(&mut self, log: LogId, seq: u64) {
        let progress = self.progress.entry(log).or_default();
        progress.sent = progress.sent.max(seq);
        progress.branch.on_caught_up();
    }

    /// Whether entries of a log may be sent, and how far the peer is with it.
    pub(crate) fn position(&mut self, log: LogId) -> Option<&mut Progress> {
        let known = self.known;
        let progress = self.progress.entry(log).or_default();
        progress.known |= known;
        (progress.known && !progress.parted).then_some(progress)
    }

    /// Notes that the peer has told what it holds of the logs from `from` up to `until`.
    pub(crate) fn resolve(&mut self, from: LogId, until: Option<LogId>) {
        let ends_after = |end: Option<LogId>, at: LogId| end.is_none_or(|end| at < end);
        let mut kept = BTreeMap::new();
        for (start, end) in std::mem::take(&mut self.open) {
            if start < from {
                let end = if ends_after(end, from) { Some(from) } else { end };
                kept.insert(start, end);
            }
            if let Some(until) = until
                && ends_after(end, until)
            {
                kept.insert(start.max(until), end);
            }
        }
        // A peer may cut what is open into as many pieces as it sends ranges; beyond that, its digest says
        // when all is told.
        if kept.len() <= limits::LOGS_PER_SPACE_MAX {
            self.open = kept;
        }
        self.known |= self.open.is_empty();
    }

    /// Notes that the peer has told all it holds.
    pub(crate) fn resolve_all(&mut self) {
        self.open.clear();
        self.known = true;
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

pub(crate) fn session_key(secret: &[u8; 32], one: &Side, other: &Side) -> [u8; 32] {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn log(n: u8) -> LogId {
        LogId([n; 16])
    }

    #[test]
    fn ranges_told_in_any_order_are_all_told_in_the_end() {
        let side = |n| Side { device: DeviceId([n; 32]), nonce: [n; 16] };
        let mut shared = Shared::new((Tag(0), Tag(0)), &[1; 32], &side(1), &side(2));
        shared.resolve(log(4), Some(log(9)));
        shared.resolve(log(20), None);
        assert!(!shared.known);
        assert_eq!(shared.open.len(), 2);
        shared.resolve(log(8), Some(log(20)));
        assert_eq!(shared.open, BTreeMap::from([(log(0), Some(log(4)))]));
        shared.resolve(log(0), Some(log(5)));
        assert!(shared.known);
    }

    #[test]
    fn spaces_claimed_later_take_the_place_of_padding() {
        let mut session = Session::new(DeviceId([1; 32]), [0; 16], Time(0));
        let mut next = 0;
        for space in 100..109_u8 {
            session.claim(Claim([space; 16]), &mut || {
                next += 1;
                Claim([next; 16])
            });
        }
        assert_eq!(session.claimed.len(), 2 * limits::CLAIMS_PADDED_TO);
        let tags: BTreeSet<_> = (100..109_u8).map(|s| session.tag_of(Claim([s; 16]))).collect();
        assert_eq!(tags.len(), 9);
    }
}
