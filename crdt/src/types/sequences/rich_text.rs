//! Rich text: text, and marks on ranges of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::algebra::DotFun;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::dot::Dot;
use crate::node::Kind;
use crate::store::{Change, DotStore};
use crate::text_doc::Anchor;
use crate::time::HybridTime;
use crate::types::sequences::Text;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Text whose ranges carry marks, by the rules of Peritext: what is typed at the end of bold text is bold, at the
    /// end of a link it is not; overlapping marks of one key are settled by the latest, character by character.
    /// Attributes of a block hang on the line break that ends it, or on the end of the text.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Value, Writer, types::sequences::{Expand, RichText}};
    /// let at = |time| Writer { log: LogId([1; 16]), time: HybridTime::at(time) };
    /// let mut text = Causal::<RichText>::default();
    /// text.edit(&at(1), |text, change| text.splice(change, 0, 0, "a bold word").unwrap());
    /// text.edit(&at(2), |text, change| {
    ///     text.mark(change, 2, 4, "bold", Value::Bool(true), Expand::After).unwrap()
    /// });
    /// text.edit(&at(3), |text, change| text.splice(change, 6, 0, "er").unwrap());
    /// let spans = text.spans();
    /// assert_eq!((spans[1].text.as_str(), spans[1].marks.len()), ("bolder", 1));
    /// ```
    pub struct RichText((Text, DotFun<(HybridTime, Mark)>));
}
leaf!(RichText);

/// Where a mark grows when something is inserted right at its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expand {
    /// Nowhere: a link, a comment.
    None,
    /// At its start.
    Before,
    /// At its end: bold and most others.
    After,
    /// At both.
    Both,
}

/// What was said about a range.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    key: String,
    /// Null takes the key away.
    value: Value,
    from: Anchor,
    to: Anchor,
    /// Whether it is about the block that ends there.
    block: bool,
}

/// Text that is marked alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The characters; a line break that has attributes of its block is a span of its own.
    pub text: String,
    /// Its marks by key.
    pub marks: BTreeMap<String, Value>,
    /// Of a line break, or of the empty span at the end of the text: the attributes of the block that ends there.
    pub block: BTreeMap<String, Value>,
}

impl Encode for Anchor {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Start => out.byte(0),
            Self::After(dot) => {
                out.byte(1);
                dot.encode(out);
            }
            Self::Before(dot) => {
                out.byte(2);
                dot.encode(out);
            }
            Self::End => out.byte(3),
        }
    }
}

impl Decode for Anchor {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Start),
            1 => Dot::decode(from).map(Self::After),
            2 => Dot::decode(from).map(Self::Before),
            3 => Ok(Self::End),
            _ => Err(DecodeError::Invalid),
        }
    }
}

impl Encode for Mark {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.key.encode(out);
        self.value.encode(out);
        self.from.encode(out);
        self.to.encode(out);
        self.block.encode(out);
    }
}

impl Decode for Mark {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            key: String::decode(from)?,
            value: Value::decode(from)?,
            from: Anchor::decode(from)?,
            to: Anchor::decode(from)?,
            block: bool::decode(from)?,
        })
    }
}

impl std::fmt::Display for RichText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text().fmt(f)
    }
}

/// What settles which of two marks holds.
type Age = (HybridTime, Dot);
/// Which marks are in force somewhere: by key, by age.
type Active<'a> = BTreeMap<&'a str, BTreeMap<Age, &'a Value>>;
/// Where a mark begins or ends to hold.
type Edge<'a> = (bool, Age, &'a Mark);

impl RichText {
    /// The text without its marks.
    #[must_use]
    pub fn text(&self) -> &Text {
        &self.0.0
    }

