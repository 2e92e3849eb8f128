//! Operations about members, from peers: whom they are believed from, whom they let in, who is told.
//!
//! Members believe one another. Of others only what shows that they are members too, what ends this device's own
//! membership, or a request to be let in is looked at. Deliberately not here: what the operations come to, which is
//! `membership`.

use std::collections::BTreeSet;

use rand_core::CryptoRng;

use super::heads::{ANSWER_EVERY_MS, Telling};
use super::{Replica, turn};
use crate::effect::{Effects, Event, JoinRefusal};
use crate::entry::Bytes;
use crate::identity;
use crate::ids::{DeviceId, LinkId, SpaceId, Time};
use crate::limits;
use crate::membership::{Op, OpBody, Role, join_proof};
use crate::planted::{self, Bug};
use crate::rejection::Rejection;
use crate::session::Session;
use crate::turn::Turn;
use crate::wire::{Frame, Operations, Refused};

impl Replica {
    pub(super) fn on_operations(
        &mut self,
        link: LinkId,
        frame: &Operations,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get(&link) else { return Ok(()) };
        let (peer, id) = (session.peer, session.space_of(frame.tag).ok_or(Rejection::NotProven)?);
        let Some(space) = self.spaces.get(&id) else { return Ok(()) };
        let mut ops = Vec::with_capacity(frame.ops.len());
        for bytes in &frame.ops {
            ops.push(match space.membership.same(&bytes.0) {
                Some(op) => op,
                None => Op::verify(id, space.pseudonym, &bytes.0)?,
            });
        }
        let member = space.membership.roster().may(peer, Role::Relay);
        let Some(ops) = self.believed(link, id, ops, now, effects)? else { return Ok(()) };
        let asks = matches!(ops.as_slice(), [op] if op.author == peer && op.enters());
        let Some(space) = self.spaces.get_mut(&id) else { return Ok(()) };
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
        space.take_keys(&mut turn);
        if space.joining.is_some() && space.ready() {
            space.joining = None;
            space.write_row(&mut turn);
        }
        let became_ready = !was_ready && space.ready();
        effects.events.push(Event::MembersChanged { space: id });
        // What is written from here on goes into a log that counts.
        self.follow(id, now, rng, effects);
        if became_ready && let Some(space) = self.spaces.get_mut(&id) {
            let mut turn = turn!(self, now, rng, effects);
            let visible = introduce(space, &mut turn);
            effects.events.push(Event::SpaceReady { space: id });
            Self::announce(space, &visible, true, effects);
        }
        self.after_members_changed(id, link, &added, now, rng, effects);
        Ok(())
    }

    /// Those of some operations that count as said, for whose word they are: all of a member's. Others show that they
    /// are members, tell this device that it is none any more, or ask to be let in.
    fn believed(
        &mut self,
        link: LinkId,
        id: SpaceId,
        mut ops: Vec<Op>,
        now: Time,
        effects: &mut Effects,
    ) -> Result<Option<Vec<Op>>, Rejection> {
        let (Some(session), Some(space)) = (self.sessions.get(&link), self.spaces.get(&id)) else {
            return Ok(None);
        };
        let peer = session.peer;
        if space.membership.roster().may(peer, Role::Relay) {
            return Ok(Some(ops));
        }
        if space.joining.is_some() {
            return Ok(self.shown_to_newcomer(link, id, ops));
        }
        let news = space.membership.news(id, peer, &ops);
        if !news.is_empty() {
            return Ok(Some(news));
        }
        ops.retain(|op| !space.membership.knows(op.id));
        if ops.is_empty() {
            return Ok(None);
        }
        ops.retain(|op| op.author == peer && op.enters());
        let join = ops.first().ok_or(Rejection::NotMember)?;
        if let Some(reason) = refuse_entry(space, join, now) {
            self.refuse(link, id, reason, effects);
            return Ok(None);
        }
        Ok(Some(ops))
    }

