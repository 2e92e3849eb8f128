//! Shared folders: text files of a directory as text objects of a space, both ways.
//!
//! Any editor works: what it saves becomes an edit against the version it started from, and what others write
//! appears in the file. Nothing is overwritten that was not taken in before, nothing is deleted because a disk
//! is missing, and what is no text is left alone and said so. Each share has a thread of its own.

mod folder;
mod state;
mod sync;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use meshwork_protocol::{Event, ObjectId, SpaceId};
use notify::{RecursiveMode, Watcher as _};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind, Result};
use crate::files;
use crate::node::Node;
use crate::space::Space;
use crate::subscription::Notice;

use folder::Folder;
use state::State;
use sync::{Pass, Sync};

/// Saving is over when nothing has happened to the folder for this long.
const QUIET: Duration = Duration::from_millis(20);
/// A pass starts at the latest this long after something happened to the folder.
const QUIET_MAX: Duration = Duration::from_millis(200);
/// The folder is looked at this often even if nobody says that it changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// What did not work is tried again after this long, then after twice as long.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Where a node's shares are listed, in its data directory.
const LIST_FILE: &str = "shares.json";
const LIST_BYTES_MAX: u64 = 1024 * 1024;
/// Most shares of one node.
const SHARES_MAX: usize = 64;

/// How a shared folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareStatus {
    /// The folder.
    pub dir: PathBuf,
    /// The space it is bound to.
    pub space: String,
    /// Files that follow.
    pub files: usize,
    /// Passes over folder and space so far.
    pub passes: u64,
    /// Whether something is left to be done.
    pub pending: bool,
    /// Files left alone, and why.
    pub skipped: BTreeMap<String, String>,
    /// What went wrong last, if it still does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listed {
    dir: PathBuf,
    space: String,
}

enum Signal {
    Folder,
    Object(ObjectId),
    Everything,
    Stop,
}

struct Share {
    listed: Listed,
    status: Arc<Mutex<ShareStatus>>,
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let _ = self.signals.send(Signal::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The shared folders of a node.
#[derive(Default)]
pub struct Shares {
    running: Mutex<Vec<Share>>,
}

impl std::fmt::Debug for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shares").finish_non_exhaustive()
    }
}

impl Shares {
    /// Starts the shares listed in the node's data directory. Blocks; what cannot start is logged.
    pub(crate) fn resume(&self, node: &Node) {
        for listed in read_list(node.data_dir()).unwrap_or_else(|failure| {
            tracing::warn!(%failure, "shared folders are not resumed");
            Vec::new()
        }) {
            let Ok(space) = listed.space.parse::<SpaceId>() else { continue };
            match start(node, &Space::new(node.clone(), space), &listed.dir) {
                Ok(share) => self.list().push(share),
                Err(failure) => {
                    tracing::warn!(dir = %listed.dir.display(), %failure, "a folder is not shared");
                }
            }
        }
    }

    /// Binds a folder to a space and keeps both the same from now on, across restarts. Blocks until the
    /// first pass is over.
    ///
    /// # Errors
    /// `FailureKind::Usage` if the folder is shared already or inside one that is,
    /// `FailureKind::Storage` if it cannot be used.
    pub(crate) fn add(&self, space: &Space, dir: &Path) -> Result<ShareStatus> {
        let node = space.node();
        let dir = dir.canonicalize().map_err(|error| {
            Failure::storage(format!("cannot share {}: {error}", dir.display()))
                .hint("name a directory that exists")
        })?;
        if dir.starts_with(node.data_dir()) || node.data_dir().starts_with(&dir) {
            return Err(Failure::usage("a folder cannot hold this device's own data directory"));
        }
        let mut running = self.list();
        if running.len() >= SHARES_MAX {
            return Err(Failure::usage(format!("a node shares at most {SHARES_MAX} folders")));
        }
        for share in running.iter() {
            let other = &share.listed.dir;
            if *other == dir && share.listed.space == space.id().to_string() {
                return Ok(share.status.lock().unwrap_or_else(PoisonError::into_inner).clone());
            }
            if dir.starts_with(other) || other.starts_with(&dir) {
                let message = format!("{} is shared already", other.display());
                return Err(Failure::usage(message).hint("one folder belongs to one space"));
            }
        }
        let share = start(node, space, &dir)?;
        let status = share.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        running.push(share);
        let list: Vec<Listed> = running.iter().map(|share| share.listed.clone()).collect();
        write_list(node.data_dir(), &list)?;
        Ok(status)
    }

    /// How each share is.
    #[must_use]
    pub fn status(&self) -> Vec<ShareStatus> {
        let status =
            |share: &Share| share.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.list().iter().map(status).collect()
    }

    /// Ends all shares; files stay as they are.
    pub(crate) fn stop(&self) {
        let running = std::mem::take(&mut *self.list());
        drop(running);
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Share>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_list(data_dir: &Path) -> Result<Vec<Listed>> {
    let path = data_dir.join(LIST_FILE);
    let content = files::read_bounded(&path, LIST_BYTES_MAX)
        .map_err(|error| Failure::storage(format!("cannot read {}: {error}", path.display())))?;
    content.map_or(Ok(Vec::new()), |content| {
        serde_json::from_slice(&content)
            .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))
    })
}

