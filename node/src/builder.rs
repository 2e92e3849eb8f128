//! Bringing a node up, in the one order that fails early and leaves nothing behind.
//!
//! Lock, identity, store, network, engine, known peers, API. Data in: what the builder was told. Data
//! out: a running [`Node`], or a [`Failure`] and everything closed again.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};

use libp2p::Multiaddr;
use meshwork_protocol::limits::FRAME_BYTES_MAX;
use meshwork_protocol::store::{Store, StoreError};
use meshwork_protocol::{DeviceId, Event, Identity, Input, LinkId, Phrase, Replica};
use meshwork_storage::{SledOptions, SledStore};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::sync::{mpsc, oneshot, watch};

use crate::addresses::{self, AddressBook};
use crate::api::server::Server;
use crate::clock;
use crate::config::{self, Config};
use crate::daemon::{Engine, Setup};
use crate::failure::{Failure, Result};
use crate::files;
use crate::identity::{self, Kept, Passphrase, Reseal};
use crate::linking::{self, Owner};
use crate::lock::DirLock;
use crate::network::{self, Network, NetworkError, NetworkEvent};
use crate::node::{Node, Parts};
use crate::share::Shares;
use crate::subscription::{Notice, Subscription};

/// Name of the store in the data directory.
pub(crate) const STORE_DIR: &str = "store";

/// What a node is to be; made by [`Node::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    data_dir: Option<PathBuf>,
    name: Option<String>,
    listen: Vec<Multiaddr>,
    advertise: Vec<Multiaddr>,
    mdns: bool,
    api: Option<SocketAddr>,
    passphrase: Option<Passphrase>,
    first_start: FirstStart,
}

/// Whom to tell the recovery phrase of a first start.
#[derive(Clone)]
struct FirstStart(Arc<dyn Fn(&Phrase) + Send + Sync>);

impl fmt::Debug for FirstStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstStart(..)")
    }
}

impl Default for FirstStart {
    fn default() -> Self {
        Self(Arc::new(|_| {}))
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            data_dir: None,
            name: None,
            listen: config::default_listen(),
            advertise: Vec::new(),
            mdns: true,
            api: None,
            passphrase: None,
            first_start: FirstStart::default(),
        }
    }
}

impl From<&Config> for Builder {
    fn from(config: &Config) -> Self {
        Self {
            data_dir: Some(config.data_dir.clone()),
            name: Some(config.name.clone()),
            listen: config.listen.clone(),
            advertise: config.advertise.clone(),
            mdns: config.mdns,
            api: Some(config.api),
            ..Self::default()
        }
    }
}

impl Builder {
    /// Where identity, store and state live; created if missing. Required.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// What people call this device; default: the host name.
    #[must_use]
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where peers may connect to; default: any interface, TCP and QUIC, free ports that are kept.
    #[must_use]
    pub fn listen(mut self, addresses: impl IntoIterator<Item = Multiaddr>) -> Self {
        self.listen = addresses.into_iter().collect();
        self
    }

    /// What tickets say instead of the addresses found out.
    #[must_use]
    pub fn advertise(mut self, addresses: impl IntoIterator<Item = Multiaddr>) -> Self {
        self.advertise = addresses.into_iter().collect();
        self
    }

    /// Whether to look for peers on the local network; default: yes.
    #[must_use]
    pub fn mdns(mut self, on: bool) -> Self {
        self.mdns = on;
        self
    }

    /// Serves the HTTP API there, port 0 choosing a free one; default: no API.
    #[must_use]
    pub fn api(mut self, address: SocketAddr) -> Self {
        self.api = Some(address);
        self
    }

    /// What opens a sealed identity; a first start seals the new one under it. Default: none.
    #[must_use]
    pub fn passphrase(mut self, passphrase: Passphrase) -> Self {
        self.passphrase = Some(passphrase);
        self
    }

    /// Tells the recovery phrase of a first start, once, before anything is kept.
    ///
    /// `tell` is called only by a start that makes a new member, on a thread that may block. The phrase is not
    /// stored and cannot be had again: show it to the person, or hand it to whatever keeps it for them. Without
    /// this the phrase is forgotten, and a lost device means a new member.
    #[must_use]
    pub fn on_first_start(mut self, tell: impl Fn(&Phrase) + Send + Sync + 'static) -> Self {
        self.first_start = FirstStart(Arc::new(tell));
        self
    }

