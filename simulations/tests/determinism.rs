//! The same seed is the same run, in this process and in others.

use std::process::Command;

fn hash_in_another_process(scenario: Option<&str>, seed: u64) -> String {
    let scenario = scenario.into_iter().flat_map(|name| [name, "--small"]);
    let output = Command::new(env!("CARGO_BIN_EXE_meshwork-sim"))
        .args(["run", "--json", "--seed", &seed.to_string()])
        .args(scenario)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["seed"], seed);
    report["trace_hash"].as_str().unwrap().to_owned()
}

#[test]
fn a_seed_gives_one_trace_in_two_processes() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in [3, 11] {
        let first = hash_in_another_process(None, seed);
        assert_eq!(first, hash_in_another_process(None, seed));
        assert_eq!(first, meshwork_sim::run(seed).trace_hash);
        hashes.insert(first);
    }
    assert_eq!(hashes.len(), 2, "different seeds give different traces");
}

#[test]
fn a_scenario_and_a_seed_give_one_trace_in_two_processes_and_the_same_figures() {
    let run = |seed| {
        let plan = meshwork_sim::scenario::plan("malicious-member", seed, true).unwrap();
        meshwork_sim::World::new(plan).run()
    };
    let (one, other) = (run(5), run(5));
    assert_eq!(one.figures, other.figures);
    assert_eq!(one.trace_hash, hash_in_another_process(Some("malicious-member"), 5));
    assert_ne!(one.trace_hash, run(6).trace_hash);
    // Telling the story changes nothing.
    let (told, lines) = meshwork_sim::World::new(one.plan.clone()).told();
    assert_eq!(told.trace_hash, one.trace_hash);
    assert!(lines.len() > 1_000);
}
