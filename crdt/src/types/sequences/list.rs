//! The list of values.

use crate::algebra::Sequence;
use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, dot_arg, end_of, op, ranges_arg,
};
use crate::datum::{Datum, Plain};
use crate::dot::{Dot, DotRange};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Values in an order that everybody inserts into and deletes from.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sequences::List};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<List<i64>>::default();
    /// one.edit(&at(1), |list, change| list.insert(change, 0, 1).unwrap());
    /// let mut two = one.clone();
    /// one.edit(&at(1), |list, change| list.insert(change, 1, 2).unwrap());
    /// two.edit(&at(2), |list, change| list.delete(change, 0).unwrap());
    /// one.join(two);
    /// assert_eq!(one.iter().collect::<Vec<_>>(), [2]);
    /// ```
    pub struct List<T: Datum>(Sequence<Plain<T>>);
}
leaf!(List<T: Datum>);

impl<T: Datum> List<T> {
    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.0.iter().map(|item| item.0)
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The visible dots in order.
    pub(crate) fn spans(&self) -> Vec<DotRange> {
        self.0.spans()
    }

    /// What stands before some dots, and the elements they stand for.
    pub(crate) fn before_and_values(&self, dots: &[DotRange]) -> (Option<Dot>, Vec<Value>) {
        let first = dots.first().and_then(|range| self.0.position_of(range.first()));
        let before = first.and_then(|at| at.checked_sub(1)).and_then(|at| self.0.dot_at(at));
        let values = self.0.values_of(dots).unwrap_or_default();
        (before, values.iter().map(|item| item.0.to_value()).collect())
    }

    /// Inserts before an index; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize, item: T) -> Option<Self> {
        self.0.insert(change, index, [Plain(item)]).map(Self)
    }

    /// Inserts at the end; returns the delta.
    #[must_use]
    pub fn push(&self, change: &mut Change, item: T) -> Self {
        self.insert(change, self.len(), item).expect("the end of a list is a place in it")
    }

    /// Deletes the element at an index; returns the delta, `None` if there is none.
    #[must_use]
    pub fn delete(&self, change: &mut Change, index: usize) -> Option<Self> {
        self.0.delete(change, index, 1).map(Self)
    }

    /// Replaces the element at an index; returns the delta, `None` if there is none.
    #[must_use]
    pub fn replace(&self, change: &mut Change, index: usize, item: T) -> Option<Self> {
        let gone = self.0.slice(index, 1)?;
        let inserted = self.0.insert(change, index, [Plain(item)])?;
        Some(Self(inserted.and(self.0.delete_spans(change, &gone)?)))
    }

    /// Becomes these elements by the smallest change of one place; returns the delta. O(n).
    #[must_use]
    pub fn set(&self, change: &mut Change, items: &[T]) -> Self {
        let old: Vec<T> = self.iter().collect();
        let same = |pair: &(&T, &T)| pair.0 == pair.1;
        let prefix = old.iter().zip(items).take_while(same).count();
        let rest = old.len().min(items.len()) - prefix;
        let suffix = old.iter().rev().zip(items.iter().rev()).take_while(same).take(rest).count();
        let gone = old.len() - prefix - suffix;
        let new = items.iter().skip(prefix).take(items.len() - prefix - suffix);
        let gone = self.0.slice(prefix, gone).unwrap_or_default();
        let new: Vec<_> = new.cloned().map(Plain).collect();
        let delta = self.0.insert(change, prefix, new);
        let delta = delta.zip(self.0.delete_spans(change, &gone));
        delta.map(|(inserted, gone)| Self(inserted.and(gone))).unwrap_or_default()
    }

    /// Deletes every element that has been seen; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        Self(self.0.delete_spans(change, &self.0.spans()).unwrap_or_default())
    }
}

impl<T: Datum> Crdt for List<T> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(|item| item.to_value()))
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        let delta = match call.parts() {
            ("insert", [at, item]) => self.insert(change, count_arg(at)?, arg(item)?),
            ("splice-at", [after, delete, Value::List(items)]) => {
                let (after, delete) = (dot_arg(after)?, ranges_arg(delete)?);
                let items: Vec<_> =
                    items.iter().map(|item| arg(item).map(Plain)).collect::<Result<_, _>>()?;
                let delta = self.0.insert_after(change, after, items);
                let delta = delta.zip(self.0.delete_spans(change, &delete));
                delta.map(|(inserted, gone)| Self(inserted.and(gone)))
            }
            ("push", [item]) => Some(self.push(change, arg(item)?)),
            ("replace", [at, item]) => self.replace(change, count_arg(at)?, arg(item)?),
            ("delete", [at]) => self.delete(change, count_arg(at)?),
            ("set", [Value::List(items)]) => {
                let items: Vec<T> = items.iter().map(arg).collect::<Result<_, _>>()?;
                Some(self.set(change, &items))
            }
            ("clear", []) => Some(self.clear(change)),
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl<T: Datum> Catalogued for List<T> {
    const ABOUT: About = About {
        kind: Kind::List,
        family: "sequences",
        what: "values in an order",
        rule: "concurrent insertions at one place stand side by side, never interleaved",
        algebra: "Sequence<V>",
        cost: "O(log n)",
        source: "Weidner & Kleppmann 2023 (FugueMax)",
        operations: &[
            op("insert", &[Arg::Index, Arg::Value], "inserts before an index"),
            op(
                "splice-at",
                &[Arg::Value, Arg::Value, Arg::Value],
                "inserts a list after a dot [log, number], and deletes ranges [log, number, length]",
            ),
            op("push", &[Arg::Value], "inserts at the end"),
            op("replace", &[Arg::Index, Arg::Value], "replaces the element at an index"),
            op("delete", &[Arg::Index], "deletes the element at an index"),
            op("set", &[Arg::Value], "becomes this list by the smallest change of one place"),
            op("clear", &[], "deletes every element"),
        ],
    };
}
