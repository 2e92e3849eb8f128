//! Graphs: things and the connections between them.
