//! Changing who belongs to a space: the wishes of admins, and telling everybody what has been decided here.

use rand_core::CryptoRng;

use super::heads::ANSWER_EVERY_MS;
use super::{Replica, turn};
use crate::effect::{Effects, Event, Outcome, Refusal};
use crate::entry::Bytes;
use crate::ids::{LinkId, SpaceId, Time};
use crate::input::Governance;
use crate::membership::{Op, OpBody, Role, Subject};
use crate::planted::{self, Bug};
use crate::space::Space;
use crate::turn::Turn;

impl Replica {
    pub(super) fn govern(
        &mut self,
        id: SpaceId,
        what: &Governance,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let space = self.spaces.get_mut(&id).ok_or(Refusal::UnknownSpace)?;
        if space.joining.is_some() || space.membership.roster().role(space.own.device).is_none() {
            return Err(space.not_ready());
        }
        let mut turn = turn!(self, now, rng, effects);
        let bodies = bodies(space, what, &mut turn)?;
        for body in bodies {
            propose(space, body, &mut turn)?;
        }
        Ok(Outcome::Governed)
    }

    /// Follows what this device has decided itself, and tells the members about it.
    pub(super) fn tell_fresh(&mut self, now: Time, rng: &mut dyn CryptoRng, effects: &mut Effects) {
        let fresh: Vec<SpaceId> =
            self.spaces.values().filter(|s| !s.fresh.is_empty()).map(|s| s.id).collect();
        for id in fresh {
            self.follow(id, now, rng, effects);
            let ops = self.spaces.get_mut(&id).map(|space| std::mem::take(&mut space.fresh));
            let ops: Vec<Op> = ops.unwrap_or_default();
            let removes = ops.iter().any(|op| matches!(op.body, OpBody::Remove { .. }));
            effects.events.push(Event::MembersChanged { space: id });
            let links: Vec<LinkId> = self.sessions.keys().copied().collect();
            for link in links {
                if self.member_on(link, id).is_some() {
                    let ops = ops.iter().map(|op| Bytes(op.bytes.clone())).collect();
                    self.send_operations(link, id, ops, effects);
                } else if removes {
                    // What this device has just decided does not wait for its turn.
                    let session = self.sessions.get_mut(&link);
                    if let Some(shared) = session.and_then(|s| s.shared.get_mut(&id)) {
                        shared.ops_sent = None;
                    }
                    self.say_farewell(link, id, now, effects);
                }
            }
        }
    }

    /// Shows the peer of a link that it has been taken out, if it has; tells whether.
    pub(super) fn say_farewell(
        &mut self,
        link: LinkId,
        id: SpaceId,
        now: Time,
        effects: &mut Effects,
    ) -> bool {
        let (Some(space), Some(session)) = (self.spaces.get(&id), self.sessions.get_mut(&link))
        else {
            return false;
        };
        let Some(shared) = session.shared.get_mut(&id) else { return false };
        let ops = space.membership.farewell(session.peer, space.own.device);
        if ops.is_empty() || planted::is(Bug::FarewellNever) {
            return false;
        }
        if shared.ops_sent.is_none_or(|at| at.plus_ms(ANSWER_EVERY_MS) <= now) {
            shared.ops_sent = Some(now);
            let ops = ops.into_iter().map(|op| Bytes(op.bytes.clone())).collect();
            self.send_operations(link, id, ops, effects);
        }
        true
    }

    /// Shows the peer of a link all spaces that it has been taken out of.
    pub(super) fn say_farewells(&mut self, link: LinkId, now: Time, effects: &mut Effects) {
        let session = self.sessions.get(&link);
        let shared = session.into_iter().flat_map(|session| session.shared.keys());
        for id in shared.copied().collect::<Vec<SpaceId>>() {
            self.say_farewell(link, id, now, effects);
        }
    }

