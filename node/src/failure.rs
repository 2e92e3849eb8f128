//! The one error of the node: what went wrong, said to a person, with a way out.
//!
//! Data in: errors of every layer below. Data out: a [`Failure`], which maps once to an exit code and
//! once to an HTTP status, both in [`FailureKind`]. Deliberately not here: recovery; whoever can recover
//! does so before a `Failure` exists.

use std::fmt;

use meshwork_protocol::store::StoreError;
use meshwork_protocol::{JoinRefusal, LinkCodeError, LinkRefusal, Refusal, TicketError};
use serde::{Deserialize, Serialize};

use crate::network::NetworkError;

/// What kind of thing went wrong; decides the exit code and the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The request itself is wrong: bad arguments, a malformed value, the wrong type of object.
    Usage,
    /// The configuration is wrong.
    Config,
    /// The network cannot be used as asked, or nobody could be reached.
    Network,
    /// Files or the store cannot be used, or are damaged.
    Storage,
    /// A peer, or a rule all peers keep, refused it.
    Peer,
    /// What was named does not exist.
    NotFound,
    /// It did not happen in time.
    Timeout,
    /// This device's role or token does not allow it.
    Forbidden,
    /// Another process uses the data directory.
    InUse,
    /// No daemon is running, or it is stopping.
    NotRunning,
    /// The identity is sealed, and what would open it is missing or wrong.
    Sealed,
    /// Not every device is known to hold everything yet.
    NotSynced,
    /// A bug in this program.
    Internal,
}

impl FailureKind {
    /// Every kind, in the order of their exit codes.
    pub const ALL: [Self; 13] = [
        Self::Usage,
        Self::Config,
        Self::Network,
        Self::Storage,
        Self::Peer,
        Self::NotFound,
        Self::Timeout,
        Self::Forbidden,
        Self::InUse,
        Self::NotRunning,
        Self::Sealed,
        Self::NotSynced,
        Self::Internal,
    ];

    /// The exit code of a command that ends this way; stable between versions.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self.row().0
    }

    /// The HTTP status of a request that ends this way.
    #[must_use]
    pub fn http_status(self) -> u16 {
        self.row().1
    }

    /// What the kind means, in a few words.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (u8, u16, &'static str) {
        match self {
            Self::Usage => (2, 400, "wrong arguments or a malformed value"),
            Self::Config => (3, 500, "the configuration is wrong"),
            Self::Network => (4, 502, "an address cannot be used, or nobody could be reached"),
            Self::Storage => (5, 500, "files or the store cannot be used, or are damaged"),
            Self::Peer => (6, 409, "a peer, or a rule all peers keep, refused it"),
            Self::NotFound => (7, 404, "no such space, object or key"),
            Self::Timeout => (8, 504, "it did not happen in time"),
            Self::Forbidden => (9, 403, "this device's role or token does not allow it"),
            Self::InUse => (10, 409, "another process uses the data directory"),
            Self::NotRunning => (11, 503, "no daemon is running"),
            Self::Sealed => (12, 403, "the identity is sealed, and no passphrase or key opens it"),
            Self::NotSynced => (13, 409, "not every device is known to hold everything yet"),
            Self::Internal => (70, 500, "a bug in meshwork"),
        }
    }
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What went wrong, as one sentence without a final stop.
    pub message: String,
    /// What to do about it; the most promising first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// What most functions of the node return.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure without hints.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// The same failure with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// [`FailureKind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// [`FailureKind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Config, message)
    }

    /// [`FailureKind::Network`].
    pub fn network(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Network, message)
    }

    /// [`FailureKind::Storage`].
    pub fn storage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Storage, message)
    }

    /// [`FailureKind::Peer`].
    pub fn peer(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Peer, message)
    }

    /// [`FailureKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureKind::NotFound, message)
    }

    /// [`FailureKind::Timeout`].
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Timeout, message)
    }

    /// [`FailureKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, message)
    }

    /// The failure of a request to a node that has stopped or is stopping.
    #[must_use]
    pub fn stopped() -> Self {
        Self::new(FailureKind::NotRunning, "the node has stopped")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Self::storage(error.to_string());
        match error {
            StoreError::Io(_) => {
                failure.hint("check free space and permissions of the data directory, then start again")
            }
            StoreError::Corrupt { .. } => failure
                .hint("first of all, make a copy of the data directory")
                .hint("move its `store` folder away and join the spaces again: peers send the content"),
            StoreError::NewerFormat { .. } => failure.hint("install the newer version of meshwork again"),
            StoreError::Locked => Self { kind: FailureKind::InUse, ..failure }
                .hint("stop the other process, or choose another --data-dir"),
            _ => failure,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownSpace => Self::not_found("no such space on this device")
                .hint("list them: meshwork space list"),
            Refusal::AlreadyMember => Self::usage("this device is already a member of the space"),
            Refusal::NotReady => {
                Self::peer("the space is not usable yet: no member has admitted this device")
                    .hint("keep a device that is a member online and reachable")
            }
            Refusal::Removed { by } => Self::new(
                FailureKind::Forbidden,
                format!("this device was removed from the space, by {}", by.short()),
            )
            .hint("what was synced before stays readable here")
            .hint("to come back, ask an admin for a ticket: meshwork invite SPACE"),
            Refusal::NothingStable => Self::new(
                FailureKind::NotSynced,
                "there is nothing that all devices hold and that no checkpoint names yet",
            )
            .hint("see who is behind: meshwork status")
            .hint("do not wait for devices that are away: --away 30d"),
            Refusal::Outranked => Self::new(
                FailureKind::Forbidden,
                "that member is nearer to the founder than this device's, so it cannot be changed from here",
            )
            .hint("ask the admin who let it in, or the founder"),
            Refusal::UnknownMember => Self::not_found("no such member or device in the space")
                .hint("list them: meshwork members SPACE"),
            Refusal::UnknownInvite => {
                Self::not_found("no such invite in the space").hint("list them: meshwork invites SPACE")
            }
            Refusal::UnknownLog => Self::not_found("the space has no such log")
                .hint("list what is in quarantine: meshwork adopt SPACE"),
            Refusal::NotAllowed { needs } => Self::new(
                FailureKind::Forbidden,
                format!("this device's role does not allow it; the role `{needs}` would"),
            )
            .hint("ask an admin of the space for a ticket with that role"),
            Refusal::UnknownObject => {
                Self::not_found("no such object in the space").hint("list them: meshwork get SPACE")
            }
            Refusal::WrongShape { shape } => {
                Self::usage(format!("the object is a {shape}, which this edit does not fit"))
            }
            Refusal::Edit(error) => Self::usage(error.to_string()),
            Refusal::TicketExpired => Self::peer("the ticket has expired")
                .hint("ask for a new one: meshwork invite SPACE"),
            Refusal::HasSpaces => {
                Self::usage("this device has spaces, so it cannot become another member's")
                    .hint("start in a new data directory, and link that: --data-dir DIR")
            }
            Refusal::CodeExpired => Self::peer("the code of the new device has expired")
                .hint("show another on the new device: meshwork device link"),
            Refusal::OwnDevice => Self::usage("the code is this device's own")
                .hint("run the command on a device that is yours already"),
            Refusal::WrongPhrase => Self::new(
                FailureKind::Forbidden,
                "the recovery phrase is not that of the member whose device this is",
            )
            .hint("see whose devices these are: meshwork device list"),
            Refusal::BadName => Self::usage("the name is empty, too long or reserved"),
            Refusal::Limit { what, max } => {
                Self::usage(format!("a limit is reached: at most {max} {what}"))
            }
            other => Self::peer(format!("refused: {other:?}")),
        }
    }
}

