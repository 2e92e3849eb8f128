//! Memory, Noise, Yamux, and a count of what passes below Noise.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, MemoryTransport};
use libp2p::core::upgrade::Version;
use libp2p::swarm::NetworkBehaviour;
use libp2p::{Multiaddr, PeerId, Swarm, Transport as _, identity, noise, yamux};

/// A connection whose written bytes are counted.
struct Counted<C> {
    channel: C,
    written: Arc<AtomicU64>,
}

impl<C: AsyncRead + Unpin> AsyncRead for Counted<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.channel).poll_read(context, into)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Counted<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.channel).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.written.fetch_add(*count as u64, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_close(context)
    }
}

fn transport(
    keypair: &identity::Keypair,
    written: Arc<AtomicU64>,
) -> Boxed<(PeerId, StreamMuxerBox)> {
    MemoryTransport::default()
        .map(move |channel, _| Counted { channel, written })
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(keypair).expect("an own key signs"))
        .multiplex(yamux::Config::default())
        .boxed()
}

/// A swarm that listens at `address`; what it writes is added to `written`.
pub fn swarm<B: NetworkBehaviour>(
    keypair: &identity::Keypair,
    behaviour: B,
    address: Multiaddr,
    written: Arc<AtomicU64>,
) -> Swarm<B> {
    let config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(3_600));
    let transport = transport(keypair, written);
    let mut swarm = Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config);
    swarm.listen_on(address).expect("the port is free");
    swarm
}
