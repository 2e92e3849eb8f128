//! Real networks on loopback, and raw libp2p peers where one has to misbehave.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identity};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::network::behaviour::{self, Mesh};

const PATIENCE: Duration = Duration::from_secs(30);
const PROTOCOL: StreamProtocol = StreamProtocol::new("/meshwork/1");

struct TestNode {
    network: Network,
    events: mpsc::Receiver<NetworkEvent>,
}

fn tcp() -> Multiaddr {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

fn quic() -> Multiaddr {
    "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()
}

fn options(listen: Multiaddr) -> Options {
    Options { listen: vec![listen], mdns: false, ..Options::default() }
}

fn seed(number: u8) -> [u8; 32] {
    [number; 32]
}

fn keypair(number: u8) -> identity::Keypair {
    identity::Keypair::ed25519_from_bytes(seed(number)).unwrap()
}

fn peer_id(number: u8) -> PeerId {
    keypair(number).public().to_peer_id()
}

fn peer_key(number: u8) -> PeerKey {
    PeerKey::of(&peer_id(number)).unwrap()
}

/// Two seeds, the one with the smaller peer id first: that one opens streams.
fn opener_and_acceptor() -> (u8, u8) {
    if peer_id(1) < peer_id(2) { (1, 2) } else { (2, 1) }
}

impl TestNode {
    async fn start(number: u8, listen: Multiaddr) -> Self {
        Self::with(number, options(listen)).await
    }

    async fn with(number: u8, options: Options) -> Self {
        let (network, events) = start(&seed(number), options).await.unwrap();
        Self { network, events }
    }

    fn address(&self) -> Multiaddr {
        self.network.listen_addresses().remove(0)
    }

    async fn next(&mut self) -> NetworkEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("in time").expect("the network runs")
    }

    async fn up(&mut self) -> LinkId {
        match self.next().await {
            NetworkEvent::LinkUp { link, .. } => link,
            other => panic!("expected a link, got {other:?}"),
        }
    }

    async fn down(&mut self, link: LinkId) {
        assert_eq!(self.next().await, NetworkEvent::LinkDown { link });
    }

    async fn frame(&mut self) -> Vec<u8> {
        match self.next().await {
            NetworkEvent::Frame { bytes, .. } => bytes,
            other => panic!("expected a frame, got {other:?}"),
        }
    }
}

/// Two linked nodes; the first has dialled.
async fn linked(listen: fn() -> Multiaddr) -> (TestNode, LinkId, TestNode, LinkId) {
    let mut a = TestNode::start(1, listen()).await;
    let mut b = TestNode::start(2, listen()).await;
    a.network.dial(b.address());
    let (to_b, to_a) = (a.up().await, b.up().await);
    (a, to_b, b, to_a)
}

/// Sends `count` numbered frames each way at once and checks that all arrive in order.
async fn exchange(a: &mut TestNode, to_b: LinkId, b: &mut TestNode, to_a: LinkId, count: u32) {
    async fn one_side(node: &mut TestNode, link: LinkId, count: u32) {
        for number in 0..count {
            assert!(node.network.send(link, number.to_le_bytes().to_vec()));
        }
        for number in 0..count {
            assert_eq!(node.frame().await, number.to_le_bytes());
        }
    }
    tokio::join!(one_side(a, to_b, count), one_side(b, to_a, count));
}

/// A peer that speaks the transports and nothing else unless told.
struct RawPeer {
    swarm: Swarm<Mesh>,
    control: libp2p_stream::Control,
}

impl RawPeer {
    fn new(number: u8) -> Self {
        let swarm = behaviour::swarm(keypair(number), false).unwrap();
        let control = swarm.behaviour().streams.new_control();
        Self { swarm, control }
    }

    async fn connect(&mut self, address: Multiaddr) {
        self.swarm.dial(address).unwrap();
        let connected = async {
            while !matches!(
                self.swarm.select_next_some().await,
                SwarmEvent::ConnectionEstablished { .. }
            ) {}
        };
        timeout(PATIENCE, connected).await.expect("in time");
    }

    /// Keeps the connection going in the background.
    fn detach(self) -> libp2p_stream::Control {
        let Self { mut swarm, control } = self;
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        control
    }
}

