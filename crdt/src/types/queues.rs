//! Queues: things that wait to be taken.
