//! Finding out what a peer holds: digests first, then what has changed since both ends agreed, or ranges of
//! logs that are made smaller where they differ (range-based set reconciliation over the heads: Meyer,
//! "Range-Based Set Reconciliation", SRDS 2023).
//!
//! What the peer says it holds is its own word and harms only itself; a head that contradicts one held here
//! is a fork.

use rand_core::CryptoRng;

use super::{Replica, turn};
use crate::effect::{Effects, Event};
use crate::ids::{LinkId, LogId, SpaceId, Time};
use crate::limits;
use crate::planted::{self, Bug};
use crate::rejection::Rejection;
use crate::session::Shared;
use crate::space::{Space, short_hash};
use crate::turn::Turn;
use crate::wire::{ChangedHead, Detail, Frame, Heads, Holds, LogHead, Range};

/// Least time between two repeated answers of one kind on one link, in milliseconds.
pub(super) const ANSWER_EVERY_MS: u64 = 1_000;
/// Most frames with ranges that answer one.
const ANSWER_FRAMES_MAX: usize = 16;
const FIRST_LOG: LogId = LogId([0; 16]);

/// What is said beyond the digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// What has changed since both ends agreed, if they ever did; else all heads if they are few, or digests
    /// of ranges from the end that leads.
    First,
    /// Nothing.
    Digest,
    /// All heads, or digests of ranges if they are many; the peer is to answer.
    Ask,
}

impl Replica {
    pub(super) fn send_heads(
        &mut self,
        link: LinkId,
        id: SpaceId,
        telling: Telling,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(peer) = self.member_on(link, id) else { return };
        let leads = self.device() < peer;
        if self.is_being_brought(id) {
            return;
        }
        // Who has nothing listens first: the peer may hold so much that a snapshot is better.
        let silent = self.may_be_brought(id);
        let telling = if silent && telling == Telling::First { Telling::Digest } else { telling };
        let (Some(space), Some(session)) = (self.spaces.get_mut(&id), self.sessions.get_mut(&link))
        else {
            return;
        };
        let Some(shared) = session.shared.get_mut(&id) else { return };
        let first = telling == Telling::First;
        if first && shared.base.is_none() {
            let mut turn = turn!(self, now, rng, effects);
            shared.base = space.base(peer, &mut turn);
        }
        let few = space.logs.len() <= limits::HEADS_LISTED_MAX;
        let membership = membership_digest(&shared.key, &space.membership.digest());
        let detail = match telling {
            Telling::Digest => Detail::None,
            Telling::First => match since(space, shared) {
                Some(detail) => detail,
                None if few => {
                    let ranges = vec![told_in_full(space, shared, false)];
                    Detail::Ranges { membership, ranges }
                }
                None if leads => {
                    let all: Vec<LogId> = space.logs.keys().copied().collect();
                    Detail::Ranges { membership, ranges: divided(space, shared, &all, None) }
                }
                None => Detail::None,
            },
            Telling::Ask if silent => {
                let all: Vec<LogId> = space.logs.keys().copied().collect();
                let holds = Holds::Digest(range_digest(&shared.key, space, &all));
                Detail::Ranges { membership, ranges: vec![Range { until: None, holds }] }
            }
            Telling::Ask if few => {
                let ranges = vec![told_in_full(space, shared, true)];
                Detail::Ranges { membership, ranges }
            }
            Telling::Ask => {
                let all: Vec<LogId> = space.logs.keys().copied().collect();
                let ranges = divided(space, shared, &all, None);
                Detail::Ranges { membership, ranges }
            }
        };
        // Digests of ranges ask by themselves: who differs answers.
        if telling == Telling::Ask || !few && matches!(detail, Detail::Ranges { .. }) {
            shared.asked = Some(now);
        }
        shared.told_since = first && shared.base.is_some();
        if !silent && detail != Detail::None || shared.told_since {
            shared.told = true;
            shared.ack_due.clear();
        }
        let digest = digest(&shared.key, space);
        let frame = Frame::Heads(Heads { tag: shared.tag_out, digest, detail });
        self.send(link, &frame, effects);
    }

