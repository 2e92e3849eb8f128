//! What is owed to peers: heads, operations, runs, acknowledgements, credit.
//!
//! One rule moves entries: a peer is sent whatever follows what it has or was sent, as far as its credit
//! reaches. Own entries go at once, after the persist; entries of others go at once, before it, unless the
//! peer said that it gets them elsewhere. What is not acknowledged in time is sent again, and idle links
//! compare digests, so a lost frame heals.

use rand_core::CryptoRng;

use super::heads::Telling;
use super::received::low_byte;
use super::{Replica, turn};
use crate::effect::Effects;
use crate::entry::{Bytes, SealedRun};
use crate::ids::{DeviceId, LinkId, LogId, SpaceId, Time};
use crate::input::Timer;
use crate::limits;
use crate::membership::Role;
use crate::planted::{self, Bug};
use crate::session::{Session, Shared};
use crate::space::{Log, Space};
use crate::view::Counters;
use crate::wire::{Ack, Credit, Entries, Frame, Hello, Next, Operations};

/// Operation bytes that travel in one frame, about.
const OPERATIONS_FRAME_BYTES: usize = 48 * 1024;

impl Replica {
    /// The peer of a link, if it is a member of a space both have proven.
    pub(super) fn member_on(&self, link: LinkId, id: SpaceId) -> Option<DeviceId> {
        let session = self.sessions.get(&link)?;
        let space = self.spaces.get(&id)?;
        let member = session.shared.contains_key(&id)
            && (space.membership.roster().may(session.peer, Role::Relay)
                || planted::is(Bug::StrangerToldHeads));
        member.then_some(session.peer)
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
        let ops = space.membership.in_order().map(|op| Bytes(op.bytes.clone())).collect();
        self.send_operations(link, id, ops, effects);
    }

