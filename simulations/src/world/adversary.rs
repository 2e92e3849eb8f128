//! Those who are not what they should be: pests, guests without a good ticket, old disks, frames that come again.
//!
//! What the plan has drawn in → what they do at its time, and whether devices took it as they should. They draw from
//! a generator of their own, so a world without them goes as it always went. Not here: what honest devices are
//! watched for (`watch`).

use std::collections::{BTreeMap, VecDeque};

use meshwork_protocol::store::MemoryStore;
use meshwork_protocol::{
    DeviceId, Event, Governance, Input, LinkId, Outcome, Rejection, Role, SpaceId, Ticket, Time,
    Wish,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::{DAWN_MS, What, World};
use crate::bytes::{frame, frame_kind, varint};
use crate::ledger::Heads;
use crate::mischief::Guest;

/// Frames that a pest remembers of others.
const OVERHEARD_MAX: usize = 64;
/// How long it takes until a device notices that the other end is gone, in milliseconds.
const NOTICED_AFTER_MS: u64 = 500;
/// How often a pest comes, about, in milliseconds.
const PEST_EVERY_MS: u64 = 4_000;
/// Frames after which whoever sends nothing else must have been shut out.
const RUBBISH_FRAMES: usize = 600;

/// Something that is done by nobody honest, or asked of devices beside their edits.
#[derive(Debug)]
pub(super) enum Act {
    Replay {
        from: usize,
        to: usize,
        bytes: Vec<u8>,
    },
    Pest,
    KeepDisk,
    PutDiskBack,
    GuestJoins,
    Present {
        device: usize,
    },
    Bulk,
    /// A device notices that the machine at the other end of a link has died.
    Notice {
        device: usize,
        link: LinkId,
    },
}

/// What mischief knows.
pub(super) struct Scheme {
    rng: ChaCha8Rng,
    overheard: VecDeque<Vec<u8>>,
    /// The link that a pest has, and with whom.
    pest: Option<(LinkId, usize)>,
    ticket: Option<Ticket>,
    kept: Option<(usize, MemoryStore, Heads)>,
    /// Whose disk is an old one, or will be: what it is granted may be lost.
    pub old_disk: Option<usize>,
    /// Whether somebody has given the guest a role.
    pub promoted: bool,
    /// By device and space: the number of what it is present with.
    pub presented: BTreeMap<(usize, SpaceId), u64>,
}

impl Scheme {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed ^ 0x7065_7374),
            overheard: VecDeque::new(),
            pest: None,
            ticket: None,
            kept: None,
            old_disk: None,
            promoted: false,
            presented: BTreeMap::new(),
        }
    }

    fn about(&mut self, mean_ms: u64) -> u64 {
        self.rng.next_u64() % (mean_ms * 2) + 1
    }
}

impl World {
    /// The guest's number, if there is a guest.
    pub(super) fn guest(&self) -> Option<usize> {
        self.plan.mischief.guest.map(|_| self.devices.len() - 1)
    }

    /// The stranger's number, if there is a stranger.
    pub(super) fn stranger(&self) -> Option<usize> {
        self.plan.stranger.then_some(self.members())
    }

    /// Gets ready what the plan has drawn.
    pub(super) fn plot(&mut self) {
        let mischief = self.plan.mischief;
        let storm = self.plan.storm_ms;
        if mischief.pest {
            let delay = self.scheme.about(PEST_EVERY_MS);
            self.after(delay, What::Act(Act::Pest));
        }
        if mischief.old_disk {
            let device = 1 + self.scheme.rng.next_u32() as usize % (self.plan.devices - 1);
            self.scheme.old_disk = Some(device);
            self.after(storm * 3 / 10, What::Act(Act::KeepDisk));
            self.after(storm * 6 / 10, What::Act(Act::PutDiskBack));
        }
        if let Some(guest) = mischief.guest {
            self.prepare(guest);
            self.after(storm / 2, What::Act(Act::GuestJoins));
        }
        if mischief.present_every_ms != u64::MAX {
            for device in 0..self.members() {
                let delay = self.scheme.about(mischief.present_every_ms);
                self.after(delay, What::Act(Act::Present { device }));
            }
        }
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Replay { from, to, bytes } => self.replay(from, to, bytes),
            Act::Pest => self.pest_comes(),
            Act::KeepDisk => {
                if let Some(device) = self.scheme.old_disk {
                    let heads = self.ledger.heads(device);
                    self.scheme.kept = Some((device, self.devices[device].disk.copy(), heads));
                }
            }
            Act::PutDiskBack => self.put_disk_back(),
            Act::GuestJoins => {
                if let (Some(guest), Some(ticket)) = (self.guest(), self.scheme.ticket.clone()) {
                    self.wish(guest, Wish::Join { ticket: Box::new(ticket) });
                }
            }
            Act::Present { device } => self.present(device),
            Act::Bulk => self.write_bulk(),
            Act::Notice { device, link } => self.notice(device, link),
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
        self.input(device, Input::PeerGone { link });
        let delay = 50 + self.scheme.about(self.plan.faults.down_ms_max / 2 + 1);
        self.after(delay, What::Connect { a: device.min(far), b: device.max(far) });
    }

