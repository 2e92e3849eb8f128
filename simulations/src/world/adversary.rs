//! Those who are not what they should be: pests, guests without a good ticket, frames that come again; and presence.
//!
//! What the plan has drawn in → what they do at its time, and whether devices took it as they should. They draw from a
//! generator of their own. Not here: members who lie (`lies`), and what honest devices are watched for (`sight`).

use std::collections::{BTreeMap, VecDeque};

use meshwork_protocol::{
    DeviceId, Event, Governance, Input, LinkId, Outcome, Rejection, Role, SpaceId, Ticket, Time,
    Wish,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::{DAWN_MS, NEVER, Part, What, World};
use crate::bytes::{frame, frame_kind, varint};
use crate::plan::Guest;

/// Frames that a pest remembers of others.
const OVERHEARD_MAX: usize = 64;
/// So often a pest comes, about, while anything may fail.
const PEST_COMES: u64 = 12;
/// How long it takes until a device notices that the other end is gone, in milliseconds.
const NOTICED_AFTER_MS: u64 = 500;
/// Frames after which whoever sends nothing else must have been shut out.
const RUBBISH_FRAMES: usize = 600;
/// Longest time until a frame comes again, in milliseconds.
const REPLAY_MS_MAX: u64 = 20_000;

/// Something that is done by nobody honest, or asked of devices beside their edits.
#[derive(Debug)]
pub(super) enum Act {
    Replay {
        from: usize,
        to: usize,
        bytes: Vec<u8>,
    },
    Pest,
    GuestJoins,
    Present {
        device: usize,
    },
    /// All members write at one moment.
    Unison,
    /// Who was taken out is let in again.
    Return,
    /// A device notices that the machine at the other end of a link has died.
    Notice {
        device: usize,
        link: LinkId,
    },
}

/// What mischief knows.
#[derive(Debug)]
pub(super) struct Scheme {
    rng: ChaCha8Rng,
    overheard: VecDeque<Vec<u8>>,
    /// The link that a pest has, and with whom.
    pest: Option<(LinkId, usize)>,
    ticket: Option<Ticket>,
    /// Whether somebody may have given the guest a role.
    pub promoted: bool,
    /// By device and space: the number of what it is present with.
    pub presented: BTreeMap<(DeviceId, SpaceId), u64>,
}

impl Scheme {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x7065_7374),
            overheard: VecDeque::new(),
            pest: None,
            ticket: None,
            promoted: false,
            presented: BTreeMap::new(),
        }
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        self.rng.next_u32() as usize % count.max(1)
    }

    fn about(&mut self, mean_ms: u64) -> u64 {
        self.rng.next_u64() % (mean_ms * 2).max(1) + 1
    }
}

impl World {
    /// The guest's number, if there is a guest.
    pub(super) fn guest(&self) -> Option<usize> {
        self.guests().into_iter().next()
    }

    fn guests(&self) -> Vec<usize> {
        let guest = |n: &usize| self.devices[*n].part == Part::Guest;
        (0..self.devices.len()).filter(guest).collect()
    }

