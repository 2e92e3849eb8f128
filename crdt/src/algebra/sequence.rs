//! Ordered elements that several writers insert and delete: the simple, correct sequence.
//!
//! State: a set of immutable insert runs, and which of their elements are deleted. A deletion is a context
//! without the element, as in every causal store; what was deleted keeps its place, for others may stand by it.
//! Order: the FugueMax tree (Weidner & Kleppmann, "The Art of the Fugue", 2023), derived from the runs and
//! cached as pieces of consecutive dots. Runs whose parent is unknown wait inside the state.
//! Editing and joining cost O(pieces); it is the readable reference for faster engines.

use std::collections::BTreeMap;

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, DotRange, LogId};
use crate::store::{Change, DotStore, Turnover};

mod order;

use order::Order;

/// On which side of its parent a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Before the parent, and after everything that stood before it.
    Left,
    /// After the parent, and before everything that stood after it.
    Right,
}

/// Consecutive elements inserted at once: the first hangs on `parent`, each other is the right child of
/// the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<T> {
    /// The element the first hangs on; none for the start of the sequence.
    pub parent: Option<Dot>,
    /// On which side of it.
    pub side: Side,
    /// For right children: what stood after the insertion; none for the end of the sequence.
    pub right_origin: Option<Dot>,
    /// The elements.
    pub values: Vec<T>,
}

/// A sequence of elements. Deltas are sequences too: some runs, and a context that takes elements away.
///
/// ```
/// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, algebra::Sequence};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Causal::<Sequence<char>>::default();
/// one.edit(&at(1), |list, change| list.insert(change, 0, vec!['a', 'd']).unwrap());
/// let mut two = one.clone();
/// one.edit(&at(1), |list, change| list.insert(change, 1, vec!['b']).unwrap());
/// two.edit(&at(2), |list, change| list.insert(change, 1, vec!['c']).unwrap());
/// one.join(two);
/// assert_eq!(one.iter().collect::<String>(), "abcd");
/// ```
#[derive(Clone, Debug)]
pub struct Sequence<T> {
    runs: BTreeMap<Dot, Run<T>>,
    /// The dots of the runs.
    inserted: CausalContext,
    /// Those among them that are deleted.
    deleted: CausalContext,
    order: Order,
}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Self {
            runs: BTreeMap::new(),
            inserted: CausalContext::default(),
            deleted: CausalContext::default(),
            order: Order::default(),
        }
    }
}

impl<T: PartialEq> PartialEq for Sequence<T> {
    fn eq(&self, other: &Self) -> bool {
        self.runs == other.runs && self.deleted == other.deleted
    }
}

impl<T: Eq> Eq for Sequence<T> {}