    pub(super) fn on_heads(
        &mut self,
        link: LinkId,
        frame: &Heads,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let leads = self.sessions.get(&link).is_some_and(|session| self.device() < session.peer);
        let (Some(space), Some(session)) = (self.spaces.get_mut(&id), self.sessions.get_mut(&link))
        else {
            return Ok(());
        };
        if space.joining.is_some() {
            return Ok(());
        }
        let Some(shared) = session.shared.get_mut(&id) else { return Ok(()) };
        session.dirty = true;
        shared.estranged = false;
        let peer = session.peer;
        if digest(&shared.key, space) == frame.digest {
            agree_on_base(shared, frame);
            shared.resolve_all();
            for (log, known) in &space.logs {
                if shared.acked(*log, known.head.seq, now) && *log == space.own_log {
                    let (log, seq) = (*log, known.head.seq);
                    effects.events.push(Event::Acked { space: id, peer, log, seq });
                }
            }
            let mut turn = turn!(self, now, rng, effects);
            space.agreed(peer, &mut turn);
            return Ok(());
        }
        let mut heard = Heard::default();
        match &frame.detail {
            Detail::None => heard.base(space, shared, &frame.digest, false, now),
            Detail::Unchanged => heard.base(space, shared, &frame.digest, true, now),
            Detail::Since { base, membership, changed, new } => {
                heard.since(space, shared, base, *membership, (changed, new), now);
                heard.agree(shared);
            }
            Detail::Ranges { membership, ranges } => {
                heard.ranges(space, shared, *membership, ranges, now);
            }
        }
        let mut turn = turn!(self, now, rng, effects);
        let forked = part_forks(space, shared, &heard.heads, &mut turn);
        let peer_forked = !forked.is_empty();
        if let Some(seq) = heard.acked {
            let log = space.own_log;
            effects.events.push(Event::Acked { space: id, peer, log, seq });
        }
        if self.seek_snapshot(link, id, &frame.detail, now, effects) {
            return Ok(());
        }
        let (Some(space), Some(session)) = (self.spaces.get_mut(&id), self.sessions.get_mut(&link))
        else {
            return Ok(());
        };
        let Some(shared) = session.shared.get_mut(&id) else { return Ok(()) };
        let due = |sent: Option<Time>| sent.is_none_or(|at| at.plus_ms(ANSWER_EVERY_MS) <= now);
        let few = space.logs.len() <= limits::HEADS_LISTED_MAX;
        let ask = heard.reply.is_empty()
            && if heard.understood {
                !shared.told || shared.told_since && !shared.agreed
            } else {
                (few || leads) && due(shared.asked)
            };
        if heard.members_differ && due(shared.ops_sent) {
            self.send_all_operations(link, id, now, effects);
        }
        if ask {
            self.send_heads(link, id, Telling::Ask, now, rng, effects);
        }
        self.send_ranges(link, id, heard.reply, effects);
        self.send_marks(link, id, &forked, now, rng, effects);
        if peer_forked { Err(Rejection::Forked) } else { Ok(()) }
    }

    /// Sends ranges, in as many frames as they need.
    fn send_ranges(
        &mut self,
        link: LinkId,
        id: SpaceId,
        ranges: Vec<Range>,
        effects: &mut Effects,
    ) {
        let (Some(space), Some(session)) = (self.spaces.get_mut(&id), self.sessions.get_mut(&link))
        else {
            return;
        };
        let Some(shared) = session.shared.get_mut(&id) else { return };
        let membership = membership_digest(&shared.key, &space.membership.digest());
        let digest = digest(&shared.key, space);
        let frames = in_frames(ranges);
        // What the peer does not know now it has asked for, or will.
        shared.told |= !frames.is_empty() && frames.len() <= ANSWER_FRAMES_MAX;
        let frames = frames.into_iter().map(|ranges| {
            let detail = Detail::Ranges { membership, ranges };
            Frame::Heads(Heads { tag: shared.tag_out, digest, detail })
        });
        let frames: Vec<Frame> = frames.take(ANSWER_FRAMES_MAX).collect();
        for frame in frames {
            self.send(link, &frame, effects);
        }
    }
}

