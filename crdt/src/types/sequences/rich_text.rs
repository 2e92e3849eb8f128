//! Rich text: characters, marks over them, and attributes of blocks.
//!
//! State: a text, and a layer of formats by the place they hang on: the range between two anchors, which are
//! characters, deleted or not, with a side; or the newline that ends a block. Which marks cover a character is never
//! stored; it follows from where the anchors stand in the text, whatever was inserted and deleted since.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::algebra::{Chars, Elements, codec_fields};
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

pub use cover::Mark;
pub use place::Expand;
pub use spans::Span;

pub(crate) use place::Writing;

use cover::{Cover, of_char};
use place::{Formats, Layer, Place, and, expand_of};

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
    /// take the attributes of the block they split. O(log n); O(marks) beside deleted characters.
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize, text: &str) -> Option<Self> {
        let inserted = match self.seat(index) {
            None => self.0.insert(change, index, text)?,
            seat => self.0.insert_after(change, seat, text)?,
        };
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
        if self.1.is_empty() || !text.contains('\n') {
            return Some(Formats::default());
        }
        let first = inserted.chars().first_inserted()?.first();
        let block = self.block_ended_by(self.block_end(index)?);
        let mut formats = Layer::default();
        for (at, _) in (0..).zip(text.chars()).filter(|(_, c)| *c == '\n') {
            formats.write_block(change, Some(first.plus(at)), &block);
        }
        Some(formats.done())
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
                    let before = u32::try_from(Chars::count(before)).ok()?;
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
        let chars = self.0.chars();
        let (first, last) = (chars.dot_at(start)?, chars.dot_at(end - 1)?);
        let from = match expand.at_start() {
            true => chars.before_in_order(first).map_or(Anchor::Start, Anchor::After),
            false => Anchor::Before(first),
        };
        let to = match expand.at_end() {
            true => chars.after_in_order(last).map_or(Anchor::End, Anchor::Before),
            false => Anchor::After(last),
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

    /// The attributes of the block of the character at `index`, or of the last one; `None` if there is no such place.
    #[must_use]
    pub fn block_at(&self, index: usize) -> Option<BTreeMap<String, Value>> {
        Some(self.block_ended_by(self.block_end(index)?))
    }

    /// Writes at a place, in place of what has been written there.
    fn write(&self, change: &mut Change, place: Place, value: Value) -> Self {
        if let Some(writings) = self.1.get(&place) {
            change.forget_all(writings);
        }
        let mut formats = Layer::default();
        formats.write(change, place, value);
        Self(Text::default(), formats.done())
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
        let mut formats = Layer::default();
        again.into_iter().for_each(|writing| formats.add(change.dot(), writing));
        Self(Text::default(), formats.done())
    }
}

impl DotStore for RichText {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let text = self.0.join_store(seen, other.0, theirs, turnover);
        let formats = self.1.join_store(seen, other.1, theirs, turnover);
        text || formats
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.0.dots(each);
        self.1.dots(each);
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        Self(self.0.store_since(seen), self.1.store_since(seen))
    }

    fn split_store(self) -> Vec<Self> {
        let texts = self.0.split_store().into_iter().map(|text| Self(text, Formats::default()));
        let formats = self.1.split_store().into_iter().map(|it| Self(Text::default(), it));
        texts.chain(formats).filter(|part| !part.is_bottom()).collect()
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.0.authored_by(author) && self.1.authored_by(author)
    }

    fn is_bottom(&self) -> bool {
        self.0.is_bottom() && self.1.is_bottom()
    }

    fn is_live(&self) -> bool {
        self.0.is_live() || self.1.is_live()
    }
}

