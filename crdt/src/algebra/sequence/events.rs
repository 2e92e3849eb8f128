//! The events of a sequence by their dots, as deltas carry them, and those that still wait for their places.

use super::elements::Elements;
use super::log::{Deletion, Log};
use super::pieces::Id;
use super::weave::{Watch, Weave};
use super::{Sequence, gaps};
use crate::algebra::SmallMap;
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange};
use crate::lattice::Lattice;

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
#[derive(Debug)]
pub(crate) struct Run<'a, S: ?Sized> {
    /// The first dot.
    pub first: Dot,
    /// The element the first hangs on; none for the start of the sequence.
    pub parent: Option<Dot>,
    /// On which side of it.
    pub side: Side,
    /// Of right children the right origin: what stood after the insertion; none for the end of the sequence.
    pub right: Option<Dot>,
    /// The elements.
    pub values: &'a S,
}

impl<S: ?Sized> Clone for Run<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ?Sized> Copy for Run<'_, S> {}

impl<'a, S: ?Sized> Run<'a, S> {
    /// Its dots.
    pub fn dots<E: Elements<Slice = S>>(&self) -> DotRange {
        let len = E::count(self.values) as u64;
        DotRange { log: self.first.log, start: self.first.seq, len }
    }

    /// What the elements after the first have as their right origin.
    pub fn origin(&self) -> Option<Dot> {
        match self.side {
            Side::Left => self.parent,
            Side::Right => self.right,
        }
    }

    /// The part of some of its dots.
    pub fn part<E: Elements<Slice = S>>(&self, dots: DotRange) -> Run<'a, S> {
        let by = usize::try_from(dots.start - self.first.seq).unwrap_or(usize::MAX);
        let len = usize::try_from(dots.len).unwrap_or(usize::MAX);
        let values = E::cut(self.values, by, by.saturating_add(len));
        if by == 0 {
            return Run { values, ..*self };
        }
        let first = dots.first();
        let parent = Some(Dot { log: first.log, seq: first.seq - 1 });
        Run { first, parent, side: Side::Right, right: self.origin(), values }
    }

    /// Whether it is more of a run that ends before `end` and has the right origin `origin`.
    pub fn continues(&self, end: Dot, origin: Option<Dot>) -> bool {
        self.first == end
            && self.side == Side::Right
            && self.parent == Some(Dot { log: end.log, seq: end.seq - 1 })
            && self.right == origin
    }
}

/// Elements that one log deleted one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// The dot of the first deletion.
    pub first: Dot,
    /// What it deleted.
    pub target: Dot,
    /// How many.
    pub len: u64,
    /// Whether each deletes the element before the last one's rather than the one after.
    pub backward: bool,
}

impl Gone {
    pub fn dots(&self) -> DotRange {
        DotRange { log: self.first.log, start: self.first.seq, len: self.len }
    }

    /// What is deleted.
    pub fn targets(&self) -> DotRange {
        let start = if self.backward { self.target.seq - (self.len - 1) } else { self.target.seq };
        DotRange { log: self.target.log, start, len: self.len }
    }

    /// The part of some of its dots.
    pub fn part(&self, dots: DotRange) -> Self {
        let by = dots.start - self.first.seq;
        let seq = if self.backward { self.target.seq - by } else { self.target.seq + by };
        let target = Dot { log: self.target.log, seq };
        let backward = self.backward && dots.len > 1;
        Self { first: dots.first(), target, len: dots.len, backward }
    }

    /// The part that deletes some of its targets.
    pub fn part_of(&self, targets: DotRange) -> Self {
        let by = if self.backward {
            self.target.seq - (targets.end() - 1)
        } else {
            targets.start - self.target.seq
        };
        let start = self.first.seq + by;
        self.part(DotRange { log: self.first.log, start, len: targets.len })
    }

    /// Takes in the longest start of what follows that is more of the same; gives back the rest.
    pub fn append(&mut self, next: Self) -> Option<Self> {
        let meets = self.first.plus(self.len) == next.first && self.target.log == next.target.log;
        let step = |backward: bool| {
            let seq = if backward {
                self.target.seq.checked_sub(self.len)
            } else {
                self.target.seq.checked_add(self.len)
            };
            (self.len == 1 || self.backward == backward) && seq == Some(next.target.seq)
        };
        let Some(backward) = [false, true].into_iter().find(|backward| meets && step(*backward))
        else {
            return Some(next);
        };
        self.backward = backward;
        if next.len == 1 || next.backward == backward {
            self.len += next.len;
            return None;
        }
        self.len += 1;
        let rest = next.dots();
        Some(next.part(DotRange { log: rest.log, start: rest.start + 1, len: rest.len - 1 }))
    }
}

