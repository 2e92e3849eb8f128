//! What peers say they hold, carried from links into what is remembered of members.

use rand_core::CryptoRng;

use super::{Replica, turn};
use crate::effect::Effects;
use crate::ids::{DeviceId, LinkId, LogId, SpaceId, Time};
use crate::membership::Role;
use crate::planted::{self, Bug};
use crate::space::held::Word;
use crate::view::{MemberReceipt, Receipts};

impl Replica {
    /// Remembers what the peer of a link has said since the last time, and that it is, or was, there.
    pub(super) fn learn(
        &mut self,
        link: LinkId,
        parting: bool,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let Some(session) = self.sessions.get_mut(&link) else { return };
        let peer = session.peer;
        let mut turn = turn!(self, now, rng, effects);
        for (id, shared) in &mut session.shared {
            let Some(space) = self.spaces.get_mut(id) else { continue };
            if !space.membership.roster().may(peer, Role::Relay) {
                continue;
            }
            let mut less = false;
            for (log, all) in std::mem::take(&mut shared.heard) {
                let Some(progress) = shared.progress.get(&log) else { continue };
                let word = if all { Word::Exactly } else { Word::AtLeast };
                less |= all && progress.acked < space.held.get(peer, log);
                let sent = planted::is(Bug::HeldAsSent);
                let held = if sent { progress.sent } else { progress.acked };
                space.note_held(peer, log, held, word, turn.effects);
            }
            if less {
                space.settle_correction(&mut turn);
            }
            space.saw(peer, parting, &mut turn);
        }
    }

    /// Writes what was learnt in this turn. Nothing waits for it to be durable: it is knowledge about others.
    pub(super) fn write_receipts(
        &mut self,
        now: Time,
        rng: &mut dyn CryptoRng,
        effects: &mut Effects,
    ) {
        let mut turn = turn!(self, now, rng, effects);
        for space in self.spaces.values_mut() {
            space.write_told(&mut turn);
        }
    }

    /// What the members of a space are known to hold durably.
    #[must_use]
    pub fn receipts(&self, id: SpaceId) -> Option<Receipts> {
        let space = self.spaces.get(&id)?;
        let heads = |device: DeviceId| {
            space.logs.keys().map(|log| (*log, space.holds(device, *log))).collect()
        };
        let members = space.membership.roster().devices_in();
        Some(Receipts {
            own_log: space.own_log,
            replicated: space.replicated(),
            members: members.map(|device| MemberReceipt { device, heads: heads(device) }).collect(),
            stable: space.stable().into_iter().collect(),
        })
    }

    /// The member devices that are known to hold a log durably up to `seq`.
    #[must_use]
    pub fn holders(&self, id: SpaceId, log: LogId, seq: u64) -> Vec<DeviceId> {
        let Some(space) = self.spaces.get(&id) else { return Vec::new() };
        let members = space.membership.roster().devices_in();
        members.filter(|device| space.holds(*device, log) >= seq).collect()
    }
}
