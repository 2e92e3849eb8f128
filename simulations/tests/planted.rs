//! Mistakes that are planted into the engine are found, and none is found where none is planted.
//!
//! A handful that a few seeds find; `meshwork-sim planted` measures all of them.

use meshwork_sim::planted::{bugs, hunt};

/// One of each kind: storage, signatures, members, keys, order, what is announced, invites, rubbish, presence, merging.
const QUICK: [&str; 15] = [
    "LogRowLate",
    "EntriesNotDurable",
    "NonceRepeats",
    "AckTooHigh",
    "PastIgnored",
    "PastForgottenAtRestart",
    "CheckpointForgetsOne",
    "CutOffByOne",
    "RemovedGetKeys",
    "KeysNotHanded",
    "ClockNotObserved",
    "InviteExpired",
    "PenaltyNever",
    "NoteStale",
    "AddsOfOthersLost",
];
/// Most seeds for one.
const SEEDS_MAX: u64 = 100;

/// The choice of a mistake is one for the process, so they come one after the other, in one test.
#[test]
fn quick_mistakes_are_found_within_a_few_seeds() {
    std::panic::set_hook(Box::new(|_| {}));
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let missed: Vec<&str> = QUICK
        .into_iter()
        .filter(|name| {
            let bug = bugs().into_iter().find(|bug| bug.name == *name).expect("it is in the list");
            hunt(bug, SEEDS_MAX, jobs).is_none()
        })
        .collect();
    let _ = std::panic::take_hook();
    assert_eq!(missed, Vec::<&str>::new(), "not found");
    assert_eq!(meshwork_sim::run(0).failures, [], "nothing is planted any more");
}
