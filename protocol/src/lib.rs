//! The Meshwork replication engine, without any input or output of its own.
//!
//! [`Replica::handle`] takes what happened ([`Input`]) and adds what is to be done to [`Effects`]; a [`Host`]
//! performs it in the one safe order and feeds back what comes of it. Reads go through the [`store::Store`]
//! port. Invariants: nothing here reads a clock, draws randomness of its own, touches a socket, a file or a
//! thread, or iterates over an unordered map; hostile bytes are values ([`Rejection`]), never panics.
//! Not here: how objects merge (`meshwork-crdt`), where bytes lie (`meshwork-storage`), sockets (`meshwork`).
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod body;
mod branch;
mod card;
mod conduct;
mod effect;
mod entry;
mod envelope;
mod fork;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod ids;
mod input;
mod keyring;
mod layout;
pub mod limits;
mod linking;
mod membership;
mod overlay;
mod phrase;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
mod presence;
mod rejection;
mod replica;
mod session;
mod snapshot;
mod space;
pub mod store;
mod ticket;
mod turn;
#[cfg(test)]
mod vectors;
mod view;
mod why;
mod wire;

pub use branch::Branch;
pub use effect::{Effects, Event, Host, JoinRefusal, Outcome, Refusal};
pub use identity::Identity;
pub use ids::{
    DeviceId, EntryHash, EpochId, LinkId, LogId, MemberId, NotAnId, ObjectId, OpId, Pseudonym,
    SpaceId, Time, WishId,
};
pub use input::{Action, Governance, Input, ObjectEdit, Target, Timer, Wish};
pub use linking::{LinkCode, LinkCodeError, LinkRefusal};
#[cfg(feature = "histories")]
#[doc(hidden)]
pub use membership::histories;
pub use membership::{History, Role, RootWord};
pub use overlay::{Happening, Move, Overlay, Sample, Told};
pub use phrase::{PHRASE_WORDS, Phrase, PhraseError, comparison_words};
pub use rejection::Rejection;
pub use replica::Replica;
pub use ticket::{Ticket, TicketError};
pub use view::{
    Counters, GreyView, InviteView, LinkView, LogView, MemberReceipt, MemberView, ObjectView,
    PresenceView, QuarantineView, Receipts, Sizes, SpaceView,
};
pub use why::{Cause, Here, Lacks, PeerWhy, SyncView, Why};
