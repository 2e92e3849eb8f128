//! Causal stores: values whose parts carry dots, so that a part can be taken away without a tombstone.
//!
//! A store is joined together with the contexts of both sides (Almeida, Shoker, Baquero, "Delta state
//! replicated data types", JPDC 2018): a part that one side has seen and no longer holds is gone. [`Causal`] is
//! a store with its context: a [`Lattice`]. Mutators read a store and return a delta store; what they have used
//! up and taken away they note in the [`Change`]. Every lattice is a store that holds no dots.

use std::ops::Deref;

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, DotRange, LogId};
use crate::lattice::Lattice;
use crate::shape::Shape;
use crate::time::{HybridTime, Stamp, Writer};

/// Which dots a join brought to life and which it ended, for indices further up.
#[derive(Debug, Default)]
pub struct Turnover {
    /// Dots that are held now and were not before.
    pub born: Vec<DotRange>,
    /// Dots that were held before and are not now.
    pub died: Vec<DotRange>,
}

/// A value that is joined relative to causal contexts; bottom is `Default::default()`.
pub trait DotStore: Clone + Default + PartialEq {
    /// The bottom of a shape; only stores that do not know their own shape look at it.
    #[must_use]
    fn bottom(shape: Option<Shape>) -> Self {
        let _ = shape;
        Self::default()
    }

    /// Takes in what `other`, which has seen `theirs`, knows; `seen` is what has been seen here. Tells whether
    /// anything changed, and notes in `turnover` which dots came and went.
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool;

    /// The same for a delta that is still needed, which stores of many parts need not copy first.
    fn join_delta(
        &mut self,
        seen: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        self.join_store(seen, other.clone(), theirs, turnover)
    }

    /// Names every dot held, in no particular order.
    fn dots(&self, each: &mut dyn FnMut(DotRange));

    /// The part that somebody who has seen `seen` may lack.
    #[must_use]
    fn store_since(&self, seen: &CausalContext) -> Self;

    /// The same in smaller parts whose join it is, where it has parts. No dot is in two of them.
    #[must_use]
    fn split_store(self) -> Vec<Self> {
        vec![self]
    }

    /// Whether every dot, and all else that names its author, is this author's.
    #[must_use]
    fn authored_by(&self, author: LogId) -> bool;

    /// Whether nothing is known here, so that the store need not be kept.
    #[must_use]
    fn is_bottom(&self) -> bool {
        *self == Self::default()
    }

    /// Whether any dot is held.
    #[must_use]
    fn is_live(&self) -> bool {
        let mut live = false;
        self.dots(&mut |_| live = true);
        live
    }
}

impl<L: Lattice> DotStore for L {
    fn join_store(
        &mut self,
        _: &CausalContext,
        other: Self,
        _: &CausalContext,
        _: &mut Turnover,
    ) -> bool {
        self.join(other)
    }

    fn dots(&self, _: &mut dyn FnMut(DotRange)) {}

    fn store_since(&self, seen: &CausalContext) -> Self {
        self.since(seen)
    }

    fn split_store(self) -> Vec<Self> {
        self.split()
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.written_by(author)
    }
}

/// A change in the making: whose it is, the dots it uses up, and the dots it takes away.
#[derive(Debug)]
pub struct Change {
    writer: Writer,
    next: Dot,
    seen: CausalContext,
    shape: Option<Shape>,
}

impl Change {
    /// A change by `writer` of a replica that has seen `seen`.
    #[must_use]
    pub fn new(writer: &Writer, seen: &CausalContext) -> Self {
        Self {
            writer: *writer,
            next: seen.next(writer.log),
            seen: CausalContext::default(),
            shape: None,
        }
    }

    /// The same for a store that is known by its shape only.
    #[must_use]
    pub(crate) fn of_shape(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// Does something with the cursor on another shape.
    pub(crate) fn within<T>(
        &mut self,
        shape: Option<Shape>,
        inside: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let outer = std::mem::replace(&mut self.shape, shape);
        let result = inside(self);
        self.shape = outer;
        result
    }

    /// The shape of the store the change is at, for stores that do not know it themselves.
    pub(crate) fn shape(&self) -> Option<Shape> {
        self.shape.clone()
    }

    /// Whose change it is.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.writer.log
    }

    /// When it is made.
    #[must_use]
    pub fn time(&self) -> HybridTime {
        self.writer.time
    }

