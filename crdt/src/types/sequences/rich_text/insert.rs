//! Where insertions go among deleted characters, and deleted characters that are brought back with their formats.

use std::collections::BTreeMap;

use super::RichText;
use super::cover::{Cover, marks, of_char};
use super::place::{Layer, Place, Writing, and, dot_of};
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange};
use crate::store::Change;
use crate::text_doc::Anchor;
use crate::types::sequences::Text;

impl RichText {
    /// After which deleted character something inserted before an index goes; `None` if right after the visible one.
    ///
    /// Of the gaps between the characters that were deleted there it is the one with the fewest edges of marks on
    /// the wrong side, the first of these: what is inserted at an edge comes before an anchor that is before a
    /// character, and after one that is after a character (Litt et al. 2022, where the last anchor of the second
    /// sort decides).
    pub(super) fn seat(&self, index: usize) -> Option<Dot> {
        let gone = self.gone_after(index);
        if gone.is_empty() || self.1.is_empty() {
            return None;
        }
        let mut before = 0;
        let places = gone.into_iter().map(|range| {
            before += range.len;
            (range.first(), (range, before - range.len))
        });
        let places: BTreeMap<Dot, (DotRange, u64)> = places.collect();
        let place_of = |dot: Dot| {
            let (_, (range, before)) = places.range(..=dot).next_back()?;
            offset_in(range, dot).map(|offset| before + offset)
        };
        let mut wrong = 0_i64;
        let mut turns: BTreeMap<u64, (Dot, i64)> = BTreeMap::new();
        for anchor in marks(&self.1).flat_map(|mark| [mark.start, mark.end]) {
            let Some(dot) = dot_of(anchor) else { continue };
            let Some(place) = place_of(dot) else { continue };
            let after = matches!(anchor, Anchor::After(_));
            wrong += i64::from(after);
            turns.entry(place).or_insert((dot, 0)).1 += if after { -1 } else { 1 };
        }
        let (mut best, mut fewest) = (None, wrong);
        for (dot, turn) in turns.into_values() {
            wrong += turn;
            if wrong < fewest {
                (best, fewest) = (Some(dot), wrong);
            }
        }
        best
    }

    /// The deleted characters between the visible one before an index and the next visible one.
    fn gone_after(&self, index: usize) -> Vec<DotRange> {
        let mut gone = Vec::new();
        let Some(weave) = self.0.chars().weave() else { return gone };
        let before = index.checked_sub(1).and_then(|at| weave.find(u32::try_from(at).ok()?));
        let from = match before {
            Some(cursor) if cursor.offset + 1 < weave.pieces.piece(cursor).len() => return gone,
            Some(cursor) => weave.pieces.next_piece(cursor),
            None => weave.pieces.first(),
        };
        let Some(from) = from else { return gone };
        for piece in weave.pieces.iter_from(from).take_while(|piece| !piece.visible()) {
            gone.extend(weave.dots_of(piece.first, piece.len()));
        }
        gone
    }

    /// Inserts characters that were deleted once more where they stood, and lets the formats that hang on them
    /// hang on those; returns the delta, `None` if one is unknown.
    ///
    /// The new dots are in the order of the old ones as given, then come those of the formats in the order of
    /// theirs. Formats keep their times, so whatever was written over them since still is.
    pub(super) fn bring_back(&self, change: &mut Change, spans: &[DotRange]) -> Option<Self> {
        let mut text = Text::default();
        let mut stands_for = BTreeMap::new();
        for old in self.rows(spans)? {
            let last = old.first().plus(old.len - 1);
            let inserted = self.0.insert_after(change, Some(last), &self.0.text_of(&[old])?)?;
            stands_for.insert(old.first(), (old, inserted.chars().first_inserted()?.first()));
            text = and(text, inserted);
        }
        let latest = |dot: Dot| {
            let (_, (old, new)) = stands_for.range(..=dot).next_back()?;
            offset_in(old, dot).map(|offset| new.plus(offset))
        };
        let mut moved = BTreeMap::new();
        for (place, writings) in self.1.iter() {
            let Some(place) = behind(place, latest) else { continue };
            for (dot, (time, value)) in writings.iter() {
                let (time, value) = (*time, value.0.clone());
                moved.insert(dot, Writing { place: place.clone(), time, value });
            }
        }
        let mut formats = Layer::default();
        for (dot, writing) in moved {
            change.forget(dot);
            formats.add(change.dot(), writing);
        }
        Some(Self(text, formats.done()))
    }

    /// Cuts characters into rows that stand side by side between the same marks, in the order they are given in.
    fn rows(&self, spans: &[DotRange]) -> Option<Vec<DotRange>> {
        let mut wanted = CausalContext::default();
        let mut order = BTreeMap::new();
        let mut missing = 0_u64;
        for (index, span) in spans.iter().enumerate().filter(|(_, span)| span.len > 0) {
            wanted.insert_range(*span);
            order.insert(span.first(), index);
            missing = missing.checked_add(span.len)?;
        }
        let mut rows = Vec::new();
        let Some(weave) = self.0.chars().weave() else { return (missing == 0).then_some(rows) };
        let mut cover = Cover::new(self.0.chars(), &self.1);
        let mut rank = 1;
        for piece in weave.pieces.iter() {
            for dots in weave.dots_of(piece.first, piece.len()) {
                for mut part in wanted.overlap(dots) {
                    missing = missing.checked_sub(part.len)?;
                    while part.len > 0 {
                        let here = rank + (part.start - dots.start);
                        cover.advance(of_char(here));
                        let len = cover.same(here, u32::try_from(part.len).unwrap_or(u32::MAX));
                        let row = DotRange { len: u64::from(len), ..part };
                        rows.push(row);
                        part.start += row.len;
                        part.len -= row.len;
                    }
                }
                rank += dots.len;
            }
        }
        rows.sort_by_key(|row| {
            let span = order.range(..=row.first()).next_back();
            (span.map(|(_, index)| *index), row.start)
        });
        (missing == 0).then_some(rows)
    }
}

/// Where a format has to hang that hangs on characters for which those right after them stand now: an anchor before
/// one is before the other too. `None` if that is where it hangs.
fn behind(place: &Place, latest: impl Fn(Dot) -> Option<Dot>) -> Option<Place> {
    let after = |anchor| match anchor {
        Anchor::After(dot) => latest(dot).map(Anchor::After),
        Anchor::Start | Anchor::Before(_) | Anchor::End => None,
    };
    match place {
        Place::Block(end, key) => {
            end.and_then(&latest).map(|end| Place::Block(Some(end), key.clone()))
        }
        Place::Range(start, end, key) => {
            let (from, to) = (after(*start), after(*end));
            let stays = from.is_none() && to.is_none();
            let place = Place::Range(from.unwrap_or(*start), to.unwrap_or(*end), key.clone());
            (!stays).then_some(place)
        }
    }
}

/// How many dots of a range come before one of it.
fn offset_in(range: &DotRange, dot: Dot) -> Option<u64> {
    let inside = range.log == dot.log && dot.seq < range.end();
    dot.seq.checked_sub(range.start).filter(|_| inside)
}
