//! The devices of this member: showing a code, taking one, listing and revoking.
//!
//! Data in: wishes. Data out: answers once they are durable here, and for a link once both ends have it. What a link
//! changes about the keys' file is kept by [`keep_card`], after the engine has it durably: the engine's store is what
//! counts, and a start that finds the file behind brings it up to date.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use libp2p::Multiaddr;
use meshwork_protocol::{
    DeviceId, Event, LinkCode, MemberId, MemberView, Outcome, Replica, Role, RootWord, SpaceId,
    SpaceView, Wish,
};
use tokio::sync::watch;

use crate::addresses;
use crate::daemon::Engine;
use crate::failure::{Failure, FailureKind, Result};
use crate::identity::{self, Reseal};
use crate::node::{Node, unexpected};
use crate::space::{Space, device_meant};
use crate::subscription::{Notice, Subscription};

/// Whose device this is, as far as that can change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) member: MemberId,
    /// The device that made this one its member's, since a code was last shown.
    pub(crate) linked_by: Option<DeviceId>,
}

/// One device of this member, in the spaces that this device knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// The device.
    pub device: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// Whether it is the one that answers.
    pub this_device: bool,
    /// Whether there is a link with it.
    pub connected: bool,
    /// The spaces it is in, with their names.
    pub spaces: Vec<(SpaceId, String)>,
}

impl Node {
    /// Shows a code by which a device of a member can make this one another of its devices, for ten minutes.
    ///
    /// # Errors
    /// `FailureKind::Usage` if this device has spaces, `FailureKind::NotRunning`.
    pub async fn show_link_code(&self) -> Result<LinkCode> {
        self.owner().send_modify(|owner| owner.linked_by = None);
        let addresses = self.own_addresses().iter().map(ToString::to_string).collect();
        match self.engine().wish(Wish::AwaitLink { addresses }).await?? {
            Outcome::AwaitingLink(code) => Ok(*code),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until the code that was shown last has been used; returns the device that used it.
    ///
    /// # Errors
    /// `FailureKind::Timeout`, `FailureKind::NotRunning`.
    pub async fn linked(&self, timeout: Duration) -> Result<DeviceId> {
        let mut owner = self.owner().subscribe();
        let linked = owner.wait_for(|owner| owner.linked_by.is_some());
        match tokio::time::timeout(timeout, linked).await {
            Ok(Ok(owner)) => owner.linked_by.ok_or_else(Failure::stopped),
            Ok(Err(_)) => Err(Failure::stopped()),
            Err(_) => Err(Failure::timeout("nobody has used the code in time")
                .hint("show another: meshwork device link")
                .hint("and give it to a device that is yours: meshwork device add CODE")),
        }
    }

    /// Waits until all spaces of this device can be used; returns those that cannot after `timeout`.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn spaces_ready(&self, timeout: Duration) -> Result<Vec<SpaceView>> {
        let mut events = self.subscribe();
        let all_ready = async {
            while self.spaces().await?.iter().any(waits) {
                events.next().await.ok_or_else(Failure::stopped)?;
            }
            Ok::<_, Failure>(())
        };
        if let Ok(outcome) = tokio::time::timeout(timeout, all_ready).await {
            outcome?;
        }
        Ok(self.spaces().await?.into_iter().filter(waits).collect())
    }

    /// Makes the device whose code this is one of this member's, in all its spaces; returns once that device has it
    /// durably.
    ///
    /// # Errors
    /// `FailureKind::Peer` if the code has expired or the device refuses, `FailureKind::Network` if it is not reached
    /// within `timeout`, `FailureKind::Forbidden` if this device has been removed, `FailureKind::NotRunning`.
    pub async fn add_device(&self, code: &LinkCode, timeout: Duration) -> Result<DeviceId> {
        if !self.online() {
            return Err(Failure::network("this device is offline").hint("go back: meshwork online"));
        }
        let wanted = code.device;
        let mut events = self.subscribe();
        let addresses = self.own_addresses().iter().map(ToString::to_string).collect();
        let wish = Wish::AddDevice { code: Box::new(code.clone()), addresses };
        match self.engine().wish(wish).await?? {
            Outcome::Adding(_) => {}
            other => return Err(unexpected(&other)),
        }
        self.dial_device(wanted, &code.addresses);
        let answered = async {
            loop {
                match events.next().await.ok_or_else(Failure::stopped)? {
                    Notice::Event(Event::DeviceAdded { device }) if device == wanted => {
                        return Ok(());
                    }
                    Notice::Event(Event::DeviceDeclined { device, reason }) if device == wanted => {
                        return Err(Failure::from(reason));
                    }
                    _ => {}
                }
            }
        };
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(())) => Ok(wanted),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(code.addresses.iter().fold(not_reached(timeout), |failure, address| {
                failure.hint(format!("tried {address}"))
            })),
        }
    }

    /// The devices of this member in the spaces of this device.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn devices(&self) -> Result<Vec<OwnDevice>> {
        let known = self.engine().query(|replica| Ok(own_devices(replica))).await?;
        let mut devices: BTreeMap<DeviceId, OwnDevice> = BTreeMap::new();
        let this = OwnDevice {
            device: self.device(),
            name: self.name(),
            this_device: true,
            connected: false,
            spaces: Vec::new(),
        };
        devices.insert(self.device(), this);
        for (space, member) in known {
            let device = devices.entry(member.device).or_insert_with(|| OwnDevice {
                device: member.device,
                name: member.name.clone(),
                this_device: false,
                connected: false,
                spaces: Vec::new(),
            });
            device.connected |= !member.links.is_empty();
            device.spaces.push((space.id, space.name));
        }
        Ok(devices.into_values().collect())
    }

    /// The device of this member a person means: by its name, its id, or the beginning of its id.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, or `FailureKind::Usage` naming the candidates.
    pub async fn resolve_own_device(&self, text: &str) -> Result<DeviceId> {
        let known = self.engine().query(|replica| Ok(own_devices(replica))).await?;
        let devices: Vec<MemberView> = known.into_iter().map(|(_, member)| member).collect();
        device_meant(text, &devices)
            .map_err(|failure| failure.hint("list yours: meshwork device list"))
    }

    /// Takes a device of this member out of every space it is in; returns those spaces.
    ///
    /// `words` are those of the member's root key, for the spaces in which it is to be above this member's devices;
    /// elsewhere this device's own right is used.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::Forbidden`, `FailureKind::NotRunning`.
    pub async fn revoke_device(
        &self,
        device: DeviceId,
        words: &BTreeMap<SpaceId, RootWord>,
    ) -> Result<Vec<SpaceId>> {
        let known = self.engine().query(|replica| Ok(own_devices(replica))).await?;
        let spaces: Vec<SpaceId> = known
            .into_iter()
            .filter(|(_, member)| member.device == device)
            .map(|(space, _)| space.id)
            .collect();
        if spaces.is_empty() {
            return Err(Failure::not_found("that device is in none of this device's spaces")
                .hint("list yours: meshwork device list"));
        }
        for id in &spaces {
            let space = Space::new(self.clone(), *id);
            match words.get(id) {
                Some(word) => space.revoke_device(device, *word).await?,
                None => space.remove_device(device).await?,
            }
        }
        Ok(spaces)
    }
}

