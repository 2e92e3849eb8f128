//! How members and devices stand at a place of the history, and what each operation changes about it.

use super::super::past::Past;
use super::super::{Membership, Node, OpBody, Role, Target};
use super::{DEPTH_MAX, Evaluation, Rules, is};
use crate::planted::{self, Bug};

/// Something that gave a member a role, or a device its place, or took it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub place: usize,
    /// None takes.
    pub role: Option<Role>,
    pub depth: u32,
    /// Whether all marks before this one are in its past.
    pub sole: bool,
}

/// What somebody may do, and how far from the founder it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub role: Role,
    pub depth: u32,
}

impl Evaluation {
    pub(super) fn new(membership: &Membership) -> Self {
        let (nodes, devices) = (membership.nodes.len(), membership.devices.0.len());
        Self {
            holds: vec![false; nodes],
            counts: vec![false; nodes],
            authors: vec![None; nodes],
            owner: vec![None; devices],
            owned: vec![Vec::new(); membership.members.0.len()],
            rung: vec![0; devices],
            entered: vec![None; devices],
            member_marks: vec![Vec::new(); membership.members.0.len()],
            device_marks: vec![Vec::new(); devices],
            used: vec![0; nodes],
        }
    }

    pub(super) fn note(
        &mut self,
        place: usize,
        holds: bool,
        counts: bool,
        author: Option<Standing>,
    ) {
        super::set(&mut self.holds, &[place], holds);
        super::set(&mut self.counts, &[place], counts);
        self.authors.get_mut(place).into_iter().for_each(|slot| *slot = author);
    }

    pub(super) fn owner(&self, device: usize) -> Option<usize> {
        self.owner.get(device).copied().flatten()
    }

    /// How a member stands in a causal past, or, without one, in the end.
    pub(super) fn member(
        &self,
        rules: &Rules<'_>,
        member: usize,
        within: Option<&Past>,
    ) -> Option<Standing> {
        standing(rules, self.member_marks.get(member)?, within)
    }

    /// Whether a device has been let in and not been taken out.
    pub(super) fn is_in(&self, rules: &Rules<'_>, device: usize, within: Option<&Past>) -> bool {
        self.device_marks.get(device).is_some_and(|marks| standing(rules, marks, within).is_some())
    }

    /// How the author of an operation stands in the operation's past.
    pub(super) fn author(&self, rules: &Rules<'_>, node: &Node) -> Option<Standing> {
        let member = self.owner(node.author)?;
        let within = Some(&node.past);
        self.is_in(rules, node.author, within).then(|| self.member(rules, member, within)).flatten()
    }

    /// Whether the author has the right to an operation.
    pub(super) fn entitled(
        &self,
        rules: &Rules<'_>,
        node: &Node,
        author: Option<Standing>,
    ) -> bool {
        let past = Some(&node.past);
        let unchecked = planted::is(Bug::RoleUnchecked);
        let may = |role: Role| author.is_some_and(|author| author.role >= role || unchecked);
        match &node.op.body {
            OpBody::Create { .. } => node.op.id.0 == rules.space.0,
            OpBody::Join { .. } => self.may_join(rules, node),
            OpBody::AddDevice { .. } => {
                let own = node.member.and_then(|member| self.member(rules, member, past));
                own.is_some() && self.may_enter(node) && self.vouched(rules, node)
            }
            OpBody::AddMember { .. } => {
                let target = self.target(rules, node);
                may(Role::Admin) && target.is_none() && author.is_some_and(|a| a.depth < DEPTH_MAX)
            }
            OpBody::SetRole { .. } => {
                let own = rules.is_own(node, self);
                let target = self.target(rules, node);
                let above = target.zip(author).is_some_and(|(t, a)| own || a.depth <= t.depth);
                may(Role::Admin) && above
            }
            OpBody::Remove { root, .. } => {
                let own = rules.is_own(node, self);
                let rooted = root.is_none_or(|root| {
                    let members = &rules.membership.members;
                    own && self.owner(node.author) == members.0.get(&root.member).copied()
                });
                let target = self.target(rules, node);
                let above = target.zip(author).is_some_and(|(t, a)| a.depth <= t.depth);
                rooted && target.is_some() && author.is_some() && (own || may(Role::Admin) && above)
            }
            OpBody::Invite { .. } | OpBody::Revoke { .. } | OpBody::Checkpoint { .. } => {
                may(Role::Admin)
            }
            OpBody::Epoch { .. } => may(Role::Write),
            OpBody::Adopt { log, .. } => {
                may(Role::Admin) || log.device == node.op.author && author.is_some()
            }
            OpBody::Plea { .. } => may(Role::Read),
            OpBody::Fork(_) => true,
        }
    }

    /// How whom an operation is about stands in its past.
    fn target(&self, rules: &Rules<'_>, node: &Node) -> Option<Standing> {
        let past = Some(&node.past);
        match node.target? {
            Target::Member(member) => self.member(rules, member, past),
            Target::Device(device) => {
                let owner = self.owner(device)?;
                self.is_in(rules, device, past).then(|| self.member(rules, owner, past)).flatten()
            }
            Target::Invite(_) => None,
        }
    }

    fn may_join(&self, rules: &Rules<'_>, node: &Node) -> bool {
        let Some(invite) = node.invite else { return false };
        let OpBody::Invite { uses, .. } = &rules.node(invite).op.body else { return false };
        node.invited
            && is(&self.counts, invite)
            && (planted::is(Bug::InviteUsedUp) || self.used.get(invite).is_some_and(|u| u < uses))
            && self.authors.get(invite).copied().flatten().is_some_and(|by| by.depth < DEPTH_MAX)
            && self.may_enter(node)
            && self.vouched(rules, node)
    }

