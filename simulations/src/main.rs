//! `meshwork-sim`: what happens to devices on bad links, before it does.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod verbs;

use verbs::{bench, explore, planted, report, run};

/// Run the production replication engine in a simulated world of failing links, disks and machines.
#[derive(Parser)]
#[command(name = "meshwork-sim", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a scenario, or a seed of chaos, and report on it.
    Run {
        /// A scenario: a file, or the name of a shipped one. Without it the seed draws everything.
        scenario: Option<String>,
        /// The seed; the same one gives the same run.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// The scenario made smaller, for a quick look.
        #[arg(long)]
        small: bool,
        /// Run every shipped scenario instead of one.
        #[arg(long, conflicts_with_all = ["scenario", "transcript", "report"])]
        all: bool,
        /// Write what happened, line by line, to this file.
        #[arg(long, value_name = "FILE")]
        transcript: Option<PathBuf>,
        /// Write a page with plots to this file, and the same as JSON beside it.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run many seeds; list, shrink and save those that fail.
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
        /// Seeds of this scenario instead of chaos.
        #[arg(long)]
        scenario: Option<String>,
        /// The scenario made smaller.
        #[arg(long)]
        small: bool,
        /// Where to save runs that fail.
        #[arg(long, value_name = "FOLDER", default_value = "failures")]
        save: PathBuf,
        /// Do not make runs that fail smaller.
        #[arg(long)]
        no_shrink: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a saved plan again, and see whether the same happens.
    Replay {
        /// What `explore` or `shrink` saved.
        file: PathBuf,
        /// Write what happened, line by line, to this file.
        #[arg(long, value_name = "FILE")]
        transcript: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a failing run smaller, as long as it fails in the same way.
    Shrink {
        /// A saved run; or give a seed.
        file: Option<PathBuf>,
        /// A seed of chaos.
        #[arg(long, conflicts_with = "file", required_unless_present = "file")]
        seed: Option<u64>,
        /// How many runs to try at most.
        #[arg(long, default_value_t = 500)]
        runs: u64,
        /// Where to save the smallest.
        #[arg(long, value_name = "FOLDER", default_value = "failures")]
        save: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a page with plots of a run that was written as JSON; of two, a comparison.
    Report {
        /// What `run --json` or `run --report` wrote.
        run: PathBuf,
        /// Another run, to be compared with it.
        other: Option<PathBuf>,
        /// The page to write.
        #[arg(long, value_name = "FILE", default_value = "report.html")]
        out: PathBuf,
        /// Print the comparison as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run three fixed scenarios and compare counts and bytes with those of the stored baseline.
    Baseline {
        /// Store what is found as the new baseline.
        #[arg(long)]
        renew: bool,
        /// The baseline.
        #[arg(long, value_name = "FILE", default_value = "simulations/baseline.json")]
        file: PathBuf,
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
    /// Measure what the protocol costs, and what the simulator does in a second.
    Bench {
        /// A tenth of the entries: for a quick look.
        #[arg(long)]
        small: bool,
        /// Measure nothing but how entries spread.
        #[arg(long)]
        spread_only: bool,
        /// Measure nothing but the simulator itself.
        #[arg(long, conflicts_with = "spread_only")]
        engine_only: bool,
        /// Let entries spread among up to so many devices: 100000 takes some GiB and half an hour.
        #[arg(long, default_value_t = 10_000)]
        spread_nodes: usize,
        /// Full devices of which the memory is measured.
        #[arg(long, default_value_t = 1_000)]
        full_devices: usize,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Run { all: true, seed, small, json, .. } => run::all(seed, small, json),
        Verb::Run { scenario, seed, small, transcript, report, json, .. } => {
            run::one(&run::Run { scenario, seed, small, transcript, report, json })
        }
        Verb::Explore { seeds, start, jobs, scenario, small, save, no_shrink, json } => {
            let what = explore::Explore { seeds, start, jobs, scenario, small, save, json };
            explore::explore(&what, !no_shrink)
        }
        Verb::Replay { file, transcript, json } => run::replay(&file, transcript.as_deref(), json),
        Verb::Shrink { file, seed, runs, save, json } => {
            explore::shrink(file.as_deref(), seed, runs, &save, json)
        }
        Verb::Report { run, other, out, json } => {
            report::report(&run, other.as_deref(), &out, json)
        }
        Verb::Planted { bug, seeds, jobs, json } => {
            planted::planted(bug.as_deref(), seeds, jobs, json)
        }
        Verb::Baseline { renew, file, json } => report::baseline(&file, renew, json),
        Verb::Bench { spread_only: true, spread_nodes, json, .. } => {
            bench::spread(spread_nodes, json)
        }
        Verb::Bench { engine_only: true, full_devices, json, .. } => {
            bench::engine(full_devices, json)
        }
        Verb::Bench { small, spread_nodes, full_devices, json, .. } => {
            bench::bench(small, spread_nodes, full_devices, json)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("meshwork-sim: {error}");
        ExitCode::from(2)
    })
}