fn write_list(data_dir: &Path, list: &[Listed]) -> Result<()> {
    let content = serde_json::to_vec_pretty(list).expect("plain JSON");
    files::write_private(&data_dir.join(LIST_FILE), &content)
}

/// Opens both sides, makes the first pass, and leaves the rest to a thread.
fn start(node: &Node, space: &Space, dir: &Path) -> Result<Share> {
    let folder = Folder::open(dir)
        .map_err(|error| Failure::storage(format!("cannot share {}: {error}", dir.display())))?;
    let binding = format!("{}\0{}", space.id(), dir.display());
    let name = blake3::hash(binding.as_bytes()).to_hex();
    let states = node.data_dir().join("shares");
    files::create_private_dir(&states)?;
    let state = State::open(&states.join(format!("{}.json", &name[..16])))?;
    let (signals, inbox) = mpsc::channel();
    let to_self = signals.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = to_self.send(Signal::Folder);
        }
    })
    .map_err(|error| Failure::storage(format!("cannot watch folders: {error}")))?;
    watcher.watch(folder.root(), RecursiveMode::Recursive).map_err(|error| {
        Failure::storage(format!("cannot watch {}: {error}", dir.display()))
            .hint("the system may limit watched directories: fs.inotify.max_user_watches")
    })?;
    follow(node, space.id(), signals.clone());
    let listed = Listed { dir: dir.to_owned(), space: space.id().to_string() };
    let status = Arc::new(Mutex::new(ShareStatus {
        dir: dir.to_owned(),
        space: listed.space.clone(),
        files: 0,
        passes: 0,
        pending: true,
        skipped: BTreeMap::new(),
        error: None,
    }));
    let mut sync = Sync::new(space.clone(), folder, state);
    let first = sync.pass();
    let again = report(&status, &sync, first);
    let shown = status.clone();
    let thread = std::thread::Builder::new()
        .name("share".to_owned())
        .spawn(move || {
            run(&mut sync, &inbox, &shown, again);
            drop(watcher);
        })
        .map_err(|error| Failure::internal(format!("cannot start a thread: {error}")))?;
    Ok(Share { listed, status, signals, thread: Some(thread) })
}

/// Passes on what changes in the space.
fn follow(node: &Node, space: SpaceId, signals: Sender<Signal>) {
    let mut events = node.subscribe();
    tokio::runtime::Handle::try_current().map_or_else(
        |_| tracing::warn!("changes are noticed only every {} s", LOOK_EVERY.as_secs()),
        |runtime| {
            runtime.spawn(async move {
                while let Some(notice) = events.next().await {
                    let signal = match notice {
                        Notice::Event(Event::Visible { space: of, object, .. }) if of == space => {
                            Signal::Object(object)
                        }
                        Notice::Event(Event::SpaceReady { space: of }) if of == space => {
                            Signal::Everything
                        }
                        Notice::Event(_) => continue,
                        Notice::Resync { .. } => Signal::Everything,
                    };
                    if signals.send(signal).is_err() {
                        break;
                    }
                }
            });
        },
    );
}

/// Makes passes until told to stop.
fn run(sync: &mut Sync, inbox: &Receiver<Signal>, status: &Mutex<ShareStatus>, mut again: bool) {
    let mut retry = RETRY.0;
    loop {
        let wait = if again { retry } else { LOOK_EVERY };
        match inbox.recv_timeout(wait) {
            Ok(signal) => {
                if !take(sync, inbox, signal) {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let pass = sync.pass();
        let over =
            pass.error.as_ref().is_some_and(|failure| failure.kind == FailureKind::NotRunning);
        if over {
            return;
        }
        retry = if pass.error.is_some() { (retry * 2).min(RETRY.1) } else { RETRY.0 };
        again = report(status, sync, pass);
    }
}

/// Takes in a signal and those that come with it; `false` to stop. While a folder is being written to, waits
/// for a moment of quiet.
fn take(sync: &mut Sync, inbox: &Receiver<Signal>, first: Signal) -> bool {
    let began = Instant::now();
    let mut signal = first;
    let mut saving = false;
    loop {
        match signal {
            Signal::Folder => saving = true,
            Signal::Object(id) => sync.note_changed(id),
            Signal::Everything => sync.changed = None,
            Signal::Stop => return false,
        }
        let left = QUIET_MAX.saturating_sub(began.elapsed());
        let wait = if saving { QUIET.min(left) } else { Duration::ZERO };
        match inbox.recv_timeout(wait) {
            Ok(next) => signal = next,
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

fn report(status: &Mutex<ShareStatus>, sync: &Sync, pass: Pass) -> bool {
    let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
    status.files = sync.state.files.len();
    status.passes += 1;
    status.pending = pass.again;
    status.skipped = pass.skipped;
    if let Some(failure) = &pass.error
        && status.error.as_ref() != Some(failure)
    {
        tracing::warn!(dir = %status.dir.display(), %failure, "a shared folder is in trouble");
    }
    status.error = pass.error;
    pass.again
}
