//! `meshwork-sim`: run seeds of the simulated world.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::{Parser, Subcommand};
use meshwork_sim::Report;
use meshwork_sim::bench::{self, Sizes};
use serde_json::json;

/// Run the production replication engine in a simulated world of failing links, disks and machines.
#[derive(Parser)]
#[command(name = "meshwork-sim", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run one seed and report on it.
    Run {
        /// The seed; the same one gives the same run.
        #[arg(long)]
        seed: u64,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run many seeds; list those that fail.
    Explore {
        /// How many.
        #[arg(long, default_value_t = 100)]
        seeds: u64,
        /// The first one.
        #[arg(long, default_value_t = 0)]
        start: u64,
        /// How many at a time [default: one per core].
        #[arg(long)]
        jobs: Option<usize>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Plant mistakes into the engine, one at a time, and see which of them runs find.
    Planted {
        /// Only this mistake.
        #[arg(long)]
        bug: Option<String>,
        /// Most seeds for each.
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// How many seeds at a time [default: one per core].
        #[arg(long)]
        jobs: Option<usize>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Measure what the protocol costs: bytes, round trips, entries per second.
    Bench {
        /// A tenth of the entries: for a quick look.
        #[arg(long)]
        small: bool,
        /// Measure nothing but how entries spread.
        #[arg(long)]
        spread_only: bool,
        /// Let entries spread among up to so many devices: 100000 takes some GiB and half an hour.
        #[arg(long, default_value_t = 10_000)]
        spread_nodes: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Run { seed, json } => run(seed, json),
        Verb::Explore { seeds, start, jobs, json } => explore(start, seeds, jobs, json),
        Verb::Planted { bug, seeds, jobs, json } => planted(bug.as_deref(), seeds, jobs, json),
        Verb::Bench { spread_only: true, spread_nodes, json, .. } => spread(spread_nodes, json),
        Verb::Bench { small, spread_nodes, json, .. } => bench(small, spread_nodes, json),
    }
}

fn run(seed: u64, json: bool) -> ExitCode {
    let began = Instant::now();
    let report = meshwork_sim::run(seed);
    let rate = per_second(report.events, began);
    let passed = report.failures.is_empty();
    if json {
        let mut value = serde_json::to_value(&report).expect("a report is plain JSON");
        value["seed"] = json!(seed);
        value["events_per_s"] = json!(rate.round());
        println!("{value}");
    } else {
        println!("{}", report.plan);
        println!(
            "{} events in {} s of the world, {} edits granted, {} crashes, {rate:.0} events/s",
            report.events,
            report.virtual_ms / 1_000,
            report.granted,
            report.crashes
        );
        println!("trace {}", report.trace_hash);
        for failure in &report.failures {
            println!("FAILED {}: {}", failure.invariant, failure.detail);
        }
        if passed {
            println!("converged");
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explore(start: u64, seeds: u64, jobs: Option<usize>, json: bool) -> ExitCode {
    let began = Instant::now();
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let next = AtomicU64::new(start);
    let failed: Mutex<Vec<Report>> = Mutex::new(Vec::new());
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= start + seeds {
                        break;
                    }
                    let report = meshwork_sim::run(seed);
                    if !report.failures.is_empty() {
                        failed.lock().expect("no thread panics with it").push(report);
                    }
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(done, seeds, began);
                }
            });
        }
    });
    eprintln!();
    let mut failed = failed.into_inner().expect("no thread panics with it");
    failed.sort_by_key(|report| report.plan.seed);
    let rate = per_second(seeds, began);
    if json {
        let failures: Vec<_> = failed
            .iter()
            .flat_map(|report| {
                report.failures.iter().map(|failure| {
                    json!({"seed": report.plan.seed, "invariant": failure.invariant,
                           "detail": failure.detail})
                })
            })
            .collect();
        println!("{}", json!({"seeds": seeds, "failures": failures, "seeds_per_s": rate}));
    } else {
        for report in &failed {
            println!("{}", report.plan);
            for failure in &report.failures {
                println!("  FAILED {}: {}", failure.invariant, failure.detail);
            }
        }
        println!("{seeds} seeds, {} failed, {rate:.1} seeds/s", failed.len());
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(feature = "planted"))]
fn planted(_: Option<&str>, _: u64, _: Option<usize>, _: bool) -> ExitCode {
    eprintln!(
        "this build holds no mistakes; one that does: cargo run --release -p meshwork-sim \
         --features planted -- planted"
    );
    ExitCode::FAILURE
}

/// The share of mistakes that must be found, in hundredths.
#[cfg(feature = "planted")]
const FOUND_PERCENT_MIN: usize = 95;

#[cfg(feature = "planted")]
fn planted(only: Option<&str>, seeds: u64, jobs: Option<usize>, json: bool) -> ExitCode {
    use meshwork_sim::planted::{bugs, hunt};
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let chosen: Vec<_> =
        bugs().into_iter().filter(|bug| only.is_none_or(|only| only == bug.name)).collect();
    if chosen.is_empty() {
        eprintln!("there is no such mistake; there are:");
        bugs().iter().for_each(|bug| eprintln!("  {:<26} {}", bug.name, bug.what));
        return ExitCode::FAILURE;
    }
    // A panic is one way to be found.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut found, mut missed) = (Vec::new(), Vec::new());
    for bug in &chosen {
        let began = Instant::now();
        let seen = hunt(*bug, seeds, jobs);
        let row = match &seen {
            Some(seen) => format!("seed {:<4} {:<12} {}", seen.seed, seen.invariant, seen.detail),
            None => "NOT FOUND".to_owned(),
        };
        eprintln!("{:<26} {:>6.1} s  {row}", bug.name, began.elapsed().as_secs_f64());
        match seen {
            Some(seen) => found.push(seen),
            None => missed.push(bug.name),
        }
    }
    let (all, caught) = (chosen.len(), found.len());
    if json {
        println!("{}", json!({"bugs": all, "caught": caught, "missed": missed, "found": found}));
    } else {
        println!("{caught} of {all} mistakes are found within {seeds} seeds each");
        missed.iter().for_each(|name| println!("not found: {name}"));
    }
    if caught * 100 >= all * FOUND_PERCENT_MIN { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn spread(nodes_max: usize, json: bool) -> ExitCode {
    let spread = bench::spreads(nodes_max);
    if json {
        println!("{}", json!({ "spread": spread }));
    } else {
        for row in spread {
            println!("{}", serde_json::to_string(&row).expect("a row is plain JSON"));
        }
    }
    ExitCode::SUCCESS
}

fn bench(small: bool, spread_nodes_max: usize, json: bool) -> ExitCode {
    let mut sizes = Sizes { spread_nodes_max, ..Sizes::default() };
    if small {
        sizes.cold_entries /= 10;
        sizes.many_entries /= 10;
        sizes.members = &[100];
        sizes.operations /= 10;
    }
    let figures = bench::measure(sizes, &|what| eprintln!("measuring: {what}"));
    let value = serde_json::to_value(&figures).expect("figures are plain JSON");
    if json {
        println!("{value}");
    } else {
        for (name, value) in value.as_object().into_iter().flatten() {
            println!("{name:<28} {value}");
        }
    }
    ExitCode::SUCCESS
}

fn progress(done: u64, of: u64, began: Instant) {
    if done.is_multiple_of(10) || done == of {
        let rate = per_second(done, began);
        let left = (of - done) as f64 / rate.max(0.001);
        eprint!("\r{done} of {of} seeds, {rate:.1}/s, {left:.0} s left   ");
        let _ = std::io::stderr().flush();
    }
}

fn per_second(count: u64, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64().max(0.000_001)
}
