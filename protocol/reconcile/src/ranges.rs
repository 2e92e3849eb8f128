//! Two production replicas meet: what it takes until both know what the other holds.

use crate::lab::{Play, Said, meet};
use crate::mill::Pair;

/// What they say, without anything arriving that one of them lacks.
pub fn said(pair: &Pair, seed: u64) -> Said {
    let [mut one, mut other] = pair.open(seed);
    meet(&mut one, &mut other, Play::HeadsOnly)
}

/// The CPU time of both engines, in nanoseconds, for a meeting in which the ends hear so much about heads.
///
/// # Panics
/// If what they say is not what `said` found.
pub fn cpu_ns(pair: &Pair, seed: u64, said: &Said) -> u64 {
    let [mut one, mut other] = pair.open(seed);
    (one.cpu_ns, other.cpu_ns) = (0, 0);
    let again = meet(&mut one, &mut other, Play::HeadsAlone(said.heard));
    assert_eq!(&again, said, "the end of the link changed what was said");
    one.cpu_ns + other.cpu_ns
}
