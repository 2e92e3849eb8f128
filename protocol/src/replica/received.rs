//! Frames from peers. Each branch checks what the peer has proven before it believes anything.

use std::collections::BTreeSet;

use rand_core::CryptoRng;

use super::{Replica, spread, turn};
use crate::effect::{Effects, Event, JoinRefusal};
use crate::entry::{Bytes, SealedRun};
use crate::identity;
use crate::ids::{DeviceId, LinkId, SpaceId, Time};
use crate::limits;
use crate::membership::{Op, OpBody, Role, join_proof};
use crate::rejection::Rejection;
use crate::session::{self, Shared};
use crate::turn::Turn;
use crate::wire::{
    Ack, Claim, Claims, Credit, Entries, Frame, Heads, Hello, LogHead, Operations, Refused, Spread,
    Tag,
};

/// Least time between two repeated answers of one kind on one link, in milliseconds.
const ANSWER_EVERY_MS: u64 = 1_000;

impl Replica {
    pub(super) fn on_received(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        if !self.sessions.contains_key(&link) {
            return;
        }
        self.counters.frames_received += 1;
        self.counters.bytes_received += bytes.len() as u64;
        let result = match Frame::decode(bytes) {
            Err(rejection) => Err(rejection),
            Ok(None) => Ok(()),
            Ok(Some(frame)) => match frame {
                Frame::Hello(hello) => self.on_hello(link, &hello, now, rng, effects),
                Frame::Claims(claims) => self.on_claims(link, claims, now, rng, effects),
                Frame::Operations(ops) => self.on_operations(link, &ops, now, rng, effects),
                Frame::Heads(heads) => self.on_heads(link, &heads, now, rng, effects),
                Frame::Entries(entries) => self.on_entries(link, &entries, now, rng, effects),
                Frame::Ack(ack) => self.on_ack(link, &ack, now, effects),
                Frame::Credit(credit) => self.on_credit(link, &credit),
                Frame::Spread(spread) => self.on_spread(link, &spread),
                Frame::Refused(refused) => self.on_refused(link, &refused, effects),
            },
        };
        if let Err(rejection) = result {
            self.on_rejection(link, rejection, effects);
        }
    }

    fn on_rejection(&mut self, link: LinkId, rejection: Rejection, effects: &mut Effects) {
        self.counters.rejections += 1;
        let Some(session) = self.sessions.get_mut(&link) else { return };
        session.penalty = session.penalty.saturating_add(rejection.penalty());
        effects.events.push(Event::Rejected { link, peer: session.peer, rejection });
        if session.penalty >= limits::PENALTY_MAX {
            effects.close.push(link);
        }
    }

    fn on_hello(
        &mut self,
        link: LinkId,
        hello: &Hello,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        match session.their_nonce {
            Some(nonce) if nonce == hello.nonce => {
                self.send_claims(link, rng, effects);
                return Ok(());
            }
            Some(_) => return Err(Rejection::Malformed),
            None => session.their_nonce = Some(hello.nonce),
        }
        self.send_claims(link, rng, effects);
        self.match_claims(link, now, rng, effects);
        Ok(())
    }

    /// Claims every space on one link, padded with random claims.
    pub(super) fn send_claims(
        &mut self,
        link: LinkId,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some((ours, theirs)) = self.sides(link) else { return };
        let mut claims: BTreeSet<Claim> = self
            .spaces
            .values()
            .map(|space| session::claim(&space.secret, &ours, &theirs))
            .collect();
        let padded = (claims.len() + 1).next_multiple_of(limits::CLAIMS_PADDED_TO);
        while claims.len() < padded {
            let mut random = [0; 16];
            rng.fill_bytes(&mut random);
            claims.insert(Claim(random));
        }
        self.send(link, &Frame::Claims(Claims { claims: claims.into_iter().collect() }), effects);
    }

    fn on_claims(
        &mut self,
        link: LinkId,
        claims: Claims,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        session.claims = claims.claims.into_iter().collect();
        self.match_claims(link, now, rng, effects);
        let Some(session) = self.sessions.get(&link) else { return Ok(()) };
        for space in self.spaces.values() {
            if space.joining.is_some() && !session.shared.contains_key(&space.id) {
                let event = Event::JoinUnanswered { space: space.id, peer: session.peer };
                effects.events.push(event);
            }
        }
        Ok(())
    }

