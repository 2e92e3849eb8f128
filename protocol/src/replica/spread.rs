//! What is owed to peers: heads, operations, runs, acknowledgements, credit.
//!
//! One rule moves entries: a peer is sent whatever follows what it has or was sent, as far as its credit
//! reaches. Own entries go at once, after the persist; entries of others go at once, before it, unless the
//! peer said that it gets them elsewhere. What is not acknowledged in time is sent again, and idle links
//! compare digests, so a lost frame heals.

use rand_core::CryptoRng;

use super::{Replica, turn};
use crate::effect::Effects;
use crate::entry::Bytes;
use crate::ids::{DeviceId, LinkId, LogId, SpaceId, Time};
use crate::input::Timer;
use crate::keyring::{EpochKey, first16};
use crate::layout;
use crate::limits;
use crate::membership::{Op, OpBody, Role};
use crate::session::{Session, Shared};
use crate::space::{Space, short_hash};
use crate::turn::Turn;
use crate::wire::{
    Ack, Credit, Entries, Frame, HeadList, Heads, Hello, LogHead, Operations, Spread,
};

/// Operation bytes that travel in one frame, about.
const OPERATIONS_FRAME_BYTES: usize = 48 * 1024;

/// Whether heads are sent in full besides their digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// Unless the peer is remembered to hold just what is held here.
    IfNeeded,
    /// Unless they have been sent on this link before.
    IfUnsent,
    Always,
}

impl Replica {
    /// The peer of a link, if it is a member of a space both have proven.
    pub(super) fn member_on(&self, link: LinkId, id: SpaceId) -> Option<DeviceId> {
        let session = self.sessions.get(&link)?;
        let space = self.spaces.get(&id)?;
        let member = session.shared.contains_key(&id)
            && space.membership.roster().may(session.peer, Role::Relay);
        member.then_some(session.peer)
    }

    pub(super) fn send_heads(
        &mut self,
        link: LinkId,
        id: SpaceId,
        list: List,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(peer) = self.member_on(link, id) else { return };
        let (Some(space), Some(session)) = (self.spaces.get_mut(&id), self.sessions.get_mut(&link))
        else {
            return;
        };
        let Some(shared) = session.shared.get_mut(&id) else { return };
        let root = space.frontier();
        let full = match list {
            List::Always => true,
            List::IfUnsent => shared.list_sent.is_none(),
            List::IfNeeded => {
                let mut turn = turn!(self, now, rng, effects);
                let key = layout::peer_key(space.pseudonym, peer);
                turn.row::<[u8; 32]>(&key, layout::KIND_PEER) != Some(root)
            }
        };
        let list = full.then(|| HeadList {
            from: LogId([0; 16]),
            to: LogId([u8::MAX; 16]),
            heads: space
                .logs
                .iter()
                .map(|(log, known)| LogHead {
                    log: *log,
                    seq: known.head.seq,
                    hash: short_hash(&shared.key, known.head.hash),
                })
                .collect(),
        });
        if list.is_some() {
            shared.list_sent = Some(now);
            shared.ack_due.clear();
        }
        let frame = Frame::Heads(Heads {
            tag: shared.tag_out,
            frontier: frontier_digest(&shared.key, &root),
            membership: membership_digest(&shared.key, &space.membership.digest()),
            list,
        });
        self.send(link, &frame, effects);
    }

    pub(super) fn send_operations(
        &mut self,
        link: LinkId,
        id: SpaceId,
        ops: Vec<Bytes>,
        effects: &mut Effects,
    ) {
        let shared = self.sessions.get(&link).and_then(|session| session.shared.get(&id));
        let Some(tag) = shared.map(|shared| shared.tag_out) else { return };
        let mut frames: Vec<Vec<Bytes>> = Vec::new();
        let mut bytes = OPERATIONS_FRAME_BYTES;
        for op in ops {
            bytes += op.0.len();
            if bytes > OPERATIONS_FRAME_BYTES {
                bytes = op.0.len();
                frames.push(Vec::new());
            }
            if let Some(frame) = frames.last_mut() {
                frame.push(op);
            }
        }
        for ops in frames {
            self.send(link, &Frame::Operations(Operations { tag, ops }), effects);
        }
    }

