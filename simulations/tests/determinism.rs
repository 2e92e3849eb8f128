//! The same seed is the same run, in this process and in others.

use std::process::Command;

fn hash_in_another_process(seed: u64) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_meshwork-sim"))
        .args(["run", "--json", "--seed", &seed.to_string()])
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
        let first = hash_in_another_process(seed);
        assert_eq!(first, hash_in_another_process(seed));
        assert_eq!(first, meshwork_sim::run(seed).trace_hash);
        hashes.insert(first);
    }
    assert_eq!(hashes.len(), 2, "different seeds give different traces");
}
