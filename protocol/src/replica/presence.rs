//! Notes of presence on their way: from the user, over links, to those who listen.
//!
//! A note goes at once along eager links, as entries do; who gets it twice asks the later peer to leave the
//! device's notes out. Whose peer is gone, or whose notes do not come in time, asks everybody again. A device's notes
//! follow each other on a link no faster than [`limits::PRESENCE_EVERY_MS`]; the latest goes in the end.

use rand_core::CryptoRng;

use super::Replica;
use crate::effect::{Effects, Event, Outcome, Refusal};
use crate::ids::{DeviceId, LinkId, SpaceId, Time};
use crate::limits;
use crate::membership::Role;
use crate::planted::{self, Bug};
use crate::presence::Note;
use crate::rejection::Rejection;
use crate::view::PresenceView;
use crate::wire::{Frame, Notes, Presence};

impl Replica {
    /// Who is present in a space, this device included if it is.
    #[must_use]
    pub fn presences(&self, id: SpaceId) -> Option<Vec<PresenceView>> {
        let space = self.spaces.get(&id)?;
        let devices = self.presences.get(&id).into_iter().flat_map(|known| &known.devices);
        let view = |(device, present): (&DeviceId, &crate::presence::Present)| {
            Some(PresenceView {
                device: *device,
                name: space.device_name(*device),
                this_device: *device == self.device(),
                value: present.value.clone()?,
            })
        };
        Some(devices.filter_map(view).collect())
    }

    pub(super) fn present(
        &mut self,
        id: SpaceId,
        value: Option<Vec<u8>>,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let space = self.spaces.get(&id).ok_or(Refusal::UnknownSpace)?;
        if value.as_ref().is_some_and(|value| value.len() > limits::PRESENCE_BYTES_MAX) {
            let max = limits::PRESENCE_BYTES_MAX as u64;
            return Err(Refusal::Limit { what: "bytes of a presence", max });
        }
        if !space.membership.roster().may(self.device(), Role::Read) {
            return Err(Refusal::NotAllowed { needs: Role::Read });
        }
        let readable = space.writing_epoch().and_then(|epoch| space.keyring.get(epoch));
        readable.ok_or(Refusal::NotReady)?;
        let renew = now.plus_ms(limits::PRESENCE_RENEW_MS);
        let own = value.clone().map(|value| (value, renew));
        self.presences.entry(id).or_default().own = own;
        self.say(id, value, now, rng, effects);
        self.wake_for(id, now, effects);
        Ok(Outcome::Presented)
    }

    /// Seals a note of this device's own and passes it on.
    fn say(
        &mut self,
        id: SpaceId,
        value: Option<Vec<u8>>,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let device = self.device();
        let Some(space) = self.spaces.get(&id) else { return };
        let Some(epoch) = space.writing_epoch() else { return };
        let Some(key) = space.keyring.get(epoch) else { return };
        let presences = self.presences.entry(id).or_default();
        // Numbers of an earlier start were not above its clock's milliseconds, one for each note and more.
        presences.number = now.0.max(presences.number.saturating_add(1));
        let under = (epoch, key);
        let number = presences.number;
        let identity = &self.identity;
        let note = Note::seal(space.pseudonym, identity, under, number, value.as_deref(), rng);
        let until = now.plus_ms(limits::PRESENCE_FOR_MS);
        if presences.take(note, value.clone(), until, None) {
            effects.events.push(Event::Presence { space: id, device, value });
        }
        self.pass_on(id, device, now, effects);
    }

