//! How two replicas find out which heads differ: Meshwork's ranges and bases beside a rateless IBLT, in one run.
//!
//! Both compare the same heads, those of two production replicas of which one half each has seen what is new.
//! Counted is what is said about heads, both ways: no link setup, no missing entries, no acknowledgements. Round
//! trips are half of the flights from the first frame about heads to the last. CPU is that of both ends on one
//! thread, the median of interleaved runs; that of ranges includes hello, claims and the end of the link, that of the
//! IBLT begins with the heads in memory. Not here: networks; `meshwork-sim bench` has the whole of a meeting.

mod heads;
mod iblt;
mod lab;
mod mill;
mod ranges;
mod report;
mod streams;

use clap::Parser;

use meshwork_protocol::limits;

use mill::{Mill, Pair};
use report::{Cost, Row};
use streams::Symbols;

/// Measures both.
#[derive(Debug, Parser)]
struct Cli {
    /// Logs of the space, once for each size.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 4_000, limits::LOGS_PER_SPACE_MAX])]
    logs: Vec<usize>,
    /// Logs that have grown; all of those that can grow, besides.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 512])]
    changed: Vec<usize>,
    /// Runs of which the median counts.
    #[arg(long, default_value_t = 5)]
    runs: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

fn main() {
    let cli = Cli::parse();
    eprintln!("writing logs");
    let most = cli.logs.iter().copied().max().unwrap_or(0);
    let mill = Mill::new(most);
    let mut rows: Vec<Row> = Vec::new();
    for logs in cli.logs {
        eprintln!("{logs} logs");
        let agreed = mill.agreed(logs);
        let all = mill.can_grow(logs);
        let changed = cli.changed.iter().copied().filter(|changed| *changed < all);
        for changed in changed.chain([all]) {
            let mut pair = mill.grown(&agreed, logs, changed);
            for base in [true, false] {
                if !base {
                    pair.forget();
                }
                rows.push(measure(&pair, (logs, changed, base), cli.runs));
            }
        }
    }
    report::print(&rows, cli.json);
}

fn measure(pair: &Pair, (logs, changed, base): (usize, usize, bool), runs: u64) -> Row {
    let heads = [0, 1].map(|n| heads::heads(&pair.disks[n]));
    let (mut ranges, mut whole, mut named) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs.max(1) {
        let key = *blake3::hash(&run.to_le_bytes()).as_bytes();
        let said = ranges::exchange(pair, run);
        ranges.push(Cost::of(said.bytes, said.flights, said.cpu_ns.iter().sum()));
        for (symbols, costs) in [(Symbols::Whole, &mut whole), (Symbols::Named, &mut named)] {
            let exchange = streams::exchange(&heads[0], &heads[1], key, symbols);
            let cost = Cost::of(exchange.bytes, exchange.flights, exchange.cpu_ns);
            costs.push(Cost { cells: Some(exchange.cells), needed: Some(exchange.needed), ..cost });
        }
    }
    let [ranges, riblt, riblt_named] = [ranges, whole, named].map(report::median);
    Row { logs, changed, base, ranges, riblt, riblt_named }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use meshwork_protocol::LogId;

    use super::*;
    use crate::lab::{Play, meet};

    #[test]
    fn replicas_and_the_iblt_find_the_same_difference() {
        let mill = Mill::new(150);
        for logs in [20, 150] {
            let agreed = mill.agreed(logs);
            for changed in [0, 1, 7, mill.can_grow(logs)] {
                let mut pair = mill.grown(&agreed, logs, changed);
                for base in [true, false] {
                    if !base {
                        pair.forget();
                    }
                    let [one, other] = [0, 1].map(|n| heads::heads(&pair.disks[n]));
                    let mut ends = pair.open(9);
                    let before = ends.each_ref().map(|end| end.logs());
                    let [first, second] = &mut ends;
                    meet(first, second, Play::All);
                    assert_eq!(first.logs(), second.logs());
                    let after: BTreeMap<LogId, u64> = first.logs().into_iter().collect();
                    let grew = |before: &[(LogId, u64)]| -> Vec<[u8; 16]> {
                        before
                            .iter()
                            .filter(|(log, seq)| after[log] > *seq)
                            .map(|(l, _)| l.0)
                            .collect()
                    };
                    for symbols in [Symbols::Whole, Symbols::Named] {
                        let found = streams::exchange(&one, &other, [7; 32], symbols).ahead;
                        assert_eq!(
                            found[0],
                            grew(&before[1]),
                            "{logs} {changed} {base} {symbols:?}"
                        );
                        assert_eq!(
                            found[1],
                            grew(&before[0]),
                            "{logs} {changed} {base} {symbols:?}"
                        );
                    }
                    assert_eq!(grew(&before[0]).len() + grew(&before[1]).len(), changed);
                }
            }
        }
    }
}
