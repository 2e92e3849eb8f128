//! The libp2p behaviours and transports of a node, with their limits.
//!
//! In: the identity. Out: a swarm that neither listens nor dials yet. Deliberately not here: reactions
//! to what the swarm reports, which are the driver's.

use std::num::NonZeroU8;
use std::time::Duration;

use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    Swarm, SwarmBuilder, connection_limits, identify, identity, mdns, noise, ping, tcp, yamux,
};

use super::targets::DIALS_MAX;
use super::{LINKS_MAX, NetworkError};

/// How long a connection may take from the first packet to the end of the handshake.
pub(super) const DIAL_DEADLINE: Duration = Duration::from_secs(3);
/// Addresses of one peer that are dialled at the same time.
pub(super) const ADDRESSES_DIALLED_MAX: NonZeroU8 = NonZeroU8::new(16).expect("16 is not 0");
/// How long a connection without a link stays: the spare one after both sides have dialled, or one of
/// a peer that does not speak the protocol.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two pings on a connection.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long a ping may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two mDNS queries when nobody answers.
const MDNS_QUERY_INTERVAL: Duration = Duration::from_secs(15);
/// Connections in the middle of their handshake that others have opened.
const HANDSHAKES_IN_MAX: u32 = 64;
/// Connections others have opened; the rest of [`LINKS_MAX`] is left to those this node opens.
const CONNECTIONS_IN_MAX: u32 = 192;
/// Connections of one peer: both sides may dial at once, and dead ones linger until they are noticed.
const CONNECTIONS_PER_PEER_MAX: u32 = 6;
/// What identify calls the protocol family.
const FAMILY: &str = "/meshwork/id/1";

/// Everything a connection speaks.
#[derive(NetworkBehaviour)]
pub(super) struct Mesh {
    /// First, so that a refused connection costs the others nothing.
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) streams: libp2p_stream::Behaviour,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

/// Builds the swarm of the node that owns `keypair`.
pub(super) fn swarm(keypair: identity::Keypair, mdns: bool) -> Result<Swarm<Mesh>, NetworkError> {
    let refused = |what: &str, error: &dyn std::fmt::Display| {
        NetworkError::Other(format!("the network cannot start: {what}: {error}"))
    };
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::new().nodelay(true), noise::Config::new, yamux::Config::default)
        .map_err(|error| refused("Noise", &error))?
        .with_quic()
        .with_behaviour(|keypair| mesh(keypair, mdns))
        .map_err(|error| refused("behaviours", &error))?
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(IDLE_TIMEOUT)
                .with_dial_concurrency_factor(ADDRESSES_DIALLED_MAX)
        })
        .with_connection_timeout(DIAL_DEADLINE)
        .build();
    Ok(swarm)
}

fn mesh(keypair: &identity::Keypair, mdns: bool) -> Mesh {
    let links_max = u32::try_from(LINKS_MAX).expect("the number of links is small");
    let dials_max = u32::try_from(DIALS_MAX).expect("the number of dials is small");
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_established(Some(links_max))
        .with_max_established_incoming(Some(CONNECTIONS_IN_MAX))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
        .with_max_pending_incoming(Some(HANDSHAKES_IN_MAX))
        .with_max_pending_outgoing(Some(dials_max));
    let about = identify::Config::new(FAMILY.to_owned(), keypair.public())
        .with_agent_version("meshwork".to_owned())
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    let pings = ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT);
    Mesh {
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(about),
        ping: ping::Behaviour::new(pings),
        streams: libp2p_stream::Behaviour::new(),
        mdns: Toggle::from(mdns.then(|| discovery(keypair)).flatten()),
    }
}

/// A machine on which mDNS does not work still has a network.
fn discovery(keypair: &identity::Keypair) -> Option<mdns::tokio::Behaviour> {
    let config = mdns::Config { query_interval: MDNS_QUERY_INTERVAL, ..mdns::Config::default() };
    match mdns::tokio::Behaviour::new(config, keypair.public().to_peer_id()) {
        Ok(behaviour) => Some(behaviour),
        Err(error) => {
            tracing::warn!(%error, "peers on the local network will not be found");
            None
        }
    }
}
