//! The one thread that owns the replica and its store.
//!
//! Data in: one bounded queue of inputs, wishes and queries; whoever is faster than the engine waits for
//! a place. Data out: frames to the network, batches to the store, answers to whoever wished or asked,
//! events to whoever listens. Each turn takes what is queued, up to [`GROUP_MAX`], and shares one commit
//! among it; queries run after it and so see it. A failed read or write of the store ends the thread,
//! and with it the node: recovery is starting again. Deliberately not here: what the inputs mean.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use meshwork_protocol::store::{Store, StoreError, WriteBatch};
use meshwork_protocol::{
    DeviceId, Effects, Event, Host, Input, LinkId, Outcome, Refusal, Replica, Time, Timer, Wish,
    WishId,
};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};

use crate::addresses::AddressBook;
use crate::clock;
use crate::failure::{Failure, Result};
use crate::network::{self, Network};

/// Most commands waiting for the engine.
const QUEUE_MAX: usize = 512;
/// Most commands that share one commit.
const GROUP_MAX: usize = 256;
/// Events a slow subscriber may fall behind before it is told to resynchronise.
const EVENTS_MAX: usize = 4096;
/// How long to wait when no timer is set.
const IDLE: Duration = Duration::from_secs(3600);

type Query = Box<dyn FnOnce(&mut Replica) -> std::result::Result<(), StoreError> + Send>;
type WishReply = oneshot::Sender<std::result::Result<Outcome, Refusal>>;

enum Command {
    Input(Input),
    Wish(Wish, WishReply),
    Query(Query),
}

/// How the engine's thread has been grouping its work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCounters {
    /// Turns of the loop.
    pub groups: u64,
    /// Inputs and wishes in all turns.
    pub inputs: u64,
    /// Most inputs and wishes in one turn.
    pub inputs_max: u64,
    /// Queries in all turns.
    pub queries: u64,
    /// Batches committed to the store.
    pub commits: u64,
    /// Time spent in commits, in microseconds.
    pub commit_us: u64,
}

#[derive(Default)]
struct Meter {
    groups: AtomicU64,
    inputs: AtomicU64,
    inputs_max: AtomicU64,
    queries: AtomicU64,
    commits: AtomicU64,
    commit_us: AtomicU64,
}

/// A handle to the engine's thread.
#[derive(Clone)]
pub(crate) struct Engine {
    queue: mpsc::Sender<Command>,
    stop: Arc<Notify>,
    events: broadcast::WeakSender<Event>,
    meter: Arc<Meter>,
}

/// What the thread works with.
pub(crate) struct Setup {
    pub(crate) replica: Replica,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) network: Network,
    pub(crate) book: Arc<AddressBook>,
    pub(crate) rng: ChaCha20Rng,
}

