//! Following a space: a snapshot, then changes, and a fresh snapshot for whoever was too slow.
//!
//! Invariant: after every update a follower that keeps the last value of each object has what the node
//! showed at that frontier or later. Nothing is kept for a follower but its place in the event queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meshwork_crdt::{Object, Value};
use meshwork_protocol::store::StoreError;
use meshwork_protocol::{DeviceId, Event, ObjectId, ObjectView, Replica, SpaceId};

use super::{Frontier, Present, Space};
use crate::failure::{Failure, FailureKind, Result};
use crate::subscription::{Notice, Subscription};

/// Most events folded into one look at the replica.
const BATCH_MAX: usize = 256;

/// What a follower gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// Everything; replaces what the follower has.
    Snapshot(Snapshot),
    /// One object is different now.
    Change(Change),
    /// What a device says for the moment has changed.
    Presence {
        /// The device.
        device: DeviceId,
        /// What it calls itself.
        name: String,
        /// What it says; none once it is gone.
        value: Option<Value>,
    },
}

/// All live objects of a space at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// What is applied.
    pub frontier: Frontier,
    /// The objects with their values, sorted by name.
    pub objects: Vec<(ObjectView, Value)>,
    /// The devices that are present.
    pub present: Vec<Present>,
}

/// An object that looks different now.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What is applied.
    pub frontier: Frontier,
    /// The object; its `deleted` says whether it is gone.
    pub object: ObjectView,
    /// Its value; that of a deleted object is what it was.
    pub value: Value,
    /// Who wrote the latest entry that changed it.
    pub author: DeviceId,
}

/// The updates of one space; see [`Space::watch`].
#[derive(Debug)]
pub struct Watch {
    space: Space,
    events: Subscription,
    snapshot_due: bool,
    changed: BTreeMap<ObjectId, DeviceId>,
    present: BTreeSet<DeviceId>,
    ready: VecDeque<Update>,
}

impl Watch {
    pub(super) fn new(space: Space) -> Self {
        let events = space.node.subscribe();
        Self {
            space,
            events,
            snapshot_due: true,
            changed: BTreeMap::new(),
            present: BTreeSet::new(),
            ready: VecDeque::new(),
        }
    }

    /// Waits for the next update; `None` once the node has stopped. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `FailureKind::NotFound` if there is no such space.
    pub async fn next(&mut self) -> Result<Option<Update>> {
        match self.next_while_running().await {
            Err(failure) if failure.kind == FailureKind::NotRunning => Ok(None),
            update => update,
        }
    }

    async fn next_while_running(&mut self) -> Result<Option<Update>> {
        let space = self.space.id;
        loop {
            if self.snapshot_due {
                let look = move |replica: &mut Replica| snapshot(replica, space);
                let taken = self.space.node.engine().query(look).await?;
                self.snapshot_due = false;
                self.changed.clear();
                self.present.clear();
                self.ready.clear();
                let snapshot = taken.ok_or_else(|| Failure::not_found("the space is gone"))?;
                return Ok(Some(Update::Snapshot(snapshot)));
            }
            if let Some(update) = self.ready.pop_front() {
                return Ok(Some(update));
            }
            if !self.changed.is_empty() || !self.present.is_empty() {
                let (changed, present) = (self.changed.clone(), self.present.clone());
                let look = move |replica: &mut Replica| {
                    let mut updates = changes(replica, space, changed)?;
                    updates.extend(presences(replica, space, &present));
                    Ok(updates)
                };
                self.ready = self.space.node.engine().query(look).await?;
                self.changed.clear();
                self.present.clear();
                continue;
            }
            let Some(notice) = self.events.next().await else { return Ok(None) };
            self.note(notice);
            for _ in 1..BATCH_MAX {
                let Some(notice) = self.events.next_ready() else { break };
                self.note(notice);
            }
        }
    }

    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::Resync { .. } => self.snapshot_due = true,
            Notice::Event(Event::Visible { space, object, author, .. })
                if space == self.space.id =>
            {
                self.changed.insert(object, author);
            }
            Notice::Event(Event::Presence { space, device, .. }) if space == self.space.id => {
                self.present.insert(device);
            }
            Notice::Event(Event::SpaceReady { space }) if space == self.space.id => {
                self.snapshot_due = true;
            }
            Notice::Event(_) => {}
        }
    }
}

fn frontier(replica: &Replica, space: SpaceId) -> Frontier {
    let logs = replica.space(space).map(|view| view.logs).unwrap_or_default();
    logs.into_iter().map(|log| (log.log, log.applied)).collect()
}

fn snapshot(
    replica: &mut Replica,
    space: SpaceId,
) -> std::result::Result<Option<Snapshot>, StoreError> {
    let Some(views) = replica.objects(space) else { return Ok(None) };
    let mut objects = Vec::with_capacity(views.len());
    for view in views {
        if let Some(value) = replica.read(space, view.id, Object::value)? {
            objects.push((view, value));
        }
    }
    let present = replica.presences(space).unwrap_or_default();
    let present = present.into_iter().map(Present::from).collect();
    Ok(Some(Snapshot { frontier: frontier(replica, space), objects, present }))
}

fn changes(
    replica: &mut Replica,
    space: SpaceId,
    changed: BTreeMap<ObjectId, DeviceId>,
) -> std::result::Result<VecDeque<Update>, StoreError> {
    let frontier = frontier(replica, space);
    let mut changes = VecDeque::with_capacity(changed.len());
    for (id, author) in changed {
        let Some(object) = replica.object(space, id) else { continue };
        let value = replica.read(space, id, Object::value)?.unwrap_or(Value::Null);
        let change = Change { frontier: frontier.clone(), object, value, author };
        changes.push_back(Update::Change(change));
    }
    Ok(changes)
}

/// What some devices say now.
fn presences(replica: &Replica, space: SpaceId, devices: &BTreeSet<DeviceId>) -> Vec<Update> {
    let present = replica.presences(space).unwrap_or_default();
    let members = replica.members(space).unwrap_or_default();
    let update = |device: &DeviceId| {
        let member = members.iter().find(|member| member.device == *device);
        let name = member.map_or_else(|| device.short(), |member| member.name.clone());
        let said = present.iter().find(|one| one.device == *device);
        let value = said.map(|one| super::presence::said(&one.value));
        Update::Presence { device: *device, name, value }
    };
    devices.iter().map(update).collect()
}
