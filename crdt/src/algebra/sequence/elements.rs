//! Where the elements of a sequence are kept: one arena per log, appended to and never changed.
//!
//! Elements are addressed by their number in the arena, their *slot*. Characters are kept as UTF-8; as long as
//! all of them are ASCII a slot is a byte, after that a mark every [`MARK_CHARS`] characters finds it.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Characters between two marks.
const MARK_CHARS: u32 = 128;

/// How much some elements are, in the units that positions are counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Width {
    /// Elements; of a text, Unicode scalar values.
    pub items: u32,
    /// UTF-16 code units beyond one per element.
    pub utf16: u32,
    /// Bytes of UTF-8 beyond one per element.
    pub utf8: u32,
}

impl Width {
    /// Elements that are one unit each.
    #[must_use]
    pub fn plain(items: u32) -> Self {
        Self { items, utf16: 0, utf8: 0 }
    }

    /// How many units of a kind.
    #[must_use]
    pub fn of(self, unit: Unit) -> u32 {
        match unit {
            Unit::Char => self.items,
            Unit::Utf16 => self.items + self.utf16,
            Unit::Utf8 => self.items + self.utf8,
        }
    }
}

impl AddAssign for Width {
    fn add_assign(&mut self, other: Self) {
        self.items += other.items;
        self.utf16 += other.utf16;
        self.utf8 += other.utf8;
    }
}

impl SubAssign for Width {
    fn sub_assign(&mut self, other: Self) {
        self.items -= other.items;
        self.utf16 -= other.utf16;
        self.utf8 -= other.utf8;
    }
}

impl Add for Width {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sub for Width {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self -= other;
        self
    }
}

/// What positions in a text are counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Unicode scalar values.
    #[default]
    Char,
    /// UTF-16 code units, as editors of the web count.
    Utf16,
    /// Bytes of UTF-8.
    Utf8,
}

/// A growing store of elements.
pub trait Elements: Clone + Default + Debug {
    /// One of them.
    type Item: Clone + PartialEq;
    /// Several of them in a row.
    type Slice: ?Sized + PartialEq;

    /// How many there are.
    fn len(&self) -> u32;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends some.
    fn push(&mut self, slice: &Self::Slice);

    /// Those of `len` slots from `at` on, as far as there are any.
    fn part(&self, at: u32, len: u32) -> &Self::Slice;

    /// How much they are.
    fn width(&self, at: u32, len: u32) -> Width;

    /// How many elements a slice has.
    fn count(slice: &Self::Slice) -> usize;

    /// The elements of a slice from one to before another, as far as there are any.
    fn cut(slice: &Self::Slice, from: usize, to: usize) -> &Self::Slice;

    /// The elements of a slice.
    fn items(slice: &Self::Slice) -> impl Iterator<Item = Self::Item>;

    /// Makes room for no more than there is.
    fn shrink(&mut self);
}

impl<T: Clone + PartialEq + Debug> Elements for Vec<T> {
    type Item = T;
    type Slice = [T];

    fn len(&self) -> u32 {
        u32::try_from(Vec::len(self)).unwrap_or(u32::MAX)
    }

    fn push(&mut self, slice: &[T]) {
        self.extend_from_slice(slice);
    }

    fn part(&self, at: u32, len: u32) -> &[T] {
        let (from, to) = (at as usize, at as usize + len as usize);
        Self::cut(self, from, to)
    }

    fn width(&self, _: u32, len: u32) -> Width {
        Width::plain(len)
    }

    fn count(slice: &[T]) -> usize {
        slice.len()
    }

    fn cut(slice: &[T], from: usize, to: usize) -> &[T] {
        slice.get(from..to.min(slice.len())).unwrap_or_default()
    }

    fn items(slice: &[T]) -> impl Iterator<Item = T> {
        slice.iter().cloned()
    }

    fn shrink(&mut self) {
        self.shrink_to_fit();
    }
}

/// Characters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chars {
    text: String,
    /// Number of characters, and of UTF-16 code units.
    len: u32,
    units: u32,
    /// Bytes and UTF-16 code units before every [`MARK_CHARS`]th character; none while all are ASCII.
    marks: Vec<(u32, u32)>,
}

impl Chars {
    fn is_ascii(&self) -> bool {
        self.text.len() == self.len as usize
    }

