//! The running node, as applications see it.
//!
//! Data in: calls. Data out: answers of the engine, which durable wishes wait for. A [`Node`] is a handle:
//! clones share one node. Deliberately not here: bringing it up (`builder.rs`), one space (`space.rs`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use libp2p::Multiaddr;
use meshwork_protocol::limits::TICKET_ADDRESSES_MAX;
use meshwork_protocol::{
    DeviceId, Event, History, MemberId, Outcome, Refusal, Replica, Role, SpaceId, SpaceView,
    Ticket, Time, Wish,
};
use tokio::sync::watch;

use crate::addresses::{self, AddressBook};
use crate::api::types;
use crate::builder::Builder;
use crate::clock;
use crate::daemon::Engine;
use crate::failure::{Failure, Result};
use crate::linking::Owner;
use crate::network::{self, Network, PeerKey};
use crate::share::{ShareStatus, Shares};
use crate::space::Space;
use crate::subscription::{Notice, Subscription};

/// How long [`Node::join`] waits for a member to admit this device, unless told otherwise.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest lifetime of a ticket.
pub const TICKET_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// Most uses of a ticket.
pub const TICKET_USES_MAX: u32 = 1000;

/// What a ticket grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What the newcomer may do.
    pub role: Role,
    /// How long the ticket is valid, from now.
    pub lifetime: Duration,
    /// How many devices may join with it.
    pub uses: u32,
}

impl Default for Invitation {
    /// One device, which may write, within a day.
    fn default() -> Self {
        Self { role: Role::Write, lifetime: Duration::from_secs(24 * 3600), uses: 1 }
    }
}

/// A handle to a running node.
///
/// The node stops by [`Node::shutdown`], when its store fails, or when the last handle is dropped
/// (a node that serves the API holds one itself).
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner(Parts);

impl Drop for Inner {
    fn drop(&mut self) {
        self.0.engine.stop();
    }
}

/// What a node is made of.
pub(crate) struct Parts {
    pub(crate) device: DeviceId,
    pub(crate) owner: watch::Sender<Owner>,
    pub(crate) name: RwLock<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) started: Time,
    pub(crate) engine: Engine,
    pub(crate) network: Network,
    pub(crate) book: Arc<AddressBook>,
    pub(crate) advertise: Vec<Multiaddr>,
    pub(crate) links: watch::Receiver<usize>,
    pub(crate) stopped: watch::Receiver<Option<Result<()>>>,
    pub(crate) endpoint: OnceLock<types::Endpoint>,
    pub(crate) shares: Shares,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("device", &self.device()).finish_non_exhaustive()
    }
}

impl Node {
    /// Describes a node to start.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(parts: Parts) -> Self {
        Self { inner: Arc::new(Inner(parts)) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.0.engine
    }

