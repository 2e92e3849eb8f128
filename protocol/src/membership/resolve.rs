//! The rules by which a set of operations becomes a roster.
//!
//! 1. An operation counts only if its author had the right to it in the operation's own causal past, as far as
//!    what stands there counts itself.
//! 2. What takes rights away (a *restriction*) beats what its subject did concurrently.
//! 3. Restrictions that void one another are settled by rank: who stands nearer to the founder wins; those of
//!    equal rank that void each other are all void.
//! 4. Where concurrent operations give one member different roles, the least holds.
//!
//! 5. A checkpoint stands once an operation shows that every device which was an admin's by then has made one that knows
//!    of it. Nobody can then decide anything that does not.
//!
//! Nobody takes rights from a member that stands nearer to the founder. Everything is a function of the set:
//! the order used is topological, ties by id (`oracle` beside this file states the same naively).

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::ids::{OpId, SpaceId};
use crate::planted::{self, Bug};

use super::roster::Roster;
use super::{Membership, Node, OpBody, Role, Target};

mod outcome;
mod standing;

use standing::{Mark, Standing};

/// Most grants between a member and the founder.
const DEPTH_MAX: u32 = 255;

/// How near to the founder an author stands: grants in between, then devices between it and the root key.
type Rank = (u32, usize);

pub(super) fn resolve(space: SpaceId, membership: &Membership) -> (Roster, Vec<bool>) {
    let rules = Rules::new(space, membership);
    let last = rules.settle();
    (outcome::outcome(&rules, &last), last.counts)
}

/// The operations in canonical order, and which of them take rights away.
struct Rules<'a> {
    space: SpaceId,
    membership: &'a Membership,
    nodes: &'a [Node],
    order: Vec<usize>,
    restrictions: Vec<usize>,
}

/// What holds if some restrictions count.
struct Evaluation {
    /// By place: whether the author had the right, and no restriction that counts voids it.
    holds: Vec<bool>,
    /// By place: the same, and, of restrictions, that they are among those taken to count.
    counts: Vec<bool>,
    /// By place: how the author stood.
    authors: Vec<Option<Standing>>,
    /// By device: whose it is.
    owner: Vec<Option<usize>>,
    /// By member: devices that are, or have been, its own.
    owned: Vec<Vec<usize>>,
    /// By device: how many devices vouch for it.
    rung: Vec<usize>,
    /// By device: the place of the operation that let it in last.
    entered: Vec<Option<usize>>,
    /// By member: what gave it its roles.
    member_marks: Vec<Vec<Mark>>,
    /// By device: what let it in and took it out.
    device_marks: Vec<Vec<Mark>>,
    /// By place of an invite: how many joined by it.
    used: Vec<u32>,
}

/// Restrictions that count, by whom they restrict.
struct Restricted {
    members: Vec<Vec<usize>>,
    devices: Vec<Vec<usize>>,
    invites: Vec<Vec<usize>>,
}

impl<'a> Rules<'a> {
    fn new(space: SpaceId, membership: &'a Membership) -> Self {
        let nodes = &membership.nodes;
        let order = canonical(nodes);
        let restricts = |place: &usize| nodes.get(*place).is_some_and(|n| restricts(&n.op.body));
        let restrictions = order.iter().copied().filter(restricts).collect();
        Self { space, membership, nodes, order, restrictions }
    }

