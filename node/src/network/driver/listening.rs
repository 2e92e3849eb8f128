//! Where the node listens: opens, closes and reopens listeners on the same ports.
//!
//! In: wanted addresses, listener events. Out: the addresses others may use. Invariant: after a pause a
//! wildcard port is the one it was before.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use libp2p::core::transport::{ListenerId, TransportError};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, Swarm};
use tokio::net::{TcpSocket, UdpSocket};

use super::Driver;
use crate::network::behaviour::Mesh;
use crate::network::{NetworkError, Transport, socket_address};

/// How long the system may take to tell the addresses of its interfaces.
const LISTEN_DEADLINE: Duration = Duration::from_secs(3);
/// Time between two attempts to have a port back.
const LISTEN_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Listener {
    /// With the port it has, once it has one.
    wanted: Multiaddr,
    /// `None` while it is closed.
    id: Option<ListenerId>,
    addresses: Vec<Multiaddr>,
}

/// All listeners of a node.
#[derive(Debug, Default)]
pub(super) struct Listening {
    listeners: Vec<Listener>,
    retry_at: Option<Instant>,
}

impl Listening {
    fn open(&mut self, swarm: &mut Swarm<Mesh>, address: Multiaddr) -> Result<(), NetworkError> {
        let id = swarm.listen_on(address.clone()).map_err(|error| match error {
            TransportError::MultiaddrNotSupported(address) => not_supported(address),
            TransportError::Other(error) => {
                NetworkError::BadAddress { address: address.clone(), reason: error.to_string() }
            }
        })?;
        self.listeners.push(Listener { wanted: address, id: Some(id), addresses: Vec::new() });
        Ok(())
    }

    fn is_settled(&self) -> bool {
        self.listeners.iter().all(|listener| !listener.addresses.is_empty())
    }

    fn by_id(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.listeners.iter_mut().find(|listener| listener.id == Some(id))
    }

    pub(super) fn on_address(&mut self, id: ListenerId, address: Multiaddr) {
        let Some(listener) = self.by_id(id) else { return };
        if let Some(at) = socket_address(&address) {
            listener.wanted = with_port(&listener.wanted, at.port());
        }
        if !listener.addresses.contains(&address) {
            listener.addresses.push(address);
        }
    }

    pub(super) fn on_expired(&mut self, id: ListenerId, address: &Multiaddr) {
        if let Some(listener) = self.by_id(id) {
            listener.addresses.retain(|other| other != address);
        }
    }

    /// A listener that closed by itself is opened again.
    pub(super) fn on_closed(&mut self, id: ListenerId, now: Instant) {
        if let Some(listener) = self.by_id(id) {
            listener.id = None;
            listener.addresses.clear();
            self.retry_at = Some(now + LISTEN_AGAIN);
        }
    }

    pub(super) fn pause(&mut self, swarm: &mut Swarm<Mesh>) {
        for listener in &mut self.listeners {
            if let Some(id) = listener.id.take() {
                swarm.remove_listener(id);
            }
            listener.addresses.clear();
        }
        self.retry_at = None;
    }

    pub(super) fn resume(&mut self, now: Instant) {
        self.retry_at = Some(now);
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Opens what is closed, if it is time to; what fails is tried again later.
    pub(super) fn listen_again(&mut self, swarm: &mut Swarm<Mesh>, now: Instant) {
        if self.retry_at.is_none_or(|at| at > now) {
            return;
        }
        self.retry_at = None;
        for listener in self.listeners.iter_mut().filter(|listener| listener.id.is_none()) {
            match swarm.listen_on(listener.wanted.clone()) {
                Ok(id) => listener.id = Some(id),
                Err(error) => {
                    tracing::debug!(address = %listener.wanted, %error, "cannot listen yet");
                    self.retry_at = Some(now + LISTEN_AGAIN);
                }
            }
        }
    }

    fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.listeners.iter().flat_map(|listener| &listener.addresses)
    }
}

impl Driver {
    /// Opens the listeners and waits until their addresses are known.
    pub(in crate::network) async fn listen(&mut self) -> Result<(), NetworkError> {
        let wanted = self.options.listen.clone();
        for address in &wanted {
            probe(address).await?;
        }
        for address in wanted {
            self.listening.open(&mut self.swarm, address)?;
        }
        let settled = async {
            while !self.listening.is_settled() {
                let event = self.swarm.select_next_some().await;
                self.on_swarm(event);
            }
        };
        if tokio::time::timeout(LISTEN_DEADLINE, settled).await.is_err() {
            tracing::warn!("the system tells no address for some of the listeners");
        }
        while let Some(Some(event)) = self.swarm.next().now_or_never() {
            self.on_swarm(event);
        }
        Ok(())
    }

    pub(super) fn publish_listening(&self) {
        let own = Protocol::P2p(self.own);
        *self.shared.listening() =
            self.listening.addresses().map(|address| address.clone().with(own.clone())).collect();
    }
}

/// Tells whether a port is free: the TCP transport shares ports, so it would not notice that another
/// program of the same user listens there.
async fn probe(address: &Multiaddr) -> Result<(), NetworkError> {
    let Some(at) = socket_address(address) else { return Err(not_supported(address.clone())) };
    let bound = match Transport::of(address) {
        Transport::Tcp => bind_tcp(at),
        Transport::Quic => UdpSocket::bind(at).await.map(drop),
    };
    bound.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => NetworkError::AddressInUse { address: address.clone() },
        _ => NetworkError::BadAddress { address: address.clone(), reason: error.to_string() },
    })
}

fn bind_tcp(at: SocketAddr) -> std::io::Result<()> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(at)
}

fn not_supported(address: Multiaddr) -> NetworkError {
    NetworkError::BadAddress { address, reason: "neither TCP nor QUIC on an IP address".to_owned() }
}

fn with_port(address: &Multiaddr, port: u16) -> Multiaddr {
    address
        .iter()
        .map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(port),
            Protocol::Udp(_) => Protocol::Udp(port),
            other => other,
        })
        .collect()
}