/// Numbers logs after a base that the peer's heads lean on, though nothing differs any more: the peer will.
fn agree_on_base(shared: &mut Shared, frame: &Heads) {
    let Some(ours) = &shared.base else { return };
    let same = match &frame.detail {
        Detail::Unchanged => frame.digest == combined(&shared.key, &ours.root, &ours.members),
        Detail::Since { base, .. } => *base == base_digest(&shared.key, &ours.root),
        Detail::None | Detail::Ranges { .. } => false,
    };
    if same {
        shared.numbers.agree(ours);
        shared.agreed = true;
    }
}

/// What a peer's heads came to.
#[derive(Default)]
struct Heard {
    /// Every head it named.
    heads: Vec<LogHead>,
    members_differ: bool,
    /// Whether it told something that says what it holds.
    understood: bool,
    reply: Vec<Range>,
    /// Up to where the peer holds this device's own log, if that is news.
    acked: Option<u64>,
}

impl Heard {
    /// Takes in a digest alone: it may be that of what both ends last agreed on, whether the peer remembers that or not.
    fn base(
        &mut self,
        space: &Space,
        shared: &mut Shared,
        digest: &[u8; 8],
        remembered: bool,
        now: Time,
    ) {
        if let Some(base) = &shared.base
            && *digest == combined(&shared.key, &base.root, &base.members)
        {
            let digest = base_digest(&shared.key, &base.root);
            self.since(space, shared, &digest, None, (&[], &[]), now);
            if remembered {
                self.agree(shared);
            }
        }
    }

    /// Numbers logs after the base that the peer has shown to remember, if what it said was understood.
    fn agree(&self, shared: &mut Shared) {
        if let Some(base) = shared.base.as_ref().filter(|_| self.understood) {
            shared.numbers.agree(base);
            shared.agreed = true;
        }
    }

    /// Takes in what has changed at the peer since both ends agreed, if both remember the same.
    fn since(
        &mut self,
        space: &Space,
        shared: &mut Shared,
        base: &[u8; 4],
        membership: Option<[u8; 8]>,
        (changed, new): (&[ChangedHead], &[LogHead]),
        now: Time,
    ) {
        let Some(ours) = shared.base.take() else { return };
        if *base == base_digest(&shared.key, &ours.root) || planted::is(Bug::BaseUnchecked) {
            let theirs =
                membership.unwrap_or_else(|| membership_digest(&shared.key, &ours.members));
            let here = membership_digest(&shared.key, &space.membership.digest());
            (self.understood, self.members_differ) = (true, theirs != here);
            let mut changed = changed.iter().peekable();
            for (number, (log, seq)) in (0..).zip(&ours.logs) {
                let grown = changed.next_if(|head| head.number == number);
                let seq = grown.map_or(*seq, |head| seq.saturating_add(head.grown));
                self.note(space, shared, *log, seq, now);
                let head = grown.map(|head| LogHead { log: *log, seq, hash: head.hash });
                self.heads.extend(head);
            }
            new.iter().for_each(|head| self.note(space, shared, head.log, head.seq, now));
            self.heads.extend(new);
            shared.resolve_all();
        }
        shared.base = Some(ours);
    }

    /// Notes what the peer holds of a log. Of this device's own log nobody holds more than it has written.
    fn note(&mut self, space: &Space, shared: &mut Shared, log: LogId, seq: u64, now: Time) {
        let own = log == space.own_log;
        let seq = if own { seq.min(space.head(log).seq) } else { seq };
        if shared.told(log, seq, now) && own {
            self.acked = Some(seq);
        }
    }