    /// Starts the node. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// `FailureKind::InUse` if another process has the data directory, `FailureKind::Storage` if
    /// it cannot be used or is damaged, `FailureKind::Sealed` if the identity is sealed and the
    /// passphrase missing or wrong, `FailureKind::Network` if an address cannot be used,
    /// `FailureKind::Config` if there is no data directory.
    pub async fn start(self) -> Result<Node> {
        let data_dir = self.data_dir.clone().ok_or_else(|| {
            Failure::config("a node needs a data directory").hint("Node::builder().data_dir(..)")
        })?;
        let name = self.name.clone().unwrap_or_else(config::default_name);
        let opened = {
            let (builder, data_dir, name) = (self.clone(), data_dir.clone(), name.clone());
            tokio::task::spawn_blocking(move || Opened::open(&builder, &data_dir, &name))
                .await
                .map_err(|error| Failure::internal(format!("opening the store: {error}")))??
        };
        let book = Arc::new(AddressBook::open(&data_dir));
        let (network, network_events) = self.start_network(&opened.identity, &book).await?;
        let (device, member) = (opened.identity.device(), opened.identity.member());
        let (owner, _) = watch::channel(Owner { member, linked_by: None });
        let setup = Setup {
            replica: opened.replica,
            store: opened.store,
            network: network.clone(),
            book: book.clone(),
            rng: opened.rng,
        };
        let (engine, end) = Engine::start(setup)?;
        let (links, links_seen) = watch::channel(0);
        let places = Places {
            network: network.clone(),
            advertise: self.advertise.clone(),
            device,
            told: Vec::new(),
        };
        tokio::spawn(pump(network_events, engine.clone(), links, places));
        let subscription = Subscription::new(engine.events());
        tokio::spawn(remember_peers(subscription, network.clone(), book.clone()));
        let remember = {
            let (network, book) = (network.clone(), book.clone());
            move |device, addresses: Vec<Multiaddr>| {
                book.remember(device, &addresses);
                addresses.into_iter().for_each(|address| network.dial(address));
            }
        };
        let subscription = Subscription::new(engine.events());
        tokio::spawn(linking::keep_card(
            subscription,
            engine.clone(),
            data_dir.clone(),
            opened.reseal,
            owner.clone(),
            remember,
        ));
        for address in book.known() {
            network.dial(address);
        }
        let (stopped, stop_seen) = watch::channel(None);
        let node = Node::new(Parts {
            device,
            owner,
            name: RwLock::new(name),
            data_dir: data_dir.clone(),
            started: clock::now(),
            engine: engine.clone(),
            network: network.clone(),
            book,
            advertise: self.advertise,
            links: links_seen,
            stopped: stop_seen,
            endpoint: OnceLock::new(),
            shares: Shares::default(),
        });
        let server = match self.api {
            None => None,
            Some(address) => match Server::start(node.clone(), address).await {
                Ok(server) => Some(server),
                Err(failure) => {
                    engine.stop();
                    network.shutdown().await;
                    return Err(failure);
                }
            },
        };
        tokio::spawn(supervise(end, network, server, opened.lock, stopped));
        let resumed = node.clone();
        tokio::task::spawn_blocking(move || resumed.shares().resume(&resumed))
            .await
            .map_err(|error| Failure::internal(format!("resuming shares: {error}")))?;
        Ok(node)
    }

    async fn start_network(
        &self,
        identity: &Identity,
        book: &AddressBook,
    ) -> Result<(Network, mpsc::Receiver<NetworkEvent>)> {
        let remembered: Vec<Multiaddr> =
            self.listen.iter().map(|wanted| book.last_listen(wanted)).collect();
        let options = |listen: Vec<Multiaddr>| network::Options {
            listen,
            mdns: self.mdns,
            frame_bytes_max: FRAME_BYTES_MAX,
            ..network::Options::default()
        };
        let started = match network::start(identity.seed(), options(remembered.clone())).await {
            Err(NetworkError::AddressInUse { .. }) if remembered != self.listen => {
                tracing::info!("the ports of last time are taken, asking for free ones");
                network::start(identity.seed(), options(self.listen.clone())).await
            }
            started => started,
        };
        let (network, events) = started?;
        if book.note_listen(&self.listen, &network.listen_addresses()) {
            book.save()?;
        }
        Ok((network, events))
    }
}

/// What must be open before anything is visible to others.
struct Opened {
    lock: DirLock,
    identity: Identity,
    reseal: Reseal,
    store: Arc<dyn Store>,
    replica: Replica,
    rng: ChaCha20Rng,
}

