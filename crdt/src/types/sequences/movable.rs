//! The list with moves.

use crate::algebra::{
    Cursor, Deletion, DotFun, DotMap, Elements, Entry, Id, Sequence, Watch, Weave,
};
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
///
/// A part is named by the dot of the slot it was put at first, and it is there while that dot is held. So a list
/// that was only appended to is one run of slots, and nothing is kept of a part but what it says.
#[derive(Clone, Debug)]
pub struct MovableList<S: Crdt> {
    /// Every slot there ever was, and whether a part was put there at first; to the others parts were moved. Those
    /// show that parts stand at.
    slots: Sequence<bool>,
    parts: Parts<S>,
    /// A part that says nothing.
    vacant: S,
}

/// What was said of the part of a slot: when it was moved, each time by the dot after that of its new slot, and what
/// it says. So no two parts can be moved to one slot.
type Parts<S> = DotMap<Dot, (DotFun<HybridTime>, Entry<S>)>;

/// The dots of elements that have got their places.
#[derive(Default)]
struct Fresh(Vec<DotRange>);

impl<E: Elements> Watch<E> for Fresh {
    fn typed(&mut self, weave: &Weave<E>, _: Cursor, first: Id, _: u32, len: u32) {
        self.0.extend(weave.dots_of(first, len));
    }

    fn inserted(&mut self, weave: &Weave<E>, _: Cursor, first: Id, len: u32) {
        self.0.extend(weave.dots_of(first, len));
    }

    fn deleted(&mut self, _: u32, _: Deletion, _: Option<u32>) {}
}

impl<S: Crdt> Default for MovableList<S> {
    fn default() -> Self {
        Self::delta(Sequence::default(), DotMap::default(), S::default())
    }
}

impl<S: Crdt> PartialEq for MovableList<S> {
    fn eq(&self, other: &Self) -> bool {
        self.slots == other.slots && self.parts == other.parts
    }
}

impl<S: Crdt> MovableList<S> {
    /// A delta: nothing needs to stand anywhere in it.
    fn delta(slots: Sequence<bool>, parts: Parts<S>, vacant: S) -> Self {
        Self { slots, parts, vacant }
    }

    /// Whether a slot is the first one of a part and has not been taken away.
    fn is_put(&self, id: Dot) -> bool {
        self.slots.placed(id) == Some(true) && !self.slots.is_dropped(id)
    }

    /// The slot a part stands at: the one it was moved to last, or its first one; none if it does not show, or if that
    /// slot is not known.
    fn place_of(&self, id: Dot) -> Option<Dot> {
        let part = self.parts.get(&id);
        if !self.is_put(id) && !part.is_some_and(|(_, entry)| entry.shows()) {
            return None;
        }
        let moved = part.and_then(|(at, _)| at.iter().max_by_key(|(dot, time)| (*time, *dot)));
        let slot = match moved {
            Some((dot, _)) => Dot { log: dot.log, seq: dot.seq.checked_sub(1)? },
            None => id,
        };
        (self.slots.placed(slot) == Some(moved.is_none())).then_some(slot)
    }

    /// The part that a slot is for.
    fn part_of(&self, slot: Dot, first: bool) -> Option<Dot> {
        if first { Some(slot) } else { self.parts.key_of(slot.plus(1)).copied() }
    }

    /// Lets what stands at a slot that has just got its place show, and nothing else there.
    fn settle(&mut self, slot: Dot, first: bool) {
        let place = self.part_of(slot, first).and_then(|id| self.place_of(id));
        let stands = place == Some(slot);
        if stands == self.slots.is_dropped(slot) {
            self.slots.set_visible(slot, stands);
        }
        if let Some(place) = place.filter(|_| !stands) {
            self.slots.set_visible(place, true);
        }
    }

    /// The same for every slot.
    fn settle_all(&mut self) {
        let slots: Vec<(Dot, bool)> = self.slots.all().collect();
        slots.into_iter().for_each(|(slot, first)| self.settle(slot, first));
    }

    /// What a part says.
    fn content(&self, id: Dot) -> &S {
        let content = self.parts.get(&id).map(|(_, entry)| entry.content());
        content.filter(|content| !content.is_bottom()).unwrap_or(&self.vacant)
    }

