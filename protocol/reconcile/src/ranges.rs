//! Two production replicas meet: what is said about heads, and what that takes of their engines.

use crate::lab::{Play, Said, meet};
use crate::mill::Pair;

/// What they say until both have everything, and the time that all about heads takes.
///
/// Time is put together from meetings that are ended earlier and earlier, since the turn in which an end learns what the
/// other lacks would also send it.
///
/// # Panics
/// If an earlier end changes what is said before it.
pub fn exchange(pair: &Pair, seed: u64) -> Said {
    let [mut one, mut other] = pair.open(seed);
    let mut said = meet(&mut one, &mut other, Play::All);
    for heard in 1..=said.heard.into_iter().max().unwrap_or(0) {
        let [mut one, mut other] = pair.open(seed);
        let part = meet(&mut one, &mut other, Play::Until(heard));
        for n in 0..2 {
            assert!(part.heard[n] >= heard.min(said.heard[n]), "{part:?} of {said:?}");
            said.cpu_ns[n] += part.cpu_ns[n];
        }
    }
    said
}
