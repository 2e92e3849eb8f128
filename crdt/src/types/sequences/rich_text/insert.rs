//! Where insertions go among deleted characters, and deleted characters that are brought back with their formats.

use std::collections::BTreeMap;

use super::cover::{Cover, Shown, behind, marks, of_char};
use super::place::{Formats, Place, Writing, and, dot_of, expand_of};
use super::{Attributes, RichText};
use crate::causal::CausalContext;
use crate::dot::{Dot, DotRange};
use crate::store::Change;
use crate::text_doc::Anchor;
use crate::types::sequences::Text;
use crate::value::Value;

/// Deleted characters in a row, covered by the same marks.
struct Gone<'a> {
    dots: DotRange,
    there: Shown<'a>,
    /// The marks that cover what is inserted after the last of them.
    behind: Shown<'a>,
}

impl Gone<'_> {
    fn last(&self) -> Dot {
        self.dots.first().plus(self.dots.len - 1)
    }
}

impl RichText {
    /// After which character something inserted before an index goes; `None` if there is no such place.
    ///
    /// Of the gaps between the characters that were deleted there it is the one with the fewest edges of marks on
    /// the wrong side, the first of these: what is inserted at an edge comes before an anchor that is before a
    /// character, and after one that is after a character (Litt et al. 2022, section 4.3, weighed).
    pub(super) fn seat(&self, index: usize) -> Option<Option<Dot>> {
        if index > self.len() {
            return None;
        }
        let left = match index.checked_sub(1) {
            Some(before) => Some(self.0.chars().dot_at(before)?),
            None => None,
        };
        let gone = self.gone_after(index);
        if gone.is_empty() {
            return Some(left);
        }
        let place_of = |dot: Dot| {
            let mut before = 0;
            for range in &gone {
                if range.log == dot.log && (range.start..range.end()).contains(&dot.seq) {
                    return Some(before + (dot.seq - range.start));
                }
                before += range.len;
            }
            None
        };
        let mut wrong = 0_i64;
        let mut turns: BTreeMap<u64, (Dot, i64)> = BTreeMap::new();
        for anchor in marks(&self.1).flat_map(|mark| [mark.start, mark.end]) {
            let Some((dot, place)) = dot_of(anchor).and_then(|dot| Some((dot, place_of(dot)?)))
            else {
                continue;
            };
            let after = matches!(anchor, Anchor::After(_));
            wrong += i64::from(after);
            turns.entry(place).or_insert((dot, 0)).1 += if after { -1 } else { 1 };
        }
        let (mut best, mut fewest) = (left, wrong);
        for (dot, turn) in turns.into_values() {
            wrong += turn;
            if wrong < fewest {
                (best, fewest) = (Some(dot), wrong);
            }
        }
        Some(best)
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

    /// Inserts characters that were deleted once more where they stood, with the formats that cover them there now;
    /// returns the delta, `None` if one is unknown. The new dots are in the order of the old ones as given.
    pub(super) fn bring_back(&self, change: &mut Change, spans: &[DotRange]) -> Option<Self> {
        let mut text = Text::default();
        let mut back = Vec::new();
        for gone in self.gone(spans)? {
            let old = self.0.text_of(&[gone.dots])?;
            let inserted = self.0.insert_after(change, Some(gone.last()), &old)?;
            back.push((gone, inserted.chars().first_inserted()?.first(), old));
            text = and(text, inserted);
        }
        let mut formats = Formats::default();
        for (gone, new, old) in &back {
            for (at, _) in (0..).zip(old.chars()).filter(|(_, c)| *c == '\n') {
                let block = self.block_ended_by(Some(gone.dots.first().plus(at)));
                formats = and(formats, write_block(change, Some(new.plus(at)), block));
            }
            formats = and(formats, self.cover_again(change, gone, *new)?);
        }
        Some(Self(text, formats))
    }

    /// The marks that characters lack, which stand for others, where they stand: right after them.
    fn cover_again(&self, change: &mut Change, gone: &Gone<'_>, new: Dot) -> Option<Formats> {
        let mut formats = Formats::default();
        let last = new.plus(gone.dots.len - 1);
        for (key, mark) in &gone.there {
            if gone.behind.get(key).is_some_and(|other| other.value == mark.value) {
                continue;
            }
            let expand = expand_of(mark.start, mark.end);
            let start = if expand.at_start() {
                Anchor::After(gone.last())
            } else {
                Anchor::Before(new)
            };
            let end = if expand.at_end() {
                self.next_of(gone.last())?.map_or(Anchor::End, Anchor::Before)
            } else {
                Anchor::After(last)
            };
            let place = Place::Range(start, end, (*key).to_owned());
            formats = and(formats, write(change, place, mark.value.clone()));
        }
        for key in gone.behind.keys().filter(|key| !gone.there.contains_key(*key)) {
            let (start, end) = (Anchor::Before(new), Anchor::After(last));
            let place = Place::Range(start, end, (*key).to_owned());
            formats = and(formats, write(change, place, Value::Null));
        }
        Some(formats)
    }

    /// The character after one, deleted or not.
    fn next_of(&self, dot: Dot) -> Option<Option<Dot>> {
        let weave = self.0.chars().weave()?;
        let next = weave.pieces.next(weave.locate(weave.id_of(dot)?));
        Some(next.map(|next| weave.dot_of(weave.pieces.id(next))))
    }

    /// Cuts characters into rows that the same marks cover, in the order they are given in.
    fn gone(&self, spans: &[DotRange]) -> Option<Vec<Gone<'_>>> {
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
                        let there = cover.by_key();
                        let len = cover.same(here, u32::try_from(part.len).unwrap_or(u32::MAX));
                        let row = DotRange { len: u64::from(len), ..part };
                        cover.advance(behind(here + row.len - 1));
                        rows.push(Gone { dots: row, there, behind: cover.by_key() });
                        part.start += row.len;
                        part.len -= row.len;
                    }
                }
                rank += dots.len;
            }
        }
        rows.sort_by_key(|row| {
            let span = order.range(..=row.dots.first()).next_back();
            (span.map(|(_, index)| *index), row.dots.start)
        });
        (missing == 0).then_some(rows)
    }
}

/// A new writing at a place.
pub(super) fn write(change: &mut Change, place: Place, value: Value) -> Formats {
    Writing { place, time: change.time(), value }.under(change.dot())
}

/// The attributes of a block that has none yet.
pub(super) fn write_block(
    change: &mut Change,
    end: Option<Dot>,
    attributes: Attributes,
) -> Formats {
    attributes.into_iter().fold(Formats::default(), |formats, (key, value)| {
        and(formats, write(change, Place::Block(end, key), value))
    })
}