    /// The parts in order. O(n log n).
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        let standing = self.slots.entries();
        standing.filter_map(|(slot, first)| Some(self.content(self.part_of(slot, first)?)))
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
        let (slot, first) = self.slots.entry_at(index)?;
        self.part_of(slot, first)
    }

    /// The names of all parts, whether they show or not.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Dot> {
        self.slots.all().filter(|(_, first)| *first).map(|(slot, _)| slot)
    }

    /// The part at an index. O(log n).
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&S> {
        Some(self.content(self.id_at(index)?))
    }

    /// Inserts a part before an index; returns the delta, `None` if there is no such place. O(log n).
    #[must_use]
    pub fn insert(&self, change: &mut Change, index: usize) -> Option<Self> {
        let slots = self.slots.insert(change, index, [true])?;
        Some(Self::delta(slots, DotMap::default(), S::bottom(change.shape())))
    }

    /// Moves the part at an index to where another stands; returns the delta, `None` if there is no such place.
    #[must_use]
    pub fn move_to(&self, change: &mut Change, from: usize, to: usize) -> Option<Self> {
        let len = self.len();
        let id = self.id_at(from).filter(|_| to < len)?;
        let index = if to > from { to + 1 } else { to };
        let slots = self.slots.insert(change, index, [false])?;
        if let Some((at, _)) = self.parts.get(&id) {
            change.forget_all(at);
        }
        let at = DotFun::of(change.dot(), change.time());
        Some(Self::delta(slots, DotMap::of(id, (at, Entry::default())), S::default()))
    }

    /// Removes the part at an index with all that has been seen in it; returns the delta, `None` if there is none.
    #[must_use]
    pub fn remove(&self, change: &mut Change, index: usize) -> Option<Self> {
        let id = self.id_at(index)?;
        change.forget(id);
        if let Some(part) = self.parts.get(&id) {
            change.forget_all(part);
        }
        Some(Self::default())
    }

    /// Removes all parts that have been seen; returns the delta.
    #[must_use]
    pub fn clear(&self, change: &mut Change) -> Self {
        self.ids().for_each(|id| change.forget(id));
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
        let content = match alter(self.content(id), change) {
            Ok(content) => content,
            Err(why) => return Some(Err(why)),
        };
        let entry = if self.is_put(id) {
            Entry::of(content)
        } else {
            let vacant = Entry::default();
            let entry = self.parts.get(&id).map_or(&vacant, |(_, entry)| entry);
            entry.touch(change, content)
        };
        let parts = DotMap::of(id, (DotFun::default(), entry));
        Some(Ok(Self::delta(Sequence::default(), parts, S::default())))
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
        self.join_delta(seen, &other, theirs, turnover)
    }

    fn join_delta(
        &mut self,
        seen: &CausalContext,
        other: &Self,
        theirs: &CausalContext,
        turnover: &mut Turnover,
    ) -> bool {
        let mut ids = self.parts.holding(theirs);
        ids.extend(other.parts.iter().map(|(id, _)| *id));
        for range in theirs.ranges() {
            let known = self.slots.placed_in(range);
            ids.extend(known.filter_map(|(slot, first)| self.part_of(slot, first)));
        }
        let before: Vec<(Dot, Option<Dot>)> =
            ids.into_iter().map(|id| (id, self.place_of(id))).collect();
        let nothing = CausalContext::default();
        self.vacant.join_delta(&nothing, &other.vacant, &nothing, &mut Turnover::default());
        let unwritten = self.slots.is_unwritten();
        let mut fresh = Fresh::default();
        let first = self.slots.join_watched(seen, &other.slots, theirs, turnover, &mut fresh);
        let second = self.parts.join_delta(seen, &other.parts, theirs, turnover);
        let mut settled = None;
        for (id, old) in before {
            let new = self.place_of(id);
            settled = new;
            if let Some(old) = old.filter(|_| old != new) {
                self.slots.set_visible(old, false);
            }
            if let Some(new) = new.filter(|slot| old != new || self.slots.is_dropped(*slot)) {
                self.slots.set_visible(new, true);
            }
        }
        if unwritten {
            self.settle_all();
        } else {
            for range in fresh.0 {
                let slots: Vec<(Dot, bool)> = self.slots.placed_in(range).collect();
                let unsettled = slots.into_iter().filter(|(slot, _)| settled != Some(*slot));
                unsettled.for_each(|(slot, first)| self.settle(slot, first));
            }
        }
        first || second
    }

    fn dots(&self, each: &mut dyn FnMut(DotRange)) {
        self.slots.dots(each);
        self.parts.dots(each);
    }

    fn store_since(&self, seen: &CausalContext) -> Self {
        let (slots, parts) = (self.slots.store_since(seen), self.parts.store_since(seen));
        Self::delta(slots, parts, self.vacant.clone())
    }

    fn split_store(self) -> Vec<Self> {
        let vacant = self.vacant;
        let parts = (self.slots, self.parts).split_store().into_iter();
        parts.map(|(slots, parts)| Self::delta(slots, parts, vacant.clone())).collect()
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
        let (slots, parts) = (Sequence::decode(from)?, DotMap::decode(from)?);
        let mut list = Self::delta(slots, parts, S::bottom(from.shape()));
        list.settle_all();
        Ok(list)
    }
}

impl<S: Crdt> Crdt for MovableList<S> {
    fn touched(&self, change: &mut Change, delta: Self) -> Self {
        let Self { slots, parts, vacant } = delta;
        let nothing = Default::default();
        let touched = parts.into_entries().map(|(id, (at, entry))| {
            let (_, here) = self.parts.get(&id).unwrap_or(&nothing);
            let entry = match (entry.is_bottom(), self.is_put(id)) {
                (true, _) => entry,
                (_, true) => here.touched_inside(change, entry, S::touched),
                (_, false) => here.touched(change, entry, S::touched),
            };
            (id, (at, entry))
        });
        Self::delta(slots, touched.collect(), vacant)
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
        algebra: "Sequence<first or moved> × DotMap<first slot, DotFun<time> × DotSet × S>",
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
