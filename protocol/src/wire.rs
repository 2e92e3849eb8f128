//! Frames: the only thing that becomes bytes for a peer.
//!
//! Bytes in → [`Frame`], within [`crate::limits`], or nothing; [`Frame`] → bytes out. Frames about a space
//! name it by a [`Tag`], the place of the sender's claim, so a stranger sees numbers that mean nothing to it. Frames of an unknown kind are skipped. Deliberately not here: what frames mean.

use serde::{Deserialize, Serialize};

use crate::effect::JoinRefusal;
use crate::entry::{Bytes, Head, Signature};
use crate::envelope;
use crate::ids::{DeviceId, LogId};
use crate::limits;
use crate::linking::{self, LinkRefusal};
use crate::overlay::Told;
use crate::presence::Note;
use crate::rejection::Rejection;

/// The protocol version spoken here.
pub(crate) const VERSION: u8 = 1;
/// The kind of frames with membership operations.
pub(crate) const KIND_OPERATIONS: u8 = 3;
/// The kind of frames with a run of entries.
pub(crate) const KIND_ENTRIES: u8 = 5;
/// The kind of frames with one more entry.
pub(crate) const KIND_NEXT: u8 = 10;

/// How frames name a space on one link: the place of the sender's claim of it among all its claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Tag(pub u32);

/// Proof of knowing a space, before either side has named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Claim(pub [u8; 16]);

/// The first frame each way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub nonce: [u8; 16],
}

/// Which spaces the sender knows. A later one on a link begins with the earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub claims: Vec<Claim>,
}

/// Membership operations, predecessors first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Operations {
    pub tag: Tag,
    pub ops: Vec<Bytes>,
}

/// The head of one log: sequence number and a session-keyed part of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogHead {
    pub log: LogId,
    pub seq: u64,
    pub hash: [u8; 4],
}

/// The head of a log that both ends held when they last agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedHead {
    /// Its place among the logs held then, ascending.
    pub number: u32,
    /// How many entries it has grown by.
    pub grown: u64,
    pub hash: [u8; 4],
}

/// What the sender holds of the logs from the end of the range before up to `until`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    /// Exclusive; none for the last log there can be.
    pub until: Option<LogId>,
    pub holds: Holds,
}

/// How a range is told. Append-only: the order of variants is the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Holds {
    /// Nothing is said.
    Unsaid,
    /// Heads of this session-keyed digest. A receiver that holds others answers with its own.
    Digest([u8; 8]),
    /// Just these heads, ascending by log, and whether the receiver is to answer with its own.
    Heads { heads: Vec<LogHead>, answer: bool },
}

/// What heads say beyond their digest. Append-only: the order of variants is the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Detail {
    /// Nothing: it may be that of anything.
    None,
    /// What has changed since both ends agreed.
    Since {
        /// Session-keyed digest of what they agreed on.
        base: [u8; 4],
        /// Session-keyed digest of the membership operations, if they have changed.
        membership: Option<[u8; 8]>,
        changed: Vec<ChangedHead>,
        /// Heads of logs that are new since, ascending by log.
        new: Vec<LogHead>,
    },
    /// All logs, range by range.
    Ranges {
        /// Session-keyed digest of the membership operations.
        membership: [u8; 8],
        ranges: Vec<Range>,
    },
    /// Nothing has changed since both ends agreed: the digest is that of what they agreed on.
    Unchanged,
}

/// The sender's durable frontier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heads {
    pub tag: Tag,
    /// Session-keyed digest of all heads and membership operations.
    pub digest: [u8; 8],
    pub detail: Detail,
}

/// A run of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entries {
    pub tag: Tag,
    /// What the sender calls the log on this link from now on.
    pub number: u32,
    /// Run bytes sent on this link so far, these included.
    pub sent: u64,
    pub run: Bytes,
}

/// One entry under the epoch and authority of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Next {
    pub tag: Tag,
    pub number: u32,
    /// The low byte of its sequence number.
    pub low: u8,
    pub ciphertext: Bytes,
    pub signature: Signature,
}

/// What the sender now holds durably: logs by the receiver's numbers for them, and by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ack {
    pub tag: Tag,
    pub numbered: Vec<(u32, u64)>,
    pub named: Vec<(LogId, u64)>,
}

/// How many run bytes the sender is ready to take in all on this link, and how many it has sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credit {
    pub granted: u64,
    pub sent: u64,
}

