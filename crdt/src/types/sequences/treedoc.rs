//! The list of a binary tree.

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
    /// Values in the order of a binary tree: a place is a path of lefts and rights. Nothing is left of what is deleted.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sequences::Treedoc};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Treedoc<char>>::default();
    /// one.edit(&at(1), |list, change| list.insert(change, 0, 'a').unwrap());
    /// let mut two = one.clone();
    /// one.edit(&at(1), |list, change| list.insert(change, 1, 'b').unwrap());
    /// two.edit(&at(2), |list, change| list.insert(change, 0, 'c').unwrap());
    /// one.join(two);
    /// assert_eq!(one.iter().collect::<String>(), "cab");
    /// ```
    pub struct Treedoc<T: Datum>(DotMap<Position, DotFun<Plain<T>>>);
}
leaf!(Treedoc<T: Datum>);

/// Left of the node above.
const LEFT: u8 = 0;
/// The node itself.
const HERE: u8 = 1;
/// Right of the node above.
const RIGHT: u8 = 2;

/// A path through the tree, each step with the dot of the node it leads to, and a last one that says that the
/// path ends: so that paths in their order are nodes from left to right.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(Vec<(u8, Dot)>);

impl Position {
    /// A place between two neighbours, or at an end: on the right of the left one, or, if the right one hangs
    /// there, on the left of that.
    fn between(left: Option<&Self>, right: Option<&Self>, dot: Dot) -> Self {
        let path = |place: Option<&Self>| {
            let steps = place.map_or(&[][..], |place| place.0.as_slice());
            steps.split_last().map_or(Vec::new(), |(_, steps)| steps.to_vec())
        };
        let (above, right_path) = (path(left), path(right));
        let hangs_there = right.is_some() && right_path.starts_with(&above);
        let (mut steps, side) = match (left, right) {
            (_, Some(_)) if hangs_there => (right_path, LEFT),
            _ => (above, RIGHT),
        };
        steps.push((side, dot));
        steps.push((HERE, Dot { log: LogId::ZERO, seq: 1 }));
        Self(steps)
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

impl<T: Datum> Treedoc<T> {
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

impl<T: Datum> Crdt for Treedoc<T> {
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

impl<T: Datum> Catalogued for Treedoc<T> {
    const ABOUT: About = About {
        kind: Kind::Treedoc,
        family: "sequences",
        what: "values in an order, by paths in a binary tree",
        rule: "concurrent insertions at one place are ordered by dot, and may interleave",
        algebra: "Causal<DotMap<tree path, DotFun<V>>>",
        cost: "O(n · depth)",
        source: "Preguiça et al. 2009",
        operations: &[
            op("insert", &[Arg::Index, Arg::Value], "inserts before an index"),
            op("push", &[Arg::Value], "inserts at the end"),
            op("delete", &[Arg::Index], "deletes the element at an index"),
        ],
    };
}
