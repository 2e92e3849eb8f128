//! Making another device one of this member's, from either end.
//!
//! A device without spaces shows a code and waits ([`Wish::AwaitLink`](crate::Wish)); a device of a member that was
//! given the code ([`Wish::AddDevice`](crate::Wish)) vouches for it and welcomes it on the next link with it. Taking a
//! welcome is one batch: the new card, and every space with the operation that enters it. Deliberately not here: how a
//! welcome is sealed.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Replica, turn};
use crate::card::DeviceCard;
use crate::effect::{Effects, Event, Outcome, Refusal};
use crate::entry::Bytes;
use crate::ids::{DeviceId, LinkId, Time};
use crate::layout;
use crate::limits;
use crate::linking::{Grant, LinkCode, LinkRefusal, Part, Way, Welcome};
use crate::membership::{Op, OpBody};
use crate::rejection::Rejection;
use crate::session::Side;
use crate::space::Space;
use crate::wire::{Frame, Linking};

/// What goes on about linking at a device.
#[derive(Default)]
pub(crate) struct Links {
    /// The code that this device shows.
    awaiting: Option<Awaiting>,
    /// Codes of devices that are to become this member's.
    adding: BTreeMap<DeviceId, (LinkCode, Vec<String>)>,
}

/// A code that is shown, and what of a welcome has come.
struct Awaiting {
    secret: Zeroizing<[u8; 32]>,
    expires: Time,
    taking: Option<Taking>,
}

/// The first parts of a welcome.
struct Taking {
    link: LinkId,
    parts: u16,
    welcome: Welcome,
    taken: u16,
}

impl Replica {
    /// Shows a code by which a device of a member can make this one another of its devices.
    pub(super) fn await_link(
        &mut self,
        mut addresses: Vec<String>,
        now: Time,
        rng: &mut dyn CryptoRng,
    ) -> Result<Outcome, Refusal> {
        if !self.spaces.is_empty() {
            return Err(Refusal::HasSpaces);
        }
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        addresses.truncate(limits::TICKET_ADDRESSES_MAX);
        let expires = now.plus_ms(limits::LINK_CODE_MS_MAX);
        let (device, kem) = (self.device(), self.identity.kem_public());
        let code = LinkCode { device, kem, expires, addresses, secret: *secret };
        self.linking.awaiting = Some(Awaiting { secret, expires, taking: None });
        Ok(Outcome::AwaitingLink(Box::new(code)))
    }

    /// Remembers the code of a new device, and welcomes the device if there is a link with it.
    pub(super) fn add_device(
        &mut self,
        code: LinkCode,
        mut addresses: Vec<String>,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let device = code.device;
        if code.expires < now {
            return Err(Refusal::CodeExpired);
        }
        if device == self.device() {
            return Err(Refusal::OwnDevice);
        }
        if self.identity.card().certificate.via.len() >= limits::VOUCHERS_MAX {
            let max = limits::VOUCHERS_MAX as u64;
            return Err(Refusal::Limit {
                what: "devices that vouch for one another in a row",
                max,
            });
        }
        if let Some(by) = self.removed_everywhere() {
            return Err(Refusal::Removed { by });
        }
        self.linking.adding.retain(|_, (code, _)| code.expires >= now);
        if self.linking.adding.len() >= limits::LINKINGS_MAX {
            let max = limits::LINKINGS_MAX as u64;
            return Err(Refusal::Limit { what: "devices added at a time", max });
        }
        addresses.truncate(limits::TICKET_ADDRESSES_MAX);
        self.linking.adding.insert(device, (code, addresses));
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        for link in links {
            self.welcome(link, now, rng, effects);
        }
        Ok(Outcome::Adding(device))
    }

    /// Who took this device out, if it has spaces and is out of every one.
    fn removed_everywhere(&self) -> Option<DeviceId> {
        let device = self.device();
        let removed = |space: &Space| space.membership.removed_by(device);
        if self.spaces.values().all(|space| removed(space).is_some()) {
            self.spaces.values().find_map(removed)
        } else {
            None
        }
    }

