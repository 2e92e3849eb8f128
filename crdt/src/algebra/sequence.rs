//! Ordered elements that several writers insert and delete, in O(log n).
//!
//! State: a set of events. An insertion puts a run of elements into the FugueMax tree (Weidner & Kleppmann,
//! "The Art of the Fugue", 2023); a deletion names elements and has dots of its own, so that every version that
//! ever was can be shown again. Both are kept run by run, one after the other typed at one place in one record.
//! What was inserted keeps its place for good, for others may stand by it. Events whose places are not known yet
//! wait inside the state, which is why any delta is a state too.

use std::marker::PhantomData;

use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange, LogId};
use crate::store::{Change, DotStore, Turnover};

mod coding;
mod elements;
mod events;
mod history;
mod log;
mod pieces;
mod weave;

pub use elements::{Chars, Elements, Unit, Width};
pub use events::Side;
pub(crate) use events::{Gone, Run};
pub use history::Patch;
pub(crate) use log::Deletion;
pub(crate) use pieces::{Cursor, Id};
pub(crate) use weave::{Watch, Weave};

use events::Loose;

/// A sequence of elements. Deltas are sequences too: some insertions and deletions.
///
/// ```
/// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, algebra::Sequence};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Causal::<Sequence<char>>::default();
/// one.edit(&at(1), |list, change| list.insert(change, 0, ['a', 'd']).unwrap());
/// let mut two = one.clone();
/// one.edit(&at(1), |list, change| list.insert(change, 1, ['b']).unwrap());
/// two.edit(&at(2), |list, change| list.insert(change, 1, ['c']).unwrap());
/// one.join(two);
/// assert_eq!(one.iter().collect::<String>(), "abcd");
/// ```
#[derive(Clone, Debug)]
pub struct Sequence<T, E = Vec<T>> {
    /// The events that have their places.
    weave: Option<Box<Weave<E>>>,
    /// Those that wait for others.
    loose: Option<Box<Loose<E>>>,
    /// Events that were taken away together with what held the sequence: the elements do not show.
    dropped: CausalContext,
    item: PhantomData<T>,
}

impl<T, E> Default for Sequence<T, E> {
    fn default() -> Self {
        Self { weave: None, loose: None, dropped: CausalContext::default(), item: PhantomData }
    }
}

