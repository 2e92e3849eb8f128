//! The tree with moves.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use crate::algebra::{Fold, Lex, Machine, Max, Pair};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::dot::Dot;
use crate::node::Kind;
use crate::policy::{Candidate, Resolver};
use crate::store::Change;
use crate::time::Stamp;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Named things that hang below each other and can be moved. All moves are carried out in the order of their time; one
    /// that would put a thing below itself is passed over. So there is never a cycle, and nothing is in two places.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::trees::MoveTree};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<MoveTree<i64>>::default();
    /// for n in [1, 2] {
    ///     one.edit(&at(1), |tree, change| tree.move_to(change, n, None));
    /// }
    /// let mut two = one.clone();
    /// one.edit(&at(1), |tree, change| tree.move_to(change, 1, Some(2)));
    /// two.edit(&at(2), |tree, change| tree.move_to(change, 2, Some(1)));
    /// one.join(two);
    /// assert_eq!(one.parent(&1), Some(Some(&2)), "the later move would close a cycle");
    /// assert_eq!(one.parent(&2), Some(None));
    /// ```
    pub struct MoveTree<K: Datum>(Pair<Fold<Moves<K>>, BTreeMap<Plain<K>, Lex<Stamp, Max<Plain<Value>>>>>);
}
leaf!(MoveTree<K: Datum>);

/// Where a thing is: taken out, at the top, or below another.
type Place<K> = Option<Option<Plain<K>>>;

/// Moves of things to places.
#[derive(Clone, Debug)]
pub struct Moves<K>(PhantomData<K>);

impl<K: Datum> Machine for Moves<K> {
    type Op = (Plain<K>, Place<K>);
    type State = BTreeMap<Plain<K>, Place<K>>;
    /// Whether the move was made, and where the thing was before.
    type Undo = Option<(Plain<K>, Option<Place<K>>)>;

    fn apply(state: &mut Self::State, _: Dot, (node, place): &Self::Op) -> Self::Undo {
        let mut above = place.as_ref().and_then(Option::as_ref);
        while let Some(next) = above {
            if next == node {
                return None;
            }
            above = state.get(next).and_then(Option::as_ref).and_then(Option::as_ref);
        }
        Some((node.clone(), state.insert(node.clone(), place.clone())))
    }

    fn revert(state: &mut Self::State, undo: Self::Undo) {
        match undo {
            None => {}
            Some((node, None)) => {
                state.remove(&node);
            }
            Some((node, Some(before))) => {
                state.insert(node, before);
            }
        }
    }
}

impl<K: Datum> MoveTree<K> {
    /// What a thing hangs below: `Some(None)` at the top, `None` if it is not in the tree. O(depth).
    #[must_use]
    pub fn parent(&self, node: &K) -> Option<Option<&K>> {
        let place = self.0.0.state().get(node)?;
        let place = place.as_ref().filter(|_| self.is_in(node))?;
        Some(place.as_ref().map(|parent| &parent.0))
    }

    /// Whether a thing is in the tree: neither removed nor below something that is. O(depth).
    #[must_use]
    pub fn is_in(&self, node: &K) -> bool {
        let mut at = node;
        loop {
            match self.0.0.state().get(at) {
                None | Some(None) => return false,
                Some(Some(None)) => return true,
                Some(Some(Some(parent))) => at = &parent.0,
            }
        }
    }

    /// Everything in the tree with what it hangs below, `None` at the top. O(n log n).
    #[must_use]
    pub fn parents(&self) -> BTreeMap<&K, Option<&K>> {
        let mut below = self.below();
        let mut parents = BTreeMap::new();
        let mut next = vec![None];
        while let Some(parent) = next.pop() {
            for node in below.remove(&parent).unwrap_or_default() {
                parents.insert(node, parent);
                next.push(Some(node));
            }
        }
        parents
    }

    /// What was put below each thing, and at the top, ascending, whether or not it is in the tree.
    fn below(&self) -> BTreeMap<Option<&K>, Vec<&K>> {
        let mut below: BTreeMap<Option<&K>, Vec<&K>> = BTreeMap::new();
        for (node, place) in self.0.0.state() {
            if let Some(parent) = place {
                below.entry(parent.as_ref().map(|parent| &parent.0)).or_default().push(&node.0);
            }
        }
        below
    }

    /// What hangs below a thing, or stands at the top, ascending. O(n).
    #[must_use]
    pub fn children(&self, parent: Option<&K>) -> Vec<&K> {
        if parent.is_some_and(|parent| !self.is_in(parent)) {
            return Vec::new();
        }
        let below = self.0.0.state().iter().filter(|(_, place)| {
            place.as_ref().is_some_and(|place| place.as_ref().map(|place| &place.0) == parent)
        });
        below.map(|(node, _)| &node.0).collect()
    }

    /// A thing and what it hangs below, up to the top; empty if it is not in the tree. O(depth).
    #[must_use]
    pub fn path<'a>(&'a self, node: &'a K) -> Vec<&'a K> {
        let mut path = Vec::new();
        let mut at = Some(node).filter(|node| self.is_in(node));
        while let Some(node) = at {
            path.push(node);
            let place = self.0.0.state().get(node).and_then(Option::as_ref);
            at = place.and_then(Option::as_ref).map(|parent| &parent.0);
        }
        path
    }