    pub(super) fn on_presence(
        &mut self,
        link: LinkId,
        frame: Presence,
        now: Time,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let Some(space) = self.spaces.get(&id).filter(|space| space.joining.is_none()) else {
            return Ok(());
        };
        let Presence { left_ms, note, .. } = frame;
        let device = note.device;
        if !space.membership.roster().may(device, Role::Read) {
            return Err(Rejection::NotMember);
        }
        if device == self.identity.device() {
            return Ok(());
        }
        let presences = self.presences.entry(id).or_default();
        let news = presences.is_news(&note);
        let same = presences.devices.get(&device).is_some_and(|p| p.number == note.number);
        if news && !note.verify(space.pseudonym) && !planted::is(Bug::NoteUnsigned) {
            return Err(Rejection::BadNote);
        }
        let session = self.sessions.get_mut(&link);
        let member = |peer| space.membership.roster().may(peer, Role::Relay);
        let member = session.as_ref().is_some_and(|session| member(session.peer));
        let direct = session.as_ref().is_some_and(|session| session.peer == device);
        let Some(shared) = session.and_then(|session| session.shared.get_mut(&id)) else {
            return Ok(());
        };
        let mut ask = None;
        if news || same {
            let (has, branch) = shared.notes.entry(device).or_default();
            *has = note.number.max(*has);
            if news && branch.on_new() {
                ask = Some(true);
            } else if same && !direct && branch.on_repeated() {
                ask = Some(false);
            }
        }
        let tag = shared.tag_out;
        if ask == Some(false) {
            // Who is asked to be lazy is to be asked again when the next note is late.
            presences.devices.entry(device).and_modify(|present| present.asked = None);
        }
        if let Some(eager) = ask.filter(|_| member) {
            let number = note.number;
            self.send_now(link, &Frame::Notes(Notes { tag, device, number, eager }), effects);
            self.wake_for(id, now, effects);
        }
        if news {
            let left_ms = u64::from(left_ms).min(limits::PRESENCE_FOR_MS);
            self.take_note(id, note, now.plus_ms(left_ms), link, now, effects);
        }
        Ok(())
    }

    fn take_note(
        &mut self,
        id: SpaceId,
        note: Note,
        until: Time,
        link: LinkId,
        now: Time,
        effects: &mut Effects,
    ) {
        let device = note.device;
        let Some(space) = self.spaces.get(&id) else { return };
        let key = space.keyring.get(note.epoch);
        let value = key.and_then(|key| note.open(space.pseudonym, key)).flatten();
        let presences = self.presences.entry(id).or_default();
        if presences.take(note, value.clone(), until, Some(link)) {
            effects.visible.push(Event::Presence { space: id, device, value });
        }
        self.pass_on(id, device, now, effects);
        self.wake_for(id, now, effects);
    }

    /// Whether notes of a device are to go to a peer at once.
    pub(super) fn on_notes(
        &mut self,
        link: LinkId,
        frame: &Notes,
        now: Time,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let id = self.proven(link, frame.tag)?;
        let own = frame.device == self.device();
        let known = self.presences.get(&id).is_some_and(|p| p.devices.contains_key(&frame.device));
        let shared = self.sessions.get_mut(&link).and_then(|s| s.shared.get_mut(&id));
        if let Some(shared) = shared.filter(|_| known) {
            let (has, branch) = shared.notes.entry(frame.device).or_default();
            *has = frame.number.max(*has);
            // A device sends its own notes itself, to all it is linked with.
            branch.on_asked(frame.eager || own);
            if frame.eager {
                self.pass_on(id, frame.device, now, effects);
                self.wake_for(id, now, effects);
            }
        }
        Ok(())
    }

    /// Sends the latest note of a device to the peers that lack it and want it at once, unless another has just
    /// gone.
    fn pass_on(&mut self, id: SpaceId, device: DeviceId, now: Time, effects: &mut Effects) {
        let Some(space) = self.spaces.get(&id) else { return };
        let presences = self.presences.get_mut(&id);
        let Some(present) = presences.and_then(|p| p.devices.get_mut(&device)) else { return };
        present.waits = present.next > now;
        let Some((note, until)) = present.held.clone().filter(|_| !present.waits) else { return };
        let mut sent = false;
        let mut frames = Vec::new();
        for (link, session) in &mut self.sessions {
            let member = space.membership.roster().may(session.peer, Role::Relay);
            let Some(shared) = session.shared.get_mut(&id) else { continue };
            let (has, branch) = shared.notes.entry(device).or_default();
            if !member || session.peer == device || *has >= note.number || !branch.eager() {
                continue;
            }
            *has = note.number;
            sent = true;
            frames.push((*link, note_frame(shared.tag_out, &note, until, now)));
        }
        if sent {
            present.next = now.plus_ms(limits::PRESENCE_EVERY_MS);
        }
        for (link, frame) in frames {
            self.send_now(link, &frame, effects);
        }
    }

