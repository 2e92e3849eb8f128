//! What can be asked of a replica: plain values, computed when asked.

use meshwork_crdt::Shape;
use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, LinkId, LogId, MemberId, ObjectId, OpId, SpaceId, Time};
use crate::membership::Role;

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
    /// Up to where it holds this device's log durably, as far as confirmed since this start.
    pub acked: u64,
    /// This device's entries it has not confirmed since this start.
    pub behind: u64,
    /// Entries of its logs that do not count here.
    pub quarantined: u64,
    /// The device that made the invite it came by, or that vouches for it; none for a founder.
    pub let_in_by: Option<DeviceId>,
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
    /// Penalties so far.
    pub penalty: u32,
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
    /// Times object state was written to the store.
    pub checkpoints: u64,
}