    /// Brings a space in line with its roster, and the links with the space.
    pub(super) fn follow(
        &mut self,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(space) = self.spaces.get_mut(&id) else { return };
        let mut turn = turn!(self, now, rng, effects);
        let visible = space.follow_roster(&mut turn);
        for log in std::mem::take(&mut space.shortened) {
            let head = space.head(log).seq;
            for session in self.sessions.values_mut() {
                session.dirty = true;
                if let Some(progress) =
                    session.shared.get_mut(&id).and_then(|shared| shared.progress.get_mut(&log))
                {
                    progress.parted = false;
                    progress.sent = progress.sent.min(head);
                    progress.acked = progress.acked.min(head);
                }
            }
            effects.events.push(Event::Forked { space: id, log });
        }
        Self::announce(space, &visible, false, effects);
    }
}

/// The operations that carry out a wish.
fn bodies(space: &Space, what: &Governance, turn: &mut Turn<'_>) -> Result<Vec<OpBody>, Refusal> {
    let roster = space.membership.roster();
    let body = match what {
        Governance::SetRole { member, role } => {
            let known = roster.members.get(member).ok_or(Refusal::UnknownMember)?;
            if known.role == *role {
                return Ok(Vec::new());
            }
            let lowered = known.role >= Role::Write && *role < Role::Write;
            let cut = if lowered { space.cut_of(Subject::Member(*member)) } else { Vec::new() };
            OpBody::SetRole { member: *member, role: *role, cut }
        }
        Governance::RemoveMember { member } => {
            roster.members.get(member).ok_or(Refusal::UnknownMember)?;
            let subject = Subject::Member(*member);
            OpBody::Remove { subject, cut: space.cut_of(subject), root: None }
        }
        Governance::RemoveDevice { device } => {
            roster.role(*device).ok_or(Refusal::UnknownMember)?;
            let subject = Subject::Device(*device);
            OpBody::Remove { subject, cut: space.cut_of(subject), root: None }
        }
        Governance::RevokeDevice { device, word } => {
            let known = roster.devices.get(device).filter(|known| known.active);
            let known = known.ok_or(Refusal::UnknownMember)?;
            let own = roster.devices.get(&space.own.device).map(|own| own.card.member);
            let theirs = known.card.member;
            let fits = own == Some(theirs) && word.member == theirs;
            if !fits || !word.revokes(space.id, *device, space.own.device) {
                return Err(Refusal::WrongPhrase);
            }
            let subject = Subject::Device(*device);
            OpBody::Remove { subject, cut: space.cut_of(subject), root: Some(*word) }
        }
        Governance::RevokeInvite { invite } => {
            roster.invites.get(invite).ok_or(Refusal::UnknownInvite)?;
            OpBody::Revoke { invite: *invite }
        }
        Governance::Adopt { log } => {
            let known = space.logs.get(log).ok_or(Refusal::UnknownLog)?;
            if known.quarantined() == 0 {
                return Ok(Vec::new());
            }
            OpBody::Adopt { log: known.opening, head: known.head }
        }
        Governance::Checkpoint { away_ms } => {
            let cut = space.stable_cut(*away_ms, turn);
            if cut.is_empty() {
                return Err(Refusal::NothingStable);
            }
            OpBody::Checkpoint { cut }
        }
    };
    Ok(vec![body])
}

/// Makes an operation if it would count.
fn propose(space: &mut Space, body: OpBody, turn: &mut Turn<'_>) -> Result<(), Refusal> {
    if let OpBody::Remove { cut, .. } | OpBody::SetRole { cut, .. } = &body
        && cut.len() > crate::limits::CUT_LOGS_MAX
    {
        let max = crate::limits::CUT_LOGS_MAX as u64;
        return Err(Refusal::Limit { what: "logs of one member", max });
    }
    let needs = Role::Admin;
    let admin = space.membership.roster().may(space.own.device, needs);
    let op = Op::sign(Some(space.id), space.membership.heads(), body, turn.identity);
    let mut then = space.membership.clone();
    then.insert(space.id, vec![op.clone()]);
    if !then.counts(op.id) {
        return Err(if admin { Refusal::Outranked } else { Refusal::NotAllowed { needs } });
    }
    space.keep_operation(op, turn);
    Ok(())
}
