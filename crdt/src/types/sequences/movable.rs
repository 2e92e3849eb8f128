//! The list with moves.

use std::collections::{BTreeMap, BTreeSet};

use crate::algebra::{DotFun, DotMap, Entry, Sequence};
use crate::causal::CausalContext;
use crate::codec::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::crdt::{
    About, Arg, Call, Catalogued, Crdt, Described, EditError, Explanation, count_arg, op,
};
use crate::dot::{Dot, DotRange, LogId};
use crate::node::Kind;
use crate::shape::Shape;
use crate::store::{Change, DotStore, Turnover};
use crate::time::HybridTime;
use crate::value::Value;

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
#[derive(Clone, Debug)]
pub struct MovableList<S: Crdt> {
    /// Every slot there ever was with the part it is for; those that show are the ones parts stand at.
    slots: Sequence<Dot>,
    parts: Parts<S>,
    /// Where each part stands that shows.
    standing: BTreeMap<Dot, Dot>,
}

/// The slots that each part was put at, and the part.
type Parts<S> = DotMap<Dot, (DotFun<(HybridTime, Dot)>, Entry<S>)>;

impl<S: Crdt> Default for MovableList<S> {
    fn default() -> Self {
        Self::of(Sequence::default(), DotMap::default())
    }
}

impl<S: Crdt> PartialEq for MovableList<S> {
    fn eq(&self, other: &Self) -> bool {
        self.slots == other.slots && self.parts == other.parts
    }
}

impl<S: Crdt> MovableList<S> {
    fn of(slots: Sequence<Dot>, parts: Parts<S>) -> Self {
        let mut list = Self { slots, parts, standing: BTreeMap::new() };
        let slots: Vec<(Dot, Dot)> = list.slots.all().collect();
        slots.iter().for_each(|(slot, _)| list.slots.set_visible(*slot, false));
        list.settle(slots.into_iter().map(|(_, id)| id).collect());
        list
    }

    /// Lets some parts stand where they are to stand.
    fn settle(&mut self, ids: BTreeSet<Dot>) {
        for id in ids {
            let place = self.place_of(id);
            if self.standing.get(&id).copied() == place {
                continue;
            }
            if let Some(old) = self.standing.remove(&id) {
                self.slots.set_visible(old, false);
            }
            if let Some(place) = place {
                self.slots.set_visible(place, true);
                self.standing.insert(id, place);
            }
        }
    }

    /// The slot a part is to stand at: the latest it was put at; if all of these were taken away, the first one it
    /// ever had.
    fn place_of(&self, id: Dot) -> Option<Dot> {
        let (at, _) = self.parts.get(&id).filter(|(_, entry)| entry.shows())?;
        let chosen = at.iter().max_by_key(|(dot, (time, _))| (*time, *dot));
        match chosen {
            Some((_, (_, slot))) => (self.slots.held(*slot) == Some(id)).then_some(*slot),
            None => {
                let mut own = self.slots.all().filter(|(_, of)| *of == id);
                own.find(|(slot, _)| self.slots.held(*slot).is_some()).map(|(slot, _)| slot)
            }
        }
    }

