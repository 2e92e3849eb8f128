//! Text: a sequence of characters.

use crate::algebra::{Chars, Elements, Patch, Run, Sequence, Side, Unit};
use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, dot_arg, end_of, op, ranges_arg,
};
use crate::dot::{Dot, DotRange, LogId};
use crate::node::Kind;
use crate::store::{Causal, Change, DotStore, Turnover};
use crate::types::leaf;
use crate::value::Value;

/// Characters of one imported chunk.
pub const IMPORT_CHUNK_CHARS: usize = 4096;

/// A text that several writers edit, in characters (Unicode scalar values).
///
/// ```
/// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Text, Writer};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Causal::<Text>::default();
/// one.edit(&at(1), |text, change| text.insert(change, 0, "Helo").unwrap());
/// let mut two = one.clone();
/// one.edit(&at(1), |text, change| text.insert(change, 3, "l").unwrap());
/// two.edit(&at(2), |text, change| text.insert(change, 4, "!").unwrap());
/// one.join(two);
/// assert_eq!(one.to_string(), "Hello!");
/// ```
///
/// Any version a replica had can be shown again:
///
/// ```
/// use meshwork_crdt::{Causal, HybridTime, LogId, Text, Writer};
/// let ann = Writer { log: LogId([1; 16]), time: HybridTime::at(1) };
/// let mut text = Causal::<Text>::default();
/// text.edit(&ann, |text, change| text.insert(change, 0, "draft").unwrap());
/// let first = text.seen().clone();
/// text.edit(&ann, |text, change| text.splice(change, 0, 5, "final").unwrap());
/// assert_eq!(text.at(&first), "draft");
/// assert_eq!(text.blame(0, 5).unwrap()[0].log, ann.log);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    chars: Sequence<char, Chars>,
}
leaf!(Text);

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.chars.slices().try_for_each(|slice| f.write_str(slice))
    }
}

impl Text {
    /// Number of characters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chars.len()
    }

    /// Whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// Whether nothing was ever written.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.chars.is_unwritten()
    }

    /// The visible dots in order: a version a caller can keep and edit against later.
    #[must_use]
    pub fn spans(&self) -> Vec<DotRange> {
        self.chars.spans()
    }

    /// The text of some dots, deleted or not; `None` if one is unknown.
    #[must_use]
    pub fn text_of(&self, spans: &[DotRange]) -> Option<String> {
        let mut text = String::new();
        self.chars.each_slice_of(spans, |slice| text.push_str(slice))?;
        Some(text)
    }

    /// The index at which a dot stands, or would stand if it is deleted.
    #[must_use]
    pub fn position_of(&self, dot: Dot) -> Option<usize> {
        self.chars.position_of(dot)
    }

    /// How many units come before a character; `None` if there is no such place. O(log n).
    #[must_use]
    pub fn offset(&self, unit: Unit, index: usize) -> Option<usize> {
        self.chars.offset(unit, index)
    }

    /// Which character starts after so many units; `None` if none does, nor the end. O(log n).
    #[must_use]
    pub fn index(&self, unit: Unit, offset: usize) -> Option<usize> {
        self.chars.index(unit, offset)
    }

    /// The text as it was when just the events of a version had been seen. O(all runs ever).
    #[must_use]
    pub fn at(&self, version: &CausalContext) -> String {
        self.chars.at(version).collect()
    }

    /// How one version becomes another. O(all runs ever).
    #[must_use]
    pub fn patches(&self, from: &CausalContext, to: &CausalContext) -> Vec<Patch<&str>> {
        self.chars.patches(from, to)
    }

    /// Who inserted the characters of a range, and as which events; `None` if there are not as many.
    #[must_use]
    pub fn blame(&self, index: usize, len: usize) -> Option<Vec<DotRange>> {
        self.chars.slice(index, len)
    }

    /// Inserts before the character at `index`; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize, text: &str) -> Option<Self> {
        let chars = self.chars.insert(change, index, text)?;
        Some(Self { chars })
    }

    /// Inserts after a character, deleted or not, or at the start; returns the delta.
    #[must_use]
    pub fn insert_after(
        &self,
        change: &mut Change,
        after: Option<Dot>,
        text: &str,
    ) -> Option<Self> {
        let chars = self.chars.insert_after(change, after, text)?;
        Some(Self { chars })
    }

    /// Deletes `len` characters from `index` on; returns the delta, `None` if there are not as many.
    #[must_use]
    pub fn delete(&self, change: &mut Change, index: usize, len: usize) -> Option<Self> {
        Some(Self { chars: self.chars.delete(change, index, len)? })
    }

    /// Deletes characters by their dots; returns the delta, `None` if one is unknown.
    #[must_use]
    pub fn delete_spans(&self, change: &mut Change, spans: &[DotRange]) -> Option<Self> {
        Some(Self { chars: self.chars.delete_spans(change, spans)? })
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
        let gone = self.chars.slice(index, delete)?;
        let chars = self.chars.insert(change, index, insert)?;
        Some(Self { chars: chars.and(self.chars.delete_spans(change, &gone)?) })
    }

    /// The first content of a text that was never written, in deltas. Their dots depend on nothing but the
    /// content, so two devices that import the same text concurrently write the same.
    ///
    /// Only for texts that are objects of their own: within one object the same content must not be imported
    /// at two places.
    #[must_use]
    pub fn import(text: &str) -> Vec<Causal<Self>> {
        let mut deltas = Vec::new();
        let mut last = None;
        let mut rest = text;
        while !rest.is_empty() {
            let values = Chars::cut(rest, 0, IMPORT_CHUNK_CHARS);
            rest = rest.get(values.len()..).unwrap_or_default();
            let first = Dot { log: import_log(last, values), seq: 1 };
            let run = Run { first, parent: last, side: Side::Right, right: None, values };
            let mut seen = CausalContext::default();
            let dots = run.dots::<Chars>();
            seen.insert_range(dots);
            deltas.push(Causal::of(Self { chars: Sequence::of_run(&run) }, seen));
            last = Some(first.plus(dots.len - 1));
        }
        deltas
    }

    /// The smallest splice of one place that turns the text into `new`: index, characters gone, text instead.
    #[must_use]
    pub fn difference<'a>(&self, new: &'a str) -> (usize, usize, &'a str) {
        let old: Vec<char> = self.chars.iter().collect();
        difference(&old, new)
    }

    /// The character that stands before some dots, deleted or not.
    pub(crate) fn before(&self, dots: &[DotRange]) -> Option<Dot> {
        let at = self.position_of(dots.first()?.first())?;
        self.chars.dot_at(at.checked_sub(1)?)
    }

    pub(crate) fn chars(&self) -> &Sequence<char, Chars> {
        &self.chars
    }
}

