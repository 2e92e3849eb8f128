//! Measures the simulator itself: how many of the mistakes that can be planted into the engine its runs find.
//!
//! Seeds in order, one mistake at a time → the first seed of each that fails, and by which invariant. A mistake that
//! no seed finds is named. The choice of a mistake is one for the process, so mistakes come one after the other and
//! seeds go on in parallel.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;

/// A mistake that can be planted.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bug {
    #[serde(skip)]
    number: u32,
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// How a mistake was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Which mistake.
    pub bug: &'static str,
    /// The first seed that fails with it.
    pub seed: u64,
    /// What does not hold then.
    pub invariant: &'static str,
    /// In words.
    pub detail: String,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Every mistake, those of the data types first.
#[must_use]
pub fn bugs() -> Vec<Bug> {
    let all = meshwork_crdt::planted::ALL.iter().chain(meshwork_protocol::planted::ALL);
    all.map(|(number, name, what)| Bug { number: *number, name, what }).collect()
}

/// Plants a mistake and runs seeds from 0 on until one fails; none if none of so many does.
#[must_use]
pub fn hunt(bug: Bug, seeds: u64, jobs: usize) -> Option<Found> {
    let began = Instant::now();
    meshwork_protocol::planted::choose(bug.number);
    let (next, least) = (AtomicU64::new(0), AtomicU64::new(seeds));
    let found: Mutex<Option<Found>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    // Seeds are taken in order, and all before one that fails are run: the first one is the same
                    // however many there are at a time.
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= least.load(Ordering::Relaxed) {
                        break;
                    }
                    let report = crate::run(seed);
                    let Some(failure) = report.failures.into_iter().next() else { continue };
                    least.fetch_min(seed, Ordering::Relaxed);
                    let mut found = found.lock().expect("no thread panics with it");
                    if found.as_ref().is_none_or(|known| seed < known.seed) {
                        *found = Some(Found {
                            bug: bug.name,
                            seed,
                            invariant: failure.invariant,
                            detail: failure.detail,
                            seconds: 0.0,
                        });
                    }
                }
            });
        }
    });
    meshwork_protocol::planted::choose(0);
    let found = found.into_inner().expect("no thread panics with it");
    found.map(|found| Found { seconds: began.elapsed().as_secs_f64(), ..found })
}