    /// Starts sharing every space that both ends have now claimed.
    pub(super) fn match_claims(
        &mut self,
        link: LinkId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some((ours, theirs)) = self.sides(link) else { return };
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let mut started = Vec::new();
        for space in self.spaces.values() {
            let claimed = session.claims.contains(&session::claim(&space.secret, &theirs, &ours));
            if claimed && !session.shared.contains_key(&space.id) {
                session.shared.insert(space.id, Shared::new(&space.secret, &ours, &theirs));
                started.push(space.id);
            }
        }
        for id in started {
            effects.events.push(Event::SpaceShared { space: id, link, peer: theirs.device });
            self.start_sharing(link, id, now, rng, effects);
        }
    }

    /// The first flight about a space: this device's join while it waits to be let in, otherwise what it
    /// holds, if the peer may know.
    pub(super) fn start_sharing(
        &mut self,
        link: LinkId,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(space) = self.spaces.get(&id) else { return };
        if let Some(join) = &space.joining {
            let ops = vec![Bytes(join.bytes.clone())];
            self.send_operations(link, id, ops, effects);
            return;
        }
        self.hand_out_key(link, id, now, rng, effects);
        self.send_heads(link, id, spread::List::IfNeeded, now, rng, effects);
    }

    /// The shared space a frame is about, if both ends have proven it and `peer` is a member.
    fn proven(&self, link: LinkId, tag: Tag) -> Result<SpaceId, Rejection> {
        let session = self.sessions.get(&link).ok_or(Rejection::NotProven)?;
        let id = session.space_of(tag).ok_or(Rejection::NotProven)?;
        let space = self.spaces.get(&id).ok_or(Rejection::NotProven)?;
        if space.joining.is_some() || space.membership.roster().may(session.peer, Role::Relay) {
            Ok(id)
        } else {
            Err(Rejection::NotMember)
        }
    }

    fn on_operations(
        &mut self,
        link: LinkId,
        frame: &Operations,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get(&link) else { return Ok(()) };
        let (peer, id) = (session.peer, session.space_of(frame.tag).ok_or(Rejection::NotProven)?);
        let mut ops = Vec::with_capacity(frame.ops.len());
        for bytes in &frame.ops {
            ops.push(Op::verify(id, &bytes.0)?);
        }
        let Some(space) = self.spaces.get_mut(&id) else { return Ok(()) };
        let member = space.membership.roster().may(peer, Role::Relay);
        if space.joining.is_none() && !member && !vouched(space, peer, &ops) {
            ops.retain(|op| op.author == peer && op.is_join());
            let join = ops.first().ok_or(Rejection::NotMember)?;
            if let Some(reason) = refuse_join(id, space.membership.roster(), join, now) {
                self.refuse(link, id, reason, effects);
                return Ok(());
            }
        }
        let asks = matches!(ops.as_slice(), [op] if op.author == peer && op.is_join());
        let was_ready = space.ready();
        let added = space.membership.insert(id, ops);
        if added.is_empty() {
            if asks && member {
                self.send_all_operations(link, id, now, effects);
            }
            return Ok(());
        }
        let mut turn = turn!(self, now, rng, effects);
        for op in &added {
            let key = crate::layout::op_key(space.pseudonym, op.id);
            turn.effects.batch.put(key, op.bytes.clone());
        }
        turn.effects.batch.require_durable();
        spread::take_keys(space, &mut turn);
        if space.joining.is_some() && space.ready() {
            space.joining = None;
            space.write_row(&mut turn);
        }
        let became_ready = !was_ready && space.ready();
        let visible = if became_ready { introduce(space, &mut turn) } else { Vec::new() };
        let unblocked = space.apply_ready(&mut turn);
        effects.events.push(Event::MembersChanged { space: id });
        if became_ready {
            effects.events.push(Event::SpaceReady { space: id });
        }
        Self::announce(space, &unblocked, false, effects);
        Self::announce(space, &visible, true, effects);
        self.after_members_changed(id, link, &added, now, rng, effects);
        Ok(())
    }

