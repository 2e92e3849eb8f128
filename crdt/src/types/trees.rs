//! Trees: things that hang below each other.
