//! Bringing devices to the present by snapshots, and older history to those that were.
//!
//! A device that has nothing of a space asks the first peer that holds much for a snapshot, and tells nobody what
//! it holds until it has come, so nobody sends it entries meanwhile. What was in the snapshot comes as entries
//! later, on request, in pieces. A device that holds no older entries offers a snapshot to who lacks some. Where the
//! past is hidden, who meets entries it has no key for asks for a snapshot again. What does not come in time, or does
//! not fit what is known, is done without: entries do, where they can be read. Deliberately not here: what a snapshot
//! contains.

use std::sync::{Arc, Weak};

use rand_core::CryptoRng;

use super::heads::{ANSWER_EVERY_MS, Telling};
use super::{Replica, turn};
use crate::effect::{Effects, Event, Outcome, Refusal};
use crate::entry::Bytes;
use crate::ids::{LinkId, LogId, SpaceId, Time};
use crate::limits;
use crate::membership::Role;
use crate::rejection::Rejection;
use crate::session::Shared;
use crate::snapshot::{Manifest, Snapshot};
use crate::space::Space;
use crate::wire::{self, Bringing, Detail, Entries, Frame, History, Holds};

/// A snapshot on its way here.
pub(super) struct Incoming {
    link: LinkId,
    /// Whether nothing of the space was here when it was asked for.
    new: bool,
    manifest: Option<Manifest>,
    parts: Vec<Bytes>,
    /// When something last came of it.
    moved: Time,
}

/// A snapshot on its way to a peer.
pub(crate) struct Outgoing {
    snapshot: Arc<Snapshot>,
    told: bool,
    next: usize,
}

/// The last snapshot made of a space, as long as it is being sent, and how much had been applied then.
pub(super) type Made = (u64, Weak<Snapshot>);

impl Replica {
    /// A new device is brought to the present by a snapshot from this many entries on, instead of
    /// [`limits::SNAPSHOT_ENTRIES_MIN`]. With [`u64::MAX`] this replica neither asks for snapshots nor makes them.
    pub fn snapshots_from(&mut self, entries: u64) {
        self.snapshot_entries = entries;
    }

    /// Whether a snapshot of a space is on its way to a device that has nothing of it.
    pub(super) fn is_being_brought(&self, id: SpaceId) -> bool {
        self.incoming.get(&id).is_some_and(|incoming| incoming.new)
    }

    /// Whether this device, having nothing of a space, may still ask for a snapshot of it.
    pub(super) fn may_be_brought(&self, id: SpaceId) -> bool {
        let brought = self.snapshot_entries != u64::MAX;
        let asks = |space: &Space| (brought || !space.opens_the_past()) && space.is_new();
        self.spaces.get(&id).is_some_and(asks)
    }