/// Brings deletions in order of dots into the one form of them.
pub(crate) fn coalesce(parts: impl IntoIterator<Item = Gone>) -> Vec<Gone> {
    let mut all: Vec<Gone> = Vec::new();
    for part in parts {
        let rest = match all.last_mut() {
            Some(last) => last.append(part),
            None => Some(part),
        };
        all.extend(rest);
    }
    all
}

/// A run that owns its elements.
#[derive(Clone, Debug)]
struct OwnRun<E> {
    parent: Option<Dot>,
    side: Side,
    right: Option<Dot>,
    values: E,
}

/// Events that wait for others.
#[derive(Clone, Debug)]
pub(super) struct Loose<E> {
    runs: SmallMap<Dot, OwnRun<E>>,
    /// Runs by a dot they wait for, once anything has its place.
    waiting: SmallMap<Dot, Vec<Dot>>,
    gone: SmallMap<Dot, Gone>,
}

impl<E> Default for Loose<E> {
    fn default() -> Self {
        Self { runs: SmallMap::default(), waiting: SmallMap::default(), gone: SmallMap::default() }
    }
}

impl<E: Elements> Loose<E> {
    pub fn add_gone(&mut self, gone: Gone) {
        self.gone.insert(gone.first, gone);
    }

    fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.gone.is_empty()
    }

    /// Lets every run wait for what it needs first, now that there is something that others can hang on.
    pub fn wait_for_all(&mut self) {
        for (first, run) in &self.runs {
            if let Some(missing) = run.parent.or(run.right) {
                self.waiting.or_insert_with(missing, Vec::new).push(*first);
            }
        }
    }

    fn run<'a>(first: Dot, run: &'a OwnRun<E>) -> Run<'a, E::Slice> {
        let values = run.values.part(0, run.values.len());
        Run { first, parent: run.parent, side: run.side, right: run.right, values }
    }

    /// The parts of a range that are elements here.
    fn inserted(&self, range: DotRange) -> impl Iterator<Item = DotRange> {
        let before = self.runs.range(..range.first()).next_back();
        let within = self.runs.range(range.first()..Dot { log: range.log, seq: range.end() });
        before.into_iter().chain(within).filter_map(move |(first, run)| {
            let dots =
                DotRange { log: first.log, start: first.seq, len: u64::from(run.values.len()) };
            overlap(dots, range)
        })
    }

    /// The parts of a range that are deletions here.
    fn deleted(&self, range: DotRange) -> impl Iterator<Item = DotRange> {
        let before = self.gone.range(..range.first()).next_back();
        let within = self.gone.range(range.first()..Dot { log: range.log, seq: range.end() });
        before.into_iter().chain(within).filter_map(move |(_, gone)| overlap(gone.dots(), range))
    }
}

fn overlap(one: DotRange, other: DotRange) -> Option<DotRange> {
    let (start, end) = (one.start.max(other.start), one.end().min(other.end()));
    (one.log == other.log && start < end).then(|| DotRange {
        log: one.log,
        start,
        len: end - start,
    })
}

impl<T: Clone + PartialEq, E: Elements<Item = T>> Sequence<T, E> {
    /// The parts of a range of dots that are elements here, ascending.
    pub(super) fn inserted(&self, range: DotRange) -> Vec<DotRange> {
        let placed = self.weave.as_ref().and_then(|weave| weave.log_of(range.log));
        let mut parts: Vec<DotRange> = Vec::new();
        if let Some(log) = placed {
            parts.extend(log.inserted(range).map(|(_, part)| part));
        }
        if let Some(loose) = &self.loose {
            let count = parts.len();
            parts.extend(loose.inserted(range));
            if count > 0 && parts.len() > count {
                parts.sort_unstable();
            }
        }
        parts
    }

