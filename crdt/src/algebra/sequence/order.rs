//! The order of a sequence's elements, derived from its runs.
//!
//! In-order traversal of the tree: a node's left children by dot, the node, its right children by their right
//! origin, the latest first, then by dot (the FugueMax rule, which never interleaves). A run is placed once
//! its parent and right origin are, so what its place depends on never moves again: the order is a function
//! of the set of runs, whatever order they come in.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::{Run, Side};
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange};

/// Consecutive dots that stand next to each other, all visible or all deleted.
#[derive(Clone, Copy, Debug)]
struct Piece {
    first: Dot,
    len: u64,
    visible: bool,
}

impl Piece {
    fn offset_of(&self, dot: Dot) -> Option<u64> {
        let inside = self.first.log == dot.log
            && dot.seq >= self.first.seq
            && dot.seq - self.first.seq < self.len;
        inside.then(|| dot.seq - self.first.seq)
    }

    fn followed_by(&self, next: &Self) -> bool {
        self.visible == next.visible && self.first.plus(self.len) == next.first
    }
}

/// A place in the order: a piece, and an offset into it.
type At = (usize, u64);

#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    pieces: Vec<Piece>,
    visible: u64,
    placed: CausalContext,
    /// Left children by parent, ascending.
    left: BTreeMap<Dot, Vec<Dot>>,
    /// Runs that are right children by parent, in sibling order.
    right: BTreeMap<Option<Dot>, Vec<Dot>>,
    /// Runs by a dot they wait for.
    waiting: BTreeMap<Dot, Vec<Dot>>,
}

impl Order {
    pub(super) fn build<T>(runs: &BTreeMap<Dot, Run<T>>, deleted: &CausalContext) -> Self {
        let mut order = Self::default();
        for first in runs.keys() {
            order.place(*first, runs, deleted);
        }
        order
    }

    pub(super) fn visible(&self) -> usize {
        usize::try_from(self.visible).unwrap_or(usize::MAX)
    }

    pub(super) fn spans(&self) -> impl Iterator<Item = DotRange> {
        self.pieces.iter().filter(|piece| piece.visible).map(|piece| DotRange {
            log: piece.first.log,
            start: piece.first.seq,
            len: piece.len,
        })
    }

    fn locate(&self, dot: Dot) -> Option<At> {
        self.pieces
            .iter()
            .enumerate()
            .find_map(|(index, piece)| piece.offset_of(dot).map(|offset| (index, offset)))
    }

    pub(super) fn position_of(&self, dot: Dot) -> Option<usize> {
        let (index, offset) = self.locate(dot)?;
        let before = self.pieces.get(..index)?.iter().filter(|piece| piece.visible);
        let before: u64 = before.map(|piece| piece.len).sum();
        let within = self.pieces.get(index).filter(|piece| piece.visible).map_or(0, |_| offset);
        usize::try_from(before + within).ok()
    }

    pub(super) fn dot_at(&self, index: usize) -> Option<Dot> {
        let mut left = index as u64;
        for span in self.spans() {
            if left < span.len {
                return Some(span.first().plus(left));
            }
            left -= span.len;
        }
        None
    }

    /// The dots of `len` visible elements from an index on.
    pub(super) fn slice(&self, index: usize, len: usize) -> Option<Vec<DotRange>> {
        let (mut skip, mut left) = (index as u64, len as u64);
        let mut spans = Vec::new();
        for span in self.spans() {
            if left == 0 {
                break;
            }
            if skip >= span.len {
                skip -= span.len;
                continue;
            }
            let taken = left.min(span.len - skip);
            spans.push(DotRange { log: span.log, start: span.start + skip, len: taken });
            left -= taken;
            skip = 0;
        }
        let inside = left == 0 && (len > 0 || index <= self.visible());
        inside.then_some(spans)
    }

    /// What stands right after a dot, or first: `Some(None)` for the end; `None` if the dot is unknown.
    pub(super) fn next(&self, after: Option<Dot>) -> Option<Option<Dot>> {
        let Some(after) = after else {
            return Some(self.pieces.first().map(|piece| piece.first));
        };
        let (index, offset) = self.locate(after)?;
        let piece = self.pieces.get(index)?;
        if offset + 1 < piece.len {
            return Some(Some(after.plus(1)));
        }
        Some(self.pieces.get(index + 1).map(|piece| piece.first))
    }