    fn ranges(
        &mut self,
        space: &Space,
        shared: &mut Shared,
        membership: [u8; 8],
        ranges: &[Range],
        now: Time,
    ) {
        let here = membership_digest(&shared.key, &space.membership.digest());
        self.members_differ = membership != here;
        let mut from = FIRST_LOG;
        let mut differ = false;
        for Range { until, holds } in ranges {
            let mine: Vec<LogId> = logs_in(space, from, *until).collect();
            match holds {
                Holds::Unsaid => self.say(*until, Holds::Unsaid),
                Holds::Digest(theirs) => {
                    let ours = range_digest(&shared.key, space, &mine);
                    if ours == *theirs {
                        shared.resolve(from, *until);
                        for log in mine {
                            shared.acked(log, space.head(log).seq, now);
                        }
                        self.say(*until, Holds::Digest(ours));
                    } else if mine.len() <= limits::HEADS_PER_RANGE_MAX {
                        differ = true;
                        let heads = heads_of(space, shared, &mine);
                        self.say(*until, Holds::Heads { heads, answer: true });
                    } else {
                        differ = true;
                        self.reply.extend(divided(space, shared, &mine, *until));
                    }
                    self.understood = true;
                }
                Holds::Heads { heads: theirs, answer } => {
                    self.understood = true;
                    shared.resolve(from, *until);
                    let mut listed = theirs.iter().peekable();
                    for log in &mine {
                        while listed.next_if(|head| head.log < *log).is_some() {}
                        let head = listed.next_if(|head| head.log == *log);
                        let seq = head.map_or(0, |head| head.seq);
                        self.note(space, shared, *log, seq, now);
                    }
                    theirs
                        .iter()
                        .for_each(|head| self.note(space, shared, head.log, head.seq, now));
                    self.heads.extend(theirs);
                    let heads = heads_of(space, shared, &mine);
                    if *answer && heads != *theirs {
                        differ = true;
                        self.say(*until, Holds::Heads { heads, answer: false });
                    } else {
                        self.say(*until, Holds::Unsaid);
                    }
                }
            }
            let Some(until) = until else { break };
            from = *until;
        }
        if !differ {
            self.reply.clear();
        }
    }

    /// Adds a range to the reply, as one with the one before if nothing new is said.
    fn say(&mut self, until: Option<LogId>, holds: Holds) {
        match self.reply.last_mut() {
            Some(last) if last.holds == Holds::Unsaid && holds == Holds::Unsaid => {
                last.until = until;
            }
            _ => self.reply.push(Range { until, holds }),
        }
    }
}

/// What has changed here since both ends agreed, if that is known and fits into a frame.
fn since(space: &Space, shared: &Shared) -> Option<Detail> {
    let base = shared.base.as_ref()?;
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    let mut before = base.logs.iter().zip(0..).peekable();
    for (log, known) in &space.logs {
        let hash = short_hash(&shared.key, known.head.hash);
        match before.next_if(|((id, _), _)| id == log) {
            Some(((_, seq), number)) if *seq < known.head.seq => {
                changed.push(ChangedHead { number, grown: known.head.seq - seq, hash });
            }
            Some(_) => {}
            None => new.push(LogHead { log: *log, seq: known.head.seq, hash }),
        }
    }
    if changed.len() + new.len() > limits::HEADS_PER_FRAME_MAX {
        return None;
    }
    let members = space.membership.digest();
    let same = members == base.members;
    if same && changed.is_empty() && new.is_empty() {
        return Some(Detail::Unchanged);
    }
    let membership = (!same).then(|| membership_digest(&shared.key, &members));
    Some(Detail::Since { base: base_digest(&shared.key, &base.root), membership, changed, new })
}

fn told_in_full(space: &Space, shared: &Shared, answer: bool) -> Range {
    let all: Vec<LogId> = space.logs.keys().copied().collect();
    Range { until: None, holds: Holds::Heads { heads: heads_of(space, shared, &all), answer } }
}

