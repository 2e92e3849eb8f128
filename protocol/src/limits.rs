//! Every bound on what a peer or a user can make a replica hold, send or do.

/// Longest frame on a link, in bytes.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Longest ciphertext of one entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 27 * 1024;
/// Longest run of entries that is stored, sent and verified as one, in bytes.
pub const RUN_BYTES_MAX: usize = 28 * 1024;
/// Most entries in one run.
pub const RUN_ENTRIES_MAX: usize = 512;
/// Plaintext at which an edit is continued in another entry, in bytes.
pub const BODY_BYTES_TARGET: usize = 4 * 1024;
/// Most causal dependencies named by one entry.
pub const DEPS_PER_ENTRY_MAX: usize = 512;
/// Most changes in one entry.
pub const PARTS_PER_ENTRY_MAX: usize = 1024;
/// Most logs in one space.
pub const LOGS_PER_SPACE_MAX: usize = 16 * 1024;
/// Most logs named by one entry.
pub const LOGS_PER_ENTRY_MAX: usize = 1024;
/// Logs mentioned by one entry after which the next edit starts another.
pub const LOGS_PER_ENTRY_TARGET: usize = 64;
/// Longest text that one edit may write, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Most edits in one wish.
pub const EDITS_PER_WISH_MAX: usize = 4096;
/// Most heads in one frame.
pub const HEADS_PER_FRAME_MAX: usize = 1024;
/// Most ranges of logs in one frame.
pub const RANGES_PER_FRAME_MAX: usize = 256;
/// Logs up to which a first flight lists all heads; more are told as digests of ranges.
pub const HEADS_LISTED_MAX: usize = 64;
/// Logs up to which a range that differs is told head by head instead of in smaller ranges.
pub const HEADS_PER_RANGE_MAX: usize = 32;
/// Ranges that a range that differs is divided into.
pub const RANGES_PER_ROUND: usize = 32;
/// Agreements with peers after which a log no longer knows how far it was then.
pub const MARKS_PER_LOG_MAX: usize = 8;
/// Most pairs of a device and a log of which a space remembers what is held.
pub const HELD_HEADS_MAX: usize = 64 * 1024;
/// How much later a member must be seen before that is written again, in milliseconds.
pub const SEEN_EVERY_MS: u64 = 60_000;
/// Most objects in one space, deleted ones included.
pub const OBJECTS_PER_SPACE_MAX: usize = 100_000;
/// Longest object or space name, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;
/// Longest name of a device, in bytes.
pub const DEVICE_NAME_BYTES_MAX: usize = 128;
/// Longest canonical form of a shape, in bytes.
pub const SHAPE_BYTES_MAX: usize = 4096;
/// Most spaces on one device.
pub const SPACES_MAX: usize = 256;
/// Most claims a peer may send in one frame.
pub const CLAIMS_MAX: usize = 512;
/// Claims are padded with random ones to a multiple of this, so that their number says little.
pub const CLAIMS_PADDED_TO: usize = 8;
/// Most membership operations in one space.
pub const OPS_PER_SPACE_MAX: usize = 16 * 1024;
/// Longest membership operation, in bytes.
pub const OP_BYTES_MAX: usize = 40 * 1024;
/// Bytes of all membership operations of one space.
pub const OPS_BYTES_PER_SPACE_MAX: usize = 64 * 1024 * 1024;
/// Links over which a device that waits to be let into a space listens at a time to who has not shown that it was let
/// in.
pub const HEARSAY_LINKS_MAX: usize = 4;
/// Most logs up to which an operation lets count what a removed writer wrote.
pub const CUT_LOGS_MAX: usize = 400;
/// Most entries after a fork whose headers one branch of a proof holds.
pub const FORK_HEADERS_MAX: usize = 512;
/// How long an epoch is written under, in milliseconds.
pub const EPOCH_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
/// Most entries that a device writes under one epoch.
pub const EPOCH_ENTRIES_MAX: u64 = 1 << 20;
/// Most times that a device says of one epoch that no key it was handed opens.
pub const PLEAS_MAX: usize = 4;
/// Most hashes of a log by which two devices look for a fork at a time.
pub const MARKS_PER_FRAME_MAX: usize = 64;
/// Most forks that two devices look for at a time.
pub const FORKS_AT_ONCE_MAX: usize = 16;
/// Most earlier epochs whose keys an epoch carries.
pub const EARLIER_EPOCHS_MAX: usize = 64;
/// Most operations an operation may name as its predecessors.
pub const OP_DEPS_MAX: usize = 64;
/// Most epoch key wraps in one operation.
pub const WRAPS_PER_OP_MAX: usize = 64;
/// Most devices between a member's root and a device that it certifies.
pub const VOUCHERS_MAX: usize = 8;
/// Most spaces in one part of what a new device is given.
pub const GRANTS_PER_PART_MAX: usize = 32;
/// Most parts of what a new device is given.
pub const WELCOME_PARTS_MAX: usize = SPACES_MAX / GRANTS_PER_PART_MAX;
/// Most new devices that this one is about to make its member's at one time.
pub const LINKINGS_MAX: usize = 4;
/// How long a new device waits with one code at most, in milliseconds.
pub const LINK_CODE_MS_MAX: u64 = 10 * 60 * 1000;
/// Most links at one time.
pub const LINKS_MAX: usize = 256;
/// Entry bytes a peer may have on their way to us before we grant more.
pub const CREDIT_BYTES: u64 = 4 * 1024 * 1024;
/// Most places of a log that members told of by snapshots which are compared with its history when that comes.
pub const HEADS_TOLD_MAX: usize = 16;
/// Most entries of a log that a peer has yet to acknowledge when one more goes in the form that says only the low
/// byte of its number.
pub const BRIEF_ENTRIES_MAX: u64 = 128;
/// Penalty at which a link is closed and its peer shut out.
pub const PENALTY_MAX: u32 = 100;
/// Longest part of a snapshot before encryption, in bytes.
pub const SNAPSHOT_PART_BYTES: usize = 48 * 1024;
/// Most parts of a snapshot: 48 MiB in all.
pub const SNAPSHOT_PARTS_MAX: usize = 1024;
/// Most parts of all the snapshots that are on their way here.
pub const SNAPSHOT_PARTS_INCOMING_MAX: usize = 2 * SNAPSHOT_PARTS_MAX;
/// Entries from which a new device is brought to the present by a snapshot instead of by each of them.
pub const SNAPSHOT_ENTRIES_MIN: u64 = 2_048;
/// Most snapshots of different spaces or moments that are kept to be sent at one time.
pub const SNAPSHOTS_AT_ONCE_MAX: usize = 4;
/// A snapshot of which no part has come for so long is not waited for, in milliseconds.
pub const SNAPSHOT_WAIT_MS: u64 = 5_000;
/// Entries up to which objects are built once more as soon as the history of a snapshot is complete.
pub const AUDIT_ENTRIES_MAX: u64 = 64 * 1024;
/// Most logs of which history is asked for at a time.
pub const HISTORY_LOGS_MAX: usize = 64;
/// Bytes of history that are sent when asked for, about.
pub const HISTORY_BYTES: usize = 512 * 1024;
/// One point of penalty is forgiven in this time, in milliseconds.
pub const PENALTY_PAID_EVERY_MS: u64 = 1_000;
/// Points of penalty that a frame which is accepted pays for.
pub const PENALTY_PAID_PER_FRAME: u32 = 4;
/// How long a device is shut out the first time, in milliseconds; each further time is twice as long.
pub const GREY_MS: u64 = 10_000;
/// Longest time for which a device is shut out, in milliseconds.
pub const GREY_MS_MAX: u64 = 60 * 60 * 1_000;
/// Devices whose conduct is remembered.
pub const CONDUCT_MAX: usize = 1_024;
/// How fast frames of one peer may come that are not new entries, which credit bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Frames each second.
    pub frames_per_s: u64,
    /// Frames at once.
    pub frames_max: u64,
    /// Bytes each second.
    pub bytes_per_s: u64,
    /// Bytes at once.
    pub bytes_max: u64,
}
/// The pace of a peer that is a member of a space both have proven, of whatever role: any of them may pass on
/// what others wrote.
pub const PACE_OF_MEMBERS: Pace = Pace {
    frames_per_s: 2_000,
    frames_max: 20_000,
    bytes_per_s: 4 * 1024 * 1024,
    bytes_max: 32 * 1024 * 1024,
};
/// The pace of a peer that has proven a space and is no member: it may ask to be let in, and send the proof
/// that it is one.
pub const PACE_OF_GUESTS: Pace = Pace {
    frames_per_s: 20,
    frames_max: 400,
    bytes_per_s: 1024 * 1024,
    bytes_max: 32 * 1024 * 1024,
};
/// The pace of a peer that has proven nothing.
pub const PACE_OF_STRANGERS: Pace =
    Pace { frames_per_s: 20, frames_max: 200, bytes_per_s: 64 * 1024, bytes_max: 4 * 1024 * 1024 };