    pub(super) fn send_all_operations(
        &mut self,
        link: LinkId,
        id: SpaceId,
        now: Time,
        effects: &mut Effects,
    ) {
        if self.member_on(link, id).is_none() {
            return;
        }
        let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
        if let Some(shared) = shared {
            shared.ops_sent = Some(now);
        }
        let Some(space) = self.spaces.get(&id) else { return };
        let ops = space.membership.in_order();
        let ops = ops.into_iter().map(|op| Bytes(op.bytes.clone())).collect();
        self.send_operations(link, id, ops, effects);
    }

    /// Wraps the current epoch's key to the peer of a link, if it is a member and nobody has done so.
    pub(super) fn hand_out_key(
        &mut self,
        link: LinkId,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(peer) = self.member_on(link, id) else { return };
        let Some(space) = self.spaces.get_mut(&id) else { return };
        let mut turn = turn!(self, now, rng, effects);
        let Some(op) = wrap_for(space, peer, &mut turn) else { return };
        add_own_operation(space, op.clone(), &mut turn);
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        for link in links {
            if self.member_on(link, id).is_some() {
                self.send_operations(link, id, vec![Bytes(op.bytes.clone())], effects);
            }
        }
    }

    /// Forwards a run just received to the peers that want it at once.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn relay(
        &mut self,
        from: LinkId,
        id: SpaceId,
        log: LogId,
        first: u64,
        last: u64,
        run: &Bytes,
        effects: &mut Effects,
    ) {
        let Some(space) = self.spaces.get(&id) else { return };
        let writer = space.logs.get(&log).map(|log| log.opening.device);
        for (link, session) in &mut self.sessions {
            session.dirty = true;
            let reader = space.membership.roster().may(session.peer, Role::Relay);
            if *link == from || !reader || Some(session.peer) == writer {
                continue;
            }
            let credit = session.credit();
            let Some(shared) = session.shared.get_mut(&id).filter(|shared| shared.known) else {
                continue;
            };
            let progress = shared.progress.entry(log).or_default();
            if progress.lazy
                || progress.sent.saturating_add(1) != first
                || credit < run.0.len() as u64
            {
                continue;
            }
            progress.sent = last;
            session.sent += run.0.len() as u64;
            let entries = Entries { tag: shared.tag_out, sent: session.sent, run: run.clone() };
            let bytes = Frame::Entries(entries).encode();
            self.counters.runs_sent += 1;
            self.counters.run_bytes_sent += run.0.len() as u64;
            self.counters.frames_sent += 1;
            self.counters.bytes_sent += bytes.len() as u64;
            effects.relay.push((*link, bytes));
        }
    }

    /// Notes that every peer in a space is to be told how far a log is durable here.
    pub(super) fn owe_acks(&mut self, id: SpaceId, log: LogId) {
        for session in self.sessions.values_mut() {
            if let Some(shared) = session.shared.get_mut(&id) {
                shared.ack_due.insert(log);
                session.dirty = true;
            }
        }
    }

    pub(super) fn mark_dirty(&mut self, id: SpaceId) {
        for session in self.sessions.values_mut() {
            session.dirty |= session.shared.contains_key(&id);
        }
    }

    pub(super) fn on_timer(&mut self, link: LinkId, now: Time) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if session.wake.is_some_and(|wake| wake <= now) {
            session.wake = None;
        }
        session.dirty = true;
        for shared in session.shared.values_mut() {
            for progress in shared.progress.values_mut() {
                let stalled = progress.sent > progress.acked
                    && progress.moved.plus_ms(limits::RESEND_AFTER_MS) <= now;
                if stalled {
                    progress.sent = progress.acked;
                    progress.moved = now;
                }
            }
        }
    }

    /// Sends what the inputs handled so far have made due.
    pub(super) fn settle(&mut self, now: Time, rng: &mut dyn CryptoRng, effects: &mut Effects) {
        let dirty: Vec<LinkId> = self
            .sessions
            .iter_mut()
            .filter_map(|(link, session)| std::mem::take(&mut session.dirty).then_some(*link))
            .collect();
        for link in dirty {
            self.pump(link, now, rng, effects);
            self.send_acks(link, effects);
            self.send_credit(link, effects);
            self.repair(link, now, rng, effects);
            self.schedule(link, now, effects);
        }
    }

    /// Sends a peer the entries it lacks, as far as its credit reaches.
    fn pump(&mut self, link: LinkId, now: Time, rng: &mut dyn CryptoRng, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let peer = session.peer;
        let mut frames = Vec::new();
        for (id, shared) in &mut session.shared {
            let Some(space) = self.spaces.get_mut(id) else { continue };
            if !shared.known || !space.membership.roster().may(peer, Role::Relay) {
                continue;
            }
            for (log, seq) in behind(space, shared, now) {
                let credit = session.granted.saturating_sub(session.sent);
                if credit < limits::RUN_BYTES_MAX as u64 {
                    break;
                }
                let most = usize::try_from(credit).unwrap_or(usize::MAX) - limits::RUN_BYTES_MAX;
                let mut turn = turn!(self, now, rng, effects);
                let runs = space.runs_from(log, seq + 1, most.max(1), &mut turn);
                let progress = shared.progress.entry(log).or_default();
                if progress.sent == progress.acked {
                    progress.moved = now;
                }
                progress.late_at = None;
                for run in runs {
                    let bytes = run.to_bytes();
                    progress.sent = run.last();
                    session.sent += bytes.len() as u64;
                    turn.counters.runs_sent += 1;
                    turn.counters.run_bytes_sent += bytes.len() as u64;
                    frames.push(Frame::Entries(Entries {
                        tag: shared.tag_out,
                        sent: session.sent,
                        run: Bytes(bytes),
                    }));
                }
            }
        }
        for frame in frames {
            self.send(link, &frame, effects);
        }
    }

    fn send_acks(&mut self, link: LinkId, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let mut frames = Vec::new();
        for (id, shared) in &mut session.shared {
            let Some(space) = self.spaces.get(id) else { continue };
            let due = std::mem::take(&mut shared.ack_due);
            if due.is_empty() || !space.membership.roster().may(session.peer, Role::Relay) {
                continue;
            }
            let heads = due.into_iter().map(|log| {
                let head = space.head(log);
                LogHead { log, seq: head.seq, hash: short_hash(&shared.key, head.hash) }
            });
            frames.push(Frame::Ack(Ack { tag: shared.tag_out, heads: heads.collect() }));
        }
        for frame in frames {
            self.send(link, &frame, effects);
        }
    }

    fn send_credit(&mut self, link: LinkId, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let granted = session.received.saturating_add(limits::CREDIT_BYTES);
        if granted.saturating_sub(session.grant) >= limits::CREDIT_BYTES / 4 {
            session.grant = granted;
            self.send(link, &Frame::Credit(Credit { granted }), effects);
        }
    }

    /// Compares digests on a link that has had its time.
    fn repair(&mut self, link: LinkId, now: Time, rng: &mut dyn CryptoRng, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if session.next_repair > now {
            return;
        }
        let jitter = u64::from(rng.next_u32()) % (limits::REPAIR_EVERY_MS / 2);
        session.next_repair = now.plus_ms(limits::REPAIR_EVERY_MS * 3 / 4 + jitter);
        let nonce = session.nonce;
        let granted = session.grant;
        let settled = !session.shared.is_empty() && session.shared.values().all(|s| s.known);
        let shared: Vec<(SpaceId, bool)> =
            session.shared.iter().map(|(id, shared)| (*id, shared.known)).collect();
        if !settled {
            self.send(link, &Frame::Hello(Hello { nonce }), effects);
            self.send_claims(link, rng, effects);
        }
        if !shared.is_empty() {
            self.send(link, &Frame::Credit(Credit { granted }), effects);
        }
        for (id, known) in shared {
            if self.spaces.get(&id).is_some_and(|space| space.joining.is_some()) {
                self.start_sharing(link, id, now, rng, effects);
            } else {
                if !known {
                    self.send_all_operations(link, id, now, effects);
                }
                self.hand_out_key(link, id, now, rng, effects);
                self.send_heads(link, id, List::IfUnsent, now, rng, effects);
            }
        }
    }

    /// Asks to be woken for what is late, unacknowledged, or next to be compared.
    fn schedule(&mut self, link: LinkId, now: Time, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let at = wake_at(session).max(now.plus_ms(1));
        if session.wake.is_none_or(|wake| at < wake) {
            session.wake = Some(at);
            effects.timers.push((at, Timer::Link(link)));
        }
    }
}