async fn open(control: &mut libp2p_stream::Control, peer: PeerId) -> libp2p::Stream {
    timeout(PATIENCE, control.open_stream(peer, PROTOCOL)).await.expect("in time").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_frames_arrive_in_order_both_ways() {
    let (mut a, to_b, mut b, to_a) = linked(tcp).await;
    exchange(&mut a, to_b, &mut b, to_a, 10_000).await;
    let sent = 10_000 * 8;
    assert_eq!(a.network.traffic().bytes_in, sent);
    assert_eq!(b.network.traffic().bytes_in, sent);
    let status = a.network.peers().remove(0);
    assert_eq!((status.peer, status.link), (peer_key(2), to_b));
    assert_eq!((status.direction, status.transport), (Direction::Outbound, Transport::Tcp));
    assert_eq!(status.bytes_in, sent);
    assert_eq!(b.network.peers().remove(0).direction, Direction::Inbound);
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_carries_links_too() {
    let (mut a, to_b, mut b, to_a) = linked(quic).await;
    exchange(&mut a, to_b, &mut b, to_a, 10_000).await;
    assert_eq!(a.network.peers().remove(0).transport, Transport::Quic);
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_dials_make_one_link() {
    for round in 0..20 {
        let mut a = TestNode::start(10 + 2 * round, tcp()).await;
        let mut b = TestNode::start(11 + 2 * round, tcp()).await;
        a.network.dial(b.address());
        b.network.dial(a.address());
        let (to_b, to_a) = (a.up().await, b.up().await);
        // Any second link, or the loss of the first, would stand between the frames.
        exchange(&mut a, to_b, &mut b, to_a, 1000).await;
        assert_eq!((a.network.peers().len(), b.network.peers().len()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_connects_at_once_is_let_in() {
    let mut hub = TestNode::start(1, tcp()).await;
    let mut crowd = Vec::new();
    for number in 100..132 {
        let node = TestNode::start(number, tcp()).await;
        node.network.dial(hub.address());
        crowd.push(node);
    }
    for _ in 0..crowd.len() {
        hub.up().await;
    }
    for node in &mut crowd {
        node.up().await;
    }
    assert_eq!(hub.network.peers().len(), crowd.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_frame_passes_and_a_larger_one_is_not_taken() {
    let (mut a, to_b, mut b, to_a) = linked(tcp).await;
    let largest = vec![7; FRAME_BYTES_MAX];
    assert!(a.network.send(to_b, largest.clone()));
    assert_eq!(b.frame().await, largest);
    assert!(!a.network.send(to_b, vec![7; FRAME_BYTES_MAX + 1]));
    a.down(to_b).await;
    b.down(to_a).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_length_above_the_limit_closes_the_link() {
    let (opener, acceptor) = opener_and_acceptor();
    let mut node = TestNode::start(acceptor, tcp()).await;
    let mut raw = RawPeer::new(opener);
    raw.connect(node.address()).await;
    let mut control = raw.detach();
    let mut stream = open(&mut control, peer_id(acceptor)).await;
    let link = node.up().await;
    stream.write_all(&3_u32.to_le_bytes()).await.unwrap();
    stream.write_all(b"yes").await.unwrap();
    let too_long = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    stream.write_all(&too_long.to_le_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(node.frame().await, b"yes");
    node.down(link).await;
    assert_eq!(node.network.traffic().frames_oversized, 1);
    assert!(!node.network.send(link, vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_stream_of_the_same_peer_replaces_the_older() {
    let (opener, acceptor) = opener_and_acceptor();
    let mut node = TestNode::start(acceptor, tcp()).await;
    let mut raw = RawPeer::new(opener);
    raw.connect(node.address()).await;
    let mut control = raw.detach();
    let _first = open(&mut control, peer_id(acceptor)).await;
    let old = node.up().await;
    let mut second = open(&mut control, peer_id(acceptor)).await;
    node.down(old).await;
    let new = node.up().await;
    assert!(!node.network.send(old, b"lost".to_vec()));
    assert!(node.network.send(new, b"here".to_vec()));
    let mut read = [0; 9];
    timeout(PATIENCE, second.read_exact(&mut read)).await.expect("in time").unwrap();
    assert_eq!(&read, b"\x01\x04\0\0\0here");
    assert_eq!(node.network.peers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peer_with_the_larger_id_may_not_open() {
    let (opener, acceptor) = opener_and_acceptor();
    let node = TestNode::start(opener, tcp()).await;
    let mut raw = RawPeer::new(acceptor);
    raw.connect(node.address()).await;
    let mut control = raw.detach();
    let mut stream = open(&mut control, peer_id(opener)).await;
    let mut byte = [0];
    let read = timeout(PATIENCE, stream.read(&mut byte)).await.expect("in time");
    assert!(matches!(read, Ok(0) | Err(_)), "no greeting, but {read:?}");
    assert!(node.network.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peer_with_the_smaller_id_alone_opens() {
    let (opener, acceptor) = opener_and_acceptor();
    let mut node = TestNode::start(acceptor, tcp()).await;
    let mut raw = RawPeer::new(opener);
    let mut incoming = raw.control.accept(PROTOCOL).unwrap();
    raw.connect(node.address()).await;
    let mut control = raw.detach();
    let mut stream = open(&mut control, peer_id(acceptor)).await;
    let link = node.up().await;
    assert!(node.network.send(link, vec![]));
    let mut read = [0; 5];
    timeout(PATIENCE, stream.read_exact(&mut read)).await.expect("in time").unwrap();
    assert!(incoming.next().now_or_never().is_none(), "a stream from the wrong side");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_greeting_makes_no_link_and_the_next_attempt_does() {
    let (opener, acceptor) = opener_and_acceptor();
    let mut node = TestNode::start(opener, tcp()).await;
    let mut raw = RawPeer::new(acceptor);
    let mut incoming = raw.control.accept(PROTOCOL).unwrap();
    raw.connect(node.address()).await;
    let _control = raw.detach();
    let (_, mut stream) = timeout(PATIENCE, incoming.next()).await.expect("in time").unwrap();
    stream.write_all(&[9]).await.unwrap();
    stream.flush().await.unwrap();
    let (_, mut stream) = timeout(PATIENCE, incoming.next()).await.expect("in time").unwrap();
    stream.write_all(&[1]).await.unwrap();
    stream.flush().await.unwrap();
    node.up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_opens_the_protocol_harms_nobody() {
    let mut node = TestNode::start(1, tcp()).await;
    let mut raw = RawPeer::new(2);
    raw.connect(node.address()).await;
    let _control = raw.detach();
    let mut other = TestNode::start(3, tcp()).await;
    other.network.dial(node.address());
    let (to_node, to_other) = (other.up().await, node.up().await);
    exchange(&mut other, to_node, &mut node, to_other, 10).await;
    assert_eq!(node.network.peers().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_closes_the_link() {
    let small = Options { frames_queued_max: 2, ..options(tcp()) };
    let mut a = TestNode::with(1, small).await;
    let mut b = TestNode::start(2, tcp()).await;
    a.network.dial(b.address());
    let (to_b, to_a) = (a.up().await, b.up().await);
    // The peer's host reads nothing, so at some point nothing more fits anywhere.
    let frame = vec![1; FRAME_BYTES_MAX];
    let taken = (0..10_000).take_while(|_| a.network.send(to_b, frame.clone())).count();
    assert!(taken < 10_000);
    a.down(to_b).await;
    while b.next().await != (NetworkEvent::LinkDown { link: to_a }) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_may_send_megabytes_before_either_reads() {
    for listen in [tcp, quic] {
        let (mut a, to_b, mut b, to_a) = linked(listen).await;
        let frame = vec![5; 64 * 1024];
        let count = 120;
        for _ in 0..count {
            assert!(a.network.send(to_b, frame.clone()));
            assert!(b.network.send(to_a, frame.clone()));
        }
        for _ in 0..count {
            assert_eq!(a.frame().await, frame);
        }
        for _ in 0..count {
            assert_eq!(b.frame().await, frame);
        }
    }
}

#[test]
fn a_killed_peer_is_reached_again_when_it_returns() {
    let here = Runtime::new().unwrap();
    let there = Runtime::new().unwrap();
    let mut a = here.block_on(TestNode::start(1, tcp()));
    let mut b = there.block_on(TestNode::start(2, tcp()));
    let address = b.address();
    a.network.dial(address.clone());
    let to_b = here.block_on(a.up());
    there.block_on(b.up());
    // Drops every task and socket at once: nothing is said to the peer but what the kernel says.
    there.shutdown_timeout(PATIENCE);
    drop(b);
    here.block_on(a.down(to_b));
    let there = Runtime::new().unwrap();
    let mut b = there.block_on(TestNode::start(2, without_peer(address)));
    let to_b = here.block_on(a.up());
    let to_a = there.block_on(b.up());
    here.block_on(exchange(&mut a, to_b, &mut b, to_a, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_link_comes_back() {
    let (mut a, to_b, mut b, to_a) = linked(tcp).await;
    b.network.close(to_a);
    a.down(to_b).await;
    b.down(to_a).await;
    let (again_b, again_a) = (a.up().await, b.up().await);
    assert_ne!(to_b, again_b);
    exchange(&mut a, again_b, &mut b, again_a, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_peer_is_not_dialled_again() {
    let (mut a, to_b, mut b, to_a) = linked(tcp).await;
    let address = b.address();
    a.network.forget(peer_key(2));
    b.network.close(to_a);
    a.down(to_b).await;
    b.down(to_a).await;
    // Longer than the first waiting time, after which it would be dialled.
    assert!(timeout(Duration::from_secs(1), a.events.recv()).await.is_err());
    a.network.dial(address);
    a.up().await;
    b.up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named() {
    for listen in [tcp, quic] {
        let first = TestNode::start(1, listen()).await;
        let taken = without_peer(first.address());
        match start(&seed(2), options(taken.clone())).await {
            Err(NetworkError::AddressInUse { address }) => assert_eq!(address, taken),
            other => panic!("expected an address in use, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_nobody_can_listen_on_is_named() {
    for bad in ["/ip4/192.0.2.1/tcp/0", "/dns4/localhost/tcp/0", "/ip4/127.0.0.1/udp/0"] {
        let bad: Multiaddr = bad.parse().unwrap();
        match start(&seed(1), options(bad.clone())).await {
            Err(NetworkError::BadAddress { address, .. }) => assert_eq!(address, bad),
            other => panic!("expected a bad address, got {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_becomes_the_addresses_of_the_interfaces() {
    let node = TestNode::with(1, Options { mdns: false, ..Options::default() }).await;
    let addresses = node.network.listen_addresses();
    let own = Protocol::P2p(peer_id(1));
    assert!(addresses.iter().all(|address| address.iter().last() == Some(own.clone())));
    for transport in [Transport::Tcp, Transport::Quic] {
        let of_transport = addresses.iter().filter(|one| Transport::of(one) == transport);
        let at: Vec<SocketAddr> = of_transport.filter_map(socket_address).collect();
        assert!(at.iter().any(|at| at.ip().is_loopback()), "{addresses:?}");
        assert!(at.iter().all(|at| at.port() != 0 && !at.ip().is_unspecified()), "{addresses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_is_off_the_network_and_comes_back_on_the_same_port() {
    for listen in [tcp, quic] {
        let (mut a, to_b, mut b, to_a) = linked(listen).await;
        let address = b.address();
        b.network.pause(true);
        assert!(b.network.paused());
        b.down(to_a).await;
        a.down(to_b).await;
        // Listeners close by themselves a moment after the links.
        let quiet = async {
            while !b.network.peers().is_empty() || !b.network.listen_addresses().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, quiet).await.expect("the node goes off the network");
        b.network.pause(false);
        let (to_b, to_a) = (a.up().await, b.up().await);
        assert_eq!(b.network.listen_addresses(), [address]);
        exchange(&mut a, to_b, &mut b, to_a, 10).await;
        a.network.pause(true);
        a.down(to_b).await;
        b.down(to_a).await;
        a.network.pause(false);
        a.up().await;
        b.up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_peer_is_enough() {
    let mut a = TestNode::start(1, tcp()).await;
    let mut b = TestNode::start(2, tcp()).await;
    a.network.dial(without_peer(b.address()));
    let (to_b, to_a) = (a.up().await, b.up().await);
    b.network.close(to_a);
    a.down(to_b).await;
    b.down(to_a).await;
    a.up().await;
    b.up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_there_yet_is_reached_once_it_is() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let later: Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let mut a = TestNode::start(1, tcp()).await;
    a.network.dial(later.clone());
    let mut b = TestNode::start(2, later).await;
    a.up().await;
    b.up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_shuts_down_says_so_to_its_peers() {
    let (mut a, to_b, mut b, to_a) = linked(tcp).await;
    b.network.clone().shutdown().await;
    b.down(to_a).await;
    assert!(b.events.recv().await.is_none());
    a.down(to_b).await;
    b.network.shutdown().await;
}