impl DotStore for Text {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        self.chars.join_store(seen, other.chars, theirs, turnover)
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.chars.dots(each);
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        Self { chars: self.chars.store_since(seen) }
    }

    /// Every insertion is the author's own, or an import that is what it says.
    fn authored_by(&self, author: LogId) -> bool {
        self.chars.all_by(author, |run| {
            run.first.seq == 1
                && run.side == Side::Right
                && run.right.is_none()
                && Chars::count(run.values) <= IMPORT_CHUNK_CHARS
                && import_log(run.parent, run.values) == run.first.log
        })
    }

    fn is_bottom(&self) -> bool {
        self.chars.is_bottom()
    }

    fn is_live(&self) -> bool {
        self.chars.is_live()
    }
}

impl Crdt for Text {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        let delta = match call.parts() {
            ("splice", [at, delete, text]) => {
                let text: String = arg(text)?;
                self.splice(change, count_arg(at)?, count_arg(delete)?, &text)
            }
            ("splice-at", [after, delete, text]) => {
                let (after, delete) = (dot_arg(after)?, ranges_arg(delete)?);
                let delta = self.chars.insert_after(change, after, arg::<String>(text)?);
                delta
                    .zip(self.chars.delete_spans(change, &delete))
                    .map(|(inserted, gone)| Self { chars: inserted.and(gone) })
            }
            ("append", [text]) => self.insert(change, self.len(), &arg::<String>(text)?),
            ("set", [text]) => {
                let text: String = arg(text)?;
                let (at, delete, insert) = self.difference(&text);
                self.splice(change, at, delete, insert)
            }
            ("clear", []) => self.delete_spans(change, &self.spans()),
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl Catalogued for Text {
    const ABOUT: About = About {
        kind: Kind::Text,
        family: "sequences",
        what: "text, merged by character",
        rule: "concurrent insertions at one place stand side by side, never interleaved",
        algebra: "Sequence<char>",
        cost: "O(log n)",
        source: "Weidner & Kleppmann 2023 (FugueMax)",
        operations: &[
            op("splice", &[Arg::Index, Arg::Count, Arg::Text], "replaces characters at an index"),
            op(
                "splice-at",
                &[Arg::Value, Arg::Value, Arg::Text],
                "inserts after a dot [log, number], and deletes ranges [log, number, length]",
            ),
            op("append", &[Arg::Text], "inserts at the end"),
            op("set", &[Arg::Text], "becomes this text by the smallest change of one place"),
            op("clear", &[], "deletes all characters seen"),
        ],
    };
}

/// The log that stands for an imported chunk after `last`.
fn import_log(last: Option<Dot>, chunk: &str) -> LogId {
    let mut hasher = blake3::Hasher::new_derive_key("meshwork text import 1");
    if let Some(last) = last {
        hasher.update(&last.log.0);
        hasher.update(&last.seq.to_le_bytes());
    }
    hasher.update(chunk.as_bytes());
    let hash = hasher.finalize();
    LogId(*hash.as_bytes().first_chunk::<16>().expect("a hash has 32 bytes"))
}

impl Encode for Text {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.chars.encode(out);
    }
}

impl Decode for Text {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { chars: Sequence::decode(from)? })
    }
}

pub(crate) fn difference<'a>(old: &[char], new: &'a str) -> (usize, usize, &'a str) {
    let mut prefix = 0;
    let mut rest = new;
    for c in old {
        match rest.chars().next() {
            Some(next) if next == *c => {
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                prefix += 1;
            }
            _ => break,
        }
    }
    let mut suffix = 0;
    for c in old.iter().skip(prefix).rev() {
        match rest.chars().next_back() {
            Some(last) if last == *c => {
                rest = rest.get(..rest.len() - c.len_utf8()).unwrap_or_default();
                suffix += 1;
            }
            _ => break,
        }
    }
    (prefix, old.len() - prefix - suffix, rest)
}