    /// The parts of a range of dots that are deletions here, ascending.
    pub(super) fn deleted(&self, range: DotRange) -> Vec<DotRange> {
        let placed = self.weave.as_ref().and_then(|weave| weave.log_of(range.log));
        let mut parts: Vec<DotRange> = Vec::new();
        if let Some(log) = placed {
            parts.extend(log.deleted(range).map(|deletion| DotRange {
                log: range.log,
                start: u64::from(deletion.seq),
                len: u64::from(deletion.len()),
            }));
        }
        if let Some(loose) = &self.loose {
            let count = parts.len();
            parts.extend(loose.deleted(range));
            if count > 0 && parts.len() > count {
                parts.sort_unstable();
            }
        }
        parts
    }

    /// The parts of a range of dots that are events here, ascending.
    pub(super) fn known(&self, range: DotRange) -> Vec<DotRange> {
        let (mut parts, deleted) = (self.inserted(range), self.deleted(range));
        if parts.is_empty() {
            return deleted;
        }
        if !deleted.is_empty() {
            parts.extend(deleted);
            parts.sort_unstable();
        }
        parts
    }

    /// All insertions, in no particular order.
    pub(super) fn each_run<'a>(&'a self, each: &mut dyn FnMut(Run<'a, E::Slice>)) {
        if let Some(weave) = &self.weave {
            placed_runs(weave, each);
        }
        if let Some(loose) = &self.loose {
            loose.runs.iter().for_each(|(first, run)| each(Loose::run(*first, run)));
        }
    }

