//! What a replica wants done, in the one order that is safe.
//!
//! Data in: everything [`crate::Replica::handle`] decides. Data out: [`Effects::drain`] performs it on
//! a [`Host`]: **relay → persist → send → schedule → notify**. Before the persist stands only what could
//! be fetched again; after it, everything that promises something. The order lives here and nowhere
//! else, so the node and the simulator cannot disagree about it.

use meshwork_crdt::Shape;

use crate::ids::{DeviceId, LinkId, LogId, MemberId, ObjectId, SpaceId, Time, WishId};
use crate::input::Timer;
use crate::linking::{LinkCode, LinkRefusal};
use crate::rejection::Rejection;
use crate::store::{StoreError, WriteBatch};
use crate::ticket::Ticket;
use crate::why::SyncView;

/// What a replica runs on: the only way its decisions reach the world.
pub trait Host {
    /// Hands a frame to a link. A frame for a link that is gone is dropped silently.
    fn send(&mut self, link: LinkId, frame: Vec<u8>);
    /// Commits a batch to the store the replica reads from.
    ///
    /// # Errors
    /// Any [`StoreError`]; draining stops and so must the process.
    fn commit(&mut self, batch: &WriteBatch) -> Result<(), StoreError>;
    /// Feeds `timer` back as [`crate::Input::TimerFired`] at or after `at`.
    fn schedule(&mut self, at: Time, timer: Timer);
    /// Tells whoever listens.
    fn notify(&mut self, event: Event);
    /// Ends a link.
    fn close(&mut self, link: LinkId);
    /// Ends a link that no space needs; it is not to be made again unless that is asked for.
    fn part(&mut self, link: LinkId) {
        self.close(link);
    }
    /// Tries for a while to make a link with a member of a large space, at the addresses it has told or where
    /// else the host has reached it. A host that makes its links by itself may leave it at that.
    fn dial(&mut self, _peer: DeviceId, _addresses: Vec<String>) {}
}

/// The decisions of one or several inputs, waiting to be performed together.
#[derive(Debug, Default)]
pub struct Effects {
    pub(crate) relay: Vec<(LinkId, Vec<u8>)>,
    pub(crate) visible: Vec<Event>,
    pub(crate) batch: WriteBatch,
    pub(crate) send: Vec<(LinkId, Vec<u8>)>,
    pub(crate) timers: Vec<(Time, Timer)>,
    pub(crate) events: Vec<Event>,
    pub(crate) close: Vec<LinkId>,
    pub(crate) part: Vec<LinkId>,
    pub(crate) dial: Vec<(DeviceId, Vec<String>)>,
    pub(crate) halt: Option<StoreError>,
}

impl Effects {
    /// Performs everything, in order, and leaves this empty.
    ///
    /// # Errors
    /// A failed read or commit. Nothing that promises durability has left then; the caller must stop
    /// the process and recover by opening the store again.
    pub fn drain(&mut self, host: &mut impl Host) -> Result<(), StoreError> {
        let effects = std::mem::take(self);
        for (link, frame) in effects.relay {
            host.send(link, frame);
        }
        for event in effects.visible {
            host.notify(event);
        }
        if let Some(error) = effects.halt {
            return Err(error);
        }
        if !effects.batch.is_empty() {
            host.commit(&effects.batch)?;
        }
        for (link, frame) in effects.send {
            host.send(link, frame);
        }
        for link in effects.close {
            host.close(link);
        }
        for link in effects.part {
            host.part(link);
        }
        for (peer, addresses) in effects.dial {
            host.dial(peer, addresses);
        }
        for (at, timer) in effects.timers {
            host.schedule(at, timer);
        }
        for event in effects.events {
            host.notify(event);
        }
        Ok(())
    }
}

