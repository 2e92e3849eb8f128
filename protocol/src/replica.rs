//! The whole engine of one device.
//!
//! [`Replica::handle`] is the only mutator: inputs in, effects out, and it cannot fail. The host drains the
//! effects once per group of inputs. Reads see what has been handled. The branches live beside this file:
//! `admission` (which frames), `received` (frames), `members` (operations about them), `heads` (what peers hold),
//! `bootstrap` (snapshots, history), `forks`, `receipts` (what is remembered of what they hold), `wishes` and `govern`
//! (the user), `spread` (what is owed to peers), `links` (whom to link with), `presence`, `views` (reads), `why` (what
//! keeps devices apart).

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;

use crate::conduct::Conduct;
use crate::effect::{Effects, Event};
use crate::identity::Identity;
use crate::ids::{DeviceId, LinkId, Pseudonym, SpaceId, Time};
use crate::input::{Input, Timer};
use crate::keyring::AtRest;
use crate::layout;
use crate::limits;
use crate::overlay::Overlay;
use crate::planted::{self, Bug};
use crate::presence::Presences;
use crate::session::{Session, Side};
use crate::space::{Space, Visible};
use crate::store::{Store, StoreError};
use crate::turn::Turn;
use crate::view::Counters;
use crate::why::SyncView;
use crate::wire::{Frame, Hello};

mod admission;
pub(crate) mod bootstrap;
mod forks;
mod govern;
mod heads;
mod linking;
mod links;
mod members;
mod presence;
mod receipts;
mod received;
mod spread;
mod views;
mod why;
mod wishes;

/// The replication engine of one device, over a store.
pub struct Replica {
    store: Arc<dyn Store>,
    identity: Identity,
    at_rest: AtRest,
    device_name: String,
    checkpoint_entries: u64,
    snapshot_entries: u64,
    spaces: BTreeMap<SpaceId, Space>,
    pub(crate) sessions: BTreeMap<LinkId, Session>,
    conduct: Conduct,
    /// What came of the last session with each device about each space.
    ended: BTreeMap<(DeviceId, SpaceId), (Time, SyncView)>,
    linking: linking::Links,
    /// Snapshots on their way here.
    incoming: BTreeMap<SpaceId, bootstrap::Incoming>,
    /// Snapshots that are being sent.
    made: BTreeMap<SpaceId, bootstrap::Made>,
    counters: Counters,
    /// Where peers can reach this device.
    addresses: Vec<String>,
    /// Of large spaces: who links with whom.
    pub(crate) overlays: BTreeMap<SpaceId, Overlay>,
    pub(crate) presences: BTreeMap<SpaceId, Presences>,
    /// When the timers of spaces fire.
    wakes: BTreeMap<SpaceId, Time>,
}

/// Everything of a replica but what a turn borrows.
macro_rules! turn {
    ($replica:expr, $now:expr, $rng:expr, $effects:expr) => {
        $crate::turn::Turn {
            store: $replica.store.as_ref(),
            identity: &$replica.identity,
            at_rest: &$replica.at_rest,
            device_name: &$replica.device_name,
            checkpoint_entries: $replica.checkpoint_entries,
            now: $now,
            rng: $rng,
            effects: $effects,
            counters: &mut $replica.counters,
        }
    };
}
use turn;

impl Replica {
    /// Opens the replica of `identity` from its store; an empty store is a new replica.
    ///
    /// # Errors
    /// What the store reports, [`StoreError::Corrupt`] for rows that cannot be what was written, or
    /// [`StoreError::NewerFormat`].
    pub fn open(
        store: Arc<dyn Store>,
        identity: Identity,
        device_name: &str,
        now: Time,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, StoreError> {
        let at_rest = AtRest::new(&identity);
        let device_name: String = device_name.chars().take(64).collect();
        let mut replica = Self {
            store,
            identity,
            at_rest,
            device_name,
            checkpoint_entries: limits::CHECKPOINT_ENTRIES,
            snapshot_entries: limits::SNAPSHOT_ENTRIES_MIN,
            spaces: BTreeMap::new(),
            sessions: BTreeMap::new(),
            conduct: Conduct::default(),
            ended: BTreeMap::new(),
            linking: linking::Links::default(),
            incoming: BTreeMap::new(),
            made: BTreeMap::new(),
            counters: Counters::default(),
            addresses: Vec::new(),
            overlays: BTreeMap::new(),
            presences: BTreeMap::new(),
            wakes: BTreeMap::new(),
        };
        let mut effects = Effects::default();
        let mut turn = turn!(replica, now, rng, &mut effects);
        read_format(&mut turn);
        replica.read_card(now, rng, &mut effects);
        let mut turn = turn!(replica, now, rng, &mut effects);
        let (from, to) = layout::prefix_range(b"s".to_vec());
        for (key, _) in turn.scan(&from, &to, limits::SPACES_MAX) {
            let Some(pseudonym) = key.last_chunk::<16>() else { continue };
            if let Some(space) = Space::open(Pseudonym(*pseudonym), &mut turn) {
                replica.spaces.insert(space.id, space);
            }
        }
        if let Some(error) = effects.halt {
            return Err(error);
        }
        if !effects.batch.is_empty() {
            replica.store.commit(&effects.batch)?;
        }
        replica.counters = Counters::default();
        Ok(replica)
    }

    /// This device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.identity.device()
    }