    /// Gives the device at the other end of a link what it needs to become this member's, if it is to.
    pub(super) fn welcome(
        &mut self,
        link: LinkId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some((ours, theirs)) = self.sides(link) else { return };
        let Some((code, addresses)) = self.linking.adding.get(&theirs.device) else { return };
        if code.expires < now {
            self.linking.adding.remove(&theirs.device);
            return;
        }
        let card = self.identity.certify(code.device, code.kem);
        let mut grants = self.grants(&card);
        let of = grants.len().div_ceil(limits::GRANTS_PER_PART_MAX).max(1);
        let Ok(of) = u16::try_from(of) else { return };
        let mut frames = Vec::new();
        for number in 0..of {
            let rest = grants.split_off(grants.len().min(limits::GRANTS_PER_PART_MAX));
            let spaces = std::mem::replace(&mut grants, rest);
            let addresses = if number == 0 { addresses.clone() } else { Vec::new() };
            let welcome = Welcome { card: card.clone(), addresses, spaces };
            let part = Part { number, of };
            let way = Way { from: &ours, to: &theirs };
            let Some(sealed) = welcome.seal(code, part, way, rng) else { return };
            frames.push(Frame::Linking(Linking::Welcome { part, sealed: Bytes(sealed) }));
        }
        for frame in frames {
            self.send(link, &frame, effects);
        }
    }

    /// The spaces in which this member stands and the vouchers of the card have not been taken out.
    fn grants(&self, card: &DeviceCard) -> Vec<Grant> {
        let grant = |space: &Space| {
            let roster = space.membership.roster();
            let out = |device: DeviceId| roster.devices.get(&device).is_some_and(|d| !d.active);
            roster.role(self.device())?;
            if card.certificate.via.iter().any(|voucher| out(voucher.device)) {
                return None;
            }
            let name = space.name();
            Some(Grant {
                space: space.id,
                secret: *space.secret,
                name: if name.len() <= limits::NAME_BYTES_MAX { name } else { String::new() },
                standing: space.membership.standing_of(card.member)?,
            })
        };
        self.spaces.values().filter_map(grant).take(limits::SPACES_MAX).collect()
    }

