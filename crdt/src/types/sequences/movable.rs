//! The list with moves.

use std::collections::BTreeMap;

use crate::algebra::{DotFun, DotMap, Entry, Sequence};
use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, Described, EditError, Explanation, count_arg, op,
};
use crate::dot::Dot;
use crate::node::Kind;
use crate::shape::Shape;
use crate::store::{Change, DotStore};
use crate::time::HybridTime;
use crate::types::store;
use crate::value::Value;

store! {
    /// Parts of any type in an order, each of which can be moved. Of concurrent moves of one part the latest wins, and the
    /// part shows once. Changing a part wins over its concurrent removal; moving it does not.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::sequences::MovableList};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// use meshwork_crdt::AwSet;
    /// let mut list = Causal::<MovableList<AwSet<i64>>>::default();
    /// for n in 0..3 {
    ///     list.edit(&at(1), |list, change| list.insert(change, n).unwrap());
    ///     list.edit(&at(1), |list, change| {
    ///         list.update(change, n, |set, change| set.add(change, n as i64)).unwrap()
    ///     });
    /// }
    /// list.edit(&at(1), |list, change| list.move_to(change, 0, 2).unwrap());
    /// let first = list.iter().map(|set| *set.iter().next().unwrap());
    /// assert_eq!(first.collect::<Vec<_>>(), [1, 2, 0]);
    /// ```
    pub struct MovableList<S: Crdt>((Sequence<Dot>, DotMap<Dot, (DotFun<(HybridTime, Dot)>, Entry<S>)>));
}

impl<S: Crdt> MovableList<S> {
    /// The parts in order. O(n log n).
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.order().into_iter().filter_map(|(_, id)| Some(self.0.1.get(&id)?.1.content()))
    }

    /// How many parts there are. O(n log n).
    #[must_use]
    pub fn len(&self) -> usize {
        self.order().len()
    }

    /// Whether there is no part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lasting name of the part at an index. O(n log n).
    #[must_use]
    pub fn id_at(&self, index: usize) -> Option<Dot> {
        self.order().get(index).map(|(_, id)| *id)
    }

    /// The names of all parts, whether they show or not.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Dot> {
        self.0.1.iter().map(|(id, _)| *id)
    }

    /// The part at an index. O(n log n).
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&S> {
        Some(self.0.1.get(&self.id_at(index)?)?.1.content())
    }

    /// The parts that show with the slots they stand at, in order. A part whose slot was taken away stands at the
    /// first one it ever had.
    fn order(&self) -> Vec<(Dot, Dot)> {
        let mut places = BTreeMap::new();
        for (slot, id) in self.0.0.entries() {
            let Some((at, _)) = self.0.1.get(&id).filter(|(_, entry)| entry.shows()) else {
                continue;
            };
            let chosen = at.iter().max_by_key(|(dot, (time, _))| (*time, *dot));
            let chosen = chosen.map(|(_, (_, slot))| *slot);
            if chosen.is_none_or(|chosen| chosen == slot) && !places.contains_key(&id) {
                places.insert(id, (places.len(), slot));
            }
        }
        let mut order: Vec<_> =
            places.into_iter().map(|(id, (rank, slot))| (rank, slot, id)).collect();
        order.sort();
        order.into_iter().map(|(_, slot, id)| (slot, id)).collect()
    }

    /// A new slot for a part, before an index.
    fn slot(&self, change: &mut Change, index: usize, id: Dot) -> Option<(Sequence<Dot>, Dot)> {
        let order = self.order();
        let after = match index.checked_sub(1) {
            None => None,
            Some(before) => Some(order.get(before)?.0),
        };
        let slots = self.0.0.insert_after(change, after, vec![id])?;
        let slot = slots.first_inserted()?.first();
        Some((slots, slot))
    }

    /// Inserts a part before an index; returns the delta, `None` if there is no such place. O(n log n).
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize) -> Option<Self> {
        if index > self.len() {
            return None;
        }
        let id = change.dot();
        let (slots, slot) = self.slot(change, index, id)?;
        let content = S::bottom(change.shape());
        let entry = Entry::default().put(change, content);
        let at = DotFun::of(change.dot(), (change.time(), slot));
        Some(Self((slots, DotMap::of(id, (at, entry)))))
    }

    /// Moves the part at an index to where another stands; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn move_to(&self, change: &mut Change, from: usize, to: usize) -> Option<Self> {
        let len = self.len();
        let id = self.id_at(from).filter(|_| to < len)?;
        let index = if to > from { to + 1 } else { to };
        let (slots, slot) = self.slot(change, index, id)?;
        let (at, _) = self.0.1.get(&id)?;
        change.forget_all(at);
        let at = DotFun::of(change.dot(), (change.time(), slot));
        Some(Self((slots, DotMap::of(id, (at, Entry::default())))))
    }

    /// Removes the part at an index with all that has been seen in it; returns the delta, `None` if there is none.
    #[must_use]
    pub fn remove(&self, change: &mut Change, index: usize) -> Option<Self> {
        change.forget_all(self.0.1.get(&self.id_at(index)?)?);
        Some(Self::default())
    }

    /// Removes all parts that have been seen; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        change.forget_all(&self.0.1);
        Self::default()
    }

    /// Changes the part at an index; returns the delta, `None` if there is none.
    #[must_use]
    pub fn update(
        &self,
        change: &mut Change,
        index: usize,
        alter: impl FnOnce(&S, &mut Change) -> S,
    ) -> Option<Self> {
        let never = self.try_update(change, index, |part, change| Ok(alter(part, change)))?;
        Some(never.unwrap_or_else(|never: std::convert::Infallible| match never {}))
    }

    /// The same for a change that may be refused.
    ///
    /// # Errors
    /// What `alter` says.
    pub fn try_update<E>(
        &self,
        change: &mut Change,
        index: usize,
        alter: impl FnOnce(&S, &mut Change) -> Result<S, E>,
    ) -> Option<Result<Self, E>> {
        let id = self.id_at(index)?;
        let (_, entry) = self.0.1.get(&id)?;
        let content = match alter(entry.content(), change) {
            Ok(content) => content,
            Err(why) => return Some(Err(why)),
        };
        let entry = entry.touch(change, content);
        Some(Ok(Self((Sequence::default(), DotMap::of(id, (DotFun::default(), entry))))))
    }
}

