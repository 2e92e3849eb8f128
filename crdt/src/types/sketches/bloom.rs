//! Approximate membership.

use std::collections::BTreeMap;

use super::hash::hash;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, end_of, op};
use crate::datum::Datum;
use crate::lattice::Lattice;
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Whether a thing may have been added: never a wrong no, and below 1 % of wrong yeses up to 6 800 things, in 65 536 bits.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sketches::BloomFilter};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut seen = Causal::<BloomFilter>::default();
    /// seen.edit(&at(1), |seen, change| seen.add(change, &"ann".to_owned()));
    /// assert!(seen.may_contain(&"ann".to_owned()));
    /// assert!(!seen.may_contain(&"bob".to_owned()));
    /// ```
    pub struct BloomFilter(BTreeMap<u16, Bits>);
}
leaf!(BloomFilter);

/// How many bits a thing sets.
const HASHES: u8 = 7;

/// Sixty-four bits that are set once each.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bits(u64);

impl Lattice for Bits {
    fn join(&mut self, other: Self) -> bool {
        let before = self.0;
        self.0 |= other.0;
        self.0 != before
    }
}

impl Encode for Bits {
    fn encode(&self, out: &mut Encoder<'_>) {
        out.varint(self.0);
    }
}

impl Decode for Bits {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.varint().map(Self)
    }
}

/// The bits that stand for a thing: a word of 1 024, and a bit of 64.
fn places(item: &impl Datum) -> impl Iterator<Item = (u16, u64)> {
    let (one, two) = (hash(item, 0), hash(item, 1) | 1);
    (0..HASHES).map(move |n| {
        let place = one.wrapping_add(two.wrapping_mul(u64::from(n))) >> 48;
        ((place / 64) as u16, 1 << (place % 64))
    })
}

impl BloomFilter {
    /// Whether a thing may have been added; `false` is certain. O(1).
    #[must_use]
    pub fn may_contain(&self, item: &impl Datum) -> bool {
        places(item).all(|(word, bit)| self.0.get(&word).is_some_and(|bits| bits.0 & bit != 0))
    }

    /// How many bits are set.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.0.values().map(|bits| bits.0.count_ones()).sum()
    }

    /// Adds a thing; returns the delta. O(1).
    #[must_use]
    pub fn add(&self, _: &mut Change, item: &impl Datum) -> Self {
        let mut delta = BTreeMap::new();
        for (word, bit) in places(item) {
            delta.join(BTreeMap::from([(word, Bits(bit))]));
        }
        Self(delta)
    }
}

impl Crdt for BloomFilter {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::map([("bits".into(), Value::count(self.bits()))])
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add", [item]) => Ok(self.add(change, item)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl Catalogued for BloomFilter {
    const ABOUT: About = About {
        kind: Kind::BloomFilter,
        family: "sketches",
        what: "whether a thing may have been added",
        rule: "bits stay set",
        algebra: "word ↪ Or of 64 bits",
        cost: "O(1)",
        source: "Bloom 1970",
        operations: &[op("add", &[Arg::Key], "adds a thing")],
    };
}
