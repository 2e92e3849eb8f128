//! The host's network: peers, links and bytes over libp2p.
//!
//! In: addresses to listen on and to dial, frames to send. Out: [`NetworkEvent`]s on a bounded channel.
//! A *link* is the one long-lived stream to a peer; while it is up it is reliable, ordered and
//! exactly-once, and what is under way when it ends is lost, which [`NetworkEvent::LinkDown`] tells.
//!
//! Invariants: at most one link per peer is up at a time; `LinkUp` precedes and `LinkDown` follows all
//! frames of a link; a slow host slows the readers and nothing else; every queue has a named bound.
//! Deliberately not here: what frames mean, who may talk to whom, remembering addresses on disk.

mod attempts;
mod behaviour;
mod driver;
mod link;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, identity};
use tokio::sync::{mpsc, oneshot};

pub use self::attempts::Attempt;
use self::attempts::Attempts;
use self::driver::{Command, Driver};
use self::link::Link;

/// Largest number of links, and of connections, at a time.
pub const LINKS_MAX: usize = 256;
/// Default largest frame, in bytes, without its length prefix.
pub const FRAME_BYTES_MAX: usize = 512 * 1024;
/// Default largest number of frames that wait on one link to be written.
pub const FRAMES_QUEUED_MAX: usize = 32 * 1024;
/// Default largest number of bytes that wait on one link to be written.
pub const BYTES_QUEUED_MAX: usize = 8 * 1024 * 1024;
/// Events that wait for the host; readers pause beyond that. Frames among them hold at most
/// `frame_bytes_max` bytes each.
pub const EVENTS_QUEUED_MAX: usize = 128;

/// How the network is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free port, a wildcard address takes every interface.
    pub listen: Vec<Multiaddr>,
    /// Whether to announce this node to, and find others on, the local network.
    pub mdns: bool,
    /// Largest frame in bytes, both ways; a peer that announces a larger one loses its link.
    pub frame_bytes_max: usize,
    /// Frames that may wait to be written on one link.
    pub frames_queued_max: usize,
    /// Bytes that may wait to be written on one link, length prefixes included.
    pub bytes_queued_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        let any = || Multiaddr::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Self {
            listen: vec![
                any().with(Protocol::Tcp(0)),
                any().with(Protocol::Udp(0)).with(Protocol::QuicV1),
            ],
            mdns: true,
            frame_bytes_max: FRAME_BYTES_MAX,
            frames_queued_max: FRAMES_QUEUED_MAX,
            bytes_queued_max: BYTES_QUEUED_MAX,
        }
    }
}

/// Names a link; never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl LinkId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The Ed25519 public key of a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer_id() {
            Some(id) => write!(f, "PeerKey({id})"),
            None => write!(f, "PeerKey({:02x?})", self.0),
        }
    }
}

impl PeerKey {
    /// The libp2p name of this peer; `None` if the bytes are no point of the curve.
    #[must_use]
    pub fn peer_id(&self) -> Option<PeerId> {
        let key = identity::ed25519::PublicKey::try_from_bytes(&self.0).ok()?;
        Some(identity::PublicKey::from(key).to_peer_id())
    }

    /// The key in a libp2p name; `None` unless it is an Ed25519 key.
    fn of(peer: &PeerId) -> Option<Self> {
        let key = identity::PublicKey::try_decode_protobuf(peer.as_ref().digest()).ok()?;
        Some(Self(key.try_into_ed25519().ok()?.to_bytes()))
    }
}

/// Who opened the connection under a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer dialled this node.
    Inbound,
    /// This node dialled the peer.
    Outbound,
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP with Noise and Yamux.
    Tcp,
    /// QUIC version 1.
    Quic,
}

impl Transport {
    fn of(address: &Multiaddr) -> Self {
        match address.iter().any(|part| part == Protocol::QuicV1) {
            true => Self::Quic,
            false => Self::Tcp,
        }
    }
}

/// One live link.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// The peer.
    pub peer: PeerKey,
    /// Its link.
    pub link: LinkId,
    /// Its address; for inbound connections the port is not one to dial.
    pub address: Multiaddr,
    /// What carries the link.
    pub transport: Transport,
    /// Since when the link is up.
    pub since: Instant,
    /// The last measured round trip time, once there is one.
    pub rtt: Option<Duration>,
    /// Who dialled.
    pub direction: Direction,
    /// Bytes of frames received, length prefixes included.
    pub bytes_in: u64,
    /// Bytes of frames sent, length prefixes included.
    pub bytes_out: u64,
}

/// What went over all links since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of frames received, length prefixes included.
    pub bytes_in: u64,
    /// Bytes of frames sent, length prefixes included.
    pub bytes_out: u64,
    /// Links closed because the peer announced a frame that was too large.
    pub frames_oversized: u64,
}

/// What the network tells its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// A link came up.
    LinkUp {
        /// The link.
        link: LinkId,
        /// The peer, proven by the transport's handshake.
        peer: PeerKey,
        /// The peer's address.
        address: Multiaddr,
    },
    /// A link ended; frames not yet received on either side are lost.
    LinkDown {
        /// The link.
        link: LinkId,
    },
    /// A frame arrived.
    Frame {
        /// The link.
        link: LinkId,
        /// The frame, without its length prefix.
        bytes: Vec<u8>,
    },
    /// A peer was seen on the local network; it is dialled anyhow. A hint: dropped if the host is busy.
    Discovered {
        /// The peer, as it claims to be.
        peer: PeerKey,
        /// Where it says it listens.
        addresses: Vec<Multiaddr>,
    },
}

