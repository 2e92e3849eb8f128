//! Frames from peers. Each branch checks what the peer has proven before it believes anything.

use rand_core::CryptoRng;

use super::heads::{ANSWER_EVERY_MS, Telling};
use super::{Replica, turn};
use crate::effect::{Effects, Event, JoinRefusal};
use crate::entry::{Bytes, SealedRun};
use crate::ids::{LinkId, LogId, SpaceId, Time};
use crate::limits;
use crate::membership::Role;
use crate::planted::{self, Bug};
use crate::rejection::Rejection;
use crate::session::{self, Shared};
use crate::wire::{Ack, Claim, Claims, Credit, Entries, Frame, Hello, Next, Spread, Tag};

impl Replica {
    pub(super) fn on_received(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some((peer, run)) = self.admitted(link, bytes, now, rng, effects) else { return };
        let entries = self.counters.entries_received;
        let result = match Frame::decode(bytes) {
            Err(rejection) => Err(rejection),
            Ok(None) => return,
            Ok(Some(frame)) => match frame {
                Frame::Hello(hello) => self.on_hello(link, &hello, now, rng, effects),
                Frame::Claims(claims) => self.on_claims(link, claims, now, rng, effects),
                Frame::Operations(ops) => self.on_operations(link, &ops, now, rng, effects),
                Frame::Heads(heads) => self.on_heads(link, &heads, now, rng, effects),
                Frame::Entries(entries) => self.on_entries(link, &entries, now, rng, effects),
                Frame::Next(next) => self.on_next(link, next, now, rng, effects),
                Frame::Marks(marks) => self.on_marks(link, &marks, now, rng, effects),
                Frame::Evidence(run) => self.on_evidence(link, &run, now, rng, effects),
                Frame::Ack(ack) => self.on_ack(link, &ack, now, effects),
                Frame::Credit(credit) => self.on_credit(link, &credit),
                Frame::Spread(spread) => self.on_spread(link, &spread),
                Frame::Refused(refused) => self.on_refused(link, &refused, now, effects),
                Frame::Peers(peers) => self.on_peers(link, peers, now, rng, effects),
                Frame::Part(part) => self.on_part(link, &part, now, rng, effects),
                Frame::Echo(echo) => {
                    self.on_echo(link, &echo, now, rng, effects);
                    Ok(())
                }
                Frame::Presence(presence) => self.on_presence(link, presence, now, effects),
                Frame::Notes(notes) => self.on_notes(link, &notes, now, effects),
                Frame::Snapshot(snapshot) => self.on_snapshot(link, snapshot, now, rng, effects),
                Frame::History(history) => self.on_history(link, &history, now, rng, effects),
                Frame::Linking(linking) => self.on_linking(link, linking, now, rng, effects),
            },
        };
        if run && self.counters.entries_received == entries {
            self.count_useless(link, bytes, result.is_err(), now);
        }
        match result {
            Ok(()) => self.conduct.accepted(peer),
            Err(rejection) => {
                match rejection {
                    // It may not have heard that it is out, and would go on like that.
                    Rejection::NotMember => self.say_farewells(link, now, effects),
                    Rejection::NotProven => self.ask_for_claims(link, now, effects),
                    _ => {}
                }
                self.on_rejection(link, rejection, now, rng, effects);
            }
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
        self.welcome(link, now, rng, effects);
        Ok(())
    }

    /// A peer speaks of a space that it has not proven to know: its claims may have been lost.
    fn ask_for_claims(&mut self, link: LinkId, now: Time, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if session.claims_asked.is_none_or(|at| at.plus_ms(ANSWER_EVERY_MS) <= now) {
            session.claims_asked = Some(now);
            let nonce = session.nonce;
            self.send(link, &Frame::Hello(Hello { nonce }), effects);
        }
    }

    /// Claims every space on one link, padded with random claims.
    pub(super) fn send_claims(
        &mut self,
        link: LinkId,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some((ours, theirs)) = self.sides(link) else { return };
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let mut random = || {
            let mut random = [0; 16];
            rng.fill_bytes(&mut random);
            Claim(random)
        };
        for space in self.spaces.values() {
            session.claim(session::claim(&space.secret, &ours, &theirs), &mut random);
        }
        session.pad_claims(&mut random);
        let claims = session.claimed.iter().map(|(claim, _)| *claim).collect();
        self.send(link, &Frame::Claims(Claims { claims }), effects);
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
        session.claims = claims.claims;
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
            if session.shared.contains_key(&space.id) {
                continue;
            }
            let claimed = session::claim(&space.secret, &theirs, &ours);
            let place = session.claims.iter().position(|claim| *claim == claimed);
            let shared_before = session.numbers.get(&space.id).map(|(tag, _)| *tag);
            let theirs_for = place.and_then(|place| u32::try_from(place).ok()).map(Tag);
            let theirs_for = theirs_for.or(shared_before);
            let ours_for = session.tag_of(session::claim(&space.secret, &ours, &theirs));
            if let (Some(tag_out), Some(tag_in)) = (ours_for, theirs_for) {
                let mut shared = Shared::new((tag_out, tag_in), &space.secret, &ours, &theirs);
                let numbers = session.numbers.remove(&space.id).map(|(_, numbers)| numbers);
                shared.numbers = numbers.unwrap_or_default();
                session.shared.insert(space.id, Box::new(shared));
                session.dirty = true;
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
            // Who comes back says first what took it out: whoever lets it in may not have heard of that.
            let own = space.membership.farewell(space.own.device, space.own.device);
            let own: Vec<Bytes> = own.into_iter().map(|op| Bytes(op.bytes.clone())).collect();
            let ops = vec![Bytes(join.bytes.clone())];
            self.send_operations(link, id, own, effects);
            self.send_operations(link, id, ops, effects);
            return;
        }
        if self.member_on(link, id).is_none() {
            if !self.say_farewell(link, id, now, effects) {
                self.refuse(link, id, JoinRefusal::Stranger, effects);
            }
            return;
        }
        self.hand_out_key(link, id, now, rng, effects);
        self.send_heads(link, id, Telling::First, now, rng, effects);
    }

    /// The shared space a frame is about, if both ends have proven it and `peer` is a member.
    pub(super) fn proven(&self, link: LinkId, tag: Tag) -> Result<SpaceId, Rejection> {
        let session = self.sessions.get(&link).ok_or(Rejection::NotProven)?;
        let id = session.space_of(tag).ok_or(Rejection::NotProven)?;
        let space = self.spaces.get(&id).ok_or(Rejection::NotProven)?;
        if space.joining.is_some() || space.membership.roster().may(session.peer, Role::Relay) {
            Ok(id)
        } else {
            Err(Rejection::NotMember)
        }
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
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        session.dirty = true;
        if !session.counted(frame.sent) {
            return Err(Rejection::OverCredit);
        }
        let run = SealedRun::decode(&frame.run.0)?;
        if let Some(shared) = session.shared.get_mut(&id) {
            shared.numbers.bind(frame.number, run.log);
            shared.tally.run_bytes_received += frame.run.0.len() as u64;
        }
        self.on_run(link, id, run, now, rng, effects)
    }

    fn on_next(
        &mut self,
        link: LinkId,
        frame: Next,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get_mut(&link))
        else {
            return Ok(());
        };
        session.dirty = true;
        if !session.came(frame.ciphertext.0.len() as u64) {
            return Err(Rejection::OverCredit);
        }
        let Some(shared) = session.shared.get_mut(&id) else { return Ok(()) };
        shared.tally.run_bytes_received += frame.ciphertext.0.len() as u64;
        let Some(log) = shared.numbers.their_log(frame.number) else { return Ok(()) };
        let Some(known) = space.logs.get(&log) else { return Ok(()) };
        let seq = known.head.seq + 1;
        let ahead = frame.low.wrapping_sub(low_byte(seq));
        if ahead >= 128 {
            // There is no entry before the first: a number that leads there is none of this log.
            if let Some(last) = seq.checked_sub(u64::from(ahead.wrapping_neg()))
                && last > 0
            {
                self.on_repeated(link, id, log, last, now, effects);
            }
            return Ok(());
        }
        let Some(under) = known.under_next(seq).filter(|_| ahead == 0) else { return Ok(()) };
        let run = SealedRun::next(log, seq, under, frame.ciphertext, frame.signature);
        // What does not verify may be another entry of that low byte, which is here already.
        self.on_run(link, id, run, now, rng, effects).map_err(|rejection| match rejection {
            Rejection::BadRun => Rejection::Unchained,
            rejection => rejection,
        })
    }