    /// All insertions in order of dots, each with whether it is more of the one before.
    pub(crate) fn runs(&self) -> Vec<(Run<'_, E::Slice>, bool)> {
        let mut runs = Vec::new();
        self.each_run(&mut |run| runs.push(run));
        if self.loose.is_some() {
            runs.sort_unstable_by_key(|run| run.first);
        }
        let mut last: Option<(Dot, Option<Dot>)> = None;
        let mark = |run: Run<'_, E::Slice>| {
            let more = last.is_some_and(|(end, origin)| run.continues(end, origin));
            let end = run.dots::<E>().end();
            last = Some((Dot { log: run.first.log, seq: end }, run.origin()));
            more
        };
        let more: Vec<bool> = runs.iter().copied().map(mark).collect();
        runs.into_iter().zip(more).collect()
    }

    /// All deletions in order of dots, in the one form of them.
    pub(crate) fn gone(&self) -> Vec<Gone> {
        let mut parts = Vec::new();
        if let Some(weave) = &self.weave {
            for log in weave.named() {
                log.deletions.iter().for_each(|deletion| told(weave, log, deletion, &mut parts));
            }
        }
        if let Some(loose) = self.loose.as_ref().filter(|loose| !loose.gone.is_empty()) {
            parts.extend(loose.gone.values());
            parts.sort_unstable_by_key(|gone| gone.first);
        }
        coalesce(parts)
    }

    /// Whether all of a range of dots comes after every event of its log.
    pub(crate) fn is_fresh(&self, range: DotRange) -> bool {
        let placed = self.weave.as_ref().and_then(|weave| weave.log_of(range.log));
        self.loose.is_none() && placed.is_none_or(|log| log.end() <= range.start)
    }

    /// The parts of a range of dots that are no events here.
    pub(crate) fn unknown(&self, range: DotRange) -> Vec<DotRange> {
        if self.is_fresh(range) {
            return vec![range];
        }
        gaps(range, &self.known(range))
    }

    /// The events that have their places.
    pub(crate) fn version(&self) -> CausalContext {
        let mut version = CausalContext::default();
        for log in self.weave.iter().flat_map(|weave| weave.named()) {
            version.join(log.dots());
        }
        version
    }

    /// Shows the placed insertions of a range of dots, in order.
    pub(crate) fn runs_in<'a>(&'a self, range: DotRange, each: &mut dyn FnMut(Run<'a, E::Slice>)) {
        let Some(weave) = &self.weave else { return };
        let Some(number) = weave.find_log(range.log) else { return };
        for (slot, part) in weave.log_of(range.log).into_iter().flat_map(|log| log.inserted(range))
        {
            let first = Id { log: number, at: slot };
            let ((parent, side, origin), _) = weave.record_of(first);
            each(Run {
                first: part.first(),
                parent: weave.dot_or_none(parent),
                side,
                right: weave.dot_or_none(origin),
                values: weave.slice(first, u32::try_from(part.len).unwrap_or(0)),
            });
        }
    }

    /// Shows the placed deletions of a range of dots, in order.
    pub(crate) fn gone_in(&self, range: DotRange, each: &mut dyn FnMut(Gone)) {
        let Some(weave) = &self.weave else { return };
        let mut parts = Vec::new();
        if let Some(log) = weave.log_of(range.log) {
            for deletion in log.deleted(range) {
                told(weave, log, &deletion, &mut parts);
            }
        }
        coalesce(parts).into_iter().for_each(each);
    }

    /// The insertions that wait for others.
    pub(crate) fn loose_runs(&self) -> impl Iterator<Item = Run<'_, E::Slice>> {
        let loose = self.loose.iter();
        loose.flat_map(|loose| loose.runs.iter().map(|(first, run)| Loose::run(*first, run)))
    }

    /// The deletions that wait for others.
    pub(crate) fn loose_gone(&self) -> impl Iterator<Item = Gone> {
        self.loose.iter().flat_map(|loose| loose.gone.values().copied())
    }

    /// Takes in a run of new dots, and places whatever waited for it.
    pub(crate) fn add_run(&mut self, run: &Run<'_, E::Slice>, watch: &mut impl Watch<E>) {
        if !self.place(run, watch) {
            self.let_wait(run);
            return;
        }
        let mut ready = self.released(run.dots::<E>());
        while let Some(first) = ready.pop() {
            let Some(loose) = &mut self.loose else { return };
            let Some(own) = loose.runs.remove(&first) else { continue };
            let run = Loose::run(first, &own);
            if self.place(&run, watch) {
                ready.extend(self.released(run.dots::<E>()));
            } else {
                self.let_wait(&run);
            }
        }
        if self.loose.as_ref().is_some_and(|loose| loose.is_empty()) {
            self.loose = None;
        }
    }

    fn place(&mut self, run: &Run<'_, E::Slice>, watch: &mut impl Watch<E>) -> bool {
        let rooted = run.parent.is_none() && run.right.is_none();
        if self.weave.is_none() && !rooted {
            return false;
        }
        let is_first = self.weave.is_none();
        let weave = self.weave.get_or_insert_default();
        let Some((first, len)) = weave.place(run, watch) else {
            if weave.logs.is_empty() {
                self.weave = None;
            }
            return false;
        };
        if is_first && let Some(loose) = &mut self.loose {
            loose.wait_for_all();
        }
        if self.loose.is_none() && self.dropped.is_empty() {
            return true;
        }
        let dots = run.dots::<E>();
        if let Some(loose) = &self.loose {
            let known = loose.gone.values().filter(|gone| overlap(gone.targets(), dots).is_some());
            let known: Vec<Gone> = known.copied().collect();
            for gone in known {
                if let Some(loose) = &mut self.loose {
                    loose.gone.remove(&gone.first);
                }
                self.add_gone(gone, watch);
            }
        }
        if let Some(weave) = &mut self.weave {
            for part in self.dropped.overlap(dots) {
                let by = u32::try_from(part.start - dots.start).unwrap_or(0);
                weave.hide(first.plus(by), u32::try_from(part.len).unwrap_or(0).min(len));
            }
        }
        true
    }

    fn let_wait(&mut self, run: &Run<'_, E::Slice>) {
        let loose = self.loose.get_or_insert_default();
        if let Some(weave) = &self.weave {
            let needs = [run.parent, run.right].into_iter().flatten();
            let missing = needs.into_iter().find(|dot| weave.id_of(*dot).is_none());
            if let Some(missing) = missing {
                loose.waiting.or_insert_with(missing, Vec::new).push(run.first);
            }
        }
        let mut values = E::default();
        values.push(run.values);
        let own = OwnRun { parent: run.parent, side: run.side, right: run.right, values };
        loose.runs.insert(run.first, own);
    }

    /// The runs that waited for some dots.
    fn released(&mut self, dots: DotRange) -> Vec<Dot> {
        let Some(loose) = self.loose.as_mut().filter(|loose| !loose.waiting.is_empty()) else {
            return Vec::new();
        };
        let end = Dot { log: dots.log, seq: dots.end() };
        let keys: Vec<Dot> = loose.waiting.range(dots.first()..end).map(|(dot, _)| *dot).collect();
        keys.iter().flat_map(|dot| loose.waiting.remove(dot).unwrap_or_default()).collect()
    }

    /// Takes in deletions of new dots; those of unknown elements wait.
    pub(crate) fn add_gone(&mut self, gone: Gone, watch: &mut impl Watch<E>) {
        let targets = gone.targets();
        if let Some(weave) = &mut self.weave
            && let Some(author) = weave.find_log(gone.first.log)
            && let Some(target) = weave.find_log(targets.log)
            && let Some((at, part)) =
                weave.log_of(targets.log).and_then(|log| log.inserted(targets).next())
            && part == targets
            && let Ok(seq) = u32::try_from(gone.first.seq)
            && let Ok(len) = u32::try_from(gone.len)
        {
            let at = if gone.backward { at + (len - 1) } else { at };
            let target = Id { log: target, at };
            weave.delete(author, Deletion::new(seq, target, len, gone.backward), watch);
            return;
        }
        let mut placed: Vec<(Id, DotRange)> = Vec::new();
        if let Some(weave) = &mut self.weave
            && u32::try_from(gone.dots().end()).is_ok()
            && let Some(target) = weave.find_log(targets.log)
        {
            if let Some(log) = weave.log_of(targets.log) {
                let known = log.inserted(targets);
                placed.extend(known.map(|(at, part)| (Id { log: target, at }, part)));
            }
            if gone.backward {
                placed.reverse();
            }
            let author = if placed.is_empty() { 0 } else { weave.log(gone.first.log) };
            for (first, part) in &placed {
                let part = gone.part_of(*part);
                let seq = u32::try_from(part.first.seq).unwrap_or(0);
                let len = u32::try_from(part.len).unwrap_or(0);
                let target = if part.backward { first.plus(len - 1) } else { *first };
                weave.delete(author, Deletion::new(seq, target, len, part.backward), watch);
            }
        }
        let mut placed: Vec<DotRange> = placed.into_iter().map(|(_, part)| part).collect();
        placed.sort_unstable();
        for missing in gaps(targets, &placed) {
            self.loose.get_or_insert_default().add_gone(gone.part_of(missing));
        }
    }

    /// Takes elements away together with what held them.
    pub(super) fn drop_elements(&mut self, range: DotRange) {
        self.dropped.insert_range(range);
        let Some(weave) = &mut self.weave else { return };
        let Some(number) = weave.find_log(range.log) else { return };
        let parts = weave.log_of(range.log).into_iter().flat_map(|log| log.inserted(range));
        let parts: Vec<_> = parts.collect();
        for (at, part) in parts {
            let len = u32::try_from(part.len).unwrap_or(0);
            weave.hide(Id { log: number, at }, len);
        }
    }

    /// Whether nothing waits.
    pub(super) fn dropped(&self) -> &CausalContext {
        &self.dropped
    }
}

