//! What one log has said in a sequence: the elements it inserted, where, and the elements it deleted.
//!
//! Elements are numbered by *slots* in the order in which they came; a [`Record`] says where a run of them
//! hangs in the tree. Records and deletions are kept run by run, and found by dot or by slot in O(log n).
#![allow(clippy::indexing_slicing)]

use std::collections::BTreeMap;

use super::elements::Elements;
use super::pieces::Id;
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange, LogId};

const LEFT: u32 = 1 << 31;

/// A run: consecutive dots in consecutive slots, each the right child of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// First slot, and in the highest bit whether it is a left child.
    slot: u32,
    /// Sequence number of the first dot.
    pub seq: u32,
    /// What the first element hangs on.
    pub parent: Id,
    /// Of a right child its right origin; of a left child its anchor: the element whose right side it is in.
    other: Id,
}

impl Record {
    pub fn left(slot: u32, seq: u32, parent: Id, anchor: Id) -> Self {
        Self { slot: slot | LEFT, seq, parent, other: anchor }
    }

    pub fn right(slot: u32, seq: u32, parent: Id, origin: Id) -> Self {
        Self { slot, seq, parent, other: origin }
    }

    pub fn slot(&self) -> u32 {
        self.slot & !LEFT
    }

    pub fn is_left(&self) -> bool {
        self.slot & LEFT != 0
    }

    /// What the elements after the first have as their right origin.
    pub fn origin(&self) -> Id {
        if self.is_left() { self.parent } else { self.other }
    }

    /// The element in whose right side the first one is the very first thing.
    pub fn anchor(&self) -> Id {
        if self.is_left() { self.other } else { self.parent }
    }
}

/// Elements that one log deleted one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// Sequence number of the first.
    pub seq: u32,
    /// The first one deleted.
    pub target: Id,
    /// How many, and in the highest bit whether towards lower slots.
    size: u32,
}

impl Deletion {
    pub fn new(seq: u32, target: Id, len: u32, backward: bool) -> Self {
        Self { seq, target, size: if backward { len | LEFT } else { len } }
    }

    pub fn len(&self) -> u32 {
        self.size & !LEFT
    }

    pub fn backward(&self) -> bool {
        self.size & LEFT != 0
    }

    pub fn end(&self) -> u32 {
        self.seq + self.len()
    }

    /// The lowest slot deleted.
    pub fn lowest(&self) -> Id {
        if self.backward() {
            Id { log: self.target.log, at: self.target.at + 1 - self.len() }
        } else {
            self.target
        }
    }

    /// What the dots from `from` to before `to` deleted.
    pub fn part(&self, from: u32, to: u32) -> Self {
        let by = from - self.seq;
        let at = if self.backward() { self.target.at - by } else { self.target.at + by };
        Self::new(from, Id { log: self.target.log, at }, to - from, self.backward())
    }

