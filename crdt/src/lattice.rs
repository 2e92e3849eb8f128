//! What merging is: a join that is associative, commutative and idempotent, and reports growth.

use crate::causal::CausalContext;
use crate::dot::LogId;

/// A join-semilattice with a bottom, which is `Default::default()`. `join` is the least upper bound; the laws
/// in `laws` say what that means. Deltas are lattice values too.
pub trait Lattice: Clone + Default + PartialEq {
    /// Takes in everything `other` knows; tells whether that was news.
    fn join(&mut self, other: Self) -> bool;

    /// A delta that brings whoever has seen `seen` up to this state: joined there, it gives what the whole
    /// state would give. The whole state is always right; types that know their dots send less.
    #[must_use]
    fn since(&self, seen: &CausalContext) -> Self {
        let _ = seen;
        self.clone()
    }

    /// The same in smaller parts whose join it is, where it has parts.
    #[must_use]
    fn split(self) -> Vec<Self> {
        vec![self]
    }

    /// Whether all that names its author here names this one. A delta must speak for its writer only.
    #[must_use]
    fn written_by(&self, author: LogId) -> bool {
        let _ = author;
        true
    }
}