impl From<JoinRefusal> for Failure {
    fn from(refusal: JoinRefusal) -> Self {
        let message = match refusal {
            JoinRefusal::UnknownInvite => "the ticket is not known to the member that was asked",
            JoinRefusal::Expired => "the ticket has expired",
            JoinRefusal::UsedUp => "the ticket has been used as often as it may be",
            JoinRefusal::BadProof => "the member that was asked does not accept the ticket's proof",
            JoinRefusal::Stranger => "the member that was asked does not know this device",
            JoinRefusal::NotVouched => {
                "the member that was asked does not believe that this device is one of a member's"
            }
        };
        Self::peer(message).hint("ask for a new one: meshwork invite SPACE")
    }
}

impl From<TicketError> for Failure {
    fn from(error: TicketError) -> Self {
        Self::usage(error.to_string()).hint(match error {
            TicketError::Newer => "install a newer version of meshwork",
            _ => "copy the whole line that `meshwork invite SPACE` printed",
        })
    }
}

impl From<LinkCodeError> for Failure {
    fn from(error: LinkCodeError) -> Self {
        Self::usage(error.to_string()).hint(match error {
            LinkCodeError::Newer => "install a newer version of meshwork",
            _ => "copy the whole line that `meshwork device link` printed on the new device",
        })
    }
}

impl From<LinkRefusal> for Failure {
    fn from(refusal: LinkRefusal) -> Self {
        let failure = match refusal {
            LinkRefusal::NotWaiting => Self::peer(
                "the new device does not wait any more: its code has expired or been used",
            ),
            LinkRefusal::WrongCode => Self::peer("the new device shows another code by now"),
            LinkRefusal::InUse => {
                return Self::peer("the new device has spaces by now, so its member cannot change")
                    .hint("start it in a new data directory, and link that: --data-dir DIR");
            }
            other => Self::peer(format!("the new device refused: {other:?}")),
        };
        failure.hint("show another on the new device: meshwork device link")
    }
}

impl From<NetworkError> for Failure {
    fn from(error: NetworkError) -> Self {
        let failure = Self::network(error.to_string());
        match error {
            NetworkError::AddressInUse { .. } => failure.hint(
                "another program listens there: choose another --listen address, or port 0 for a free one",
            ),
            NetworkError::BadAddress { .. } => {
                failure.hint("addresses look like /ip4/0.0.0.0/tcp/7700 or /ip4/0.0.0.0/udp/7700/quic-v1")
            }
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_exit_code() {
        let mut codes: Vec<u8> = FailureKind::ALL.iter().map(|kind| kind.exit_code()).collect();
        let sorted = codes.clone();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes, sorted);
    }

    #[test]
    fn a_failure_survives_the_way_through_json() {
        let failure = Failure::timeout("too slow").hint("wait");
        let json = serde_json::to_string(&failure).unwrap();
        assert_eq!(json, r#"{"kind":"timeout","message":"too slow","hints":["wait"]}"#);
        assert_eq!(serde_json::from_str::<Failure>(&json).unwrap(), failure);
    }
}