    fn on_run(
        &mut self,
        link: LinkId,
        id: SpaceId,
        run: SealedRun,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(space) = self.spaces.get_mut(&id) else { return Ok(()) };
        if space.joining.is_some() {
            return Ok(());
        }
        let (log, last) = (run.log, run.last());
        let before = space.head(log).seq;
        let mut turn = turn!(self, now, rng, effects);
        let ingested = match space.ingest(run, &mut turn) {
            Ok(Some(ingested)) => ingested,
            Ok(None) => {
                if last <= space.head(log).seq {
                    self.on_repeated(link, id, log, last, now, effects);
                }
                return Ok(());
            }
            Err(rejection) => return Err(self.blame(link, id, log, rejection)),
        };
        Self::announce(space, &ingested.visible, false, effects);
        if let Some((by, proven)) = space.audited.take() {
            effects.events.push(Event::Audited { space: id, by, proven });
        }
        let further = space.head(log).seq > before;
        if ingested.history {
            space.history_moved = Some(now);
            let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
            if let Some(shared) = shared {
                shared.history_moved = true;
            }
            self.on_growth(id, log);
        }
        if !further {
            return Ok(());
        }
        let Some(space) = self.spaces.get(&id) else { return Ok(()) };
        let author = space.logs.get(&log).map(|known| known.opening.device);
        if let Some(session) = self.sessions.get_mut(&link)
            && let Some(shared) = session.shared.get_mut(&id)
        {
            shared.tally.entries_received += last - before;
            shared.has(log, last);
            if author == Some(session.peer) {
                shared.acked(log, last, now);
            } else if shared.progress.entry(log).or_default().branch.on_new() {
                self.send_spread(link, id, log, true, effects);
            }
        }
        self.relay(link, id, ingested.run.sealed(), effects);
        self.on_growth(id, log);
        self.owe_acks(id, log);
        Ok(())
    }

