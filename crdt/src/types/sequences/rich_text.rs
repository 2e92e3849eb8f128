//! Rich text: characters, marks over them, and attributes of blocks.
//!
//! State: a text, and a layer of formats by the place they hang on: the range between two anchors, which are
//! characters, deleted or not, with a side; or the newline that ends a block. Which marks cover a character is never
//! stored; it follows from where the anchors stand in the text, whatever was inserted and deleted since.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::algebra::{Elements, codec_fields};
use crate::causal::CausalContext;
use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, dot_arg, end_of, op, ranges_arg,
};
use crate::dot::{Dot, DotRange, LogId};
use crate::node::Kind;
use crate::store::{Change, DotStore, Turnover};
use crate::text_doc::Anchor;
use crate::types::leaf;
use crate::types::sequences::Text;
use crate::value::Value;

mod cover;
mod insert;
mod place;
mod spans;

pub use place::Expand;
pub use spans::Span;

pub(crate) use place::Writing;

use cover::{Cover, of_char};
use insert::{write, write_block};
use place::{Formats, Place, and, expand_of};

/// Attributes by key.
type Attributes = BTreeMap<String, Value>;

/// Text with marks over ranges of it, such as bold or a link, and attributes of its blocks, such as a heading.
///
/// A mark has a key and a value. Where marks of one key overlap the latest shows, character by character; marks that
/// may lie over each other, such as comments, take keys of their own: `comment:7`. What is typed at the edge of a
/// mark belongs to it if it grows there. A block ends with a newline or with the text, which is what its attributes
/// hang on.
///
/// ```
/// use meshwork_crdt::{Causal, Expand, HybridTime, Lattice, LogId, RichText, Writer};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Causal::<RichText>::default();
/// one.edit(&at(1), |text, change| text.insert(change, 0, "The fox jumped.").unwrap());
/// let mut two = one.clone();
/// one.edit(&at(1), |text, change| text.mark(change, 0..7, "bold", true, Expand::After).unwrap());
/// two.edit(&at(2), |text, change| text.mark(change, 4..14, "bold", true, Expand::After).unwrap());
/// one.join(two);
/// one.edit(&at(1), |text, change| text.insert(change, 14, " high").unwrap());
/// let [bold, plain] = &one.spans()[..] else { panic!() };
/// assert_eq!((bold.text.as_str(), plain.text.as_str()), ("The fox jumped high", "."));
/// assert_eq!(bold.marks["bold"], true.into());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RichText(Text, Formats);
leaf!(RichText);
codec_fields!(RichText(0, 1));

