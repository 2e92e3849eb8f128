//! `Fold<M>`: a set of operations, replayed in one order everywhere (OpSets, Kleppmann et al. 2018).
//!
//! The operations are the state; what they amount to is cached. An operation that arrives late undoes those
//! after it, goes in, and the others are done again (Kleppmann et al., TPDS 2022).

use std::collections::BTreeMap;
use std::fmt;

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, LogId};
use crate::lattice::Lattice;
use crate::store::Change;
use crate::time::HybridTime;

/// What operations do to a state. It must depend on nothing but the state and the operation.
pub trait Machine {
    /// An operation.
    type Op: Clone + Ord + fmt::Debug;
    /// What operations amount to.
    type State: Clone + Default + fmt::Debug;
    /// What it takes to undo one.
    type Undo: Clone + fmt::Debug;

    /// Does an operation; returns how to undo it.
    fn apply(state: &mut Self::State, at: Dot, op: &Self::Op) -> Self::Undo;

    /// Undoes the operation done last.
    fn revert(state: &mut Self::State, undo: Self::Undo);
}

/// When an operation was made, and which it is: the order of the replay.
type Moment = (HybridTime, Dot);

/// Operations in the order of their time and dot, and what they amount to.
pub struct Fold<M: Machine> {
    done: BTreeMap<Moment, (M::Op, M::Undo)>,
    state: M::State,
}

impl<M: Machine> Clone for Fold<M> {
    fn clone(&self) -> Self {
        Self { done: self.done.clone(), state: self.state.clone() }
    }
}

impl<M: Machine> Default for Fold<M> {
    fn default() -> Self {
        Self { done: BTreeMap::new(), state: M::State::default() }
    }
}

impl<M: Machine> fmt::Debug for Fold<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.ops()).finish()
    }
}

impl<M: Machine> PartialEq for Fold<M> {
    fn eq(&self, other: &Self) -> bool {
        self.done.len() == other.done.len() && self.ops().eq(other.ops())
    }
}

impl<M: Machine> Fold<M> {
    /// What the operations amount to.
    #[must_use]
    pub fn state(&self) -> &M::State {
        &self.state
    }

    /// The operations in their order.
    pub fn ops(&self) -> impl DoubleEndedIterator<Item = ((HybridTime, Dot), &M::Op)> {
        self.done.iter().map(|(moment, (op, _))| (*moment, op))
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether there is no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// A delta of one new operation.
    #[must_use]
    pub fn of(change: &mut Change, op: M::Op) -> Self {
        let moment = (change.time(), change.dot());
        let mut delta = Self::default();
        delta.replay(BTreeMap::from([(moment, op)]));
        delta
    }

    /// Puts operations that are not there yet where they belong.
    fn replay(&mut self, mut new: BTreeMap<Moment, M::Op>) {
        let Some(first) = new.keys().next().copied() else { return };
        let later = self.done.split_off(&first);
        for (moment, (op, undo)) in later.into_iter().rev() {
            M::revert(&mut self.state, undo);
            new.insert(moment, op);
        }
        for (moment, op) in new {
            let undo = M::apply(&mut self.state, moment.1, &op);
            self.done.insert(moment, (op, undo));
        }
    }
}

impl<M: Machine> Lattice for Fold<M> {
    fn join(&mut self, other: Self) -> bool {
        let new: BTreeMap<_, _> = other
            .done
            .into_iter()
            .filter(|(moment, (op, _))| self.done.get(moment).is_none_or(|(here, _)| op > here))
            .map(|(moment, (op, _))| (moment, op))
            .collect();
        let grew = !new.is_empty();
        let forged: Vec<Moment> =
            new.keys().filter(|moment| self.done.contains_key(*moment)).copied().collect();
        if let Some(first) = forged.first().copied() {
            // The same moment was given to two operations: the greater one replaces the other.
            let mut again: BTreeMap<_, _> = BTreeMap::new();
            for (moment, (op, undo)) in self.done.split_off(&first).into_iter().rev() {
                M::revert(&mut self.state, undo);
                again.insert(moment, op);
            }
            again.extend(new);
            self.replay(again);
        } else {
            self.replay(new);
        }
        grew
    }

    fn since(&self, seen: &CausalContext) -> Self {
        let mut delta = Self::default();
        let news = self.ops().filter(|((_, dot), _)| !seen.contains(*dot));
        delta.replay(news.map(|(moment, op)| (moment, op.clone())).collect());
        delta
    }

    fn written_by(&self, author: LogId) -> bool {
        self.done.keys().all(|(_, dot)| dot.log == author)
    }
}

impl<M: Machine<Op: Encode>> Encode for Fold<M> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.done.len() as u64);
        for (moment, op) in self.ops() {
            moment.encode(out);
            op.encode(out);
        }
    }
}

impl<M: Machine<Op: Decode>> Decode for Fold<M> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut fold = Self::default();
        fold.replay(BTreeMap::<Moment, M::Op>::decode(from)?);
        Ok(fold)
    }
}
