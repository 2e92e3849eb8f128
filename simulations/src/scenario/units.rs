//! Quantities as scenarios write them: times with their units, and values that may be left to the seed.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, SeqAccess, Visitor};

/// A time, written `"10 s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span(pub i64);

impl Span {
    /// Milliseconds; none for a time before.
    pub(super) fn ms(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }
}

fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest.trim_start()),
        None => (1, text),
    };
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit)?.checked_mul(sign)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "a time with its unit, like \"250 ms\", \"10 s\", \"5 min\", \"2 h\" or \"7 d\""
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                parse(text)
                    .map(Span)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }
        }
        from.deserialize_any(Reads)
    }
}

/// A value, or `[from, to]`, between which the seed decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn<T> {
    pub(super) from: T,
    pub(super) to: T,
}

impl<T: Copy> Drawn<T> {
    pub(super) fn fixed(value: T) -> Self {
        Self { from: value, to: value }
    }
}

impl<'de, T: Deserialize<'de> + Copy + PartialOrd> Deserialize<'de> for Drawn<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Copy + PartialOrd> Visitor<'de> for Reads<T> {
            type Value = Drawn<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "one value, or [from, to] for the seed to draw from")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Drawn<T>, E> {
                T::deserialize(value.into_deserializer()).map(Drawn::fixed)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Drawn<T>, E> {
                T::deserialize(value.into_deserializer()).map(Drawn::fixed)
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Drawn<T>, E> {
                T::deserialize(value.into_deserializer()).map(Drawn::fixed)
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Drawn<T>, E> {
                T::deserialize(value.into_deserializer()).map(Drawn::fixed)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Drawn<T>, A::Error> {
                let mut next = |n| {
                    list.next_element()?.ok_or_else(|| A::Error::invalid_length(n, &"[from, to]"))
                };
                let (from, to) = (next(0)?, next(1)?);
                if list.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &"[from, to]"));
                }
                if from > to {
                    return Err(A::Error::custom("`from` is more than `to` in [from, to]"));
                }
                Ok(Drawn { from, to })
            }
        }
        from.deserialize_any(Reads(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units_and_nothing_else_is() {
        for (text, ms) in
            [("250 ms", 250), ("10s", 10_000), ("-2 h", -7_200_000), ("7 d", 604_800_000)]
        {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
        for text in ["10", "s", "1.5 s", "ten s", "10 years", "", "99999999999999999999 s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
