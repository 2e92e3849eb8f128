//! Why a space is not the same on all its devices yet: plain values, computed from state when asked.

use serde::{Deserialize, Serialize};

use crate::ids::{DeviceId, LogId, SpaceId, Time};
use crate::rejection::Rejection;

/// Why a space is not the same everywhere, or that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The space.
    pub space: SpaceId,
    /// What its members call it.
    pub name: String,
    /// Whether every member device is known to hold all that is held here, all of it is applied here, and
    /// nobody who is linked holds more.
    pub synced: bool,
    /// What keeps this device itself.
    pub here: Vec<Here>,
    /// Each other device: the members, and who else has proven the space or might admit this device.
    pub peers: Vec<PeerWhy>,
}

/// What keeps this device from showing all there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Here {
    /// No member has let this device in yet.
    NotAdmitted,
    /// This device is a member, and nobody has wrapped the space's key to it yet.
    NoKey,
    /// An entry is held here that cannot be applied, nor can those after it in its log.
    Waits {
        /// Its log.
        log: LogId,
        /// Its number.
        seq: u64,
        /// Who wrote it.
        author: DeviceId,
        /// Entries that wait in that log.
        entries: u64,
        /// What it waits for.
        lacks: Lacks,
    },
}

/// What an entry waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lacks {
    /// The key of the epoch it is written under.
    Key,
    /// An entry it builds on.
    Entry {
        /// The log of that one.
        log: LogId,
        /// Its number.
        seq: u64,
        /// Whether it is here, and waits itself.
        here: bool,
        /// Devices that hold it by their own word, or have written it.
        holders: Vec<DeviceId>,
    },
}

/// One other device and a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerWhy {
    /// The device.
    pub device: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// Whether there is a live link with it.
    pub linked: bool,
    /// When it was last there, over a link that had proven the space, if ever.
    pub last_seen: Option<Time>,
    /// Entries held here that it is not known to hold durably.
    pub missing: u64,
    /// Entries it says it holds that are not here.
    pub ahead: u64,
    /// What keeps the two apart; empty if nothing does.
    pub causes: Vec<Cause>,
}

/// What keeps two devices apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// There was never a link with it that proved the space.
    NeverMet,
    /// There is no link with it now.
    NotConnected,
    /// It sent too much that was wrong, and is shut out for a while.
    GreyListed {
        /// Until when.
        until: Time,
        /// What it sent last.
        rejection: Rejection,
    },
    /// The link is up and the other end has not said hello, or not claimed any space.
    Greeting,
    /// The other end has claimed spaces, this one not among them: it does not know it, or not yet.
    NotProven,
    /// The other end knows the space and does not know this device as a member.
    UnknownThere,
    /// The other end knows the space and is no member as far as known here.
    UnknownHere,
    /// Nobody has wrapped the newest key that is here to it: it can store entries and not read them.
    NoKey,
    /// It has not told what it holds yet.
    NotTold,
    /// Entries were sent to it and are not acknowledged yet.
    InFlight {
        /// How many.
        entries: u64,
    },
    /// It takes no more entries before it has dealt with those sent.
    NoCredit,
    /// It gets entries from others first and from here only if they are late.
    Lazy {
        /// How many it lacks.
        entries: u64,
    },
    /// It holds another entry of the same log and number: the log is forked, and is not sent to it.
    Parted {
        /// The log.
        log: LogId,
    },
    /// It holds entries that have not arrived here.
    Ahead {
        /// How many.
        entries: u64,
    },
    /// It sent something that was refused.
    Rejected {
        /// What was wrong with the last of it.
        rejection: Rejection,
        /// How often, since the start.
        times: u64,
        /// When, the last time.
        at: Time,
    },
}

/// What came of syncing one space over one link, so far or in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncView {
    /// The space.
    pub space: SpaceId,
    /// Entries sent over the link.
    pub entries_sent: u64,
    /// Entries received over it that were new.
    pub entries_received: u64,
    /// Bytes of runs sent.
    pub run_bytes_sent: u64,
    /// Bytes of runs received, those that were here already included.
    pub run_bytes_received: u64,
    /// Whether both ends are known to hold the same.
    pub agreed: bool,
    /// If they do not: why.
    pub causes: Vec<Cause>,
}
