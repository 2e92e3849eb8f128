//! The task that owns the swarm: it decides who is dialled and which stream becomes a link.
//!
//! In: swarm events, streams peers have opened, ends of sessions, commands of the host. Out: sessions
//! (one task each), dials, closed connections. Of two peers the one with the smaller id opens the stream
//! and does so only when it has no link; so on the other side a new stream always replaces the old, and
//! both ends agree. Connections that carry no link close themselves after a while.
//!
//! Invariants: never waits for a session, a peer or the host; a link ends together with its connection.
//! Deliberately not here: bytes (`link`), waiting times (`targets`).

mod discovery;
mod listening;
mod peer;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identity, ping};
use libp2p_stream::Control;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::listening::Listening;
use self::peer::{Connection, Peer, Session};
use super::behaviour::{self, DIAL_DEADLINE, Mesh, MeshEvent};
use super::link::{self, Link, OPEN_DEADLINE, Route, Side};
use super::targets::{Dial, TargetKey, Targets, backoff};
use super::{
    Direction, LINKS_MAX, LinkId, NetworkError, NetworkEvent, Options, PeerKey, Shared,
    without_peer,
};

/// The protocol of the one stream.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/meshwork/1");
/// Streams that wait for the driver to look at them.
const STREAMS_WAITING_MAX: usize = LINKS_MAX;
/// Sessions at a time, those included that are ending but whose end the host has not yet heard of.
const SESSIONS_MAX: usize = 2 * LINKS_MAX;
/// Replaced links of one peer whose end the host has not yet heard of.
const REPLACED_MAX: usize = 4;
/// Pings in a row that may fail before the connection is closed.
const PING_FAILURES_MAX: u32 = 2;
/// A link that was up for this long is no reason to be slow in dialling again.
const PROVEN_AFTER: Duration = Duration::from_secs(2);
/// How long the end of the network may take.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);
/// How long the driver sleeps if nothing is due.
const NOTHING_DUE: Duration = Duration::from_secs(3600);

/// A wish of the host.
#[derive(Debug)]
pub(super) enum Command {
    Dial(Multiaddr),
    Try(PeerKey, Vec<Multiaddr>),
    Forget(PeerKey),
    Pause(bool),
    Shutdown(oneshot::Sender<()>),
}

/// What becomes a link.
enum Begin {
    Open(Control, PeerId),
    Accept(libp2p::Stream),
}

struct SessionEnd {
    peer: PeerId,
    link: LinkId,
}

/// See the module.
pub(super) struct Driver {
    own: PeerId,
    swarm: Swarm<Mesh>,
    control: Control,
    streams: mpsc::Receiver<(PeerId, libp2p::Stream)>,
    sessions: JoinSet<SessionEnd>,
    peers: HashMap<PeerId, Peer>,
    targets: Targets,
    dials: HashMap<ConnectionId, TargetKey>,
    listening: Listening,
    options: Options,
    shared: Arc<Shared>,
    events: mpsc::Sender<NetworkEvent>,
}