    /// When, and by whom.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.writer.stamp()
    }

    /// A new dot.
    pub fn dot(&mut self) -> Dot {
        self.dots(1).first()
    }

    /// New consecutive dots.
    pub fn dots(&mut self, len: u64) -> DotRange {
        let range = DotRange { log: self.next.log, start: self.next.seq, len };
        self.next = self.next.plus(len);
        self.seen.insert_range(range);
        range
    }

    /// Takes a dot away.
    pub fn forget(&mut self, dot: Dot) {
        self.seen.insert(dot);
    }

    /// Takes consecutive dots away.
    pub fn forget_range(&mut self, range: DotRange) {
        self.seen.insert_range(range);
    }

    /// Takes away every dot of a store; lattices, which hold none, stay as they are.
    pub fn forget_all(&mut self, store: &impl DotStore) {
        store.dots(&mut |range| self.forget_range(range));
    }
}

/// A store together with what has been seen: the replica of an object, or a delta of it.
///
/// ```
/// use meshwork_crdt::{AwSet, Causal, HybridTime, Lattice, LogId, Writer};
/// let ann = Writer { log: LogId([1; 16]), time: HybridTime::at(1) };
/// let mut list = Causal::<AwSet<String>>::default();
/// let delta = list.edit(&ann, |set, change| set.add(change, "milk".to_owned()));
/// let mut other = Causal::<AwSet<String>>::default();
/// other.join(delta);
/// assert!(other.contains(&"milk".to_owned()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causal<S> {
    store: S,
    seen: CausalContext,
}

impl<S: DotStore> Causal<S> {
    /// What a store and a context say together.
    #[must_use]
    pub fn of(store: S, seen: CausalContext) -> Self {
        Self { store, seen }
    }

    /// The events seen.
    #[must_use]
    pub fn seen(&self) -> &CausalContext {
        &self.seen
    }

    /// Makes a change; returns the delta.
    pub fn edit(&mut self, writer: &Writer, mutate: impl FnOnce(&S, &mut Change) -> S) -> Self {
        let mut change = Change::new(writer, &self.seen);
        let store = mutate(&self.store, &mut change);
        self.take(store, change)
    }

    /// Makes a change that may be refused; returns the delta.
    ///
    /// # Errors
    /// What `mutate` says; nothing has changed then.
    pub fn try_edit<E>(
        &mut self,
        writer: &Writer,
        mutate: impl FnOnce(&S, &mut Change) -> Result<S, E>,
    ) -> Result<Self, E> {
        let mut change = Change::new(writer, &self.seen);
        let store = mutate(&self.store, &mut change)?;
        Ok(self.take(store, change))
    }

    /// The delta that a change has come to.
    pub(crate) fn made(store: S, change: Change) -> Self {
        Self { store, seen: change.seen }
    }

    fn take(&mut self, store: S, change: Change) -> Self {
        let delta = Self::made(store, change);
        let mut turnover = Turnover::default();
        self.store.join_delta(&self.seen, &delta.store, &delta.seen, &mut turnover);
        for range in delta.seen.ranges() {
            self.seen.insert_range(range);
        }
        delta
    }

    /// Takes a delta apart: what is new, part by part, then the dots taken away, at most `ranges_max` ranges
    /// each.
    pub(crate) fn into_parts(self, ranges_max: usize) -> Vec<Self> {
        let Self { store, seen: mut gone } = self;
        let mut parts = Vec::new();
        for store in store.split_store() {
            let mut seen = CausalContext::default();
            store.dots(&mut |range| {
                seen.insert_range(range);
                gone.remove_range(range);
            });
            parts.push(Self { store, seen });
        }
        let ranges: Vec<DotRange> = gone.ranges().collect();
        for chunk in ranges.chunks(ranges_max.max(1)) {
            let mut seen = CausalContext::default();
            for range in chunk {
                seen.insert_range(*range);
            }
            parts.push(Self { store: S::default(), seen });
        }
        parts
    }
}

impl<S> Deref for Causal<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.store
    }
}

impl<S: DotStore> Lattice for Causal<S> {
    fn join(&mut self, other: Self) -> bool {
        let mut turnover = Turnover::default();
        let changed = self.store.join_store(&self.seen, other.store, &other.seen, &mut turnover);
        let saw = self.seen.join(other.seen);
        changed || saw
    }

    fn since(&self, seen: &CausalContext) -> Self {
        let mut relevant = self.seen.clone();
        self.store.dots(&mut |range| {
            for known in seen.overlap(range) {
                relevant.remove_range(known);
            }
        });
        Self { store: self.store.store_since(seen), seen: relevant }
    }

    fn written_by(&self, author: LogId) -> bool {
        self.store.authored_by(author)
    }
}

impl<S: Encode> Encode for Causal<S> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.store.encode(out);
        self.seen.encode(out);
    }
}

impl<S: Decode + DotStore> Decode for Causal<S> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let store = S::decode(from)?;
        let seen = CausalContext::decode(from)?;
        let mut covered = true;
        store.dots(&mut |range| covered &= seen.prefix(range) == (true, range.len));
        if covered { Ok(Self { store, seen }) } else { Err(DecodeError::Invalid) }
    }
}
