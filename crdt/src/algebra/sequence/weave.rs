//! The placed elements of a sequence: what every log said, and the order that follows from it.
//!
//! The order is the in-order traversal of the FugueMax tree (Weidner & Kleppmann, "The Art of the Fugue",
//! 2023): left children ascend by dot, right children stand by their right origins, the latest first, then by
//! dot. The tree itself is not kept. Where an element goes is read off its neighbours: each record knows its
//! *anchor*, the element in whose right side it is the very first thing, and its *fence*, the element in whose
//! left side it is the very last; both follow from the tree alone. An element whose parent has no child on
//! that side, which is nearly every one, goes right beside it; else the siblings are walked.
#![allow(clippy::indexing_slicing)]

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::elements::{Elements, Unit, Width};
use super::log::{Deletion, Log, Record};
use super::pieces::{Cursor, Id, Moved, Piece, Pieces};
use super::{Run, Side};
use crate::dot::{Dot, DotRange, LogId};
use crate::planted::{self, Bug};

/// Most elements that one log inserts into one sequence.
pub(super) const SLOTS_MAX: u32 = 1 << 30;

/// Who hears of what comes in from elsewhere.
pub(crate) trait Watch<E> {
    /// A run has gone on where it ended: where, its next slot and number, and by how many elements.
    fn typed(&mut self, weave: &Weave<E>, at: Cursor, first: Id, seq: u32, len: u32);

    /// Elements have been placed: where, their first slot, and how many.
    fn inserted(&mut self, weave: &Weave<E>, at: Cursor, first: Id, len: u32);

    /// A log has deleted elements, which were visible from an index on if there is one.
    fn deleted(&mut self, log: u32, deletion: Deletion, index: Option<u32>);
}

impl<E> Watch<E> for () {
    fn typed(&mut self, _: &Weave<E>, _: Cursor, _: Id, _: u32, _: u32) {}

    fn inserted(&mut self, _: &Weave<E>, _: Cursor, _: Id, _: u32) {}

    fn deleted(&mut self, _: u32, _: Deletion, _: Option<u32>) {}
}

/// Where this side edited last.
#[derive(Clone, Copy, Debug)]
struct Recent {
    leaf: u32,
    /// Visible elements before that leaf.
    start: u32,
    /// The piece that a log's last slot ends, the visible index after it, and the log.
    typed: Option<(usize, u32, u32)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Weave<E> {
    pub logs: Vec<Log<E>>,
    names: BTreeMap<LogId, u32>,
    pub pieces: Pieces,
    /// Whether the logs know where their slots stand.
    indexed: bool,
    /// Fences of right children that are not their right origins.
    fences: BTreeMap<Id, Id>,
    recent: Option<Recent>,
}

impl<E> Default for Weave<E> {
    fn default() -> Self {
        Self {
            logs: Vec::new(),
            names: BTreeMap::new(),
            pieces: Pieces::default(),
            indexed: false,
            fences: BTreeMap::new(),
            recent: None,
        }
    }
}

impl<E: Elements> Weave<E> {
    pub fn find_log(&self, name: LogId) -> Option<u32> {
        self.names.get(&name).copied()
    }

    pub fn log(&mut self, name: LogId) -> u32 {
        if let Some(log) = self.find_log(name) {
            return log;
        }
        let log = u32::try_from(self.logs.len()).expect("each log takes more than a byte");
        self.logs.push(Log::new(name));
        self.names.insert(name, log);
        log
    }

    /// The logs by name.
    pub fn named(&self) -> impl Iterator<Item = &Log<E>> {
        self.names.values().map(|log| &self.logs[*log as usize])
    }

    pub fn log_of(&self, name: LogId) -> Option<&Log<E>> {
        Some(&self.logs[self.find_log(name)? as usize])
    }

    pub fn id_of(&self, dot: Dot) -> Option<Id> {
        let log = self.find_log(dot.log)?;
        Some(Id { log, at: self.logs[log as usize].slot_of(dot.seq)? })
    }

    pub fn dot_of(&self, id: Id) -> Dot {
        self.logs[id.log as usize].dot_of(id.at)
    }

    /// The same for a place that may be none.
    pub fn dot_or_none(&self, id: Id) -> Option<Dot> {
        (!id.is_none()).then(|| self.dot_of(id))
    }

