//! Versions of a sequence: what was visible when only some of its events had been seen.

use super::elements::Elements;
use super::pieces::Id;
use super::{Sequence, weave::Weave};
use crate::causal::CausalContext;
use crate::dot::DotRange;

/// A step from one version of a sequence to another, from its start on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patch<V> {
    /// So many elements stay.
    Keep(usize),
    /// So many elements go.
    Delete(usize),
    /// These elements come.
    Insert(V),
}

/// The elements deleted in a version: for each log slots from … to before …, ascending and apart.
struct Deleted(Vec<Vec<(u32, u32)>>);

impl Deleted {
    fn of<E: Elements>(weave: &Weave<E>, version: &CausalContext) -> Self {
        let mut deleted = vec![Vec::new(); weave.logs.len()];
        for log in &weave.logs {
            for deletion in &log.deletions {
                let dots = DotRange {
                    log: log.name,
                    start: u64::from(deletion.seq),
                    len: u64::from(deletion.len()),
                };
                for part in version.overlap(dots) {
                    let small = |seq: u64| u32::try_from(seq).unwrap_or(u32::MAX);
                    let part = deletion.part(small(part.start), small(part.end()));
                    let lowest = part.lowest();
                    if let Some(of_log) = deleted.get_mut(lowest.log as usize) {
                        of_log.push((lowest.at, lowest.at + part.len()));
                    }
                }
            }
        }
        for of_log in &mut deleted {
            of_log.sort_unstable();
            of_log.dedup_by(|next, last| {
                let meets = next.0 <= last.1;
                if meets {
                    last.1 = last.1.max(next.1);
                }
                meets
            });
        }
        Self(deleted)
    }

    /// How many slots from one on are deleted, or, if it is not, are not; at most `len`.
    fn prefix(&self, first: Id, len: u32) -> (bool, u32) {
        let Some(of_log) = self.0.get(first.log as usize) else { return (false, len) };
        let next = of_log.partition_point(|(_, to)| *to <= first.at);
        match of_log.get(next) {
            Some((from, to)) if *from <= first.at => (true, len.min(to - first.at)),
            Some((from, _)) => (false, len.min(from - first.at)),
            None => (false, len),
        }
    }
}

/// What a version shows.
struct Shown<'a> {
    version: &'a CausalContext,
    deleted: Deleted,
}

impl Shown<'_> {
    /// Whether slots of consecutive dots show, up to the first that differs in that.
    fn prefix(&self, first: Id, dots: DotRange) -> (bool, u32) {
        let (seen, len) = self.version.prefix(dots);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        if !seen {
            return (false, len);
        }
        let (deleted, len) = self.deleted.prefix(first, len);
        (!deleted, len)
    }
}

impl<T: Clone + PartialEq, E: Elements<Item = T>> Sequence<T, E> {
    /// What was visible when just the events of `version` had been seen, slice by slice. O(n) in all runs
    /// there ever were.
    pub fn at(&self, version: &CausalContext) -> impl Iterator<Item = &E::Slice> {
        let parts = self.compared(version, version);
        parts.into_iter().filter_map(|(_, to, slice)| to.then_some(slice))
    }

    /// How the one version becomes the other. O(n) in all runs there ever were.
    #[must_use]
    pub fn patches(&self, from: &CausalContext, to: &CausalContext) -> Vec<Patch<&E::Slice>> {
        let mut patches = Vec::new();
        for (before, after, slice) in self.compared(from, to) {
            let len = E::count(slice);
            match (before, after, patches.last_mut()) {
                (true, true, Some(Patch::Keep(more))) => *more += len,
                (true, true, _) => patches.push(Patch::Keep(len)),
                (true, false, Some(Patch::Delete(more))) => *more += len,
                (true, false, _) => patches.push(Patch::Delete(len)),
                (false, true, _) => patches.push(Patch::Insert(slice)),
                (false, false, _) => {}
            }
        }
        patches
    }

    /// Everything that either version shows, in order, with which of them does.
    fn compared(&self, from: &CausalContext, to: &CausalContext) -> Vec<(bool, bool, &E::Slice)> {
        let mut parts = Vec::new();
        let Some(weave) = self.weave() else { return parts };
        let shown = |version| Shown { version, deleted: Deleted::of(weave, version) };
        let (from, to) = (shown(from), shown(to));
        for piece in weave.pieces.iter() {
            let mut first = piece.first;
            for mut dots in weave.dots_of(piece.first, piece.len()) {
                while dots.len > 0 {
                    let ((before, some), (after, more)) =
                        (from.prefix(first, dots), to.prefix(first, dots));
                    let (dropped, most) = self.dropped().prefix(dots);
                    let most = u32::try_from(most).unwrap_or(u32::MAX);
                    let len = some.min(more).min(most);
                    if (before || after) && !dropped {
                        parts.push((before, after, weave.slice(first, len)));
                    }
                    first = first.plus(len);
                    dots.start += u64::from(len);
                    dots.len -= u64::from(len);
                }
            }
        }
        parts
    }
}
