//! How a change reaches every device over Meshwork's sessions, and over libp2p's gossipsub, in one run.
//!
//! Both run the same number of nodes in one process, on the same first links, over the same transport: memory,
//! Noise, Yamux, every byte below Noise counted. Both spread the same messages by the same authors at the same
//! pace. Ours are production replicas: each message is an edit, encrypted, signed, stored in memory,
//! acknowledged and applied by every node; gossipsub signs and delivers bytes. Not here: networks with latency,
//! which `meshwork-sim bench` simulates.

mod graph;
mod ours;
mod report;
mod theirs;
mod transport;

use std::time::Duration;

use clap::Parser;

use report::Row;

/// Measures both.
#[derive(Debug, Parser)]
struct Cli {
    /// How many nodes, once for each size.
    #[arg(long, value_delimiter = ',', default_value = "16,50,200")]
    nodes: Vec<usize>,
    /// Messages that are measured, written by some authors in turn.
    #[arg(long, default_value_t = 80)]
    messages: u32,
    /// Time between two messages, in milliseconds.
    #[arg(long, default_value_t = 100)]
    every_ms: u64,
    /// Bytes of a message.
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// How long links settle before anybody writes, in seconds.
    #[arg(long, default_value_t = 120)]
    settle_s: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What both have to do.
#[derive(Clone, Copy, Debug)]
struct Work {
    nodes: usize,
    messages: u32,
    every_ms: u64,
    bytes: usize,
    settle: Duration,
}

/// Who writes.
const AUTHORS: usize = 8;
/// Messages by each author before those that are measured.
const WARM_UP: u32 = 5;
/// How long the last message may take.
const TAIL: Duration = Duration::from_secs(5);

impl Work {
    fn author(&self, message: u32) -> usize {
        message as usize % AUTHORS * (self.nodes / AUTHORS)
    }

    /// The message that a node writes as its `nth`, counted from 0.
    fn nth_of(&self, node: usize, nth: u32) -> Option<u32> {
        let place = (0..AUTHORS as u32).find(|place| self.author(*place) == node)?;
        let message = nth * AUTHORS as u32 + place;
        (message < self.all()).then_some(message)
    }

    fn all(&self) -> u32 {
        WARM_UP * AUTHORS as u32 + self.messages
    }
}

fn main() {
    let cli = Cli::parse();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let mut rows: Vec<Row> = Vec::new();
    for nodes in cli.nodes {
        assert!(nodes >= AUTHORS, "there are {AUTHORS} authors");
        let (messages, every_ms, bytes) = (cli.messages, cli.every_ms, cli.bytes);
        let settle = Duration::from_secs(cli.settle_s);
        let work = Work { nodes, messages, every_ms, bytes, settle };
        eprintln!("gossipsub, {nodes} nodes");
        rows.push(runtime.block_on(theirs::run(work)));
        eprintln!("meshwork, {nodes} nodes");
        rows.push(runtime.block_on(ours::run(work)));
    }
    report::print(&rows, cli.json);
}
