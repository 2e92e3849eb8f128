//! What the driver knows about one peer: its connections and its session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use tokio::sync::oneshot;

use crate::network::link::{Link, Route};

/// An established connection that is not being closed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) route: Route,
    pub(super) rtt: Option<Duration>,
    pub(super) ping_failures: u32,
}

/// A link, from the attempt to open it to its end.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: Arc<Link>,
    pub(super) started: Instant,
    /// The connections that may carry it: which one does is not to be known if both sides have dialled.
    pub(super) carriers: Vec<ConnectionId>,
    /// Resolves when the host has been told of the end.
    pub(super) over: oneshot::Receiver<()>,
}

/// A peer with a connection or a session.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) connections: Vec<Connection>,
    pub(super) session: Option<Session>,
    /// Sessions that are ending because a newer one has taken their place.
    pub(super) replaced: usize,
    /// Sessions in a row that failed, or ended early.
    pub(super) failures: u32,
    /// Not before this may a session be opened.
    pub(super) reopen_at: Option<Instant>,
}

impl Peer {
    /// Whether there is nothing left to know about it.
    pub(super) fn is_gone(&self) -> bool {
        self.connections.is_empty() && self.session.is_none() && self.replaced == 0
    }

    /// Whether a connection that may carry the session is still there.
    pub(super) fn is_carried(&self) -> bool {
        let carries = |session: &Session| {
            self.connections.iter().any(|connection| session.carriers.contains(&connection.id))
        };
        self.session.as_ref().is_some_and(carries)
    }
}
