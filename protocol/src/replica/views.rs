//! Reads. They see everything handled so far.

use std::collections::BTreeSet;

use meshwork_crdt::Object;

use super::{Replica, turn};
use crate::effect::Effects;
use crate::ids::{DeviceId, EpochId, ObjectId, SpaceId, Time};
use crate::membership::Role;
use crate::session::Session;
use crate::space::Space;
use crate::store::StoreError;
use crate::turn::Turn;
use crate::view::{
    Counters, InviteView, LinkView, LogView, MemberView, ObjectView, QuarantineView, Sizes,
    SpaceView,
};

impl Replica {
    /// Every space of this device.
    #[must_use]
    pub fn spaces(&self) -> Vec<SpaceView> {
        self.spaces.values().map(|space| self.space_view(space)).collect()
    }

    /// One space.
    #[must_use]
    pub fn space(&self, id: SpaceId) -> Option<SpaceView> {
        self.spaces.get(&id).map(|space| self.space_view(space))
    }

    fn space_view(&self, space: &Space) -> SpaceView {
        let logs = space.logs.iter().map(|(log, known)| LogView {
            log: *log,
            device: known.opening.device,
            seq: known.head.seq,
            applied: known.applied,
            older: known.gap.map(|gap| (gap.after + 1, gap.base.seq)),
            quarantined: known.quarantined(),
        });
        let logs: Vec<LogView> = logs.collect();
        SpaceView {
            id: space.id,
            name: space.name(),
            ready: space.ready(),
            role: space.membership.roster().role(self.device()),
            removed_by: match space.joining {
                None => space.membership.removed_by(self.device()),
                Some(_) => None,
            },
            own_log: space.ready().then_some(space.own_log),
            entries: logs.iter().map(|log| log.seq).sum::<u64>() - space.history_lacking(),
            waiting: logs.iter().map(waiting).sum(),
            quarantined: logs.iter().map(|log| log.quarantined).sum(),
            older: space.history_lacking(),
            keeps_history: space.keeps_history,
            brought_by: space.brought_by,
            history: space.membership.history(),
            objects: space.objects.live(),
            logs,
        }
    }

    /// The live objects of a space, by shown name.
    #[must_use]
    pub fn objects(&self, id: SpaceId) -> Option<Vec<ObjectView>> {
        let space = self.spaces.get(&id)?;
        let ids = space.objects.live_ids();
        let mut views: Vec<_> = ids.into_iter().filter_map(|id| space.objects.view(id)).collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        Some(views)
    }

    /// The live object shown under a name.
    #[must_use]
    pub fn find(&self, id: SpaceId, name: &str) -> Option<ObjectView> {
        let space = self.spaces.get(&id)?;
        space.objects.find(name).and_then(|object| space.objects.view(object))
    }

    /// One object, live or deleted.
    #[must_use]
    pub fn object(&self, id: SpaceId, object: ObjectId) -> Option<ObjectView> {
        self.spaces.get(&id)?.objects.view(object)
    }

    /// Looks at the content of an object; `None` if there is none.
    ///
    /// # Errors
    /// What the store reports while the object is loaded; the caller must stop.
    pub fn read<R>(
        &mut self,
        id: SpaceId,
        object: ObjectId,
        look: impl FnOnce(&Object) -> R,
    ) -> Result<Option<R>, StoreError> {
        self.reading(|spaces, turn| {
            let space = spaces.get_mut(&id)?;
            let pseudonym = space.pseudonym;
            space.objects.load(pseudonym, object, turn).map(|object| look(object))
        })
    }

    /// A canonical digest of everything visible in a space: equal entries give equal digests.
    ///
    /// # Errors
    /// What the store reports while objects are loaded; the caller must stop.
    pub fn digest(&mut self, id: SpaceId) -> Result<Option<[u8; 32]>, StoreError> {
        self.reading(|spaces, turn| spaces.get_mut(&id).map(|space| space.digest(turn)))
    }

