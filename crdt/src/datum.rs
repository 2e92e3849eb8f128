//! What users put into data types: anything that is a plain [`Value`] in disguise.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::value::{Float, Value};

/// A Rust type for plain data. It is encoded as the [`Value`] it stands for, so that whoever lacks the type
/// reads the same bytes; its order must be that of its values, which `laws::datum_pair` checks.
pub trait Datum: Clone + Ord + Debug {
    /// The value that stands for this one.
    fn to_value(&self) -> Value;

    /// What a value stands for, if it is of this type.
    fn from_value(value: &Value) -> Option<Self>;
}

/// A datum in its canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plain<T>(pub(crate) T);

impl<T: Datum> Encode for Plain<T> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.to_value().encode(out);
    }
}

impl<T: Datum> Decode for Plain<T> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        T::from_value(&Value::decode(from)?).map(Self).ok_or(DecodeError::Invalid)
    }
}

impl<T> Borrow<T> for Plain<T> {
    fn borrow(&self) -> &T {
        &self.0
    }
}

impl Datum for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }

    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

macro_rules! datum {
    ($($type:ty, $variant:ident($inner:ident) => $to:expr, $from:expr;)*) => {$(
        impl Datum for $type {
            fn to_value(&self) -> Value {
                let $inner = self;
                Value::$variant($to)
            }

            fn from_value(value: &Value) -> Option<Self> {
                match value {
                    Value::$variant($inner) => $from,
                    _ => None,
                }
            }
        }
    )*};
}

datum! {
    bool, Bool(it) => *it, Some(*it);
    i64, Int(it) => *it, Some(*it);
    i32, Int(it) => i64::from(*it), i32::try_from(*it).ok();
    u32, Int(it) => i64::from(*it), u32::try_from(*it).ok();
    u16, Int(it) => i64::from(*it), u16::try_from(*it).ok();
    u8, Int(it) => i64::from(*it), u8::try_from(*it).ok();
    Float, Float(it) => *it, Some(*it);
    String, Text(it) => it.clone(), Some(it.clone());
    Vec<u8>, Bytes(it) => it.clone(), Some(it.clone());
}

impl Datum for () {
    fn to_value(&self) -> Value {
        Value::Null
    }

    fn from_value(value: &Value) -> Option<Self> {
        (*value == Value::Null).then_some(())
    }
}

/// One character.
impl Datum for char {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: &Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        let mut chars = text.chars();
        chars.next().filter(|_| chars.next().is_none())
    }
}

/// Null for nothing; a type whose values may themselves be null is not to be wrapped.
impl<T: Datum> Datum for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Datum::to_value)
    }

    fn from_value(value: &Value) -> Option<Self> {
        if *value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

/// A list of two.
impl<A: Datum, B: Datum> Datum for (A, B) {
    fn to_value(&self) -> Value {
        Value::List(vec![self.0.to_value(), self.1.to_value()])
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::List(items) => match items.as_slice() {
                [a, b] => Some((A::from_value(a)?, B::from_value(b)?)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A list of three.
impl<A: Datum, B: Datum, C: Datum> Datum for (A, B, C) {
    fn to_value(&self) -> Value {
        Value::List(vec![self.0.to_value(), self.1.to_value(), self.2.to_value()])
    }

    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::List(items) => match items.as_slice() {
                [a, b, c] => Some((A::from_value(a)?, B::from_value(b)?, C::from_value(c)?)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// A map.
impl<T: Datum> Datum for BTreeMap<String, T> {
    fn to_value(&self) -> Value {
        Value::Map(self.iter().map(|(key, item)| (key.clone(), item.to_value())).collect())
    }

    fn from_value(value: &Value) -> Option<Self> {
        let Value::Map(map) = value else { return None };
        map.iter().map(|(key, item)| Some((key.clone(), T::from_value(item)?))).collect()
    }
}