    /// The dots of consecutive slots.
    pub fn dots_of(&self, first: Id, len: u32) -> impl Iterator<Item = DotRange> {
        let log = &self.logs[first.log as usize];
        let (mut slot, end) = (first.at, first.at + len);
        let mut index = log.record_of(slot);
        std::iter::from_fn(move || {
            if slot >= end {
                return None;
            }
            let (record, until) = (&log.records[index], log.end_of(index).min(end));
            let start = u64::from(record.seq + (slot - record.slot()));
            let range = DotRange { log: log.name, start, len: u64::from(until - slot) };
            (slot, index) = (until, index + 1);
            Some(range)
        })
    }

    pub fn slice(&self, first: Id, len: u32) -> &E::Slice {
        self.logs[first.log as usize].elements.part(first.at, len)
    }

    pub fn width(&self, first: Id, len: u32) -> Width {
        self.logs[first.log as usize].elements.width(first.at, len)
    }

    pub fn len(&self) -> u32 {
        self.pieces.total().items
    }

    fn anchor(&self, id: Id) -> Id {
        let log = &self.logs[id.log as usize];
        let record = &log.records[log.record_of(id.at)];
        if record.slot() == id.at { record.anchor() } else { Id { log: id.log, at: id.at - 1 } }
    }

    fn fence(&self, id: Id) -> Id {
        if id.is_none() {
            return Id::NONE;
        }
        let log = &self.logs[id.log as usize];
        let record = &log.records[log.record_of(id.at)];
        if record.is_left() {
            return record.parent;
        }
        let first = Id { log: id.log, at: record.slot() };
        self.fences.get(&first).copied().unwrap_or_else(|| record.origin())
    }

    /// Where an element stands. O(log n) once the logs are indexed, else O(n).
    pub fn locate(&self, id: Id) -> Cursor {
        let found = if self.indexed {
            let leaves = &self.logs[id.log as usize].leaves;
            let leaf = leaves.range(..=id.at).next_back();
            leaf.and_then(|(_, leaf)| self.pieces.find_in(*leaf, id))
        } else {
            self.pieces.leaves().find_map(|(leaf, _)| self.pieces.find_in(leaf, id))
        };
        found.expect("every slot is in one piece")
    }

    /// Lets the logs know where their slots stand.
    fn index(&mut self) {
        if self.indexed {
            return;
        }
        self.indexed = true;
        let mut places: Vec<(Id, u32)> = Vec::new();
        for (leaf, pieces) in self.pieces.leaves() {
            places.extend(pieces.iter().map(|piece| (piece.first, leaf)));
        }
        places.sort_unstable();
        places.dedup_by(|next, last| last.0.log == next.0.log && last.1 == next.1);
        for (log, known) in (0..).zip(&mut self.logs) {
            let from = places.partition_point(|(id, _)| id.log < log);
            let to = places.partition_point(|(id, _)| id.log <= log);
            known.leaves = places[from..to].iter().map(|(id, leaf)| (id.at, *leaf)).collect();
        }
    }

    /// Notes that slots stand in a leaf.
    fn settle(&mut self, first: Id, len: u32, leaf: u32) {
        let leaves = &mut self.logs[first.log as usize].leaves;
        let end = first.at + len;
        if leaves.last_key_value().is_some_and(|(at, last)| *at <= first.at && *last == leaf) {
            return;
        }
        let before = leaves.range(..first.at).next_back().map(|(_, leaf)| *leaf);
        let mut through = before;
        while let Some((at, old)) =
            leaves.range(first.at..end).next().map(|(at, leaf)| (*at, *leaf))
        {
            through = Some(old);
            leaves.remove(&at);
        }
        if let Some(old) = through.filter(|old| *old != leaf)
            && end < self.logs[first.log as usize].elements.len()
            && !self.logs[first.log as usize].leaves.contains_key(&end)
        {
            self.logs[first.log as usize].leaves.insert(end, old);
        }
        if before != Some(leaf) {
            self.logs[first.log as usize].leaves.insert(first.at, leaf);
        }
    }

    fn moved(&mut self, moved: Option<Moved>) {
        if let Some(moved) = moved.filter(|_| self.indexed) {
            for piece in self.pieces.of_leaf(moved.to).to_vec() {
                self.settle(piece.first, piece.len(), moved.to);
            }
        }
    }

