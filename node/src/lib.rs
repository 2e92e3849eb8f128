//! A peer-to-peer node for local-first applications.
//!
//! Every device keeps a full copy of the spaces it shares; edits are CRDT deltas that travel signed and
//! end-to-end encrypted. [`Node`] is the way in: it owns the store, the network and the engine's thread.
//! [`Space`] reads and edits one space. Everything that can go wrong is a [`Failure`].
//!
//! ```no_run
//! # async fn example() -> meshwork::Result<()> {
//! let node = meshwork::Node::builder().data_dir("/tmp/laptop").start().await?;
//! let space = node.create_space("home").await?;
//! space.put("greeting", meshwork::Put::new("hello")).await?;
//! println!("{}", space.invite(Default::default()).await?);
//! # node.shutdown().await }
//! ```

mod addresses;
pub mod api;
mod builder;
pub mod cli;
mod clock;
pub mod config;
mod daemon;
mod failure;
mod files;
mod identity;
mod linking;
mod lock;
mod meant;
mod network;
mod node;
mod random;
pub mod share;
mod space;
mod subscription;

pub use builder::Builder;
pub use failure::{Failure, FailureKind, Result};
pub use identity::{PASSPHRASE_BYTES_MAX, PASSPHRASE_CHARS_MIN, Passphrase};
pub use linking::OwnDevice;
pub use meshwork_crdt as crdt;
pub use meshwork_crdt::{Edit, HybridTime, Kind, LogId, Object, Path, Shape, Text, Value};
pub use meshwork_protocol::{
    Action, Cause, Counters, DeviceId, Event, History, InviteView, LinkCode, LinkView, MemberId,
    MemberView, ObjectEdit, ObjectId, ObjectView, OpId, Phrase, QuarantineView, Receipts,
    Rejection, Role, RootWord, SpaceId, SpaceView, SyncView, Target, Ticket, Time,
};
pub use node::{Invitation, Node};
pub use space::{Change, Frontier, Present, Put, Receipt, Snapshot, Space, Update, Watch};
pub use subscription::{Notice, Subscription};
