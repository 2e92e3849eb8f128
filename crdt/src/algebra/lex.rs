//! `Lex(A, B)`: the greater rank wins; equal ranks join what they carry.

use std::cmp::{Ordering, Reverse};

use crate::algebra::codec_fields;
use crate::dot::{Dot, LogId};
use crate::lattice::Lattice;
use crate::time::{HybridTime, Stamp};

/// What something is ranked by: a total order that may name its author.
pub trait Rank: Ord + Clone {
    /// Whether it names nobody but this author.
    fn ranked_by(&self, author: LogId) -> bool {
        let _ = author;
        true
    }
}

impl Rank for u64 {}
impl Rank for i64 {}
impl Rank for crate::value::Value {}
impl Rank for HybridTime {}
impl<T: Clone + Ord> Rank for crate::datum::Plain<T> {}

impl Rank for LogId {
    fn ranked_by(&self, author: LogId) -> bool {
        *self == author
    }
}

impl Rank for Dot {
    fn ranked_by(&self, author: LogId) -> bool {
        self.log == author
    }
}

impl Rank for Stamp {
    fn ranked_by(&self, author: LogId) -> bool {
        self.log == author
    }
}

impl<R: Rank> Rank for Reverse<R> {
    fn ranked_by(&self, author: LogId) -> bool {
        self.0.ranked_by(author)
    }
}

impl<A: Rank, B: Rank> Rank for (A, B) {
    fn ranked_by(&self, author: LogId) -> bool {
        self.0.ranked_by(author) && self.1.ranked_by(author)
    }
}

/// Something of a rank; nothing at first. Of two, the one of the greater rank stays (Almeida et al. 2018).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lex<R, L>(pub Option<(R, L)>);

impl<R, L> Default for Lex<R, L> {
    fn default() -> Self {
        Self(None)
    }
}

impl<R: Rank, L: Lattice> Lattice for Lex<R, L> {
    fn join(&mut self, other: Self) -> bool {
        let Some((rank, value)) = other.0 else { return false };
        let order = self.0.as_ref().map_or(Ordering::Greater, |(here, _)| rank.cmp(here));
        match (order, &mut self.0) {
            (Ordering::Greater, here) => {
                *here = Some((rank, value));
                true
            }
            (Ordering::Equal, Some((_, here))) => here.join(value),
            _ => false,
        }
    }

    fn written_by(&self, author: LogId) -> bool {
        self.0
            .as_ref()
            .is_none_or(|(rank, value)| rank.ranked_by(author) && value.written_by(author))
    }
}

codec_fields!(Lex < R, L > (0));
