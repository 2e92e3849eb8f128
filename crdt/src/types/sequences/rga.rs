//! The replicated growable array.

use std::collections::BTreeMap;

use crate::algebra::{Max, Pair};
use crate::causal::CausalContext;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, count_arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::{Dot, LogId};
use crate::lattice::Lattice;
use crate::node::Kind;
use crate::store::Change;
use crate::time::HybridTime;
use crate::types::{leaf, wrapper};
use crate::value::Value;

/// By dot: after which element it was inserted, when, and what.
type Nodes<T> = BTreeMap<Dot, Max<(Option<Dot>, (HybridTime, Plain<T>))>>;

/// Values that are each inserted after another: a tree whose siblings stand the latest first. What is deleted keeps its place.
///
/// ```
/// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::sequences::Rga};
/// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
/// let mut one = Causal::<Rga<char>>::default();
/// one.edit(&at(1), |list, change| list.insert(change, 0, 'a').unwrap());
/// let mut two = one.clone();
/// one.edit(&at(1), |list, change| list.insert(change, 1, 'b').unwrap());
/// two.edit(&at(2), |list, change| list.delete(change, 0).unwrap());
/// one.join(two);
/// assert_eq!(one.iter().collect::<String>(), "b");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rga<T: Datum>(Pair<Nodes<T>, CausalContext>);

wrapper!(Rga<T: Datum>(Pair<Nodes<T>, CausalContext>));

impl<T: Datum> Lattice for Rga<T> {
    fn join(&mut self, other: Self) -> bool {
        self.0.join(other.0)
    }

    fn since(&self, seen: &CausalContext) -> Self {
        let news = self.0.0.iter().filter(|(dot, _)| !seen.contains(**dot));
        let nodes = news.map(|(dot, node)| (*dot, node.clone())).collect();
        Self(Pair(nodes, self.0.1.clone()))
    }

    fn written_by(&self, author: LogId) -> bool {
        self.0.0.keys().all(|dot| dot.log == author)
    }
}
leaf!(Rga<T: Datum>);

impl<T: Datum> Rga<T> {
    /// The elements in order. O(n log n).
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.visible().into_iter().filter_map(|dot| {
            let (_, (_, value)) = self.0.0.get(&dot)?.0.as_ref()?;
            Some(&value.0)
        })
    }

    /// How many elements there are. O(n log n).
    #[must_use]
    pub fn len(&self) -> usize {
        self.visible().len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dots of the elements in order: from the root, children the latest first.
    fn visible(&self) -> Vec<Dot> {
        let mut children: BTreeMap<Option<Dot>, Vec<(HybridTime, Dot)>> = BTreeMap::new();
        for (dot, node) in &self.0.0 {
            if let Some((parent, (time, _))) = &node.0 {
                children.entry(*parent).or_default().push((*time, *dot));
            }
        }
        children.values_mut().for_each(|siblings| siblings.sort());
        let mut order = Vec::new();
        let mut next = children.remove(&None).unwrap_or_default();
        while let Some((_, dot)) = next.pop() {
            if !self.0.1.contains(dot) {
                order.push(dot);
            }
            next.extend(children.remove(&Some(dot)).unwrap_or_default());
        }
        order
    }

    /// Inserts before an index; returns the delta, `None` if there is no such place. O(n log n).
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize, item: T) -> Option<Self> {
        let parent = match index.checked_sub(1) {
            None => None,
            Some(before) => Some(*self.visible().get(before)?),
        };
        let node = Max(Some((parent, (change.time(), Plain(item)))));
        let nodes = BTreeMap::from([(change.dot(), node)]);
        Some(Self(Pair(nodes, CausalContext::default())))
    }

    /// Inserts at the end; returns the delta. O(n log n).
    #[must_use]
    pub fn push(&self, change: &mut Change, item: T) -> Self {
        self.insert(change, self.len(), item).unwrap_or_default()
    }

    /// Deletes the element at an index; returns the delta, `None` if there is none. O(n log n).
    #[must_use]
    pub fn delete(&self, _: &mut Change, index: usize) -> Option<Self> {
        let mut deleted = CausalContext::default();
        deleted.insert(*self.visible().get(index)?);
        Some(Self(Pair(BTreeMap::new(), deleted)))
    }
}

impl<T: Datum> Crdt for Rga<T> {
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

impl<T: Datum> Catalogued for Rga<T> {
    const ABOUT: About = About {
        kind: Kind::Rga,
        family: "sequences",
        what: "values in an order, each inserted after another",
        rule: "of siblings the latest stands first; ties by the greater dot",
        algebra: "(dot ↪ (parent, time, V)) × deleted dots",
        cost: "O(n log n)",
        source: "Roh et al. 2011",
        operations: &[
            op("insert", &[Arg::Index, Arg::Value], "inserts before an index"),
            op("push", &[Arg::Value], "inserts at the end"),
            op("delete", &[Arg::Index], "deletes the element at an index"),
        ],
    };
}
