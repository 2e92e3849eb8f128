//! The simulator as a WebAssembly module, to see that a plan gives the same trace there as anywhere.
//!
//! The host asks for `room`, writes a scenario file's text there (nothing: a seed of chaos), calls `run`, and reads as
//! many bytes at `told` as that returned: the trace hash, the number of events and of failures, one line each. Where the
//! world panics the module traps, and `told` holds what it said, `told_length` bytes of it.
//! Nothing here or beneath reads a clock, a file or a random number; the module imports nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use meshwork_sim::scenario::Scenario;
use meshwork_sim::{Plan, World};

static GIVEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static TOLD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn locked(bytes: &'static Mutex<Vec<u8>>) -> MutexGuard<'static, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the host writes so many bytes of a scenario.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    let mut given = locked(&GIVEN);
    *given = vec![0; length];
    given.as_mut_ptr()
}

/// Runs what lies in the room with a seed, made smaller if that is wanted. Returns how long the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn run(seed: u64, small: bool) -> usize {
    std::panic::set_hook(Box::new(|panic| *locked(&TOLD) = panic.to_string().into_bytes()));
    let text = String::from_utf8_lossy(&locked(&GIVEN)).into_owned();
    let plan = if text.is_empty() {
        Ok(Plan::draw(seed))
    } else {
        Scenario::read("the scenario", &text).and_then(|scenario| scenario.plan(seed, small))
    };
    let told = match plan {
        Ok(plan) => {
            let report = World::new(plan).run();
            let failures = report.failures.len();
            format!("{}\n{}\n{failures}\n", report.trace_hash, report.events)
        }
        Err(error) => error,
    };
    *locked(&TOLD) = told.into_bytes();
    told_length()
}

/// Where the answer lies.
#[unsafe(no_mangle)]
pub extern "C" fn told() -> *const u8 {
    locked(&TOLD).as_ptr()
}

/// How long the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn told_length() -> usize {
    locked(&TOLD).len()
}
