//! What one change costs here and there: CPU time and bytes, both sides in one run.
//!
//! `cargo run --release` prints a table, with `--json` one line of JSON for each workload. Time is the CPU time of this
//! thread, medians of at least 30 samples; bytes are what has to travel for one change to reach a replica that
//! holds `n`. The peer has no deltas: it sends its whole state.

mod leptos;
mod ours;

use std::time::Duration;

use cpu_time::ThreadTime;

/// Samples of each measurement.
const SAMPLES: usize = 31;

/// What a workload came to.
struct Measured {
    time: Duration,
    bytes: usize,
}

/// Prepares a state (not measured), does one thing to a copy of it (measured), and tells how many bytes had to
/// travel for it.
fn measure<S: Clone>(state: &S, mut run: impl FnMut(&mut S) -> usize) -> Measured {
    let mut samples = Vec::new();
    let mut bytes = 0;
    for _ in 0..SAMPLES {
        let mut copy = state.clone();
        let start = ThreadTime::now();
        bytes = std::hint::black_box(run(&mut copy));
        samples.push(start.elapsed());
        drop(copy);
    }
    samples.sort();
    Measured { time: samples[SAMPLES / 2], bytes }
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let workloads: [(&str, usize, fn(usize) -> Measured, fn(usize) -> Measured); 14] = [
        ("one character to a text of n", 1_000, leptos::character, ours::character),
        ("one character to a text of n", 10_000, leptos::character, ours::character),
        ("one key to a map of n", 1_000, leptos::key, ours::key),
        ("one key to a map of n", 10_000, leptos::key, ours::key),
        ("one element to a set of n", 1_000, leptos::element, ours::element),
        ("one element to a set of n", 10_000, leptos::element, ours::element),
        ("one increment to a counter of n writers", 1_000, leptos::increment, ours::increment),
        ("one child to a tree of n", 1_000, leptos::child, ours::child),
        ("one child to a tree of n", 10_000, leptos::child, ours::child),
        ("one edge to a graph of n", 1_000, leptos::edge, ours::edge),
        ("create n registers", 1_000, leptos::create, ours::create),
        ("merge n registers", 1_000, leptos::merge_registers, ours::merge_registers),
        ("n writes to a map", 10_000, leptos::writes, ours::writes),
        ("n increments of one writer", 1_000, leptos::increments, ours::increments),
    ];
    if !json {
        println!("| workload | n | peer | ours | times less CPU | peer bytes | our bytes | of the peer's |");
        println!("|---|---|---|---|---|---|---|---|");
    }
    for (name, n, peer, own) in workloads {
        let (peer, own) = (peer(n), own(n));
        let ratio = peer.time.as_secs_f64() / own.time.as_secs_f64().max(1e-9);
        let share = 100.0 * own.bytes as f64 / peer.bytes.max(1) as f64;
        if json {
            let (peer_ns, own_ns) = (peer.time.as_nanos(), own.time.as_nanos());
            println!(
                "{{\"workload\":\"{name}\",\"n\":{n},\"peer_ns\":{peer_ns},\"own_ns\":{own_ns},\"peer_bytes\":{},\"own_bytes\":{}}}",
                peer.bytes, own.bytes
            );
        } else {
            let bytes = if peer.bytes == 0 {
                " | | ".to_owned()
            } else {
                format!("{} | {} | {share:.3} %", peer.bytes, own.bytes)
            };
            println!("| {name} | {n} | {:?} | {:?} | {ratio:.1} | {bytes} |", peer.time, own.time);
        }
    }
}
