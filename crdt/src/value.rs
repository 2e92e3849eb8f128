//! Plain values as users know them from JSON, with bytes and a total order.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};

/// How deep lists and maps may be nested.
pub const VALUE_DEPTH_MAX: u32 = 64;

/// A floating-point number that is ordered and compared by its bits; every NaN is the same NaN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Float(u64);

impl Float {
    /// Wraps a number.
    #[must_use]
    pub fn new(number: f64) -> Self {
        Self(if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() })
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.get().total_cmp(&other.get())
    }
}

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.get(), f)
    }
}

/// A plain value: data without conflict rules of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(Float),
    /// Text.
    Text(String),
    /// Bytes; `{"$bytes": "<hex>"}` in JSON.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A map.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// What stands under a key of a map, or at an index of a list.
    #[must_use]
    pub fn step(&self, step: &Self) -> Option<&Self> {
        match (self, step) {
            (Self::Map(map), Self::Text(key)) => map.get(key),
            (Self::Map(map), key) => map.get(&key.to_string()),
            (Self::List(items), Self::Int(index)) => items.get(usize::try_from(*index).ok()?),
            (Self::List(items), Self::Text(index)) => items.get(index.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The value as a key of a JSON map: text as it is, anything else in its JSON form.
    #[must_use]
    pub fn into_key(self) -> String {
        match self {
            Self::Text(text) => text,
            other => other.to_string(),
        }
    }

    /// A map of values by keys of any type.
    pub(crate) fn map(entries: impl IntoIterator<Item = (Self, Self)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.into_key(), value)).collect())
    }

    /// A list.
    pub(crate) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// A count, saturating.
    pub(crate) fn count(count: impl TryInto<i64>) -> Self {
        Self::Int(count.try_into().unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(Float::new(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// As JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if value.get().is_finite() => write!(f, "{value:?}"),
            Self::Float(_) => f.write_str("null"),
            Self::Text(text) => write_text(f, text),
            Self::Bytes(bytes) => write!(f, "{{\"$bytes\":\"{}\"}}", to_hex(bytes)),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Map(map) => {
                f.write_str("{")?;
                for (index, (key, value)) in map.iter().enumerate() {
                    f.write_str(if index > 0 { "," } else { "" })?;
                    write_text(f, key)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let digits: Vec<char> = text.chars().collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok())
        .collect()
}

const BYTES_KEY: &str = "$bytes";

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(value.get()),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.collect_map([(BYTES_KEY, to_hex(bytes))]),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(map) => serializer.collect_map(map),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FromJson)
    }
}

struct FromJson;

impl<'de> serde::de::Visitor<'de> for FromJson {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::from(value as f64), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            map.insert(key, value);
        }
        if map.len() == 1
            && let Some(Value::Text(hex)) = map.get(BYTES_KEY)
            && let Some(bytes) = from_hex(hex)
        {
            return Ok(Value::Bytes(bytes));
        }
        Ok(Value::Map(map))
    }
}

impl Encode for Value {
    fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Self::Null => out.byte(0),
            Self::Bool(value) => {
                out.byte(1);
                value.encode(out);
            }
            Self::Int(value) => {
                out.byte(2);
                value.encode(out);
            }
            Self::Float(value) => {
                out.byte(3);
                out.raw(&value.0.to_be_bytes());
            }
            Self::Text(text) => {
                out.byte(4);
                text.encode(out);
            }
            Self::Bytes(bytes) => {
                out.byte(5);
                out.bytes(bytes);
            }
            Self::List(items) => {
                out.byte(6);
                items.encode(out);
            }
            Self::Map(map) => {
                out.byte(7);
                map.encode(out);
            }
        }
    }
}

impl Decode for Value {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(Self::Null),
            1 => bool::decode(from).map(Self::Bool),
            2 => i64::decode(from).map(Self::Int),
            3 => {
                let bits = from.raw(8)?.try_into().map_err(|_| DecodeError::Truncated)?;
                let float = Float(u64::from_be_bytes(bits));
                let canonical = Float::new(float.get()) == float;
                if canonical { Ok(Self::Float(float)) } else { Err(DecodeError::NotCanonical) }
            }
            4 => String::decode(from).map(Self::Text),
            5 => Ok(Self::Bytes(from.bytes()?.to_vec())),
            6 => from.nested(Vec::decode).map(Self::List),
            7 => from.nested(BTreeMap::decode).map(Self::Map),
            _ => Err(DecodeError::Invalid),
        }
    }
}

/// How deep a value is nested.
pub(crate) fn depth(value: &Value) -> u32 {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