    /// A frame on its way may be remembered by a pest, and may come again.
    pub(super) fn overhear(&mut self, from: usize, to: usize, bytes: &[u8]) {
        let mischief = self.plan.mischief;
        if mischief.pest && self.storming() {
            self.scheme.overheard.push_back(bytes.to_vec());
            if self.scheme.overheard.len() > OVERHEARD_MAX {
                self.scheme.overheard.pop_front();
            }
        }
        if mischief.replay_per_mille > 0
            && self.storming()
            && self.scheme.rng.next_u32() % 1_000 < mischief.replay_per_mille
        {
            let delay = self.scheme.about(10_000);
            let bytes = bytes.to_vec();
            self.after(delay, What::Act(Act::Replay { from, to, bytes }));
        }
    }

    fn replay(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        let links = &self.devices[to].links;
        let link = links.iter().find(|(_, (far, _))| *far == from).map(|(link, _)| *link);
        if let Some(link) = link {
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
            self.fail(
                "secrecy",
                format!("device {from} tells a stranger a frame of kind {kind:?}"),
            );
        }
    }

    fn pest_comes(&mut self) {
        if !self.storming() {
            return;
        }
        let delay = self.scheme.about(PEST_EVERY_MS);
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
        self.input(at, Input::PeerConnected { link, peer });
        let choice = self.scheme.rng.next_u32() % 4;
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
                return;
            }
        }
        let shut =
            seen.iter().any(|e| matches!(e, Event::GreyListed { peer: of, .. } if *of == peer));
        let refused = |why: Rejection| {
            seen.iter().any(|e| matches!(e, Event::Rejected { rejection, .. } if *rejection == why))
        };
        match choice {
            0 | 1 if !shut => {
                let what = if choice == 0 { "rubbish" } else { "frames without end" };
                self.fail("bounds", format!("device {at} goes on listening to {what}"));
            }
            2 if !refused(Rejection::OverCredit) => {
                let detail = format!("device {at} takes more entry bytes than it granted");
                self.fail("bounds", detail);
            }
            3 if seen
                .iter()
                .any(|e| matches!(e, Event::Visible { .. } | Event::MembersChanged { .. })) =>
            {
                self.fail("authorship", format!("device {at} believes what a stranger repeats"));
            }
            _ => {}
        }
        self.input(at, Input::PeerGone { link });
        self.scheme.pest = None;
    }

    fn rubbish(&mut self) -> Vec<Vec<u8>> {
        let rng = &mut self.scheme.rng;
        let one = |n: usize| {
            let mut bytes = vec![0; if n < 3 { n } else { rng.next_u32() as usize % 48 }];
            rng.fill_bytes(&mut bytes);
            // Of a version that is spoken and a kind that there is: what follows has to be looked at.
            if n % 2 == 1 && bytes.len() > 2 {
                (bytes[0], bytes[1]) = (1, 1 + bytes[1] % 17);
            }
            bytes
        };
        (0..RUBBISH_FRAMES).map(one).collect()
    }

    fn put_disk_back(&mut self) {
        let Some((device, image, heads)) = self.scheme.kept.take() else { return };
        if self.devices[device].replica.is_some() {
            self.crash(device);
        }
        let id = self.id(device);
        let restored = &mut self.devices[device];
        restored.disk.put_back(image);
        restored.granted_heads.clear();
        restored.decided.clear();
        self.ledger.put_back(device, id, heads);
    }

    /// The ticket that is not a good one.
    fn prepare(&mut self, guest: Guest) {
        let Some(space) = self.spaces.first().copied() else { return };
        let (role, expires, uses) = match guest {
            Guest::Expired => (Role::Write, Time(DAWN_MS - 3_600_000), 1),
            Guest::Revoked => (Role::Write, Time(u64::MAX), 1),
            Guest::UsedUp => (Role::Write, Time(u64::MAX), 0),
            Guest::Relay => (Role::Relay, Time(u64::MAX), 1),
        };
        let wish = Wish::Invite { space, role, expires, uses, addresses: Vec::new() };
        let Some(Outcome::Invited(ticket)) = self.wish(0, wish) else { return };
        if guest == Guest::Revoked {
            let invites = self.devices[0].replica.as_ref().and_then(|r| r.invites(space));
            let bad = invites.into_iter().flatten().find(|invite| invite.uses == 1);
            if let Some(invite) = bad {
                let what = Governance::RevokeInvite { invite: invite.id };
                self.wish(0, Wish::Govern { space, what });
            }
        }
        self.scheme.ticket = Some(*ticket);
    }

    fn present(&mut self, device: usize) {
        let delay = self.scheme.about(self.plan.mischief.present_every_ms);
        self.after(delay, What::Act(Act::Present { device }));
        for space in self.spaces.clone() {
            let number = self.scheme.presented.get(&(device, space)).copied().unwrap_or(0) + 1;
            let value = Some(format!("{number}").into_bytes());
            if self.wish(device, Wish::Present { space, value }).is_some() {
                self.scheme.presented.insert((device, space), number);
            }
        }
    }

    /// So many bytes at once that a link has to be granted more of them.
    fn write_bulk(&mut self) {
        use meshwork_crdt::{Edit, Kind};
        use meshwork_protocol::{Action, ObjectEdit, Target};
        let space = self.spaces[0];
        for part in 0..self.plan.mischief.bulk_bytes >> 20 {
            let mut insert = String::with_capacity(1 << 20);
            while insert.len() < 1 << 20 {
                insert.push_str(&format!("{:016x}", self.scheme.rng.next_u64()));
            }
            let target = Target::Named { name: format!("bulk{part}"), shape: Kind::Text.into() };
            let action = Action::Change(Edit::Splice { at: 0, delete: 0, insert });
            self.wish(0, Wish::Edit { space, edits: vec![ObjectEdit { target, action }] });
        }
    }
}
