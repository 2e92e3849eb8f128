//! Graphs: things and the connections between them.

mod classes;
mod dag;
mod graph;
mod order;
mod partial_order;
mod triples;
mod two_phase;

pub use classes::Classes;
pub use dag::Dag;
pub use graph::Graph;
pub use partial_order::PartialOrder;
pub use triples::Triples;
pub use two_phase::TwoPhaseGraph;
