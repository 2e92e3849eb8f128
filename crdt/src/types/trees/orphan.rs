//! The tree with a policy for orphans.

use std::collections::{BTreeMap, BTreeSet};

use crate::algebra::{DotFun, DotMap};
use crate::crdt::{About, Arg, Call, Catalogued, Claim, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Named things that say what they hang below. When a parent is gone, or parents go round in a circle,
    /// the reader chooses what becomes of those below: they are left out, or they appear at the top, or the
    /// parent appears again.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::trees::OrphanTree};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// use meshwork_crdt::types::trees::Orphans;
    /// let mut tree = Causal::<OrphanTree<i64>>::default();
    /// tree.edit(&at(1), |tree, change| tree.put(change, 1, None));
    /// tree.edit(&at(1), |tree, change| tree.put(change, 2, Some(1)));
    /// tree.edit(&at(1), |tree, change| tree.remove(change, &1));
    /// assert!(tree.parents(Orphans::Skip).is_empty());
    /// assert_eq!(tree.parents(Orphans::AtTop).get(&2), Some(&None));
    /// ```
    pub struct OrphanTree<K: Datum>(DotMap<Plain<K>, DotFun<Plain<Option<K>>>>);
}
leaf!(OrphanTree<K: Datum>);

/// What becomes of things whose parent is gone or that go round in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They are left out, with all that is below them.
    Skip,
    /// They appear at the top; of a circle the least thing does.
    AtTop,
    /// The parent that is gone appears again, at the top; of a circle the least thing does.
    Reappear,
}

/// The least thing of every circle. O(n log n).
fn heads<'a, K: Ord>(parents: &BTreeMap<&'a K, Option<&'a K>>) -> BTreeSet<&'a K> {
    let above = |node: &K| parents.get(node).copied().flatten();
    let mut heads = BTreeSet::new();
    let mut walks = BTreeMap::new();
    for (walk, start) in parents.keys().copied().enumerate() {
        let mut at = Some(start);
        while let Some(node) = at {
            match walks.get(node) {
                None => {
                    walks.insert(node, walk);
                    at = above(node);
                }
                Some(earlier) => {
                    if *earlier == walk {
                        let others = std::iter::successors(above(node), |node| above(node));
                        heads.extend(others.take_while(|other| *other != node).chain([node]).min());
                    }
                    at = None;
                }
            }
        }
    }
    heads
}

impl<K: Datum> OrphanTree<K> {
    /// Every thing that shows with what it hangs below, `None` at the top. O(n log n).
    #[must_use]
    pub fn parents(&self, orphans: Orphans) -> BTreeMap<&K, Option<&K>> {
        let chosen = self.0.iter().filter_map(|(node, parents)| {
            let parent = parents.iter().map(|(_, parent)| &parent.0).min()?;
            Some((&node.0, parent.as_ref()))
        });
        let mut chosen: BTreeMap<&K, Option<&K>> = chosen.collect();
        if orphans == Orphans::Reappear {
            let gone: Vec<&K> = chosen.values().copied().flatten().collect();
            gone.into_iter().for_each(|parent| {
                chosen.entry(parent).or_default();
            });
        }
        let heads = if orphans == Orphans::Skip { BTreeSet::new() } else { heads(&chosen) };
        let mut below: BTreeMap<Option<&K>, Vec<&K>> = BTreeMap::new();
        for (node, parent) in &chosen {
            let orphaned = parent.is_some_and(|parent| !chosen.contains_key(parent));
            let parent = match parent {
                _ if heads.contains(node) => None,
                Some(_) if orphaned && orphans == Orphans::AtTop => None,
                parent => *parent,
            };
            below.entry(parent).or_default().push(node);
        }
        // What hangs below something gone, or goes round in a circle, is not reached from the top.
        let mut shown = BTreeMap::new();
        let mut next = vec![None];
        while let Some(parent) = next.pop() {
            for node in below.remove(&parent).unwrap_or_default() {
                shown.insert(node, parent);
                next.push(Some(node));
            }
        }
        shown
    }

    /// Puts a thing below another or at the top; returns the delta.
    #[must_use]
    pub fn put(&self, change: &mut Change, node: K, parent: Option<K>) -> Self {
        if let Some(parents) = self.0.get(&node) {
            change.forget_all(parents);
        }
        Self(DotMap::of(Plain(node), DotFun::of(change.dot(), Plain(parent))))
    }

    /// Removes a thing as far as has been seen; what hangs below it becomes orphaned. Returns the delta.
    #[must_use]
    pub fn remove(&self, change: &mut Change, node: &K) -> Self {
        if let Some(parents) = self.0.get(node) {
            change.forget_all(parents);
        }
        Self::default()
    }
}

impl<K: Datum> Crdt for OrphanTree<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let parents = self.parents(Orphans::AtTop).into_iter();
        Value::map(
            parents.map(|(node, parent)| {
                (node.to_value(), parent.map_or(Value::Null, Datum::to_value))
            }),
        )
    }

    fn claims(&self) -> Vec<Claim> {
        let claims = self.0.iter().flat_map(|(node, parents)| {
            let smallest = parents.iter().map(|(_, parent)| &parent.0).min();
            parents.iter().map(move |(dot, parent)| Claim {
                value: Value::map([(node.0.to_value(), parent.0.to_value())]),
                by: Some(dot.log),
                time: None,
                stands: Some(&parent.0) == smallest,
            })
        });
        claims.collect()
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("insert", [node]) => Ok(self.put(change, arg(node)?, None)),
            ("put", [node, parent]) => Ok(self.put(change, arg(node)?, Some(arg(parent)?))),
            ("remove", [node]) => Ok(self.remove(change, &arg(node)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for OrphanTree<K> {
    const ABOUT: About = About {
        kind: Kind::OrphanTree,
        family: "trees",
        what: "things below each other, orphans kept",
        rule: "putting wins over concurrent removing; of several parents the smallest; orphans as the reader says",
        algebra: "Causal<DotMap<K, DotFun<parent>>>, read with a policy",
        cost: "O(log n) to change, O(n log n) to read",
        source: "Martin, Ahmed-Nacer, Urso 2012",
        operations: &[
            op("insert", &[Arg::Key], "puts a thing at the top"),
            op("put", &[Arg::Key, Arg::Key], "puts a thing below another"),
            op("remove", &[Arg::Key], "removes a thing"),
        ],
    };
}
