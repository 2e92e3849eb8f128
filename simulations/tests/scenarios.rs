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

/// The names that a mistake in a table is answered with are all explained in the documentation.
#[test]
fn every_option_of_a_scenario_is_documented() {
    let page = include_str!("../../docs/simulations.md");
    let start = "name = \"a\"\nabout = \"b\"\nsafety = \"1 s\"\nliveness = \"1 s\"\n";
    let work = "[[group]]\nname = \"a\"\ncount = 1\nregion = \"r\"\nwork = [{ nonsense = 1 }]\n";
    let kind = work.replace("nonsense = 1", "kind = \"nonsense\"");
    let lies = work.replace("work = [{ nonsense = 1 }]", "lies = [\"nonsense\"]");
    let mut options = 0;
    for table in [
        "nonsense = 1\n".to_owned(),
        "[[region]]\nnonsense = 1\n".to_owned(),
        "[[link]]\nnonsense = 1\n".to_owned(),
        "[[group]]\nnonsense = 1\n".to_owned(),
        work.to_owned(),
        kind,
        lies,
        "[[space]]\nnonsense = 1\n".to_owned(),
        "[[event]]\nnonsense = 1\n".to_owned(),
        "[[event]]\ndo = \"nonsense\"\n".to_owned(),
        "[faults]\nnonsense = 1\n".to_owned(),
        "[expect]\nnonsense = 1\n".to_owned(),
        "[small]\nnonsense = 1\n".to_owned(),
    ] {
        let told = scenario::Scenario::read("a", &format!("{start}{table}")).unwrap_err();
        let (_, expected) = told.split_once("expected").expect("what would be right is named");
        for option in expected.split('`').skip(1).step_by(2) {
            options += 1;
            assert!(page.contains(option), "`{option}` is not documented ({told})");
        }
    }
    assert!(options > 90, "{options}");
}
