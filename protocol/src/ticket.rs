//! Tickets: one pasteable string that lets a device join a space.
//!
//! `meshwork1` followed by lower-case base32 of an envelope and a four-byte checksum. A ticket holds
//! secrets: whoever has it can join until it expires or is used up.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::envelope;
use crate::ids::{DeviceId, OpId, SpaceId, Time, from_base32, to_base32};
use crate::limits;
use crate::membership::Role;

const VERSION: u8 = 1;
const KIND_TICKET: u8 = 4;
const PREFIX: &str = "meshwork1";
const CHECKSUM_BYTES: usize = 4;

/// An invitation to one space.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Ticket {
    /// The space.
    #[zeroize(skip)]
    pub space: SpaceId,
    /// What its members call it.
    pub name: String,
    /// The device that made the ticket.
    #[zeroize(skip)]
    pub inviter: DeviceId,
    /// What the newcomer may do.
    #[zeroize(skip)]
    pub role: Role,
    /// Members refuse newcomers with this ticket after this moment.
    #[zeroize(skip)]
    pub expires: Time,
    /// Where the inviter may be reached, as multiaddresses.
    pub addresses: Vec<String>,
    pub(crate) secret: [u8; 32],
    #[zeroize(skip)]
    pub(crate) invite: OpId,
    pub(crate) invite_seed: [u8; 32],
}

impl Ticket {
    /// The invite it was made for.
    #[must_use]
    pub fn invite(&self) -> OpId {
        self.invite
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("space", &self.space).finish_non_exhaustive()
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(envelope::wrap(VERSION, KIND_TICKET, self)))
    }
}

/// Why a string is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketError {
    /// It does not start like one.
    NotATicket,
    /// It starts like one, but characters are missing or changed.
    Damaged,
    /// It was made by a newer version.
    Newer,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotATicket => "this is not a ticket; tickets start with 'meshwork1'",
            Self::Damaged => "the ticket is damaged: characters are missing or changed",
            Self::Newer => "the ticket was made by a newer version of Meshwork",
        })
    }
}

impl std::error::Error for TicketError {}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        unpasted(PREFIX, VERSION, KIND_TICKET, text)
    }
}

/// What is pasted of a ticket: the bytes and their checksum.
pub(crate) fn text(bytes: Vec<u8>) -> String {
    pasted(PREFIX, bytes)
}

/// What is pasted of an envelope: a prefix, the bytes and their checksum.
pub(crate) fn pasted(prefix: &str, mut bytes: Vec<u8>) -> String {
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    format!("{prefix}{}", to_base32(&bytes))
}

/// Reads what [`pasted`] wrote.
pub(crate) fn unpasted<T: Serialize + DeserializeOwned>(
    prefix: &str,
    version: u8,
    kind: u8,
    text: &str,
) -> Result<T, TicketError> {
    let encoded = text.trim().strip_prefix(prefix).ok_or(TicketError::NotATicket)?;
    if encoded.len() > limits::TICKET_CHARS_MAX {
        return Err(TicketError::Damaged);
    }
    let bytes = from_base32(encoded).ok_or(TicketError::Damaged)?;
    let at = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TicketError::Damaged)?;
    let (body, sum) = bytes.split_at(at);
    if sum != checksum(body) {
        return Err(TicketError::Damaged);
    }
    match envelope::split(body) {
        Some(newer) if newer.version > version => Err(TicketError::Newer),
        _ => envelope::open(version, kind, body).ok_or(TicketError::Damaged),
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::derive_key("meshwork ticket checksum 1", bytes);
    *hash.first_chunk::<CHECKSUM_BYTES>().expect("a hash has 32 bytes")
}