fn wake_at(session: &Session) -> Time {
    let progress = session.shared.values().flat_map(|shared| shared.progress.values());
    let due = progress.filter_map(|progress| {
        let resend = (progress.sent > progress.acked)
            .then(|| progress.moved.plus_ms(limits::RESEND_AFTER_MS));
        resend.into_iter().chain(progress.late_at).min()
    });
    due.min().unwrap_or(session.next_repair).min(session.next_repair)
}

/// The logs of which a peer lacks entries that are to be sent now, with what it has.
fn behind(space: &Space, shared: &mut Shared, now: Time) -> Vec<(LogId, u64)> {
    let mut logs = Vec::new();
    for (log, known) in &space.logs {
        let progress = shared.progress.entry(*log).or_default();
        if progress.sent >= known.head.seq {
            continue;
        }
        if progress.lazy {
            let late_at = *progress.late_at.get_or_insert(now.plus_ms(limits::RELAY_AFTER_MS));
            if late_at > now {
                continue;
            }
        }
        logs.push((*log, progress.sent));
    }
    logs
}

/// What to tell a peer that brought entries of somebody else: to stop if they were here already, to go on
/// if they were not although it had been told to stop.
pub(super) fn spread_wanted(shared: &mut Shared, log: LogId, new: bool) -> Option<Spread> {
    let tell = if new {
        shared.pruned.remove(&log)
    } else {
        shared.pruned.insert(log);
        true
    };
    tell.then_some(Spread { tag: shared.tag_out, log, eager: new })
}