/// Whether entries of a log are wanted at once from this peer, or only when nobody else brought them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub tag: Tag,
    /// The receiver's number for the log.
    pub number: u32,
    pub eager: bool,
}

/// Hashes of a log, ascending: where this device's branch of it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    pub tag: Tag,
    pub log: LogId,
    pub marks: Vec<Head>,
}

/// A run that contradicts what the receiver holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evidence {
    pub tag: Tag,
    pub run: Bytes,
}

/// A join was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub tag: Tag,
    pub reason: JoinRefusal,
}

/// How many links the sender has in a large space, and whom it knows there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peers {
    pub tag: Tag,
    pub told: Told,
}

/// The sender does not need the link for a space any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub tag: Tag,
}

/// A number to be sent back at once, or one that is sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Echo {
    pub number: u64,
    pub back: bool,
}

/// What a device lets the others of a space know for the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Presence {
    pub tag: Tag,
    /// How long it still holds, in milliseconds.
    pub left_ms: u32,
    pub note: Note,
}

/// Whether notes of a device are wanted at once from this peer, or not, as another brings them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notes {
    pub tag: Tag,
    pub device: DeviceId,
    /// The last one the sender has.
    pub number: u64,
    pub eager: bool,
}

/// About making the device at one end one of the other's member. Append-only: the order of variants is the wire
/// format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Linking {
    /// A part of what a new device is given.
    Welcome { part: linking::Part, sealed: Bytes },
    /// The sender has taken it all, durably.
    Taken,
    /// The sender does not become the receiver's.
    Declined(LinkRefusal),
}

/// About bringing a device to the present by a snapshot. Append-only: the order of variants is the wire format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Bringing {
    /// The sender asks for a snapshot.
    Wanted,
    /// What comes now.
    Manifest(Bytes),
    /// The next part, and the run bytes sent on this link so far, this part included.
    Part { sent: u64, part: Bytes },
    /// The sender sends no snapshot: entries are to do.
    Declined,
    /// Something that the receiver lacks is here only as part of a snapshot.
    Offered,
}

/// A frame about a snapshot of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub tag: Tag,
    pub about: Bringing,
}

/// Older entries of some logs, after those that the sender has, are wanted; no logs: that was what is sent for
/// now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    pub tag: Tag,
    pub wants: Vec<(LogId, u64)>,
}