    pub(super) fn on_linking(
        &mut self,
        link: LinkId,
        frame: Linking,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let Some(peer) = self.sessions.get(&link).map(|session| session.peer) else {
            return Ok(());
        };
        match frame {
            Linking::Welcome { part, sealed } => {
                let Some((ours, theirs)) = self.sides(link) else { return Ok(()) };
                self.on_welcome(link, part, &sealed.0, (ours, theirs), now, rng, effects)
            }
            Linking::Taken => {
                if self.linking.adding.remove(&peer).is_some() {
                    effects.events.push(Event::DeviceAdded { device: peer });
                }
                Ok(())
            }
            Linking::Declined(reason) => {
                if self.linking.adding.remove(&peer).is_some() {
                    effects.events.push(Event::DeviceDeclined { device: peer, reason });
                }
                Ok(())
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the branches of a frame take what it came with")]
    fn on_welcome(
        &mut self,
        link: LinkId,
        part: Part,
        sealed: &[u8],
        (ours, theirs): (Side, Side),
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<(), Rejection> {
        let sender = theirs.device;
        if self.linking.awaiting.as_ref().is_some_and(|awaiting| awaiting.expires < now) {
            self.linking.awaiting = None;
        }
        let Some(awaiting) = self.linking.awaiting.as_ref() else {
            if self.identity.card().certifier() == Some(sender) {
                // It was taken before, and the sender has not heard.
                self.send(link, &Frame::Linking(Linking::Taken), effects);
                return Ok(());
            }
            return Err(self.decline(link, LinkRefusal::NotWaiting, effects));
        };
        if !self.spaces.is_empty() {
            return Err(self.decline(link, LinkRefusal::InUse, effects));
        }
        let way = Way { from: &theirs, to: &ours };
        let secret = awaiting.secret.clone();
        let Some(welcome) = Welcome::open(sealed, &secret, part, way, &self.identity) else {
            return Err(self.decline(link, LinkRefusal::WrongCode, effects));
        };
        if !welcome.fits(&self.identity, sender) {
            return Err(Rejection::BadWelcome);
        }
        let Some(whole) = self.collect(link, part, welcome)? else { return Ok(()) };
        self.take(link, sender, &whole, now, rng, effects);
        Ok(())
    }

    fn decline(&mut self, link: LinkId, reason: LinkRefusal, effects: &mut Effects) -> Rejection {
        self.send(link, &Frame::Linking(Linking::Declined(reason)), effects);
        match reason {
            LinkRefusal::WrongCode => Rejection::BadWelcome,
            LinkRefusal::NotWaiting | LinkRefusal::InUse => Rejection::NotWaiting,
        }
    }

    /// Puts a part behind those before it; the whole once it is there.
    fn collect(
        &mut self,
        link: LinkId,
        part: Part,
        welcome: Welcome,
    ) -> Result<Option<Welcome>, Rejection> {
        let Some(awaiting) = self.linking.awaiting.as_mut() else { return Ok(None) };
        if part.number == 0 {
            awaiting.taking = Some(Taking { link, parts: part.of, welcome, taken: 1 });
        } else {
            let taking = awaiting.taking.as_mut().ok_or(Rejection::BadWelcome)?;
            let next =
                taking.link == link && (taking.parts, taking.taken) == (part.of, part.number);
            if !next || taking.welcome.card != welcome.card {
                return Err(Rejection::BadWelcome);
            }
            taking.welcome.spaces.extend(welcome.spaces);
            taking.taken += 1;
        }
        let whole = awaiting.taking.take_if(|taking| taking.taken == taking.parts);
        Ok(whole.map(|taking| taking.welcome))
    }

    /// Becomes a device of the sender's member, and is about to enter its spaces.
    fn take(
        &mut self,
        link: LinkId,
        sender: DeviceId,
        welcome: &Welcome,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        if !self.identity.recertify(welcome.card.clone()) {
            return;
        }
        self.linking.awaiting = None;
        let device = self.device();
        for grant in welcome.spaces.iter().take(limits::SPACES_MAX) {
            let body = OpBody::AddDevice { card: welcome.card.clone() };
            let enter = Op::sign(Some(grant.space), vec![grant.standing], body, &self.identity);
            let name = grant.name.clone();
            let mut space = Space::new(grant.space, grant.secret, name, device, rng.next_u64());
            space.joining = Some(enter);
            let mut turn = turn!(self, now, rng, effects);
            space.write_row(&mut turn);
            self.spaces.insert(grant.space, space);
        }
        let mut turn = turn!(self, now, rng, effects);
        turn.put_row(layout::card_key(), layout::KIND_CARD, &welcome.card);
        turn.effects.batch.require_durable();
        self.send(link, &Frame::Linking(Linking::Taken), effects);
        let (member, addresses) = (welcome.card.member, welcome.addresses.clone());
        effects.events.push(Event::Linked { member, by: sender, addresses });
        self.claim_everywhere(now, rng, effects);
    }

    /// Reads the card that this device was given since its keys were made, if it was.
    pub(super) fn read_card(&mut self, now: Time, rng: &mut dyn CryptoRng, effects: &mut Effects) {
        let key = layout::card_key();
        let mut turn = turn!(self, now, rng, effects);
        if turn.get(&key).is_none() {
            return;
        }
        let card: Option<DeviceCard> = turn.row(&key, layout::KIND_CARD);
        if !card.is_none_or(|card| self.identity.recertify(card)) {
            effects.halt.get_or_insert(crate::turn::damaged(&key));
        }
    }
}