impl Engine {
    /// Starts the thread; the receiver learns how it ended.
    ///
    /// # Errors
    /// [`FailureKind::Internal`](crate::FailureKind::Internal) if there can be no more threads.
    pub(crate) fn start(setup: Setup) -> Result<(Self, oneshot::Receiver<Result<()>>)> {
        let (queue, commands) = mpsc::channel(QUEUE_MAX);
        let (ended, end) = oneshot::channel();
        let (events, _) = broadcast::channel(EVENTS_MAX);
        let engine =
            Self { queue, stop: Arc::default(), events: events.downgrade(), meter: Arc::default() };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|error| Failure::internal(format!("cannot make a timer: {error}")))?;
        let daemon = Daemon {
            commands,
            stop: engine.stop.clone(),
            replica: setup.replica,
            rng: setup.rng,
            effects: Effects::default(),
            wishes_made: 0,
            shore: Shore {
                network: setup.network,
                book: setup.book,
                store: setup.store,
                timers: BinaryHeap::new(),
                wishes: BTreeMap::new(),
                events,
                meter: engine.meter.clone(),
            },
        };
        std::thread::Builder::new()
            .name("meshwork-engine".to_owned())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| daemon.run(&runtime)));
                let outcome =
                    outcome.unwrap_or_else(|_| Err(Failure::internal("the engine panicked")));
                if ended.send(outcome).is_err() {
                    tracing::debug!("nobody waited for the engine to end");
                }
            })
            .map_err(|error| Failure::internal(format!("cannot start a thread: {error}")))?;
        Ok((engine, end))
    }

    /// Asks the thread to end after its current turn.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Events from now on; none if the engine has ended.
    pub(crate) fn events(&self) -> broadcast::Receiver<Event> {
        let sender = self.events.upgrade().unwrap_or_else(|| broadcast::Sender::new(1));
        sender.subscribe()
    }

    pub(crate) fn counters(&self) -> GroupCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GroupCounters {
            groups: read(&self.meter.groups),
            inputs: read(&self.meter.inputs),
            inputs_max: read(&self.meter.inputs_max),
            queries: read(&self.meter.queries),
            commits: read(&self.meter.commits),
            commit_us: read(&self.meter.commit_us),
        }
    }

    /// Queues a fact; `false` if the engine has ended.
    pub(crate) async fn input(&self, input: Input) -> bool {
        self.queue.send(Command::Input(input)).await.is_ok()
    }

    /// Carries out a wish; returns after its outcome is durable.
    ///
    /// # Errors
    /// The outer one if the engine has ended, the inner one if it refused.
    pub(crate) async fn wish(&self, what: Wish) -> Result<std::result::Result<Outcome, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue.send(Command::Wish(what, reply)).await;
        queued.map_err(|_| Failure::stopped())?;
        answer.await.map_err(|_| Failure::stopped())
    }

    /// [`Engine::wish`] for threads outside the runtime.
    pub(crate) fn wish_blocking(
        &self,
        what: Wish,
    ) -> Result<std::result::Result<Outcome, Refusal>> {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue.blocking_send(Command::Wish(what, reply));
        queued.map_err(|_| Failure::stopped())?;
        answer.blocking_recv().map_err(|_| Failure::stopped())
    }

    /// Looks at the replica between two turns.
    ///
    /// # Errors
    /// The engine has ended, perhaps because of what `look` met in the store.
    pub(crate) async fn query<R: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Replica) -> std::result::Result<R, StoreError> + Send + 'static,
    ) -> Result<R> {
        let (query, answer) = query(look);
        self.queue.send(Command::Query(query)).await.map_err(|_| Failure::stopped())?;
        Ok(answer.await.map_err(|_| Failure::stopped())??)
    }

    /// [`Engine::query`] for threads outside the runtime.
    pub(crate) fn query_blocking<R: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Replica) -> std::result::Result<R, StoreError> + Send + 'static,
    ) -> Result<R> {
        let (query, answer) = query(look);
        self.queue.blocking_send(Command::Query(query)).map_err(|_| Failure::stopped())?;
        Ok(answer.blocking_recv().map_err(|_| Failure::stopped())??)
    }
}

fn query<R: Send + 'static>(
    look: impl FnOnce(&mut Replica) -> std::result::Result<R, StoreError> + Send + 'static,
) -> (Query, oneshot::Receiver<std::result::Result<R, StoreError>>) {
    let (reply, answer) = oneshot::channel();
    let query = Box::new(move |replica: &mut Replica| {
        let found = look(replica);
        let outcome = found.as_ref().map(|_| ()).map_err(StoreError::clone);
        if reply.send(found).is_err() {
            tracing::trace!("whoever asked has gone");
        }
        outcome
    });
    (query, answer)
}

struct Daemon {
    commands: mpsc::Receiver<Command>,
    stop: Arc<Notify>,
    replica: Replica,
    rng: ChaCha20Rng,
    effects: Effects,
    wishes_made: u64,
    shore: Shore,
}

impl Daemon {
    fn run(mut self, runtime: &tokio::runtime::Runtime) -> Result<()> {
        let mut group = Vec::with_capacity(GROUP_MAX);
        while runtime.block_on(self.wait(&mut group)) {
            self.turn(group.drain(..))?;
        }
        Ok(())
    }