    /// Number of characters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text().len()
    }

    /// Whether there is no character.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Replaces `delete` characters from `at` on; returns the delta, `None` if there are not as many. Line breaks
    /// that split a block take its attributes along. O(log n), O(marks) if there are line breaks.
    #[must_use]
    pub fn splice(
        &self,
        change: &mut Change,
        at: usize,
        delete: usize,
        insert: &str,
    ) -> Option<Self> {
        let text = self.text().splice(change, at, delete, insert)?;
        let mut marks = DotFun::default();
        if insert.contains('\n')
            && let Some(dots) = text.chars().first_inserted()
        {
            let attributes = self.block_at(at);
            for (offset, _) in (0..).zip(insert.chars()).filter(|(_, c)| *c == '\n') {
                let dot = dots.first().plus(offset);
                let (from, to) = (Anchor::Before(dot), Anchor::After(dot));
                for (key, value) in &attributes {
                    let (key, value) = (key.clone(), value.clone());
                    let mark = Mark { key, value, from, to, block: true };
                    marks.join_one(change.dot(), (change.time(), mark));
                }
            }
        }
        Some(Self((text, marks)))
    }

    /// Marks `len` characters from `at` on; returns the delta, `None` if there are not as many, or none. O(log n).
    #[must_use]
    pub fn mark(
        &self,
        change: &mut Change,
        at: usize,
        len: usize,
        key: &str,
        value: Value,
        expand: Expand,
    ) -> Option<Self> {
        let last = at.checked_add(len.checked_sub(1)?)?;
        let chars = self.text().chars();
        let (first, last) = (chars.dot_at(at)?, chars.dot_at(last)?);
        let from = match expand {
            Expand::Before | Expand::Both => {
                chars.before_in_order(first).map_or(Anchor::Start, Anchor::After)
            }
            Expand::None | Expand::After => Anchor::Before(first),
        };
        let to = match expand {
            Expand::After | Expand::Both => {
                chars.after_in_order(last).map_or(Anchor::End, Anchor::Before)
            }
            Expand::None | Expand::Before => Anchor::After(last),
        };
        Some(Self::marked(change, Mark { key: key.to_owned(), value, from, to, block: false }))
    }

    /// Says something of the block that holds a place, up to its line break; returns the delta, `None` if there is no
    /// such place. Null takes the key away. O(n).
    #[must_use]
    pub fn set_block(
        &self,
        change: &mut Change,
        at: usize,
        key: &str,
        value: Value,
    ) -> Option<Self> {
        if at > self.len() {
            return None;
        }
        let (from, to) = match self.end_of_block(at).and_then(|end| self.text().chars().dot_at(end))
        {
            Some(dot) => (Anchor::Before(dot), Anchor::After(dot)),
            None => (Anchor::End, Anchor::End),
        };
        Some(Self::marked(change, Mark { key: key.to_owned(), value, from, to, block: true }))
    }

    fn marked(change: &mut Change, mark: Mark) -> Self {
        let marks = DotFun::of(change.dot(), (change.time(), mark));
        Self((Text::default(), marks))
    }

    /// Where the line break of a block is; `None` for the last one.
    fn end_of_block(&self, at: usize) -> Option<usize> {
        let text = self.to_string();
        let breaks = text.chars().enumerate().skip(at);
        breaks.filter(|(_, c)| *c == '\n').map(|(index, _)| index).next()
    }

    /// The attributes of the block that holds a place. O(n).
    #[must_use]
    pub fn block_at(&self, at: usize) -> BTreeMap<String, Value> {
        let end = self.end_of_block(at).unwrap_or_else(|| self.len());
        self.blocks().remove(&end).unwrap_or_default()
    }

    /// The attributes of all blocks by where they end.
    fn blocks(&self) -> BTreeMap<usize, BTreeMap<String, Value>> {
        let mut latest: BTreeMap<(usize, &str), (Age, &Value)> = BTreeMap::new();
        for (dot, (time, mark)) in self.0.1.iter().filter(|(_, (_, mark))| mark.block) {
            let end = match mark.from {
                Anchor::Before(at) => self
                    .place_of(mark.from)
                    .filter(|end| self.text().chars().dot_at(*end) == Some(at)),
                _ => Some(self.len()),
            };
            let Some(end) = end else { continue };
            let said = ((*time, dot), &mark.value);
            let known = latest.entry((end, &mark.key)).or_insert(said);
            if known.0 < said.0 {
                *known = said;
            }
        }
        let mut blocks: BTreeMap<usize, BTreeMap<String, Value>> = BTreeMap::new();
        for ((end, key), (_, value)) in latest {
            if *value != Value::Null {
                blocks.entry(end).or_default().insert(key.to_owned(), value.clone());
            }
        }
        blocks
    }

    /// The index at which an anchor stands; `None` if it keeps to an unknown character.
    fn place_of(&self, anchor: Anchor) -> Option<usize> {
        let chars = self.text().chars();
        match anchor {
            Anchor::Start => Some(0),
            Anchor::End => Some(self.len()),
            Anchor::Before(dot) => chars.position_of(dot),
            Anchor::After(dot) => {
                let at = chars.position_of(dot)?;
                Some(at + usize::from(chars.dot_at(at) == Some(dot)))
            }
        }
    }

    /// The text in spans that are marked alike, in order. O(n + m log m) for m marks.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let text = self.to_string();
        let mut edges: BTreeMap<usize, Vec<Edge<'_>>> = BTreeMap::new();
        for (dot, (time, mark)) in self.0.1.iter().filter(|(_, (_, mark))| !mark.block) {
            let places = self.place_of(mark.from).zip(self.place_of(mark.to));
            if let Some((from, to)) = places.filter(|(from, to)| from < to) {
                edges.entry(from).or_default().push((true, (*time, dot), mark));
                edges.entry(to).or_default().push((false, (*time, dot), mark));
            }
        }
        let blocks = self.blocks();
        let mut cuts: BTreeSet<usize> = edges.keys().copied().collect();
        for end in blocks.keys().filter(|end| **end < self.len()) {
            cuts.extend([*end, *end + 1]);
        }
        cuts.extend([0, self.len()]);
        let mut spans: Vec<Span> = Vec::new();
        let mut active = Active::new();
        let mut rest = text.chars();
        let mut cuts = cuts.into_iter().peekable();
        while let Some(cut) = cuts.next() {
            for (starts, age, mark) in edges.get(&cut).into_iter().flatten() {
                let of_key = active.entry(&mark.key).or_default();
                if *starts {
                    of_key.insert(*age, &mark.value);
                } else {
                    of_key.remove(age);
                }
            }
            let Some(next) = cuts.peek() else { break };
            let text: String = rest.by_ref().take(next - cut).collect();
            let block = blocks.get(&cut).cloned().unwrap_or_default();
            push(&mut spans, Span { text, marks: in_force(&active), block });
        }
        if let Some(block) = blocks.get(&self.len()) {
            let (text, marks) = (String::new(), BTreeMap::new());
            spans.push(Span { text, marks, block: block.clone() });
        }
        spans
    }

    /// The marks of the character at an index. O(n + m log m).
    #[must_use]
    pub fn marks_at(&self, index: usize) -> BTreeMap<String, Value> {
        let mut before = 0;
        for span in self.spans() {
            before += span.text.chars().count();
            if index < before {
                return span.marks;
            }
        }
        BTreeMap::new()
    }
}