    /// Takes in what follows, if it is more of the same; tells whether it is.
    pub fn append(&mut self, next: &Self) -> bool {
        if self.end() != next.seq || self.target.log != next.target.log {
            return false;
        }
        let (len, more) = (self.len(), next.len());
        let same = |backward| {
            (len == 1 || self.backward() == backward) && (more == 1 || next.backward() == backward)
        };
        let forward = self.target.at.checked_add(len) == Some(next.target.at);
        let backward = self.target.at.checked_sub(len) == Some(next.target.at);
        if forward && same(false) {
            *self = Self::new(self.seq, self.target, len + more, false);
        } else if backward && same(true) {
            *self = Self::new(self.seq, self.target, len + more, true);
        } else {
            return false;
        }
        true
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Log<E> {
    pub name: LogId,
    pub elements: E,
    pub records: Vec<Record>,
    /// The records by sequence number, once they are not in that order by themselves.
    by_seq: Option<Vec<u32>>,
    pub deletions: Vec<Deletion>,
    /// How many deletions there are.
    deleted: u32,
    /// The leaf and the piece that probably ends with the last slot.
    pub tail: (u32, usize),
    /// Where slots stand: from each key on, up to the next, in this leaf.
    pub leaves: BTreeMap<u32, u32>,
}

impl<E: Elements> Log<E> {
    pub fn new(name: LogId) -> Self {
        Self {
            name,
            elements: E::default(),
            records: Vec::new(),
            by_seq: None,
            deletions: Vec::new(),
            deleted: 0,
            tail: (0, 0),
            leaves: BTreeMap::new(),
        }
    }

    pub fn dot(&self, seq: u32) -> Dot {
        Dot { log: self.name, seq: u64::from(seq) }
    }

    /// The slot after a record's last.
    pub fn end_of(&self, record: usize) -> u32 {
        self.records.get(record + 1).map_or_else(|| self.elements.len(), Record::slot)
    }

    pub fn len_of(&self, record: usize) -> u32 {
        self.end_of(record) - self.records[record].slot()
    }

    /// The record that holds a slot.
    pub fn record_of(&self, slot: u32) -> usize {
        match self.records.last() {
            Some(last) if last.slot() <= slot => self.records.len() - 1,
            _ => self.records.partition_point(|record| record.slot() <= slot) - 1,
        }
    }

    /// The dot of a slot.
    pub fn dot_of(&self, slot: u32) -> Dot {
        let record = &self.records[self.record_of(slot)];
        self.dot(record.seq + (slot - record.slot()))
    }

    /// The record that starts last at or before a sequence number, in order of sequence numbers: its rank.
    fn rank_of(&self, seq: u32) -> Option<usize> {
        let count = match &self.by_seq {
            None => match self.records.last() {
                Some(last) if last.seq <= seq => self.records.len(),
                _ => self.records.partition_point(|record| record.seq <= seq),
            },
            Some(order) => {
                order.partition_point(|record| self.records[*record as usize].seq <= seq)
            }
        };
        count.checked_sub(1)
    }

    /// The record of a rank.
    pub fn ranked(&self, rank: usize) -> Option<usize> {
        match &self.by_seq {
            None => (rank < self.records.len()).then_some(rank),
            Some(order) => order.get(rank).map(|record| *record as usize),
        }
    }

    /// The slot of a dot.
    pub fn slot_of(&self, seq: u64) -> Option<u32> {
        let seq = u32::try_from(seq).ok()?;
        let record = self.ranked(self.rank_of(seq)?)?;
        let by = seq - self.records[record].seq;
        (by < self.len_of(record)).then(|| self.records[record].slot() + by)
    }

    /// The parts of a range of dots that are elements here, with their first slots.
    pub fn inserted(&self, range: DotRange) -> impl Iterator<Item = (u32, DotRange)> {
        let start = u32::try_from(range.start).unwrap_or(u32::MAX);
        let mut rank = self.rank_of(start).unwrap_or(0);
        std::iter::from_fn(move || {
            loop {
                let index = self.ranked(rank)?;
                let record = &self.records[index];
                let (first, len) = (u64::from(record.seq), u64::from(self.len_of(index)));
                if first >= range.end() {
                    return None;
                }
                rank += 1;
                let (from, to) = (first.max(range.start), (first + len).min(range.end()));
                if from < to {
                    let by = u32::try_from(from - first).unwrap_or(0);
                    let part = DotRange { log: self.name, start: from, len: to - from };
                    return Some((record.slot() + by, part));
                }
            }
        })
    }

    /// The deletions among a range of dots.
    pub fn deleted(&self, range: DotRange) -> impl Iterator<Item = Deletion> {
        let from = self.deletions.partition_point(|known| u64::from(known.end()) <= range.start);
        let known = self.deletions[from..].iter();
        known.take_while(move |known| u64::from(known.seq) < range.end()).map(move |known| {
            let from = u64::from(known.seq).max(range.start);
            let to = u64::from(known.end()).min(range.end());
            let small = |seq| u32::try_from(seq).unwrap_or(u32::MAX);
            known.part(small(from), small(to))
        })
    }

    /// The dots of all events.
    pub fn dots(&self) -> CausalContext {
        let mut dots = CausalContext::default();
        let end = self.end();
        if end - 1 == u64::from(self.elements.len() + self.deleted) {
            dots.insert_range(DotRange { log: self.name, start: 1, len: end - 1 });
            return dots;
        }
        let all = DotRange { log: self.name, start: 1, len: end };
        for (_, part) in self.inserted(all) {
            dots.insert_range(part);
        }
        for deletion in &self.deletions {
            let (start, len) = (u64::from(deletion.seq), u64::from(deletion.len()));
            dots.insert_range(DotRange { log: self.name, start, len });
        }
        dots
    }

    /// The sequence number after the last event.
    pub fn end(&self) -> u64 {
        let inserted = self.records.len().checked_sub(1).and_then(|rank| self.ranked(rank));
        let inserted = inserted
            .map_or(1, |last| u64::from(self.records[last].seq) + u64::from(self.len_of(last)));
        let deleted = self.deletions.last().map_or(1, |last| u64::from(last.end()));
        inserted.max(deleted)
    }

    /// Notes where the elements that come next hang.
    pub fn add_record(&mut self, record: Record) {
        let index = self.records.len();
        let ordered = self.records.last().is_none_or(|last| last.seq < record.seq);
        if self.by_seq.is_none() && !ordered {
            self.by_seq = Some((0..u32::try_from(index).unwrap_or(u32::MAX)).collect());
        }
        if let Some(order) = &mut self.by_seq {
            let records = &self.records;
            let rank = order.partition_point(|known| records[*known as usize].seq < record.seq);
            order.insert(rank, u32::try_from(index).unwrap_or(u32::MAX));
        }
        self.records.push(record);
    }

    /// Notes a deletion.
    pub fn add_deletion(&mut self, deletion: Deletion) {
        self.deleted += deletion.len();
        match self.deletions.last_mut() {
            Some(last) if last.seq > deletion.seq => {
                let at = self.deletions.partition_point(|known| known.seq < deletion.seq);
                self.deletions.insert(at, deletion);
            }
            Some(last) => {
                if !last.append(&deletion) {
                    self.deletions.push(deletion);
                }
            }
            None => self.deletions.push(deletion),
        }
    }
}