impl<T: Clone + PartialEq, E: Elements<Item = T>> Sequence<T, E> {
    /// Number of visible elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.weave.as_ref().map_or(0, |weave| weave.len() as usize)
    }

    /// Whether no element is visible.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing was ever written.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.weave.is_none() && self.loose.is_none()
    }

    /// The visible elements in order, as the slices they are kept in.
    pub fn slices(&self) -> impl Iterator<Item = &E::Slice> {
        self.weave.iter().flat_map(|weave| {
            let visible = weave.pieces.iter().filter(|piece| piece.visible());
            visible.map(|piece| weave.slice(piece.first, piece.len()))
        })
    }

    /// The visible elements in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.slices().flat_map(E::items)
    }

    /// The visible elements in order with their dots.
    pub fn entries(&self) -> impl Iterator<Item = (Dot, T)> + '_ {
        let spans = self.spans();
        let dots =
            spans.into_iter().flat_map(|span| (0..span.len).map(move |n| span.first().plus(n)));
        dots.zip(self.iter())
    }

    /// The visible dots in order: a version a caller can keep and edit against later.
    #[must_use]
    pub fn spans(&self) -> Vec<DotRange> {
        let mut spans = Vec::new();
        if let Some(weave) = &self.weave {
            for piece in weave.pieces.iter().filter(|piece| piece.visible()) {
                weave.dots_of(piece.first, piece.len()).for_each(|range| append(&mut spans, range));
            }
        }
        spans
    }

    /// The elements of some dots, deleted or not; `None` if one is unknown.
    #[must_use]
    pub fn values_of(&self, spans: &[DotRange]) -> Option<Vec<T>> {
        let mut values = Vec::new();
        self.each_slice_of(spans, |slice| values.extend(E::items(slice)))?;
        Some(values)
    }

    /// Shows the elements of some dots, slice by slice; `None` if one is unknown.
    pub(crate) fn each_slice_of(
        &self,
        spans: &[DotRange],
        mut each: impl FnMut(&E::Slice),
    ) -> Option<()> {
        for span in spans.iter().filter(|span| span.len > 0) {
            let log = self.weave.as_ref()?.log_of(span.log)?;
            let mut found = 0;
            for (slot, part) in log.inserted(*span) {
                found += part.len;
                each(log.elements.part(slot, u32::try_from(part.len).ok()?));
            }
            if found != span.len {
                return None;
            }
        }
        Some(())
    }

    /// The index among visible elements at which a dot stands, or would stand if it is deleted.
    #[must_use]
    pub fn position_of(&self, dot: Dot) -> Option<usize> {
        let weave = self.weave.as_ref()?;
        let cursor = weave.locate(weave.id_of(dot)?);
        Some(weave.width_before(cursor).items as usize)
    }

    /// Shows or hides an element here, whatever the events say: for those who know better which are in force.
    pub(crate) fn set_visible(&mut self, dot: Dot, visible: bool) {
        if let Some(weave) = &mut self.weave
            && let Some(id) = weave.id_of(dot)
        {
            weave.set_visible(id, visible);
        }
    }

    /// The element of a dot, deleted or not, if it has its place.
    pub(crate) fn placed(&self, dot: Dot) -> Option<T> {
        let log = self.weave.as_ref()?.log_of(dot.log)?;
        E::items(log.elements.part(log.slot_of(dot.seq)?, 1)).next()
    }

    /// Whether an element was taken away together with what held it.
    pub(crate) fn is_dropped(&self, dot: Dot) -> bool {
        self.dropped.contains(dot)
    }

    /// The elements among some dots that have their places.
    pub(crate) fn placed_in(&self, range: DotRange) -> impl Iterator<Item = (Dot, T)> + '_ {
        let log = self.weave.as_ref().and_then(|weave| weave.log_of(range.log));
        log.into_iter().flat_map(move |log| {
            log.inserted(range).flat_map(move |(slot, part)| {
                let len = u32::try_from(part.len).unwrap_or(0);
                let dots = (0..).map(move |n| part.first().plus(n));
                dots.zip(E::items(log.elements.part(slot, len)))
            })
        })
    }

    /// All elements in order with their dots, visible or not.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Dot, T)> + '_ {
        self.weave.iter().flat_map(|weave| {
            weave.pieces.iter().flat_map(|piece| {
                let dots = weave.dots_of(piece.first, piece.len());
                let dots = dots.flat_map(|span| (0..span.len).map(move |n| span.first().plus(n)));
                dots.zip(E::items(weave.slice(piece.first, piece.len())))
            })
        })
    }

    /// What stands right before a dot, deleted or not.
    pub(crate) fn before_in_order(&self, dot: Dot) -> Option<Dot> {
        let weave = self.weave.as_ref()?;
        let before = weave.pieces.prev(weave.locate(weave.id_of(dot)?))?;
        Some(weave.dot_of(weave.pieces.id(before)))
    }

    /// What stands right after a dot, deleted or not.
    pub(crate) fn after_in_order(&self, dot: Dot) -> Option<Dot> {
        let weave = self.weave.as_ref()?;
        let next = weave.pieces.next(weave.locate(weave.id_of(dot)?))?;
        Some(weave.dot_of(weave.pieces.id(next)))
    }

    /// How many units come before an element; `None` if there is no such place.
    #[must_use]
    pub fn offset(&self, unit: Unit, index: usize) -> Option<usize> {
        let Some(weave) = self.weave.as_ref().filter(|_| index < self.len()) else {
            let all = self.weave.as_ref().map_or(0, |weave| weave.pieces.total().of(unit));
            return (index == self.len()).then_some(all as usize);
        };
        let cursor = weave.find(u32::try_from(index).ok()?)?;
        Some(weave.width_before(cursor).of(unit) as usize)
    }

    /// Which element starts after so many units; `None` if none does, nor the end.
    #[must_use]
    pub fn index(&self, unit: Unit, offset: usize) -> Option<usize> {
        let Some(weave) = &self.weave else { return (offset == 0).then_some(0) };
        let offset = u32::try_from(offset).ok()?;
        if offset == weave.pieces.total().of(unit) {
            return Some(self.len());
        }
        let (cursor, within) = weave.find_unit(unit, offset)?;
        (within == 0).then(|| weave.width_before(cursor).items as usize)
    }

    /// The visible dot at an index.
    #[must_use]
    pub fn dot_at(&self, index: usize) -> Option<Dot> {
        let weave = self.weave.as_ref()?;
        let cursor = weave.find(u32::try_from(index).ok()?)?;
        Some(weave.dot_of(weave.pieces.id(cursor)))
    }

    /// The visible element at an index, with its dot.
    pub(crate) fn entry_at(&self, index: usize) -> Option<(Dot, T)> {
        let weave = self.weave.as_ref()?;
        let id = weave.pieces.id(weave.find(u32::try_from(index).ok()?)?);
        Some((weave.dot_of(id), E::items(weave.slice(id, 1)).next()?))
    }

    /// Inserts elements before the visible index `index`; returns the delta, `None` if there is no such
    /// place.
    #[must_use]
    pub fn insert(
        &self,
        change: &mut Change,
        index: usize,
        values: impl AsRef<E::Slice>,
    ) -> Option<Self> {
        if index > self.len() {
            return None;
        }
        let after = match (index.checked_sub(1), &self.weave) {
            (Some(before), Some(weave)) => {
                Some(weave.pieces.id(weave.find(u32::try_from(before).ok()?)?))
            }
            _ => None,
        };
        self.insert_behind(change, after, values.as_ref())
    }

    /// Inserts elements right after a dot, deleted or not, or at the start; returns the delta, `None` if
    /// the dot is unknown.
    #[must_use]
    pub fn insert_after(
        &self,
        change: &mut Change,
        after: Option<Dot>,
        values: impl AsRef<E::Slice>,
    ) -> Option<Self> {
        let after = match after {
            None => None,
            Some(dot) => Some(self.weave.as_ref()?.id_of(dot)?),
        };
        self.insert_behind(change, after, values.as_ref())
    }

    fn insert_behind(
        &self,
        change: &mut Change,
        after: Option<Id>,
        values: &E::Slice,
    ) -> Option<Self> {
        let len = E::count(values) as u64;
        if len == 0 {
            return Some(Self::default());
        }
        let (mut parent, mut side, mut right) = (None, Side::Right, None);
        if let Some(weave) = &self.weave {
            let found = weave.slot_after(after.map(|id| weave.locate(id)));
            (parent, side, right) =
                (weave.dot_or_none(found.0), found.1, weave.dot_or_none(found.2));
        }
        let dots = change.dots(len);
        numbered(dots)?;
        Some(Self::of_run(&Run { first: dots.first(), parent, side, right, values }))
    }

    /// The dots of `len` visible elements from an index on; `None` if there are not as many.
    #[must_use]
    pub fn slice(&self, index: usize, len: usize) -> Option<Vec<DotRange>> {
        if index.checked_add(len)? > self.len() {
            return None;
        }
        let mut spans = Vec::new();
        let Some(weave) = self.weave.as_ref().filter(|_| len > 0) else { return Some(spans) };
        let cursor = weave.find(u32::try_from(index).ok()?)?;
        let (mut skip, mut left) = (cursor.offset, u32::try_from(len).ok()?);
        for piece in weave.pieces.iter_from(cursor) {
            if piece.visible() {
                let taken = left.min(piece.len() - skip);
                let dots = weave.dots_of(piece.first.plus(skip), taken);
                dots.for_each(|range| append(&mut spans, range));
                left -= taken;
                skip = 0;
            }
            if left == 0 {
                break;
            }
        }
        Some(spans)
    }

    /// Deletes `len` visible elements from an index on; returns the delta, `None` if there are not as many.
    #[must_use]
    pub fn delete(&self, change: &mut Change, index: usize, len: usize) -> Option<Self> {
        let spans = self.slice(index, len)?;
        self.delete_spans(change, &spans)
    }

    /// Deletes elements by their dots; returns the delta, `None` if one is unknown.
    #[must_use]
    pub fn delete_spans(&self, change: &mut Change, spans: &[DotRange]) -> Option<Self> {
        self.each_slice_of(spans, |_| ())?;
        let mut delta = Self::default();
        for span in spans.iter().filter(|span| span.len > 0) {
            let dots = change.dots(span.len);
            numbered(dots)?;
            let gone =
                Gone { first: dots.first(), target: span.first(), len: span.len, backward: false };
            delta.loose.get_or_insert_default().add_gone(gone);
        }
        Some(delta)
    }

    /// Joins another sequence, showing every element that gets its place to `watch`, unless there was none before.
    pub(crate) fn join_watched(
        &mut self,
        seen: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
        watch: &mut impl Watch<E>,
    ) -> bool {
        if seen.is_empty() && self.is_bottom() && !other.is_bottom() {
            *self = other.clone();
            self.dots(&mut |range| turnover.born.push(range));
            return true;
        }
        let mut dying = Vec::new();
        for range in theirs.ranges() {
            for mine in self.known(range) {
                for held in self.dropped.gaps(mine) {
                    let known = other.known(held);
                    dying.extend(known.iter().flat_map(|part| other.dropped.overlap(*part)));
                    dying.extend(gaps(held, &known));
                }
            }
        }
        let mut changed = false;
        other.each_run(&mut |run| {
            let dots = run.dots::<E>();
            if self.is_fresh(dots) {
                self.greet(dots, seen, &other.dropped, turnover);
                self.add_run(&run, watch);
                changed = true;
                return;
            }
            for fresh in self.unknown(dots) {
                self.greet(fresh, seen, &other.dropped, turnover);
                self.add_run(&run.part::<E>(fresh), watch);
                changed = true;
            }
        });
        for gone in other.gone() {
            for fresh in self.unknown(gone.dots()) {
                self.greet(fresh, seen, &other.dropped, turnover);
                self.add_gone(gone.part(fresh), watch);
                changed = true;
            }
        }
        for range in dying {
            self.drop_elements(range);
            turnover.died.push(range);
            changed = true;
        }
        changed
    }

    /// Notes which of some new events are taken away already, and which are there.
    fn greet(
        &mut self,
        fresh: DotRange,
        seen: &CausalContext,
        dropped: &CausalContext,
        turnover: &mut Turnover,
    ) {
        for part in seen.overlap(fresh).chain(dropped.overlap(fresh)) {
            self.dropped.insert_range(part);
        }
        turnover.born.extend(self.dropped.gaps(fresh));
    }

    /// The parts of some events that somebody who has seen `seen` may lack, ascending: who has seen that one was taken
    /// away need not have it, and others may hang on it. Notes which of them were taken away.
    fn lacking(
        &self,
        seen: &CausalContext,
        events: DotRange,
        dropped: &mut CausalContext,
    ) -> Vec<DotRange> {
        let mut lacking = CausalContext::default();
        for part in self.dropped.overlap(events) {
            dropped.insert_range(part);
            lacking.insert_range(part);
        }
        for part in seen.gaps(events) {
            lacking.insert_range(part);
        }
        lacking.ranges().collect()
    }

    /// This with what another delta of the same change says.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        let none = CausalContext::default();
        self.join_store(&none, other, &none, &mut Turnover::default());
        self
    }

    /// A delta of one run.
    pub(crate) fn of_run(run: &Run<'_, E::Slice>) -> Self {
        let mut sequence = Self::default();
        sequence.add_run(run, &mut ());
        sequence
    }

    /// The dots of the first insertion, in order of dots.
    pub(crate) fn first_inserted(&self) -> Option<DotRange> {
        let mut first: Option<DotRange> = None;
        self.each_run(&mut |run| {
            let dots = run.dots::<E>();
            first = Some(first.map_or(dots, |first| first.min(dots)));
        });
        first
    }

    /// Whether every event is this author's, or an insertion that `allowed` says is.
    pub(crate) fn all_by(
        &self,
        author: LogId,
        allowed: impl Fn(&Run<'_, E::Slice>) -> bool,
    ) -> bool {
        self.runs().iter().all(|(run, _)| run.first.log == author || allowed(run))
            && self.gone().iter().all(|gone| gone.first.log == author)
    }

    /// The placed events, for those who edit in place.
    pub(crate) fn weave_mut(&mut self) -> &mut Weave<E> {
        if self.weave.is_none()
            && let Some(loose) = &mut self.loose
        {
            loose.wait_for_all();
        }
        self.weave.get_or_insert_default()
    }

    pub(crate) fn weave(&self) -> Option<&Weave<E>> {
        self.weave.as_deref()
    }
}

