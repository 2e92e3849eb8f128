//! The graph without cycles.

use super::order::acyclic;
use crate::algebra::{DotFun, DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::time::HybridTime;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Vertices and arrows that never go round in a circle: of arrows that would, the earlier ones show. The others come back when the earlier ones go.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::graphs::Dag};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Dag<i64>>::default();
    /// for n in [1, 2] {
    ///     one.edit(&at(1), |dag, change| dag.add_vertex(change, n));
    /// }
    /// let mut two = one.clone();
    /// one.edit(&at(1), |dag, change| dag.add_edge(change, 1, 2));
    /// two.edit(&at(2), |dag, change| dag.add_edge(change, 2, 1));
    /// one.join(two);
    /// assert_eq!(one.edges(), [(&1, &2)]);
    /// assert_eq!(one.topological_order(), [&1, &2]);
    /// ```
    pub struct Dag<K: Datum>((DotMap<Plain<K>, DotSet>, DotMap<(Plain<K>, Plain<K>), DotFun<HybridTime>>));
}
leaf!(Dag<K: Datum>);

impl<K: Datum> Dag<K> {
    /// The vertices, ascending.
    pub fn vertices(&self) -> impl Iterator<Item = &K> {
        self.0.0.iter().map(|(vertex, _)| &vertex.0)
    }

    /// The arrows that show, in the order of their adding.
    #[must_use]
    pub fn edges(&self) -> Vec<(&K, &K)> {
        self.acyclic().0
    }

    /// All vertices, so that every arrow points forwards; ties by the vertices themselves.
    #[must_use]
    pub fn topological_order(&self) -> Vec<&K> {
        self.acyclic().1
    }

    fn acyclic(&self) -> (Vec<(&K, &K)>, Vec<&K>) {
        let there = |vertex: &K| self.0.0.get(vertex).is_some();
        let edges = self.0.1.iter().filter(|((from, to), _)| there(&from.0) && there(&to.0));
        let mut edges: Vec<_> = edges
            .filter_map(|((from, to), added)| {
                let first = added.iter().map(|(dot, time)| (*time, dot)).min()?;
                Some((first, (&from.0, &to.0)))
            })
            .filter(|(_, (from, to))| from != to)
            .collect();
        edges.sort();
        let edges: Vec<_> = edges.into_iter().map(|(_, edge)| edge).collect();
        acyclic(self.vertices(), &edges)
    }

    /// Adds a vertex; returns the delta. O(log n).
    #[must_use]
    pub fn add_vertex(&self, change: &mut Change, vertex: K) -> Self {
        if let Some(dots) = self.0.0.get(&vertex) {
            change.forget_all(dots);
        }
        let vertices = DotMap::of(Plain(vertex), DotSet::of(change.dot()));
        Self((vertices, DotMap::default()))
    }

    /// Removes a vertex as far as has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove_vertex(&self, change: &mut Change, vertex: &K) -> Self {
        if let Some(dots) = self.0.0.get(vertex) {
            change.forget_all(dots);
        }
        Self::default()
    }

    /// Adds an arrow; returns the delta, bottom if it is there. O(log n).
    #[must_use]
    pub fn add_edge(&self, change: &mut Change, from: K, to: K) -> Self {
        let edge = (Plain(from), Plain(to));
        if self.0.1.get(&edge).is_some() {
            return Self::default();
        }
        let added = DotFun::of(change.dot(), change.time());
        Self((DotMap::default(), DotMap::of(edge, added)))
    }

    /// Removes an arrow as far as has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove_edge(&self, change: &mut Change, from: &K, to: &K) -> Self {
        if let Some(added) = self.0.1.get(&(Plain(from.clone()), Plain(to.clone()))) {
            change.forget_all(added);
        }
        Self::default()
    }
}

impl<K: Datum> Crdt for Dag<K> {
    fn about(&self) -> &'static About {
        &Self::ABOUT
    }

    fn value(&self) -> Value {
        let edges = self.edges().into_iter();
        Value::map([
            ("vertices".into(), Value::list(self.vertices().map(Datum::to_value))),
            (
                "edges".into(),
                Value::list(edges.map(|(from, to)| Value::list([from.to_value(), to.to_value()]))),
            ),
        ])
    }

    fn call(&self, change: &mut Change, path: &[Value], call: &Call) -> Result<Self, EditError> {
        end_of(path)?;
        match call.parts() {
            ("add-vertex", [vertex]) => Ok(self.add_vertex(change, arg(vertex)?)),
            ("remove-vertex", [vertex]) => Ok(self.remove_vertex(change, &arg(vertex)?)),
            ("add-edge", [from, to]) => Ok(self.add_edge(change, arg(from)?, arg(to)?)),
            ("remove-edge", [from, to]) => Ok(self.remove_edge(change, &arg(from)?, &arg(to)?)),
            _ => Err(call.unknown(&Self::ABOUT)),
        }
    }
}

impl<K: Datum> Catalogued for Dag<K> {
    const ABOUT: About = About {
        kind: Kind::Dag,
        family: "graphs",
        what: "vertices and arrows without cycles",
        rule: "of arrows that would close a cycle the earlier ones show",
        algebra: "Causal<DotMap<K, DotSet> × DotMap<(K, K), DotFun<time>>>, read without cycles",
        cost: "O(log n) to change, O(n log n) to read, more with cycles",
        source: "Shapiro et al. 2011; order: Kahn 1962",
        operations: &[
            op("add-vertex", &[Arg::Key], "adds a vertex"),
            op("remove-vertex", &[Arg::Key], "removes a vertex"),
            op("add-edge", &[Arg::Key, Arg::Key], "adds an edge"),
            op("remove-edge", &[Arg::Key, Arg::Key], "removes an edge"),
        ],
    };
}
