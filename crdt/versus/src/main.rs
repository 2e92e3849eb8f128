//! Meshwork and its peers on the same work, in one run.
//!
//! Every row is measured in turns: one sample of each engine, then the next, so that whatever else the machine
//! does hits all of them alike. Times are CPU time of the process; heaps are counted by the allocator. A ratio is
//! ours to the best peer's; below one we lead.

use clap::Parser;

mod engines;
mod measure;
mod report;
mod rows;
mod traces;

use report::Race;

/// Runs the race and prints its table.
#[derive(Parser)]
#[command(about = "Meshwork's data types beside those of other projects: time, bytes and heap.")]
struct Options {
    /// Print a JSON array of rows instead of a table.
    #[arg(long)]
    json: bool,
    /// Read the traces from this folder (`automerge-paper.json.gz` and others) instead of generating some.
    #[arg(long, value_name = "DIR")]
    traces: Option<std::path::PathBuf>,
    /// Samples of each engine in each row; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only rows whose name contains this.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Leave out an engine: loro, automerge, yrs, diamond-types, cola.
    #[arg(long, value_name = "PEER")]
    skip: Vec<String>,
    /// Print the names of all rows and do nothing.
    #[arg(long)]
    list: bool,
    /// Smaller generated work, for a look.
    #[arg(long)]
    quick: bool,
}

fn main() {
    let options = Options::parse();
    let mut race = Race::new(options.rounds, options.only, options.skip, options.list);
    let traces = match &options.traces {
        Some(folder) => traces::read(folder).unwrap_or_else(|error| {
            eprintln!(
                "error: {error}\nhint: --traces wants a folder with *.json.gz editing traces"
            );
            std::process::exit(2);
        }),
        None => traces::generate(options.quick),
    };
    for trace in &traces.sequential {
        rows::sequential::run(&mut race, trace);
    }
    for trace in &traces.concurrent {
        rows::concurrent::run(&mut race, trace);
    }
    if let Some(trace) = traces.sequential.first() {
        rows::sync::run(&mut race, trace);
    }
    rows::growth::run(&mut race, options.quick);
    rows::collections::run(&mut race, options.quick);
    if options.list {
        return;
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&race.rows()).expect("rows are plain data"));
    } else {
        race.print();
    }
}