    /// Hands the space's keys to the peer of a link, if it may read and has none that opens.
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
        if space.hand_keys_to(peer, &mut turn) {
            self.tell_fresh(now, rng, effects);
        }
    }

    /// Forwards a run just received to the peers that want it at once.
    pub(super) fn relay(
        &mut self,
        from: LinkId,
        id: SpaceId,
        run: &SealedRun,
        effects: &mut Effects,
    ) {
        let Some(space) = self.spaces.get(&id) else { return };
        if planted::is(Bug::RelayNever) {
            return;
        }
        let Some(known) = space.logs.get(&run.log) else { return };
        let roster = space.membership.roster();
        let mut bytes = None;
        for (link, session) in &mut self.sessions {
            let peer = session.peer;
            if *link == from || !roster.may(peer, Role::Relay) || peer == known.opening.device {
                continue;
            }
            let credit = session.credit();
            let Some(shared) = session.shared.get_mut(&id) else { continue };
            let Some(progress) = shared.position(run.log) else { continue };
            let follows = progress.sent.saturating_add(1) == run.first;
            if !progress.branch.eager() || !follows || credit < limits::RUN_BYTES_MAX as u64 {
                continue;
            }
            progress.sent = run.last();
            shared.unacked.insert(run.log);
            let bytes = bytes.get_or_insert_with(|| run.to_bytes());
            let frame = frame_of(run, bytes, known, shared, &mut session.sent, &mut self.counters);
            let frame = frame.encode();
            self.counters.frames_sent += 1;
            self.counters.bytes_sent += frame.len() as u64;
            session.may_answer(1);
            effects.relay.push((*link, frame));
        }
    }

    /// Notes that a log has grown, so that peers may have to be sent something.
    pub(super) fn on_growth(&mut self, id: SpaceId, log: LogId) {
        for session in self.sessions.values_mut() {
            if let Some(shared) = session.shared.get_mut(&id) {
                shared.due.insert(log);
                shared.heard.entry(log).or_default();
                session.dirty = true;
            }
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

    pub(super) fn on_timer(&mut self, link: LinkId, now: Time) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if session.wake.is_some_and(|wake| wake <= now) {
            session.wake = None;
        }
        session.dirty = true;
        for shared in session.shared.values_mut() {
            let Shared { unacked, progress, due, .. } = &mut **shared;
            unacked.retain(|log| {
                let Some(progress) = progress.get_mut(log) else { return false };
                let stalled = progress.moved.plus_ms(limits::RESEND_AFTER_MS) <= now
                    && !planted::is(Bug::ResendNever);
                if stalled {
                    progress.sent = progress.acked;
                    progress.moved = now;
                    progress.resend = true;
                    due.insert(*log);
                }
                !stalled
            });
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
            self.learn(link, false, now, rng, effects);
            self.note_links(link, now, rng, effects);
            self.pump_snapshots(link, effects);
            self.pump(link, now, rng, effects);
            self.send_acks(link, effects);
            self.send_credit(link, effects);
            self.repair(link, now, rng, effects);
            self.schedule(link, now, effects);
        }
        self.write_receipts(now, rng, effects);
    }

    /// Sends a peer the entries it lacks, as far as its credit reaches.
    fn pump(&mut self, link: LinkId, now: Time, rng: &mut dyn CryptoRng, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let peer = session.peer;
        let (mut frames, mut unsendable) = (Vec::new(), Vec::new());
        for (id, shared) in &mut session.shared {
            let Some(space) = self.spaces.get_mut(id) else { continue };
            if shared.due.is_empty() || !space.membership.roster().may(peer, Role::Relay) {
                continue;
            }
            for (log, seq) in behind(space, shared, now) {
                let credit = session.granted.saturating_sub(session.sent);
                if credit < limits::RUN_BYTES_MAX as u64 {
                    break;
                }
                let Some(known) = space.logs.get(&log) else { continue };
                if known.lacks(seq + 1) {
                    unsendable.push(*id);
                    space.needed_by_others |= space.lacks_what_nobody_lets_go(log);
                    continue;
                }
                let most = usize::try_from(credit).unwrap_or(usize::MAX) - limits::RUN_BYTES_MAX;
                let mut turn = turn!(self, now, rng, effects);
                let runs = space.runs_from(log, seq + 1, most.max(1), &mut turn);
                let Some(progress) = shared.progress.get_mut(&log) else { continue };
                if progress.sent == progress.acked {
                    progress.moved = now;
                }
                progress.branch.on_caught_up();
                let last = runs.last().map_or(seq, SealedRun::last);
                progress.sent = last.min(known.head.seq);
                if progress.sent > progress.acked {
                    shared.unacked.insert(log);
                }
                if progress.sent >= known.head.seq {
                    shared.due.remove(&log);
                }
                for run in runs {
                    let bytes = run.to_bytes();
                    let sent = &mut session.sent;
                    frames.push(frame_of(&run, &bytes, known, shared, sent, turn.counters));
                }
            }
        }
        session.may_answer(frames.len() as u64);
        for frame in frames {
            match planted::is(Bug::OwnEntriesBeforePersist) {
                true => self.send_now(link, &frame, effects),
                false => self.send(link, &frame, effects),
            }
        }
        for id in unsendable {
            self.offer_snapshot(link, id, now, effects);
        }
    }

    fn send_acks(&mut self, link: LinkId, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let mut frames = Vec::new();
        for (id, shared) in &mut session.shared {
            let Some(space) = self.spaces.get(id) else { continue };
            let due = std::mem::take(&mut shared.ack_due);
            if due.is_empty()
                || planted::is(Bug::AckNever)
                || !space.membership.roster().may(session.peer, Role::Relay)
            {
                continue;
            }
            let due: Vec<LogId> = due.into_iter().collect();
            for due in due.chunks(limits::HEADS_PER_FRAME_MAX) {
                let (mut numbered, mut named) = (Vec::new(), Vec::new());
                for log in due {
                    let seq = space.head(*log).seq + u64::from(planted::is(Bug::AckTooHigh));
                    match shared.numbers.theirs(*log) {
                        Some(number) => numbered.push((number, seq)),
                        None => named.push((*log, seq)),
                    }
                }
                frames.push(Frame::Ack(Ack { tag: shared.tag_out, numbered, named }));
            }
        }
        for frame in frames {
            match planted::is(Bug::AcksBeforePersist) {
                true => self.send_now(link, &frame, effects),
                false => self.send(link, &frame, effects),
            }
        }
    }

    fn send_credit(&mut self, link: LinkId, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let granted = session.received.saturating_add(limits::CREDIT_BYTES);
        let due = granted.saturating_sub(session.grant) >= limits::CREDIT_BYTES / 4;
        // Who has not proven to know a space is told nothing.
        if due && !session.shared.is_empty() && !planted::is(Bug::CreditNever) {
            session.grant = granted;
            let sent = session.sent;
            self.send(link, &Frame::Credit(Credit { granted, sent }), effects);
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
        if planted::is(Bug::RepairNever) {
            return;
        }
        let nonce = session.nonce;
        let spaces: Vec<SpaceId> = session.shared.keys().copied().collect();
        self.check_bringing(link, false, now, rng, effects);
        for id in spaces {
            self.ask_history(link, id, false, now, effects);
            self.seek_word(link, id, now, rng, effects);
            if let Some(space) = self.spaces.get_mut(&id) {
                let mut turn = turn!(self, now, rng, effects);
                space.acknowledge_checkpoints(&mut turn);
                space.drop_history(&mut turn);
            }
        }
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let (granted, sent) = (session.grant, session.sent);
        let settled = !session.shared.is_empty() && session.shared.values().all(|s| s.known);
        let shared: Vec<(SpaceId, bool)> =
            session.shared.iter().map(|(id, shared)| (*id, shared.known)).collect();
        if !settled {
            self.send(link, &Frame::Hello(Hello { nonce }), effects);
            self.send_claims(link, rng, effects);
        }
        if !shared.is_empty() {
            self.send(link, &Frame::Credit(Credit { granted, sent }), effects);
        }
        for (id, known) in shared {
            if self.spaces.get(&id).is_some_and(|space| space.joining.is_some()) {
                self.start_sharing(link, id, now, rng, effects);
            } else if !self.say_farewell(link, id, now, effects) {
                if !known {
                    self.send_all_operations(link, id, now, effects);
                }
                self.hand_out_key(link, id, now, rng, effects);
                let telling = if known { Telling::Digest } else { Telling::First };
                self.send_heads(link, id, telling, now, rng, effects);
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
    let due = session.shared.values().flat_map(|shared| {
        let of = |log: &LogId| shared.progress.get(log);
        let resend = shared.unacked.iter().filter_map(of);
        let resend = resend.map(|progress| progress.moved.plus_ms(limits::RESEND_AFTER_MS));
        let late =
            shared.due.iter().filter_map(of).filter_map(|progress| progress.branch.late_at());
        resend.chain(late)
    });
    due.min().unwrap_or(session.next_repair).min(session.next_repair)
}

/// The logs of which a peer lacks entries that are to be sent now, with what it has.
fn behind(space: &Space, shared: &mut Shared, now: Time) -> Vec<(LogId, u64)> {
    let mut logs = Vec::new();
    for log in std::mem::take(&mut shared.due) {
        let head = space.head(log).seq;
        let Some(progress) = shared.position(log) else {
            if !shared.known {
                shared.due.insert(log);
            }
            continue;
        };
        if progress.sent >= head || log != space.own_log && planted::is(Bug::RelayNever) {
            continue;
        }
        let seq = progress.sent;
        let late = progress.branch.due(now);
        shared.due.insert(log);
        if late {
            logs.push((log, seq));
        }
    }
    logs
}

/// The frame that carries a run: the short form where the peer has what it leaves out.
fn frame_of(
    run: &SealedRun,
    bytes: &[u8],
    known: &Log,
    shared: &mut Shared,
    sent: &mut u64,
    counters: &mut Counters,
) -> Frame {
    let tag = shared.tag_out;
    counters.runs_sent += 1;
    counters.run_bytes_sent += bytes.len() as u64;
    *sent += bytes.len() as u64;
    shared.tally.entries_sent += run.last() - run.first + 1;
    shared.tally.run_bytes_sent += bytes.len() as u64;
    let progress = shared.progress.get_mut(&run.log);
    let brief = progress.is_some_and(|progress| {
        let resend = std::mem::take(&mut progress.resend);
        !resend && run.first.saturating_sub(progress.acked) <= limits::BRIEF_ENTRIES_MAX
    });
    if brief
        && let Some(number) = shared.numbers.ours(run.log)
        && let Some((ciphertext, signature)) = run.single()
        && known.under_next(run.first).is_some()
    {
        let (low, ciphertext) = (low_byte(run.first), ciphertext.clone());
        return Frame::Next(Next { tag, number, low, ciphertext, signature });
    }
    let number = shared.numbers.tell(run.log);
    Frame::Entries(Entries { tag, number, sent: *sent, run: Bytes(bytes.to_vec()) })
}

/// Whether a peer holds durably all that is held here.
pub(super) fn peer_has_all(space: &Space, shared: &Shared) -> bool {
    space.logs.iter().all(|(log, known)| {
        shared.progress.get(log).is_some_and(|progress| progress.acked == known.head.seq)
    })
}
