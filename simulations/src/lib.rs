//! A deterministic world around the production replica.
//!
//! A seed in → the same run, always: one thread, virtual time, one event queue, one generator. The world
//! performs the engine's effects on links that lose, repeat, reorder, corrupt and break, and on disks that
//! forget what was not synced. First anything may fail, then everything heals and must converge.
//! Invariant: nothing here reads a clock but the program's progress report and `bench`. Not here: sockets, threads.

pub mod baseline;
pub mod bench;
mod bytes;
mod check;
mod disk;
pub mod engine;
pub mod figures;
mod ledger;
mod people;
pub mod plan;
#[cfg(feature = "planted")]
pub mod planted;
pub mod report;
pub mod saved;
pub mod scenario;
pub mod shrink;
pub mod swarm;
mod world;

pub use check::Violation;
pub use disk::{CrashDisk, Image};
pub use plan::{Faults, Mischief, Plan};
pub use world::{Report, World};

/// Runs one seed from beginning to end. What panics on the way is a violation like any other.
#[must_use]
pub fn run(seed: u64) -> Report {
    run_plan(Plan::draw(seed))
}

/// Runs a plan from beginning to end. What panics on the way is a violation like any other.
#[must_use]
pub fn run_plan(plan: Plan) -> Report {
    let world = std::panic::AssertUnwindSafe(|| World::new(plan.clone()).run());
    std::panic::catch_unwind(world).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        Report::panicked(plan, text)
    })
}