    /// The keys of this device, with the card it has now: linking gives it another.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Writes changed objects to the store after this many applied entries instead of
    /// [`limits::CHECKPOINT_ENTRIES`]: fewer means less to replay when it is opened, and more writing.
    pub fn checkpoint_every(&mut self, entries: u64) {
        self.checkpoint_entries = entries.max(1);
    }

    /// Handles a group of inputs, in order. What is to be done about them is added to `effects`, which the
    /// host drains once before it calls again.
    pub fn handle(
        &mut self,
        inputs: impl IntoIterator<Item = Input>,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        for input in inputs {
            match input {
                Input::PeerConnected { link, peer } => {
                    self.on_peer_connected(link, peer, now, rng, effects);
                }
                Input::PeerGone { link } => self.on_peer_gone(link, now, rng, effects),
                Input::Received { link, bytes } => {
                    self.on_received(link, &bytes, now, rng, effects);
                }
                Input::TimerFired(Timer::Link(link)) => self.on_timer(link, now),
                Input::TimerFired(Timer::Space(id)) => self.on_space_timer(id, now, rng, effects),
                Input::Reachable { addresses } => self.on_reachable(addresses),
                Input::Wished { wish, what } => self.on_wish(wish, what, now, rng, effects),
            }
        }
        self.tell_fresh(now, rng, effects);
        self.settle(now, rng, effects);
    }

    fn on_peer_connected(
        &mut self,
        link: LinkId,
        peer: DeviceId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        if self.conduct.shut_until(peer, now).is_some() {
            self.counters.links_refused += 1;
            effects.close.push(link);
            return;
        }
        if peer == self.device() || self.sessions.len() >= limits::LINKS_MAX {
            effects.close.push(link);
            return;
        }
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        self.sessions.insert(link, Session::new(peer, nonce, now));
        self.send(link, &Frame::Hello(Hello { nonce }), effects);
    }

    fn on_peer_gone(
        &mut self,
        link: LinkId,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        self.learn(link, true, now, rng, effects);
        let empty = self.sessions.get(&link).is_some_and(|session| session.shared.is_empty());
        if empty && planted::is(Bug::LinkKept) {
            return;
        }
        let Some(session) = self.sessions.remove(&link) else { return };
        self.close_books(link, &session, now, effects);
        let mut turn = turn!(self, now, rng, effects);
        for (id, shared) in &session.shared {
            if let Some(space) = self.spaces.get_mut(id)
                && shared.known
                && spread::peer_has_all(space, shared)
            {
                space.agreed(session.peer, &mut turn);
            }
        }
        self.check_bringing(link, true, now, rng, effects);
        for id in session.shared.keys() {
            self.unlinked(*id, session.peer, now, rng, effects);
            self.source_gone(link, *id, effects);
        }
    }

    /// Queues a frame for after the persist.
    fn send(&mut self, link: LinkId, frame: &Frame, effects: &mut Effects) {
        let bytes = frame.encode();
        self.counters.frames_sent += 1;
        self.counters.bytes_sent += bytes.len() as u64;
        effects.send.push((link, bytes));
    }

    /// Queues a frame that promises nothing for before the persist.
    fn send_now(&mut self, link: LinkId, frame: &Frame, effects: &mut Effects) {
        let bytes = frame.encode();
        self.counters.frames_sent += 1;
        self.counters.bytes_sent += bytes.len() as u64;
        effects.relay.push((link, bytes));
    }

    fn announce(space: &Space, visible: &[Visible], own: bool, effects: &mut Effects) {
        for Visible { object, author } in visible {
            let Some(view) = space.objects.view(*object) else { continue };
            let event = Event::Visible {
                space: space.id,
                object: *object,
                name: view.name,
                shape: view.shape,
                deleted: view.deleted,
                author: *author,
            };
            if own { effects.events.push(event) } else { effects.visible.push(event) }
        }
    }

    /// The two ends of a link, ours first, once both have said hello.
    fn sides(&self, link: LinkId) -> Option<(Side, Side)> {
        let session = self.sessions.get(&link)?;
        let ours = Side { device: self.device(), nonce: session.nonce };
        let theirs = Side { device: session.peer, nonce: session.their_nonce? };
        Some((ours, theirs))
    }
}

/// Checks that the store has a layout understood here, or starts it.
fn read_format(turn: &mut Turn<'_>) {
    let key = layout::format_key();
    if turn.get(&key).is_none() {
        if turn.effects.halt.is_none() {
            turn.put_row(key, layout::KIND_FORMAT, &layout::FORMAT);
            turn.effects.batch.require_durable();
        }
        return;
    }
    match turn.row::<u32>(&key, layout::KIND_FORMAT) {
        Some(found) if found > layout::FORMAT => {
            turn.halt(StoreError::NewerFormat { found, supported: layout::FORMAT });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
