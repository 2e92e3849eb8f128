//! What is wrong with something a peer sent. State is unchanged in every case.

use std::fmt;

/// Why bytes from a peer were refused, and what that costs the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// A named limit is reached; state unchanged.
    OverLimit,
    /// More entry bytes than were granted; state unchanged.
    OverCredit,
    /// A welcome to a member that this device does not wait for; state unchanged.
    NotWaiting,
    /// A welcome that does not open with the code this device shows, or does not fit it; state unchanged.
    BadWelcome,
}

impl Rejection {
    /// What it costs the peer; a link is closed at [`crate::limits::PENALTY_MAX`].
    #[must_use]
    pub fn penalty(self) -> u32 {
        match self {
            Self::WrongVersion => 100,
            Self::Malformed | Self::BadRun | Self::BadOperation => 25,
            Self::BadWelcome => 50,
            Self::OverLimit | Self::OverCredit | Self::NotWaiting => 10,
            // Its author's doing, not that of whoever brings it.
            Self::Forked => 0,
            Self::NotProven | Self::NotMember | Self::NotWriter | Self::Unchained => 2,
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
            Self::OverLimit => "more than a limit allows",
            Self::OverCredit => "more entries than were granted",
            Self::NotWaiting => "a welcome that is not waited for",
            Self::BadWelcome => "a welcome that does not open or does not fit",
        })
    }
}
