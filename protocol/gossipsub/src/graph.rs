//! The links both begin with: everybody with everybody, or with some at random.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Nodes up to which everybody links with everybody.
const FULL_MAX: usize = 16;
/// Links that each node makes beyond; as many are made with it.
const DIALLED: usize = 4;

/// Whom each node dials.
pub fn dials(nodes: usize) -> Vec<Vec<usize>> {
    if nodes <= FULL_MAX {
        return (0..nodes).map(|n| (0..n).collect()).collect();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    (0..nodes)
        .map(|n| {
            let mut some = Vec::new();
            while some.len() < DIALLED {
                let other = rng.next_u64() as usize % nodes;
                if other != n && !some.contains(&other) {
                    some.push(other);
                }
            }
            some
        })
        .collect()
}