    /// Puts elements that are pushed already after an element, or first.
    fn put(&mut self, after: Option<Cursor>, first: Id, len: u32) -> Cursor {
        let width = self.width(first, len);
        let logs = &self.logs;
        let width_of = |piece: Piece| {
            logs[piece.first.log as usize].elements.width(piece.first.at, piece.len())
        };
        let piece = Piece::new(first, len, true);
        let (cursor, moved) = self.pieces.insert(after, piece, width, width_of);
        if self.indexed {
            let leaf = moved.map_or(cursor.leaf, |_| after.map_or(0, |after| after.leaf));
            self.settle(first, len, leaf);
            self.moved(moved);
        }
        cursor
    }

    /// Hides what is visible of consecutive slots.
    pub fn hide(&mut self, first: Id, len: u32) {
        self.index();
        self.recent = None;
        let mut at = 0;
        while at < len {
            let cursor = self.locate(first.plus(at));
            let piece = self.pieces.piece(cursor);
            let count = (piece.len() - cursor.offset).min(len - at);
            if piece.visible() {
                self.hide_at(cursor, count);
            }
            at += count;
        }
    }

    /// Shows or hides one element.
    pub fn set_visible(&mut self, id: Id, visible: bool) {
        self.index();
        self.recent = None;
        let cursor = self.locate(id);
        if self.pieces.piece(cursor).visible() == visible {
            return;
        }
        if !visible {
            return self.hide_at(cursor, 1);
        }
        let width = self.width(id, 1);
        let logs = &self.logs;
        let width_of = |piece: Piece| {
            logs[piece.first.log as usize].elements.width(piece.first.at, piece.len())
        };
        let moved = self.pieces.show(cursor, 1, width, width_of);
        self.moved(moved);
    }

    fn hide_at(&mut self, cursor: Cursor, count: u32) {
        let width = self.width(self.pieces.id(cursor), count);
        let logs = &self.logs;
        let width_of = |piece: Piece| {
            logs[piece.first.log as usize].elements.width(piece.first.at, piece.len())
        };
        let moved = self.pieces.hide(cursor, count, width, width_of);
        self.moved(moved);
    }

    /// The visible element at an index.
    pub fn find(&self, index: u32) -> Option<Cursor> {
        Some(self.find_near(index)?.0)
    }

    /// The same, with how many are visible before its leaf.
    fn find_near(&self, index: u32) -> Option<(Cursor, u32)> {
        if let Some(recent) = self.recent
            && let Some(by) = index.checked_sub(recent.start)
            && let Some(cursor) = self.pieces.find_visible_in(recent.leaf, by)
        {
            return Some((cursor, recent.start));
        }
        self.pieces.find_visible(index)
    }

    /// Inserts before a visible index, as the events of `log` from `seq` on; tells the first slot. The index is
    /// inside, and so are the numbers.
    pub fn insert_at(&mut self, log: u32, seq: u32, index: u32, values: &E::Slice) -> Id {
        let known = &mut self.logs[log as usize];
        let slot = known.elements.len();
        let first = Id { log, at: slot };
        if let Some(recent) = self.recent
            && let Some((piece, end, typed)) = recent.typed
            && (end, typed) == (index, log)
            && known.records.last().is_some_and(|last| last.seq + (slot - last.slot()) == seq)
        {
            known.elements.push(values);
            let len = known.elements.len() - slot;
            let width = known.elements.width(slot, len);
            self.pieces.extend(recent.leaf, piece, width);
            self.recent = Some(Recent { typed: Some((piece, end + len, log)), ..recent });
            return first;
        }
        let (after, start) = match index.checked_sub(1) {
            None => (None, 0),
            Some(before) => {
                let (cursor, start) = self.find_near(before).expect("the index is inside");
                (Some(cursor), start)
            }
        };
        match self.slot_after(after) {
            (parent, Side::Left, _) => {
                let anchor = after.map_or(Id::NONE, |after| self.pieces.id(after));
                self.logs[log as usize].add_record(Record::left(slot, seq, parent, anchor));
            }
            (parent, Side::Right, origin) => self.add_right(first, seq, parent, origin),
        }
        let known = &mut self.logs[log as usize];
        known.elements.push(values);
        let len = known.elements.len() - slot;
        let leaf = after.map_or(0, |after| after.leaf);
        let cursor = self.put(after, first, len);
        let typed = Some((cursor.index, index + len, log));
        self.recent = (cursor.leaf == leaf).then_some(Recent { leaf, start, typed });
        first
    }