    fn node(&self, place: usize) -> &'a Node {
        self.nodes.get(place).expect("places are those of nodes")
    }

    /// What holds with the restrictions that count.
    fn settle(&self) -> Evaluation {
        let mut accepted = vec![false; self.nodes.len()];
        let none = self.evaluate(&accepted);
        if self.restrictions.is_empty() {
            return none;
        }
        let candidates: Vec<usize> =
            self.restrictions.iter().copied().filter(|place| is(&none.holds, *place)).collect();
        set(&mut accepted, &candidates, true);
        let all = self.evaluate(&accepted);
        if all_hold(&all, &candidates) {
            return all;
        }
        set(&mut accepted, &candidates, false);
        let mut ranked: Vec<(Rank, usize)> =
            candidates.into_iter().map(|place| (self.rank(place, &none), place)).collect();
        // Ties stay in canonical order.
        ranked.sort_by_key(|(rank, _)| *rank);
        let mut settled = Vec::new();
        for group in ranked.chunk_by(|a, b| a.0 == b.0) {
            let group: Vec<usize> = group.iter().map(|(_, place)| *place).collect();
            self.settle_group(&group, &mut accepted, &mut settled);
        }
        self.evaluate(&accepted)
    }

    /// Accepts what can be of restrictions of one rank.
    fn settle_group(&self, group: &[usize], accepted: &mut [bool], settled: &mut Vec<usize>) {
        let now = self.evaluate(accepted);
        let group: Vec<usize> = group.iter().copied().filter(|p| is(&now.holds, *p)).collect();
        let mut rest = without_cycles(&group, |one, other| self.voids(one, other, &now));
        rest.retain(|place| {
            let fits = {
                set(accepted, &[*place], true);
                let then = self.evaluate(accepted);
                is(&then.holds, *place) && all_hold(&then, settled)
            };
            set(accepted, &[*place], fits);
            if fits {
                settled.push(*place);
            }
            fits
        });
    }

    fn rank(&self, place: usize, evaluation: &Evaluation) -> Rank {
        let node = self.node(place);
        let depth = evaluation.authors.get(place).copied().flatten().map_or(DEPTH_MAX, |s| s.depth);
        let rooted = matches!(&node.op.body, OpBody::Remove { root: Some(_), .. });
        let rung = evaluation.rung.get(node.author).copied().unwrap_or(0);
        (depth, if rooted { 0 } else { 1 + rung })
    }

    /// Whether a restriction, if it counts, voids an operation.
    fn voids(&self, restriction: usize, place: usize, evaluation: &Evaluation) -> bool {
        let (by, node) = (self.node(restriction), self.node(place));
        if restriction == place || by.past.contains(place) {
            return false;
        }
        match by.target {
            Some(Target::Invite(invite)) => {
                node.invite == Some(invite) && !planted::is(Bug::InviteRevoked)
            }
            _ if node.past.contains(restriction) => false,
            Some(Target::Member(member)) => {
                let owner = node.member.or_else(|| evaluation.owner(node.author));
                owner == Some(member) && ceiling(&by.op.body) < self.need(node, evaluation)
            }
            Some(Target::Device(device)) => {
                (node.author == device || node.via.contains(&device))
                    && self.need(node, evaluation).is_some()
            }
            None => false,
        }
    }

    /// The role that an operation takes; none if it takes no right at all.
    fn need(&self, node: &Node, evaluation: &Evaluation) -> Option<Role> {
        match &node.op.body {
            OpBody::Create { .. } | OpBody::Fork(_) => None,
            OpBody::Join { .. } | OpBody::AddDevice { .. } | OpBody::Plea { .. } => {
                Some(Role::Relay)
            }
            OpBody::Epoch { .. } => Some(Role::Write),
            OpBody::Adopt { log, .. } if log.device == node.op.author => Some(Role::Relay),
            OpBody::Remove { .. } if self.is_own(node, evaluation) => Some(Role::Relay),
            OpBody::Invite { .. }
            | OpBody::AddMember { .. }
            | OpBody::SetRole { .. }
            | OpBody::Remove { .. }
            | OpBody::Revoke { .. }
            | OpBody::Adopt { .. }
            | OpBody::Checkpoint { .. } => Some(Role::Admin),
        }
    }

    /// Whether an operation is about its author's own member or a device of it.
    fn is_own(&self, node: &Node, evaluation: &Evaluation) -> bool {
        let own = evaluation.owner(node.author);
        own.is_some()
            && match node.target {
                Some(Target::Member(member)) => own == Some(member),
                Some(Target::Device(device)) => own == evaluation.owner(device),
                _ => false,
            }
    }

    /// Goes through the operations once, with just these restrictions taken to count.
    fn evaluate(&self, accepted: &[bool]) -> Evaluation {
        let mut evaluation = Evaluation::new(self.membership);
        let restricted = self.restricted(accepted);
        for place in &self.order {
            let node = self.node(*place);
            let author = evaluation.author(self, node);
            let holds = !self.voided(*place, &restricted, &evaluation)
                && evaluation.entitled(self, node, author);
            let counts = holds && (!restricts(&node.op.body) || is(accepted, *place));
            evaluation.note(*place, holds, counts, author);
            if counts {
                evaluation.take_effect(self, *place, node, author);
            }
        }
        evaluation
    }

    fn restricted(&self, accepted: &[bool]) -> Restricted {
        let mut restricted = Restricted {
            members: vec![Vec::new(); self.membership.members.0.len()],
            devices: vec![Vec::new(); self.membership.devices.0.len()],
            invites: vec![Vec::new(); self.nodes.len()],
        };
        for place in self.restrictions.iter().filter(|place| is(accepted, **place)) {
            let list = match self.node(*place).target {
                Some(Target::Member(member)) => restricted.members.get_mut(member),
                Some(Target::Device(device)) => restricted.devices.get_mut(device),
                Some(Target::Invite(invite)) => restricted.invites.get_mut(invite),
                None => None,
            };
            list.into_iter().for_each(|list| list.push(*place));
        }
        restricted
    }

    fn voided(&self, place: usize, restricted: &Restricted, evaluation: &Evaluation) -> bool {
        let node = self.node(place);
        let owner = node.member.or_else(|| evaluation.owner(node.author));
        let of = |lists: &'_ [Vec<usize>], at: usize| -> bool {
            lists.get(at).is_some_and(|list| list.iter().any(|r| self.voids(*r, place, evaluation)))
        };
        owner.is_some_and(|member| of(&restricted.members, member))
            || of(&restricted.devices, node.author)
            || node.via.iter().any(|device| of(&restricted.devices, *device))
            || node.invite.is_some_and(|invite| of(&restricted.invites, invite))
    }
}

