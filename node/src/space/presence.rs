//! What the devices of a space let each other know for the moment: who is there, where their cursors are.

use meshwork_crdt::Value;
use meshwork_protocol::{DeviceId, Outcome, PresenceView, Wish};

use super::{Space, found};
use crate::failure::{Failure, Result};
use crate::node::unexpected;

/// A device that is present.
#[derive(Clone, Debug, PartialEq)]
pub struct Present {
    /// Which device.
    pub device: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// Whether it is this device.
    pub this_device: bool,
    /// What it says.
    pub value: Value,
}

impl From<PresenceView> for Present {
    fn from(view: PresenceView) -> Self {
        let PresenceView { device, name, this_device, value } = view;
        Self { device, name, this_device, value: said(&value) }
    }
}

impl Space {
    /// Lets the others know something for the moment. It replaces what was said before, is renewed as long as
    /// the node runs, is never stored, and is gone half a minute after the node.
    ///
    /// # Errors
    /// `FailureKind::Usage` if it takes more than 4 KiB as JSON, `FailureKind::NotFound`,
    /// `FailureKind::Forbidden`, `FailureKind::Peer` if no member has admitted this device yet,
    /// `FailureKind::NotRunning`.
    pub async fn present(&self, value: impl Into<Value>) -> Result<()> {
        let json = serde_json::to_vec(&value.into())
            .map_err(|error| Failure::usage(format!("this is no JSON: {error}")))?;
        self.say(Some(json)).await
    }

    /// Says nothing any more.
    ///
    /// # Errors
    /// As [`Space::present`].
    pub async fn absent(&self) -> Result<()> {
        self.say(None).await
    }

    async fn say(&self, value: Option<Vec<u8>>) -> Result<()> {
        match self.node.engine().wish(Wish::Present { space: self.id, value }).await?? {
            Outcome::Presented => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The devices that are present, this one included if it says anything.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn presences(&self) -> Result<Vec<Present>> {
        let id = self.id;
        let views = self.node.engine().query(move |replica| Ok(replica.presences(id))).await?;
        Ok(found(views)?.into_iter().map(Present::from).collect())
    }
}

/// What a device says; what is no JSON counts as text.
pub(super) fn said(bytes: &[u8]) -> Value {
    let text = || Value::from(String::from_utf8_lossy(bytes).as_ref());
    serde_json::from_slice(bytes).unwrap_or_else(|_| text())
}
