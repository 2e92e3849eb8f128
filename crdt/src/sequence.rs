//! Ordered elements that several writers insert and delete: the simple, correct sequence.
//!
//! State: a set of immutable insert runs, and a set of deleted dots; join is union, so the lattice laws are
//! plain to see. Order: the FugueMax tree (Weidner & Kleppmann, "The Art of the Fugue", 2023), derived from
//! the runs and cached as pieces of consecutive dots. Runs whose parent is unknown wait inside the state.
//! Editing and joining cost O(pieces); it is the readable reference for faster engines.

use std::collections::BTreeMap;

use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, DotRange, LogId};
use crate::lattice::Lattice;
use crate::time::Writer;

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

/// A sequence of elements. Deltas are sequences too: some runs, some deletions.
///
/// ```
/// use meshwork_crdt::{HybridTime, Lattice, LogId, Sequence, Writer};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Sequence::default();
/// one.insert(&at(1), 0, vec!['a', 'd']);
/// let mut two = one.clone();
/// one.insert(&at(1), 1, vec!['b']);
/// two.insert(&at(2), 1, vec!['c']);
/// one.join(two);
/// assert_eq!(one.iter().collect::<String>(), "abcd");
/// ```
#[derive(Clone, Debug)]
pub struct Sequence<T> {
    runs: BTreeMap<Dot, Run<T>>,
    deleted: CausalContext,
    seen: CausalContext,
    order: Order,
}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Self {
            runs: BTreeMap::new(),
            deleted: CausalContext::default(),
            seen: CausalContext::default(),
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

    /// Whether nothing was ever inserted or deleted.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.runs.is_empty() && self.deleted.is_empty()
    }

    /// The visible elements in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.order.spans().flat_map(|span| self.parts(span)).flatten().cloned()
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
    pub fn insert(&mut self, writer: &Writer, index: usize, values: Vec<T>) -> Option<Self> {
        if index > self.len() {
            return None;
        }
        let after = match index.checked_sub(1) {
            Some(before) => Some(self.order.dot_at(before)?),
            None => None,
        };
        self.insert_after(writer, after, values)
    }

    /// Inserts elements right after a dot, deleted or not, or at the start; returns the delta, `None` if
    /// the dot is unknown.
    pub fn insert_after(
        &mut self,
        writer: &Writer,
        after: Option<Dot>,
        values: Vec<T>,
    ) -> Option<Self> {
        let dot = self.seen.next(writer.log);
        self.insert_as(dot, after, values)
    }

    /// Inserts elements under given dots.
    pub(crate) fn insert_as(
        &mut self,
        first: Dot,
        after: Option<Dot>,
        values: Vec<T>,
    ) -> Option<Self> {
        if values.is_empty() {
            return Some(Self::default());
        }
        let right = self.order.next(after)?;
        let left_is_free = !self.order.has_right_child(after, &self.runs);
        let run = if left_is_free {
            Run { parent: after, side: Side::Right, right_origin: right, values }
        } else {
            Run { parent: right, side: Side::Left, right_origin: None, values }
        };
        let delta = Self { runs: BTreeMap::from([(first, run)]), ..Self::default() };
        self.join(delta.clone());
        Some(delta)
    }

    /// The dots of `len` visible elements from an index on; `None` if there are not as many.
    #[must_use]
    pub fn slice(&self, index: usize, len: usize) -> Option<Vec<DotRange>> {
        self.order.slice(index, len)
    }

    /// Deletes `len` visible elements from an index on; returns the delta, `None` if there are not as many.
    pub fn delete(&mut self, index: usize, len: usize) -> Option<Self> {
        let spans = self.order.slice(index, len)?;
        self.delete_spans(&spans)
    }

    /// Deletes elements by their dots; returns the delta, `None` if one is unknown.
    pub fn delete_spans(&mut self, spans: &[DotRange]) -> Option<Self> {
        if spans.iter().any(|span| self.seen.prefix(*span) != (true, span.len)) {
            return None;
        }
        let mut delta = Self::default();
        for span in spans {
            delta.deleted.insert_range(*span);
        }
        self.join(delta.clone());
        Some(delta)
    }

    /// The runs by their first dots.
    pub(crate) fn runs(&self) -> &BTreeMap<Dot, Run<T>> {
        &self.runs
    }

    /// A delta of one run.
    pub(crate) fn of_run(first: Dot, run: Run<T>) -> Self {
        Self { runs: BTreeMap::from([(first, run)]), ..Self::default() }
    }

    /// A delta of some deletions.
    pub(crate) fn of_deleted(deleted: CausalContext) -> Self {
        Self { deleted, ..Self::default() }
    }

    /// Whose insertions there are.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.runs.keys().map(|dot| dot.log)
    }
}

impl<T: Clone + PartialEq> Lattice for Sequence<T> {
    fn join(&mut self, other: Self) -> bool {
        let mut added = Vec::new();
        for (first, run) in other.runs {
            let range = DotRange { log: first.log, start: first.seq, len: run.values.len() as u64 };
            if self.seen.prefix(range) == (false, range.len) {
                self.seen.insert_range(range);
                added.push(first);
                self.runs.insert(first, run);
            }
        }
        for first in &added {
            self.order.place(*first, &self.runs, &self.deleted);
        }
        let mut grew = !added.is_empty();
        for range in other.deleted.ranges() {
            if self.deleted.insert_range(range) {
                self.order.hide(range);
                grew = true;
            }
        }
        grew
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
            sequence.seen.insert_range(DotRange { log: first.log, start: first.seq, len });
            sequence.runs.insert(first, Run { parent, side, right_origin, values });
        }
        sequence.deleted = CausalContext::decode(from)?;
        sequence.order = Order::build(&sequence.runs, &sequence.deleted);
        Ok(sequence)
    }
}