/// Whether a peer holds durably all that is held here.
pub(super) fn peer_has_all(space: &Space, shared: &Shared) -> bool {
    space.logs.iter().all(|(log, known)| {
        shared.progress.get(log).is_some_and(|progress| progress.acked == known.head.seq)
    })
}

/// Remembers that a peer holds just what is held here, so that the next link can start with a digest.
pub(super) fn remember(space: &mut Space, peer: DeviceId, turn: &mut Turn<'_>) {
    let root = space.frontier();
    let key = layout::peer_key(space.pseudonym, peer);
    if turn.row::<[u8; 32]>(&key, layout::KIND_PEER) != Some(root) {
        turn.put_row(key, layout::KIND_PEER, &root);
    }
}

pub(super) fn frontier_digest(key: &[u8; 32], root: &[u8; 32]) -> [u8; 16] {
    first16(blake3::keyed_hash(key, root).as_bytes())
}

pub(super) fn membership_digest(key: &[u8; 32], digest: &[u8; 32]) -> [u8; 8] {
    let hash = blake3::keyed_hash(key, digest);
    *hash.as_bytes().first_chunk::<8>().expect("a hash has 32 bytes")
}

/// Opens every epoch key that has been wrapped to this device and is not here yet.
pub(super) fn take_keys(space: &mut Space, turn: &mut Turn<'_>) {
    let device = turn.identity.device();
    let mut new = Vec::new();
    for (epoch, known) in &space.membership.roster().epochs {
        if space.keyring.get(*epoch).is_some() {
            continue;
        }
        let Some(wrap) = known.wraps.get(&device) else { continue };
        let key = EpochKey::unwrap(wrap, space.id, *epoch, known.birth, turn.identity);
        new.extend(key.map(|key| (*epoch, key)));
    }
    if new.is_empty() {
        return;
    }
    for (epoch, key) in new {
        space.keyring.insert(epoch, key);
    }
    space.write_row(turn);
}

/// The operation that hands the current epoch's key to `peer`, if it lacks it and this device may.
fn wrap_for(space: &Space, peer: DeviceId, turn: &mut Turn<'_>) -> Option<Op> {
    let roster = space.membership.roster();
    let epoch = space.writing_epoch()?;
    let known = roster.epochs.get(&epoch)?;
    let member = roster.members.get(&peer)?;
    let may = roster.may(turn.identity.device(), Role::Write);
    if !may || member.role < Role::Read || known.wraps.contains_key(&peer) {
        return None;
    }
    let key = space.keyring.get(epoch)?;
    let wrap = key.wrap(space.id, epoch, &member.card.kem, turn.rng)?;
    let body = OpBody::Epoch {
        epoch,
        log: known.birth.log,
        seq: known.birth.seq,
        wraps: vec![(peer, Bytes(wrap))],
    };
    Some(Op::sign(Some(space.id), space.membership.heads(), body, turn.identity))
}

/// Adds an operation of this device's own and persists it.
pub(super) fn add_own_operation(space: &mut Space, op: Op, turn: &mut Turn<'_>) {
    turn.effects.batch.put(layout::op_key(space.pseudonym, op.id), op.bytes.clone());
    turn.effects.batch.require_durable();
    space.membership.insert(space.id, vec![op]);
}
