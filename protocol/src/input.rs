//! What can happen to a replica: facts from the host, and wishes of its user.

use meshwork_crdt::{Edit, Shape};
use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, LinkId, LogId, MemberId, ObjectId, OpId, SpaceId, Time, WishId};
use crate::linking::LinkCode;
use crate::membership::{History, Role, RootWord};
use crate::ticket::Ticket;

/// One input of [`crate::Replica::handle`].
#[derive(Clone, Debug)]
pub enum Input {
    /// A link to an authenticated peer is up; `link` has never been used before.
    PeerConnected {
        /// The new link.
        link: LinkId,
        /// Who is at the other end, proven by the transport's handshake.
        peer: DeviceId,
    },
    /// A link is gone; nothing sent on it later arrives.
    PeerGone {
        /// The lost link.
        link: LinkId,
    },
    /// One frame arrived on a link.
    Received {
        /// Where it came from.
        link: LinkId,
        /// The frame as received.
        bytes: Vec<u8>,
    },
    /// Where peers can reach this device, as multiaddresses; told to members of large spaces.
    Reachable {
        /// The best first.
        addresses: Vec<String>,
    },
    /// A timer asked for by [`crate::Effects`] has fired.
    TimerFired(Timer),
    /// The user wants something; the outcome comes as an event with the same id.
    Wished {
        /// Correlates the outcome.
        wish: WishId,
        /// What is wanted.
        what: Wish,
    },
}

/// A moment the replica asked to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Look after one link: resend, relay what is late, compare digests.
    Link(LinkId),
    /// Look after one space: its links, and who is present.
    Space(SpaceId),
}

/// What a user may want of a replica.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Create a space of which this device is the first admin.
    CreateSpace {
        /// A name for people; travels encrypted.
        name: String,
        /// What of the past those who are let in later can read.
        history: History,
    },
    /// Make a ticket that lets another device join.
    Invite {
        /// Which space.
        space: SpaceId,
        /// What the newcomer may do.
        role: Role,
        /// After this moment honest members refuse newcomers with this ticket.
        expires: Time,
        /// How many devices may join with it.
        uses: u32,
        /// Where this device can be reached, as multiaddresses; copied into the ticket.
        addresses: Vec<String>,
    },
    /// Join the space a ticket names. Granted as soon as the wish is durable; admission is announced
    /// by [`crate::Event::SpaceReady`].
    Join {
        /// The ticket.
        ticket: Box<Ticket>,
    },
    /// Show a code by which a device of a member can make this one another of its devices. It takes the place of
    /// an earlier code; [`crate::Event::Linked`] tells when it has been used.
    AwaitLink {
        /// Where this device can be reached, as multiaddresses; copied into the code.
        addresses: Vec<String>,
    },
    /// Make a new device, whose code this is, one of this member's, in all its spaces. Granted at once; the device
    /// has become one with [`crate::Event::DeviceAdded`].
    AddDevice {
        /// The code.
        code: Box<LinkCode>,
        /// Where this device can be reached, as multiaddresses; told to the new one.
        addresses: Vec<String>,
    },
    /// Call this device something else, in every space it writes in.
    RenameDevice {
        /// The name: 1 to 128 bytes, of which 64 characters are told.
        name: String,
    },
    /// Change who belongs to a space, or what counts in it.
    Govern {
        /// Which space.
        space: SpaceId,
        /// The change.
        what: Governance,
    },
    /// Keep the older entries of a space, which the objects can do without, or let them go where a checkpoint stands.
    /// A device that lets them go does not ask for them when it joins either.
    KeepHistory {
        /// Which space.
        space: SpaceId,
        /// Whether to keep them. What others still have is asked for again.
        keep: bool,
    },
    /// Change objects of one space. All edits of one wish are sealed into one entry where they fit.
    Edit {
        /// Which space.
        space: SpaceId,
        /// The changes, applied in order; if one is refused, none is made.
        edits: Vec<ObjectEdit>,
    },
    /// Let the others of a space know something for the moment: it is never stored, replaces what was said
    /// before, and ends when this device is gone for [`crate::limits::PRESENCE_FOR_MS`].
    Present {
        /// Which space.
        space: SpaceId,
        /// Any bytes, at most [`crate::limits::PRESENCE_BYTES_MAX`]; none to be present no more.
        value: Option<Vec<u8>>,
    },
}

/// A change of who belongs to a space, or of what counts in it. It is made only if it counts as far as this device
/// knows; what others did concurrently may still void it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Governance {
    /// Give a member another role.
    SetRole {
        /// Whom.
        member: MemberId,
        /// Which.
        role: Role,
    },
    /// Take a member out with all its devices. What it wrote counts as far as this device holds it.
    RemoveMember {
        /// Whom; this device's own member leaves.
        member: MemberId,
    },
    /// Take one device out.
    RemoveDevice {
        /// Which.
        device: DeviceId,
    },
    /// Take one device of this member out by the word of the member's root key, which stands above all its devices.
    RevokeDevice {
        /// Which.
        device: DeviceId,
        /// The word, given for this device and this space.
        word: RootWord,
    },
    /// Let nobody join by an invite any more.
    RevokeInvite {
        /// Which.
        invite: OpId,
    },
    /// Let all count that is held here of a log of which some is in quarantine.
    Adopt {
        /// Which.
        log: LogId,
    },
    /// Let logs count for good as far as every member device is known to hold them, so that devices which do not keep
    /// history may forget how they came there.
    Checkpoint {
        /// Devices that were last seen longer ago, in milliseconds, or never, are not waited for: what they lack comes
        /// to them as a snapshot. [`u64::MAX`] waits for all.
        away_ms: u64,
    },
}

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEdit {
    /// Which object.
    pub target: Target,
    /// What to do with it.
    pub action: Action,
}

/// How an edit names its object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An existing object.
    Id(ObjectId),
    /// The object shown under this name; created with `shape` when there is none. Devices that create
    /// the same name and shape concurrently write the same object.
    Named {
        /// Its name inside the space, for example `settings` or `notes/todo.md`.
        name: String,
        /// Its type. An existing object of another shape refuses the edit.
        shape: Shape,
    },
    /// A new text that starts as the content of a file. Devices that import the same name with the
    /// same content concurrently write the same object; different contents become two objects.
    File {
        /// Its name, a relative path with `/`.
        name: String,
        /// The initial content.
        content: String,
    },
}

/// What an edit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing beyond what naming the target does (creating it).
    Create,
    /// A change of content.
    Change(Edit),
    /// Another name; concurrent renames: the latest wins.
    Rename(String),
    /// Removal. An edit that has not seen the removal brings the object back: nothing written
    /// concurrently is lost.
    Delete,
}