    /// The public name of this device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.inner.0.device
    }

    /// The member whose device this is.
    #[must_use]
    pub fn member(&self) -> MemberId {
        self.inner.0.owner.borrow().member
    }

    pub(crate) fn owner(&self) -> &watch::Sender<Owner> {
        &self.inner.0.owner
    }

    /// What people call this device.
    #[must_use]
    pub fn name(&self) -> String {
        self.inner.0.name.read().expect("who writes the name does not panic").clone()
    }

    /// Calls this device something else, in every space it writes in, while it runs.
    ///
    /// # Errors
    /// `FailureKind::Usage` if the name is empty or longer than 128 bytes, `FailureKind::NotRunning`.
    pub async fn rename(&self, name: &str) -> Result<()> {
        match self.engine().wish(Wish::RenameDevice { name: name.to_owned() }).await?? {
            Outcome::Renamed => {}
            other => return Err(unexpected(&other)),
        }
        let mut known = self.inner.0.name.write().expect("who writes the name does not panic");
        name.clone_into(&mut known);
        Ok(())
    }

    /// Where identity, store and state live.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.inner.0.data_dir
    }

    /// Creates a space of which this device is the first admin; durable when it returns.
    ///
    /// # Errors
    /// `FailureKind::Usage` for a bad name or a reached limit, `FailureKind::NotRunning`.
    pub async fn create_space(&self, name: &str) -> Result<Space> {
        self.create_space_with(name, History::All).await
    }

    /// Creates a space whose later members can read so much of its past; durable when it returns.
    ///
    /// # Errors
    /// As [`Self::create_space`].
    pub async fn create_space_with(&self, name: &str, history: History) -> Result<Space> {
        match self.engine().wish(Wish::CreateSpace { name: name.to_owned(), history }).await?? {
            Outcome::Created(space) => Ok(Space::new(self.clone(), space)),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes a ticket with which other devices can join `space`.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::Forbidden`, `FailureKind::Usage` for an
    /// impossible lifetime or number of uses, `FailureKind::NotRunning`.
    pub async fn invite(&self, space: SpaceId, invitation: Invitation) -> Result<Ticket> {
        if !(1..=TICKET_USES_MAX).contains(&invitation.uses) {
            return Err(Failure::usage(format!("a ticket has 1 to {TICKET_USES_MAX} uses")));
        }
        if invitation.lifetime > TICKET_LIFETIME_MAX {
            return Err(Failure::usage("a ticket is valid for at most 366 days"));
        }
        let lifetime_ms = u64::try_from(invitation.lifetime.as_millis()).unwrap_or(u64::MAX);
        let wish = Wish::Invite {
            space,
            role: invitation.role,
            expires: clock::now().plus_ms(lifetime_ms),
            uses: invitation.uses,
            addresses: self.own_addresses().iter().map(ToString::to_string).collect(),
        };
        match self.engine().wish(wish).await?? {
            Outcome::Invited(ticket) => Ok(*ticket),
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) fn own_addresses(&self) -> Vec<Multiaddr> {
        let parts = &self.inner.0;
        addresses::own(&parts.advertise, parts.network.listen_addresses(), parts.device)
    }

    /// Joins the space a ticket names; returns once this device can read it.
    ///
    /// The wish to join is durable: if it fails for want of a reachable member, the node goes on
    /// trying, and a later call with the same ticket waits on.
    ///
    /// # Errors
    /// `FailureKind::Peer` if a member refuses the ticket or does not know it,
    /// `FailureKind::Network` if nobody is reached within `timeout`, `FailureKind::Timeout` if
    /// somebody is reached but this device is not admitted, `FailureKind::NotRunning`.
    pub async fn join(&self, ticket: &Ticket, timeout: Duration) -> Result<Space> {
        if !self.online() {
            return Err(Failure::network("this device is offline").hint("go back: meshwork online"));
        }
        let space = ticket.space;
        let mut events = self.subscribe();
        match self.engine().wish(Wish::Join { ticket: Box::new(ticket.clone()) }).await? {
            Ok(_) | Err(Refusal::AlreadyMember) => {}
            Err(refusal) => return Err(refusal.into()),
        }
        self.dial_ticket(ticket);
        let mut asked = false;
        match tokio::time::timeout(timeout, self.admission(ticket, &mut events, &mut asked)).await {
            Ok(Ok(())) => Ok(Space::new(self.clone(), space)),
            Ok(Err(failure)) => {
                self.forget_stranger(ticket.inviter).await?;
                Err(failure)
            }
            Err(_) => Err(self.not_admitted(ticket, timeout, asked)),
        }
    }

    async fn admission(
        &self,
        ticket: &Ticket,
        events: &mut Subscription,
        asked: &mut bool,
    ) -> Result<()> {
        let wanted = ticket.space;
        loop {
            if self.view(wanted).await?.is_some_and(|view| view.ready) {
                return Ok(());
            }
            loop {
                match events.next().await.ok_or_else(Failure::stopped)? {
                    Notice::Event(Event::SpaceReady { space }) if space == wanted => break,
                    Notice::Resync { .. } => break,
                    Notice::Event(Event::JoinRefused { space, reason, .. }) if space == wanted => {
                        return Err(reason.into());
                    }
                    Notice::Event(Event::JoinUnanswered { space, peer }) if space == wanted => {
                        *asked = true;
                        if peer == ticket.inviter {
                            return Err(unknown_to_inviter());
                        }
                    }
                    Notice::Event(_) => {}
                }
            }
        }
    }

    fn not_admitted(&self, ticket: &Ticket, timeout: Duration, asked: bool) -> Failure {
        let seconds = timeout.as_secs_f32();
        let peers = self.inner.0.network.peers();
        if peers.is_empty() {
            let failure = Failure::network(format!("no member was reached within {seconds} s"))
                .hint("check that the device that made the ticket is up: meshwork status")
                .hint("the node goes on trying; run the same command again to wait on");
            return ticket
                .addresses
                .iter()
                .fold(failure, |failure, address| failure.hint(format!("tried {address}")));
        }
        let what = if asked {
            "the peers that were reached do not answer this ticket"
        } else {
            "peers were reached, but none has admitted this device"
        };
        Failure::timeout(format!("{what} within {seconds} s"))
            .hint("the ticket may be older than the device it comes from: ask for a new one")
            .hint("the node goes on trying; run the same command again to wait on")
    }

    /// Stops dialling a device that is a member of none of this device's spaces.
    async fn forget_stranger(&self, device: DeviceId) -> Result<()> {
        let is_member = move |replica: &mut Replica| {
            let mut spaces = replica.spaces().into_iter();
            Ok(spaces.any(|space| {
                let members = replica.members(space.id).unwrap_or_default();
                members.iter().any(|member| member.device == device)
            }))
        };
        if self.engine().query(is_member).await? {
            return Ok(());
        }
        let parts = &self.inner.0;
        parts.network.forget(PeerKey(device.0));
        if parts.book.forget(device) {
            self.save_book();
        }
        Ok(())
    }

    fn save_book(&self) {
        let book = self.inner.0.book.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = book.save() {
                tracing::warn!(%failure, "known addresses were not written");
            }
        });
    }

    fn dial_ticket(&self, ticket: &Ticket) {
        self.dial_device(ticket.inviter, &ticket.addresses);
    }

    /// Dials a device where it said it may be reached, and keeps that.
    pub(crate) fn dial_device(&self, device: DeviceId, told: &[String]) {
        let parts = &self.inner.0;
        let reachable: Vec<Multiaddr> = told
            .iter()
            .take(TICKET_ADDRESSES_MAX)
            .filter_map(|text| text.parse().ok())
            .map(|address| addresses::leading_to(address, device))
            .collect();
        if parts.book.remember(device, &reachable) {
            self.save_book();
        }
        for address in reachable {
            parts.network.dial(address);
        }
    }

    /// All spaces of this device, those it waits to be admitted to included.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn spaces(&self) -> Result<Vec<SpaceView>> {
        self.engine().query(|replica| Ok(replica.spaces())).await
    }

    /// One space, if this device has it.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn space(&self, space: SpaceId) -> Result<Option<Space>> {
        Ok(self.view(space).await?.map(|_| Space::new(self.clone(), space)))
    }

    async fn view(&self, space: SpaceId) -> Result<Option<SpaceView>> {
        self.engine().query(move |replica| Ok(replica.space(space))).await
    }

    /// The space a person means by `text`: its name, its id, or the beginning of its id.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, or `FailureKind::Usage` naming the candidates.
    pub async fn resolve(&self, text: &str) -> Result<Space> {
        let spaces = self.spaces().await?;
        let found: Vec<&SpaceView> = match spaces.iter().find(|view| view.id.to_string() == text) {
            Some(view) => vec![view],
            None => {
                let named: Vec<_> = spaces.iter().filter(|view| view.name == text).collect();
                let begins = |view: &&SpaceView| view.id.to_string().starts_with(text);
                let meant = !text.is_empty() && named.is_empty();
                if meant { spaces.iter().filter(begins).collect() } else { named }
            }
        };
        match found.as_slice() {
            [one] => Ok(Space::new(self.clone(), one.id)),
            [] => Err(Failure::not_found(format!("there is no space `{text}` on this device"))
                .hint("list them: meshwork space list")),
            several => Err(several.iter().fold(
                Failure::usage(format!("`{text}` may mean {} spaces", several.len())),
                |failure, view| failure.hint(format!("{} ({})", view.id, view.name)),
            )),
        }
    }

    /// Follows what happens on this node from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.engine().events())
    }

    /// Where a device was tried to be reached in vain, if it is not connected.
    pub(crate) fn attempt(&self, device: DeviceId) -> Option<network::Attempt> {
        self.inner.0.network.attempt(PeerKey(device.0))
    }

    /// How the node is, all in one.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn status(&self) -> Result<types::Status> {
        let parts = &self.inner.0;
        let (spaces, counters) = self
            .engine()
            .query(|replica| {
                let spaces = replica.spaces();
                let members = |space: &SpaceView| replica.members(space.id).unwrap_or_default();
                let spaces: Vec<_> =
                    spaces.iter().map(|space| (space.clone(), members(space))).collect();
                Ok((spaces, replica.counters()))
            })
            .await?;
        let traffic = parts.network.traffic();
        Ok(types::Status {
            device: parts.device.to_string(),
            name: self.name(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            data_dir: parts.data_dir.clone(),
            online: !parts.network.paused(),
            uptime_ms: clock::now().0.saturating_sub(parts.started.0),
            listening: self.listening(),
            peers: parts.network.peers().len(),
            spaces: spaces
                .into_iter()
                .map(|(space, members)| types::SpaceStatus::new(&space, &members))
                .collect(),
            bytes_in: traffic.bytes_in,
            bytes_out: traffic.bytes_out,
            groups: self.engine().counters(),
            counters,
        })
    }

    /// The peers this node has a link with, or had since it started.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn peers(&self) -> Result<Vec<types::Peer>> {
        let look = |replica: &mut Replica| {
            let now = clock::now();
            Ok((replica.links(), replica.ended_sessions(), replica.grey_listed(now)))
        };
        let (links, ended, grey) = self.engine().query(look).await?;
        let mut peers: Vec<types::Peer> = self
            .inner
            .0
            .network
            .peers()
            .iter()
            .map(|status| {
                let link = links.iter().find(|view| view.link.0 == status.link.0);
                types::Peer::new(status, link)
            })
            .collect();
        let absent = ended.iter().map(|(_, device, _)| *device);
        let mut absent: Vec<DeviceId> = absent.chain(grey.iter().map(|one| one.device)).collect();
        absent.sort_unstable();
        absent.dedup();
        for device in absent {
            if !peers.iter().any(|peer| peer.device == device.to_string()) {
                let grey = grey.iter().find(|one| one.device == device);
                peers.push(types::Peer::absent(device, &ended, grey));
            }
        }
        peers.sort_by(|a, b| a.device.cmp(&b.device));
        Ok(peers)
    }

    /// Takes the node off the network, or back on it.
    ///
    /// Off it, nothing that peers have sent is applied any more when this returns. Back on it, links
    /// come up by and by.
    pub async fn set_online(&self, online: bool) {
        self.inner.0.network.pause(!online);
        if !online && self.inner.0.links.clone().wait_for(|links| *links == 0).await.is_err() {
            tracing::debug!("the node stopped before it was offline");
        }
    }

    /// Tells whether the node is on the network.
    #[must_use]
    pub fn online(&self) -> bool {
        !self.inner.0.network.paused()
    }

    /// Where peers may connect to, as multiaddresses.
    #[must_use]
    pub fn listening(&self) -> Vec<String> {
        let addresses = self.inner.0.network.listen_addresses();
        addresses.iter().map(ToString::to_string).collect()
    }

    /// Where the HTTP API of this node is, if it serves one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&types::Endpoint> {
        self.inner.0.endpoint.get()
    }

    pub(crate) fn announce(&self, endpoint: types::Endpoint) {
        self.inner.0.endpoint.set(endpoint).expect("a node serves the API once");
    }

    /// The shared folders. A node with shares ends by [`Node::shutdown`] only.
    #[must_use]
    pub fn shares(&self) -> &Shares {
        &self.inner.0.shares
    }

    /// Binds a folder to a space and keeps both the same from now on, across restarts.
    ///
    /// # Errors
    /// `FailureKind::Usage` if the folder is shared already or inside one that is,
    /// `FailureKind::Storage` if it cannot be used.
    pub async fn share(&self, space: &Space, dir: &Path) -> Result<ShareStatus> {
        let (node, space, dir) = (self.clone(), space.clone(), dir.to_owned());
        tokio::task::spawn_blocking(move || node.shares().add(&space, &dir))
            .await
            .map_err(|error| Failure::internal(format!("sharing a folder: {error}")))?
    }

    /// Asks the node to stop, without waiting for it.
    pub(crate) fn request_stop(&self) {
        self.engine().stop();
    }

    /// Stops the node and waits until everything is closed.
    ///
    /// # Errors
    /// The failure that has stopped the node before.
    pub async fn shutdown(&self) -> Result<()> {
        let node = self.clone();
        let stopped = tokio::task::spawn_blocking(move || node.shares().stop()).await;
        self.engine().stop();
        stopped.map_err(|error| Failure::internal(format!("stopping shares: {error}")))?;
        self.stopped().await
    }

    /// Waits until the node has stopped, by whatever cause.
    ///
    /// # Errors
    /// `FailureKind::Storage` if its store failed, `FailureKind::Internal` for a bug.
    pub async fn stopped(&self) -> Result<()> {
        let mut stopped = self.inner.0.stopped.clone();
        let outcome = stopped.wait_for(Option::is_some).await;
        outcome.map_or_else(|_| Ok(()), |outcome| outcome.clone().unwrap_or(Ok(())))
    }
}

fn unknown_to_inviter() -> Failure {
    Failure::peer("the device that made the ticket does not know it any more")
        .hint("ask for a new one: meshwork invite SPACE")
}

pub(crate) fn unexpected(outcome: &Outcome) -> Failure {
    Failure::internal(format!("the engine answered another wish: {outcome:?}"))
}
