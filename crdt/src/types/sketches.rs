//! Sketches: approximate answers about many things in little space.