    /// A device belongs to one member for good.
    fn may_enter(&self, node: &Node) -> bool {
        self.owner(node.author).is_none_or(|owner| Some(owner) == node.member)
    }

    /// Whether none of the devices that vouch for the author's has been taken out before.
    fn vouched(&self, rules: &Rules<'_>, node: &Node) -> bool {
        node.via.iter().all(|device| {
            let marks = self.device_marks.get(*device).map_or(&[][..], Vec::as_slice);
            let any = marks.iter().any(|mark| node.past.contains(mark.place));
            !any || self.is_in(rules, *device, Some(&node.past))
        })
    }

    pub(super) fn take_effect(
        &mut self,
        rules: &Rules<'_>,
        place: usize,
        node: &Node,
        author: Option<Standing>,
    ) {
        let beyond = author.map_or(0, |author| author.depth.saturating_add(1));
        let mark = |role, depth| Mark { place, role, depth, sole: false };
        match (&node.op.body, node.target) {
            (OpBody::Create { .. }, _) => {
                self.mark_member(rules, node.member, mark(Some(Role::Admin), 0));
                self.enter(rules, place, node);
            }
            (OpBody::Join { .. }, _) => self.take_join(rules, place, node),
            (OpBody::AddDevice { .. }, _) => self.enter(rules, place, node),
            (OpBody::AddMember { role, .. }, Some(Target::Member(member))) => {
                self.mark_member(rules, Some(member), mark(Some(*role), beyond));
            }
            (OpBody::SetRole { role, .. }, Some(Target::Member(member))) => {
                let own = rules.is_own(node, self);
                let depth = if own { beyond.saturating_sub(1) } else { beyond };
                self.mark_member(rules, Some(member), mark(Some(*role), depth));
            }
            (OpBody::Remove { .. }, Some(Target::Member(member))) => {
                self.mark_member(rules, Some(member), mark(None, beyond));
                for device in self.owned.get(member).cloned().unwrap_or_default() {
                    if self.owner(device) == Some(member) {
                        self.mark_device(rules, device, mark(None, 0));
                    }
                }
            }
            (OpBody::Remove { .. }, Some(Target::Device(device))) => {
                self.mark_device(rules, device, mark(None, 0));
            }
            _ => {}
        }
    }

    fn take_join(&mut self, rules: &Rules<'_>, place: usize, node: &Node) {
        let Some(invite) = node.invite else { return };
        let OpBody::Invite { role, .. } = &rules.node(invite).op.body else { return };
        self.used.get_mut(invite).into_iter().for_each(|used| *used += 1);
        let known = node.member.and_then(|m| self.member(rules, m, Some(&node.past)));
        if known.is_none() {
            let by = self.authors.get(invite).copied().flatten();
            let depth = by.map_or(DEPTH_MAX, |by| by.depth + 1);
            let mark = Mark { place, role: Some(*role), depth, sole: false };
            self.mark_member(rules, node.member, mark);
        }
        self.enter(rules, place, node);
    }

    /// The author's device is one of its member's from here on.
    fn enter(&mut self, rules: &Rules<'_>, place: usize, node: &Node) {
        let device = node.author;
        if self.owner(device) != node.member {
            let owned = node.member.and_then(|member| self.owned.get_mut(member));
            owned.into_iter().for_each(|owned| owned.push(device));
        }
        self.owner.get_mut(device).into_iter().for_each(|owner| *owner = node.member);
        self.rung.get_mut(device).into_iter().for_each(|rung| *rung = node.via.len());
        self.entered.get_mut(device).into_iter().for_each(|slot| *slot = Some(place));
        let mark = Mark { place, role: Some(Role::Relay), depth: 0, sole: false };
        self.mark_device(rules, device, mark);
    }

    fn mark_member(&mut self, rules: &Rules<'_>, member: Option<usize>, mark: Mark) {
        let marks = member.and_then(|member| self.member_marks.get_mut(member));
        marks.into_iter().for_each(|marks| push(rules, marks, mark));
    }

    fn mark_device(&mut self, rules: &Rules<'_>, device: usize, mark: Mark) {
        let marks = self.device_marks.get_mut(device);
        marks.into_iter().for_each(|marks| push(rules, marks, mark));
    }
}

fn push(rules: &Rules<'_>, marks: &mut Vec<Mark>, mut mark: Mark) {
    let past = &rules.node(mark.place).past;
    mark.sole = match marks.last() {
        None => true,
        Some(last) if last.sole => past.contains(last.place),
        Some(_) => marks.iter().all(|before| past.contains(before.place)),
    };
    marks.push(mark);
}

/// What the latest marks say together: the least of their roles, the greatest of their depths.
fn standing(rules: &Rules<'_>, marks: &[Mark], within: Option<&Past>) -> Option<Standing> {
    let inside = |mark: &&Mark| within.is_none_or(|past| past.contains(mark.place));
    let mut latest: Vec<&Mark> = Vec::new();
    for mark in marks.iter().rev().filter(inside) {
        if latest.is_empty() && mark.sole {
            return Some(Standing { role: mark.role?, depth: mark.depth });
        }
        if !latest.iter().any(|later| rules.node(later.place).past.contains(mark.place)) {
            latest.push(mark);
        }
    }
    let role = latest.iter().map(|mark| mark.role).min()??;
    let depth = latest.iter().map(|mark| mark.depth).max()?;
    Some(Standing { role, depth })
}