impl Opened {
    fn open(builder: &Builder, data_dir: &Path, name: &str) -> Result<Self> {
        files::create_private_dir(data_dir)?;
        let lock = DirLock::take(data_dir)?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)
            .map_err(|error| Failure::internal(format!("no random numbers: {error}")))?;
        let mut rng = ChaCha20Rng::from_seed(seed);
        let store_path = data_dir.join(STORE_DIR);
        let passphrase = builder.passphrase.as_ref();
        let tell = |phrase: &Phrase| (builder.first_start.0)(phrase);
        let Kept { identity, reseal } =
            identity::load_or_create(data_dir, store_path.exists(), passphrase, &tell)?;
        let in_store = |error: StoreError| {
            let failure = Failure::from(error);
            let message = format!("{} ({})", failure.message, store_path.display());
            Failure { message, ..failure }
        };
        let store: Arc<dyn Store> =
            Arc::new(SledStore::open(&store_path, SledOptions::default()).map_err(in_store)?);
        let replica = Replica::open(store.clone(), identity.clone(), name, clock::now(), &mut rng)
            .map_err(in_store)?;
        let member = identity.member();
        let identity = replica.identity().clone();
        if identity.member() != member {
            // A link was cut short between the store and the file.
            identity::recertify(data_dir, &identity, &reseal)?;
        }
        Ok(Self { lock, identity, reseal, store, replica, rng })
    }
}

/// Where this node can be reached, and what of it the engine has been told.
struct Places {
    network: Network,
    advertise: Vec<Multiaddr>,
    device: DeviceId,
    told: Vec<Multiaddr>,
}

impl Places {
    /// What to tell the engine, if it has changed.
    fn news(&mut self) -> Option<Input> {
        let listening = self.network.listen_addresses();
        let places = addresses::own(&self.advertise, listening, self.device);
        let news = places != self.told;
        self.told = places;
        let addresses = self.told.iter().map(ToString::to_string).collect();
        news.then_some(Input::Reachable { addresses })
    }
}

/// Feeds what the network tells to the engine; waits with it when the engine is busy.
///
/// `links` counts the links whose ends the engine has not been told yet.
async fn pump(
    mut events: mpsc::Receiver<NetworkEvent>,
    engine: Engine,
    links: watch::Sender<usize>,
    mut places: Places,
) {
    while let Some(event) = events.recv().await {
        // Whoever is linked with is told where this node is.
        if matches!(event, NetworkEvent::LinkUp { .. })
            && let Some(news) = places.news()
            && !engine.input(news).await
        {
            break;
        }
        let (input, gone) = match event {
            NetworkEvent::LinkUp { link, peer, .. } => {
                links.send_modify(|links| *links += 1);
                let (link, peer) = (LinkId(link.0), DeviceId(peer.0));
                (Input::PeerConnected { link, peer }, false)
            }
            NetworkEvent::LinkDown { link } => (Input::PeerGone { link: LinkId(link.0) }, true),
            NetworkEvent::Frame { link, bytes } => {
                (Input::Received { link: LinkId(link.0), bytes }, false)
            }
            NetworkEvent::Discovered { .. } => continue,
        };
        if !engine.input(input).await {
            break;
        }
        if gone {
            links.send_modify(|links| *links = links.saturating_sub(1));
        }
    }
}

/// Keeps the addresses at which peers of shared spaces were reached.
async fn remember_peers(mut events: Subscription, network: Network, book: Arc<AddressBook>) {
    while let Some(notice) = events.next().await {
        let Notice::Event(Event::SpaceShared { link, peer, .. }) = notice else { continue };
        let reached: Vec<Multiaddr> = network
            .peers()
            .into_iter()
            .filter(|status| {
                status.link.0 == link.0 && status.direction == network::Direction::Outbound
            })
            .map(|status| status.address)
            .collect();
        if reached.is_empty() || !book.remember(peer, &reached) {
            continue;
        }
        let book = book.clone();
        let saved = tokio::task::spawn_blocking(move || book.save()).await;
        if let Ok(Err(failure)) = saved {
            tracing::warn!(%failure, "the address of a peer was not remembered");
        }
    }
}

/// Waits for the engine to end, for whatever reason, and then closes everything else.
async fn supervise(
    end: oneshot::Receiver<Result<()>>,
    network: Network,
    server: Option<Server>,
    lock: DirLock,
    stopped: watch::Sender<Option<Result<()>>>,
) {
    let outcome = end.await.unwrap_or_else(|_| Err(Failure::internal("the engine vanished")));
    if let Err(failure) = &outcome {
        tracing::error!(%failure, "the node stops");
    }
    if let Some(server) = server {
        server.stop().await;
    }
    network.shutdown().await;
    drop(lock);
    stopped.send_replace(Some(outcome));
}
