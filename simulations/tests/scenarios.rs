//! The scenarios that come with the simulator, made smaller: all must agree, and each must show what it is about.

use meshwork_sim::scenario::{self, SHIPPED};
use meshwork_sim::{Report, World};

fn run(name: &str) -> Report {
    let report = World::new(scenario::plan(name, 1, true).unwrap()).run();
    assert!(report.failures.is_empty(), "{name}: {}\n{:?}", report.plan, report.failures);
    report
}

#[test]
fn in_every_scenario_all_agree_and_nothing_is_lost() {
    for (name, _) in SHIPPED {
        let report = run(name);
        let figures = report.figures.as_ref().unwrap();
        assert!(figures.entries_written > 0, "{name}");
        assert!(figures.delivery_ms.count > 0, "{name}");
        assert!(figures.samples.len() > 20, "{name}");
        let last = figures.samples.iter().rev().find(|sample| sample.online > 0);
        assert!(last.is_some_and(|sample| sample.sent_bytes > 0), "{name}");
    }
}

#[test]
fn a_partition_shows_as_lag_that_goes_away() {
    let report = run("one-way-partition");
    let samples = report.figures.unwrap().samples;
    let worst = samples.iter().map(|sample| sample.behind_max).max().unwrap();
    assert!(worst > 5, "{worst}");
}

#[test]
fn a_copied_disk_and_a_liar_with_a_twin_are_found_out() {
    for name in ["cloned-disk", "malicious-member"] {
        assert!(run(name).forks > 0, "{name}");
    }
}

#[test]
fn power_cuts_are_crashes_and_who_was_away_catches_up() {
    assert!(run("power-cuts").crashes > 12);
    assert!(run("phones").figures.unwrap().catch_up_ms.count > 0);
    assert!(run("newcomer-late").figures.unwrap().catch_up_ms.count > 0);
}

#[test]
fn what_a_scenario_expects_is_judged() {
    let mut plan = scenario::plan("lan-of-3", 1, true).unwrap();
    plan.scene.as_mut().unwrap().expect.delivery_p99_ms_max = Some(0);
    let report = World::new(plan).run();
    assert_eq!(report.failures[0].invariant, "expectation");
    assert!(report.failures[0].detail.contains("expected at most 0"), "{:?}", report.failures);
}
