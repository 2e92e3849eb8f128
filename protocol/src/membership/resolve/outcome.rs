//! From what counts to the roster.

use std::collections::{BTreeMap, BTreeSet};

use super::super::roster::{Device, Epoch, Invite, Member, Roster, Wrap};
use super::super::{Node, OpBody, Role, Target};
use super::{Evaluation, Rules, is};
use crate::entry::Head;
use crate::ids::DeviceId;
use crate::keyring::EpochBirth;
use crate::planted::{self, Bug};

/// A log, by its device and incarnation.
type Place = (DeviceId, u64);

pub(super) fn outcome(rules: &Rules<'_>, last: &Evaluation) -> Roster {
    let mut roster = Roster::default();
    for (number, id) in rules.membership.members.ids().into_iter().enumerate() {
        if let Some(standing) = last.member(rules, number, None) {
            roster.members.insert(*id, Member { role: standing.role, depth: standing.depth });
        }
    }
    for (number, id) in rules.membership.devices.ids().into_iter().enumerate() {
        let entered = last.entered.get(number).copied().flatten();
        if let Some(card) = entered.and_then(|place| rules.node(place).op.card()) {
            let active = last.is_in(rules, number, None);
            let marks = last.owner(number).and_then(|member| last.member_marks.get(member));
            let writes = marks.into_iter().flatten().any(|mark| mark.role >= Some(Role::Write));
            roster.devices.insert(*id, Device { card: card.clone(), active, writes });
        }
    }
    roster.void = void(rules, last, &roster);
    let invites = rules.order.iter().filter(|place| is(&last.counts, **place));
    let revoked = revoked(rules, last);
    roster.invites = invites
        .filter_map(|place| {
            let node = rules.node(*place);
            Some((node.op.id, invite(last, *place, is(&revoked, *place), node)?))
        })
        .collect();
    for place in &rules.order {
        let node = rules.node(*place);
        match &node.op.body {
            OpBody::Epoch { .. } => hand_out(&mut roster, node, is(&last.counts, *place)),
            OpBody::Plea { epoch } if is(&last.counts, *place) => {
                if let Some(epoch) = roster.epochs.get_mut(epoch) {
                    *epoch.pleas.entry(node.op.author).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    bound_logs(rules, last, &mut roster);
    for place in rules.order.iter().filter(|place| is(&last.counts, **place)) {
        if let OpBody::Checkpoint { cut } = &rules.node(*place).op.body
            && !cut.is_empty()
            && stands(rules, last, *place)
        {
            settle_logs(&mut roster, cut);
        }
    }
    roster
}

/// Devices that nothing which counts lets write, but something on which a device has built that is in, or was: it may
/// have counted there.
fn void(rules: &Rules<'_>, last: &Evaluation, roster: &Roster) -> BTreeSet<DeviceId> {
    let mut void = BTreeSet::new();
    let voided = rules.order.iter().enumerate().filter(|(_, place)| !is(&last.counts, **place));
    for (at, place) in voided {
        let op = &rules.node(*place).op;
        let devices: Vec<DeviceId> = match &op.body {
            OpBody::Join { card, .. } | OpBody::AddDevice { card } => vec![card.device],
            OpBody::SetRole { member, role, .. } | OpBody::AddMember { member, role, .. }
                if *role >= Role::Write =>
            {
                let of = |known: &&Device| known.card.member == *member;
                roster.devices.values().filter(of).map(|known| known.card.device).collect()
            }
            _ => continue,
        };
        let writes = |device: &DeviceId| roster.devices.get(device).is_some_and(|it| it.writes);
        let built = |device: DeviceId| {
            let by = rules.order.iter().skip(at).map(|by| rules.node(*by));
            by.filter(|by| by.op.author != device && by.past.contains(*place))
                .any(|by| roster.devices.contains_key(&by.op.author))
        };
        void.extend(devices.into_iter().filter(|it| !writes(it) && built(*it)));
    }
    void
}

/// Whether a checkpoint stands: some operation knows that every device which was an admin's by then knows of it. Who
/// becomes an admin later does so by an operation that knows of it, too.
fn stands(rules: &Rules<'_>, last: &Evaluation, checkpoint: usize) -> bool {
    let knows = |by: usize| by == checkpoint || rules.node(by).past.contains(checkpoint);
    let shows = |by: usize| {
        let node = rules.node(by);
        let past = Some(&node.past);
        let mut left: Vec<usize> = (0..rules.membership.devices.0.len())
            .filter(|device| {
                let member = last.owner(*device);
                let standing = member.and_then(|member| last.member(rules, member, past));
                *device != node.author
                    && standing.is_some_and(|standing| standing.role == Role::Admin)
                    && last.is_in(rules, *device, past)
            })
            .collect();
        let said = rules.order.iter().filter(|at| node.past.contains(**at));
        for at in said.filter(|at| is(&last.counts, **at) && knows(**at)) {
            left.retain(|device| *device != rules.node(*at).author);
        }
        left.is_empty()
    };
    let says = |by: &usize| {
        let about = matches!(rules.node(*by).op.body, OpBody::Checkpoint { .. });
        about && is(&last.counts, *by) && knows(*by)
    };
    rules.order.iter().copied().filter(says).any(shows)
}

/// Lets logs count up to a checkpoint that stands, whatever cut or fork lies before it.
fn settle_logs(roster: &mut Roster, cut: &[super::super::Cut]) {
    for cut in cut {
        let log = (cut.log.device, cut.log.incarnation);
        let settled = roster.checkpoints.entry(log).or_insert(cut.head);
        if settled.seq < cut.head.seq {
            *settled = cut.head;
        }
        let least = *settled;
        for bounds in [&mut roster.limits, &mut roster.forks] {
            if let Some(bound) = bounds.get_mut(&log)
                && bound.seq < least.seq
            {
                *bound = least;
            }
        }
        if !roster.limits.contains_key(&log) && !roster.may(cut.log.device, Role::Write) {
            roster.limits.insert(log, least);
        }
    }
}

/// By place: whether it is an invite that somebody has revoked.
fn revoked(rules: &Rules<'_>, last: &Evaluation) -> Vec<bool> {
    let mut revoked = vec![false; rules.nodes.len()];
    for place in rules.restrictions.iter().filter(|place| is(&last.counts, **place)) {
        if let Some(Target::Invite(invite)) = rules.node(*place).target {
            super::set(&mut revoked, &[invite], true);
        }
    }
    revoked
}

fn invite(last: &Evaluation, place: usize, revoked: bool, node: &Node) -> Option<Invite> {
    let OpBody::Invite { key, role, expires, uses } = &node.op.body else { return None };
    let used = last.used.get(place).copied().unwrap_or(0);
    let (key, role, expires, uses, by) = (*key, *role, *expires, *uses, node.op.author);
    Some(Invite { key, role, expires, uses, used, revoked, by })
}

/// Notes the keys that an operation hands out. Those of an author without the right are noted as such: what has
/// been written under them is to be read.
fn hand_out(roster: &mut Roster, node: &Node, valid: bool) {
    let OpBody::Epoch { epoch, log, seq, made, earlier, wraps } = &node.op.body else { return };
    let by = node.op.author;
    if !roster.devices.contains_key(&by) {
        return;
    }
    let birth = EpochBirth { log: *log, seq: *seq };
    if !roster.epochs.contains_key(epoch) {
        roster.epoch_order.push(*epoch);
    }
    let known = roster.epochs.entry(*epoch).or_insert_with(|| Epoch {
        birth,
        made: *made,
        valid: false,
        earlier: earlier.iter().map(|(id, sealed)| (*id, sealed.0.clone())).collect(),
        wraps: BTreeMap::new(),
        pleas: BTreeMap::new(),
    });
    if known.birth != birth {
        return;
    }
    known.valid |= valid;
    for (device, wrap) in wraps {
        let wraps = known.wraps.entry(*device).or_default();
        if wraps.iter().all(|wrap| wrap.by != by) {
            wraps.push(Wrap { by, valid, bytes: wrap.0.clone() });
        }
    }
}

/// Works out how far logs count: to the least of what each cut or fork leaves, each as far as it was lifted by
/// an operation that knew of it.
fn bound_logs(rules: &Rules<'_>, last: &Evaluation, roster: &mut Roster) {
    let mut adopted: BTreeMap<Place, Vec<(usize, Head)>> = BTreeMap::new();
    for place in rules.order.iter().filter(|place| is(&last.counts, **place)) {
        if let OpBody::Adopt { log, head } = &rules.node(*place).op.body {
            adopted.entry((log.device, log.incarnation)).or_default().push((*place, *head));
        }
    }
    let lifted = |log: Place, by: usize, cut: Head| {
        let lifts = adopted.get(&log).into_iter().flatten();
        let lifts = lifts.filter(|_| !planted::is(Bug::AdoptionIgnored));
        let knew = lifts.filter(|(place, _)| rules.node(*place).past.contains(by));
        knew.map(|(_, head)| *head)
            .fold(cut, |most, head| if head.seq > most.seq { head } else { most })
    };
    for (log, lifts) in adopted.iter().filter(|(log, _)| roster.void.contains(&log.0)) {
        let furthest = lifts.iter().map(|(_, head)| *head).max_by_key(|head| head.seq);
        roster.limits.extend(furthest.map(|head| (*log, head)));
    }
    for place in rules.order.iter().filter(|place| is(&last.counts, **place)) {
        let node = rules.node(*place);
        match &node.op.body {
            OpBody::Fork(proof) => {
                let log = (proof.log.device, proof.log.incarnation);
                lower(&mut roster.forks, log, proof.shared);
                lower(&mut roster.parted, log, proof.shared);
                lower(&mut roster.limits, log, lifted(log, *place, proof.shared));
            }
            OpBody::Remove { cut, .. } => {
                bound_by(rules, last, roster, *place, cut, &lifted, &adopted)
            }
            OpBody::SetRole { cut, role, .. } if *role < Role::Write => {
                bound_by(rules, last, roster, *place, cut, &lifted, &adopted);
            }
            _ => {}
        }
    }
}

/// Notes what one restriction leaves of its subject's logs. Of one that may write again, only the logs that were
/// cut are bounded.
fn bound_by(
    rules: &Rules<'_>,
    last: &Evaluation,
    roster: &mut Roster,
    place: usize,
    cut: &[super::super::Cut],
    lifted: &impl Fn(Place, usize, Head) -> Head,
    adopted: &BTreeMap<Place, Vec<(usize, Head)>>,
) {
    let subject = |device: &DeviceId| {
        let number = rules.membership.devices.0.get(device).copied();
        number.is_some_and(|device| match rules.node(place).target {
            Some(Target::Member(member)) => last.owner(device) == Some(member),
            Some(Target::Device(target)) => target == device,
            _ => false,
        })
    };
    let mut logs: BTreeMap<Place, Head> = BTreeMap::new();
    for log in adopted.keys().filter(|(device, _)| subject(device)) {
        if !roster.may(log.0, Role::Write) {
            logs.insert(*log, Head::NONE);
        }
    }
    for cut in cut.iter().filter(|cut| subject(&cut.log.device)) {
        logs.insert((cut.log.device, cut.log.incarnation), cut.head);
    }
    for (log, head) in logs {
        lower(&mut roster.limits, log, lifted(log, place, head));
    }
}

fn lower(limits: &mut BTreeMap<Place, Head>, log: Place, head: Head) {
    let known = limits.entry(log).or_insert(head);
    if head.seq < known.seq {
        *known = head;
    }
}