    /// Inserts right before an element, deleted or not, as the events of `log` from `seq` on.
    pub fn insert_before(
        &mut self,
        log: u32,
        seq: u32,
        id: Id,
        values: &E::Slice,
        watch: &mut impl Watch<E>,
    ) {
        let next = self.locate(id);
        let place = self.slot_between(self.pieces.prev(next), Some(next));
        let first = Id { log, at: self.logs[log as usize].elements.len() };
        let cursor = self.place_at(log, seq, place, values);
        let len = self.logs[log as usize].elements.len() - first.at;
        watch.inserted(self, cursor, first, len);
    }

    /// Deletes visible elements, as the events of `log` from `seq` on, the last one first if `backward`. The
    /// range is inside.
    pub fn delete_at(&mut self, log: u32, mut seq: u32, index: u32, len: u32, backward: bool) {
        let mut left = len;
        while left > 0 {
            let index = if backward { index + left - 1 } else { index };
            let (mut cursor, start) = self.find_near(index).expect("the range is inside");
            let target = self.pieces.id(cursor);
            let count = if backward {
                let count = left.min(cursor.offset + 1);
                cursor.offset -= count - 1;
                count
            } else {
                left.min(self.pieces.piece(cursor).len() - cursor.offset)
            };
            self.hide_at(cursor, count);
            self.note_deletion(log, Deletion::new(seq, target, count, backward && count > 1));
            self.recent = Some(Recent { leaf: cursor.leaf, start, typed: None });
            seq += count;
            left -= count;
        }
    }

    /// Deletes elements by their slots, visible or not, as events of `log`; shows each part.
    pub fn delete(&mut self, log: u32, deletion: Deletion, watch: &mut impl Watch<E>) {
        self.index();
        self.recent = None;
        self.note_deletion(log, deletion);
        let mut seq = deletion.seq;
        while seq < deletion.end() {
            let left = deletion.part(seq, deletion.end());
            let mut cursor = self.locate(left.target);
            let piece = self.pieces.piece(cursor);
            let count = if left.backward() {
                let count = left.len().min(cursor.offset + 1);
                cursor.offset -= count - 1;
                count
            } else {
                left.len().min(piece.len() - cursor.offset)
            };
            let index = piece.visible().then(|| {
                let index = self.width_before(cursor).items;
                self.hide_at(cursor, count);
                index
            });
            watch.deleted(log, deletion.part(seq, seq + count), index);
            seq += count;
        }
    }

    /// Notes a run of right children, as more of the log's last run if it is that.
    fn add_right(&mut self, first: Id, seq: u32, parent: Id, origin: Id) {
        let log = &mut self.logs[first.log as usize];
        if let Some(last) = log.records.last()
            && parent.log == first.log
            && parent.at + 1 == first.at
            && last.seq + (first.at - last.slot()) == seq
            && last.origin() == origin
        {
            return;
        }
        log.add_record(Record::right(first.at, seq, parent, origin));
        let fence = self.fence(parent);
        if fence != origin {
            self.fences.insert(first, fence);
        }
    }

    /// Places a run of a new range of dots; `None` if what it refers to is not known, or it is too much.
    pub fn place(
        &mut self,
        run: &Run<'_, E::Slice>,
        watch: &mut impl Watch<E>,
    ) -> Option<(Id, u32)> {
        let parent = self.known(run.parent)?;
        let origin = self.known(run.right)?;
        let seq = u32::try_from(run.first.seq).ok()?;
        let len = u32::try_from(E::count(run.values)).ok().filter(|len| *len <= SLOTS_MAX)?;
        seq.checked_add(len)?;
        let log = self.log(run.first.log);
        let at = self.logs[log as usize].elements.len();
        if at + len > SLOTS_MAX {
            return None;
        }
        let first = Id { log, at };
        if run.side == Side::Right
            && let Some(cursor) = self.continue_typing(first, seq, parent, origin, run.values)
        {
            watch.typed(self, cursor, first, seq, len);
            return Some((first, len));
        }
        let cursor = self.place_at(log, seq, (parent, run.side, origin), run.values);
        watch.inserted(self, cursor, first, len);
        Some((first, len))
    }

