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
/// Penalty at which a link is closed.
pub const PENALTY_MAX: u32 = 100;
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
