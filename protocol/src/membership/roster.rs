//! What a set of operations comes to: members, devices, invites, epochs, and how far logs count.

use std::collections::{BTreeMap, BTreeSet};

use crate::card::DeviceCard;
use crate::entry::{Head, LogOpening};
use crate::ids::{DeviceId, EpochId, MemberId, OpId, Time};
use crate::keyring::EpochBirth;
use crate::planted::{self, Bug};

use super::Role;

/// One member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub role: Role,
    /// How many grants lie between it and the founder.
    pub depth: u32,
}

/// One device that was ever let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub card: DeviceCard,
    /// Whether it still counts as its member's.
    pub active: bool,
    /// Whether its member ever had the right to write.
    pub writes: bool,
}

/// One invite and how often it has been used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invite {
    pub key: [u8; 32],
    pub role: Role,
    pub expires: Time,
    pub uses: u32,
    pub used: u32,
    pub revoked: bool,
    /// Who made it.
    pub by: DeviceId,
}

/// One epoch, as handed out so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub birth: EpochBirth,
    pub made: Time,
    /// Whether its maker had the right to start it, so that it may be written under.
    pub valid: bool,
    /// Keys of earlier epochs, encrypted under this one's.
    pub earlier: Vec<(EpochId, Vec<u8>)>,
    /// The wraps for each device, each by another author.
    pub wraps: BTreeMap<DeviceId, Vec<Wrap>>,
    /// Devices that found none of the wraps handed to them to open.
    pub pleas: BTreeMap<DeviceId, usize>,
}

/// One wrapped epoch key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrap {
    pub by: DeviceId,
    /// Whether its author had the right to hand the key out.
    pub valid: bool,
    pub bytes: Vec<u8>,
}

/// How far a log counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// As far as it goes.
    Free,
    /// Up to this entry.
    UpTo(Head),
}

/// Who is in, what invites are open, which epochs exist, how far logs count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roster {
    pub members: BTreeMap<MemberId, Member>,
    /// Every device that was ever let in.
    pub devices: BTreeMap<DeviceId, Device>,
    /// Devices that somebody let in, or let write, by what does not count: what they wrote counts only if it is adopted,
    /// but others may have built on it.
    pub void: BTreeSet<DeviceId>,
    pub invites: BTreeMap<OpId, Invite>,
    pub epochs: BTreeMap<EpochId, Epoch>,
    /// Epochs in the order they came to be.
    pub epoch_order: Vec<EpochId>,
    /// Logs that count up to an entry only.
    pub limits: BTreeMap<(DeviceId, u64), Head>,
    /// Logs that count up to an entry for good.
    pub checkpoints: BTreeMap<(DeviceId, u64), Head>,
    /// Logs that have been shown to be forked: up to where they count, whichever branch that is on.
    pub forks: BTreeMap<(DeviceId, u64), Head>,
    /// The same logs: the last entry before the fork, from which a checkpoint may have settled one branch further.
    pub parted: BTreeMap<(DeviceId, u64), Head>,
}

impl Roster {
    pub(crate) fn role(&self, device: DeviceId) -> Option<Role> {
        let device = self.devices.get(&device).filter(|device| device.active)?;
        self.members.get(&device.card.member).map(|member| member.role)
    }

    pub(crate) fn may(&self, device: DeviceId, role: Role) -> bool {
        self.role(device).is_some_and(|has| has >= role)
    }

    /// Whether entries of a device are kept, whether they count or not.
    pub(crate) fn has_written(&self, device: DeviceId) -> bool {
        self.devices.get(&device).is_some_and(|known| known.writes) || self.void.contains(&device)
    }

    /// The devices that may at least `role`, with their cards.
    pub(crate) fn devices_who_may(&self, role: Role) -> impl Iterator<Item = &DeviceCard> {
        let active = self.devices.values().filter(|device| device.active);
        let cards = active.map(|device| &device.card);
        cards.filter(move |card| self.members.get(&card.member).is_some_and(|m| m.role >= role))
    }

    /// The devices of members.
    pub(crate) fn devices_in(&self) -> impl Iterator<Item = DeviceId> {
        self.devices_who_may(Role::Relay).map(|card| card.device)
    }

    /// How far a log counts. That of a device which may not write counts as far as somebody said.
    pub(crate) fn limit(&self, log: LogOpening) -> Limit {
        match self.limits.get(&(log.device, log.incarnation)) {
            Some(head) => Limit::UpTo(*head),
            None if self.may(log.device, Role::Write) => Limit::Free,
            None => Limit::UpTo(Head::NONE),
        }
    }

    /// Whether somebody was handed an epoch's key who may not read.
    pub(crate) fn leaks(&self, epoch: &Epoch) -> bool {
        let handed = epoch.wraps.iter().filter(|(_, wraps)| wraps.iter().any(|wrap| wrap.valid));
        let kept = |device| self.may(device, Role::Read) || planted::is(Bug::EpochStaysOpen);
        !handed.into_iter().all(|(device, _)| kept(*device))
    }
}
