//! Frames: the only thing that becomes bytes for a peer.
//!
//! Bytes in → [`Frame`], within [`crate::limits`], or nothing; [`Frame`] → bytes out. Frames about a space
//! name it by a [`Tag`] that both ends derive from the space's secret and this link's nonces, so a stranger
//! sees random bytes. Frames of an unknown kind are skipped. Deliberately not here: what frames mean.

use serde::{Deserialize, Serialize};

use crate::effect::JoinRefusal;
use crate::entry::Bytes;
use crate::envelope;
use crate::ids::LogId;
use crate::limits;
use crate::rejection::Rejection;

/// The protocol version spoken here.
pub(crate) const VERSION: u8 = 1;

/// How frames name a space on one link in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Tag(pub [u8; 8]);

/// Proof of knowing a space, before either side has named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Claim(pub [u8; 16]);

/// The first frame each way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub nonce: [u8; 16],
}

/// Which spaces the sender knows; replaces what it claimed before on this link.
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
    pub hash: [u8; 8],
}

/// All heads the sender holds durably in an interval of logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadList {
    pub from: LogId,
    /// Inclusive.
    pub to: LogId,
    /// Ascending by log.
    pub heads: Vec<LogHead>,
}

/// The sender's durable frontier, as a digest or in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heads {
    pub tag: Tag,
    /// Session-keyed digest of the whole frontier.
    pub frontier: [u8; 16],
    /// Session-keyed digest of the membership operations.
    pub membership: [u8; 8],
    pub list: Option<HeadList>,
}

/// A run of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entries {
    pub tag: Tag,
    /// Run bytes sent on this link so far, these included.
    pub sent: u64,
    pub run: Bytes,
}

/// What the sender now holds durably.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ack {
    pub tag: Tag,
    pub heads: Vec<LogHead>,
}

/// How many run bytes the sender is ready to take in all on this link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credit {
    pub granted: u64,
}

/// Whether entries of a log are wanted at once from this peer, or only when nobody else brought them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub tag: Tag,
    pub log: LogId,
    pub eager: bool,
}

/// A join was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub tag: Tag,
    pub reason: JoinRefusal,
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
}

impl Frame {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(body) => envelope::wrap(VERSION, 1, body),
            Self::Claims(body) => envelope::wrap(VERSION, 2, body),
            Self::Operations(body) => envelope::wrap(VERSION, 3, body),
            Self::Heads(body) => envelope::wrap(VERSION, 4, body),
            Self::Entries(body) => envelope::wrap(VERSION, 5, body),
            Self::Ack(body) => envelope::wrap(VERSION, 6, body),
            Self::Credit(body) => envelope::wrap(VERSION, 7, body),
            Self::Spread(body) => envelope::wrap(VERSION, 8, body),
            Self::Refused(body) => envelope::wrap(VERSION, 9, body),
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
            3 => envelope::body(body).map(Self::Operations),
            4 => envelope::body(body).map(Self::Heads),
            5 => envelope::body(body).map(Self::Entries),
            6 => envelope::body(body).map(Self::Ack),
            7 => envelope::body(body).map(Self::Credit),
            8 => envelope::body(body).map(Self::Spread),
            9 => envelope::body(body).map(Self::Refused),
            _ => return Ok(None),
        };
        let frame = frame.ok_or(Rejection::Malformed)?;
        if frame.bounded() { Ok(Some(frame)) } else { Err(Rejection::OverLimit) }
    }

    fn bounded(&self) -> bool {
        match self {
            Self::Claims(claims) => claims.claims.len() <= limits::CLAIMS_MAX,
            Self::Heads(heads) => heads.list.as_ref().is_none_or(|list| {
                list.heads.len() <= limits::HEADS_PER_FRAME_MAX
                    && list.from <= list.to
                    && list.heads.is_sorted_by(|a, b| a.log < b.log)
                    && list.heads.iter().all(|h| list.from <= h.log && h.log <= list.to)
            }),
            Self::Ack(ack) => ack.heads.len() <= limits::HEADS_PER_FRAME_MAX,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