    /// Tells the other members, lets newcomers in, starts syncing where that has become possible.
    fn after_members_changed(
        &mut self,
        id: SpaceId,
        from: LinkId,
        added: &[Op],
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        for link in links {
            let Some(peer) = self.member_on(link, id) else { continue };
            if added.iter().any(|op| op.author == peer && op.is_join()) {
                self.send_all_operations(link, id, now, effects);
                self.start_sharing(link, id, now, rng, effects);
            } else {
                if link != from {
                    let ops = added.iter().map(|op| Bytes(op.bytes.clone())).collect();
                    self.send_operations(link, id, ops, effects);
                }
                self.send_heads(link, id, spread::List::IfUnsent, now, rng, effects);
            }
            if let Some(session) = self.sessions.get_mut(&link) {
                session.dirty = true;
            }
        }
    }

    fn refuse(&mut self, link: LinkId, id: SpaceId, reason: JoinRefusal, effects: &mut Effects) {
        let tag = self.sessions.get(&link).and_then(|s| s.shared.get(&id)).map(|s| s.tag_out);
        if let Some(tag) = tag {
            self.send(link, &Frame::Refused(Refused { tag, reason }), effects);
        }
    }

    fn on_refused(
        &mut self,
        link: LinkId,
        frame: &Refused,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get(&link) else { return Ok(()) };
        let id = session.space_of(frame.tag).ok_or(Rejection::NotProven)?;
        if self.spaces.get(&id).is_some_and(|space| space.joining.is_some()) {
            let (peer, reason) = (session.peer, frame.reason);
            effects.events.push(Event::JoinRefused { space: id, peer, reason });
        }
        Ok(())
    }

    fn on_heads(
        &mut self,
        link: LinkId,
        frame: &Heads,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let (Some(space), Some(session)) = (self.spaces.get_mut(&id), self.sessions.get_mut(&link))
        else {
            return Ok(());
        };
        if space.joining.is_some() {
            return Ok(());
        }
        let Some(shared) = session.shared.get_mut(&id) else { return Ok(()) };
        session.dirty = true;
        let root = space.frontier();
        let same = spread::frontier_digest(&shared.key, &root) == frame.frontier;
        let members_differ =
            spread::membership_digest(&shared.key, &space.membership.digest()) != frame.membership;
        let first = !shared.known;
        let mut forked = false;
        if same {
            shared.known = true;
            for (log, known) in &space.logs {
                if shared.acked(*log, known.head.seq, now) && *log == space.own_log {
                    let (peer, log, seq) = (session.peer, *log, known.head.seq);
                    effects.events.push(Event::Acked { space: id, peer, log, seq });
                }
            }
            let mut turn = turn!(self, now, rng, effects);
            spread::remember(space, session.peer, &mut turn);
        } else if let Some(list) = &frame.list {
            for log in space.logs.keys().filter(|log| list.from <= **log && **log <= list.to) {
                let listed = list.heads.iter().find(|head| head.log == *log);
                let progress = shared.progress.entry(*log).or_default();
                progress.correct(listed.map_or(0, |head| head.seq), first);
            }
            shared.known = true;
            forked = take_heads(space, session.peer, shared, &list.heads, now, effects);
        }
        let due = |sent: Option<Time>| sent.is_none_or(|at| at.plus_ms(ANSWER_EVERY_MS) <= now);
        let answer = !same && due(shared.list_sent);
        if members_differ && due(shared.ops_sent) {
            self.send_all_operations(link, id, now, effects);
        }
        if answer {
            self.send_heads(link, id, spread::List::Always, now, rng, effects);
        }
        if forked { Err(Rejection::Forked) } else { Ok(()) }
    }

    fn on_entries(
        &mut self,
        link: LinkId,
        frame: &Entries,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let (Some(space), Some(session)) = (self.spaces.get_mut(&id), self.sessions.get_mut(&link))
        else {
            return Ok(());
        };
        session.dirty = true;
        if frame.sent > session.grant {
            return Err(Rejection::OverCredit);
        }
        session.received = session.received.max(frame.sent);
        if space.joining.is_some() {
            return Ok(());
        }
        let run = SealedRun::decode(&frame.run.0)?;
        let (log, first, last) = (run.log, run.first, run.last());
        let mut turn = turn!(self, now, rng, effects);
        let (new, visible) = space.ingest(run, &mut turn)?;
        let device = space.logs.get(&log).map(|known| known.opening.device);
        let head = space.head(log).seq;
        let mut answer = None;
        if let Some(shared) = session.shared.get_mut(&id) {
            if last <= head {
                shared.has(log, last);
                shared.ack_due.insert(log);
            }
            if device == Some(session.peer) {
                shared.acked(log, last.min(head), now);
            } else {
                answer = spread::spread_wanted(shared, log, new > 0);
            }
        }
        Self::announce(space, &visible, false, effects);
        if let Some(spread) = answer {
            self.send(link, &Frame::Spread(spread), effects);
        }
        if new > 0 {
            self.relay(link, id, log, first, last, &frame.run, effects);
            self.owe_acks(id, log);
        }
        Ok(())
    }

