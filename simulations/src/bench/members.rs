//! What it costs to decide about members: resolving many operations, shutting somebody out of a large space.

use std::time::Instant;

use meshwork_crdt::{Edit, Kind};
use meshwork_protocol::store::Store as _;
use meshwork_protocol::{Governance, Role, SpaceId, Time, Wish};
use serde::Serialize;

use super::lab::Lab;
use super::named;

/// Decisions that are timed, of which the median counts.
const TIMED: usize = 21;

/// A space of so many devices, each of a member of its own, from which one is removed.
#[derive(Clone, Debug, Serialize)]
pub struct Removal {
    /// Devices before.
    pub devices: usize,
    /// Bytes of all membership operations before: what a newcomer fetches.
    pub operations_bytes: u64,
    /// To decide: the cut, the roster, the signature.
    pub removal_ms: f64,
    /// The next entry: a new key, wrapped to everybody who is left.
    pub next_edit_ms: f64,
    /// Bytes of the operations that hand the new key out.
    pub new_epoch_bytes: u64,
}

/// One more decision among many.
#[derive(Clone, Debug, Serialize)]
pub struct Decision {
    /// Operations before.
    pub operations: usize,
    /// To sign one more, keep it, and resolve all of them again: median.
    pub decision_ms: f64,
}

pub(super) fn removal(devices: usize) -> Removal {
    let mut lab = Lab::new(devices);
    let space = lab.space_of_all();
    edit(&mut lab, space, 0);
    let operations_bytes = operations(&lab).1;
    let member = lab.devices[devices - 1].identity.member();
    let start = Instant::now();
    lab.wish(0, Wish::Govern { space, what: Governance::RemoveMember { member } });
    let removal_ms = start.elapsed().as_secs_f64() * 1e3;
    let before = operations(&lab).1;
    let start = Instant::now();
    edit(&mut lab, space, 1);
    let next_edit_ms = start.elapsed().as_secs_f64() * 1e3;
    let new_epoch_bytes = operations(&lab).1 - before;
    Removal { devices, operations_bytes, removal_ms, next_edit_ms, new_epoch_bytes }
}

pub(super) fn decision(operations_wanted: usize) -> Decision {
    let mut lab = Lab::new(8);
    let space = lab.space_of_all();
    while operations(&lab).0 + TIMED < operations_wanted {
        for _ in 0..500 {
            invite(&mut lab, space);
        }
    }
    let operations = operations(&lab).0;
    let mut times: Vec<f64> = (0..TIMED)
        .map(|_| {
            let start = Instant::now();
            invite(&mut lab, space);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    Decision { operations, decision_ms: times[TIMED / 2] }
}

fn edit(lab: &mut Lab, space: SpaceId, n: i64) {
    let edits = vec![named("n", Kind::Counter, Edit::Increment(n + 1))];
    lab.wish(0, Wish::Edit { space, edits });
}

fn invite(lab: &mut Lab, space: SpaceId) {
    let (role, expires, addresses) = (Role::Read, Time(u64::MAX), Vec::new());
    lab.wish(0, Wish::Invite { space, role, expires, uses: 1, addresses });
}

/// The operations that the first device keeps: how many, and their bytes.
fn operations(lab: &Lab) -> (usize, u64) {
    let (mut count, mut bytes) = (0, 0);
    let rows = lab.devices[0].store.scan(b"o", b"p", &mut |_, value| {
        count += 1;
        bytes += value.len() as u64;
        true
    });
    rows.expect("a store in memory can be read");
    (count, bytes)
}
