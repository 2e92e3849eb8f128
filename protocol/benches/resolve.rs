//! What it takes to resolve 10 000 membership operations, in shapes that are hard in different ways: all of them
//! from nothing, and one more beside them.
//!
//! Only the resolver and what keeps operations: no signatures are verified, nothing is stored. Times are CPU time of the
//! thread, so that other work on the machine counts less.

use std::cell::LazyCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use meshwork_protocol::histories::{History, Shape};
use rustix::time::{ClockId, clock_gettime};

const OPERATIONS: usize = 10_000;
/// What admins that void each other's removals take grows with the cube of their number.
const QUARREL_OPERATIONS: usize = 200;

/// CPU time of this thread.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::try_from(time).expect("time is not negative")
    }

    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn resolve(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("resolve");
    group.sample_size(20);
    for shape in Shape::ALL {
        let operations = if shape == Shape::Quarrel { QUARREL_OPERATIONS } else { OPERATIONS };
        let history = LazyCell::new(|| History::new(shape, operations));
        group.bench_function(format!("{shape:?}/all"), |bencher| {
            bencher.iter(|| black_box(history.resolve()));
        });
        group.bench_function(format!("{shape:?}/one more"), |bencher| {
            let one_more = |mut history: History| {
                history.add_one();
                history
            };
            bencher.iter_batched(|| history.clone(), one_more, BatchSize::PerIteration);
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = resolve
}
criterion_main!(benches);
