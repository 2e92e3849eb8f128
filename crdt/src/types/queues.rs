//! Queues: things that wait to be taken.

mod priority;
mod queue;

pub use priority::PriorityQueue;
pub use queue::Queue;