/// A deletion by dots, in parts whose dots are consecutive.
fn told<E: Elements>(weave: &Weave<E>, log: &Log<E>, deletion: &Deletion, parts: &mut Vec<Gone>) {
    let mut first = log.dot(deletion.seq);
    let from = parts.len();
    for targets in weave.dots_of(deletion.lowest(), deletion.len()) {
        let backward = deletion.backward() && targets.len > 1;
        let by = if deletion.backward() { targets.len - 1 } else { 0 };
        let target = targets.first().plus(by);
        parts.push(Gone { first, target, len: targets.len, backward });
    }
    if let Some(fresh) = parts.get_mut(from..) {
        if deletion.backward() {
            fresh.reverse();
        }
        for part in fresh {
            part.first = first;
            first = first.plus(part.len);
        }
    }
}

fn placed_runs<'a, E: Elements>(weave: &'a Weave<E>, each: &mut dyn FnMut(Run<'a, E::Slice>)) {
    for log in weave.named() {
        for record in (0..log.records.len()).filter_map(|rank| log.ranked(rank)) {
            let Some(known) = log.records.get(record) else { continue };
            let side = if known.is_left() { Side::Left } else { Side::Right };
            let right = if known.is_left() { None } else { weave.dot_or_none(known.origin()) };
            each(Run {
                first: log.dot(known.seq),
                parent: weave.dot_or_none(known.parent),
                side,
                right,
                values: log.elements.part(known.slot(), log.len_of(record)),
            });
        }
    }
}
