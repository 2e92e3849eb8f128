//! Every type of the catalogue through its own operations: create, change, merge with what it lacks, merge with
//! what it has, encode, decode. `cargo bench -p meshwork-crdt --bench types [-- NAME]`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion};
use meshwork_crdt::{
    Arg, Edit, HybridTime, Kind, LogId, LogTable, Object, Operation, Value, Writer,
};

/// Operations in the history of a state.
const HISTORY: u64 = 500;

fn argument(arg: Arg, n: u64) -> Value {
    let number = |n: u64| Value::Int(i64::try_from(n).unwrap_or(0));
    match arg {
        Arg::Value => number(n),
        Arg::Key => Value::Text(format!("key_{}", n % 200)),
        Arg::Int => Value::Int(i64::try_from(n % 100).unwrap_or(0) - 20),
        Arg::Count => number(n % 10),
        Arg::Index => number(0),
        Arg::Text => Value::Text("word ".to_owned()),
        Arg::Time => number(n * 1000),
    }
}

fn edit(operation: &Operation, n: u64) -> Edit {
    Edit::call([], operation.name, operation.arguments.iter().map(|arg| argument(*arg, n)))
}

/// A replica after a history of one writer, and its deltas.
fn history(kind: Kind, writer: u8) -> (Object, Vec<(Vec<u8>, LogTable)>) {
    let mut object = Object::new(kind);
    let mut deltas = Vec::new();
    let operations = kind.about().operations;
    for n in 0..HISTORY {
        // Mostly the first operation, which is the one that adds.
        let which = if n % 8 == 7 { n / 8 % operations.len() as u64 } else { 0 };
        let operation = &operations[usize::try_from(which).unwrap_or(0)];
        if operation.name == "clear" {
            continue;
        }
        let writer = Writer { log: LogId([writer; 16]), time: HybridTime::at(n) };
        let mut logs = LogTable::new(writer.log);
        if let Ok(made) = object.edit(&writer, &edit(operation, n), &mut logs) {
            deltas.extend(made.into_iter().map(|delta| (delta, logs.clone())));
        }
    }
    (object, deltas)
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(200))
        .configure_from_args();
    for kind in Kind::ALL {
        let ((one, deltas), (two, _)) = (history(kind, 1), history(kind, 2));
        let bytes = one.encode_state();
        let mut group = criterion.benchmark_group(kind.name());
        group.bench_function("create", |bench| bench.iter(|| black_box(Object::new(kind))));
        let operation = &kind.about().operations[0];
        let writer = Writer { log: LogId([3; 16]), time: HybridTime::at(HISTORY) };
        group.bench_function("mutate", |bench| {
            let change = |mut object: Object| {
                let mut logs = LogTable::new(writer.log);
                let _ = black_box(object.edit(&writer, &edit(operation, HISTORY), &mut logs));
                object
            };
            bench.iter_batched(|| one.clone(), change, BatchSize::SmallInput);
        });
        if let Some((delta, logs)) = deltas.last() {
            group.bench_function("join one delta", |bench| {
                let join = |mut object: Object| {
                    let _ = black_box(object.join_delta(delta, logs));
                    object
                };
                bench.iter_batched(|| two.clone(), join, BatchSize::SmallInput);
            });
        }
        for (name, other) in [("merge disjoint", &two), ("merge equal", &one)] {
            group.bench_function(name, |bench| {
                let merge = |(mut object, other): (Object, Object)| {
                    black_box(object.join(other));
                    object
                };
                bench.iter_batched(|| (one.clone(), other.clone()), merge, BatchSize::SmallInput);
            });
        }
        group.bench_function("encode", |bench| bench.iter(|| black_box(one.encode_state())));
        group.bench_function("decode", |bench| {
            bench.iter(|| black_box(Object::decode_state(one.shape(), &bytes)));
        });
        group.finish();
    }
    criterion.final_summary();
}
