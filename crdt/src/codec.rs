//! One canonical byte form for everything that is hashed, stored or sent.
//!
//! Values in → bytes out, and back. Logs are written as an index into a [`LogTable`], so that sixteen bytes
//! become one or two. Equal values give equal bytes: maps and sets ascend, varints are shortest, and decoding
//! refuses anything else. Lengths are checked against what is left before anything is allocated.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use crate::dot::{Dot, DotRange, LogId};
use crate::shape::Shape;
use crate::time::{HybridTime, Stamp};

/// The logs that an encoding mentions; index 0 is the log of whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTable {
    own: LogId,
    others: Vec<LogId>,
    index: BTreeMap<LogId, u32>,
}

impl LogTable {
    /// A table that mentions nobody but its owner.
    #[must_use]
    pub fn new(own: LogId) -> Self {
        Self { own, others: Vec::new(), index: BTreeMap::from([(own, 0)]) }
    }

    /// A table as received.
    ///
    /// # Errors
    /// [`DecodeError::NotCanonical`] if a log is named twice.
    pub fn from_parts(own: LogId, others: Vec<LogId>) -> Result<Self, DecodeError> {
        let mut table = Self::new(own);
        for log in others {
            let before = table.index.len();
            table.index_of(log);
            if table.index.len() == before {
                return Err(DecodeError::NotCanonical);
            }
        }
        Ok(table)
    }

    /// The index of a log, which is added if it is new.
    pub fn index_of(&mut self, log: LogId) -> u32 {
        if let Some(index) = self.index.get(&log) {
            return *index;
        }
        self.others.push(log);
        let index = u32::try_from(self.others.len()).expect("tables are far smaller than 2^32");
        self.index.insert(log, index);
        index
    }

    /// The log at an index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<LogId> {
        match usize::try_from(index).ok()?.checked_sub(1) {
            None => Some(self.own),
            Some(other) => self.others.get(other).copied(),
        }
    }

    /// The log at index 0.
    #[must_use]
    pub fn own(&self) -> LogId {
        self.own
    }

    /// The logs from index 1 on.
    #[must_use]
    pub fn others(&self) -> &[LogId] {
        &self.others
    }
}

/// Why bytes are not the encoding of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// They end too early.
    Truncated,
    /// They go on after the value.
    Trailing,
    /// The value has another, canonical encoding.
    NotCanonical,
    /// A tag, index or number that stands for nothing.
    Invalid,
    /// Nested deeper than allowed.
    TooDeep,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the bytes end too early",
            Self::Trailing => "bytes are left over",
            Self::NotCanonical => "the value has another, canonical encoding",
            Self::Invalid => "a tag, index or number stands for nothing",
            Self::TooDeep => "the value is nested too deeply",
        })
    }
}

impl std::error::Error for DecodeError {}

/// Turns values into bytes.
#[derive(Debug)]
pub struct Encoder<'t> {
    bytes: Vec<u8>,
    logs: &'t mut LogTable,
}

impl<'t> Encoder<'t> {
    /// An encoder that notes the logs it meets in `logs`.
    pub fn new(logs: &'t mut LogTable) -> Self {
        Self { bytes: Vec::new(), logs }
    }

    /// What has been encoded.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes one byte.
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes a number in as few bytes as it takes (LEB128).
    pub fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push((number & 0x7f) as u8);
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a length and that many bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Writes a log as its index.
    pub fn log(&mut self, log: LogId) {
        let index = self.logs.index_of(log);
        self.varint(u64::from(index));
    }
}

/// Turns bytes into values.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    logs: &'a LogTable,
    depth: u32,
    /// How deep in containers, and the shape of what comes next, for stores that do not know their own.
    levels: u32,
    shape: Option<Shape>,
    /// Whether structs leave out fields that they do not know.
    lenient: bool,
    /// How many logs have been met so far, and whether each was first met after those before it.
    met: u32,
    in_order: bool,
}

impl<'a> Decoder<'a> {
    /// A decoder of `bytes` that mention the logs of `logs`.
    #[must_use]
    pub fn new(bytes: &'a [u8], logs: &'a LogTable) -> Self {
        Self {
            bytes,
            logs,
            depth: 0,
            levels: 0,
            shape: None,
            lenient: false,
            met: 0,
            in_order: true,
        }
    }

    /// A decoder of bytes that mention no logs.
    #[must_use]
    pub(crate) fn plain(bytes: &'a [u8]) -> Self {
        static NOBODY: LazyLock<LogTable> = LazyLock::new(|| LogTable::new(LogId::ZERO));
        Self::new(bytes, &NOBODY)
    }