/// Digests of about equal parts of some logs, up to `until`.
fn divided(space: &Space, shared: &Shared, logs: &[LogId], until: Option<LogId>) -> Vec<Range> {
    let size = logs.len().div_ceil(limits::RANGES_PER_ROUND).max(1);
    let mut parts = logs.chunks(size).peekable();
    let mut ranges = Vec::new();
    while let Some(part) = parts.next() {
        let end = parts.peek().and_then(|next| next.first().copied()).or(until);
        let holds = Holds::Digest(range_digest(&shared.key, space, part));
        ranges.push(Range { until: end, holds });
    }
    ranges
}

/// Cuts ranges into frames within the limits; each starts with what is not said in it.
fn in_frames(ranges: Vec<Range>) -> Vec<Vec<Range>> {
    let mut frames: Vec<Vec<Range>> = Vec::new();
    let (mut heads, mut from) = (limits::HEADS_PER_FRAME_MAX + 1, None);
    for range in ranges {
        let more = match &range.holds {
            Holds::Heads { heads, .. } => heads.len(),
            _ => 0,
        };
        if more > limits::HEADS_PER_FRAME_MAX {
            continue;
        }
        let until = range.until;
        match frames.last_mut() {
            Some(frame)
                if heads + more <= limits::HEADS_PER_FRAME_MAX
                    && frame.len() < limits::RANGES_PER_FRAME_MAX =>
            {
                heads += more;
                frame.push(range);
            }
            _ => {
                heads = more;
                let unsaid = from.map(|until| Range { until: Some(until), holds: Holds::Unsaid });
                frames.push(unsaid.into_iter().chain([range]).collect());
            }
        }
        from = until;
    }
    frames
}

fn logs_in(space: &Space, from: LogId, until: Option<LogId>) -> impl Iterator<Item = LogId> {
    let end = until.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    space.logs.range((std::ops::Bound::Included(from), end)).map(|(log, _)| *log)
}

fn heads_of(space: &Space, shared: &Shared, logs: &[LogId]) -> Vec<LogHead> {
    let head = |log: &LogId| {
        let head = space.head(*log);
        LogHead { log: *log, seq: head.seq, hash: short_hash(&shared.key, head.hash) }
    };
    logs.iter().map(head).collect()
}

/// Stops sending logs of which the peer holds another branch; tells which, and where its branch ends.
fn part_forks(
    space: &Space,
    shared: &mut Shared,
    heads: &[LogHead],
    turn: &mut Turn<'_>,
) -> Vec<(LogId, u64)> {
    let mut forked = Vec::new();
    for head in heads {
        if head.seq == 0 || head.seq > space.head(head.log).seq {
            continue;
        }
        let Some(hash) = space.hash_at(head.log, head.seq, turn) else { continue };
        if short_hash(&shared.key, hash) != head.hash
            && !planted::is(Bug::ForkedHeadsUnseen)
            && let Some(progress) = shared.progress.get_mut(&head.log)
        {
            progress.parted = true;
            forked.push((head.log, head.seq));
        }
    }
    forked
}

/// The session-keyed digest of all heads and membership operations.
fn digest(key: &[u8; 32], space: &mut Space) -> [u8; 8] {
    combined(key, &space.frontier(), &space.membership.digest())
}

fn combined(key: &[u8; 32], frontier: &[u8; 32], members: &[u8; 32]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(frontier);
    if !planted::is(Bug::MembersNotCompared) {
        hasher.update(members);
    }
    first(hasher.finalize().as_bytes())
}

fn membership_digest(key: &[u8; 32], digest: &[u8; 32]) -> [u8; 8] {
    first(blake3::keyed_hash(key, digest).as_bytes())
}

fn base_digest(key: &[u8; 32], root: &[u8; 32]) -> [u8; 4] {
    first(blake3::keyed_hash(key, root).as_bytes())
}

fn range_digest(key: &[u8; 32], space: &Space, logs: &[LogId]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for log in logs {
        let head = space.head(*log);
        hasher.update(&log.0);
        hasher.update(&head.seq.to_le_bytes());
        hasher.update(&head.hash.0);
    }
    first(hasher.finalize().as_bytes())
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    *hash.first_chunk::<N>().expect("a hash has 32 bytes")
}