    /// A peer brought entries that are here already.
    fn on_repeated(
        &mut self,
        link: LinkId,
        id: SpaceId,
        log: LogId,
        last: u64,
        now: Time,
        effects: &mut Effects,
    ) {
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get_mut(&link))
        else {
            return;
        };
        let Some(shared) = session.shared.get_mut(&id) else { return };
        shared.has(log, last);
        shared.ack_due.insert(log);
        if space.logs.get(&log).is_some_and(|known| known.opening.device == session.peer) {
            shared.acked(log, last, now);
        } else if shared.progress.entry(log).or_default().branch.on_repeated() {
            self.send_spread(link, id, log, false, effects);
        }
    }

    /// What refused entries cost the peer that brought them: one that only passed on another branch of a
    /// log is not to blame for the fork.
    fn blame(&self, link: LinkId, id: SpaceId, log: LogId, rejection: Rejection) -> Rejection {
        let author = self.spaces.get(&id).and_then(|space| space.logs.get(&log));
        let author = author.map(|known| known.opening.device);
        let peer = self.sessions.get(&link).map(|session| session.peer);
        match rejection {
            Rejection::BadRun if author.is_some() && author != peer => Rejection::Unchained,
            rejection => rejection,
        }
    }

    fn send_spread(
        &mut self,
        link: LinkId,
        id: SpaceId,
        log: LogId,
        eager: bool,
        effects: &mut Effects,
    ) {
        let shared = self.sessions.get(&link).and_then(|session| session.shared.get(&id));
        let frame = shared.and_then(|shared| {
            let number = shared.numbers.theirs(log)?;
            Some(Frame::Spread(Spread { tag: shared.tag_out, number, eager }))
        });
        if let Some(frame) = frame {
            self.send(link, &frame, effects);
        }
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
        let peer = session.peer;
        let Some(shared) = session.shared.get_mut(&id) else { return Ok(()) };
        frame.named.iter().for_each(|(log, _)| shared.numbers.on_without_base(*log));
        if planted::is(Bug::AckedNumberTrusted) {
            let known = |(number, _): &(u32, u64)| shared.numbers.our_log(*number).is_some();
            assert!(frame.numbered.iter().all(known), "planted");
        }
        let mut heads = frame.named.clone();
        let logs = frame.numbered.iter();
        heads.extend(
            logs.filter_map(|(number, seq)| Some((shared.numbers.our_log(*number)?, *seq))),
        );
        for (log, seq) in heads {
            let own = log == space.own_log;
            // Of this device's own log nobody holds more than it has written.
            let seq = if own { seq.min(space.head(log).seq) } else { seq };
            if shared.acked(log, seq, now) && own {
                effects.events.push(Event::Acked { space: id, peer, log, seq });
            }
        }
        Ok(())
    }

    fn on_credit(&mut self, link: LinkId, frame: &Credit) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        let most = session.sent.saturating_add(limits::CREDIT_BYTES);
        session.granted = session.granted.max(frame.granted.min(most));
        session.dirty = true;
        if session.counted(frame.sent) { Ok(()) } else { Err(Rejection::OverCredit) }
    }

    fn on_spread(&mut self, link: LinkId, frame: &Spread) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let own = self.spaces.get(&id).map(|space| space.own_log);
        let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
        if let Some(shared) = shared
            && let Some(log) = shared.numbers.our_log(frame.number)
            && let Some(progress) = shared.progress.get_mut(&log)
        {
            // An author sends its own entries itself, to all it is linked with.
            progress.branch.on_asked(frame.eager || Some(log) == own);
            shared.due.insert(log);
        }
        Ok(())
    }
}

/// The low byte of a number, which the next entry of a log is known by.
pub(super) fn low_byte(seq: u64) -> u8 {
    seq.to_le_bytes()[0]
}