    /// The byte and the UTF-16 code unit at which a slot starts.
    fn start_of(&self, slot: u32) -> (usize, usize) {
        if slot >= self.len {
            return (self.text.len(), self.units as usize);
        }
        let (segment, rest) = ((slot / MARK_CHARS) as usize, (slot % MARK_CHARS) as usize);
        let Some((bytes, units)) = self.marks.get(segment) else {
            return (slot as usize, slot as usize);
        };
        let (mut bytes, mut units) = (*bytes as usize, *units as usize);
        let (end, len) = match self.marks.get(segment + 1) {
            Some((end, _)) => (*end as usize, MARK_CHARS as usize),
            None => (self.text.len(), (self.len % MARK_CHARS) as usize),
        };
        if end - bytes == len {
            return (bytes + rest, units + rest);
        }
        for c in self.text.get(bytes..).unwrap_or_default().chars().take(rest) {
            bytes += c.len_utf8();
            units += c.len_utf16();
        }
        (bytes, units)
    }

    /// Notes marks for characters that are about to be appended, not all of them ASCII with those before.
    fn mark(&mut self, text: &str) {
        if self.marks.is_empty() {
            let marks = (0..=self.len).step_by(MARK_CHARS as usize);
            self.marks = marks.map(|at| (at, at)).collect();
        }
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (mut bytes, mut units) = (small(self.text.len()), self.units);
        let mut slot = self.len;
        if text.is_ascii() {
            let end = slot + small(text.len());
            let first = (slot / MARK_CHARS + 1) * MARK_CHARS;
            for at in (first..=end).step_by(MARK_CHARS as usize) {
                self.marks.push((bytes + (at - slot), units + (at - slot)));
            }
            (self.len, self.units) = (end, units + (end - slot));
            return;
        }
        for c in text.chars() {
            slot += 1;
            bytes += small(c.len_utf8());
            units += small(c.len_utf16());
            if slot.is_multiple_of(MARK_CHARS) {
                self.marks.push((bytes, units));
            }
        }
        (self.len, self.units) = (slot, units);
    }
}

impl Elements for Chars {
    type Item = char;
    type Slice = str;

    fn len(&self) -> u32 {
        self.len
    }

    fn push(&mut self, slice: &str) {
        if self.marks.is_empty() && slice.is_ascii() {
            let len = u32::try_from(slice.len()).unwrap_or(0);
            self.len += len;
            self.units += len;
        } else {
            self.mark(slice);
        }
        self.text.push_str(slice);
    }

    fn part(&self, at: u32, len: u32) -> &str {
        let (from, to) = if self.is_ascii() {
            let size = self.text.len();
            ((at as usize).min(size), (at as usize + len as usize).min(size))
        } else {
            (self.start_of(at).0, self.start_of(at.saturating_add(len)).0)
        };
        self.text.get(from..to).unwrap_or_default()
    }

    fn width(&self, at: u32, len: u32) -> Width {
        if self.is_ascii() {
            return Width::plain(len);
        }
        let (from, to) = (self.start_of(at), self.start_of(at.saturating_add(len)));
        let beyond = |n: usize| u32::try_from(n).unwrap_or(u32::MAX) - len;
        Width { items: len, utf16: beyond(to.1 - from.1), utf8: beyond(to.0 - from.0) }
    }

    fn count(slice: &str) -> usize {
        if slice.is_ascii() { slice.len() } else { slice.chars().count() }
    }

    fn cut(slice: &str, from: usize, to: usize) -> &str {
        if slice.is_ascii() {
            return slice.get(from..to.min(slice.len())).unwrap_or_default();
        }
        let place = |n: usize| slice.char_indices().nth(n).map_or(slice.len(), |(at, _)| at);
        slice.get(place(from)..place(to)).unwrap_or_default()
    }

    fn items(slice: &str) -> impl Iterator<Item = char> {
        slice.chars()
    }

    fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.marks.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_find_their_characters_in_any_mixture() {
        let mut chars = Chars::default();
        let mut plain: Vec<char> = Vec::new();
        for n in 0..400_u32 {
            let word = if n > 150 && n % 7 == 0 { "aé😀" } else { "xyz" };
            chars.push(word);
            plain.extend(word.chars());
        }
        for (at, len) in [(0, 0), (0, 5), (127, 3), (440, 300), (452, 260), (1190, 10), (1199, 9)] {
            let expected: String = plain[at..plain.len().min(at + len)].iter().collect();
            assert_eq!(chars.part(at as u32, len as u32), expected);
            if at + len <= plain.len() {
                let width = chars.width(at as u32, len as u32);
                assert_eq!(width.of(Unit::Char) as usize, len);
                assert_eq!(width.of(Unit::Utf8) as usize, expected.len());
                assert_eq!(width.of(Unit::Utf16) as usize, expected.encode_utf16().count());
            }
        }
    }
}