    /// Whether something hangs on the right of a dot.
    pub(super) fn has_right_child<T>(
        &self,
        dot: Option<Dot>,
        runs: &BTreeMap<Dot, Run<T>>,
    ) -> bool {
        self.right.contains_key(&dot) || dot.is_some_and(|dot| follower(dot, runs).is_some())
    }

    /// Places a run, and whatever waited for it; or lets it wait.
    pub(super) fn place<T>(
        &mut self,
        first: Dot,
        runs: &BTreeMap<Dot, Run<T>>,
        deleted: &CausalContext,
    ) {
        let mut ready = vec![first];
        while let Some(first) = ready.pop() {
            let Some(run) = runs.get(&first) else { continue };
            let needs = [run.parent, run.right_origin];
            let missing = needs.into_iter().flatten().find(|dot| !self.placed.contains(*dot));
            if let Some(missing) = missing {
                self.waiting.entry(missing).or_default().push(first);
                continue;
            }
            let at = match (run.side, run.parent) {
                (Side::Left, Some(parent)) => self.place_left(first, parent),
                (_, parent) => self.place_right(first, parent, run.right_origin, runs),
            };
            let len = run.values.len() as u64;
            self.insert(at, first, len, deleted);
            self.placed.insert_range(DotRange { log: first.log, start: first.seq, len });
            let released: Vec<Dot> =
                self.waiting.range(first..first.plus(len)).map(|(dot, _)| *dot).collect();
            for dot in released {
                ready.extend(self.waiting.remove(&dot).unwrap_or_default());
            }
        }
    }

    fn place_left(&mut self, first: Dot, parent: Dot) -> At {
        let siblings = self.left.entry(parent).or_default();
        let index = siblings.partition_point(|sibling| *sibling < first);
        let next = siblings.get(index).copied();
        siblings.insert(index, first);
        let before = next.map_or(parent, |next| self.leftmost(next));
        self.locate(before).unwrap_or((self.pieces.len(), 0))
    }

    fn place_right<T>(
        &mut self,
        first: Dot,
        parent: Option<Dot>,
        origin: Option<Dot>,
        runs: &BTreeMap<Dot, Run<T>>,
    ) -> At {
        let siblings = self.right_children(parent, runs);
        let before = siblings
            .iter()
            .position(|sibling| self.compare((first, origin), *sibling) == Ordering::Less);
        let at = match before.and_then(|index| siblings.get(index)) {
            Some((next, _)) => self.locate(self.leftmost(*next)),
            None => match siblings.last() {
                Some((last, _)) => self.after(self.rightmost(*last, runs)),
                None => parent.map_or(Some((0, 0)), |parent| self.after(parent)),
            },
        };
        let explicit: Vec<Dot> = self.right.get(&parent).cloned().unwrap_or_default();
        let ahead = siblings.get(..before.unwrap_or(siblings.len())).unwrap_or_default();
        let index = ahead.iter().filter(|(dot, _)| explicit.contains(dot)).count();
        self.right.entry(parent).or_default().insert(index, first);
        at.unwrap_or((self.pieces.len(), 0))
    }

    /// The right children of a dot in order, each with its right origin.
    fn right_children<T>(
        &self,
        parent: Option<Dot>,
        runs: &BTreeMap<Dot, Run<T>>,
    ) -> Vec<(Dot, Option<Dot>)> {
        let explicit = self.right.get(&parent).into_iter().flatten();
        let mut children: Vec<(Dot, Option<Dot>)> = explicit
            .map(|child| (*child, runs.get(child).and_then(|run| run.right_origin)))
            .collect();
        if let Some(implicit) = parent.and_then(|parent| follower(parent, runs)) {
            let index = children
                .iter()
                .position(|child| self.compare(implicit, *child) == Ordering::Less)
                .unwrap_or(children.len());
            children.insert(index, implicit);
        }
        children
    }

    /// The order of two right children of one parent.
    fn compare(&self, one: (Dot, Option<Dot>), other: (Dot, Option<Dot>)) -> Ordering {
        let by_origin = if one.1 == other.1 {
            Ordering::Equal
        } else {
            let place = |origin: Option<Dot>| {
                origin.and_then(|origin| self.locate(origin)).unwrap_or((usize::MAX, 0))
            };
            place(other.1).cmp(&place(one.1))
        };
        by_origin.then(one.0.cmp(&other.0))
    }

    /// The first element of a node's subtree.
    fn leftmost(&self, mut dot: Dot) -> Dot {
        while let Some(first) = self.left.get(&dot).and_then(|children| children.first()) {
            dot = *first;
        }
        dot
    }

