//! Seeds of the simulated world: anything may fail, then all must agree and nothing promised be gone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use meshwork_sim::plan::{CrashAt, NEVER};
use meshwork_sim::{Mischief, Plan, Report, World};

/// Seeds that once failed.
fn remembered() -> impl Iterator<Item = u64> {
    include_str!("../seeds.txt").lines().filter(|line| !line.starts_with('#')).map(|line| {
        line.split(' ')
            .next()
            .and_then(|seed| seed.parse().ok())
            .expect("a line starts with its seed")
    })
}

/// Runs plans on all cores.
fn run_all(plans: &[Plan]) -> Vec<Report> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = World::new(plan.clone()).run();
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    reports.into_inner().unwrap()
}

fn assert_all_passed(reports: &[Report]) {
    for report in reports {
        assert!(report.failures.is_empty(), "{}\n{:?}", report.plan, report.failures);
        assert!(report.converged);
    }
}

/// Every seed must pass, and together they must have met every kind of trouble. Those that once failed run as they
/// were drawn then, too.
#[test]
fn members_agree_and_keep_their_promises_whatever_fails() {
    let alone = |seed| Plan { mischief: Mischief::none(), ..Plan::draw(seed) };
    let drawn = (0..48).map(Plan::draw).chain(remembered().map(alone));
    let plans: Vec<Plan> = drawn.chain(remembered().map(Plan::draw_storm)).collect();
    let reports = run_all(&plans);
    assert_all_passed(&reports);
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert!(sum(|report| report.granted as u64) > 1_000);
    assert!(sum(|report| report.crashes) > 20);
    assert!(sum(|report| report.forks) > 0);
    let met = |what: fn(&Plan) -> bool| assert!(reports.iter().any(|report| what(&report.plan)));
    met(|plan| plan.stranger);
    met(|plan| plan.chain);
    met(|plan| plan.late_devices > 0);
    met(|plan| plan.faults.corruption_per_mille > 0);
    met(|plan| plan.faults.partition_every_ms != NEVER);
    met(|plan| plan.faults.bit_rot_every_ms != NEVER);
    met(|plan| plan.faults.restore_every_ms != NEVER);
    met(|plan| plan.faults.disk_full_every_ms != NEVER);
    met(|plan| plan.faults.clock_jump_every_ms != NEVER);
    met(|plan| plan.older_devices > 0);
    met(|plan| !plan.liars.is_empty());
}

/// A machine dies right before, and right after, each of its persists in turn: whatever it is about, what was promised
/// is there afterwards.
#[test]
fn a_machine_may_die_at_any_of_its_persists() {
    let mut plan = Plan::draw_storm(17);
    plan.devices = 3;
    plan.late_devices = 0;
    plan.spaces = 1;
    plan.storm_ms = 6_000;
    plan.edit_every_ms = 400;
    plan.checkpoint_entries = 7;
    plan.govern_every_ms = NEVER;
    plan.faults.crash_every_ms = NEVER;
    let mut died = 0;
    for device in 0..2 {
        let crashes = |persist| {
            [true, false].map(|before| {
                let mut plan = plan.clone();
                plan.faults.crash_at = Some(CrashAt { device, persist, before });
                plan
            })
        };
        // The founder's first two make the space and the invite: without them there is nothing to look at.
        let first = if device == 0 { 2 } else { 0 };
        let plans: Vec<Plan> = (first..60).flat_map(crashes).collect();
        let reports = run_all(&plans);
        assert_all_passed(&reports);
        died += reports.iter().map(|report| report.crashes).sum::<u64>();
    }
    assert!(died > 100, "{died} crashes");
}