fn in_force(active: &Active<'_>) -> BTreeMap<String, Value> {
    let latest = active.iter().filter_map(|(key, of_key)| {
        let (_, value) = of_key.last_key_value()?;
        (**value != Value::Null).then(|| ((*key).to_owned(), (*value).clone()))
    });
    latest.collect()
}

fn push(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        _ if span.text.is_empty() => {}
        Some(last)
            if last.marks == span.marks && last.block.is_empty() && span.block.is_empty() =>
        {
            last.text.push_str(&span.text);
        }
        _ => spans.push(span),
    }
}

impl Crdt for RichText {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    /// Runs of text with their attributes, as in Quill's Delta format.
    fn value(&self) -> Value {
        Value::list(self.spans().into_iter().map(|span| {
            let attributes: BTreeMap<String, Value> =
                span.marks.into_iter().chain(span.block).collect();
            let mut run = BTreeMap::from([("insert".to_owned(), Value::Text(span.text))]);
            if !attributes.is_empty() {
                run.insert("attributes".to_owned(), Value::Map(attributes));
            }
            Value::Map(run)
        }))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        let mut mark = |at, len, key, value, expand| {
            let key: String = arg(key)?;
            Ok(self.mark(change, count_arg(at)?, count_arg(len)?, &key, value, expand))
        };
        let delta = match call.parts() {
            ("mark", [at, len, key, value]) => mark(at, len, key, value.clone(), Expand::After)?,
            ("pin", [at, len, key, value]) => mark(at, len, key, value.clone(), Expand::None)?,
            ("unmark", [at, len, key]) => mark(at, len, key, Value::Null, Expand::After)?,
            ("splice", [at, delete, text]) => {
                let text: String = arg(text)?;
                self.splice(change, count_arg(at)?, count_arg(delete)?, &text)
            }
            ("append", [text]) => self.splice(change, self.len(), 0, &arg::<String>(text)?),
            ("set-block", [at, key, value]) => {
                let key: String = arg(key)?;
                self.set_block(change, count_arg(at)?, &key, value.clone())
            }
            ("set", [text]) => {
                let text: String = arg(text)?;
                let (at, delete, insert) = self.text().difference(&text);
                self.splice(change, at, delete, insert)
            }
            ("clear", []) => {
                self.0.1.dots(&mut |range| change.forget_range(range));
                self.splice(change, 0, self.len(), "")
            }
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl Catalogued for RichText {
    const ABOUT: About = About {
        kind: Kind::RichText,
        family: "sequences",
        what: "text with marks on ranges and attributes of blocks",
        rule: "text as `text`; of marks of one key on one character the latest holds",
        algebra: "Text × Causal<DotFun<mark>>",
        cost: "O(log n); reading O(n + m log m) for m marks",
        source: "Litt, Lim, Kleppmann, van Hardenberg 2022 (Peritext)",
        operations: &[
            op("splice", &[Arg::Index, Arg::Count, Arg::Text], "replaces characters at an index"),
            op("append", &[Arg::Text], "inserts at the end"),
            op(
                "mark",
                &[Arg::Index, Arg::Count, Arg::Key, Arg::Value],
                "marks characters; what is typed at their end is marked too",
            ),
            op(
                "pin",
                &[Arg::Index, Arg::Count, Arg::Key, Arg::Value],
                "marks just these characters, as a link or a comment",
            ),
            op("unmark", &[Arg::Index, Arg::Count, Arg::Key], "takes a mark away"),
            op("set-block", &[Arg::Index, Arg::Key, Arg::Value], "says something of a block"),
            op("set", &[Arg::Text], "becomes this text by the smallest change of one place"),
            op("clear", &[], "deletes all characters and marks seen"),
        ],
    };
}