    pub(super) fn reading<R>(
        &mut self,
        read: impl FnOnce(&mut std::collections::BTreeMap<SpaceId, Space>, &mut Turn<'_>) -> Option<R>,
    ) -> Result<Option<R>, StoreError> {
        let mut effects = Effects::default();
        let mut turn = turn!(self, Time::default(), &mut NoRandomness, &mut effects);
        let result = read(&mut self.spaces, &mut turn);
        match effects.halt {
            Some(error) => Err(error),
            None => Ok(result),
        }
    }

    /// The member devices of a space.
    #[must_use]
    pub fn members(&self, id: SpaceId) -> Option<Vec<MemberView>> {
        let space = self.spaces.get(&id)?;
        let own = space.head(space.own_log).seq;
        let roster = space.membership.roster();
        let (quarantine, let_in) = (space.quarantine(), space.membership.let_in());
        let members = roster.devices.iter().filter_map(|(device, known)| {
            let role = roster.role(*device)?;
            let this_device = *device == self.device();
            let sessions = self
                .sessions
                .iter()
                .filter(|(_, session)| session.peer == *device && session.shared.contains_key(&id));
            let acked = space.holds(*device, space.own_log);
            Some(MemberView {
                device: *device,
                member: known.card.member,
                name: space.device_name(*device),
                role,
                this_device,
                links: sessions.map(|(link, _)| link.0).collect(),
                acked,
                behind: own.saturating_sub(acked),
                missing: space.missing(*device),
                last_seen: space.held.seen(*device),
                quarantined: quarantine.get(device).map_or(0, |(_, entries)| *entries),
                let_in_by: let_in.get(device).copied(),
            })
        });
        Some(members.collect())
    }

    /// What is in quarantine in a space, by device; devices that have been taken out included.
    #[must_use]
    pub fn quarantine(&self, id: SpaceId) -> Option<Vec<QuarantineView>> {
        let space = self.spaces.get(&id)?;
        let devices = &space.membership.roster().devices;
        let views = space.quarantine().into_iter().filter_map(|(device, (logs, entries))| {
            let (member, name) = (devices.get(&device)?.card.member, space.device_name(device));
            Some(QuarantineView { device, member, name, logs, entries })
        });
        Some(views.collect())
    }

    /// The invites of a space, in the order of their ids.
    #[must_use]
    pub fn invites(&self, id: SpaceId) -> Option<Vec<InviteView>> {
        let space = self.spaces.get(&id)?;
        let invites = space.membership.roster().invites.iter().map(|(id, known)| InviteView {
            id: *id,
            role: known.role,
            uses: known.uses,
            used: known.used,
            expires: known.expires,
            revoked: known.revoked,
            by: known.by,
        });
        Some(invites.collect())
    }

    /// The live links.
    #[must_use]
    pub fn links(&self) -> Vec<LinkView> {
        let view = |(link, session): (&crate::ids::LinkId, &Session)| LinkView {
            link: *link,
            peer: session.peer,
            spaces: session.shared.keys().copied().collect(),
            penalty: self.conduct.of(session.peer).map_or(0, |record| record.score),
            syncs: self.syncs(session),
        };
        self.sessions.iter().map(view).collect()
    }

    /// The epochs of a space whose keys are here.
    #[must_use]
    pub fn epochs(&self, id: SpaceId) -> Vec<EpochId> {
        let space = self.spaces.get(&id);
        space.into_iter().flat_map(|space| space.keyring.iter()).map(|(epoch, _)| epoch).collect()
    }

    /// The devices that were handed an epoch's key, or a later one that carries it, by who had the right to, as far
    /// as is known here.
    #[must_use]
    pub fn handed(&self, id: SpaceId, epoch: EpochId) -> BTreeSet<DeviceId> {
        let Some(space) = self.spaces.get(&id) else { return BTreeSet::new() };
        let roster = space.membership.roster();
        let (mut carriers, mut devices) = (BTreeSet::from([epoch]), BTreeSet::new());
        let order = roster.epoch_order.iter().rev();
        for (id, known) in order.filter_map(|id| Some((id, roster.epochs.get(id)?))) {
            if carriers.contains(id) || known.earlier.iter().any(|(id, _)| carriers.contains(id)) {
                carriers.insert(*id);
                let valid = known.wraps.iter().filter(|(_, wraps)| wraps.iter().any(|w| w.valid));
                devices.extend(valid.map(|(device, _)| *device));
            }
        }
        devices
    }

    /// How much is kept of what peers feed.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        let mut sizes = Sizes {
            links: self.sessions.len(),
            present: self.presences.values().map(|known| known.devices.len()).sum(),
            known: self.overlays.values().map(crate::overlay::Overlay::known).sum(),
            ended: self.ended.len(),
            conduct: self.conduct.len(),
            ..Sizes::default()
        };
        for session in self.sessions.values() {
            for (id, shared) in &session.shared {
                sizes.logs_followed = sizes.logs_followed.max(shared.progress.len());
                sizes.notes_followed = sizes.notes_followed.max(shared.notes.len());
                let Some(space) = self.spaces.get(id) else { continue };
                if space.membership.roster().may(session.peer, Role::Relay) {
                    let sent = |log| shared.progress.get(log).map_or(0, |progress| progress.sent);
                    let due = shared.due.iter().filter(|log| sent(log) < space.head(**log).seq);
                    sizes.unacknowledged += shared.unacked.len();
                    sizes.owed += due.count() + shared.ack_due.len();
                }
            }
        }
        sizes
    }

    /// What has been done since the replica was opened.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

/// Reading draws no randomness; what asks for some during a read is a defect.
struct NoRandomness;

impl rand_core::TryRng for NoRandomness {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("reading draws no randomness")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("reading draws no randomness")
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
        unreachable!("reading draws no randomness")
    }
}

impl rand_core::TryCryptoRng for NoRandomness {}

/// Entries of a log that count and are not applied.
fn waiting(log: &LogView) -> u64 {
    log.seq.saturating_sub(log.quarantined).saturating_sub(log.applied)
}
