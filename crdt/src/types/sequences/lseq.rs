//! The list of dense positions.

use crate::algebra::{DotFun, DotMap};
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::{Dot, LogId};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Values in an order given by dense positions: between any two there is room for more, at the price of longer names. Nothing is left of what is deleted.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sequences::Lseq};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Lseq<char>>::default();
    /// one.edit(&at(1), |list, change| list.insert(change, 0, 'a').unwrap());
    /// let mut two = one.clone();
    /// one.edit(&at(1), |list, change| list.insert(change, 1, 'b').unwrap());
    /// two.edit(&at(2), |list, change| list.insert(change, 0, 'c').unwrap());
    /// one.join(two);
    /// assert_eq!(one.iter().collect::<String>(), "cab");
    /// ```
    pub struct Lseq<T: Datum>(DotMap<Position, DotFun<Plain<T>>>);
}
leaf!(Lseq<T: Datum>);

/// A digit, and who chose it.
type Step = (u32, Dot);

/// How far from its neighbour a new digit is chosen at most.
const BOUNDARY: u64 = 10;

/// A place among all places: steps from coarse to fine. Digit 0 is never chosen; it only leads further down.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(Vec<Step>);

impl Position {
    /// A place between two neighbours, or at an end. Digits are chosen near the left neighbour at even depths
    /// and near the right one at odd depths, from a range that doubles with the depth.
    fn between(left: Option<&Self>, right: Option<&Self>, dot: Dot) -> Self {
        let left = left.map_or(&[][..], |left| left.0.as_slice());
        let mut right = right.map(|right| right.0.as_slice());
        let mut steps = Vec::new();
        loop {
            let depth = steps.len();
            let low = left.get(depth).map_or(0, |step| step.0);
            let base = 32_u32 << depth.min(20);
            let high =
                right.and_then(|right| right.get(depth)).map_or(base.max(low), |step| step.0);
            if high.saturating_sub(low) > 1 {
                let room = u64::from(high - low - 1).min(BOUNDARY);
                let jump = (dot.seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % room;
                let jump = u32::try_from(jump).unwrap_or(0);
                let digit = if depth % 2 == 0 { low + 1 + jump } else { high - 1 - jump };
                steps.push((digit, dot));
                return Self(steps);
            }
            let floor = (0, Dot { log: LogId::ZERO, seq: 1 });
            let step = left.get(depth).copied().unwrap_or(floor);
            if right.and_then(|right| right.get(depth)) != Some(&step) {
                right = None;
            }
            steps.push(step);
        }
    }
}

impl Encode for Position {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.0.encode(out);
    }
}

impl Decode for Position {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Vec::decode(from).map(Self)
    }
}

impl<T: Datum> Lseq<T> {
    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|(_, items)| items.iter().map(|(_, item)| &item.0))
    }

    /// How many elements there are. O(n).
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Inserts before an index; returns the delta, `None` if there is no such place. O(n).
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize, item: T) -> Option<Self> {
        let mut places = self.0.iter().map(|(position, _)| position);
        let before = match index.checked_sub(1) {
            None => None,
            Some(before) => Some(places.nth(before)?),
        };
        let position = Position::between(before, places.next(), change.dot());
        let dot = change.dot();
        Some(Self(DotMap::of(position, DotFun::of(dot, Plain(item)))))
    }

    /// Inserts at the end; returns the delta. O(n).
    #[must_use]
    pub fn push(&self, change: &mut Change, item: T) -> Self {
        self.insert(change, self.0.len(), item).unwrap_or_default()
    }

    /// Deletes the element at an index; returns the delta, `None` if there is none. O(n).
    #[must_use]
    pub fn delete(&self, change: &mut Change, index: usize) -> Option<Self> {
        let (_, items) = self.0.iter().nth(index)?;
        change.forget_all(items);
        Some(Self::default())
    }
}

impl<T: Datum> Crdt for Lseq<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(Datum::to_value))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        let delta = match call.parts() {
            ("insert", [at, item]) => self.insert(change, count_arg(at)?, arg(item)?),
            ("push", [item]) => Some(self.push(change, arg(item)?)),
            ("delete", [at]) => self.delete(change, count_arg(at)?),
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl<T: Datum> Catalogued for Lseq<T> {
    const ABOUT: About = About {
        kind: Kind::Lseq,
        family: "sequences",
        what: "values in an order, by dense positions",
        rule: "concurrent insertions at one place are ordered by digit and dot, and may interleave",
        algebra: "Causal<DotMap<dense position, DotFun<V>>>",
        cost: "O(n)",
        source: "Weiss et al. 2009 (Logoot); Nédelec et al. 2013 (LSEQ)",
        operations: &[
            op("insert", &[Arg::Index, Arg::Value], "inserts before an index"),
            op("push", &[Arg::Value], "inserts at the end"),
            op("delete", &[Arg::Index], "deletes the element at an index"),
        ],
    };
}