    /// The last element of a node's subtree.
    fn rightmost<T>(&self, mut dot: Dot, runs: &BTreeMap<Dot, Run<T>>) -> Dot {
        loop {
            let end = run_end(dot, runs);
            let parents = self.right.range(Some(dot)..=Some(end));
            let below = parents.filter_map(|(parent, _)| *parent).find_map(|parent| {
                let (last, _) = *self.right_children(Some(parent), runs).last()?;
                (last != parent.plus(1) || parent == end).then_some(last)
            });
            match below {
                Some(next) => dot = next,
                None => return end,
            }
        }
    }

    fn after(&self, dot: Dot) -> Option<At> {
        self.locate(dot).map(|(index, offset)| (index, offset + 1))
    }

    /// Puts a run's dots at a place.
    fn insert(&mut self, (index, offset): At, first: Dot, len: u64, deleted: &CausalContext) {
        let mut fresh = Vec::new();
        let mut rest = DotRange { log: first.log, start: first.seq, len };
        while rest.len > 0 {
            let (gone, taken) = deleted.prefix(rest);
            fresh.push(Piece { first: rest.first(), len: taken, visible: !gone });
            self.visible += if gone { 0 } else { taken };
            rest = DotRange { log: rest.log, start: rest.start + taken, len: rest.len - taken };
        }
        let index = self.split(index, offset);
        let count = fresh.len();
        self.pieces.splice(index..index, fresh);
        self.merge(index.saturating_sub(1), index + count);
    }

    /// Makes a piece start at a place; tells its index.
    fn split(&mut self, index: usize, offset: u64) -> usize {
        let Some(piece) = self.pieces.get_mut(index) else { return self.pieces.len() };
        if offset == 0 {
            return index;
        }
        if offset >= piece.len {
            return index + 1;
        }
        let tail = Piece {
            first: piece.first.plus(offset),
            len: piece.len - offset,
            visible: piece.visible,
        };
        piece.len = offset;
        self.pieces.insert(index + 1, tail);
        index + 1
    }

    /// Joins neighbours that belong together, between two pieces.
    fn merge(&mut self, from: usize, to: usize) {
        let mut index = to.min(self.pieces.len().saturating_sub(1));
        while index > from {
            let pair = self.pieces.get(index - 1).zip(self.pieces.get(index));
            if let Some((before, piece)) = pair
                && before.followed_by(piece)
            {
                let len = piece.len;
                self.pieces.remove(index);
                if let Some(before) = self.pieces.get_mut(index - 1) {
                    before.len += len;
                }
            }
            index -= 1;
        }
    }

    /// Makes dots invisible.
    pub(super) fn hide(&mut self, range: DotRange) {
        let mut hidden = Vec::with_capacity(self.pieces.len() + 2);
        for piece in &self.pieces {
            let (start, end) = (piece.first.seq, piece.first.seq + piece.len);
            let (from, to) = (start.max(range.start), end.min(range.end()));
            if !piece.visible || piece.first.log != range.log || from >= to {
                push(&mut hidden, *piece);
                continue;
            }
            let cut = |from: u64, to: u64, visible: bool| Piece {
                first: Dot { log: range.log, seq: from },
                len: to - from,
                visible,
            };
            for part in [cut(start, from, true), cut(from, to, false), cut(to, end, true)] {
                push(&mut hidden, part);
            }
            self.visible -= to - from;
        }
        self.pieces = hidden;
    }
}

fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.last_mut() {
        _ if piece.len == 0 => {}
        Some(last) if last.followed_by(&piece) => last.len += piece.len,
        _ => pieces.push(piece),
    }
}

/// The element that follows a dot in its run, with its right origin.
fn follower<T>(dot: Dot, runs: &BTreeMap<Dot, Run<T>>) -> Option<(Dot, Option<Dot>)> {
    let (first, run) = runs.range(..=dot).next_back()?;
    let inside = first.log == dot.log && dot.seq - first.seq + 1 < run.values.len() as u64;
    let origin = if run.side == Side::Right { run.right_origin } else { run.parent };
    inside.then(|| (dot.plus(1), origin))
}

/// The last dot of the run that holds a dot.
fn run_end<T>(dot: Dot, runs: &BTreeMap<Dot, Run<T>>) -> Dot {
    match runs.range(..=dot).next_back() {
        Some((first, run)) if first.log == dot.log => first.plus(run.values.len() as u64 - 1),
        _ => dot,
    }
}