/// Something a user or an embedding application may care about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An object looks different now. Comes before the change is durable here.
    Visible {
        /// In which space.
        space: SpaceId,
        /// Which object.
        object: ObjectId,
        /// Its name at that moment.
        name: String,
        /// Its type.
        shape: Shape,
        /// Whether the object is gone now.
        deleted: bool,
        /// Who wrote the entry that changed it.
        author: DeviceId,
    },
    /// A snapshot has brought a space to the present. Older entries follow.
    Brought {
        /// Which space.
        space: SpaceId,
        /// Who made the snapshot and stands for it.
        by: DeviceId,
        /// Entries it contains.
        entries: u64,
        /// Whether nothing of the space was here before; else the device had been away for too long.
        new: bool,
    },
    /// The history of a snapshot is complete, and the objects have been built from it alone.
    Audited {
        /// Which space.
        space: SpaceId,
        /// Who made the snapshot.
        by: DeviceId,
        /// Whether it said what the history says. If not, its device has lied, or is broken; the objects are right
        /// now.
        proven: bool,
    },
    /// A wish has been carried out and is durable here.
    Granted {
        /// Which wish.
        wish: WishId,
        /// What came of it.
        outcome: Outcome,
    },
    /// A wish was refused; nothing changed.
    Refused {
        /// Which wish.
        wish: WishId,
        /// Why.
        refusal: Refusal,
    },
    /// A space joined by ticket has admitted this device and its key has arrived.
    SpaceReady {
        /// Which space.
        space: SpaceId,
    },
    /// A peer refused this device's join.
    JoinRefused {
        /// Which space.
        space: SpaceId,
        /// Who refused.
        peer: DeviceId,
        /// Why.
        reason: JoinRefusal,
    },
    /// This device has become one of a member's; its spaces are being entered.
    Linked {
        /// Whose it is now.
        member: MemberId,
        /// The device that vouches for it.
        by: DeviceId,
        /// Where that may be reached, as multiaddresses.
        addresses: Vec<String>,
    },
    /// A device has become one of this member's.
    DeviceAdded {
        /// Which.
        device: DeviceId,
    },
    /// A device that was to become one of this member's does not.
    DeviceDeclined {
        /// Which.
        device: DeviceId,
        /// Why.
        reason: LinkRefusal,
    },
    /// A peer was reached that does not know the space this device wants to join, or will not say so.
    JoinUnanswered {
        /// Which space.
        space: SpaceId,
        /// Who was asked.
        peer: DeviceId,
    },
    /// A device wrote two entries of one number; its log counts up to there, on every device.
    Forked {
        /// In which space.
        space: SpaceId,
        /// Which log.
        log: LogId,
    },
    /// The set of members changed.
    MembersChanged {
        /// Of which space.
        space: SpaceId,
    },
    /// A peer holds this device's own log durably up to `seq`.
    Acked {
        /// In which space.
        space: SpaceId,
        /// Who confirmed.
        peer: DeviceId,
        /// This device's log.
        log: LogId,
        /// Up to which entry.
        seq: u64,
    },
    /// More devices hold entries of this device durably than before, as far as is known here.
    Replicated {
        /// In which space.
        space: SpaceId,
        /// This device's log.
        log: LogId,
        /// Up to which entry.
        seq: u64,
        /// By how many member devices, this one included.
        devices: usize,
    },
    /// A link shares a space with this device, both have proven it.
    SpaceShared {
        /// Which space.
        space: SpaceId,
        /// On which link.
        link: LinkId,
        /// With whom.
        peer: DeviceId,
    },
    /// A device has sent too much that was wrong: its link is closed, and it is shut out for a while.
    GreyListed {
        /// Which device.
        peer: DeviceId,
        /// Until when.
        until: Time,
        /// What it sent last.
        rejection: Rejection,
    },
    /// A link that shared a space is over.
    SessionEnded {
        /// On which link.
        link: LinkId,
        /// With whom.
        peer: DeviceId,
        /// What came of it.
        sync: Box<SyncView>,
    },
    /// What a device of a space lets the others know for the moment has changed.
    Presence {
        /// In which space.
        space: SpaceId,
        /// Which device.
        device: DeviceId,
        /// What it says; none once it is gone.
        value: Option<Vec<u8>>,
    },
    /// A peer sent something wrong; state is unchanged.
    Rejected {
        /// On which link.
        link: LinkId,
        /// Who sent it.
        peer: DeviceId,
        /// What was wrong.
        rejection: Rejection,
    },
}

/// What came of a granted wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A space was created.
    Created(SpaceId),
    /// A ticket was made.
    Invited(Box<Ticket>),
    /// The join is on its way.
    Joining(SpaceId),
    /// A code is shown, and this device waits to be made a member's.
    AwaitingLink(Box<LinkCode>),
    /// A device will be made this member's on the next link with it.
    Adding(DeviceId),
    /// This device is called something else.
    Renamed,
    /// Members, roles or bounds have been changed.
    Governed,
    /// Older entries are kept from now on, or are not.
    KeepsHistory(bool),
    /// The edit is durable here.
    Edited {
        /// The log that carries it.
        log: LogId,
        /// Its last entry; unchanged when the edit had no effect.
        seq: u64,
        /// The objects, one for each edit of the wish, in order.
        objects: Vec<ObjectId>,
    },
    /// The others of the space are being told.
    Presented,
}

/// Why a wish was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// This device has no such space.
    UnknownSpace,
    /// There is nothing that all devices hold and that no checkpoint names yet.
    NothingStable,
    /// This device is already a member of the space.
    AlreadyMember,
    /// The space's key has not arrived yet.
    NotReady,
    /// This device, or its member, has been taken out of the space.
    Removed {
        /// Who did it.
        by: DeviceId,
    },
    /// This device's role does not allow it.
    NotAllowed {
        /// The role that would.
        needs: crate::membership::Role,
    },
    /// The space has no such member or device.
    UnknownMember,
    /// The space has no such invite.
    UnknownInvite,
    /// The space has no such log.
    UnknownLog,
    /// The member stands nearer to the founder than this device's, so it cannot be acted upon.
    Outranked,
    /// No such object.
    UnknownObject,
    /// The object is of another shape.
    WrongShape {
        /// What it is.
        shape: Shape,
    },
    /// The content change itself is wrong.
    Edit(meshwork_crdt::EditError),
    /// The ticket has expired.
    TicketExpired,
    /// This device has spaces, so it cannot become another member's.
    HasSpaces,
    /// The code of the new device has expired.
    CodeExpired,
    /// The code is this device's own.
    OwnDevice,
    /// The word is not that of this member's root key, or not about this.
    WrongPhrase,
    /// A name is empty, too long or reserved.
    BadName,
    /// A named limit is reached.
    Limit {
        /// Which limit.
        what: &'static str,
        /// Its value.
        max: u64,
    },
}

/// Why a member refused a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum JoinRefusal {
    /// The invite is unknown to the member asked.
    UnknownInvite,
    /// The invite has expired.
    Expired,
    /// The invite has been used as often as it may be.
    UsedUp,
    /// The proof is wrong.
    BadProof,
    /// The member asked does not know this device as a member; it is sent the operations that say so.
    Stranger,
    /// The member asked does not believe that this device is one of a member's: its voucher or the member has been
    /// taken out, or is not known yet.
    NotVouched,
}
