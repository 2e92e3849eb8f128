//! How the cost of one change grows with what is there: time per change and per joined delta, and bytes of the
//! state, at a thousand to a million elements. `cargo bench -p meshwork-crdt --bench growth [-- MOST]`.

// A benchmark asks what time it is; the library never does.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::time::Instant;

use meshwork_crdt::types::counters::PnCounter;
use meshwork_crdt::types::maps::{AwMap, LwwMap};
use meshwork_crdt::types::registers::LwwRegister;
use meshwork_crdt::types::sets::AwSet;
use meshwork_crdt::types::trees::MoveTree;
use meshwork_crdt::{
    Causal, Change, DotStore, Encode, HybridTime, Lattice, LogId, Text, Writer, to_bytes,
};

/// Changes that are measured at each size.
const SAMPLE: usize = 1000;

fn grow<S: DotStore + Encode>(name: &str, most: usize, add: impl Fn(&S, &mut Change, usize) -> S) {
    let mut state = Causal::<S>::default();
    let mut len = 0;
    let writer = |n: usize| Writer { log: LogId([1; 16]), time: HybridTime::at(n as u64) };
    let mut size = 1000;
    while size <= most {
        while len < size {
            state.edit(&writer(len), |store, change| add(store, change, len));
            len += 1;
        }
        let mut other = state.clone();
        let start = Instant::now();
        let deltas: Vec<_> = (0..SAMPLE)
            .map(|n| state.edit(&writer(len + n), |store, change| add(store, change, len + n)))
            .collect();
        let change = start.elapsed() / u32::try_from(SAMPLE).unwrap_or(1);
        len += SAMPLE;
        let start = Instant::now();
        for delta in deltas {
            other.join(delta);
        }
        let join = start.elapsed() / u32::try_from(SAMPLE).unwrap_or(1);
        let bytes = to_bytes(&state).len() / len;
        println!("| {name} | {size} | {change:?} | {join:?} | {bytes} |");
        size *= 10;
    }
}

fn main() {
    let most = std::env::args().filter_map(|argument| argument.parse().ok()).next();
    let most = most.unwrap_or(1_000_000);
    println!("| type | elements | one change | one delta joined | bytes of state per element |");
    println!("|---|---|---|---|---|");
    grow("set", most, |set: &AwSet<i64>, change, n| set.add(change, n as i64));
    grow("lww-map", most, |map: &LwwMap<i64, i64>, change, n| map.put(change, n as i64, 1));
    grow("map<register>", most, |map: &AwMap<i64, LwwRegister<i64>>, change, n| {
        map.update(change, n as i64, |register, change| register.set(change, 1))
    });
    grow("counter", most, |counter: &PnCounter, change, _| counter.add(change, 1));
    grow("tree", most, |tree: &MoveTree<i64>, change, n| {
        tree.move_to(change, n as i64, (n > 0).then_some((n / 10) as i64))
    });
    grow("text, appended", most, |text: &Text, change, _| {
        text.insert(change, text.len(), "a").unwrap_or_default()
    });
    grow("text, at the start", most.min(10_000), |text: &Text, change, _| {
        text.insert(change, 0, "a").unwrap_or_default()
    });
}
