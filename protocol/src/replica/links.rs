//! The links of large spaces: what happens to them goes to the space's overlay, whose moves are made here.
//!
//! A space of [`limits::FULL_MESH_MAX`] devices or fewer has no overlay: its links are the host's affair alone.
//! A link serves all spaces that both ends have proven on it, and ends when none of them needs it.

use rand_core::CryptoRng;

use super::Replica;
use crate::effect::Effects;
use crate::ids::{DeviceId, LinkId, SpaceId, Time};
use crate::input::Timer;
use crate::limits;
use crate::membership::Role;
use crate::overlay::{Happening, Move, Overlay};
use crate::rejection::Rejection;
use crate::wire::{Echo, Frame, Part, Peers};

/// Notes of others that a new link is told at once; the rest come as they are renewed.
const NOTES_AT_ONCE: usize = 64;

impl Replica {
    /// Where this device is reached has changed.
    pub(super) fn on_reachable(&mut self, addresses: Vec<String>) {
        for overlay in self.overlays.values_mut() {
            overlay.reachable_at(addresses.clone());
        }
        self.addresses = addresses;
    }

    pub(super) fn on_peers(
        &mut self,
        link: LinkId,
        frame: Peers,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let Some(space) = self.spaces.get(&id) else { return Ok(()) };
        let Some(peer) = self.sessions.get(&link).map(|session| session.peer) else {
            return Ok(());
        };
        let mut told = frame.told;
        let roster = space.membership.roster();
        told.samples.retain(|sample| roster.may(sample.device, Role::Relay));
        self.note_links(link, now, rng, effects);
        self.happened(id, Happening::Told(peer, told), now, rng, effects);
        Ok(())
    }

    pub(super) fn on_part(
        &mut self,
        link: LinkId,
        frame: &Part,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        if let Some(peer) = self.sessions.get(&link).map(|session| session.peer) {
            self.happened(id, Happening::Parted(peer), now, rng, effects);
        }
        Ok(())
    }

    pub(super) fn on_echo(
        &mut self,
        link: LinkId,
        frame: &Echo,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        if !frame.back {
            let frame = Frame::Echo(Echo { number: frame.number, back: true });
            self.send_now(link, &frame, effects);
            return;
        }
        let peer = session.peer;
        let Some((_, asked)) = session.echo.take_if(|(number, _)| *number == frame.number) else {
            return;
        };
        let ms = now.0.saturating_sub(asked.0);
        let spaces: Vec<SpaceId> = session.shared.keys().copied().collect();
        for id in spaces {
            self.happened(id, Happening::Trip(peer, ms), now, rng, effects);
        }
    }

    /// Takes links into the overlays of large spaces, and tells a new one who is present.
    pub(super) fn note_links(
        &mut self,
        link: LinkId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(session) = self.sessions.get(&link) else { return };
        let (peer, shared) = (session.peer, session.shared.keys().copied().collect::<Vec<_>>());
        for id in shared {
            if self.member_on(link, id).is_none() {
                continue;
            }
            self.tell_notes(link, id, NOTES_AT_ONCE, now, effects);
            let own = self.device();
            let large = self.spaces.get(&id).is_some_and(|space| {
                space.joining.is_none()
                    && space.membership.roster().devices_in().nth(limits::FULL_MESH_MAX).is_some()
            });
            if !large {
                self.overlays.remove(&id);
                continue;
            }
            let addresses = &self.addresses;
            let overlay = self.overlays.entry(id).or_insert_with(|| {
                let mut overlay = Overlay::new(own);
                overlay.reachable_at(addresses.clone());
                overlay
            });
            if !overlay.is_linked(peer) {
                self.happened(id, Happening::Linked(peer), now, rng, effects);
            }
        }
    }

    /// A link is gone, and so perhaps the peer.
    pub(super) fn unlinked(
        &mut self,
        id: SpaceId,
        peer: DeviceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        if self.link_with(id, peer).is_none() {
            self.happened(id, Happening::Gone(peer), now, rng, effects);
        }
    }

    pub(super) fn on_space_timer(
        &mut self,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        if self.wakes.get(&id).is_some_and(|at| *at <= now) {
            self.wakes.remove(&id);
        }
        self.look_after_notes(id, now, rng, effects);
        self.happened(id, Happening::Woken, now, rng, effects);
        self.wake_for(id, now, effects);
    }

    /// Asks to be woken for a space.
    pub(super) fn wake_for(&mut self, id: SpaceId, now: Time, effects: &mut Effects) {
        let overlay = self.overlays.get(&id).map(|overlay| overlay.wake_at(now));
        let notes = self.presences.get(&id).and_then(|presences| presences.wake_at());
        let Some(at) = overlay.into_iter().chain(notes).min() else { return };
        let at = at.max(now.plus_ms(1));
        if self.wakes.get(&id).is_none_or(|wake| at < *wake) {
            self.wakes.insert(id, at);
            effects.timers.push((at, Timer::Space(id)));
        }
    }

    /// Feeds a space's overlay, if it has one, and makes its moves.
    fn happened(
        &mut self,
        id: SpaceId,
        what: Happening,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let mut moves = Vec::new();
        let Some(overlay) = self.overlays.get_mut(&id) else { return };
        overlay.handle(what, now, rng, &mut moves);
        for one in moves {
            match one {
                Move::Dial(peer, addresses) => effects.dial.push((peer, addresses)),
                Move::Tell(peer, told) => {
                    let Some((link, tag)) = self.link_with(id, peer) else { continue };
                    self.send(link, &Frame::Peers(Peers { tag, told }), effects);
                    let number = rng.next_u64();
                    if let Some(session) = self.sessions.get_mut(&link) {
                        session.echo = Some((number, now));
                    }
                    self.send(link, &Frame::Echo(Echo { number, back: false }), effects);
                }
                Move::Part(peer) => {
                    if let Some((link, tag)) = self.link_with(id, peer) {
                        self.send(link, &Frame::Part(Part { tag }), effects);
                    }
                }
                Move::Release(peer) => self.release(peer, effects),
            }
        }
        self.wake_for(id, now, effects);
    }

    /// The link with a device on which both ends have proven a space, and what frames call it there.
    fn link_with(&self, id: SpaceId, peer: DeviceId) -> Option<(LinkId, crate::wire::Tag)> {
        let mut links = self.sessions.iter().filter(|(_, session)| session.peer == peer);
        links.find_map(|(link, session)| Some((*link, session.shared.get(&id)?.tag_out)))
    }

    /// Ends the links with a device that no space needs.
    fn release(&self, peer: DeviceId, effects: &mut Effects) {
        for (link, session) in self.sessions.iter().filter(|(_, session)| session.peer == peer) {
            let needed =
                |id: &SpaceId| self.overlays.get(id).is_none_or(|overlay| overlay.needs(peer));
            if !session.shared.is_empty() && !session.shared.keys().any(needed) {
                effects.part.push(*link);
            }
        }
    }
}