    /// Everything below a thing, what is nearer to it first. O(n log n).
    #[must_use]
    pub fn descendants(&self, node: &K) -> Vec<&K> {
        if !self.is_in(node) {
            return Vec::new();
        }
        let mut below = self.below();
        let mut found = below.remove(&Some(node)).unwrap_or_default();
        let mut done = 0;
        while let Some(next) = found.get(done).copied() {
            found.extend(below.remove(&Some(next)).unwrap_or_default());
            done += 1;
        }
        found
    }

    /// Things of one label below one thing, or at the top: each group of more than one. O(n log n).
    #[must_use]
    pub fn clashes(&self) -> Vec<Vec<&K>> {
        let mut groups: BTreeMap<(Option<&K>, &Value), Vec<&K>> = BTreeMap::new();
        for (node, parent) in self.parents() {
            if let Some(label) = self.label(node) {
                groups.entry((parent, label)).or_default().push(node);
            }
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }

    /// Which thing a label below a parent means, or at the top; of several, the one that a policy picks among
    /// them, by when and by whom each was labelled. O(n · depth).
    #[must_use]
    pub fn named(
        &self,
        parent: Option<&K>,
        label: &Value,
        resolver: &impl Resolver<K>,
    ) -> Option<K> {
        let children = self.children(parent);
        let labelled = children.into_iter().filter_map(|node| {
            let (stamp, written) = self.0.1.get(node)?.0.as_ref()?;
            let same = written.0.as_ref().is_some_and(|written| written.0 == *label);
            same.then_some(Candidate { stamp: *stamp, value: node })
        });
        let candidates: Vec<Candidate<'_, K>> = labelled.collect();
        if candidates.is_empty() { None } else { Some(resolver.resolve(&candidates)) }
    }

    /// What is written on a thing. O(log n).
    #[must_use]
    pub fn label(&self, node: &K) -> Option<&Value> {
        self.0.1.get(node)?.0.as_ref()?.1.0.as_ref().map(|label| &label.0)
    }

    /// Puts a thing below another or at the top, wherever it was; returns the delta.
    #[must_use]
    pub fn move_to(&self, change: &mut Change, node: K, parent: Option<K>) -> Self {
        let place = Some(parent.map(Plain));
        Self(Pair(Fold::of(change, (Plain(node), place)), BTreeMap::new()))
    }

    /// Takes a thing out of the tree with all that hangs below it; returns the delta, bottom if it is
    /// nowhere.
    #[must_use]
    pub fn remove(&self, change: &mut Change, node: K) -> Self {
        if !matches!(self.0.0.state().get(&node), Some(Some(_))) {
            return Self::default();
        }
        Self(Pair(Fold::of(change, (Plain(node), None)), BTreeMap::new()))
    }

    /// Writes something on a thing; the latest writing shows. Returns the delta.
    #[must_use]
    pub fn write(&self, change: &mut Change, node: K, label: Value) -> Self {
        let write = Lex(Some((change.stamp(), Max(Some(Plain(label))))));
        Self(Pair(Fold::default(), BTreeMap::from([(Plain(node), write)])))
    }
}

impl<K: Datum> Crdt for MoveTree<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        // A flat map from thing to parent and label: the tree may be deeper than values can be.
        let nodes = self.parents().into_iter().map(|(node, parent)| {
            let parent = parent.map_or(Value::Null, Datum::to_value);
            let label = self.label(node).cloned().unwrap_or_default();
            let parts = [("parent".into(), parent), ("label".into(), label)];
            (node.to_value(), Value::map(parts))
        });
        Value::map(nodes)
    }

    fn claims(&self) -> Vec<Claim> {
        let parents = self.parents();
        let moves = self.0.0.ops().map(|((time, dot), (node, place))| {
            let parent = place.as_ref().map(|parent| parent.as_ref().map(|parent| &parent.0));
            let shown = match parent {
                None => Value::Bool(false),
                Some(parent) => parent.map_or(Value::Null, Datum::to_value),
            };
            Claim {
                value: Value::map([(node.0.to_value(), shown)]),
                by: Some(dot.log),
                time: Some(time),
                stands: parents.get(&node.0).copied() == parent,
            }
        });
        moves.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("insert", [node]) => Ok(self.move_to(change, arg(node)?, None)),
            ("move", [node, parent]) => Ok(self.move_to(change, arg(node)?, Some(arg(parent)?))),
            ("remove", [node]) => Ok(self.remove(change, arg(node)?)),
            ("write", [node, label]) => Ok(self.write(change, arg(node)?, label.clone())),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for MoveTree<K> {
    const ABOUT: About = About {
        kind: Kind::Tree,
        family: "trees",
        what: "things that hang below each other and can be moved",
        rule: "moves apply in the order of time; one that would close a cycle is passed over",
        algebra: "Fold<move> × (K ↪ LWW)",
        cost: "O(depth) to move, O(later moves) when late",
        source: "Kleppmann et al. 2022 (TPDS)",
        operations: &[
            op("insert", &[Arg::Key], "puts a thing at the top"),
            op("move", &[Arg::Key, Arg::Key], "puts a thing below another"),
            op("remove", &[Arg::Key], "takes a thing out with all below it"),
            op("write", &[Arg::Key, Arg::Value], "writes something on a thing"),
        ],
    };
}