    /// Gets ready what the plan has drawn.
    pub(super) fn plot(&mut self) {
        if self.plan.mischief.pest {
            let delay = self.scheme.about(self.plan.storm_ms / PEST_COMES);
            self.after(delay, What::Act(Act::Pest));
        }
        if let Some(guest) = self.plan.mischief.guest {
            self.prepare(guest);
            // What is decided about members later on must take relays into account.
            let early = if guest == Guest::Relay { 8 } else { 2 };
            self.after(self.plan.storm_ms / early, What::Act(Act::GuestJoins));
        }
        self.plot_finale();
        self.plot_return();
        if self.plan.mischief.present_every_ms != NEVER {
            for device in 0..self.members() {
                let delay = self.scheme.about(self.plan.mischief.present_every_ms);
                self.after(delay, What::Act(Act::Present { device }));
            }
        }
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Replay { from, to, bytes } => self.replay(from, to, bytes),
            Act::Pest => self.pest_comes(),
            Act::GuestJoins => {
                let Some(ticket) = self.scheme.ticket.clone() else { return };
                for guest in self.guests() {
                    self.tell(|| format!("{guest}, a guest, asks to be let in"));
                    self.wish(guest, Wish::Join { ticket: Box::new(ticket.clone()) });
                }
            }
            Act::Present { device } => self.present(device),
            Act::Unison => self.sing(),
            Act::Return => {
                if self.storming() {
                    self.plot_return();
                    self.let_some_in();
                }
            }
            Act::Notice { device, link } => self.notice(device, link),
        }
    }

    fn plot_return(&mut self) {
        let every = self.plan.govern_every_ms;
        if self.plan.mischief.returns && every != NEVER {
            let delay = self.scheme.about(every);
            self.after(delay, What::Act(Act::Return));
        }
    }

    /// A founder lets everybody in again whom it knows to be out.
    fn let_some_in(&mut self) {
        let place = self.scheme.below(self.spaces.len());
        let founder = self.shares.get(place).and_then(|share| share.first()).copied();
        if let (Some(space), Some(founder)) = (self.spaces.get(place).copied(), founder) {
            self.let_all_in(space, founder);
        }
    }

    /// A machine has died: what it sent before arrives, and the others notice a while later.
    pub(super) fn vanish(&mut self, n: usize) {
        for (device, link) in std::mem::take(&mut self.devices[n].links).into_values() {
            self.after(NOTICED_AFTER_MS, What::Act(Act::Notice { device, link }));
        }
    }

    fn notice(&mut self, device: usize, link: LinkId) {
        let Some((far, _)) = self.devices[device].links.remove(&link) else { return };
        self.tell(|| format!("{device} notices that {far} is gone"));
        self.input(device, Input::PeerGone { link });
        let (a, b) = (device.min(far), device.max(far));
        if self.contacts.contains(&(a, b)) {
            let delay = 50 + self.scheme.about(self.faults.down_ms_max / 2);
            self.after(delay, What::Connect { a, b });
        }
    }

    /// A frame on its way may be remembered by a pest, and may come again.
    pub(super) fn overhear(&mut self, from: usize, to: usize, bytes: &[u8]) {
        if !self.storming() {
            return;
        }
        if self.plan.mischief.pest {
            self.scheme.overheard.push_back(bytes.to_vec());
            if self.scheme.overheard.len() > OVERHEARD_MAX {
                self.scheme.overheard.pop_front();
            }
        }
        let often = self.plan.mischief.replay_per_mille;
        if often > 0 && self.scheme.rng.next_u32() % 1_000 < often {
            let delay = self.scheme.about(REPLAY_MS_MAX / 2);
            let bytes = bytes.to_vec();
            self.after(delay, What::Act(Act::Replay { from, to, bytes }));
        }
    }

    fn replay(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let links = &self.devices[to].links;
        let link = links.iter().find(|(_, (far, _))| *far == from).map(|(link, _)| *link);
        if let Some(link) = link.filter(|_| self.storming()) {
            // On a later link it may mean anything.
            self.damaged = true;
            self.input(to, Input::Received { link, bytes });
        }
    }

    /// A frame for a link that only the pest has: it may be told that somebody is there, and nothing else.
    pub(super) fn told_to_pest(&mut self, from: usize, link: LinkId, bytes: &[u8]) {
        let pest = self.scheme.pest.is_some_and(|(pest, at)| pest == link && at == from);
        if pest && !matches!(frame_kind(bytes), Some(1 | 2)) {
            let kind = frame_kind(bytes);
            let detail = format!("device {from} tells a stranger a frame of kind {kind:?}");
            self.fail("secrecy", detail);
        }
    }

    fn pest_comes(&mut self) {
        if !self.storming() {
            return;
        }
        let delay = self.scheme.about(self.plan.storm_ms / PEST_COMES);
        self.after(delay, What::Act(Act::Pest));
        let at = self.scheme.rng.next_u32() as usize % self.members();
        if self.devices[at].replica.is_none() {
            return;
        }
        let mut id = [0; 32];
        self.scheme.rng.fill_bytes(&mut id);
        let (peer, link) = (DeviceId(id), LinkId(self.links));
        self.links += 2;
        self.scheme.pest = Some((link, at));
        let choice = self.scheme.rng.next_u32() % 4;
        self.tell(|| format!("a pest comes to {at} in way {choice}"));
        self.input(at, Input::PeerConnected { link, peer });
        let frames = match choice {
            0 => self.rubbish(),
            1 => vec![frame(1, &id[..16]); RUBBISH_FRAMES],
            2 => {
                let mut body = vec![0];
                varint(1 << 40, &mut body);
                vec![frame(7, &body)]
            }
            _ => self.scheme.overheard.iter().cloned().collect(),
        };
        let mut seen = Vec::new();
        for bytes in frames {
            seen.extend(self.input(at, Input::Received { link, bytes }));
            if self.devices[at].replica.is_none() || !self.failures.is_empty() {
                self.scheme.pest = None;
                return;
            }
        }
        self.input(at, Input::PeerGone { link });
        self.scheme.pest = None;
        self.judge_pest(at, peer, choice, &seen);
    }

    /// What a device must have made of a pest.
    fn judge_pest(&mut self, at: usize, peer: DeviceId, choice: u32, seen: &[Event]) {
        let shut =
            |event: &Event| matches!(event, Event::GreyListed { peer: of, .. } if *of == peer);
        let over = |event: &Event| {
            matches!(event, Event::Rejected { rejection: Rejection::OverCredit, .. })
        };
        let believes =
            |event: &Event| matches!(event, Event::Visible { .. } | Event::MembersChanged { .. });
        match choice {
            0 | 1 if !seen.iter().any(shut) => {
                let what = if choice == 0 { "rubbish" } else { "frames without end" };
                self.fail("bounds", format!("device {at} goes on listening to {what}"));
            }
            2 if !seen.iter().any(over) => {
                let detail = format!("device {at} takes more entry bytes than it granted");
                self.fail("bounds", detail);
            }
            3 if seen.iter().any(believes) => {
                self.fail("authorship", format!("device {at} believes what a stranger repeats"));
            }
            _ => {}
        }
    }

    fn rubbish(&mut self) -> Vec<Vec<u8>> {
        let rng = &mut self.scheme.rng;
        let one = |n: usize| {
            let mut bytes = vec![0; if n < 3 { n } else { rng.next_u32() as usize % 48 }];
            rng.fill_bytes(&mut bytes);
            // Of a version that is spoken and a kind that there is: what follows has to be looked at.
            if n % 2 == 1 && bytes.len() > 2 {
                (bytes[0], bytes[1]) = (1, 1 + bytes[1] % 19);
            }
            bytes
        };
        (0..RUBBISH_FRAMES).map(one).collect()
    }

    /// The ticket that is not a good one.
    fn prepare(&mut self, guest: Guest) {
        let Some(space) = self.spaces.first().copied() else { return };
        let (role, expires, uses) = match guest {
            Guest::Expired => (Role::Write, Time(DAWN_MS - 3_600_000), 1),
            Guest::Revoked => (Role::Write, Time(u64::MAX), 1),
            Guest::UsedUp => (Role::Write, Time(u64::MAX), 0),
            Guest::Relay | Guest::Contested => (Role::Relay, Time(u64::MAX), 1),
        };
        let wish = Wish::Invite { space, role, expires, uses, addresses: Vec::new() };
        let Some(Outcome::Invited(ticket)) = self.wish(0, wish) else { return };
        if guest == Guest::Revoked {
            let invites = self.devices[0].replica.as_ref().and_then(|it| it.invites(space));
            let bad = invites.into_iter().flatten().find(|invite| invite.uses == 1);
            if let Some(invite) = bad {
                let what = Governance::RevokeInvite { invite: invite.id };
                self.wish(0, Wish::Govern { space, what });
            }
        }
        self.scheme.ticket = Some(*ticket);
    }

    /// Who had no good ticket is not in; who came as a relay reads nothing.
    pub(super) fn judge_guest(&mut self) {
        let (Some(guest), Some(space)) = (self.guest(), self.spaces.first().copied()) else {
            return;
        };
        if self.plan.mischief.guest == Some(Guest::Relay) {
            let replica = self.devices[guest].replica.as_ref();
            let reads = replica.is_some_and(|replica| !replica.epochs(space).is_empty());
            if reads && !self.scheme.promoted {
                self.fail("secrecy", format!("device {guest} is a relay and was handed a key"));
            }
            return;
        }
        // An invite has expired by the clock of who lets in.
        let jumps = self.plan.faults.clock_jump_every_ms != NEVER;
        if self.plan.mischief.guest == Some(Guest::Expired) && jumps {
            return;
        }
        let guests: Vec<DeviceId> = self.guests().into_iter().map(|n| self.id(n)).collect();
        let most = usize::from(self.plan.mischief.guest == Some(Guest::Contested));
        let knows = |n: &usize| {
            let members = self.devices[*n].replica.as_ref().and_then(|it| it.members(space));
            let members = members.unwrap_or_default();
            members.iter().filter(|known| guests.contains(&known.device)).count() > most
        };
        if let Some(n) = (0..self.members()).find(knows) {
            let what = self.plan.mischief.guest;
            let detail = format!("device {n} has let a guest in whose ticket is {what:?}");
            self.fail("rights", detail);
        }
    }

    /// A frame goes to a guest: what is held is told to members only.
    pub(super) fn see_told(&mut self, from: usize, to: usize, bytes: &[u8]) {
        if self.devices[to].part != Part::Guest || !self.honest(from) {
            return;
        }
        let Some(kind @ (4..=6 | 10..=12 | 16..=19)) = frame_kind(bytes) else { return };
        let Some(replica) = &self.devices[from].replica else { return };
        let guest = self.id(to);
        let member = |space: &SpaceId| {
            let members = replica.members(*space).unwrap_or_default();
            members.iter().any(|known| known.device == guest)
        };
        if !self.spaces.iter().any(member) {
            let detail = format!("device {from} tells a frame of kind {kind} to who is no member");
            self.fail("secrecy", detail);
        }
    }

    fn present(&mut self, device: usize) {
        if !self.storming() {
            return;
        }
        let delay = self.scheme.about(self.plan.mischief.present_every_ms);
        self.after(delay, What::Act(Act::Present { device }));
        let id = self.id(device);
        for space in self.spaces.clone() {
            let number = self.scheme.presented.get(&(id, space)).copied().unwrap_or(0) + 1;
            let value = Some(format!("{number}").into_bytes());
            if self.wish(device, Wish::Present { space, value }).is_some() {
                self.scheme.presented.insert((id, space), number);
            }
        }
    }
}