impl std::fmt::Display for RichText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl RichText {
    /// Number of characters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The characters without their formats.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.0
    }

    /// Every mark there is, also those that others hide or that cover nothing, in no particular order.
    pub fn marks(&self) -> impl Iterator<Item = Mark<'_>> {
        cover::marks(&self.1)
    }

    /// Inserts before the character at `index`; returns the delta, `None` if there is no such place. Newlines
    /// take the attributes of the block they split.
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize, text: &str) -> Option<Self> {
        let inserted = self.0.insert_after(change, self.seat(index)?, text)?;
        let formats = self.split_blocks(change, index, &inserted, text)?;
        Some(Self(inserted, formats))
    }

    /// Deletes `len` characters from `index` on; returns the delta, `None` if there are not as many.
    #[must_use]
    pub fn delete(&self, change: &mut Change, index: usize, len: usize) -> Option<Self> {
        Some(Self(self.0.delete(change, index, len)?, Formats::default()))
    }

    /// Replaces `delete` characters from `index` on; returns the delta, `None` if there are not as many.
    #[must_use]
    pub fn splice(
        &self,
        change: &mut Change,
        index: usize,
        delete: usize,
        insert: &str,
    ) -> Option<Self> {
        self.0.chars().slice(index, delete)?;
        let inserted = self.insert(change, index, insert)?;
        Some(and(inserted, self.delete(change, index, delete)?))
    }

    /// The attributes that the newlines of an insertion take over.
    fn split_blocks(
        &self,
        change: &mut Change,
        index: usize,
        inserted: &Text,
        text: &str,
    ) -> Option<Formats> {
        let mut formats = Formats::default();
        if self.1.is_empty() || !text.contains('\n') {
            return Some(formats);
        }
        let first = inserted.chars().first_inserted()?.first();
        let block = self.block_ended_by(self.block_end(index)?);
        for (at, _) in (0..).zip(text.chars()).filter(|(_, c)| *c == '\n') {
            formats = and(formats, write_block(change, Some(first.plus(at)), block.clone()));
        }
        Some(formats)
    }

    /// The newline that ends the block of the character at an index; `None` inside if the end of the text does.
    fn block_end(&self, index: usize) -> Option<Option<Dot>> {
        if index >= self.len() {
            return (index == self.len()).then_some(None);
        }
        let weave = self.0.chars().weave()?;
        let cursor = weave.find(u32::try_from(index).ok()?)?;
        let mut skip = cursor.offset;
        for piece in weave.pieces.iter_from(cursor) {
            if piece.visible() {
                let first = piece.first.plus(skip);
                let slice = weave.slice(first, piece.len() - skip);
                if let Some((before, _)) = slice.split_once('\n') {
                    let before = u32::try_from(crate::algebra::Chars::count(before)).ok()?;
                    return Some(Some(weave.dot_of(first.plus(before))));
                }
            }
            skip = 0;
        }
        Some(None)
    }

    /// Marks a range of characters; returns the delta, `None` if it is not in the text. A null takes marks of the
    /// key away there. O(log n).
    #[must_use]
    pub fn mark(
        &self,
        change: &mut Change,
        range: Range<usize>,
        key: &str,
        value: impl Into<Value>,
        expand: Expand,
    ) -> Option<Self> {
        let Range { start, end } = range;
        if start >= end || end > self.len() {
            return (start == end && end <= self.len()).then(Self::default);
        }
        let dot_at = |index| self.0.chars().dot_at(index);
        let from = match (expand.at_start(), start.checked_sub(1)) {
            (false, _) => Anchor::Before(dot_at(start)?),
            (true, Some(before)) => Anchor::After(dot_at(before)?),
            (true, None) => Anchor::Start,
        };
        let to = match expand.at_end() {
            false => Anchor::After(dot_at(end - 1)?),
            true => dot_at(end).map_or(Anchor::End, Anchor::Before),
        };
        let place = Place::Range(from, to, key.to_owned());
        Some(self.write(change, place, value.into()))
    }

    /// Takes marks of a key away from a range of characters; returns the delta, `None` if it is not in the text.
    ///
    /// What is typed at an edge later belongs to the mark that goes on there if that grows at its end, or start. Where
    /// none goes on, the edge is that of the mark taken away. O(pieces + marks log marks).
    #[must_use]
    pub fn unmark(&self, change: &mut Change, range: Range<usize>, key: &str) -> Option<Self> {
        if range.start >= range.end || range.end > self.len() {
            return self.mark(change, range, key, Value::Null, Expand::None);
        }
        let mut cover = Cover::new(self.0.chars(), &self.1);
        let mut expand_at = |index: Option<usize>| {
            cover.advance(of_char(self.rank_at(index?)?));
            let mark = cover.shown().find(|mark| mark.key == key)?;
            Some(expand_of(mark.start, mark.end))
        };
        let before = expand_at(range.start.checked_sub(1));
        let (first, last) = (expand_at(Some(range.start)), expand_at(Some(range.end - 1)));
        let after = expand_at(Some(range.end));
        let at_start = match (before, first) {
            (Some(before), _) => !before.at_end(),
            (None, first) => first.is_some_and(Expand::at_start),
        };
        let at_end = match (last, after) {
            (_, Some(after)) => !after.at_start(),
            (last, None) => last.is_none_or(Expand::at_end),
        };
        self.mark(change, range, key, Value::Null, Expand::of(at_start, at_end))
    }

    /// Gives the block of the character at `index`, or the last one, an attribute; returns the delta, `None` if there
    /// is no such place. A null takes it away. O(log n), and the length of the block.
    #[must_use]
    pub fn set_block(
        &self,
        change: &mut Change,
        index: usize,
        key: &str,
        value: impl Into<Value>,
    ) -> Option<Self> {
        let place = Place::Block(self.block_end(index)?, key.to_owned());
        Some(self.write(change, place, value.into()))
    }

    /// Writes at a place, in place of what has been written there.
    fn write(&self, change: &mut Change, place: Place, value: Value) -> Self {
        if let Some(writings) = self.1.get(&place) {
            change.forget_all(writings);
        }
        Self(Text::default(), write(change, place, value))
    }

    /// Deletes all characters, and takes all formats away, as far as they have been seen; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        let text = self.0.delete_spans(change, &self.0.spans());
        change.forget_all(&self.1);
        Self(text.unwrap_or_default(), Formats::default())
    }

    /// What was written where, by dots.
    pub(crate) fn writings(&self) -> BTreeMap<Dot, Writing> {
        let writings = self.1.iter().flat_map(|(place, writings)| {
            writings.iter().map(|(dot, (time, value))| {
                let (place, value) = (place.clone(), value.0.clone());
                (dot, Writing { place, time: *time, value })
            })
        });
        writings.collect()
    }

    /// Takes writings away by their dots, and puts others there again as they were.
    fn revert(&self, change: &mut Change, away: &[DotRange], again: Vec<Writing>) -> Self {
        let mut gone = CausalContext::default();
        away.iter().for_each(|range| {
            gone.insert_range(*range);
        });
        self.1.dots(&mut |range| gone.overlap(range).for_each(|part| change.forget_range(part)));
        let again = again.into_iter().map(|writing| writing.under(change.dot()));
        Self(Text::default(), again.fold(Formats::default(), and))
    }
}