    /// Lets a log's last run go on where it ended, if it does and nothing has come in between. The right
    /// origin was there before the run, so it cannot be a child of it.
    fn continue_typing(
        &mut self,
        first: Id,
        seq: u32,
        parent: Id,
        origin: Id,
        values: &E::Slice,
    ) -> Option<Cursor> {
        let log = &self.logs[first.log as usize];
        let last = log.records.last()?;
        let continues = parent.log == first.log
            && parent.at + 1 == first.at
            && last.seq + (first.at - last.slot()) == seq
            && last.origin() == origin;
        if !continues {
            return None;
        }
        self.index();
        let tail = self.logs[first.log as usize].tail;
        let host = self.pieces.ends_at(tail, parent).unwrap_or_else(|| self.locate(parent));
        let piece = self.pieces.piece(host);
        let next = self.pieces.next(host).map_or(Id::NONE, |next| self.pieces.id(next));
        if host.offset + 1 < piece.len() || !piece.visible() || next != origin {
            return None;
        }
        self.recent = None;
        let log = &mut self.logs[first.log as usize];
        log.tail = (host.leaf, host.index);
        log.elements.push(values);
        let width = log.elements.width(first.at, log.elements.len() - first.at);
        self.pieces.extend(host.leaf, host.index, width);
        Some(Cursor { offset: host.offset + 1, ..host })
    }

    /// Puts a run where its parent, side and right origin say.
    pub fn place_at(
        &mut self,
        log: u32,
        seq: u32,
        (parent, side, origin): (Id, Side, Id),
        values: &E::Slice,
    ) -> Cursor {
        let known = &self.logs[log as usize];
        let (dot, at) = (known.dot(seq), known.elements.len());
        let first = Id { log, at };
        self.index();
        self.recent = None;
        let after = match side {
            Side::Left => self.before_parent(dot, parent),
            Side::Right => self.after_parent(dot, parent, origin),
        };
        match side {
            Side::Left => {
                let anchor = self.anchor(parent);
                let record = Record::left(at, seq, parent, anchor);
                self.logs[log as usize].add_record(record);
            }
            Side::Right => self.add_right(first, seq, parent, origin),
        }
        let elements = &mut self.logs[log as usize].elements;
        elements.push(values);
        let len = elements.len() - at;
        self.put(after, first, len)
    }

    fn known(&self, dot: Option<Dot>) -> Option<Id> {
        match dot {
            None => Some(Id::NONE),
            Some(dot) => self.id_of(dot),
        }
    }

    /// Behind which element a left child of `parent` goes.
    fn before_parent(&self, dot: Dot, parent: Id) -> Option<Cursor> {
        let host = self.locate(parent);
        let mut last = self.pieces.prev(host)?;
        if self.fence(self.pieces.id(last)) != parent {
            return Some(last);
        }
        loop {
            let root = self.left_child_above(self.pieces.id(last), parent);
            if dot > self.dot_of(root) {
                return Some(last);
            }
            let mut at = self.pieces.prev(self.locate(root));
            last = loop {
                let here = at?;
                let fence = self.fence(self.pieces.id(here));
                if fence == parent {
                    break here;
                }
                let outside = fence.is_none()
                    || self.pieces.compare(self.locate(fence), host) == Ordering::Greater;
                if outside {
                    return Some(here);
                }
                at = self.pieces.prev(self.start_of_segment(here));
            };
        }
    }

    /// The left child of `parent` in whose subtree the last element is `id`.
    fn left_child_above(&self, mut id: Id, parent: Id) -> Id {
        loop {
            let log = &self.logs[id.log as usize];
            let record = &log.records[log.record_of(id.at)];
            if record.is_left() && record.parent == parent {
                return Id { log: id.log, at: record.slot() };
            }
            id = record.parent;
        }
    }

    /// Behind which element a right child of `parent` goes.
    fn after_parent(&self, dot: Dot, parent: Id, origin: Id) -> Option<Cursor> {
        let host = (!parent.is_none()).then(|| self.locate(parent));
        let mut next = match host {
            None => self.pieces.first(),
            Some(host) => self.pieces.next(host),
        };
        let mut after = host;
        loop {
            let Some(first) = next.filter(|next| self.anchor(self.pieces.id(*next)) == parent)
            else {
                return after;
            };
            let (child, child_origin) = self.right_child_above(self.pieces.id(first), parent);
            let later = self.compare_origins(child_origin, origin);
            let tie = || match planted::is(Bug::SiblingsByArrival) {
                true => Ordering::Less,
                false => dot.cmp(&self.dot_of(child)),
            };
            if later.then_with(tie) == Ordering::Less {
                return after;
            }
            let mut at = self.locate(child);
            next = loop {
                at = self.end_of_segment(at);
                after = Some(at);
                let Some(here) = self.pieces.next(at) else { break None };
                let anchor = self.anchor(self.pieces.id(here));
                if anchor == parent {
                    break Some(here);
                }
                let inside = anchor == self.pieces.id(at)
                    || (!anchor.is_none()
                        && host.is_none_or(|host| {
                            self.pieces.compare(self.locate(anchor), host) == Ordering::Greater
                        }));
                if !inside {
                    break None;
                }
                at = here;
            };
        }
    }