    /// Waits until there is something to do; `false` when it is time to end.
    async fn wait(&mut self, group: &mut Vec<Command>) -> bool {
        let deadline = self.shore.next_deadline().unwrap_or_else(|| Instant::now() + IDLE);
        tokio::select! {
            () = self.stop.notified() => false,
            taken = tokio::time::timeout_at(
                deadline.into(),
                self.commands.recv_many(group, GROUP_MAX),
            ) => taken != Ok(0),
        }
    }

    fn turn(&mut self, group: impl Iterator<Item = Command>) -> Result<()> {
        let mut inputs = self.shore.take_due(Instant::now());
        let mut queries = Vec::new();
        for command in group {
            match command {
                Command::Input(input) => inputs.push(input),
                Command::Wish(what, reply) => {
                    self.wishes_made += 1;
                    let wish = WishId(self.wishes_made);
                    self.shore.wishes.insert(wish, reply);
                    inputs.push(Input::Wished { wish, what });
                }
                Command::Query(query) => queries.push(query),
            }
        }
        self.shore.meter.note(inputs.len(), queries.len());
        if !inputs.is_empty() {
            self.replica.handle(inputs, clock::now(), &mut self.rng, &mut self.effects);
            self.effects.drain(&mut self.shore)?;
        }
        for query in queries {
            query(&mut self.replica)?;
        }
        Ok(())
    }
}

impl Meter {
    fn note(&self, inputs: usize, queries: usize) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.inputs.fetch_add(inputs as u64, Ordering::Relaxed);
        self.inputs_max.fetch_max(inputs as u64, Ordering::Relaxed);
        self.queries.fetch_add(queries as u64, Ordering::Relaxed);
    }
}

/// Where the engine's effects reach the world.
struct Shore {
    network: Network,
    book: Arc<AddressBook>,
    store: Arc<dyn Store>,
    timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    wishes: BTreeMap<WishId, WishReply>,
    events: broadcast::Sender<Event>,
    meter: Arc<Meter>,
}

impl Shore {
    fn next_deadline(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    fn take_due(&mut self, now: Instant) -> Vec<Input> {
        let mut due = Vec::new();
        while let Some(Reverse((at, timer))) = self.timers.peek().copied()
            && at <= now
        {
            self.timers.pop();
            due.push(Input::TimerFired(timer));
        }
        due
    }

    fn answer(&mut self, wish: WishId, outcome: std::result::Result<Outcome, Refusal>) {
        let reply = self.wishes.remove(&wish).expect("every wish is answered once");
        if reply.send(outcome).is_err() {
            tracing::trace!("whoever wished has gone");
        }
    }
}

impl Host for Shore {
    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        if !self.network.send(network::LinkId(link.0), frame) {
            tracing::debug!(link = link.0, "a frame was dropped: the link is gone");
        }
    }

    fn commit(&mut self, batch: &WriteBatch) -> std::result::Result<(), StoreError> {
        let started = Instant::now();
        self.store.commit(batch)?;
        let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.meter.commits.fetch_add(1, Ordering::Relaxed);
        self.meter.commit_us.fetch_add(us, Ordering::Relaxed);
        Ok(())
    }

    fn schedule(&mut self, at: Time, timer: Timer) {
        let wait_ms = at.0.saturating_sub(clock::now().0);
        let deadline = Instant::now() + Duration::from_millis(wait_ms);
        self.timers.push(Reverse((deadline, timer)));
    }

    fn notify(&mut self, event: Event) {
        match event {
            Event::Granted { wish, outcome } => self.answer(wish, Ok(outcome)),
            Event::Refused { wish, refusal } => self.answer(wish, Err(refusal)),
            event => {
                if let Event::Rejected { link, peer, rejection } = &event {
                    tracing::warn!(link = link.0, %peer, %rejection, "a peer sent something wrong");
                }
                if let Event::Brought { space, by, entries, .. } = &event {
                    tracing::info!(%space, %by, entries, "brought to the present by a snapshot");
                }
                if let Event::Audited { space, by, proven: false } = &event {
                    tracing::error!(%space, %by, "a snapshot was not what its history says; now it is");
                }
                if self.events.send(event).is_err() {
                    tracing::trace!("nobody listens to events");
                }
            }
        }
    }

