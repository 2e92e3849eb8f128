//! One link: the bounded queue of outgoing frames, and the task that reads and writes its stream.
//!
//! In: a stream and frames to send. Out: `LinkUp`, `Frame`s, `LinkDown`, in this order. On the stream a
//! frame is its length (u32, little-endian) and its bytes; before the first frame the accepting side
//! writes one byte, so that the opening side knows that the stream has been taken.
//!
//! Invariants: reading never waits for writing nor writing for reading; nothing announced by the peer
//! is allocated before it has arrived; a closed link takes no frame.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use libp2p::Multiaddr;
use tokio::sync::{Notify, mpsc, oneshot};

use super::{Direction, LinkId, NetworkEvent, Options, PeerKey, PeerStatus, Shared, Transport};

/// How long opening a stream, or taking one, may take.
pub(super) const OPEN_DEADLINE: Duration = Duration::from_secs(3);
/// Bytes read or written at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of a frame's length prefix.
const PREFIX_BYTES: usize = 4;
/// What the accepting side writes first.
const ACCEPTED: u8 = 1;

/// The connection that carries a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) address: Multiaddr,
    pub(super) direction: Direction,
}

/// The frames that wait to be written.
#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    /// Of `frames` and of what is being written, prefixes included.
    bytes: usize,
    closed: bool,
}