/// Frames by which a peer may answer each frame with a run that it is sent, beyond its pace.
pub const ANSWERS_PER_FRAME: u64 = 4;
/// Bytes by which a peer may answer each frame with a run that it is sent, beyond its pace.
pub const ANSWER_BYTES: u64 = 1024;
/// How much more a byte of membership operations costs than others: each comes with signatures to verify.
pub const OPERATION_BYTES_WEIGHT: u64 = 4;
/// Run bytes from which a frame with entries that are here already is not counted: credit bounds those. Refused ones
/// always are.
pub const RUN_BYTES_UNCOUNTED: usize = 1024;
/// Ended sessions of which the outcome is remembered.
pub const SESSIONS_ENDED_MAX: usize = 256;
/// Entries that wait for others of which the reason is told at once.
pub const WAITS_TOLD_MAX: usize = 16;
/// Longest ticket, in characters.
pub const TICKET_CHARS_MAX: usize = 4096;
/// Most addresses in a ticket.
pub const TICKET_ADDRESSES_MAX: usize = 16;
/// Unacknowledged entries are sent again after this long, in milliseconds.
pub const RESEND_AFTER_MS: u64 = 2_000;
/// Entries of others are relayed to a peer that gets them elsewhere only after this long, in
/// milliseconds.
pub const RELAY_AFTER_MS: u64 = 150;
/// Idle links compare frontier digests about this often, in milliseconds.
pub const REPAIR_EVERY_MS: u64 = 10_000;
/// Applied entries after which changed objects are written to the store.
pub const CHECKPOINT_ENTRIES: u64 = 1_024;
/// Bytes of unwritten object state after which it is written to the store.
pub const CHECKPOINT_BYTES: usize = 4 * 1024 * 1024;
/// Objects without unwritten changes that stay in memory, per space.
pub const OBJECTS_CACHED_MAX: usize = 256;
/// Snapshot rows of the objects that stay in memory, per space, about.
pub const SNAPSHOT_ROWS_CACHED_MAX: u64 = 512;
/// Longest plaintext row of an object snapshot, in bytes.
pub const SNAPSHOT_ROW_BYTES: usize = 24 * 1024;
/// Devices online in a space up to which everybody links with everybody; beyond, an overlay of few links.
pub const FULL_MESH_MAX: usize = 16;
/// Links a device keeps in a space of more devices.
pub const OVERLAY_LINKS: usize = 8;
/// How many of them are chosen for their short round trip; the others are random.
pub const OVERLAY_LINKS_NEAR: usize = 3;
/// Links of a device in such a space beyond which it parts with some.
pub const OVERLAY_LINKS_CAP: usize = 10;
/// Links of a device in such a space beyond which it takes none, however much the other needs it.
pub const OVERLAY_LINKS_MAX: usize = 24;
/// Most devices of a space that are known without a link.
pub const OVERLAY_KNOWN_MAX: usize = 64;
/// Most of them that one peer has told.
pub const OVERLAY_KNOWN_PER_PEER_MAX: usize = 12;
/// Most dials under way for one space.
pub const OVERLAY_DIALS_MAX: usize = 8;
/// Most devices told in one frame.
pub const SAMPLES_PER_FRAME_MAX: usize = 16;
/// Most addresses told of one device.
pub const ADDRESSES_PER_SAMPLE_MAX: usize = 4;
/// Longest address of a device, in bytes.
pub const ADDRESS_BYTES_MAX: usize = 128;
/// Longest presence of a device in a space, in bytes.
pub const PRESENCE_BYTES_MAX: usize = 4 * 1024;
/// Longest ciphertext of a presence: a quarter more by padding, and what sealing adds.
pub const PRESENCE_CIPHERTEXT_BYTES_MAX: usize = 6 * 1024;
/// Most devices of one space whose presence is followed.
pub const PRESENCE_DEVICES_MAX: usize = 16 * 1024;
/// A presence that is not renewed is gone after this long, in milliseconds.
pub const PRESENCE_FOR_MS: u64 = 30_000;
/// A device renews its presence this often, in milliseconds.
pub const PRESENCE_RENEW_MS: u64 = 10_000;
/// Who brings a note that is overdue is asked for it about this often, in milliseconds.
pub const PRESENCE_ASK_EVERY_MS: u64 = 5_000;
/// Shortest time between two changes of one presence that go over a link, in milliseconds.
pub const PRESENCE_EVERY_MS: u64 = 40;
