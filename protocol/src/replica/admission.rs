//! Which frames are looked at, and what wrong ones cost: the gate before everything in `received`.

use rand_core::CryptoRng;

use super::Replica;
use crate::effect::{Effects, Event};
use crate::envelope;
use crate::ids::{DeviceId, LinkId, Time};
use crate::limits::{self, Pace};
use crate::membership::Role;
use crate::rejection::Rejection;
use crate::session::{Entrance, Session};
use crate::wire::{KIND_ENTRIES, KIND_NEXT, KIND_OPERATIONS};

impl Replica {
    /// Whose frame it is and whether it carries entries, if it is to be looked at.
    pub(super) fn admitted(
        &mut self,
        link: LinkId,
        bytes: &[u8],
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Option<(DeviceId, bool)> {
        let pace = self.pace(link)?;
        let session = self.sessions.get_mut(&link)?;
        session.keep_pace(pace, now);
        self.counters.frames_received += 1;
        self.counters.bytes_received += bytes.len() as u64;
        let (peer, run) = (session.peer, is_run(bytes));
        let bounded = run && pace == &limits::PACE_OF_MEMBERS;
        let (frames, bytes) = if bounded { (0, 0) } else { cost(bytes) };
        match session.admit(frames, bytes, now) {
            Entrance::Welcome => return Some((peer, run)),
            Entrance::TooFast => self.counters.frames_dropped += 1,
            Entrance::Flood => self.on_rejection(link, Rejection::Flood, now, rng, effects),
        }
        None
    }

    /// Counts a frame of entries that brought nothing new. If that is too much, the next frame meets it.
    pub(super) fn count_useless(&mut self, link: LinkId, bytes: &[u8], refused: bool, now: Time) {
        if (refused || bytes.len() < limits::RUN_BYTES_UNCOUNTED)
            && let Some(session) = self.sessions.get_mut(&link)
        {
            session.admit(1, 0, now);
        }
    }

    /// How fast the peer of a link may speak. Who waits to be let in takes whoever has proven the space for a
    /// member.
    fn pace(&self, link: LinkId) -> Option<&'static Pace> {
        let session = self.sessions.get(&link)?;
        let member = |id| {
            self.spaces.get(id).is_some_and(|space| {
                space.joining.is_some() || space.membership.roster().may(session.peer, Role::Relay)
            })
        };
        Some(if session.shared.is_empty() {
            &limits::PACE_OF_STRANGERS
        } else if session.shared.keys().any(member) {
            &limits::PACE_OF_MEMBERS
        } else {
            &limits::PACE_OF_GUESTS
        })
    }

    pub(super) fn on_rejection(
        &mut self,
        link: LinkId,
        rejection: Rejection,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        self.counters.rejections += 1;
        let Some(peer) = self.sessions.get(&link).map(|session| session.peer) else { return };
        effects.events.push(Event::Rejected { link, peer, rejection });
        let Some(until) = self.conduct.refused(peer, rejection, now) else { return };
        effects.events.push(Event::GreyListed { peer, until, rejection });
        let of_peer =
            |(link, session): (&LinkId, &Session)| (session.peer == peer).then_some(*link);
        let links: Vec<LinkId> = self.sessions.iter().filter_map(of_peer).collect();
        for link in links {
            self.on_peer_gone(link, now, rng, effects);
            effects.close.push(link);
        }
    }
}

/// Whether a frame carries entries, which credit bounds.
fn is_run(bytes: &[u8]) -> bool {
    matches!(envelope::split(bytes).map(|frame| frame.kind), Some(KIND_ENTRIES | KIND_NEXT))
}

/// What a frame costs of its sender's pace: frames, bytes.
fn cost(bytes: &[u8]) -> (u64, u64) {
    let operations = envelope::split(bytes).is_some_and(|frame| frame.kind == KIND_OPERATIONS);
    let weight = if operations { limits::OPERATION_BYTES_WEIGHT } else { 1 };
    (1, weight * bytes.len() as u64)
}