/// One link, as its task, the driver and the handles share it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) peer: PeerKey,
    shared: Arc<Shared>,
    frame_bytes_max: usize,
    frames_queued_max: usize,
    bytes_queued_max: usize,
    queue: Mutex<Queue>,
    /// Tells the writer that there are frames.
    filled: Notify,
    /// Tells the task that the link is closed.
    ended: Notify,
    up: OnceLock<Instant>,
    route: Mutex<Route>,
    rtt: Mutex<Option<Duration>>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Link {
    pub(super) fn new(
        peer: PeerKey,
        route: Route,
        options: &Options,
        shared: Arc<Shared>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: LinkId::next(),
            peer,
            shared,
            frame_bytes_max: options.frame_bytes_max.min(u32::MAX as usize),
            frames_queued_max: options.frames_queued_max,
            bytes_queued_max: options.bytes_queued_max,
            queue: Mutex::default(),
            filled: Notify::new(),
            ended: Notify::new(),
            up: OnceLock::new(),
            route: Mutex::new(route),
            rtt: Mutex::default(),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        })
    }

    /// Since when the link is up; `None` before that.
    pub(super) fn up(&self) -> Option<Instant> {
        self.up.get().copied()
    }

    pub(super) fn set_route(&self, route: Route) {
        *self.route.lock().expect("nothing panics while it holds the route") = route;
    }

    pub(super) fn set_rtt(&self, rtt: Duration) {
        *self.rtt.lock().expect("nothing panics while it holds the time") = Some(rtt);
    }

    fn route(&self) -> Route {
        self.route.lock().expect("nothing panics while it holds the route").clone()
    }

    /// What to tell about the link; `None` before it is up.
    pub(super) fn status(&self) -> Option<PeerStatus> {
        let since = self.up()?;
        let Route { address, direction } = self.route();
        Some(PeerStatus {
            peer: self.peer,
            link: self.id,
            transport: Transport::of(&address),
            address,
            since,
            rtt: *self.rtt.lock().expect("nothing panics while it holds the time"),
            direction,
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        })
    }

    /// Queues a frame; `false` and a closed link if there is no room for it.
    pub(super) fn push(&self, frame: Vec<u8>) -> bool {
        let bytes = PREFIX_BYTES + frame.len();
        let mut queue = self.queue();
        if queue.closed {
            return false;
        }
        let fits = frame.len() <= self.frame_bytes_max
            && queue.frames.len() < self.frames_queued_max
            && queue.bytes + bytes <= self.bytes_queued_max;
        if !fits {
            tracing::warn!(link = self.id.0, peer = ?self.peer, queued = queue.bytes, bytes,
                "closing a link that cannot take a frame");
            drop(queue);
            self.close();
            return false;
        }
        queue.bytes += bytes;
        queue.frames.push_back(frame);
        drop(queue);
        self.filled.notify_one();
        true
    }

    /// Ends the link, whatever waits.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        queue.frames = VecDeque::new();
        drop(queue);
        self.ended.notify_one();
    }

    /// Waits until the link is closed; for its task only.
    pub(super) async fn closed(&self) {
        while !self.queue().closed {
            self.ended.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while it holds the queue")
    }

    /// Waits for frames and takes all there are.
    async fn take(&self) -> VecDeque<Vec<u8>> {
        loop {
            let frames = std::mem::take(&mut self.queue().frames);
            if !frames.is_empty() {
                return frames;
            }
            self.filled.notified().await;
        }
    }

    fn wrote(&self, bytes: usize) {
        let mut queue = self.queue();
        queue.bytes = queue.bytes.saturating_sub(bytes);
        drop(queue);
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        self.shared.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn read(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
        self.shared.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// Which end of the stream this node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Opening,
    Accepting,
}

/// Waits for the byte that says that the peer has taken the stream, or writes it.
pub(super) async fn greet<S>(stream: &mut S, side: Side) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match side {
        Side::Accepting => {
            stream.write_all(&[ACCEPTED]).await?;
            stream.flush().await
        }
        Side::Opening => {
            let mut byte = [0];
            stream.read_exact(&mut byte).await?;
            match byte {
                [ACCEPTED] => Ok(()),
                _ => Err(io::Error::new(io::ErrorKind::InvalidData, "not the expected greeting")),
            }
        }
    }
}

/// Runs a greeted link to its end.
///
/// `predecessor` resolves when the peer's former link has told its end.
pub(super) async fn run<S>(
    link: Arc<Link>,
    stream: S,
    events: mpsc::Sender<NetworkEvent>,
    predecessor: Option<oneshot::Receiver<()>>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Some(predecessor) = predecessor {
        wait_for(predecessor).await;
    }
    let (reading, writing) = stream.split();
    link.shared.links().insert(link.id, link.clone());
    link.up.set(Instant::now()).expect("a link runs once");
    let address = link.route().address;
    tracing::info!(link = link.id.0, peer = ?link.peer, %address, "link up");
    let up = NetworkEvent::LinkUp { link: link.id, peer: link.peer, address };
    if events.send(up).await.is_ok() {
        let outcome = tokio::select! {
            () = link.closed() => Ok(()),
            outcome = write_frames(&link, writing) => outcome,
            outcome = read_frames(&link, reading, &events) => outcome,
        };
        let reason = outcome.err().map_or_else(|| "closed".to_owned(), |error| error.to_string());
        tracing::info!(link = link.id.0, peer = ?link.peer, reason, "link down");
    }
    link.close();
    link.shared.links().remove(&link.id);
    if events.send(NetworkEvent::LinkDown { link: link.id }).await.is_err() {
        tracing::debug!(link = link.id.0, "nobody listens to the network");
    }
}

/// Waits until the host has been told of the end of a former link.
pub(super) async fn wait_for(predecessor: oneshot::Receiver<()>) {
    // Nothing is ever sent: the sender is dropped at the end.
    predecessor.await.unwrap_or(());
}

/// Writes what is queued, many frames per flush, until the stream ends.
async fn write_frames(link: &Link, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(CHUNK_BYTES);
    loop {
        for frame in link.take().await {
            if buffer.len() + PREFIX_BYTES + frame.len() > CHUNK_BYTES {
                write_out(link, &mut stream, &mut buffer).await?;
            }
            let length = u32::try_from(frame.len()).expect("the largest frame fits");
            buffer.extend_from_slice(&length.to_le_bytes());
            if buffer.len() + frame.len() > CHUNK_BYTES {
                write_out(link, &mut stream, &mut buffer).await?;
                stream.write_all(&frame).await?;
                link.wrote(frame.len());
            } else {
                buffer.extend_from_slice(&frame);
            }
        }
        write_out(link, &mut stream, &mut buffer).await?;
        stream.flush().await?;
    }
}

async fn write_out(
    link: &Link,
    stream: &mut (impl AsyncWrite + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    stream.write_all(buffer).await?;
    link.wrote(buffer.len());
    buffer.clear();
    Ok(())
}

/// Hands frames to the host; returns when the stream or the host ends.
async fn read_frames(
    link: &Link,
    stream: impl AsyncRead + Unpin,
    events: &mpsc::Sender<NetworkEvent>,
) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(CHUNK_BYTES, stream);
    loop {
        let mut prefix = [0; PREFIX_BYTES];
        stream.read_exact(&mut prefix).await?;
        let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
        if length > link.frame_bytes_max {
            link.shared.frames_oversized.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(link = link.id.0, peer = ?link.peer, length, "a frame is too large");
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is too large"));
        }
        let bytes = read_frame(&mut stream, length).await?;
        link.read(PREFIX_BYTES + length);
        if events.send(NetworkEvent::Frame { link: link.id, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

/// Grows the frame as it arrives, so that an announced length alone costs no memory.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let filled = bytes.len();
        bytes.resize(length.min(filled + CHUNK_BYTES), 0);
        stream.read_exact(&mut bytes[filled..]).await?;
    }
    Ok(bytes)
}