/// Why the network could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum NetworkError {
    /// Another program listens there.
    AddressInUse {
        /// The address.
        address: Multiaddr,
    },
    /// The address is not one this node can listen on.
    BadAddress {
        /// The address.
        address: Multiaddr,
        /// Why not.
        reason: String,
    },
    /// Something else failed, as the message says.
    Other(String),
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse { address } => write!(f, "the address {address} is in use"),
            Self::BadAddress { address, reason } => {
                write!(f, "cannot listen on {address}: {reason}")
            }
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for NetworkError {}

/// What handles, links and the driver share.
#[derive(Debug, Default)]
struct Shared {
    links: Mutex<HashMap<LinkId, Arc<Link>>>,
    listening: Mutex<Vec<Multiaddr>>,
    attempts: Mutex<Attempts>,
    paused: AtomicBool,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    frames_oversized: AtomicU64,
}

impl Shared {
    fn links(&self) -> MutexGuard<'_, HashMap<LinkId, Arc<Link>>> {
        self.links.lock().expect("nothing panics while it holds the links")
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().expect("nothing panics while it holds the attempts")
    }

    fn listening(&self) -> MutexGuard<'_, Vec<Multiaddr>> {
        self.listening.lock().expect("nothing panics while it holds the addresses")
    }
}

/// A handle to the running network; cheap to clone.
///
/// The network stops when it is told to or when the last handle is gone.
#[derive(Clone, Debug)]
pub struct Network {
    shared: Arc<Shared>,
    /// Fed by the host only, so it needs no bound.
    commands: mpsc::UnboundedSender<Command>,
}

/// Starts the network with the Ed25519 secret key `seed`; returns once it listens.
///
/// # Errors
/// [`NetworkError::AddressInUse`] and [`NetworkError::BadAddress`] for the address that cannot be used;
/// [`NetworkError::Other`] if the system refuses something else.
pub async fn start(
    seed: &[u8; 32],
    options: Options,
) -> Result<(Network, mpsc::Receiver<NetworkEvent>), NetworkError> {
    let secret = identity::ed25519::SecretKey::try_from_bytes(*seed)
        .map_err(|error| NetworkError::Other(format!("the identity is unusable: {error}")))?;
    let keypair = identity::Keypair::from(identity::ed25519::Keypair::from(secret));
    let shared = Arc::new(Shared::default());
    let (events, event_receiver) = mpsc::channel(EVENTS_QUEUED_MAX);
    let (commands, command_receiver) = mpsc::unbounded_channel();
    let mut driver = Driver::new(keypair, options, shared.clone(), events)?;
    driver.listen().await?;
    tokio::spawn(driver.run(command_receiver));
    Ok((Network { shared, commands }, event_receiver))
}

impl Network {
    /// Hands `frame` to a link; it is on its way without further waiting.
    ///
    /// `false`: the link is gone, or it is closed now because its queue is full or the frame is too
    /// large; the frame is lost.
    #[must_use]
    pub fn send(&self, link: LinkId, frame: Vec<u8>) -> bool {
        let link = self.shared.links().get(&link).cloned();
        link.is_some_and(|link| link.push(frame))
    }

    /// Closes a link and the connection under it; what waits on it is lost.
    pub fn close(&self, link: LinkId) {
        if let Some(link) = self.shared.links().get(&link) {
            link.close();
        }
    }

    /// Closes a link that nobody needs, and does not dial its peer again by itself.
    pub fn part(&self, link: LinkId) {
        let peer = self.shared.links().get(&link).map(|link| link.peer);
        if let Some(peer) = peer {
            self.forget(peer);
            self.close(link);
        }
    }

    /// Tries to connect to `peer`, once.
    pub fn try_once(&self, peer: PeerKey, addresses: Vec<Multiaddr>) {
        self.command(Command::Try(peer, addresses));
    }

    /// Connects to `address`, which may end in `/p2p/<peer>`, and keeps trying.
    ///
    /// The address is remembered: it is dialled again, ever more slowly, until there is a connection,
    /// and again when that is lost, until [`forget`](Self::forget). Calling it again tries at once.
    pub fn dial(&self, address: Multiaddr) {
        self.command(Command::Dial(address));
    }

    /// Stops dialling `peer`; a link that is up stays, and mDNS may find the peer again.
    pub fn forget(&self, peer: PeerKey) {
        self.command(Command::Forget(peer));
    }

    /// Where peers may connect to: one address per interface, with ports, ending in the own peer id.
    #[must_use]
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.shared.listening().clone()
    }

    /// The links that are up.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let links: Vec<Arc<Link>> = self.shared.links().values().cloned().collect();
        links.iter().filter_map(|link| link.status()).collect()
    }

    /// The latest dial of `peer` that failed, unless it is connected.
    #[must_use]
    pub fn attempt(&self, peer: PeerKey) -> Option<Attempt> {
        self.shared.attempts().of(peer)
    }

    /// What went over all links since the start.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic {
            bytes_in: self.shared.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.shared.bytes_out.load(Ordering::Relaxed),
            frames_oversized: self.shared.frames_oversized.load(Ordering::Relaxed),
        }
    }

    /// Takes the node off the network (`true`) or back on it, on the same ports.
    pub fn pause(&self, pause: bool) {
        self.shared.paused.store(pause, Ordering::Relaxed);
        self.command(Command::Pause(pause));
    }

    /// Tells whether the node was taken off the network.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    /// Closes everything and returns when it is closed.
    pub async fn shutdown(self) {
        let (done, closed) = oneshot::channel();
        self.command(Command::Shutdown(done));
        if closed.await.is_err() {
            tracing::debug!("the network had stopped before");
        }
    }

    fn command(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::debug!("the network has stopped");
        }
    }
}

/// The socket address in a multiaddress; `None` unless it starts with an IP address and a port.
fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// `address` without the peer at its end.
fn without_peer(mut address: Multiaddr) -> Multiaddr {
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address
}