    /// All that a peer has told of a space which this device waits to be let into, as soon as that shows that members
    /// have let the peer in. Until then it may be a guest whose invite has expired: who waits to be let in cannot
    /// judge invites, and must not carry that guest's entry to the members.
    fn shown_to_newcomer(&mut self, link: LinkId, id: SpaceId, ops: Vec<Op>) -> Option<Vec<Op>> {
        let hearing =
            |session: &Session| session.shared.get(&id).is_some_and(|s| s.hearsay.is_some());
        let room = self.sessions.values().filter(|session| hearing(session)).count();
        let space = self.spaces.get(&id)?;
        let session = self.sessions.get_mut(&link)?;
        let (peer, shared) = (session.peer, session.shared.get_mut(&id)?);
        let kept = shared.hearsay.take();
        let keeps = kept.is_some() || room < limits::HEARSAY_LINKS_MAX;
        let mut told = kept.unwrap_or_else(|| Box::new(space.membership.clone()));
        told.insert(id, ops);
        let mut anchors: BTreeSet<DeviceId> = space.membership.roster().devices_in().collect();
        anchors.extend(told.founder());
        if told.is_let_in(peer, &anchors) {
            return Some(told.in_order().cloned().collect());
        }
        // Of others who wait as well there may be so many that what comes in parts finds no room.
        shared.hearsay = keeps.then_some(told);
        None
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
            if added.iter().any(|op| op.author == peer && op.enters()) {
                self.send_all_operations(link, id, now, effects);
                self.start_sharing(link, id, now, rng, effects);
            } else {
                if link != from {
                    let ops = added.iter().map(|op| Bytes(op.bytes.clone())).collect();
                    self.send_operations(link, id, ops, effects);
                }
                if added.iter().any(|op| op.author == peer && op.is_plea()) {
                    self.hand_out_key(link, id, now, rng, effects);
                }
                self.send_heads(link, id, Telling::Digest, now, rng, effects);
            }
            if let Some(session) = self.sessions.get_mut(&link) {
                session.dirty = true;
            }
        }
    }

    pub(super) fn refuse(
        &mut self,
        link: LinkId,
        id: SpaceId,
        reason: JoinRefusal,
        effects: &mut Effects,
    ) {
        let tag = self.sessions.get(&link).and_then(|s| s.shared.get(&id)).map(|s| s.tag_out);
        if let Some(tag) = tag {
            self.send(link, &Frame::Refused(Refused { tag, reason }), effects);
        }
    }

    pub(super) fn on_refused(
        &mut self,
        link: LinkId,
        frame: &Refused,
        now: Time,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(session) = self.sessions.get_mut(&link) else { return Ok(()) };
        let id = session.space_of(frame.tag).ok_or(Rejection::NotProven)?;
        if let Some(shared) = session.shared.get_mut(&id) {
            shared.estranged = frame.reason == JoinRefusal::Stranger;
        }
        let joining = self.spaces.get(&id).is_some_and(|space| space.joining.is_some());
        if frame.reason == JoinRefusal::Stranger {
            let sent = session.shared.get(&id).and_then(|shared| shared.ops_sent);
            if sent.is_none_or(|at| at.plus_ms(ANSWER_EVERY_MS) <= now) {
                self.send_all_operations(link, id, now, effects);
            }
        } else if joining {
            let (peer, reason) = (session.peer, frame.reason);
            effects.events.push(Event::JoinRefused { space: id, peer, reason });
        }
        Ok(())
    }
}

/// Why a device that is not a member's yet is not let in here, if it is not.
fn refuse_entry(space: &crate::space::Space, entry: &Op, now: Time) -> Option<JoinRefusal> {
    let OpBody::Join { invite, card, proof } = &entry.body else {
        let mut membership = space.membership.clone();
        membership.insert(space.id, vec![entry.clone()]);
        let enters = membership.roster().may(entry.author, Role::Relay);
        return (!enters).then_some(JoinRefusal::NotVouched);
    };
    let Some(known) = space.membership.roster().invites.get(invite) else {
        return Some(JoinRefusal::UnknownInvite);
    };
    if known.expires < now && !planted::is(Bug::InviteExpired) {
        return Some(JoinRefusal::Expired);
    }
    let used_up = known.used >= known.uses && !planted::is(Bug::InviteUsedUp);
    if used_up || known.revoked && !planted::is(Bug::InviteRevoked) {
        return Some(JoinRefusal::UsedUp);
    }
    let proven = identity::verify(&known.key, &join_proof(space.id, *invite, card), &proof.bytes());
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