impl<T: Clone + PartialEq, E: Elements<Item = T>> DotStore for Sequence<T, E> {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        if seen.is_empty() && self.is_bottom() && !other.is_bottom() {
            *self = other;
            self.dots(&mut |range| turnover.born.push(range));
            return true;
        }
        self.join_delta(seen, &other, theirs, turnover)
    }

    fn join_delta(
        &mut self,
        seen: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        self.join_watched(seen, other, theirs, turnover, &mut ())
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        let mut runs: Vec<DotRange> = self.runs().iter().map(|(run, _)| run.dots::<E>()).collect();
        runs.dedup_by(|next, last| {
            let meets = last.log == next.log && last.end() == next.start;
            if meets {
                last.len += next.len;
            }
            meets
        });
        for range in runs {
            self.dropped.gaps(range).for_each(&mut *each);
        }
        for gone in self.gone() {
            self.dropped.gaps(gone.dots()).for_each(&mut *each);
        }
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        if seen.is_empty() {
            return self.clone();
        }
        let mut delta = Self::default();
        for (run, _) in self.runs() {
            for fresh in self.lacking(seen, run.dots::<E>(), &mut delta.dropped) {
                delta.add_run(&run.part::<E>(fresh), &mut ());
            }
        }
        for gone in self.gone() {
            for fresh in self.lacking(seen, gone.dots(), &mut delta.dropped) {
                delta.add_gone(gone.part(fresh), &mut ());
            }
        }
        delta
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.all_by(author, |_| false)
    }

    fn is_bottom(&self) -> bool {
        self.is_unwritten()
    }

    fn is_live(&self) -> bool {
        !self.is_empty()
    }
}

/// The parts of a range that none of some ascending parts covers.
fn gaps(range: DotRange, parts: &[DotRange]) -> Vec<DotRange> {
    let mut gaps = Vec::new();
    let mut at = range.start;
    for part in parts {
        if part.start > at {
            gaps.push(DotRange { log: range.log, start: at, len: part.start - at });
        }
        at = at.max(part.end());
    }
    if range.end() > at {
        gaps.push(DotRange { log: range.log, start: at, len: range.end() - at });
    }
    gaps
}

/// Appends a range to others, to the last of them if it continues it.
fn append(spans: &mut Vec<DotRange>, range: DotRange) {
    match spans.last_mut() {
        Some(last) if last.log == range.log && last.end() == range.start => last.len += range.len,
        _ => spans.push(range),
    }
}

/// Whether the dots have numbers that a sequence can keep.
fn numbered(dots: DotRange) -> Option<()> {
    (dots.end() <= u64::from(u32::MAX)).then_some(())
}