impl<T: Clone + PartialEq> Sequence<T> {
    /// Number of visible elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.visible()
    }

    /// Whether no element is visible.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing was ever inserted.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.runs.is_empty()
    }

    /// The visible elements in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.order.spans().flat_map(|span| self.parts(span)).flatten().cloned()
    }

    /// The visible elements in order with their dots.
    pub fn entries(&self) -> impl Iterator<Item = (Dot, T)> + '_ {
        self.order.spans().flat_map(|span| {
            let values = self.parts(span).flatten().cloned();
            (0..).zip(values).map(move |(offset, value)| (span.first().plus(offset), value))
        })
    }

    /// The visible dots in order: a version a caller can keep and edit against later.
    #[must_use]
    pub fn spans(&self) -> Vec<DotRange> {
        self.order.spans().collect()
    }

    /// The elements of some dots, deleted or not; `None` if one is unknown.
    #[must_use]
    pub fn values_of(&self, spans: &[DotRange]) -> Option<Vec<T>> {
        let mut values = Vec::new();
        for span in spans {
            let before = values.len() as u64;
            self.parts(*span).for_each(|part| values.extend_from_slice(part));
            if values.len() as u64 - before != span.len {
                return None;
            }
        }
        Some(values)
    }

    /// The elements of a range run by run, up to the first unknown one.
    fn parts(&self, mut rest: DotRange) -> impl Iterator<Item = &[T]> {
        std::iter::from_fn(move || {
            let (first, run) = self.run_of(rest.first())?;
            let start = usize::try_from(rest.start - first.seq).ok()?;
            let len = usize::try_from(rest.len).ok()?;
            let end = run.values.len().min(start.saturating_add(len));
            let part = run.values.get(start..end).filter(|part| !part.is_empty())?;
            let taken = part.len() as u64;
            rest = DotRange { log: rest.log, start: rest.start + taken, len: rest.len - taken };
            Some(part)
        })
    }

    /// The run that holds a dot, with its first dot.
    fn run_of(&self, dot: Dot) -> Option<(Dot, &Run<T>)> {
        let (first, run) = self.runs.range(..=dot).next_back()?;
        let inside = first.log == dot.log && dot.seq - first.seq < run.values.len() as u64;
        inside.then_some((*first, run))
    }

    /// The index among visible elements at which a dot stands, or would stand if it is deleted.
    #[must_use]
    pub fn position_of(&self, dot: Dot) -> Option<usize> {
        self.order.position_of(dot)
    }

    /// The visible dot at an index.
    #[must_use]
    pub fn dot_at(&self, index: usize) -> Option<Dot> {
        self.order.dot_at(index)
    }

    /// Inserts elements before the visible index `index`; returns the delta, `None` if there is no such
    /// place.
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize, values: Vec<T>) -> Option<Self> {
        if index > self.len() {
            return None;
        }
        let after = match index.checked_sub(1) {
            Some(before) => Some(self.order.dot_at(before)?),
            None => None,
        };
        self.insert_after(change, after, values)
    }

    /// Inserts elements right after a dot, deleted or not, or at the start; returns the delta, `None` if
    /// the dot is unknown.
    #[must_use]
    pub fn insert_after(
        &self,
        change: &mut Change,
        after: Option<Dot>,
        values: Vec<T>,
    ) -> Option<Self> {
        let right = self.order.next(after)?;
        if values.is_empty() {
            return Some(Self::default());
        }
        let first = change.dots(values.len() as u64).first();
        let left_is_free = !self.order.has_right_child(after, &self.runs);
        let run = if left_is_free {
            Run { parent: after, side: Side::Right, right_origin: right, values }
        } else {
            Run { parent: right, side: Side::Left, right_origin: None, values }
        };
        Some(Self::of_run(first, run))
    }

    /// The dots of `len` visible elements from an index on; `None` if there are not as many.
    #[must_use]
    pub fn slice(&self, index: usize, len: usize) -> Option<Vec<DotRange>> {
        self.order.slice(index, len)
    }

    /// Deletes `len` visible elements from an index on; returns the delta, `None` if there are not as many.
    #[must_use]
    pub fn delete(&self, change: &mut Change, index: usize, len: usize) -> Option<Self> {
        let spans = self.order.slice(index, len)?;
        self.delete_spans(change, &spans)
    }

    /// Deletes elements by their dots; returns the delta, `None` if one is unknown.
    #[must_use]
    pub fn delete_spans(&self, change: &mut Change, spans: &[DotRange]) -> Option<Self> {
        if spans.iter().any(|span| self.inserted.prefix(*span) != (true, span.len)) {
            return None;
        }
        spans.iter().for_each(|span| change.forget_range(*span));
        Some(Self::default())
    }

    /// The runs by their first dots.
    pub(crate) fn runs(&self) -> &BTreeMap<Dot, Run<T>> {
        &self.runs
    }

    /// A delta of one run.
    pub(crate) fn of_run(first: Dot, run: Run<T>) -> Self {
        Self::of_runs([(first, run)])
    }

    fn of_runs(runs: impl IntoIterator<Item = (Dot, Run<T>)>) -> Self {
        let mut sequence = Self::default();
        for (first, run) in runs {
            sequence.inserted.insert_range(range_of(first, &run));
            sequence.runs.insert(first, run);
        }
        sequence.order = Order::build(&sequence.runs, &sequence.deleted);
        sequence
    }

    /// The dots of `range` that are here and not deleted.
    fn live(&self, range: DotRange) -> impl Iterator<Item = DotRange> {
        self.inserted.overlap(range).flat_map(|part| self.deleted.gaps(part))
    }
}