    /// The table the bytes refer to.
    #[must_use]
    pub fn logs(&self) -> &'a LogTable {
        self.logs
    }

    /// Ends decoding.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] if anything is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (byte, rest) = self.bytes.split_first().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*byte)
    }

    /// Reads a number.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], or [`DecodeError::NotCanonical`] for an over-long or too large one.
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::NotCanonical);
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return if shortest { Ok(number) } else { Err(DecodeError::NotCanonical) };
            }
        }
        Err(DecodeError::NotCanonical)
    }

    /// Reads a count of items that take at least one byte each.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there cannot be that many.
    pub fn count(&mut self) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)?;
        if count <= self.bytes.len() { Ok(count) } else { Err(DecodeError::Truncated) }
    }

    /// Reads `len` bytes as they are.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.bytes.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(bytes)
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.count()?;
        self.raw(len)
    }

    /// Reads a log by its index.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] if the table has no such index.
    pub fn log(&mut self) -> Result<LogId, DecodeError> {
        let index = u32::try_from(self.varint()?).map_err(|_| DecodeError::Invalid)?;
        let log = self.logs.get(index).ok_or(DecodeError::Invalid)?;
        self.in_order &= index <= self.met + 1;
        self.met = self.met.max(index);
        Ok(log)
    }

    /// Whether the bytes so far mention every log of the table, in its order: what an encoder leaves.
    fn met_all(&self) -> bool {
        self.in_order && usize::try_from(self.met) == Ok(self.logs.others.len())
    }

    /// The same for a store that is known by its shape only.
    #[must_use]
    pub(crate) fn of_shape(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// Whether structs leave out fields that they do not know.
    pub(crate) fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// The shape of what comes next.
    pub(crate) fn shape(&self) -> Option<Shape> {
        self.shape.clone()
    }

    /// Notes the shape of what comes next.
    pub(crate) fn expect_shape(&mut self, shape: Shape) {
        self.shape = Some(shape);
    }

    /// Decodes a part of a container, at most [`crate::SHAPE_DEPTH_MAX`] deep.
    pub(crate) fn level<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.levels >= crate::shape::SHAPE_DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        self.levels += 1;
        let result = decode(self);
        self.levels -= 1;
        result
    }

    /// Decodes with the cursor on another shape.
    pub(crate) fn within<T>(
        &mut self,
        shape: Option<Shape>,
        decode: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let outer = std::mem::replace(&mut self.shape, shape);
        let result = decode(self);
        self.shape = outer;
        result
    }

    /// Decodes something nested, at most [`crate::VALUE_DEPTH_MAX`] deep.
    pub(crate) fn nested<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth >= crate::value::VALUE_DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        self.depth += 1;
        let result = decode(self);
        self.depth -= 1;
        result
    }
}

/// A value with a canonical byte form.
pub trait Encode {
    /// Appends the value's bytes.
    fn encode(&self, out: &mut Encoder<'_>);
}

/// A value that can be read back from its canonical byte form.
pub trait Decode: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// A [`DecodeError`] for bytes that are not the canonical form of a value.
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError>;
}

/// Encodes a value together with the logs it mentions.
pub fn to_bytes(value: &impl Encode) -> Vec<u8> {
    let mut logs = LogTable::new(LogId::ZERO);
    let mut body = Encoder::new(&mut logs);
    value.encode(&mut body);
    let body = body.into_bytes();
    let mut table = LogTable::new(LogId::ZERO);
    let mut out = Encoder::new(&mut table);
    out.varint(logs.others().len() as u64);
    for log in logs.others() {
        out.raw(&log.0);
    }
    out.raw(&body);
    out.into_bytes()
}

/// Decodes what [`to_bytes`] wrote.
///
/// # Errors
/// A [`DecodeError`] for anything else.
pub fn from_bytes<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    from_bytes_as(None, bytes)
}

/// The same for a view, which leaves out the fields that a struct does not know.
pub(crate) fn view_of_bytes<T: Decode>(
    shape: Option<Shape>,
    bytes: &[u8],
) -> Result<T, DecodeError> {
    read(shape, true, bytes)
}

/// The same for a value that is known by its shape only.
pub(crate) fn from_bytes_as<T: Decode>(
    shape: Option<Shape>,
    bytes: &[u8],
) -> Result<T, DecodeError> {
    read(shape, false, bytes)
}

