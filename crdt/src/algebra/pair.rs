//! `A × B`: two things side by side. `(A, B)` for stores, [`Pair`] for lattices.

use crate::algebra::codec_fields;
use crate::causal::CausalContext;
use crate::dot::{DotRange, LogId};
use crate::lattice::Lattice;
use crate::store::{DotStore, Turnover};

/// Two lattices, joined each on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair<A, B>(pub A, pub B);

impl<A: Lattice, B: Lattice> Lattice for Pair<A, B> {
    fn join(&mut self, other: Self) -> bool {
        let first = self.0.join(other.0);
        let second = self.1.join(other.1);
        first || second
    }

    fn since(&self, seen: &CausalContext) -> Self {
        Self(self.0.since(seen), self.1.since(seen))
    }

    fn written_by(&self, author: LogId) -> bool {
        self.0.written_by(author) && self.1.written_by(author)
    }
}

codec_fields!(Pair < A, B > (0, 1));

impl<A: DotStore, B: DotStore> DotStore for (A, B) {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let first = self.0.join_store(seen, other.0, theirs, turnover);
        let second = self.1.join_store(seen, other.1, theirs, turnover);
        first || second
    }

    fn join_delta(
        &mut self,
        seen: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let first = self.0.join_delta(seen, &other.0, theirs, turnover);
        let second = self.1.join_delta(seen, &other.1, theirs, turnover);
        first || second
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.0.dots(each);
        self.1.dots(each);
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        (self.0.store_since(seen), self.1.store_since(seen))
    }

    fn split_store(self) -> Vec<Self> {
        let ones = self.0.split_store().into_iter().map(|one| (one, B::default()));
        let twos = self.1.split_store().into_iter().map(|two| (A::default(), two));
        ones.chain(twos).filter(|part| !part.is_bottom()).collect()
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.0.authored_by(author) && self.1.authored_by(author)
    }

    fn is_bottom(&self) -> bool {
        self.0.is_bottom() && self.1.is_bottom()
    }
}
