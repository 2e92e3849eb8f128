//! What can be asked of a replica: plain values, computed when asked.

use meshwork_crdt::Shape;
use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, LinkId, LogId, MemberId, ObjectId, OpId, SpaceId, Time};
use crate::membership::{History, Role};
use crate::rejection::Rejection;
use crate::why::SyncView;

/// How much a replica keeps in memory of what peers feed, and what it owes them. The bounds are those of
/// [`crate::limits`]; at rest nothing is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Links.
    pub links: usize,
    /// Most logs of which one link follows how far the peer is with them.
    pub logs_followed: usize,
    /// Logs of which members that are linked with were sent something and have not acknowledged it.
    pub unacknowledged: usize,
    /// Logs that members which are linked with have to be told of: entries or acknowledgements.
    pub owed: usize,
    /// Most devices of which one link follows whose notes the peer has.
    pub notes_followed: usize,
    /// Devices whose presence is followed, all spaces together.
    pub present: usize,
    /// Devices known without a link, all spaces together.
    pub known: usize,
    /// Ended sessions of which the outcome is remembered.
    pub ended: usize,
    /// Devices whose conduct is remembered.
    pub conduct: usize,
}

/// One space as this device sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceView {
    /// The space.
    pub id: SpaceId,
    /// What its members call it.
    pub name: String,
    /// Whether this device has been admitted and holds the key.
    pub ready: bool,
    /// What this device may do.
    pub role: Option<Role>,
    /// Who took this device or its member out, if somebody has.
    pub removed_by: Option<DeviceId>,
    /// The log this device writes.
    pub own_log: Option<LogId>,
    /// Entries held, all logs together.
    pub entries: u64,
    /// Entries held that wait for a key or for an entry they build on.
    pub waiting: u64,
    /// Entries held that do not count, since their writers had lost the right to write.
    pub quarantined: u64,
    /// Older entries that the objects contain and that have not come yet.
    pub older: u64,
    /// Whether older entries are kept, or asked for.
    pub keeps_history: bool,
    /// Who made the snapshot that the objects began with, until its history has proven it.
    pub brought_by: Option<DeviceId>,
    /// What of the past those who are let in later can read.
    pub history: History,
    /// Live objects.
    pub objects: usize,
    /// Every log known.
    pub logs: Vec<LogView>,
}

/// One log of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    /// The log.
    pub log: LogId,
    /// Who writes it.
    pub device: DeviceId,
    /// Last entry held.
    pub seq: u64,
    /// Last entry applied.
    pub applied: u64,
    /// The first and the last of older entries that the objects contain and that have not come yet.
    pub older: Option<(u64, u64)>,
    /// Entries that do not count, unless an admin adopts them: their writer had lost the right to write.
    pub quarantined: u64,
}

/// One object of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectView {
    /// The object.
    pub id: ObjectId,
    /// The name it is shown under, unique among live objects.
    pub name: String,
    /// Its type.
    pub shape: Shape,
    /// Whether it has been deleted.
    pub deleted: bool,
}

/// One member device of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The device.
    pub device: DeviceId,
    /// Whose it is.
    pub member: MemberId,
    /// What it calls itself.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it is this device.
    pub this_device: bool,
    /// Live links on which it has proven the space.
    pub links: Vec<u64>,
    /// Up to where it is known to hold this device's log durably.
    pub acked: u64,
    /// This device's entries that it is not known to hold durably.
    pub behind: u64,
    /// Entries held here, of all logs, that it is not known to hold durably.
    pub missing: u64,
    /// When it was last there, over a link that had proven the space, if ever; up to a minute ago.
    pub last_seen: Option<Time>,
    /// Entries of its logs that do not count here.
    pub quarantined: u64,
    /// The device that made the invite it came by, or that vouches for it; none for a founder.
    pub let_in_by: Option<DeviceId>,
}

/// What the members of a space are known to hold durably, by their own word; a lower bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// The log this device writes.
    pub own_log: LogId,
    /// Up to where it is held by one device, by two, and so on; this device counts.
    pub replicated: Vec<u64>,
    /// Each member device.
    pub members: Vec<MemberReceipt>,
    /// Up to where every member device holds each log: nobody will ask for these entries again, unless
    /// somebody joins.
    pub stable: Vec<(LogId, u64)>,
}

/// What one member device is known to hold durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReceipt {
    /// The device.
    pub device: DeviceId,
    /// The last entry of each log known here.
    pub heads: Vec<(LogId, u64)>,
}

/// What a device of a space lets the others know for the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceView {
    /// The device.
    pub device: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// Whether it is this device.
    pub this_device: bool,
    /// What it says.
    pub value: Vec<u8>,
}

/// What is in quarantine of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineView {
    /// Who wrote it.
    pub device: DeviceId,
    /// Whose device it is or was.
    pub member: MemberId,
    /// What it calls itself.
    pub name: String,
    /// The logs that an admin may adopt.
    pub logs: Vec<LogId>,
    /// How many entries do not count.
    pub entries: u64,
}

/// One invite of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteView {
    /// The invite.
    pub id: OpId,
    /// What whoever joins by it may do.
    pub role: Role,
    /// How many devices may join by it.
    pub uses: u32,
    /// How many have.
    pub used: u32,
    /// Honest members refuse newcomers by it after this moment.
    pub expires: Time,
    /// Whether it has been revoked.
    pub revoked: bool,
    /// Who made it.
    pub by: DeviceId,
}

/// One live link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The link.
    pub link: LinkId,
    /// Who is at the other end.
    pub peer: DeviceId,
    /// The spaces both ends have proven.
    pub spaces: Vec<SpaceId>,
    /// What the peer has sent wrong, as points that time and good frames pay for.
    pub penalty: u32,
    /// What has come so far of syncing each of these spaces.
    pub syncs: Vec<SyncView>,
}

/// A device that is shut out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreyView {
    /// The device.
    pub device: DeviceId,
    /// Until when.
    pub until: Time,
    /// What it sent last.
    pub rejection: Rejection,
}

/// What this replica has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Entries written by this device.
    pub entries_written: u64,
    /// New entries received and stored.
    pub entries_received: u64,
    /// Entries received that were already here.
    pub entries_duplicate: u64,
    /// Runs sent, counted once per link.
    pub runs_sent: u64,
    /// Bytes of runs sent.
    pub run_bytes_sent: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Bytes of frames received.
    pub bytes_received: u64,
    /// Bytes of frames sent.
    pub bytes_sent: u64,
    /// Plaintext bytes of changes written by this device.
    pub payload_bytes_written: u64,
    /// Plaintext bytes of changes applied from others.
    pub payload_bytes_received: u64,
    /// Signatures of runs verified.
    pub signatures_verified: u64,
    /// Inputs refused.
    pub rejections: u64,
    /// Frames dropped unread because they came too fast.
    pub frames_dropped: u64,
    /// Links closed at once because their peer was shut out.
    pub links_refused: u64,
    /// Times object state was written to the store.
    pub checkpoints: u64,
}
