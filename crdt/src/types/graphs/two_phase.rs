//! The graph with final removals.

use std::collections::BTreeSet;

use crate::algebra::Pair;
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{lattice, leaf};
use crate::value::Value;

lattice! {
    /// Vertices and edges that are removed for ever. An edge shows while both its ends do.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, LogId, Writer, types::graphs::TwoPhaseGraph};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut graph = Causal::<TwoPhaseGraph<i64>>::default();
    /// graph.edit(&at(1), |graph, change| graph.add_vertex(change, 1));
    /// graph.edit(&at(1), |graph, change| graph.remove_vertex(change, &1));
    /// graph.edit(&at(1), |graph, change| graph.add_vertex(change, 1));
    /// assert_eq!(graph.vertices().count(), 0);
    /// ```
    pub struct TwoPhaseGraph<K: Datum>(Pair<Pair<Vertices<K>, Vertices<K>>, Pair<Edges<K>, Edges<K>>>);
}
leaf!(TwoPhaseGraph<K: Datum>);

type Vertices<K> = BTreeSet<Plain<K>>;
type Edges<K> = BTreeSet<(Plain<K>, Plain<K>)>;

impl<K: Datum> TwoPhaseGraph<K> {
    /// The vertices, ascending.
    pub fn vertices(&self) -> impl Iterator<Item = &K> {
        let Pair(added, removed) = &self.0.0;
        added.difference(removed).map(|vertex| &vertex.0)
    }

    /// Whether a vertex is there. O(log n).
    #[must_use]
    pub fn contains(&self, vertex: &K) -> bool {
        let Pair(added, removed) = &self.0.0;
        added.contains(vertex) && !removed.contains(vertex)
    }

    /// The edges whose ends are there, ascending. O(n log n).
    #[must_use]
    pub fn edges(&self) -> Vec<(&K, &K)> {
        let Pair(added, removed) = &self.0.1;
        let edges = added.difference(removed).map(|(from, to)| (&from.0, &to.0));
        edges.filter(|(from, to)| self.contains(from) && self.contains(to)).collect()
    }

    /// Adds a vertex; returns the delta. O(log n).
    #[must_use]
    pub fn add_vertex(&self, _: &mut Change, vertex: K) -> Self {
        let added = BTreeSet::from([Plain(vertex)]);
        Self(Pair(Pair(added, BTreeSet::new()), Pair::default()))
    }

    /// Removes a vertex that is there, for ever; returns the delta. O(log n).
    #[must_use]
    pub fn remove_vertex(&self, _: &mut Change, vertex: &K) -> Self {
        let removed = self.contains(vertex).then(|| Plain(vertex.clone()));
        let removed = removed.into_iter().collect();
        Self(Pair(Pair(BTreeSet::new(), removed), Pair::default()))
    }

    /// Adds an edge; returns the delta. O(log n).
    #[must_use]
    pub fn add_edge(&self, _: &mut Change, from: K, to: K) -> Self {
        let added = BTreeSet::from([(Plain(from), Plain(to))]);
        Self(Pair(Pair::default(), Pair(added, BTreeSet::new())))
    }

    /// Removes an edge that was added, for ever; returns the delta. O(log n).
    #[must_use]
    pub fn remove_edge(&self, _: &mut Change, from: &K, to: &K) -> Self {
        let edge = (Plain(from.clone()), Plain(to.clone()));
        let removed = Some(edge).filter(|edge| self.0.1.0.contains(edge));
        Self(Pair(Pair::default(), Pair(BTreeSet::new(), removed.into_iter().collect())))
    }
}

impl<K: Datum> Crdt for TwoPhaseGraph<K> {
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

impl<K: Datum> Catalogued for TwoPhaseGraph<K> {
    const ABOUT: About = About {
        kind: Kind::TwoPhaseGraph,
        family: "graphs",
        what: "vertices and edges that are removed for ever",
        rule: "removing is final; an edge shows while both ends do",
        algebra: "(Set × Set) × (Set × Set)",
        cost: "O(log n) to change, O(n log n) to read",
        source: "Shapiro et al. 2011 (2P2P-Graph)",
        operations: &[
            op("add-vertex", &[Arg::Key], "adds a vertex"),
            op("remove-vertex", &[Arg::Key], "removes a vertex"),
            op("add-edge", &[Arg::Key, Arg::Key], "adds an edge"),
            op("remove-edge", &[Arg::Key, Arg::Key], "removes an edge"),
        ],
    };
}