/// One message between two devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Hello(Hello),
    Claims(Claims),
    Operations(Operations),
    Heads(Heads),
    Entries(Entries),
    Ack(Ack),
    Credit(Credit),
    Spread(Spread),
    Refused(Refused),
    Next(Next),
    Marks(Marks),
    Evidence(Evidence),
    Peers(Peers),
    Part(Part),
    Echo(Echo),
    Presence(Presence),
    Notes(Notes),
    Snapshot(Snapshot),
    History(History),
    Linking(Linking),
}

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(body) => envelope::wrap(VERSION, 1, body),
            Self::Claims(body) => envelope::wrap(VERSION, 2, body),
            Self::Operations(body) => envelope::wrap(VERSION, KIND_OPERATIONS, body),
            Self::Heads(body) => envelope::wrap(VERSION, 4, body),
            Self::Entries(body) => envelope::wrap(VERSION, KIND_ENTRIES, body),
            Self::Ack(body) => envelope::wrap(VERSION, 6, body),
            Self::Credit(body) => envelope::wrap(VERSION, 7, body),
            Self::Spread(body) => envelope::wrap(VERSION, 8, body),
            Self::Refused(body) => envelope::wrap(VERSION, 9, body),
            Self::Next(body) => envelope::wrap(VERSION, KIND_NEXT, body),
            Self::Marks(body) => envelope::wrap(VERSION, 11, body),
            Self::Evidence(body) => envelope::wrap(VERSION, 12, body),
            Self::Peers(body) => envelope::wrap(VERSION, 13, body),
            Self::Part(body) => envelope::wrap(VERSION, 14, body),
            Self::Echo(body) => envelope::wrap(VERSION, 15, body),
            Self::Presence(body) => envelope::wrap(VERSION, 16, body),
            Self::Notes(body) => envelope::wrap(VERSION, 17, body),
            Self::Snapshot(body) => envelope::wrap(VERSION, 18, body),
            Self::History(body) => envelope::wrap(VERSION, 19, body),
            Self::Linking(body) => envelope::wrap(VERSION, 20, body),
        }
    }

    /// Decodes a frame; `None` for a well-formed frame of a kind not known here.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Self>, Rejection> {
        if bytes.len() > limits::FRAME_BYTES_MAX {
            return Err(Rejection::OverLimit);
        }
        let envelope = envelope::split(bytes).ok_or(Rejection::Malformed)?;
        if envelope.version != VERSION {
            return Err(Rejection::WrongVersion);
        }
        if !envelope.rest.is_empty() {
            return Err(Rejection::Malformed);
        }
        let body = envelope.body;
        let frame = match envelope.kind {
            1 => envelope::body(body).map(Self::Hello),
            2 => envelope::body(body).map(Self::Claims),
            KIND_OPERATIONS => envelope::body(body).map(Self::Operations),
            4 => envelope::body(body).map(Self::Heads),
            KIND_ENTRIES => envelope::body(body).map(Self::Entries),
            6 => envelope::body(body).map(Self::Ack),
            7 => envelope::body(body).map(Self::Credit),
            8 => envelope::body(body).map(Self::Spread),
            9 => envelope::body(body).map(Self::Refused),
            KIND_NEXT => envelope::body(body).map(Self::Next),
            11 => envelope::body(body).map(Self::Marks),
            12 => envelope::body(body).map(Self::Evidence),
            13 => envelope::body(body).map(Self::Peers),
            14 => envelope::body(body).map(Self::Part),
            15 => envelope::body(body).map(Self::Echo),
            16 => envelope::body(body).map(Self::Presence),
            17 => envelope::body(body).map(Self::Notes),
            18 => envelope::body(body).map(Self::Snapshot),
            19 => envelope::body(body).map(Self::History),
            20 => envelope::body(body).map(Self::Linking),
            _ => return Ok(None),
        };
        let frame = frame.ok_or(Rejection::Malformed)?;
        if frame.bounded() { Ok(Some(frame)) } else { Err(Rejection::OverLimit) }
    }

    fn bounded(&self) -> bool {
        match self {
            Self::Claims(claims) => claims.claims.len() <= limits::CLAIMS_MAX,
            Self::Heads(heads) => heads.detail.bounded(),
            Self::Ack(ack) => ack.numbered.len() + ack.named.len() <= limits::HEADS_PER_FRAME_MAX,
            Self::Marks(marks) => {
                marks.marks.len() <= limits::MARKS_PER_FRAME_MAX + 1
                    && marks.marks.is_sorted_by(|a, b| a.seq < b.seq)
            }
            Self::Next(next) => next.ciphertext.0.len() <= limits::ENTRY_BYTES_MAX,
            Self::Peers(peers) => peers.told.bounded(),
            Self::Presence(presence) => {
                presence.note.ciphertext.0.len() <= limits::PRESENCE_CIPHERTEXT_BYTES_MAX
            }
            Self::History(history) => history.wants.len() <= limits::HISTORY_LOGS_MAX,
            Self::Linking(Linking::Welcome { part, .. }) => part.bounded(),
            _ => true,
        }
    }
}

impl Detail {
    fn bounded(&self) -> bool {
        match self {
            Self::None | Self::Unchanged => true,
            Self::Since { changed, new, .. } => {
                changed.len() + new.len() <= limits::HEADS_PER_FRAME_MAX
                    && changed.is_sorted_by(|a, b| a.number < b.number)
                    && new.is_sorted_by(|a, b| a.log < b.log)
            }
            Self::Ranges { ranges, .. } => {
                let heads = |range: &Range| match &range.holds {
                    Holds::Heads { heads, .. } => heads.len(),
                    _ => 0,
                };
                ranges.len() <= limits::RANGES_PER_FRAME_MAX
                    && ranges.iter().map(heads).sum::<usize>() <= limits::HEADS_PER_FRAME_MAX
                    && ranges_in_order(ranges)
            }
        }
    }
}

/// Whether ranges follow one another and their heads lie in them, ascending.
fn ranges_in_order(ranges: &[Range]) -> bool {
    let mut from = Some(LogId([0; 16]));
    ranges.iter().all(|range| {
        let Some(start) = from else { return false };
        from = range.until;
        let inside = |log: LogId| start <= log && range.until.is_none_or(|until| log < until);
        range.until.is_none_or(|until| start < until)
            && match &range.holds {
                Holds::Heads { heads, .. } => {
                    heads.is_sorted_by(|a, b| a.log < b.log) && heads.iter().all(|h| inside(h.log))
                }
                _ => true,
            }
    })
}

#[cfg(test)]
mod tests;
