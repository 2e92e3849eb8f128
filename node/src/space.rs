//! One space, as applications see it: read, edit, follow.
//!
//! Data in: edits, which are durable on this device when the call returns. Data out: values, receipts,
//! and what peers are known to hold durably. Deliberately not here: how a plain value becomes an edit
//! (`space/put.rs`), following changes (`space/watch.rs`).

mod govern;
mod merge;
mod presence;
mod put;
mod watch;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use meshwork_crdt::{Described, Edit, EditError, Object, Value};
use meshwork_protocol::store::StoreError;
use meshwork_protocol::{
    Action, DeviceId, Event, LogId, MemberView, ObjectEdit, ObjectId, ObjectView, Outcome,
    Receipts, Replica, SpaceId, SpaceView, Target, Ticket, Wish,
};

use crate::api::types;
use crate::clock;
use crate::failure::{Failure, Result};
use crate::node::{Invitation, Node, unexpected};
use crate::subscription::{Notice, Subscription};

pub(crate) use govern::device_meant;
pub use merge::TextBase;
pub(crate) use merge::splices;
pub use presence::Present;
pub use put::Put;
pub(crate) use put::{no_object, no_place};
pub use watch::{Change, Snapshot, Update, Watch};

/// How much of each log of a space is applied: what a reader of the space has seen.
pub type Frontier = BTreeMap<LogId, u64>;

/// Proof that an edit is durable on this device; what to wait for on others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The log that carries the edit.
    pub log: LogId,
    /// Its last entry. Unchanged when the edit had no effect.
    pub seq: u64,
    /// The objects, one for each edit, in order.
    pub objects: Vec<ObjectId>,
}

/// A handle to one space of a [`Node`].
#[derive(Clone, Debug)]
pub struct Space {
    node: Node,
    id: SpaceId,
}

impl Space {
    pub(crate) fn new(node: Node, id: SpaceId) -> Self {
        Self { node, id }
    }

    /// The id of the space.
    #[must_use]
    pub fn id(&self) -> SpaceId {
        self.id
    }

