//! A newcomer in a space with a long past: how soon it sees the present, and what that costs.

use std::time::Instant;

use meshwork_protocol::{Event, Wish};
use serde::Serialize;

use super::lab::{LATENCY_MS, Lab, Traffic};

/// What a newcomer waits for, with snapshots.
#[derive(Clone, Debug, Serialize)]
pub struct Newcomer {
    /// Entries of the space, over a hundred objects.
    pub entries: u64,
    /// Round trips from its wish to be let in, on a link on which both have proven the space, until it shows what the
    /// space contains.
    pub rtt_to_view: f64,
    /// Bytes both ways until then.
    pub bytes_to_view: u64,
    /// Work of both engines together until then, in milliseconds.
    pub work_ms_to_view: f64,
    /// Bytes both ways until all history is there as well.
    pub bytes_in_all: u64,
    /// Whether the history has proven the snapshot; of more entries than are compared by themselves, not.
    pub proven: bool,
}

pub(super) fn newcomer(entries: u64) -> Newcomer {
    let mut lab = Lab::new(1);
    let space = lab.space_of_all();
    for n in 0..entries {
        super::count(&mut lab, 0, space, n % 100);
    }
    lab.add(1);
    for device in &mut lab.devices {
        device.replica.snapshots_from(1_000);
    }
    let ticket = lab.invite(0, space);
    lab.wish(1, Wish::Join { ticket: Box::new(ticket) });
    lab.traffic = Traffic::default();
    let (began, work) = (lab.now_ms, Instant::now());
    lab.connect(0, 1);
    let shown = lab.run(600_000, |lab| {
        let view = lab.devices[1].replica.space(space);
        view.is_some_and(|view| view.objects >= 100 && view.waiting == 0)
    });
    assert!(shown, "a newcomer was not brought to the present");
    // Hello and claims take a flight each.
    let flights = (lab.now_ms - began) / LATENCY_MS - 2;
    let (bytes_to_view, work_ms_to_view) =
        (lab.traffic.synced, work.elapsed().as_secs_f64() * 1_000.0);
    let done = lab.run(600_000, |lab| {
        lab.devices[1].replica.space(space).is_some_and(|view| view.older == 0)
    });
    assert!(done, "the history did not come");
    lab.settle();
    lab.assert_same(0, 1, space);
    let proven = |event: &Event| matches!(event, Event::Audited { proven: true, .. });
    Newcomer {
        entries,
        rtt_to_view: flights as f64 / 2.0,
        bytes_to_view,
        work_ms_to_view,
        bytes_in_all: lab.traffic.synced,
        proven: lab.devices[1].events.iter().any(proven),
    }
}