fn read<T: Decode>(shape: Option<Shape>, lenient: bool, bytes: &[u8]) -> Result<T, DecodeError> {
    let none = LogTable::new(LogId::ZERO);
    let mut head = Decoder::new(bytes, &none);
    let count = head.count()?;
    let mut others = Vec::new();
    for _ in 0..count {
        let log = head.raw(16)?.try_into().map_err(|_| DecodeError::Truncated)?;
        others.push(LogId(log));
    }
    let logs = LogTable::from_parts(LogId::ZERO, others)?;
    let mut body = Decoder::new(head.bytes, &logs);
    body.shape = shape;
    body.lenient = lenient;
    let value = T::decode(&mut body)?;
    if !body.met_all() {
        return Err(DecodeError::NotCanonical);
    }
    body.finish()?;
    Ok(value)
}

/// A hash of a value's canonical form (BLAKE3): equal values, and no others, have equal digests.
pub fn digest(value: &impl Encode) -> [u8; 32] {
    *blake3::hash(&to_bytes(value)).as_bytes()
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Encoder<'_>) {
                out.varint(u64::from(*self));
            }
        }
        impl Decode for $type {
            fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                Self::try_from(from.varint()?).map_err(|_| DecodeError::Invalid)
            }
        }
    )*};
}
number!(u8, u16, u32, u64);

impl Encode for i64 {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(((*self << 1) ^ (*self >> 63)).cast_unsigned());
    }
}

impl Decode for i64 {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let number = from.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}

impl Encode for bool {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.byte(u8::from(*self));
    }
}

impl Decode for bool {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid),
        }
    }
}

impl Encode for char {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(u64::from(u32::from(*self)));
    }
}

impl Decode for char {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let number = u32::decode(from)?;
        char::from_u32(number).ok_or(DecodeError::Invalid)
    }
}

impl Encode for String {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.bytes(self.as_bytes());
    }
}

impl Decode for String {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(from.bytes()?).map_err(|_| DecodeError::Invalid)?;
        Ok(text.to_owned())
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.byte(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        if bool::decode(from)? { T::decode(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.len() as u64);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let count = from.count()?;
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(T::decode(from)?);
        }
        Ok(items)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok((A::decode(from)?, B::decode(from)?))
    }
}

impl<T: Encode> Encode for std::cmp::Reverse<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl<T: Decode> Decode for std::cmp::Reverse<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        T::decode(from).map(Self)
    }
}

impl<A: Encode, B: Encode, C: Encode> Encode for (A, B, C) {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
        self.1.encode(out);
        self.2.encode(out);
    }
}

impl<A: Decode, B: Decode, C: Decode> Decode for (A, B, C) {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok((A::decode(from)?, B::decode(from)?, C::decode(from)?))
    }
}

impl<K: Encode, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.len() as u64);
        for (key, value) in self {
            key.encode(out);
            value.encode(out);
        }
    }
}

impl<K: Decode + Ord, V: Decode> Decode for BTreeMap<K, V> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let count = from.count()?;
        let mut map = Self::new();
        for _ in 0..count {
            let key = K::decode(from)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(DecodeError::NotCanonical);
            }
            map.insert(key, V::decode(from)?);
        }
        Ok(map)
    }
}

impl<T: Encode> Encode for BTreeSet<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.len() as u64);
        self.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode + Ord> Decode for BTreeSet<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let count = from.count()?;
        let mut set = Self::new();
        for _ in 0..count {
            let item = T::decode(from)?;
            if set.last().is_some_and(|last| *last >= item) {
                return Err(DecodeError::NotCanonical);
            }
            set.insert(item);
        }
        Ok(set)
    }
}

impl Encode for LogId {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.log(*self);
    }
}

impl Decode for LogId {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.log()
    }
}

impl Encode for Dot {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.log(self.log);
        out.varint(self.seq);
    }
}

impl Decode for Dot {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let dot = Self { log: from.log()?, seq: from.varint()? };
        if dot.seq == 0 { Err(DecodeError::Invalid) } else { Ok(dot) }
    }
}

impl Encode for DotRange {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.log(self.log);
        out.varint(self.start);
        out.varint(self.len);
    }
}

impl Decode for DotRange {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let range = Self { log: from.log()?, start: from.varint()?, len: from.varint()? };
        let valid =
            range.start > 0 && range.len > 0 && range.start.checked_add(range.len).is_some();
        if valid { Ok(range) } else { Err(DecodeError::Invalid) }
    }
}

impl Encode for HybridTime {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.0);
    }
}

impl Decode for HybridTime {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.varint().map(Self)
    }
}

impl Encode for Stamp {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.time.encode(out);
        self.log.encode(out);
    }
}

impl Decode for Stamp {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { time: HybridTime::decode(from)?, log: LogId::decode(from)? })
    }
}