    /// The parts in order. O(n log n).
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.slots.iter().filter_map(|id| Some(self.parts.get(&id)?.1.content()))
    }

    /// How many parts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lasting name of the part at an index. O(log n).
    #[must_use]
    pub fn id_at(&self, index: usize) -> Option<Dot> {
        self.slots.held(self.slots.dot_at(index)?)
    }

    /// The names of all parts, whether they show or not.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Dot> {
        self.parts.iter().map(|(id, _)| *id)
    }

    /// The part at an index. O(log n).
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&S> {
        Some(self.parts.get(&self.id_at(index)?)?.1.content())
    }

    /// A new slot for a part, before an index.
    fn slot(&self, change: &mut Change, index: usize, id: Dot) -> Option<(Sequence<Dot>, Dot)> {
        let slots = self.slots.insert(change, index, [id])?;
        let slot = slots.first_inserted()?.first();
        Some((slots, slot))
    }

    /// A delta: nothing needs to stand anywhere in it.
    fn delta(slots: Sequence<Dot>, parts: Parts<S>) -> Self {
        Self { slots, parts, standing: BTreeMap::new() }
    }

    /// Inserts a part before an index; returns the delta, `None` if there is no such place. O(log n).
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
        Some(Self::delta(slots, DotMap::of(id, (at, entry))))
    }

    /// Moves the part at an index to where another stands; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn move_to(&self, change: &mut Change, from: usize, to: usize) -> Option<Self> {
        let len = self.len();
        let id = self.id_at(from).filter(|_| to < len)?;
        let index = if to > from { to + 1 } else { to };
        let (slots, slot) = self.slot(change, index, id)?;
        let (at, _) = self.parts.get(&id)?;
        change.forget_all(at);
        let at = DotFun::of(change.dot(), (change.time(), slot));
        Some(Self::delta(slots, DotMap::of(id, (at, Entry::default()))))
    }

    /// Removes the part at an index with all that has been seen in it; returns the delta, `None` if there is none.
    #[must_use]
    pub fn remove(&self, change: &mut Change, index: usize) -> Option<Self> {
        change.forget_all(self.parts.get(&self.id_at(index)?)?);
        Some(Self::default())
    }

    /// Removes all parts that have been seen; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        change.forget_all(&self.parts);
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
        let (_, entry) = self.parts.get(&id)?;
        let content = match alter(entry.content(), change) {
            Ok(content) => content,
            Err(why) => return Some(Err(why)),
        };
        let entry = entry.touch(change, content);
        Some(Ok(Self::delta(Sequence::default(), DotMap::of(id, (DotFun::default(), entry)))))
    }
}

impl<S: Crdt> DotStore for MovableList<S> {
    fn join_store(
        &mut self,
        seen: &CausalContext,
        other: Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let mut ids = self.parts.holding(theirs);
        ids.extend(other.parts.iter().map(|(id, _)| *id));
        for range in theirs.ranges() {
            ids.extend(self.slots.known_values(range));
        }
        let fresh: Vec<(Dot, Dot)> = other.slots.said().collect();
        ids.extend(fresh.iter().map(|(_, id)| *id));
        let news = fresh.into_iter().map(|(slot, _)| slot);
        let news: Vec<Dot> = news.filter(|slot| !self.slots.has(*slot)).collect();
        let first = self.slots.join_store(seen, other.slots, theirs, turnover);
        let second = self.parts.join_store(seen, other.parts, theirs, turnover);
        for slot in news {
            self.slots.set_visible(slot, false);
        }
        self.settle(ids);
        if self.slots.len() != self.standing.len() {
            // Slots that waited for others show by now without anybody standing there.
            let standing: BTreeSet<Dot> = self.standing.values().copied().collect();
            let shown = self.slots.entries().filter(|(slot, _)| !standing.contains(slot));
            let shown: Vec<(Dot, Dot)> = shown.collect();
            shown.iter().for_each(|(slot, _)| self.slots.set_visible(*slot, false));
            self.settle(shown.into_iter().map(|(_, id)| id).collect());
        }
        first || second
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.slots.dots(each);
        self.parts.dots(each);
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        Self::of(self.slots.store_since(seen), self.parts.store_since(seen))
    }

    fn split_store(self) -> Vec<Self> {
        let parts = (self.slots, self.parts).split_store().into_iter();
        parts.map(|(slots, parts)| Self::of(slots, parts)).collect()
    }

    fn authored_by(&self, author: LogId) -> bool {
        self.slots.authored_by(author) && self.parts.authored_by(author)
    }

    fn is_bottom(&self) -> bool {
        self.slots.is_bottom() && self.parts.is_bottom()
    }

    fn is_live(&self) -> bool {
        let mut live = self.parts.is_live();
        if !live {
            self.slots.dots(&mut |_| live = true);
        }
        live
    }
}

impl<S: Crdt + Encode> Encode for MovableList<S> {
    fn encode(&self, out: &mut Encoder<'_>) {
        self.slots.encode(out);
        self.parts.encode(out);
    }
}

impl<S: Crdt + Decode> Decode for MovableList<S> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self::of(Sequence::decode(from)?, DotMap::decode(from)?))
    }
}

impl<S: Crdt> Crdt for MovableList<S> {
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        let Self { slots, parts, .. } = delta;
        let vacant = Default::default();
        let touched = parts.into_entries().map(|(id, (at, entry))| {
            let (_, here) = self.parts.get(&id).unwrap_or(&vacant);
            let says = !entry.is_bottom();
            let entry = if says { here.touched(change, entry, S::touched) } else { entry };
            (id, (at, entry))
        });
        Self::delta(slots, touched.collect())
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
        cost: "O(log n)",
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
