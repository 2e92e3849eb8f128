//! The graph in which additions win.

use crate::algebra::{DotMap, DotSet};
use crate::crdt::{About, Arg, Call, Catalogued, Crdt, EditError, arg, end_of, op};
use crate::datum::{Datum, Plain};
use crate::node::Kind;
use crate::store::Change;
use crate::types::{leaf, store};
use crate::value::Value;

store! {
    /// Vertices and directed edges; adding wins over concurrent removing. An edge shows while both its ends do.
    ///
    /// ```
    /// use meshwork_crdt::{Causal, HybridTime, Lattice, LogId, Writer, types::graphs::Graph};
    /// let at = |log| Writer { log: LogId([log; 16]), time: HybridTime::at(1) };
    /// let mut one = Causal::<Graph<i64>>::default();
    /// for n in [1, 2] {
    ///     one.edit(&at(1), |graph, change| graph.add_vertex(change, n));
    /// }
    /// let mut two = one.clone();
    /// one.edit(&at(1), |graph, change| graph.add_edge(change, 1, 2));
    /// two.edit(&at(2), |graph, change| graph.remove_vertex(change, &2));
    /// one.join(two);
    /// assert!(one.edges().is_empty(), "no edge dangles");
    /// ```
    pub struct Graph<K: Datum>((DotMap<Plain<K>, DotSet>, DotMap<(Plain<K>, Plain<K>), DotSet>));
}
leaf!(Graph<K: Datum>);

impl<K: Datum> Graph<K> {
    /// The vertices, ascending.
    pub fn vertices(&self) -> impl Iterator<Item = &K> {
        self.0.0.iter().map(|(vertex, _)| &vertex.0)
    }

    /// The edges whose ends are there, ascending. O(n log n).
    #[must_use]
    pub fn edges(&self) -> Vec<(&K, &K)> {
        let edges = self.0.1.iter().map(|((from, to), _)| (&from.0, &to.0));
        edges.filter(|(from, to)| self.contains(from) && self.contains(to)).collect()
    }

    /// Whether a vertex is there. O(log n).
    #[must_use]
    pub fn contains(&self, vertex: &K) -> bool {
        self.0.0.get(vertex).is_some()
    }

    /// Where the edges of a vertex lead. O(n log n).
    #[must_use]
    pub fn neighbours(&self, vertex: &K) -> Vec<&K> {
        self.edges().into_iter().filter(|(from, _)| *from == vertex).map(|(_, to)| to).collect()
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

    /// Adds an edge; returns the delta. O(log n).
    #[must_use]
    pub fn add_edge(&self, change: &mut Change, from: K, to: K) -> Self {
        let edge = (Plain(from), Plain(to));
        if let Some(dots) = self.0.1.get(&edge) {
            change.forget_all(dots);
        }
        Self((DotMap::default(), DotMap::of(edge, DotSet::of(change.dot()))))
    }

    /// Removes an edge as far as has been seen; returns the delta. O(log n).
    #[must_use]
    pub fn remove_edge(&self, change: &mut Change, from: &K, to: &K) -> Self {
        if let Some(dots) = self.0.1.get(&(Plain(from.clone()), Plain(to.clone()))) {
            change.forget_all(dots);
        }
        Self::default()
    }
}

impl<K: Datum> Crdt for Graph<K> {
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

impl<K: Datum> Catalogued for Graph<K> {
    const ABOUT: About = About {
        kind: Kind::Graph,
        family: "graphs",
        what: "vertices and edges",
        rule: "adding wins over concurrent removing; an edge shows while both ends do",
        algebra: "Causal<DotMap<K, DotSet> × DotMap<(K, K), DotSet>>",
        cost: "O(log n) to change, O(n log n) to read",
        source: "Shapiro et al. 2011",
        operations: &[
            op("add-vertex", &[Arg::Key], "adds a vertex"),
            op("remove-vertex", &[Arg::Key], "removes a vertex"),
            op("add-edge", &[Arg::Key, Arg::Key], "adds an edge"),
            op("remove-edge", &[Arg::Key, Arg::Key], "removes an edge"),
        ],
    };
}
