//! Rich text as it is read: runs of characters with their attributes, and the calls that would write them.

use std::collections::BTreeMap;

use super::cover::{Cover, Mark, of_char};
use super::place::{Place, expand_of};
use super::{Attributes, RichText};
use crate::algebra::Id;
use crate::crdt::Call;
use crate::dot::Dot;
use crate::value::Value;

/// Characters in a row that have the same attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The characters; none at the end of a text whose last block has attributes.
    pub text: String,
    /// The marks that cover them, by key.
    pub marks: BTreeMap<String, Value>,
    /// The attributes of the block they end: only newlines and the end of the text have any.
    pub block: BTreeMap<String, Value>,
}

/// Visible characters in a row that the same marks cover.
struct Stretch<'a, 'b> {
    text: &'a str,
    first: Id,
    cover: &'b Cover<'a>,
    /// Whether other marks may cover them than cover the stretch before.
    differs: bool,
}

impl RichText {
    /// Shows the visible characters stretch by stretch.
    fn stretches<'a>(&'a self, mut each: impl FnMut(Stretch<'a, '_>)) {
        let Some(weave) = self.0.chars().weave() else { return };
        let mut cover = Cover::new(self.0.chars(), &self.1);
        let mut differs = false;
        let mut rank = 1;
        for piece in weave.pieces.iter() {
            let mut at = 0;
            while piece.visible() && at < piece.len() {
                let here = rank + u64::from(at);
                differs |= cover.advance(of_char(here));
                let same = cover.same(here, piece.len() - at);
                let first = piece.first.plus(at);
                each(Stretch { text: weave.slice(first, same), first, cover: &cover, differs });
                differs = false;
                at += same;
            }
            rank += u64::from(piece.len());
        }
    }

    /// The text in order, cut where attributes change. O(pieces + marks log marks), and what it says.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let mut marks = Attributes::new();
        let has_blocks =
            self.1.iter().next().is_some_and(|(place, _)| matches!(place, Place::Block(..)));
        self.stretches(|stretch| {
            if stretch.differs {
                let shown = stretch.cover.shown();
                marks = shown.map(|mark| (mark.key.to_owned(), mark.value.clone())).collect();
            }
            let mut rest = stretch.text;
            let mut done = 0;
            for (at, offset) in newlines(rest).filter(|_| has_blocks) {
                let block = self.block_ended_by(self.dot_of(stretch.first, at));
                if !block.is_empty() {
                    let (before, after) = rest.split_at_checked(offset - done).unwrap_or_default();
                    append(&mut spans, before, &marks, &Attributes::new());
                    append(&mut spans, "\n", &marks, &block);
                    rest = after.get(1..).unwrap_or_default();
                    done = offset + 1;
                }
            }
            append(&mut spans, rest, &marks, &Attributes::new());
        });
        let block = self.block_ended_by(None);
        if !block.is_empty() {
            spans.push(Span { block, ..Span::default() });
        }
        spans
    }

    fn dot_of(&self, first: Id, at: u32) -> Option<Dot> {
        Some(self.0.chars().weave()?.dot_of(first.plus(at)))
    }

    /// The attributes of the block that a newline or the end of the text ends.
    pub(super) fn block_ended_by(&self, end: Option<Dot>) -> Attributes {
        let mut attributes = Attributes::new();
        for (place, writings) in self.1.range(Place::Block(end, String::new())..) {
            let key = match place {
                Place::Block(here, key) if *here == end => key,
                _ => break,
            };
            let latest = writings.iter().max_by_key(|(dot, (time, _))| (*time, *dot));
            if let Some((_, (_, value))) = latest.filter(|(_, (_, value))| value.0 != Value::Null) {
                attributes.insert(key.clone(), value.0.clone());
            }
        }
        attributes
    }

    /// The marks that cover the character at an index, by key; `None` if there is none. O(pieces + marks log
    /// marks).
    #[must_use]
    pub fn marks_at(&self, index: usize) -> Option<BTreeMap<String, Value>> {
        let rank = self.rank_at(index)?;
        let mut cover = Cover::new(self.0.chars(), &self.1);
        cover.advance(of_char(rank));
        Some(cover.shown().map(|mark| (mark.key.to_owned(), mark.value.clone())).collect())
    }

    /// Where the visible character at an index stands among all characters, from 1.
    pub(super) fn rank_at(&self, index: usize) -> Option<u64> {
        let mut left = u64::try_from(index).ok()?;
        let mut rank = 1;
        for piece in self.0.chars().weave()?.pieces.iter() {
            let len = u64::from(piece.len());
            if piece.visible() {
                if left < len {
                    return Some(rank + left);
                }
                left -= len;
            }
            rank += len;
        }
        None
    }

    /// The text as runs in the manner of Quill's Delta form.
    pub(super) fn runs(&self) -> Value {
        let mut runs: Vec<(String, Attributes)> = Vec::new();
        let mut push = |text: &str, attributes: &Attributes| match runs.last_mut() {
            Some((last, known)) if known == attributes => last.push_str(text),
            _ => runs.push((text.to_owned(), attributes.clone())),
        };
        for span in self.spans() {
            if !span.block.is_empty() {
                push(&span.text, &span.block);
                continue;
            }
            for line in span.text.split_inclusive('\n') {
                let words = line.strip_suffix('\n');
                match words.unwrap_or(line) {
                    "" => {}
                    text => push(text, &span.marks),
                }
                if words.is_some() {
                    push("\n", &Attributes::new());
                }
            }
        }
        Value::list(runs.into_iter().map(|(text, attributes)| {
            let mut run = Attributes::from([("insert".to_owned(), Value::Text(text))]);
            if !attributes.is_empty() {
                run.insert("attributes".to_owned(), Value::Map(attributes));
            }
            Value::Map(run)
        }))
    }

    /// The calls that give the same text without formats these formats.
    pub(crate) fn formatting(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut open: BTreeMap<&str, (Mark<'_>, usize)> = BTreeMap::new();
        let mut index = 0;
        let mut ends = Vec::new();
        self.stretches(|stretch| {
            let now = stretch.cover.by_key();
            open.retain(|key, (mark, from)| {
                let stays = now.get(key).is_some_and(|other| other.dot == mark.dot);
                if !stays {
                    calls.push(marking(mark, *from, index));
                }
                stays
            });
            for (key, mark) in now {
                open.entry(key).or_insert((mark, index));
            }
            for (at, _) in newlines(stretch.text) {
                ends.push((index + at as usize, self.dot_of(stretch.first, at)));
            }
            index += stretch.text.chars().count();
        });
        calls.extend(open.values().map(|(mark, from)| marking(mark, *from, index)));
        ends.push((index, None));
        for (at, end) in ends {
            let block = self.block_ended_by(end).into_iter();
            calls.extend(
                block.map(|(key, value)| {
                    Call::new("set-block", [Value::count(at), key.into(), value])
                }),
            );
        }
        calls
    }
}

/// The call that makes a mark from one index to before another.
fn marking(mark: &Mark<'_>, from: usize, to: usize) -> Call {
    let expand = expand_of(mark.start, mark.end).word().into();
    let place = [Value::count(from), Value::count(to - from)];
    Call::new("mark", place.into_iter().chain([mark.key.into(), mark.value.clone(), expand]))
}

/// The newlines of a text: how many characters and how many bytes come before each.
fn newlines(text: &str) -> impl Iterator<Item = (u32, usize)> {
    let chars = (0..).zip(text.char_indices());
    chars.filter_map(|(at, (offset, c))| (c == '\n').then_some((at, offset)))
}

fn append(spans: &mut Vec<Span>, text: &str, marks: &Attributes, block: &Attributes) {
    match spans.last_mut() {
        _ if text.is_empty() => {}
        Some(last) if last.marks == *marks && last.block == *block => last.text.push_str(text),
        _ => {
            let (text, marks, block) = (text.to_owned(), marks.clone(), block.clone());
            spans.push(Span { text, marks, block });
        }
    }
}
