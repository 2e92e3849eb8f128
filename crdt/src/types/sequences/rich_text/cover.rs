//! Which marks cover which characters: a sweep over the order of all characters, deleted ones too.
//!
//! Every place in that order has a number: the `n`th character, from 1, stands at `4n + 1`, the anchor before it at
//! `4n`, the one after it at `4n + 2`. The edges of marks are sorted once, then passed in order.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Formats, Place, dot_of};
use crate::algebra::{Chars, Sequence};
use crate::dot::Dot;
use crate::text_doc::Anchor;
use crate::time::HybridTime;
use crate::value::Value;

/// The anchor before everything, which is after nothing.
const START: u64 = 2;

/// The place of a character.
pub(super) fn of_char(rank: u64) -> u64 {
    4 * rank + 1
}

/// What somebody marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// Which attribute it sets.
    pub key: &'a str,
    /// To what; a null takes it away.
    pub value: &'a Value,
    /// Where it starts.
    pub start: Anchor,
    /// Where it ends.
    pub end: Anchor,
    /// When it was made.
    pub time: HybridTime,
    /// The event of its making.
    pub dot: Dot,
}

/// The marks that show at a place, by key.
pub(super) type Shown<'a> = BTreeMap<&'a str, Mark<'a>>;

/// The marks in no particular order.
pub(super) fn marks(formats: &Formats) -> impl Iterator<Item = Mark<'_>> {
    formats.iter().flat_map(|(place, writings)| {
        let range = match place {
            Place::Range(start, end, key) => Some((*start, *end, key.as_str())),
            Place::Block(..) => None,
        };
        range.into_iter().flat_map(|(start, end, key)| {
            writings.iter().map(move |(dot, (time, value))| Mark {
                key,
                value: &value.0,
                start,
                end,
                time: *time,
                dot,
            })
        })
    })
}

/// An edge of a mark.
struct Edge {
    at: u64,
    mark: usize,
    starts: bool,
}

/// The marks that cover one place after the other.
pub(super) struct Cover<'a> {
    marks: Vec<Mark<'a>>,
    /// The edges not passed yet, the next one last.
    edges: Vec<Edge>,
    /// The marks that cover the place by key, the latest last.
    open: BTreeMap<&'a str, BTreeSet<(HybridTime, Dot, usize)>>,
}

impl<'a> Cover<'a> {
    /// All marks, before the first place. O(pieces + marks log marks).
    pub fn new(chars: &Sequence<char, Chars>, formats: &'a Formats) -> Self {
        let marks: Vec<Mark<'a>> = marks(formats).collect();
        let anchors = marks.iter().flat_map(|mark| [mark.start, mark.end]);
        let ranks = Ranks::of(chars, anchors.filter_map(dot_of).collect());
        let place = |anchor| match anchor {
            Anchor::Start => Some(START),
            Anchor::Before(dot) => ranks.get(dot).map(|rank| 4 * rank),
            Anchor::After(dot) => ranks.get(dot).map(|rank| 4 * rank + 2),
            Anchor::End => Some(u64::MAX),
        };
        let mut edges = Vec::with_capacity(2 * marks.len());
        for (index, mark) in marks.iter().enumerate() {
            if let (Some(from), Some(to)) = (place(mark.start), place(mark.end))
                && from < to
            {
                edges.push(Edge { at: from, mark: index, starts: true });
                edges.push(Edge { at: to, mark: index, starts: false });
            }
        }
        edges.sort_unstable_by_key(|edge| std::cmp::Reverse(edge.at));
        Self { marks, edges, open: BTreeMap::new() }
    }

    /// Passes all edges before a place; tells whether there were any.
    pub fn advance(&mut self, to: u64) -> bool {
        let mut passed = false;
        while let Some(edge) = self.edges.pop_if(|edge| edge.at < to) {
            let Some(mark) = self.marks.get(edge.mark) else { continue };
            let open = self.open.entry(mark.key).or_default();
            if edge.starts {
                open.insert((mark.time, mark.dot, edge.mark));
            } else {
                open.remove(&(mark.time, mark.dot, edge.mark));
            }
            passed = true;
        }
        passed
    }

    /// How many characters from a rank on, up to `most`, are covered by the same marks as that one.
    pub fn same(&self, rank: u64, most: u32) -> u32 {
        let next = self.edges.last().map_or(u64::MAX, |edge| edge.at.div_ceil(4));
        u32::try_from(next.saturating_sub(rank)).map_or(most, |same| same.min(most))
    }

    /// The mark of each key that shows at the place, in the order of keys.
    pub fn shown(&self) -> impl Iterator<Item = &Mark<'a>> {
        let latest = self.open.values().filter_map(|open| open.last());
        let marks = latest.filter_map(|(_, _, mark)| self.marks.get(*mark));
        marks.filter(|mark| *mark.value != Value::Null)
    }

    /// The same by key.
    pub fn by_key(&self) -> Shown<'a> {
        self.shown().map(|mark| (mark.key, *mark)).collect()
    }
}

/// The ranks of some characters, deleted or not, in the order of all; 0 for those not known. Ascending by dot.
struct Ranks(Vec<(Dot, u64)>);

impl Ranks {
    fn of(chars: &Sequence<char, Chars>, mut named: Vec<Dot>) -> Self {
        named.sort_unstable();
        named.dedup();
        let mut ranks: Vec<(Dot, u64)> = named.into_iter().map(|dot| (dot, 0)).collect();
        let mut here = 1;
        let weave = chars.weave().filter(|_| !ranks.is_empty());
        let pieces = weave.into_iter().flat_map(|weave| {
            weave.pieces.iter().map(move |piece| weave.dots_of(piece.first, piece.len()))
        });
        for dots in pieces.flatten() {
            let from = ranks.partition_point(|(dot, _)| *dot < dots.first());
            for (dot, rank) in ranks.iter_mut().skip(from) {
                if dot.log != dots.log || dot.seq >= dots.end() {
                    break;
                }
                *rank = here + (dot.seq - dots.start);
            }
            here += dots.len;
        }
        Self(ranks)
    }

    fn get(&self, dot: Dot) -> Option<u64> {
        let found = self.0.binary_search_by_key(&dot, |(dot, _)| *dot).ok()?;
        self.0.get(found).map(|(_, rank)| *rank).filter(|rank| *rank > 0)
    }
}
