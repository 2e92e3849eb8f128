//! Who belongs to a space, as applications see and change it: members, devices, invites, quarantine.
//!
//! Data in: wishes of an admin, or of a member about itself; durable on this device when they return, and told to
//! the others as they are reached. Deliberately not here: the rules, which every device works out alike.

use meshwork_protocol::{
    DeviceId, Governance, InviteView, MemberId, MemberView, OpId, Outcome, QuarantineView, Role,
    RootWord, Wish,
};

use super::{Space, found};
use crate::failure::{Failure, Result};
use crate::meant::{Known, meant};
use crate::node::unexpected;

impl Space {
    /// Gives a member another role.
    ///
    /// # Errors
    /// `FailureKind::Forbidden` if this device's member may not, `FailureKind::NotFound`,
    /// `FailureKind::NotRunning`.
    pub async fn set_role(&self, member: MemberId, role: Role) -> Result<()> {
        self.govern(Governance::SetRole { member, role }).await
    }

    /// Takes a member out with all its devices.
    ///
    /// What it wrote counts as far as it is here. It keeps what it has; what is written from now on is under a
    /// key that it is not given.
    ///
    /// # Errors
    /// As [`Space::set_role`].
    pub async fn remove_member(&self, member: MemberId) -> Result<()> {
        self.govern(Governance::RemoveMember { member }).await
    }

    /// Takes one device out; its member stays.
    ///
    /// # Errors
    /// As [`Space::set_role`].
    pub async fn remove_device(&self, device: DeviceId) -> Result<()> {
        self.govern(Governance::RemoveDevice { device }).await
    }

    /// Takes one device of this member out by the word of the member's root key.
    ///
    /// # Errors
    /// As [`Space::set_role`].
    pub async fn revoke_device(&self, device: DeviceId, word: RootWord) -> Result<()> {
        self.govern(Governance::RevokeDevice { device, word }).await
    }

    /// Takes this device's own member out with all its devices.
    ///
    /// # Errors
    /// As [`Space::set_role`].
    pub async fn leave(&self) -> Result<()> {
        self.remove_member(self.node().member()).await
    }

    /// The invites that were ever made.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn invites(&self) -> Result<Vec<InviteView>> {
        let id = self.id();
        found(self.node().engine().query(move |replica| Ok(replica.invites(id))).await?)
    }

    /// Lets nobody join by an invite any more.
    ///
    /// # Errors
    /// As [`Space::set_role`].
    pub async fn revoke_invite(&self, invite: OpId) -> Result<()> {
        self.govern(Governance::RevokeInvite { invite }).await
    }

    /// What is here and does not count, since its writers had lost the right to write.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn quarantine(&self) -> Result<Vec<QuarantineView>> {
        let id = self.id();
        found(self.node().engine().query(move |replica| Ok(replica.quarantine(id))).await?)
    }

    /// Lets all count that is in quarantine here of a device; returns how many entries that is.
    ///
    /// # Errors
    /// `FailureKind::NotFound` if nothing of it is in quarantine, and as [`Space::set_role`].
    pub async fn adopt(&self, device: DeviceId) -> Result<u64> {
        let held = self.quarantine().await?.into_iter().find(|held| held.device == device);
        let held = held.ok_or_else(|| nothing_of(&device.short()))?;
        for log in held.logs {
            self.govern(Governance::Adopt { log }).await?;
        }
        Ok(held.entries)
    }

    /// Lets logs count for good as far as every member device is known to hold them, so that devices which keep no
    /// history may forget it. It stands once every admin's device knows of it. Devices that were last seen longer
    /// than `away` ago are not waited for; with none, all are.
    ///
    /// # Errors
    /// `FailureKind::NotSynced` if there is nothing that all hold and no checkpoint names yet, and as
    /// [`Space::set_role`].
    pub async fn checkpoint(&self, away: Option<std::time::Duration>) -> Result<()> {
        let away_ms =
            away.map_or(u64::MAX, |away| u64::try_from(away.as_millis()).unwrap_or(u64::MAX));
        self.govern(Governance::Checkpoint { away_ms }).await
    }

    /// Keeps older entries from now on, or lets them go where a checkpoint stands. What others still have is asked
    /// for again.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, `FailureKind::NotRunning`.
    pub async fn keep_history(&self, keep: bool) -> Result<()> {
        let wish = Wish::KeepHistory { space: self.id(), keep };
        match self.node().engine().wish(wish).await?? {
            Outcome::KeepsHistory(_) => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn govern(&self, what: Governance) -> Result<()> {
        match self.node().engine().wish(Wish::Govern { space: self.id(), what }).await?? {
            Outcome::Governed => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// The member a person means: by its id, or by the name or id of one of its devices, or the beginning of an id.
    ///
    /// # Errors
    /// `FailureKind::NotFound`, or `FailureKind::Usage` naming the candidates.
    pub async fn resolve_member(&self, text: &str) -> Result<MemberId> {
        let devices = self.members().await?;
        let by_id =
            devices.iter().map(|known| Known::of(known.member, known.member.to_string(), ""));
        let by_device = devices
            .iter()
            .map(|known| Known::of(known.member, known.device.to_string(), &known.name));
        meant(text, by_id.chain(by_device).collect(), "member").map_err(|failure| {
            failure.hint(format!("list them: meshwork members {}", self.id().short()))
        })
    }

    /// The device a person means: by its name, its id, or the beginning of its id.
    ///
    /// # Errors
    /// As [`Space::resolve_member`].
    pub async fn resolve_device(&self, text: &str) -> Result<DeviceId> {
        device_meant(text, &self.members().await?)
    }

    /// The device in quarantine a person means; see [`Space::resolve_device`].
    ///
    /// # Errors
    /// As [`Space::resolve_member`].
    pub async fn resolve_quarantined(&self, text: &str) -> Result<DeviceId> {
        let held = self.quarantine().await?;
        let known =
            |held: &QuarantineView| Known::of(held.device, held.device.to_string(), &held.name);
        meant(text, held.iter().map(known).collect(), "device").map_err(|failure| {
            match failure.kind {
                crate::FailureKind::NotFound => nothing_of(text),
                _ => failure,
            }
        })
    }

    /// The invite a person means: by its id or the beginning of it.
    ///
    /// # Errors
    /// As [`Space::resolve_member`].
    pub async fn resolve_invite(&self, text: &str) -> Result<OpId> {
        let invites = self.invites().await?;
        let known = invites.iter().map(|invite| Known::of(invite.id, invite.id.to_string(), ""));
        meant(text, known.collect(), "invite").map_err(|failure| {
            failure.hint(format!("list them: meshwork invites {}", self.id().short()))
        })
    }
}

/// The device that a person means among some.
pub(crate) fn device_meant(text: &str, devices: &[MemberView]) -> Result<DeviceId> {
    let known = |known: &MemberView| Known::of(known.device, known.device.to_string(), &known.name);
    meant(text, devices.iter().map(known).collect(), "device")
}

fn nothing_of(device: &str) -> Failure {
    Failure::not_found(format!("nothing of `{device}` is in quarantine"))
        .hint("see what is: meshwork adopt SPACE")
}