    /// The right child of `parent` in whose subtree the first element is `id`, with its right origin.
    fn right_child_above(&self, mut id: Id, parent: Id) -> (Id, Id) {
        loop {
            let log = &self.logs[id.log as usize];
            let record = &log.records[log.record_of(id.at)];
            if record.slot() != id.at || record.parent == parent && !record.is_left() {
                return (id, record.origin());
            }
            id = record.parent;
        }
    }

    /// How two right origins are ordered in the sequence; the end is the greatest.
    fn compare_origins(&self, one: Id, other: Id) -> Ordering {
        match (one.is_none(), other.is_none()) {
            _ if one == other => Ordering::Equal,
            (true, _) => Ordering::Greater,
            (_, true) => Ordering::Less,
            _ => self.pieces.compare(self.locate(one), self.locate(other)),
        }
    }

    /// The last element that surely belongs together with one: of the same piece and record.
    fn end_of_segment(&self, at: Cursor) -> Cursor {
        let (piece, id) = (self.pieces.piece(at), self.pieces.id(at));
        let log = &self.logs[id.log as usize];
        let end = log.end_of(log.record_of(id.at)).min(piece.last().at + 1);
        Cursor { offset: end - 1 - piece.first.at, ..at }
    }

    fn start_of_segment(&self, at: Cursor) -> Cursor {
        let (piece, id) = (self.pieces.piece(at), self.pieces.id(at));
        let log = &self.logs[id.log as usize];
        let start = log.records[log.record_of(id.at)].slot().max(piece.first.at);
        Cursor { offset: start - piece.first.at, ..at }
    }

    /// Notes what a log deleted.
    pub fn note_deletion(&mut self, log: u32, deletion: Deletion) {
        self.logs[log as usize].add_deletion(deletion);
    }

    /// How much is visible before an element.
    pub fn width_before(&self, at: Cursor) -> Width {
        self.pieces.width_before(at, |first, len| self.width(first, len))
    }

    /// The visible element that holds a unit, and the units of it before that.
    pub fn find_unit(&self, unit: Unit, position: u32) -> Option<(Cursor, u32)> {
        self.pieces.find(unit, position, |first, len| self.width(first, len))
    }

    /// What an insertion after an element, deleted or not, or at the start hangs on: parent, side, right origin.
    pub fn slot_after(&self, after: Option<Cursor>) -> (Id, Side, Id) {
        let next = match after {
            None => self.pieces.first(),
            Some(after) => self.pieces.next(after),
        };
        self.slot_between(after, next)
    }

    /// The same between two elements that stand next to each other.
    pub fn slot_between(&self, before: Option<Cursor>, next: Option<Cursor>) -> (Id, Side, Id) {
        let left = before.map_or(Id::NONE, |before| self.pieces.id(before));
        let right = next.map_or(Id::NONE, |next| self.pieces.id(next));
        if !right.is_none() && self.anchor(right) == left {
            (right, Side::Left, Id::NONE)
        } else {
            (left, Side::Right, right)
        }
    }

    /// What an element hangs on, and the number of its dot.
    pub fn record_of(&self, id: Id) -> ((Id, Side, Id), u32) {
        let log = &self.logs[id.log as usize];
        let record = &log.records[log.record_of(id.at)];
        let seq = record.seq + (id.at - record.slot());
        if record.slot() != id.at {
            ((Id { log: id.log, at: id.at - 1 }, Side::Right, record.origin()), seq)
        } else if record.is_left() {
            ((record.parent, Side::Left, Id::NONE), seq)
        } else {
            ((record.parent, Side::Right, record.origin()), seq)
        }
    }

    /// Puts other elements, as many, in place of those that are there.
    pub fn replace_elements(&mut self, elements: Vec<E>) {
        for (log, elements) in self.logs.iter_mut().zip(elements) {
            log.elements = elements;
        }
        let logs = &self.logs;
        let width_of = |piece: Piece| {
            logs[piece.first.log as usize].elements.width(piece.first.at, piece.len())
        };
        self.pieces = Pieces::build(self.pieces.iter(), width_of);
        self.recent = None;
        self.indexed = false;
    }
}