    /// The node it belongs to.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Its name, this device's role and how much of it is here.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn view(&self) -> Result<SpaceView> {
        let id = self.id;
        found(self.node.engine().query(move |replica| Ok(replica.space(id))).await?)
    }

    /// Makes a ticket with which other devices can join.
    ///
    /// # Errors
    /// As [`Node::invite`].
    pub async fn invite(&self, invitation: Invitation) -> Result<Ticket> {
        self.node.invite(self.id, invitation).await
    }

    /// Changes objects, all edits or none; durable on this device when it returns.
    ///
    /// # Errors
    /// `FailureKind::Usage` if an edit does not fit its object, `FailureKind::NotFound`,
    /// `FailureKind::Forbidden`, `FailureKind::Peer` if no member has admitted this device yet,
    /// `FailureKind::NotRunning`.
    pub async fn edit(&self, edits: Vec<ObjectEdit>) -> Result<Receipt> {
        let wish = Wish::Edit { space: self.id, edits };
        receipt(self.node.engine().wish(wish).await??)
    }

    /// [`Space::edit`] for threads outside the runtime.
    ///
    /// # Errors
    /// As [`Space::edit`].
    pub fn edit_blocking(&self, edits: Vec<ObjectEdit>) -> Result<Receipt> {
        let wish = Wish::Edit { space: self.id, edits };
        receipt(self.node.engine().wish_blocking(wish)??)
    }

    /// The live objects, sorted by name.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn objects(&self) -> Result<Vec<ObjectView>> {
        let id = self.id;
        found(self.node.engine().query(move |replica| Ok(replica.objects(id))).await?)
    }

    /// [`Space::objects`] for threads outside the runtime.
    ///
    /// # Errors
    /// As [`Space::objects`].
    pub fn objects_blocking(&self) -> Result<Vec<ObjectView>> {
        let id = self.id;
        found(self.node.engine().query_blocking(move |replica| Ok(replica.objects(id)))?)
    }

    /// The live object shown under `name`.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn find(&self, name: &str) -> Result<Option<ObjectView>> {
        let (id, name) = (self.id, name.to_owned());
        self.node.engine().query(move |replica| Ok(replica.find(id, &name))).await
    }

    /// One object, live or deleted, for threads outside the runtime.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub fn object_blocking(&self, object: ObjectId) -> Result<Option<ObjectView>> {
        let id = self.id;
        self.node.engine().query_blocking(move |replica| Ok(replica.object(id, object)))
    }

    /// The object shown under `name` as a Rust type knows it; `None` if there is none. Fields that the type
    /// lacks are left out.
    ///
    /// # Errors
    /// `FailureKind::Usage` if the object is of another shape, `FailureKind::NotRunning`.
    pub async fn get_as<S: Described + Send + 'static>(&self, name: &str) -> Result<Option<S>> {
        let Some(view) = self.find(name).await? else { return Ok(None) };
        let store = self.read(view.id, |object| object.store::<S>()).await?.flatten();
        store.map(Some).ok_or_else(|| Failure::usage(format!("`{name}` is a {}", view.shape)))
    }

    /// Changes the object shown under `name` as a Rust type knows it, creating it if need be; durable on this
    /// device when it returns. `alter` is given the state and returns the delta; it may be called twice.
    ///
    /// # Errors
    /// `FailureKind::Usage` if the object is of another shape or `alter` refuses, and as [`Space::edit`].
    pub async fn edit_as<S: Described>(
        &self,
        name: &str,
        alter: impl Fn(&S, &mut meshwork_crdt::Change) -> std::result::Result<S, EditError>
        + Send
        + Sync
        + 'static,
    ) -> Result<Receipt> {
        let target = Target::Named { name: name.to_owned(), shape: S::shape() };
        let action = Action::Change(Edit::typed(alter));
        self.edit(vec![ObjectEdit { target, action }]).await
    }

    /// Looks at an object where it lives; `None` if there is no such object.
    ///
    /// `look` runs on the engine's thread, which does nothing else meanwhile: take what is needed and
    /// return. If it panics, the panic continues in the caller.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn read<R: Send + 'static>(
        &self,
        object: ObjectId,
        look: impl FnOnce(&Object) -> R + Send + 'static,
    ) -> Result<Option<R>> {
        let seen = self.node.engine().query(caught(self.id, object, look)).await?;
        Ok(seen.map(|seen| seen.unwrap_or_else(|panic| resume_unwind(panic))))
    }

    /// [`Space::read`] for threads outside the runtime.
    ///
    /// # Errors
    /// As [`Space::read`].
    pub fn read_blocking<R: Send + 'static>(
        &self,
        object: ObjectId,
        look: impl FnOnce(&Object) -> R + Send + 'static,
    ) -> Result<Option<R>> {
        let seen = self.node.engine().query_blocking(caught(self.id, object, look))?;
        Ok(seen.map(|seen| seen.unwrap_or_else(|panic| resume_unwind(panic))))
    }

    /// The value of the live object shown under `name`.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn value(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.look_up(name).await?.map(|(_, value)| value))
    }

    /// The live object shown under `name`, and its value.
    ///
    /// # Errors
    /// `FailureKind::NotRunning`.
    pub async fn look_up(&self, name: &str) -> Result<Option<(ObjectView, Value)>> {
        let (id, name) = (self.id, name.to_owned());
        self.node
            .engine()
            .query(move |replica| {
                let Some(view) = replica.find(id, &name) else { return Ok(None) };
                let value = replica.read(id, view.id, Object::value)?;
                Ok(value.map(|value| (view, value)))
            })
            .await
    }

    /// The members, and how much of this device's log each is known to hold durably.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn members(&self) -> Result<Vec<MemberView>> {
        let id = self.id;
        found(self.node.engine().query(move |replica| Ok(replica.members(id))).await?)
    }

    /// What every member is known to hold durably, and how far this device's entries have come.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn receipts(&self) -> Result<Receipts> {
        let id = self.id;
        found(self.node.engine().query(move |replica| Ok(replica.receipts(id))).await?)
    }

    /// Why the space is not the same on all its devices yet, or that it is.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn why(&self) -> Result<types::Why> {
        let (id, now) = (self.id, clock::now());
        let causes = found(self.node.engine().query(move |replica| replica.why(id, now)).await?)?;
        let mut told = types::Why::new(&causes, now, |device| self.node.attempt(device));
        if !told.synced && !self.node.online() {
            told.here.insert(0, types::Reason::offline());
        }
        Ok(told)
    }

    /// A digest of the state of all objects: equal on devices that have applied the same entries.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn digest(&self) -> Result<[u8; 32]> {
        let id = self.id;
        found(self.node.engine().query(move |replica| replica.digest(id)).await?)
    }

    /// Waits until `devices` devices, this one included, hold an edit durably; returns which do.
    ///
    /// # Errors
    /// `FailureKind::Timeout` saying who is missing, `FailureKind::NotRunning`.
    pub async fn wait_acked(
        &self,
        receipt: &Receipt,
        devices: usize,
        timeout: Duration,
    ) -> Result<Vec<DeviceId>> {
        let mut events = self.node.subscribe();
        let waiting = async {
            loop {
                let holders = self.holders(receipt).await?;
                if holders.len() >= devices {
                    return Ok(holders);
                }
                self.next_ack(&mut events).await?;
            }
        };
        match tokio::time::timeout(timeout, waiting).await {
            Ok(holders) => holders,
            Err(_) => Err(self.not_held(receipt, devices, timeout).await?),
        }
    }

    async fn next_ack(&self, events: &mut Subscription) -> Result<()> {
        loop {
            match events.next().await.ok_or_else(Failure::stopped)? {
                Notice::Event(
                    Event::Replicated { space, .. } | Event::MembersChanged { space },
                ) if space == self.id => {
                    return Ok(());
                }
                Notice::Resync { .. } => return Ok(()),
                Notice::Event(_) => {}
            }
        }
    }

    async fn holders(&self, receipt: &Receipt) -> Result<Vec<DeviceId>> {
        let (id, log, seq) = (self.id, receipt.log, receipt.seq);
        self.node.engine().query(move |replica| Ok(replica.holders(id, log, seq))).await
    }

    async fn not_held(
        &self,
        receipt: &Receipt,
        devices: usize,
        timeout: Duration,
    ) -> Result<Failure> {
        let holders = self.holders(receipt).await?;
        let failure = Failure::timeout(format!(
            "{} of {devices} devices hold the edit durably after {} s",
            holders.len(),
            timeout.as_secs_f32()
        ))
        .hint("nothing is lost: the edit is durable here and goes out when they are reachable");
        let members = self.members().await?;
        Ok(members.iter().filter(|member| !holders.contains(&member.device)).fold(
            failure,
            |failure, member| {
                let link = if member.links.is_empty() { "not connected" } else { "connected" };
                failure.hint(format!(
                    "missing: {} ({}, {link})",
                    member.name,
                    member.device.short()
                ))
            },
        ))
    }

    /// Follows the space: a snapshot of all objects first, then their changes.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.clone())
    }
}

type Caught<R> = std::thread::Result<R>;

fn caught<R: Send + 'static>(
    space: SpaceId,
    object: ObjectId,
    look: impl FnOnce(&Object) -> R + Send + 'static,
) -> impl FnOnce(&mut Replica) -> std::result::Result<Option<Caught<R>>, StoreError> + Send + 'static
{
    move |replica| {
        replica.read(space, object, |object| catch_unwind(AssertUnwindSafe(|| look(object))))
    }
}

fn found<T>(answer: Option<T>) -> Result<T> {
    answer.ok_or_else(|| meshwork_protocol::Refusal::UnknownSpace.into())
}

fn receipt(outcome: Outcome) -> Result<Receipt> {
    match outcome {
        Outcome::Edited { log, seq, objects } => Ok(Receipt { log, seq, objects }),
        other => Err(unexpected(&other)),
    }
}