/// Every device of this member in every space, this one included.
fn own_devices(replica: &Replica) -> Vec<(SpaceView, MemberView)> {
    let member = replica.identity().member();
    let in_space = |space: SpaceView| {
        let members = replica.members(space.id).unwrap_or_default();
        let own = members.into_iter().filter(move |one| one.member == member);
        own.map(move |one| (space.clone(), one)).collect::<Vec<_>>()
    };
    replica.spaces().into_iter().flat_map(in_space).collect()
}

/// Whether a space cannot be used yet. One that this member only relays never can be read.
fn waits(space: &SpaceView) -> bool {
    !space.ready && space.role != Some(Role::Relay)
}

fn not_reached(timeout: Duration) -> Failure {
    let seconds = timeout.as_secs_f32();
    Failure::new(FailureKind::Network, format!("the new device was not reached within {seconds} s"))
        .hint("check that it is up and waits: meshwork device link")
        .hint("the node goes on trying until the code expires")
}

/// Follows what links change about this device: its keys' file, its member, whom it dials.
pub(crate) async fn keep_card(
    mut events: Subscription,
    engine: Engine,
    data_dir: std::path::PathBuf,
    reseal: Reseal,
    node: watch::Sender<Owner>,
    remember: impl Fn(DeviceId, Vec<Multiaddr>),
) {
    while let Some(notice) = events.next().await {
        let (by, told) = match notice {
            Notice::Event(Event::Linked { by, addresses, .. }) => (Some(by), addresses),
            Notice::Resync { .. } => (None, Vec::new()),
            Notice::Event(_) => continue,
        };
        let Ok(identity) = engine.query(|replica| Ok(replica.identity().clone())).await else {
            break;
        };
        let Some(by) = by.or_else(|| identity.vouched_by()) else { continue };
        let member = identity.member();
        if node.borrow().member == member && node.borrow().linked_by == Some(by) {
            continue;
        }
        let (dir, kept) = (data_dir.clone(), reseal.clone());
        let written = tokio::task::spawn_blocking(move || write_card(&dir, &identity, &kept)).await;
        if let Ok(Err(failure)) = written {
            tracing::warn!(%failure, "the keys' file does not name the new member yet; the next start sees to it");
        }
        let reachable = told.iter().filter_map(|text| text.parse().ok());
        remember(by, reachable.map(|address| addresses::leading_to(address, by)).collect());
        node.send_replace(Owner { member, linked_by: Some(by) });
    }
}

/// Writes the file of the keys with the card they have now.
pub(crate) fn write_card(
    data_dir: &Path,
    identity: &meshwork_protocol::Identity,
    reseal: &Reseal,
) -> Result<()> {
    identity::recertify(data_dir, identity, reseal)
}