impl<S: Crdt> Crdt for MovableList<S> {
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        let (slots, parts) = delta.0;
        let vacant = Default::default();
        let touched = parts.into_entries().map(|(id, (at, entry))| {
            let (_, here) = self.0.1.get(&id).unwrap_or(&vacant);
            let says = !entry.is_bottom();
            let entry = if says { here.touched(change, entry, S::touched) } else { entry };
            (id, (at, entry))
        });
        Self((slots, touched.collect()))
    }

    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        Value::list(self.iter().map(Crdt::value))
    }

    fn value_at(&self, path: &[Value]) -> Option<Value> {
        match path.split_first() {
            None => Some(self.value()),
            Some((index, rest)) => self.get(count_arg(index).ok()?)?.value_at(rest),
        }
    }

    fn explain(&self, path: &[Value]) -> Option<Explanation> {
        match path.split_first() {
            None => Some(self.about().explain(self.value(), Vec::new())),
            Some((index, rest)) => self.get(count_arg(index).ok()?)?.explain(rest),
        }
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        if let Some((index, rest)) = path.split_first() {
            let update = self.try_update(change, count_arg(index)?, |part, change| {
                part.call(change, rest, call)
            });
            return update.unwrap_or(Err(EditError::OutOfRange));
        }
        let delta = match call.parts() {
            ("insert", [at]) => self.insert(change, count_arg(at)?),
            ("move", [from, to]) => self.move_to(change, count_arg(from)?, count_arg(to)?),
            ("remove", [at]) => self.remove(change, count_arg(at)?),
            ("clear", []) => Some(self.clear(change)),
            _ => return Err(call.unknown(&Self::ABOUT)),
        };
        delta.ok_or(EditError::OutOfRange)
    }
}

impl<S: Crdt> Catalogued for MovableList<S> {
    const ABOUT: About = About {
        kind: Kind::MovableList,
        family: "sequences",
        what: "parts of any type in an order, each of which can be moved",
        rule: "the latest move wins; changing a part wins over its removal",
        algebra: "Sequence<id> × Causal<DotMap<id, LWW slot × DotSet × S>>",
        cost: "O(n log n)",
        source: "Kleppmann 2020",
        operations: &[
            op("insert", &[Arg::Index], "inserts an empty part before an index"),
            op("move", &[Arg::Index, Arg::Index], "moves a part to where another stands"),
            op("remove", &[Arg::Index], "removes a part"),
            op("clear", &[], "removes all parts"),
        ],
    };
}

impl<S: Described> Described for MovableList<S> {
    fn shape() -> Shape {
        Shape::of(Kind::MovableList, S::shape())
    }
}