impl Crdt for RichText {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    /// A list of runs in the manner of Quill's Delta form: `{"insert": text, "attributes": {…}}`, the attributes of
    /// a block on the newline that ends it, and no marks there. Those of a last block without a newline are on an
    /// empty run at the end.
    fn value(&self) -> Value {
        self.runs()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        let delta = match call.parts() {
            ("splice", [at, delete, text]) => {
                let text: String = arg(text)?;
                self.splice(change, count_arg(at)?, count_arg(delete)?, &text)
            }
            ("splice-at", [after, delete, insert]) => {
                self.splice_at(change, after, &ranges_arg(delete)?, insert)?
            }
            ("append", [text]) => self.insert(change, self.len(), &arg::<String>(text)?),
            ("mark", [at, count, key, value, expand]) => {
                let (range, expand) = (range_arg(at, count)?, Expand::from_value(expand)?);
                self.mark(change, range, &key_arg(key), value.clone(), expand)
            }
            ("unmark", [at, count, key]) => {
                self.unmark(change, range_arg(at, count)?, &key_arg(key))
            }
            ("set-block", [at, key, value]) => {
                self.set_block(change, count_arg(at)?, &key_arg(key), value.clone())
            }
            ("revert", [away, Value::List(again)]) => {
                let again: Result<Vec<Writing>, _> =
                    again.iter().map(Writing::from_value).collect();
                Some(self.revert(change, &ranges_arg(away)?, again?))
            }
            ("set", [text]) => {
                let text: String = arg(text)?;
                let (at, delete, insert) = self.0.difference(&text);
                self.splice(change, at, delete, insert)
            }
            ("clear", []) => Some(self.clear(change)),
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl RichText {
    /// Deletes characters by their dots, and inserts others after a dot, or brings some back where they stood.
    fn splice_at(
        &self,
        change: &mut Change,
        after: &Value,
        delete: &[DotRange],
        insert: &Value,
    ) -> Result<Option<Self>, EditError> {
        let inserted = match insert {
            Value::List(_) => self.bring_back(change, &ranges_arg(insert)?),
            text => {
                let (after, text) = (dot_arg(after)?, arg::<String>(text)?);
                let inserted = self.0.insert_after(change, after, &text);
                inserted.map(|text| Self(text, Formats::default()))
            }
        };
        let gone = self.0.delete_spans(change, delete);
        Ok(inserted.zip(gone).map(|(new, gone)| and(new, Self(gone, Formats::default()))))
    }
}

fn range_arg(at: &Value, count: &Value) -> Result<Range<usize>, EditError> {
    let (start, count) = (count_arg(at)?, count_arg(count)?);
    Ok(start..start.saturating_add(count))
}

fn key_arg(key: &Value) -> String {
    key.clone().into_key()
}

impl Catalogued for RichText {
    const ABOUT: About = About {
        kind: Kind::RichText,
        family: "sequences",
        what: "text with marks such as bold or a link, and blocks such as headings",
        rule: "as text; per character, or block, and key the latest mark wins; marks grow at their edges as they say",
        algebra: "Sequence<char> × Causal<DotMap<anchors × key, LWW value>>",
        cost: "O(log n) to change, O(marks) beside deleted characters; O(n + marks log marks) to read",
        source: "Litt, Lim, Kleppmann & van Hardenberg 2022 (Peritext)",
        operations: &[
            op("splice", &[Arg::Index, Arg::Count, Arg::Text], "replaces characters at an index"),
            op(
                "splice-at",
                &[Arg::Value, Arg::Value, Arg::Value],
                "inserts text after a dot [log, number], or brings ranges back, and deletes ranges [log, number, length]",
            ),
            op("append", &[Arg::Text], "inserts at the end"),
            op(
                "mark",
                &[Arg::Index, Arg::Count, Arg::Key, Arg::Value, Arg::Value],
                "marks characters; a null unmarks; grows at \"after\" (or null), \"before\", \"both\", \"none\"",
            ),
            op("unmark", &[Arg::Index, Arg::Count, Arg::Key], "takes marks of a key away"),
            op(
                "set-block",
                &[Arg::Index, Arg::Key, Arg::Value],
                "gives the block of the character at an index an attribute; a null takes it away",
            ),
            op(
                "revert",
                &[Arg::Value, Arg::Value],
                "takes formats away by ranges [log, number, length], and puts others back as they were",
            ),
            op("set", &[Arg::Text], "becomes this text by the smallest change of one place"),
            op("clear", &[], "deletes all characters and formats seen"),
        ],
    };
}
