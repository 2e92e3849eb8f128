//! Text: a sequence of characters.

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::dot::{Dot, DotRange, LogId};
use crate::lattice::Lattice;
use crate::sequence::{Run, Sequence, Side};
use crate::time::Writer;

/// Characters of one imported chunk.
pub const IMPORT_CHUNK_CHARS: usize = 4096;

/// A text that several writers edit, in characters (Unicode scalar values). Cost as of [`Sequence`].
///
/// ```
/// use meshwork_crdt::{HybridTime, Lattice, LogId, Text, Writer};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Text::default();
/// one.insert(&at(1), 0, "Helo");
/// let mut two = one.clone();
/// one.insert(&at(1), 3, "l");
/// two.insert(&at(2), 4, "!");
/// one.join(two);
/// assert_eq!(one.to_string(), "Hello!");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    chars: Sequence<char>,
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.chars.iter().collect::<String>())
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
        self.chars.values_of(spans).map(|chars| chars.into_iter().collect())
    }

    /// The index at which a dot stands, or would stand if it is deleted.
    #[must_use]
    pub fn position_of(&self, dot: Dot) -> Option<usize> {
        self.chars.position_of(dot)
    }

    /// Inserts before the character at `index`; returns the delta, `None` if there is no such place.
    pub fn insert(&mut self, writer: &Writer, index: usize, text: &str) -> Option<Self> {
        let chars = self.chars.insert(writer, index, text.chars().collect())?;
        Some(Self { chars })
    }

    /// Inserts after a character, deleted or not, or at the start; returns the delta.
    pub fn insert_after(
        &mut self,
        writer: &Writer,
        after: Option<Dot>,
        text: &str,
    ) -> Option<Self> {
        let chars = self.chars.insert_after(writer, after, text.chars().collect())?;
        Some(Self { chars })
    }

    /// Deletes `len` characters from `index` on; returns the delta, `None` if there are not as many.
    pub fn delete(&mut self, index: usize, len: usize) -> Option<Self> {
        Some(Self { chars: self.chars.delete(index, len)? })
    }

    /// Deletes characters by their dots; returns the delta, `None` if one is unknown.
    pub fn delete_spans(&mut self, spans: &[DotRange]) -> Option<Self> {
        Some(Self { chars: self.chars.delete_spans(spans)? })
    }

    /// Writes the first content. Its dots depend on nothing but the content, so two devices that import the
    /// same text concurrently write the same. Nothing happens, and nothing is returned, if the text was
    /// written before.
    pub fn import(&mut self, text: &str) -> Vec<Self> {
        let mut deltas = Vec::new();
        if !self.is_unwritten() {
            return deltas;
        }
        let chars: Vec<char> = text.chars().collect();
        let mut last = None;
        for chunk in chars.chunks(IMPORT_CHUNK_CHARS) {
            let first = Dot { log: import_log(last, chunk), seq: 1 };
            let run =
                Run { parent: last, side: Side::Right, right_origin: None, values: chunk.to_vec() };
            let delta = Self { chars: Sequence::of_run(first, run) };
            self.join(delta.clone());
            deltas.push(delta);
            last = Some(first.plus(chunk.len() as u64 - 1));
        }
        deltas
    }

    /// Whether every insertion is `author`'s own, or an import that is what it says.
    pub(crate) fn written_by(&self, author: LogId) -> bool {
        self.chars.runs().iter().all(|(first, run)| {
            first.log == author
                || (first.seq == 1
                    && run.side == Side::Right
                    && run.right_origin.is_none()
                    && run.values.len() <= IMPORT_CHUNK_CHARS
                    && import_log(run.parent, &run.values) == first.log)
        })
    }

    pub(crate) fn chars(&self) -> &Sequence<char> {
        &self.chars
    }

    pub(crate) fn of(chars: Sequence<char>) -> Self {
        Self { chars }
    }
}

/// The log that stands for an imported chunk after `last`.
fn import_log(last: Option<Dot>, chunk: &[char]) -> LogId {
    let mut hasher = blake3::Hasher::new_derive_key("meshwork text import 1");
    if let Some(last) = last {
        hasher.update(&last.log.0);
        hasher.update(&last.seq.to_le_bytes());
    }
    hasher.update(chunk.iter().collect::<String>().as_bytes());
    let hash = hasher.finalize();
    LogId(*hash.as_bytes().first_chunk::<16>().expect("a hash has 32 bytes"))
}

impl Lattice for Text {
    fn join(&mut self, other: Self) -> bool {
        self.chars.join(other.chars)
    }
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
