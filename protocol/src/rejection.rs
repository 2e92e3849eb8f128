//! What is wrong with something a peer sent. State is unchanged in every case.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why bytes from a peer were refused, and what that costs the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rejection {
    /// Not a frame of this protocol, or over a limit; state unchanged.
    Malformed,
    /// The peer speaks no version of the protocol that this device does; state unchanged.
    WrongVersion,
    /// A frame for a space that was not proven on this link; state unchanged.
    NotProven,
    /// The sender is not a member with the needed role; state unchanged.
    NotMember,
    /// A membership operation whose signature or form is wrong; state unchanged.
    BadOperation,
    /// A run whose hashes do not chain, or whose head signature is wrong; state unchanged.
    BadRun,
    /// A run that does not follow from what is here, from a peer that did not write it; state unchanged.
    Unchained,
    /// A run by a device that may not write, as far as known here; state unchanged.
    NotWriter,
    /// Two different entries with the same log and sequence number exist; state unchanged.
    Forked,
    /// A note of presence that its device has not signed; state unchanged.
    BadNote,
    /// A snapshot that its device has not signed for the space; state unchanged.
    BadSnapshot,
    /// A named limit is reached; state unchanged.
    OverLimit,
    /// More entry bytes than were granted; state unchanged.
    OverCredit,
    /// Frames faster than allowed, for so long that the peer must know; they were dropped unread.
    Flood,
    /// A welcome to a member that this device does not wait for; state unchanged.
    NotWaiting,
    /// A welcome that does not open with the code this device shows, or does not fit it; state unchanged.
    BadWelcome,
}

impl Rejection {
    /// What it costs the peer, which is shut out at [`crate::limits::PENALTY_MAX`]. What an honest peer sends
    /// that has missed a frame, or knows of other members, costs nothing.
    #[must_use]
    pub fn penalty(self) -> u32 {
        match self {
            Self::Flood => crate::limits::PENALTY_MAX,
            Self::WrongVersion
            | Self::Malformed
            | Self::BadRun
            | Self::BadOperation
            | Self::BadNote
            | Self::BadSnapshot
            | Self::OverLimit
            | Self::OverCredit
            | Self::NotWaiting => 4,
            Self::BadWelcome => 50,
            // A fork is its author's doing, not that of whoever brings it.
            Self::Forked
            | Self::NotProven
            | Self::NotMember
            | Self::NotWriter
            | Self::Unchained => 0,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a malformed frame",
            Self::WrongVersion => "another protocol version",
            Self::NotProven => "a frame for a space it has not proven to know",
            Self::NotMember => "a frame it has no right to send",
            Self::BadOperation => "an invalid membership operation",
            Self::BadRun => "entries that do not verify",
            Self::Unchained => "entries that do not follow from those known",
            Self::NotWriter => "entries of a device that may not write",
            Self::Forked => "an entry that contradicts a known one",
            Self::BadNote => "a presence that does not verify",
            Self::BadSnapshot => "a snapshot that does not verify",
            Self::OverLimit => "more than a limit allows",
            Self::OverCredit => "more entries than were granted",
            Self::Flood => "more frames than allowed, for too long",
            Self::NotWaiting => "a welcome that is not waited for",
            Self::BadWelcome => "a welcome that does not open or does not fit",
        })
    }
}