    fn close(&mut self, link: LinkId) {
        self.network.close(network::LinkId(link.0));
    }

    fn part(&mut self, link: LinkId) {
        self.network.part(network::LinkId(link.0));
    }

    fn dial(&mut self, peer: DeviceId, addresses: Vec<String>) {
        let told = addresses.iter().filter_map(|address| address.parse().ok());
        let addresses = self.book.of(peer).into_iter().chain(told).collect();
        self.network.try_once(network::PeerKey(peer.0), addresses);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use meshwork_protocol::store::MemoryStore;
    use meshwork_protocol::{History, Identity};
    use rand_core::SeedableRng;

    use super::*;
    use crate::failure::FailureKind;

    /// A disk that can be full.
    #[derive(Default)]
    struct Disk {
        store: MemoryStore,
        full: AtomicBool,
    }

    impl Store for Disk {
        fn get(&self, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, StoreError> {
            self.store.get(key)
        }

        fn scan(
            &self,
            from: &[u8],
            to: &[u8],
            visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
        ) -> std::result::Result<(), StoreError> {
            self.store.scan(from, to, visit)
        }

        fn commit(&self, batch: &WriteBatch) -> std::result::Result<(), StoreError> {
            if self.full.load(Ordering::Relaxed) {
                return Err(StoreError::Io("no space left".to_owned()));
            }
            self.store.commit(batch)
        }
    }

    async fn engine(disk: Arc<Disk>) -> (Engine, oneshot::Receiver<Result<()>>) {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let identity = Identity::generate(&mut rng);
        let options = network::Options {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            mdns: false,
            ..network::Options::default()
        };
        let (network, _events) = network::start(identity.seed(), options).await.unwrap();
        let replica =
            Replica::open(disk.clone(), identity, "device", clock::now(), &mut rng).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let book = Arc::new(AddressBook::open(dir.path()));
        Engine::start(Setup { replica, store: disk, network, book, rng }).unwrap()
    }

    #[tokio::test]
    async fn a_full_disk_ends_the_engine_and_promises_nothing() {
        let disk = Arc::new(Disk::default());
        let (engine, end) = engine(disk.clone()).await;
        let create =
            |name: &str| Wish::CreateSpace { name: name.to_owned(), history: History::All };
        assert!(engine.wish(create("first")).await.unwrap().is_ok());
        disk.full.store(true, Ordering::Relaxed);
        let refused = engine.wish(create("second")).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::NotRunning);
        let ended = end.await.unwrap().unwrap_err();
        assert_eq!(ended.kind, FailureKind::Storage);
        assert!(ended.message.contains("no space left"), "{ended}");
        assert!(engine.query(|replica| Ok(replica.spaces())).await.is_err());
    }

    #[tokio::test]
    async fn queued_wishes_share_commits_and_queries_see_them() {
        let (engine, end) = engine(Arc::default()).await;
        let (started, wait_started) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let busy = {
            let engine = engine.clone();
            tokio::spawn(async move {
                engine
                    .query(move |_| {
                        started.send(()).unwrap();
                        released.recv().unwrap();
                        Ok(())
                    })
                    .await
            })
        };
        tokio::task::spawn_blocking(move || wait_started.recv().unwrap()).await.unwrap();
        let before = engine.counters();
        let wishes: Vec<_> = (0..20)
            .map(|n| Wish::CreateSpace { name: format!("space {n}"), history: History::All })
            .map(|wish| {
                let (reply, answer) = oneshot::channel();
                engine.queue.try_send(Command::Wish(wish, reply)).unwrap();
                answer
            })
            .collect();
        let (query, spaces) = query(|replica: &mut Replica| Ok(replica.spaces().len()));
        engine.queue.try_send(Command::Query(query)).unwrap();
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        for answer in wishes {
            assert!(answer.await.unwrap().is_ok());
        }
        assert_eq!(spaces.await.unwrap().unwrap(), 20);
        let after = engine.counters();
        assert_eq!((after.commits - before.commits, after.inputs_max), (1, 20));
        engine.stop();
        end.await.unwrap().unwrap();
    }
}