impl Driver {
    pub(super) fn new(
        keypair: identity::Keypair,
        options: Options,
        shared: Arc<Shared>,
        events: mpsc::Sender<NetworkEvent>,
    ) -> Result<Self, NetworkError> {
        let own = keypair.public().to_peer_id();
        let swarm = behaviour::swarm(keypair, options.mdns)?;
        let mut control = swarm.behaviour().streams.new_control();
        let mut incoming = control.accept(PROTOCOL).expect("the protocol is registered once");
        let (waiting, streams) = mpsc::channel(STREAMS_WAITING_MAX);
        // Streams are dropped while nobody waits for the next one, so this task does nothing else.
        tokio::spawn(async move {
            while let Some((peer, stream)) = incoming.next().await {
                match waiting.try_send((peer, stream)) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        tracing::warn!(%peer, "too many streams at once, one was dropped");
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => break,
                }
            }
        });
        Ok(Self {
            own,
            swarm,
            control,
            streams,
            sessions: JoinSet::new(),
            peers: HashMap::new(),
            targets: Targets::default(),
            dials: HashMap::new(),
            listening: Listening::default(),
            options,
            shared,
            events,
        })
    }

    /// Works until the host wants it to end or has dropped every handle.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let done = loop {
            let wake = self.next_wake().into();
            // The swarm comes first: a stream must not be looked at before its connection is known.
            tokio::select! {
                biased;
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some((peer, stream)) = self.streams.recv() => self.on_stream(peer, stream),
                Some(end) = self.sessions.join_next() => {
                    self.on_session_end(&end.expect("no session panics or is aborted before the end"));
                }
                command = commands.recv() => match command {
                    Some(Command::Shutdown(done)) => break Some(done),
                    None => break None,
                    Some(command) => self.on_command(command),
                },
                () = tokio::time::sleep_until(wake) => {}
            }
            self.do_what_is_due();
        };
        self.stop().await;
        if let Some(done) = done
            && done.send(()).is_err()
        {
            tracing::debug!("nobody waits for the end of the network");
        }
    }

    async fn stop(mut self) {
        self.go_offline();
        let ending = async {
            while self.swarm.network_info().num_peers() > 0 || !self.sessions.is_empty() {
                tokio::select! {
                    event = self.swarm.select_next_some() => tracing::trace!(?event, "ending"),
                    Some(_) = self.sessions.join_next() => {}
                }
            }
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, ending).await.is_err() {
            tracing::debug!("connections were cut");
        }
        self.shared.links().clear();
    }

    fn paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Dial(address) => {
                if !self.targets.ask(address.clone(), self.own, Instant::now()) {
                    tracing::warn!(%address, "this address will not be dialled");
                }
            }
            Command::Try(peer, addresses) => {
                let known = peer.peer_id().filter(|peer| {
                    self.targets.try_once(*peer, addresses, self.own, Instant::now())
                });
                if known.is_none() {
                    tracing::debug!(?peer, "there is no way to this peer");
                }
            }
            Command::Forget(peer) => {
                self.shared.attempts().over(peer);
                if let Some(peer) = peer.peer_id() {
                    self.targets.forget(&TargetKey::Peer(peer));
                }
            }
            Command::Pause(true) => self.go_offline(),
            Command::Pause(false) => {
                tracing::info!("the node goes back on the network");
                self.listening.resume(Instant::now());
                self.targets.hurry(Instant::now());
            }
            Command::Shutdown(_) => unreachable!("the loop ends on it"),
        }
    }

    fn go_offline(&mut self) {
        tracing::info!("the node goes off the network");
        self.listening.pause(&mut self.swarm);
        self.publish_listening();
        let connected: Vec<(PeerId, Vec<ConnectionId>)> = self
            .peers
            .iter()
            .map(|(id, peer)| (*id, peer.connections.iter().map(|one| one.id).collect()))
            .collect();
        for (peer, connections) in connected {
            if let Some(session) = self.peers.get(&peer).and_then(|peer| peer.session.as_ref()) {
                session.link.close();
            }
            for connection in connections {
                self.cut(peer, connection);
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let far = Instant::now() + NOTHING_DUE;
        if self.paused() {
            return far;
        }
        let openable = |peer: &Peer| match peer.session {
            None if !peer.connections.is_empty() => peer.reopen_at,
            _ => None,
        };
        let reopen = self.peers.values().filter_map(openable).min();
        let due = [self.targets.next_due(), reopen, self.listening.retry_at()];
        due.into_iter().flatten().min().unwrap_or(far)
    }

    fn do_what_is_due(&mut self) {
        if self.paused() {
            return;
        }
        let now = Instant::now();
        self.listening.listen_again(&mut self.swarm, now);
        for dial in self.targets.take_due(now) {
            self.dial(dial);
        }
        let due = |peer: &Peer| peer.reopen_at.is_some_and(|at| at <= now);
        let reopen: Vec<PeerId> =
            self.peers.iter().filter(|(_, peer)| due(peer)).map(|(id, _)| *id).collect();
        for peer in reopen {
            self.open(peer);
        }
    }

    fn dial(&mut self, Dial { key, addresses }: Dial) {
        let options = match &key {
            TargetKey::Peer(peer) if self.is_connected(peer) => {
                self.targets.connected(*peer, None);
                return;
            }
            // A port of its own per dial: if both sides dialled from the port they listen on, at once,
            // TCP would make one connection of the two, and both ends would think they had opened it.
            TargetKey::Peer(peer) => DialOpts::peer_id(*peer)
                .condition(PeerCondition::Always)
                .addresses(addresses)
                .override_dial_concurrency_factor(behaviour::ADDRESSES_DIALLED_MAX)
                .allocate_new_port()
                .build(),
            TargetKey::Address(address) => {
                DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build()
            }
        };
        tracing::debug!(?key, "dialling");
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(connection, key);
            }
            Err(error) => self.on_dial_failed(&key, &error),
        }
    }

    fn on_dial_failed(&mut self, key: &TargetKey, error: &DialError) {
        tracing::debug!(?key, %error, "a dial failed");
        if let TargetKey::Peer(peer) = key
            && let Some(peer) = PeerKey::of(peer)
        {
            self.shared.attempts().failed(peer, error);
        }
        match key {
            TargetKey::Peer(peer) if self.is_connected(peer) => self.targets.connected(*peer, None),
            _ if matches!(error, DialError::LocalPeerId { .. }) => {
                tracing::warn!(?key, "this is the node itself, it will not be dialled again");
                self.targets.forget(key);
            }
            _ => self.targets.failed(key, Instant::now(), jitter()),
        }
    }

    fn is_connected(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| !peer.connections.is_empty())
    }

    fn on_swarm(&mut self, event: SwarmEvent<MeshEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "a connection is closed");
                self.drop_connection(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(key) = self.dials.remove(&connection_id) {
                    self.on_dial_failed(&key, &error);
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(address = %send_back_addr, %error, "nobody came in");
            }
            SwarmEvent::NewListenAddr { listener_id, address } => {
                tracing::info!(%address, "listening");
                self.listening.on_address(listener_id, address);
                self.publish_listening();
                // A new interface may be the way to those who could not be reached.
                self.targets.hurry(Instant::now());
            }
            SwarmEvent::ExpiredListenAddr { listener_id, address } => {
                tracing::info!(%address, "no longer listening");
                self.listening.on_expired(listener_id, &address);
                self.publish_listening();
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                tracing::debug!(?reason, "a listener is closed");
                self.listening.on_closed(listener_id, Instant::now());
                self.publish_listening();
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener has trouble");
            }
            SwarmEvent::Behaviour(MeshEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::Behaviour(MeshEvent::Mdns(event)) => self.on_mdns(event),
            _ => {}
        }
    }

    fn on_connected(&mut self, id: PeerId, connection: ConnectionId, endpoint: ConnectedPoint) {
        let dialled = self.dials.remove(&connection);
        if self.paused() || PeerKey::of(&id).is_none() {
            self.swarm.close_connection(connection);
            if let Some(key) = dialled {
                self.targets.failed(&key, Instant::now(), jitter());
            }
            return;
        }
        let (address, direction) = match endpoint {
            ConnectedPoint::Dialer { address, .. } => (address, Direction::Outbound),
            ConnectedPoint::Listener { send_back_addr, .. } => (send_back_addr, Direction::Inbound),
        };
        let route = Route { address: without_peer(address), direction };
        tracing::debug!(peer = %id, address = %route.address, ?direction, "connected");
        self.targets.connected(id, dialled.as_ref());
        if let Some(key) = PeerKey::of(&id) {
            self.shared.attempts().over(key);
        }
        let opens = self.own < id;
        let peer = self.peers.entry(id).or_default();
        let carried = peer.is_carried();
        if let Some(session) = peer.session.as_mut().filter(|_| carried) {
            let twin = session.started.elapsed() < DIAL_DEADLINE;
            if twin || (opens && direction == Direction::Outbound) {
                session.carriers.push(connection);
            } else if opens {
                // Too late to be the twin of the connection that carries the link: the peer has lost
                // that one, or it would not have dialled.
                self.replace_connections(id);
            }
        }
        let peer = self.peers.entry(id).or_default();
        peer.connections.push(Connection { id: connection, route, rtt: None, ping_failures: 0 });
        self.open(id);
    }

    /// Gives up the session of a peer, and the connections under it.
    fn replace_connections(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(session) = &peer.session {
            session.link.close();
        }
        for connection in std::mem::take(&mut peer.connections) {
            self.swarm.close_connection(connection.id);
        }
    }

    /// Opens the link to a peer, if it is on this side to do so and there is none.
    fn open(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let early = peer.reopen_at.is_some_and(|at| at > Instant::now());
        if !early {
            peer.reopen_at = None;
        }
        if self.own > id || peer.session.is_some() || peer.connections.is_empty() || early {
            return;
        }
        let begin = Begin::Open(self.control.clone(), id);
        self.start_session(id, begin, None);
    }

    fn on_stream(&mut self, id: PeerId, stream: libp2p::Stream) {
        let closed = self.paused() || self.sessions.len() >= SESSIONS_MAX;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let refused =
            closed || self.own < id || peer.connections.is_empty() || peer.replaced >= REPLACED_MAX;
        if refused {
            tracing::debug!(peer = %id, "a stream was refused");
            return;
        }
        let predecessor = peer.session.take().map(|session| {
            tracing::debug!(peer = %id, link = session.link.id.0, "a newer stream takes over");
            session.link.close();
            peer.replaced += 1;
            session.over
        });
        self.start_session(id, Begin::Accept(stream), predecessor);
    }

    fn start_session(
        &mut self,
        id: PeerId,
        begin: Begin,
        predecessor: Option<oneshot::Receiver<()>>,
    ) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let (Some(connection), Some(key)) = (peer.connections.first(), PeerKey::of(&id)) else {
            return;
        };
        let link = Link::new(key, connection.route.clone(), &self.options, self.shared.clone());
        if let Some(rtt) = connection.rtt {
            link.set_rtt(rtt);
        }
        let (ended, over) = oneshot::channel();
        peer.session = Some(Session {
            link: link.clone(),
            started: Instant::now(),
            carriers: peer.connections.iter().map(|connection| connection.id).collect(),
            over,
        });
        let events = self.events.clone();
        self.sessions.spawn(async move {
            let end = SessionEnd { peer: id, link: link.id };
            if let Some(stream) = begin_session(&link, begin).await {
                link::run(link, stream, events, predecessor).await;
            } else if let Some(predecessor) = predecessor {
                link::wait_for(predecessor).await;
            }
            drop(ended);
            end
        });
    }

    fn on_session_end(&mut self, end: &SessionEnd) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(&end.peer) else { return };
        let Some(session) = peer.session.take_if(|session| session.link.id == end.link) else {
            peer.replaced = peer.replaced.saturating_sub(1);
            self.remove_if_gone(end.peer);
            return;
        };
        if session.link.up().is_some_and(|up| up.elapsed() >= PROVEN_AFTER) {
            peer.failures = 0;
            peer.reopen_at = None;
            self.targets.proven(end.peer);
        } else {
            peer.reopen_at = Some(now + backoff(peer.failures, jitter()));
            peer.failures = peer.failures.saturating_add(1);
        }
        if session.link.up().is_some() {
            for connection in session.carriers {
                self.cut(end.peer, connection);
            }
        }
        self.open(end.peer);
        self.remove_if_gone(end.peer);
    }

    /// Closes a connection and forgets it at once: the closing itself may wait for a peer that is dead.
    fn cut(&mut self, peer: PeerId, connection: ConnectionId) {
        self.swarm.close_connection(connection);
        self.drop_connection(peer, connection);
    }

    fn drop_connection(&mut self, id: PeerId, connection: ConnectionId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let before = peer.connections.len();
        peer.connections.retain(|one| one.id != connection);
        if peer.connections.len() == before {
            return;
        }
        let link = peer.session.as_ref().map(|session| session.link.clone());
        match (peer.connections.first(), link) {
            (Some(remaining), Some(link)) if peer.is_carried() => {
                link.set_route(remaining.route.clone());
            }
            (Some(_), _) => {}
            (None, link) => {
                let up = link.and_then(|link| link.up());
                if up.is_some_and(|up| up.elapsed() >= PROVEN_AFTER) {
                    self.targets.proven(id);
                }
                self.targets.lost(id, Instant::now(), jitter());
                self.remove_if_gone(id);
            }
        }
    }

    fn remove_if_gone(&mut self, id: PeerId) {
        if self.peers.get(&id).is_some_and(Peer::is_gone) {
            self.peers.remove(&id);
        }
    }

    fn on_ping(&mut self, ping::Event { peer: id, connection, result }: ping::Event) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(one) = peer.connections.iter_mut().find(|one| one.id == connection) else {
            return;
        };
        match result {
            Ok(rtt) => {
                one.ping_failures = 0;
                one.rtt = Some(rtt);
                if let Some(session) = &peer.session {
                    session.link.set_rtt(rtt);
                }
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                one.ping_failures += 1;
                tracing::debug!(peer = %id, %error, failures = one.ping_failures, "a ping failed");
                if one.ping_failures >= PING_FAILURES_MAX {
                    self.cut(id, connection);
                    self.close_if_uncarried(id);
                }
            }
        }
    }

    /// Ends a link whose connections are all dead; its stream might not notice.
    fn close_if_uncarried(&self, id: PeerId) {
        if let Some(peer) = self.peers.get(&id).filter(|peer| !peer.is_carried())
            && let Some(session) = &peer.session
        {
            session.link.close();
        }
    }
}

/// Opens the stream, or takes the one that was opened; `None` if that fails or takes too long.
async fn begin_session(link: &Link, begin: Begin) -> Option<libp2p::Stream> {
    let begun = async {
        match begin {
            Begin::Open(mut control, peer) => {
                let opened = control.open_stream(peer, PROTOCOL).await;
                let mut stream = opened.map_err(|error| error.to_string())?;
                let greeted = link::greet(&mut stream, Side::Opening).await;
                greeted.map(|()| stream).map_err(|error| error.to_string())
            }
            Begin::Accept(mut stream) => {
                let greeted = link::greet(&mut stream, Side::Accepting).await;
                greeted.map(|()| stream).map_err(|error| error.to_string())
            }
        }
    };
    let outcome = tokio::select! {
        () = link.closed() => return None,
        outcome = tokio::time::timeout(OPEN_DEADLINE, begun) => outcome,
    };
    match outcome {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::debug!(peer = ?link.peer, error, "no link"),
        Err(_) => tracing::debug!(peer = ?link.peer, "no link in time"),
    }
    None
}

/// A number nobody can guess, so that peers that failed together do not try again together.
fn jitter() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}
