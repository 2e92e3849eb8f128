//! What the simulator itself does in a second, and what a device in it takes.

use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::Serialize;

use crate::engine::Queue;
use crate::plan::NEVER;
use crate::scenario::Scenario;
use crate::world::World;

/// Devices that do next to nothing, and events that happen to them.
const TRIVIAL_DEVICES: usize = 10_000;
const TRIVIAL_EVENTS: u64 = 5_000_000;

/// What the simulator takes.
#[derive(Clone, Debug, Serialize)]
pub struct Simulator {
    /// Events each second where handling one is next to nothing: what the queue takes.
    pub engine_events_per_s: f64,
    /// Full devices that ran.
    pub full_devices: usize,
    /// Events each second of wall time among them.
    pub full_events_per_s: f64,
    /// Seconds of wall time from the start to the verdict.
    pub full_wall_s: f64,
    /// Minutes of the world.
    pub full_virtual_min: f64,
    /// Resident memory beyond that before, for each of them, in bytes; 0 where it cannot be told.
    pub bytes_per_full_device: u64,
}

/// Measures the queue, and so many full devices in spaces of 25.
#[must_use]
pub fn simulator(full_devices: usize) -> Simulator {
    let engine_events_per_s = trivial();
    let before = resident();
    let text = include_str!("../../scenarios/edge-fleet-1000.toml");
    let mut plan = Scenario::read("edge-fleet-1000", text)
        .and_then(|scenario| scenario.plan(1, false))
        .expect("a test reads every shipped scenario");
    if let Some(scene) = &mut plan.scene {
        // The same fleet with more sites, or fewer: one gateway for each.
        let sites = (full_devices / 25).max(1);
        scene.groups[0].count = sites;
        scene.groups[1].first = sites;
        scene.groups[1].count = sites * 24;
        scene.groups[1].sites = sites;
        scene.occasions.clear();
        let meters = |site: usize| sites + site * 24..sites + (site + 1) * 24;
        let space = |site| [site].into_iter().chain(meters(site)).collect();
        scene.spaces =
            (0..sites).map(|site| crate::plan::SpacePlan { members: space(site) }).collect();
        plan.devices = scene.devices();
    }
    plan.govern_every_ms = NEVER;
    plan.storm_ms = 180_000;
    let began = Instant::now();
    let mut peak = 0;
    let report = World::new(plan).run_watched(&mut || peak = resident().max(peak));
    assert!(report.failures.is_empty(), "{:?}", report.failures);
    let full_wall_s = began.elapsed().as_secs_f64();
    let devices = report.plan.members();
    Simulator {
        engine_events_per_s,
        full_devices: devices,
        full_events_per_s: (report.events as f64 / full_wall_s).round(),
        full_wall_s,
        full_virtual_min: report.virtual_ms as f64 / 60_000.0,
        bytes_per_full_device: peak.saturating_sub(before) / devices.max(1) as u64,
    }
}

/// Devices that each answer an event with another, some time later.
fn trivial() -> f64 {
    let mut queue = Queue::default();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut counts = vec![0_u64; TRIVIAL_DEVICES];
    for device in 0..TRIVIAL_DEVICES {
        queue.push(rng.next_u64() % 1_000, (device, [0_u64; 6]));
    }
    let began = Instant::now();
    let mut done = 0;
    while done < TRIVIAL_EVENTS
        && let Some((at, (device, load))) = queue.pop_until(NEVER)
    {
        counts[device] += 1;
        done += 1;
        queue.push(at + 1 + rng.next_u64() % 2_000, (device, load));
    }
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(counts.iter().sum::<u64>(), TRIVIAL_EVENTS);
    (TRIVIAL_EVENTS as f64 / seconds).round()
}

/// Resident memory of this process in bytes, as Linux tells it.
pub(super) fn resident() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kb = line.and_then(|line| line.trim().strip_suffix("kB")).map(str::trim);
    kb.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) * 1_024
}