    /// Tells a peer who is present, once.
    pub(super) fn tell_notes(
        &mut self,
        link: LinkId,
        id: SpaceId,
        most: usize,
        now: Time,
        effects: &mut Effects,
    ) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let peer = session.peer;
        let Some(shared) = session.shared.get_mut(&id) else { return };
        if std::mem::replace(&mut shared.notes_told, true) {
            return;
        }
        let mut frames = Vec::new();
        let devices = self.presences.get(&id).into_iter().flat_map(|known| &known.devices);
        for (device, present) in devices.filter(|(device, _)| **device != peer).take(most) {
            let Some((note, until)) = &present.held else { continue };
            let (has, _) = shared.notes.entry(*device).or_default();
            if *has < note.number {
                *has = note.number;
                frames.push(note_frame(shared.tag_out, note, *until, now));
            }
        }
        for frame in frames {
            self.send_now(link, &frame, effects);
        }
    }

    /// Asks everybody for the notes of devices that a lost link has brought.
    pub(super) fn source_gone(&mut self, link: LinkId, id: SpaceId, effects: &mut Effects) {
        let devices = self.presences.get(&id).into_iter().flat_map(|known| &known.devices);
        let orphaned = devices.filter(|(_, present)| present.from == Some(link));
        let orphaned: Vec<DeviceId> = orphaned.map(|(device, _)| *device).collect();
        for device in orphaned {
            self.ask_all(id, device, effects);
        }
    }

    fn ask_all(&mut self, id: SpaceId, device: DeviceId, effects: &mut Effects) {
        let mut asked = Vec::new();
        let known = self.presences.get(&id).and_then(|known| known.devices.get(&device));
        let number = known.map_or(0, |present| present.number);
        let Some(space) = self.spaces.get(&id) else { return };
        for (link, session) in &mut self.sessions {
            if space.membership.roster().may(session.peer, Role::Relay)
                && let Some(shared) = session.shared.get_mut(&id)
                && let Some((_, branch)) = shared.notes.get_mut(&device)
            {
                // What asked it before may have been lost.
                branch.on_new();
                let tag = shared.tag_out;
                let frame = Frame::Notes(Notes { tag, device, number, eager: true });
                asked.push((*link, frame));
            }
        }
        for (link, frame) in asked {
            self.send_now(link, &frame, effects);
        }
    }

    /// Renews what this device says, drops what has ended, asks for what is overdue, passes on what had to wait.
    pub(super) fn look_after_notes(
        &mut self,
        id: SpaceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(presences) = self.presences.get_mut(&id) else { return };
        let mut overdue = presences.overdue(now);
        for device in presences.expire(now) {
            effects.visible.push(Event::Presence { space: id, device, value: None });
            overdue.push(device);
        }
        let waiting = presences.devices.iter().filter(|(_, p)| p.waits && p.next <= now);
        let waiting: Vec<DeviceId> = waiting.map(|(device, _)| *device).collect();
        let renewed = presences.own.as_mut().filter(|(_, at)| *at <= now).map(|(value, at)| {
            *at = now.plus_ms(limits::PRESENCE_RENEW_MS);
            value.clone()
        });
        if renewed.is_some() {
            self.say(id, renewed, now, rng, effects);
        }
        for device in overdue {
            self.ask_all(id, device, effects);
        }
        for device in waiting {
            self.pass_on(id, device, now, effects);
        }
    }
}

fn note_frame(tag: crate::wire::Tag, note: &Note, until: Time, now: Time) -> Frame {
    let left_ms = u32::try_from(until.0.saturating_sub(now.0)).unwrap_or(u32::MAX);
    Frame::Presence(Presence { tag, left_ms, note: note.clone() })
}