    fn on_ack(
        &mut self,
        link: LinkId,
        frame: &Ack,
        now: Time,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get_mut(&link))
        else {
            return Ok(());
        };
        session.dirty = true;
        let Some(shared) = session.shared.get_mut(&id) else { return Ok(()) };
        let forked = take_heads(space, session.peer, shared, &frame.heads, now, effects);
        if forked { Err(Rejection::Forked) } else { Ok(()) }
    }

    fn on_credit(&mut self, link: LinkId, frame: &Credit) -> Result<(), Rejection> {
        if let Some(session) = self.sessions.get_mut(&link) {
            let most = session.sent.saturating_add(limits::CREDIT_BYTES);
            session.granted = session.granted.max(frame.granted.min(most));
            session.dirty = true;
        }
        Ok(())
    }

    fn on_spread(&mut self, link: LinkId, frame: &Spread) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let own = self.spaces.get(&id).is_some_and(|space| space.own_log == frame.log);
        let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
        if let Some(progress) = shared.and_then(|shared| shared.progress.get_mut(&frame.log)) {
            progress.lazy = !frame.eager && !own;
        }
        Ok(())
    }
}

/// Notes what a peer holds durably; tells whether some head contradicts one held here. More logs than a space
/// may have are not noted, and of this device's own log no more than it has written.
fn take_heads(
    space: &crate::space::Space,
    peer: DeviceId,
    shared: &mut Shared,
    heads: &[LogHead],
    now: Time,
    effects: &mut Effects,
) -> bool {
    let mut forked = false;
    for head in heads {
        let here = space.head(head.log);
        forked |=
            here.seq == head.seq && crate::space::short_hash(&shared.key, here.hash) != head.hash;
        let own = head.log == space.own_log;
        let seq = if own { head.seq.min(here.seq) } else { head.seq };
        let room = shared.progress.len() < limits::LOGS_PER_SPACE_MAX;
        let noted = room || shared.progress.contains_key(&head.log);
        if noted && shared.acked(head.log, seq, now) && own {
            effects.events.push(Event::Acked { space: space.id, peer, log: head.log, seq });
        }
    }
    forked
}

/// Whether operations show that a member has let `peer` in: they make it one, and somebody who may has
/// wrapped a key to it. Its own word that it joined is judged by the invite's expiry instead.
fn vouched(space: &crate::space::Space, peer: DeviceId, ops: &[Op]) -> bool {
    let mut membership = space.membership.clone();
    membership.insert(space.id, ops.to_vec());
    let roster = membership.roster();
    roster.may(peer, Role::Relay)
        && roster.epochs.values().any(|epoch| epoch.wraps.contains_key(&peer))
}

/// Why the join of somebody who is not a member yet is not accepted here, if it is not.
fn refuse_join(
    space: SpaceId,
    roster: &crate::membership::Roster,
    join: &Op,
    now: Time,
) -> Option<JoinRefusal> {
    let OpBody::Join { invite, card, proof } = &join.body else {
        return Some(JoinRefusal::BadProof);
    };
    let Some(known) = roster.invites.get(invite) else {
        return Some(JoinRefusal::UnknownInvite);
    };
    if known.expires < now {
        return Some(JoinRefusal::Expired);
    }
    if known.used >= known.uses {
        return Some(JoinRefusal::UsedUp);
    }
    let proven = identity::verify(&known.key, &join_proof(space, *invite, card), &proof.bytes());
    (!proven).then_some(JoinRefusal::BadProof)
}

/// What a device says first in a space it has just been let into.
fn introduce(space: &mut crate::space::Space, turn: &mut Turn<'_>) -> Vec<crate::space::Visible> {
    if space.membership.roster().may(space.own.device, Role::Write) {
        space.introduce(None, turn)
    } else {
        Vec::new()
    }
}