    /// Asks a peer that has told of many entries for a snapshot, if nothing is here; tells whether.
    pub(super) fn seek_snapshot(
        &mut self,
        link: LinkId,
        id: SpaceId,
        detail: &Detail,
        now: Time,
        effects: &mut Effects,
    ) -> bool {
        if self.is_being_brought(id) {
            return true;
        }
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get(&link)) else {
            return false;
        };
        let Some(shared) = session.shared.get(&id) else { return false };
        let digests = |range: &wire::Range| matches!(range.holds, Holds::Digest(_));
        let many = match detail {
            Detail::Ranges { ranges, .. } if ranges.iter().any(digests) => true,
            _ if !space.opens_the_past() => told(shared) > 0,
            _ => told(shared) >= self.snapshot_entries,
        };
        let writer = space.membership.roster().may(session.peer, Role::Write);
        if shared.no_snapshot || !many || !writer || !self.may_be_brought(id) {
            return false;
        }
        self.want_snapshot(link, id, true, now, effects);
        true
    }

    fn want_snapshot(
        &mut self,
        link: LinkId,
        id: SpaceId,
        new: bool,
        now: Time,
        effects: &mut Effects,
    ) {
        let incoming = Incoming { link, new, manifest: None, parts: Vec::new(), moved: now };
        self.incoming.insert(id, incoming);
        self.send_bringing(link, id, Bringing::Wanted, effects);
    }

    fn send_bringing(&mut self, link: LinkId, id: SpaceId, about: Bringing, effects: &mut Effects) {
        let shared = self.sessions.get(&link).and_then(|session| session.shared.get(&id));
        if let Some(tag) = shared.map(|shared| shared.tag_out) {
            self.send(link, &Frame::Snapshot(wire::Snapshot { tag, about }), effects);
        }
    }

    pub(super) fn on_snapshot(
        &mut self,
        link: LinkId,
        frame: wire::Snapshot,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let expected = self.incoming.get_mut(&id).filter(|incoming| incoming.link == link);
        match frame.about {
            Bringing::Wanted => self.on_snapshot_wanted(link, id, now, rng, effects),
            Bringing::Manifest(bytes) => {
                let Some(incoming) = expected.filter(|known| known.manifest.is_none()) else {
                    return Ok(());
                };
                let Some(space) = self.spaces.get(&id) else { return Ok(()) };
                let manifest = Manifest::verify(space.pseudonym, &bytes.0);
                incoming.manifest = Some(manifest.ok_or(Rejection::BadSnapshot)?);
                incoming.moved = now;
                if self.parts_expected() > limits::SNAPSHOT_PARTS_INCOMING_MAX {
                    self.end_bringing(id, now, rng, effects);
                }
            }
            Bringing::Part { sent, part } => {
                self.on_snapshot_part(link, id, sent, part, now, rng, effects)?;
            }
            Bringing::Declined if expected.is_some() => {
                self.end_bringing(id, now, rng, effects);
            }
            Bringing::Declined => {}
            Bringing::Offered if self.may_be_rebased(link, id) => {
                self.want_snapshot(link, id, false, now, effects);
            }
            Bringing::Offered => {}
        }
        Ok(())
    }

    /// Parts of all snapshots on their way here, come or not.
    pub(crate) fn parts_expected(&self) -> usize {
        let manifests = self.incoming.values().filter_map(|incoming| incoming.manifest.as_ref());
        manifests.map(|manifest| manifest.parts.len()).sum()
    }

    /// Whether a peer may bring this device to the present although something of the space is here: entries are
    /// missing that a checkpoint lets everybody forget, so that nothing but somebody's word may be left of them.
    fn may_be_rebased(&self, link: LinkId, id: SpaceId) -> bool {
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get(&link)) else {
            return false;
        };
        let roster = space.membership.roster();
        self.snapshot_entries != u64::MAX
            && !self.incoming.contains_key(&id)
            && space.joining.is_none()
            && roster.may(space.own.device, Role::Read)
            && roster.may(session.peer, Role::Write)
            && space.is_behind_checkpoints()
    }

    /// Asks a peer for its word where nothing else brings this device further, now and then.
    pub(super) fn seek_word(
        &mut self,
        link: LinkId,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(peer) = self.member_on(link, id) else { return };
        let Some(space) = self.spaces.get_mut(&id) else { return };
        let free = space.joining.is_none() && !self.incoming.contains_key(&id);
        if !free || !space.membership.roster().may(peer, Role::Write) {
            return;
        }
        let mut turn = turn!(self, now, rng, effects);
        if space.is_shut_out(&mut turn) {
            self.want_snapshot(link, id, false, now, effects);
        }
    }

    /// A peer asks for a snapshot: it is sent one if there is enough to say, and room.
    fn on_snapshot_wanted(
        &mut self,
        link: LinkId,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let peer = session.peer;
        let Some(shared) = session.shared.get_mut(&id) else { return };
        if shared.outgoing.is_some() {
            return;
        }
        let early = shared.snapshot_made.is_some_and(|at| at.plus_ms(ANSWER_EVERY_MS) > now);
        let hides = self.spaces.get(&id).is_some_and(|space| !space.opens_the_past());
        let offered = shared.offered.is_some() || hides;
        let made =
            if early { None } else { self.snapshot_for(id, peer, offered, now, rng, effects) };
        let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
        match (made, shared) {
            (Some(snapshot), Some(shared)) => {
                shared.snapshot_made = Some(now);
                shared.outgoing = Some(Outgoing { snapshot, told: false, next: 0 });
                if let Some(session) = self.sessions.get_mut(&link) {
                    session.dirty = true;
                }
            }
            _ => self.send_bringing(link, id, Bringing::Declined, effects),
        }
    }

    /// A snapshot that a peer can read: the one that is being sent already, if it is as good.
    fn snapshot_for(
        &mut self,
        id: SpaceId,
        peer: crate::ids::DeviceId,
        offered: bool,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Option<Arc<Snapshot>> {
        self.made.retain(|_, (_, snapshot)| snapshot.strong_count() > 0);
        let space = self.spaces.get_mut(&id)?;
        let roster = space.membership.roster();
        let entries = space.entries_applied();
        let readable = roster.may(peer, Role::Read) && roster.may(space.own.device, Role::Write);
        if !readable || self.snapshot_entries == u64::MAX && space.opens_the_past() {
            return None;
        }
        if entries < self.snapshot_entries && !offered {
            return None;
        }
        if let Some((then, snapshot)) = self.made.get(&id)
            && *then == entries
            && let Some(snapshot) = snapshot.upgrade()
            && space.reached_by(peer).contains(&snapshot.manifest.epoch)
        {
            return Some(snapshot);
        }
        if self.made.len() >= limits::SNAPSHOTS_AT_ONCE_MAX {
            return None;
        }
        let mut turn = turn!(self, now, rng, effects);
        let snapshot = Arc::new(space.snapshot_for(peer, &mut turn)?);
        self.made.insert(id, (entries, Arc::downgrade(&snapshot)));
        Some(snapshot)
    }

    /// Sends what a peer's credit allows of the snapshots it is being sent.
    pub(super) fn pump_snapshots(&mut self, link: LinkId, effects: &mut Effects) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let mut frames = Vec::new();
        for shared in session.shared.values_mut() {
            let tag = shared.tag_out;
            let Some(outgoing) = &mut shared.outgoing else { continue };
            if !std::mem::replace(&mut outgoing.told, true) {
                let about = Bringing::Manifest(Bytes(outgoing.snapshot.manifest.to_bytes()));
                frames.push(Frame::Snapshot(wire::Snapshot { tag, about }));
            }
            while let Some(part) = outgoing.snapshot.parts.get(outgoing.next) {
                if session.granted.saturating_sub(session.sent) < limits::FRAME_BYTES_MAX as u64 {
                    break;
                }
                session.sent += part.0.len() as u64;
                let about = Bringing::Part { sent: session.sent, part: part.clone() };
                frames.push(Frame::Snapshot(wire::Snapshot { tag, about }));
                outgoing.next += 1;
            }
            if outgoing.next >= outgoing.snapshot.parts.len() {
                shared.outgoing = None;
            }
        }
        for frame in frames {
            self.send(link, &frame, effects);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn on_snapshot_part(
        &mut self,
        link: LinkId,
        id: SpaceId,
        sent: u64,
        part: Bytes,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        session.dirty = true;
        if !session.counted(sent) {
            return Err(Rejection::OverCredit);
        }
        let Some(incoming) = self.incoming.get_mut(&id).filter(|known| known.link == link) else {
            return Ok(());
        };
        let Some(manifest) = &incoming.manifest else { return Ok(()) };
        let hash = blake3::hash(&part.0);
        if manifest.parts.get(incoming.parts.len()) != Some(hash.as_bytes()) {
            // A part that was lost on the way, or one that comes twice: what is missing is not asked for again.
            return Ok(());
        }
        incoming.parts.push(part);
        incoming.moved = now;
        if incoming.parts.len() < manifest.parts.len() {
            return Ok(());
        }
        let taken = self.incoming.remove(&id);
        let Some(Incoming { new, manifest: Some(manifest), parts, .. }) = taken else {
            return Ok(());
        };
        let Some(space) = self.spaces.get_mut(&id) else { return Ok(()) };
        let mut turn = turn!(self, now, rng, effects);
        let visible = space.take_snapshot(&manifest, &parts, new, &mut turn);
        if let Some(visible) = &visible {
            Self::announce(space, visible, false, effects);
            let (by, entries) = (manifest.device, manifest.entries);
            effects.events.push(Event::Brought { space: id, by, entries, new });
        } else if let Some(session) = self.sessions.get_mut(&link)
            && let Some(shared) = session.shared.get_mut(&id)
        {
            shared.no_snapshot = true;
        }
        let logs: Vec<LogId> =
            self.spaces.get(&id).into_iter().flat_map(|s| s.logs.keys()).copied().collect();
        for log in logs {
            self.on_growth(id, log);
            self.owe_acks(id, log);
        }
        self.tell_all(id, visible.is_some(), now, rng, effects);
        self.ask_history(link, id, true, now, effects);
        Ok(())
    }

    /// Does without a snapshot that does not come.
    fn end_bringing(
        &mut self,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(incoming) = self.incoming.remove(&id) else { return };
        let shared = self.sessions.get_mut(&incoming.link).and_then(|s| s.shared.get_mut(&id));
        if let Some(shared) = shared {
            shared.no_snapshot = true;
        }
        self.tell_all(id, false, now, rng, effects);
    }

    /// Tells all peers what is held here now, which they had not been told before.
    fn tell_all(
        &mut self,
        id: SpaceId,
        brought: bool,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let telling = if brought { Telling::First } else { Telling::Ask };
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        for link in links {
            self.send_heads(link, id, telling, now, rng, effects);
        }
    }

    /// A link is gone, or has had its time: a snapshot that was to come over it and does not is done without.
    pub(super) fn check_bringing(
        &mut self,
        link: LinkId,
        gone: bool,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let late = |incoming: &&Incoming| {
            let late = incoming.moved.plus_ms(limits::SNAPSHOT_WAIT_MS) <= now;
            incoming.link == link && (gone || late)
        };
        let late: Vec<SpaceId> =
            self.incoming.iter().filter(|(_, known)| late(known)).map(|(id, _)| *id).collect();
        for id in late {
            self.end_bringing(id, now, rng, effects);
        }
    }

    /// Tells a peer that some of what it lacks is here only as part of a snapshot.
    pub(super) fn offer_snapshot(
        &mut self,
        link: LinkId,
        id: SpaceId,
        now: Time,
        effects: &mut Effects,
    ) {
        let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
        let Some(shared) = shared else { return };
        if shared.offered.is_none_or(|at| at.plus_ms(limits::REPAIR_EVERY_MS) <= now) {
            shared.offered = Some(now);
            self.send_bringing(link, id, Bringing::Offered, effects);
        }
    }

    pub(super) fn keep_history(
        &mut self,
        id: SpaceId,
        keep: bool,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let space = self.spaces.get_mut(&id).ok_or(Refusal::UnknownSpace)?;
        let mut turn = turn!(self, now, rng, effects);
        space.keeps_history = keep;
        space.history_moved = None;
        space.write_row(&mut turn);
        space.drop_history(&mut turn);
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        for link in links {
            self.ask_history(link, id, false, now, effects);
        }
        Ok(Outcome::KeepsHistory(keep))
    }

    /// Asks a peer for entries that are in the objects and not here, unless another was asked just now.
    pub(super) fn ask_history(
        &mut self,
        link: LinkId,
        id: SpaceId,
        at_once: bool,
        now: Time,
        effects: &mut Effects,
    ) {
        if self.member_on(link, id).is_none() {
            return;
        }
        let Some(space) = self.spaces.get(&id) else { return };
        let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
        let Some(shared) = shared else { return };
        let long_ago =
            |at: Option<Time>| at.is_none_or(|at| at.plus_ms(limits::SNAPSHOT_WAIT_MS) <= now);
        // While history comes from one peer, no other is asked.
        let due = at_once || long_ago(shared.history_asked) && long_ago(space.history_moved);
        if !due || !space.wants_history() {
            return;
        }
        let wants: Vec<(LogId, u64)> = space.gaps().take(limits::HISTORY_LOGS_MAX).collect();
        shared.history_asked = Some(now);
        shared.history_moved = false;
        let tag = shared.tag_out;
        self.send(link, &Frame::History(History { tag, wants }), effects);
    }

    pub(super) fn on_history(
        &mut self,
        link: LinkId,
        frame: &History,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        if self.member_on(link, id).is_none() {
            return Ok(());
        }
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get_mut(&link))
        else {
            return Ok(());
        };
        let Some(shared) = session.shared.get_mut(&id) else { return Ok(()) };
        if frame.wants.is_empty() {
            if std::mem::take(&mut shared.history_moved) {
                self.ask_history(link, id, true, now, effects);
            }
            return Ok(());
        }
        let credit = session.granted.saturating_sub(session.sent);
        let most = usize::try_from(credit).unwrap_or(usize::MAX);
        let most = most.saturating_sub(2 * limits::RUN_BYTES_MAX).min(limits::HISTORY_BYTES);
        let mut turn = turn!(self, now, rng, effects);
        let runs = space.history(&frame.wants, most, &mut turn);
        let tag = shared.tag_out;
        let mut frames = Vec::with_capacity(runs.len() + 1);
        for run in runs {
            let bytes = run.to_bytes();
            turn.counters.runs_sent += 1;
            turn.counters.run_bytes_sent += bytes.len() as u64;
            session.sent += bytes.len() as u64;
            shared.tally.entries_sent += run.last() - run.first + 1;
            shared.tally.run_bytes_sent += bytes.len() as u64;
            let number = shared.numbers.tell(run.log);
            let (sent, run) = (session.sent, Bytes(bytes));
            frames.push(Frame::Entries(Entries { tag, number, sent, run }));
        }
        frames.push(Frame::History(History { tag, wants: Vec::new() }));
        session.may_answer(frames.len() as u64);
        for frame in frames {
            self.send(link, &frame, effects);
        }
        Ok(())
    }
}

/// Entries that a peer has told it holds.
fn told(shared: &Shared) -> u64 {
    shared.progress.values().fold(0, |sum: u64, progress| sum.saturating_add(progress.acked))
}
