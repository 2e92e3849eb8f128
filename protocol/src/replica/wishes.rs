//! What the user wants: each wish ends in one granted or refused event.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Replica, turn};
use crate::effect::{Effects, Event, Outcome, Refusal};
use crate::entry::Signature;
use crate::ids::{LinkId, SpaceId, Time, WishId};
use crate::input::{ObjectEdit, Wish};
use crate::limits;
use crate::membership::{History, Op, OpBody, Role, join_proof};
use crate::space::Space;
use crate::ticket::Ticket;

impl Replica {
    pub(super) fn on_wish(
        &mut self,
        wish: WishId,
        what: Wish,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let result = match what {
            Wish::CreateSpace { name, history } => {
                self.create_space(&name, history, now, rng, effects)
            }
            Wish::Invite { space, role, expires, uses, addresses } => {
                let terms = Terms { role, expires, uses, addresses };
                self.invite(space, terms, now, rng, effects)
            }
            Wish::Join { ticket } => self.join(&ticket, now, rng, effects),
            Wish::AwaitLink { addresses } => self.await_link(addresses, now, rng),
            Wish::AddDevice { code, addresses } => {
                self.add_device(*code, addresses, now, rng, effects)
            }
            Wish::RenameDevice { name } => self.rename_device(name, now, rng, effects),
            Wish::Govern { space, what } => self.govern(space, &what, now, rng, effects),
            Wish::KeepHistory { space, keep } => self.keep_history(space, keep, now, rng, effects),
            Wish::Edit { space, edits } => self.edit(space, &edits, now, rng, effects),
            Wish::Present { space, value } => self.present(space, value, now, rng, effects),
        };
        effects.events.push(match result {
            Ok(outcome) => Event::Granted { wish, outcome },
            Err(refusal) => Event::Refused { wish, refusal },
        });
    }

    fn room_for_a_space(&self) -> Result<(), Refusal> {
        if self.spaces.len() < limits::SPACES_MAX {
            return Ok(());
        }
        Err(Refusal::Limit { what: "spaces on one device", max: limits::SPACES_MAX as u64 })
    }

    fn create_space(
        &mut self,
        name: &str,
        history: History,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        if name.is_empty() || name.len() > limits::NAME_BYTES_MAX {
            return Err(Refusal::BadName);
        }
        self.room_for_a_space()?;
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        let create = OpBody::Create { founder: self.identity.card(), salt, history };
        let create = Op::sign(None, Vec::new(), create, &self.identity);
        let id = SpaceId(create.id.0);
        let mut space = Space::new(id, *secret, name.to_owned(), self.device(), rng.next_u64());
        let mut turn = turn!(self, now, rng, effects);
        space.keep_operation(create, &mut turn);
        space.start_epoch(&mut turn).expect("a founder may write");
        space.introduce(Some(name), &mut turn);
        self.spaces.insert(id, space);
        self.claim_everywhere(now, rng, effects);
        Ok(Outcome::Created(id))
    }

    fn invite(
        &mut self,
        id: SpaceId,
        terms: Terms,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let device = self.device();
        let space = self.spaces.get_mut(&id).ok_or(Refusal::UnknownSpace)?;
        if !space.ready() {
            return Err(space.not_ready());
        }
        if !space.membership.roster().may(device, Role::Admin) {
            return Err(Refusal::NotAllowed { needs: Role::Admin });
        }
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        let key = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        let Terms { role, expires, uses, mut addresses } = terms;
        let body = OpBody::Invite { key, role, expires, uses };
        let mut turn = turn!(self, now, rng, effects);
        let invite = space.operate(body, &mut turn).id;
        addresses.truncate(limits::TICKET_ADDRESSES_MAX);
        let ticket = Ticket {
            space: id,
            name: space.name(),
            inviter: device,
            role,
            expires,
            addresses,
            secret: *space.secret,
            invite,
            invite_seed: *seed,
        };
        Ok(Outcome::Invited(Box::new(ticket)))
    }

    fn join(
        &mut self,
        ticket: &Ticket,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let id = ticket.space;
        let device = self.device();
        let member = |space: &Space| {
            space.joining.is_none() && space.membership.roster().role(device).is_some()
        };
        if self.spaces.get(&id).is_some_and(member) {
            return Err(Refusal::AlreadyMember);
        }
        if ticket.expires < now {
            return Err(Refusal::TicketExpired);
        }
        self.room_for_a_space()?;
        let card = self.identity.card();
        let key = ed25519_dalek::SigningKey::from_bytes(&ticket.invite_seed);
        let proof = {
            use ed25519_dalek::Signer as _;
            Signature::new(key.sign(&join_proof(id, ticket.invite, &card)).to_bytes())
        };
        let body = OpBody::Join { invite: ticket.invite, card, proof };
        let join = Op::sign(Some(id), vec![ticket.invite], body, &self.identity);
        let space = self.spaces.entry(id).or_insert_with(|| {
            Space::new(id, ticket.secret, ticket.name.clone(), device, rng.next_u64())
        });
        space.joining = Some(join);
        let mut turn = turn!(self, now, rng, effects);
        space.write_row(&mut turn);
        for session in self.sessions.values_mut() {
            // The peer begins nothing anew: what it calls logs by, and what it was told to call them by, stays.
            if let Some(shared) = session.shared.remove(&id) {
                session.numbers.insert(id, (shared.tag_in, shared.numbers));
            }
        }
        self.claim_everywhere(now, rng, effects);
        Ok(Outcome::Joining(id))
    }

    fn edit(
        &mut self,
        id: SpaceId,
        edits: &[ObjectEdit],
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        // What was decided before is followed first: it may have ended this device's log.
        self.tell_fresh(now, rng, effects);
        let space = self.spaces.get_mut(&id).ok_or(Refusal::UnknownSpace)?;
        let mut turn = turn!(self, now, rng, effects);
        let written = space.write(edits, &mut turn)?;
        Self::announce(space, &written.visible, true, effects);
        let log = space.own_log;
        self.on_growth(id, log);
        Ok(Outcome::Edited { log, seq: written.seq, objects: written.objects })
    }

    fn rename_device(
        &mut self,
        name: String,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        if name.is_empty() || name.len() > limits::DEVICE_NAME_BYTES_MAX {
            return Err(Refusal::BadName);
        }
        self.device_name = name.chars().take(64).collect();
        let device = self.device();
        let named = |space: &&mut Space| {
            let writes = space.ready() && space.membership.roster().may(device, Role::Write);
            writes && space.device_name(device) != self.device_name
        };
        let mut written = Vec::new();
        for space in self.spaces.values_mut().filter(named) {
            let mut turn = turn!(self, now, rng, effects);
            let visible = space.introduce(None, &mut turn);
            Self::announce(space, &visible, true, effects);
            written.push((space.id, space.own_log));
        }
        for (id, log) in written {
            self.on_growth(id, log);
        }
        Ok(Outcome::Renamed)
    }

    /// Tells every peer about a space that is new here.
    pub(super) fn claim_everywhere(
        &mut self,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let links: Vec<LinkId> = self.sessions.keys().copied().collect();
        for link in links {
            self.send_claims(link, rng, effects);
            self.match_claims(link, now, rng, effects);
        }
    }
}

/// What an invite allows.
struct Terms {
    role: Role,
    expires: Time,
    uses: u32,
    addresses: Vec<String>,
}
