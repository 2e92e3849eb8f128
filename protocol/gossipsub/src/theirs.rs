//! gossipsub, as it comes: default configuration, signed messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, Swarm, identity};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::report::{Arrivals, Row};
use crate::{AUTHORS, TAIL, WARM_UP, Work, graph, transport};

fn address(work: Work, node: usize) -> Multiaddr {
    format!("/memory/{}", 1_000_000 + work.nodes * 1_000 + node).parse().expect("it is well formed")
}

pub async fn run(work: Work) -> Row {
    let arrivals = Arc::new(Arrivals::new(work));
    let written = Arc::new(AtomicU64::new(0));
    let links = Arc::new(AtomicU64::new(0));
    let topic = IdentTopic::new("space");
    let mut writers = Vec::new();
    let mut tasks = Vec::new();
    for (node, dials) in graph::dials(work.nodes).into_iter().enumerate() {
        let mut seed = [0; 32];
        ChaCha20Rng::seed_from_u64(node as u64).fill_bytes(&mut seed);
        let keypair = identity::Keypair::ed25519_from_bytes(seed).expect("any 32 bytes are a key");
        let signed = MessageAuthenticity::Signed(keypair.clone());
        let mut behaviour: gossipsub::Behaviour =
            gossipsub::Behaviour::new(signed, gossipsub::Config::default()).expect("it is valid");
        behaviour.subscribe(&topic).expect("subscribing is allowed");
        let mut swarm = transport::swarm(&keypair, behaviour, address(work, node), written.clone());
        while !matches!(swarm.select_next_some().await, SwarmEvent::NewListenAddr { .. }) {}
        let (writer, wishes) = mpsc::unbounded_channel();
        writers.push(writer);
        let dials = dials.into_iter().map(|to| address(work, to)).collect();
        let live = live(swarm, dials, wishes, arrivals.clone(), links.clone(), topic.clone());
        tasks.push(tokio::spawn(live));
    }
    sleep(work.settle).await;
    let mut before = 0;
    let begin = Instant::now();
    for message in 0..work.all() {
        let at = begin + Duration::from_millis(work.every_ms * u64::from(message));
        sleep_until(at).await;
        if message == WARM_UP * AUTHORS as u32 {
            before = written.load(Ordering::Relaxed);
        }
        let mut bytes = message.to_be_bytes().to_vec();
        bytes.resize(work.bytes.max(4), b'x');
        writers[work.author(message)].send((message, bytes)).expect("the node runs");
    }
    sleep(TAIL).await;
    arrivals.bytes.store(written.load(Ordering::Relaxed), Ordering::Relaxed);
    let links = links.load(Ordering::Relaxed) as f64 / work.nodes as f64;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    arrivals.row("gossipsub", before, links)
}

async fn live(
    mut swarm: Swarm<gossipsub::Behaviour>,
    dials: Vec<Multiaddr>,
    mut wishes: mpsc::UnboundedReceiver<(u32, Vec<u8>)>,
    arrivals: Arc<Arrivals>,
    links: Arc<AtomicU64>,
    topic: IdentTopic,
) {
    // Until everybody listens.
    sleep(Duration::from_secs(3)).await;
    for address in dials {
        swarm.dial(address).expect("a dial is allowed");
    }
    loop {
        tokio::select! {
            Some((message, bytes)) = wishes.recv() => {
                arrivals.write(message);
                let published = swarm.behaviour_mut().publish(topic.clone(), bytes);
                published.expect("there are peers");
            }
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionEstablished { .. } => {
                    links.fetch_add(1, Ordering::Relaxed);
                }
                SwarmEvent::Behaviour(gossipsub::Event::Message { message, .. }) => {
                    let number = message.data.first_chunk().copied().expect("it has a number");
                    arrivals.arrive(u32::from_be_bytes(number));
                }
                _ => {}
            },
        }
    }
}
