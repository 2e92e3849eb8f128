//! What crosses the API about the devices of this member.

use std::collections::BTreeMap;

use meshwork_protocol::LinkCode;
use serde::{Deserialize, Serialize};

use super::SpaceStatus;
use crate::identity::device_words;
use crate::linking;

/// The code of a new device: a secret until it is used or expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCode {
    /// What to give to a device that is yours already.
    pub code: String,
    /// Six words to compare with what that device shows.
    pub words: String,
    /// Until when the code can be used.
    pub expires_ms: u64,
}

impl From<&LinkCode> for ShownCode {
    fn from(code: &LinkCode) -> Self {
        Self { code: code.to_string(), words: code.words(), expires_ms: code.expires.0 }
    }
}

/// Body of `POST /v1/devices/linked`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwaitLinked {
    /// How long to wait, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// What this device has become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// Whose device it is now.
    pub member: String,
    /// The device that vouches for it.
    pub by: String,
    /// The spaces it is in, or is about to enter.
    pub spaces: Vec<SpaceStatus>,
}

/// Body of `POST /v1/devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDevice {
    /// The code that the new device shows.
    pub code: String,
    /// How long to wait for it, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// One device of this member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnDevice {
    /// The device.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    /// Six words by which people know it.
    pub words: String,
    /// Whether it is the one that answers.
    pub this_device: bool,
    /// Whether there is a link with it.
    pub connected: bool,
    /// The spaces it is in: names by id.
    pub spaces: BTreeMap<String, String>,
}

impl From<linking::OwnDevice> for OwnDevice {
    fn from(own: linking::OwnDevice) -> Self {
        Self {
            device: own.device.to_string(),
            name: own.name,
            words: device_words(own.device),
            this_device: own.this_device,
            connected: own.connected,
            spaces: own.spaces.into_iter().map(|(id, name)| (id.to_string(), name)).collect(),
        }
    }
}

/// Body and answer of `PUT /v1/name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// What people call the device.
    pub name: String,
}

/// Body of `POST /v1/devices/{device}/revoke`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The words of the member's root key, by space, if its phrase is used.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
}

/// A device that was added or revoked, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InSpaces {
    /// The device.
    pub device: String,
    /// The spaces it was let into, or taken out of.
    pub spaces: Vec<String>,
}
