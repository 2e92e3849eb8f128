//! Decisions about members while everything fails, and the founder who brings all together again at the end.

use meshwork_protocol::{Governance, Outcome, Role, SpaceId, SpaceView, Time, Wish};
use rand_core::Rng as _;

use super::{Part, What, World};

/// How often the founder looks after everybody once the storm is over, in milliseconds.
const REUNITE_EVERY_MS: u64 = 10_000;

impl World {
    /// Somebody decides something, whether it has the right to or not.
    pub(super) fn govern(&mut self) {
        if !self.storming() {
            return;
        }
        let delay = self.about(self.plan.govern_every_ms);
        self.after(delay, What::Govern);
        let mut pick = |below: usize| self.rng.next_u32() as usize % below.max(1);
        let (device, other) = (pick(self.devices.len()), pick(self.devices.len()));
        let space = self.spaces[pick(self.spaces.len())];
        let choice = pick(14);
        let away_ms = [u64::MAX, 5_000][pick(2)];
        let role = [Role::Read, Role::Write, Role::Admin][pick(3)];
        let member = self.devices[other].identity.member();
        if device == 0 && other == 0 {
            // A founder that leaves could not bring all together again.
            return;
        }
        let Some(replica) = &self.devices[device].replica else { return };
        let Some(view) = replica.space(space) else { return };
        let founder = self.shares.iter().any(|share| share.first() == Some(&device));
        if choice == 10 && !founder {
            // Founders keep everything, so that nobody has to do without.
            self.wish(device, Wish::KeepHistory { space, keep: away_ms == u64::MAX });
            return;
        }
        let what = match choice {
            10..=13 => Governance::Checkpoint { away_ms },
            0 | 1 => Governance::RemoveMember { member },
            2 => Governance::RemoveDevice { device: self.id(other) },
            3..=5 => match quarantined(&view).first() {
                Some(what) => *what,
                None => return,
            },
            _ => Governance::SetRole { member, role },
        };
        self.see_adoption(what);
        let out = matches!(what, Governance::RemoveMember { .. } | Governance::RemoveDevice { .. });
        if out {
            self.see_removal(device, space, other);
        }
        if matches!(what, Governance::Checkpoint { .. }) {
            self.see_checkpoint(device, space);
        }
        let before = self.devices[device].decided.len();
        let granted = self.wish(device, Wish::Govern { space, what }).is_some();
        let decided = granted && self.devices[device].decided.len() > before;
        // Whoever leaves, or adopts what it wrote itself, need be no admin.
        let own = out && other == device || matches!(what, Governance::Adopt { .. });
        if decided && view.role < Some(Role::Admin) && !own {
            let detail = format!("device {device} decides {what:?} as {:?}", view.role);
            self.fail("rights", detail);
        }
        let promotes = matches!(what, Governance::SetRole { .. });
        self.scheme.promoted |= promotes && self.devices[other].part == Part::Guest;
    }

    /// A device of a scene decides something about another that shares the space: a role, or that it is out.
    pub(super) fn govern_once(&mut self, device: usize, space: SpaceId) {
        let place = self.spaces.iter().position(|id| *id == space).unwrap_or(0);
        let (drawn, share) = (self.rng.next_u32() as usize, self.shares[place].len());
        let other = self.shares[place][drawn % share];
        if other == device || Some(&other) == self.shares[place].first() {
            return;
        }
        let member = self.devices[other].identity.member();
        let what = match drawn / share % 4 {
            0 => Governance::RemoveMember { member },
            1 => Governance::SetRole { member, role: Role::Read },
            _ => Governance::SetRole { member, role: Role::Write },
        };
        self.wish(device, Wish::Govern { space, what });
    }

    /// The founder lets everybody in again who is out, lets everybody write, and adopts what is in quarantine: then
    /// nothing that was granted may be missing.
    pub(super) fn reunite(&mut self) {
        self.after(REUNITE_EVERY_MS, What::Reunite);
        for (place, space) in self.spaces.clone().into_iter().enumerate() {
            let Some(founder) = self.shares[place].first().copied() else { continue };
            self.let_all_in(space, founder);
            self.let_all_write(space, founder);
            let replica = self.devices[founder].replica.as_ref();
            let view = replica.and_then(|replica| replica.space(space));
            for what in view.iter().flat_map(quarantined) {
                self.see_adoption(what);
                self.wish(founder, Wish::Govern { space, what });
            }
        }
    }

    pub(super) fn let_all_in(&mut self, space: SpaceId, founder: usize) {
        let out: Vec<usize> = self
            .sharers(space)
            .into_iter()
            .filter(|n| {
                let known = |at: usize, whom: usize| {
                    let replica = self.devices[at].replica.as_ref();
                    let members = replica.and_then(|replica| replica.members(space));
                    members.unwrap_or_default().iter().any(|m| m.device == self.id(whom))
                };
                !known(founder, *n) && !known(*n, *n)
            })
            .collect();
        if out.is_empty() {
            return;
        }
        let (expires, uses) = (Time(u64::MAX), u32::try_from(out.len()).unwrap_or(1));
        let invite =
            Wish::Invite { space, role: Role::Write, expires, uses, addresses: Vec::new() };
        if let Some(Outcome::Invited(ticket)) = self.wish(founder, invite) {
            for n in out {
                self.wish(n, Wish::Join { ticket: ticket.clone() });
            }
        }
    }

    fn let_all_write(&mut self, space: SpaceId, founder: usize) {
        let Some(replica) = &self.devices[founder].replica else { return };
        for known in replica.members(space).unwrap_or_default() {
            let relay = self
                .numbers
                .get(&known.device)
                .is_some_and(|n| self.relays(*n) || self.devices[*n].part == Part::Guest);
            if known.role < Role::Write && !relay {
                let what = Governance::SetRole { member: known.member, role: Role::Write };
                self.wish(founder, Wish::Govern { space, what });
            }
        }
    }
}

/// What would let everything count that is in quarantine.
fn quarantined(view: &SpaceView) -> Vec<Governance> {
    let logs = view.logs.iter().filter(|log| log.quarantined > 0);
    logs.map(|log| Governance::Adopt { log: log.log }).collect()
}