fn range_of<T>(first: Dot, run: &Run<T>) -> DotRange {
    DotRange { log: first.log, start: first.seq, len: run.values.len() as u64 }
}

impl<T: Clone + PartialEq> DotStore for Sequence<T> {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let mut dying = Vec::new();
        for range in theirs.ranges() {
            for mine in self.live(range) {
                let absent = other.inserted.gaps(mine);
                let deleted = other.inserted.overlap(mine);
                dying.extend(deleted.flat_map(|part| other.deleted.overlap(part)));
                dying.extend(absent);
            }
        }
        let mut added = Vec::new();
        for (first, run) in other.runs {
            let range = range_of(first, &run);
            if self.inserted.prefix(range) != (false, range.len) {
                continue;
            }
            self.inserted.insert_range(range);
            let gone = other.deleted.overlap(range).chain(seen.overlap(range));
            gone.for_each(|part| {
                self.deleted.insert_range(part);
            });
            turnover.born.extend(self.deleted.gaps(range));
            added.push(first);
            self.runs.insert(first, run);
        }
        for first in &added {
            self.order.place(*first, &self.runs, &self.deleted);
        }
        for range in &dying {
            self.deleted.insert_range(*range);
            self.order.hide(*range);
        }
        let changed = !added.is_empty() || !dying.is_empty();
        turnover.died.append(&mut dying);
        changed
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        for range in self.inserted.ranges() {
            self.deleted.gaps(range).for_each(&mut *each);
        }
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        let news = self.runs.iter().filter(|(first, run)| {
            let range = range_of(**first, run);
            seen.prefix(range) != (true, range.len)
        });
        let mut delta = Self::of_runs(news.map(|(first, run)| (*first, run.clone())));
        for range in delta.inserted.ranges() {
            for gone in self.deleted.overlap(range) {
                delta.deleted.insert_range(gone);
                delta.order.hide(gone);
            }
        }
        delta
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.runs.keys().all(|first| first.log == author)
    }

    fn is_bottom(&self) -> bool {
        self.runs.is_empty()
    }

    fn is_live(&self) -> bool {
        !self.is_empty()
    }
}

impl<T: Encode> Encode for Sequence<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.runs.len() as u64);
        for (first, run) in &self.runs {
            first.encode(out);
            run.parent.encode(out);
            out.byte(u8::from(run.side == Side::Right));
            if run.side == Side::Right {
                run.right_origin.encode(out);
            }
            run.values.encode(out);
        }
        self.deleted.encode(out);
    }
}

impl<T: Decode + Clone + PartialEq> Decode for Sequence<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let mut sequence = Self::default();
        let mut last: Option<(Dot, u64)> = None;
        for _ in 0..from.count()? {
            let first = Dot::decode(from)?;
            let parent = Option::decode(from)?;
            let side = if bool::decode(from)? { Side::Right } else { Side::Left };
            let right_origin = match side {
                Side::Right => Option::decode(from)?,
                Side::Left => None,
            };
            if side == Side::Left && parent.is_none() {
                return Err(DecodeError::Invalid);
            }
            let values = Vec::<T>::decode(from)?;
            let len = values.len() as u64;
            let end = first.seq.checked_add(len).ok_or(DecodeError::Invalid)?;
            let ascends = last
                .is_none_or(|(dot, end)| dot < first && (dot.log != first.log || end <= first.seq));
            if values.is_empty() || !ascends {
                return Err(DecodeError::NotCanonical);
            }
            last = Some((first, end));
            sequence.inserted.insert_range(DotRange { log: first.log, start: first.seq, len });
            sequence.runs.insert(first, Run { parent, side, right_origin, values });
        }
        sequence.deleted = CausalContext::decode(from)?;
        let inserted = &sequence.inserted;
        if sequence.deleted.ranges().any(|range| inserted.prefix(range) != (true, range.len)) {
            return Err(DecodeError::Invalid);
        }
        sequence.order = Order::build(&sequence.runs, &sequence.deleted);
        Ok(sequence)
    }
}
