//! What crosses the API about who belongs to a space.

use meshwork_protocol::{InviteView, MemberView, QuarantineView, Role};
use serde::{Deserialize, Serialize};

/// One member device of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The device.
    pub device: String,
    /// Whose it is.
    pub member: String,
    /// What it calls itself.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it is the device that answers.
    pub this_device: bool,
    /// Whether there is a link with it that shares the space.
    pub connected: bool,
    /// Entries of this device that it is not known to hold durably.
    pub behind: u64,
    /// Entries held here, of all devices, that it is not known to hold durably.
    pub missing: u64,
    /// When it was last there, if ever.
    pub last_seen_ms: Option<u64>,
    /// Entries it wrote that do not count here.
    pub quarantined: u64,
    /// The device that let it in; none for a founder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_in_by: Option<String>,
}

impl From<MemberView> for Member {
    fn from(view: MemberView) -> Self {
        Self {
            device: view.device.to_string(),
            member: view.member.to_string(),
            name: view.name,
            role: view.role,
            this_device: view.this_device,
            connected: !view.links.is_empty(),
            behind: view.behind,
            missing: view.missing,
            last_seen_ms: view.last_seen.map(|at| at.0),
            quarantined: view.quarantined,
            let_in_by: view.let_in_by.map(|device| device.to_string()),
        }
    }
}

/// Body of `PUT /v1/spaces/{space}/members/{member}/role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// What the member may do from now on.
    pub role: Role,
}

/// One invite of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteState {
    /// The invite.
    pub id: String,
    /// What whoever joins by it may do.
    pub role: Role,
    /// How many devices may join by it.
    pub uses: u32,
    /// How many have.
    pub used: u32,
    /// Until when.
    pub expires_ms: u64,
    /// Whether it has been revoked.
    pub revoked: bool,
    /// The device that made it.
    pub by: String,
}

impl From<InviteView> for InviteState {
    fn from(view: InviteView) -> Self {
        Self {
            id: view.id.to_string(),
            role: view.role,
            uses: view.uses,
            used: view.used,
            expires_ms: view.expires.0,
            revoked: view.revoked,
            by: view.by.to_string(),
        }
    }
}

/// What is in quarantine of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// Who wrote it.
    pub device: String,
    /// Whose device it is or was.
    pub member: String,
    /// What it calls itself.
    pub name: String,
    /// How many entries do not count.
    pub entries: u64,
}

impl From<QuarantineView> for Quarantined {
    fn from(view: QuarantineView) -> Self {
        Self {
            device: view.device.to_string(),
            member: view.member.to_string(),
            name: view.name,
            entries: view.entries,
        }
    }
}

/// Body of `POST /v1/spaces/{space}/quarantine`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopt {
    /// Whose entries are to count: the name of a device, its id, or the beginning of its id.
    pub device: String,
}

/// What was adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// Whose.
    pub device: String,
    /// How many entries count now.
    pub entries: u64,
}