/// Whether an operation takes rights from somebody.
pub(super) fn restricts(body: &OpBody) -> bool {
    match body {
        OpBody::Remove { .. } | OpBody::Revoke { .. } => true,
        OpBody::SetRole { role, .. } => *role < Role::Admin,
        _ => false,
    }
}

/// What a restriction leaves its subject.
fn ceiling(body: &OpBody) -> Option<Role> {
    match body {
        OpBody::SetRole { role, .. } => Some(*role),
        _ => None,
    }
}

fn is(flags: &[bool], place: usize) -> bool {
    flags.get(place).copied().unwrap_or(false)
}

fn set(flags: &mut [bool], places: &[usize], to: bool) {
    for place in places {
        if let Some(flag) = flags.get_mut(*place) {
            *flag = to;
        }
    }
}

fn all_hold(evaluation: &Evaluation, places: &[usize]) -> bool {
    places.iter().all(|place| is(&evaluation.holds, *place))
}

/// Those of `group` that do not void each other in a circle; who voids before whom is voided, ties as given.
fn without_cycles(group: &[usize], voids: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let edges: Vec<BTreeSet<usize>> = group
        .iter()
        .map(|one| {
            (0..group.len()).filter(|j| group.get(*j).is_some_and(|o| voids(*one, *o))).collect()
        })
        .collect();
    let reached: Vec<BTreeSet<usize>> = (0..group.len()).map(|from| reach(from, &edges)).collect();
    let of = |from: usize, to: usize| reached.get(from).is_some_and(|set| set.contains(&to));
    let mut left: Vec<usize> = (0..group.len()).filter(|one| !of(*one, *one)).collect();
    let mut sorted = Vec::new();
    while let Some(at) = (0..left.len()).find(|at| {
        let one = left.get(*at).copied();
        one.is_some_and(|one| !left.iter().any(|other| of(*other, one)))
    }) {
        sorted.extend(group.get(left.remove(at)).copied());
    }
    sorted
}

/// What can be reached from a place by one edge or more.
fn reach(from: usize, edges: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(at) = todo.pop() {
        for next in edges.get(at).into_iter().flatten() {
            if reached.insert(*next) {
                todo.push(*next);
            }
        }
    }
    reached
}

/// Predecessors before successors; among those free to come next, the smallest id first.
fn canonical(nodes: &[Node]) -> Vec<usize> {
    if planted::is(Bug::OperationsByArrival) {
        return (0..nodes.len()).collect();
    }
    let mut missing: Vec<usize> = nodes.iter().map(|node| node.deps.len()).collect();
    let successors = Successors::of(nodes);
    let mut free: BinaryHeap<Reverse<(&OpId, usize)>> = BinaryHeap::new();
    let start = nodes.iter().enumerate().filter(|(_, node)| node.deps.is_empty());
    free.extend(start.map(|(place, node)| Reverse((&node.op.id, place))));
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse((_, place))) = free.pop() {
        order.push(place);
        for next in successors.after(place) {
            if let (Some(count), Some(node)) = (missing.get_mut(*next), nodes.get(*next)) {
                *count -= 1;
                if *count == 0 {
                    free.push(Reverse((&node.op.id, *next)));
                }
            }
        }
    }
    order
}

/// The operations that name each one as a predecessor, in one list.
struct Successors {
    /// By place: where its part of the list ends.
    ends: Vec<usize>,
    all: Vec<usize>,
}

impl Successors {
    fn of(nodes: &[Node]) -> Self {
        let deps = || nodes.iter().flat_map(|node| &node.deps).copied();
        let mut ends = vec![0; nodes.len()];
        for dep in deps() {
            ends.get_mut(dep).into_iter().for_each(|count| *count += 1);
        }
        let mut end = 0;
        for count in &mut ends {
            end += *count;
            *count = end;
        }
        // Filled from behind, so that each end comes to lie where the part begins.
        let mut all = vec![0; end];
        for (place, node) in nodes.iter().enumerate().rev() {
            for dep in node.deps.iter().rev() {
                if let Some(end) = ends.get_mut(*dep) {
                    *end -= 1;
                    all.get_mut(*end).into_iter().for_each(|slot| *slot = place);
                }
            }
        }
        let total = all.len();
        let ends = ends.into_iter().skip(1).chain([total]).take(nodes.len()).collect();
        Self { ends, all }
    }

    fn after(&self, place: usize) -> &[usize] {
        let before = place.checked_sub(1).and_then(|before| self.ends.get(before));
        let (from, to) = (before.copied().unwrap_or(0), self.ends.get(place).copied().unwrap_or(0));
        self.all.get(from..to).unwrap_or(&[])
    }
}
