//! Rows of the race: samples in turns, medians, ratios.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

/// A sample that takes longer than this is not repeated.
const SLOW_SECONDS: f64 = 4.0;
/// A sample that takes less is the best of three.
const SHORT_MS: f64 = 20.0;

/// What one engine does for a row; `None` if it cannot, or would take too long.
pub type Entry<'a> = (&'static str, Box<dyn FnMut() -> Option<f64> + 'a>);

/// One line of the table. `ratio` is ours to the best peer's.
#[derive(Serialize)]
pub struct Row {
    row: String,
    unit: &'static str,
    ours: Option<f64>,
    ours_range: Option<[f64; 2]>,
    peers: BTreeMap<&'static str, Option<f64>>,
    peers_range: BTreeMap<&'static str, [f64; 2]>,
    best: Option<&'static str>,
    ratio: Option<f64>,
    bare: Option<f64>,
}

pub struct Race {
    rounds: usize,
    only: Vec<String>,
    skip: Vec<String>,
    list: bool,
    rows: Vec<Row>,
}

/// The name under which ours runs.
pub const OURS: &str = "meshwork";
/// The name of a limit that is no engine.
pub const BARE: &str = "bare";

impl Race {
    pub fn new(rounds: usize, only: Vec<String>, skip: Vec<String>, list: bool) -> Self {
        Self { rounds: rounds.max(1), only, skip, list, rows: Vec::new() }
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether any of some rows is wanted; prints their names if that is all that is wanted.
    pub fn wants(&self, names: &[String]) -> bool {
        if self.list {
            names.iter().for_each(|name| println!("{name}"));
            return false;
        }
        names.iter().any(|name| self.wanted(name))
    }

    fn wanted(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    pub fn skips(&self, engine: &str) -> bool {
        self.skip.iter().any(|name| name == engine)
    }

    /// Times that vary: samples in turns.
    pub fn race(&mut self, name: &str, entries: Vec<Entry<'_>>) {
        self.run(name, "ms", self.rounds, entries);
    }

    /// Sizes and heaps, which are the same each time.
    pub fn weigh(&mut self, name: &str, unit: &'static str, entries: Vec<Entry<'_>>) {
        self.run(name, unit, 1, entries);
    }

    fn run(&mut self, name: &str, unit: &'static str, rounds: usize, entries: Vec<Entry<'_>>) {
        if self.list || !self.wanted(name) {
            return;
        }
        let mut entries: Vec<_> =
            entries.into_iter().filter(|(engine, _)| !self.skips(engine)).collect();
        let mut samples: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        let mut done: Vec<bool> = entries.iter().map(|_| false).collect();
        for _ in 0..rounds {
            for ((engine, work), done) in entries.iter_mut().zip(&mut done) {
                if *done {
                    continue;
                }
                eprint!("\r\x1b[K{name}: {engine}");
                let start = Instant::now();
                match work() {
                    Some(mut sample) => {
                        // What the engine before has left of its heap is not this one's: short work is done
                        // again at once, and the best counts.
                        if unit == "ms" && sample < SHORT_MS {
                            let again = (0..2).filter_map(|_| work());
                            sample = again.fold(sample, f64::min);
                        }
                        samples.entry(engine).or_default().push(sample);
                    }
                    None => *done = true,
                }
                *done |= start.elapsed().as_secs_f64() > SLOW_SECONDS;
            }
        }
        eprint!("\r\x1b[K");
        let mut row = Row {
            row: name.to_owned(),
            unit,
            ours: None,
            ours_range: None,
            peers: BTreeMap::new(),
            peers_range: BTreeMap::new(),
            best: None,
            ratio: None,
            bare: None,
        };
        for (engine, _) in &entries {
            let taken = samples.get_mut(engine).map(|samples| {
                samples.sort_by(f64::total_cmp);
                (samples[samples.len() / 2], [samples[0], samples[samples.len() - 1]])
            });
            let value = taken.map(|(median, _)| median);
            match *engine {
                OURS => (row.ours, row.ours_range) = (value, taken.map(|(_, range)| range)),
                BARE => row.bare = value,
                peer => {
                    row.peers.insert(peer, value);
                    if let Some((_, range)) = taken {
                        row.peers_range.insert(peer, range);
                    }
                }
            }
        }
        let known = row.peers.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        let best = known.min_by(|a, b| a.1.total_cmp(&b.1));
        row.best = best.map(|(name, _)| name);
        row.ratio = row.ours.zip(best).map(|(ours, (_, best))| ours / best.max(1e-9));
        eprintln!("{}", row.line());
        self.rows.push(row);
    }

    pub fn print(&self) {
        println!("| row | unit | ours | min to max | best peer | ratio | others | bare |");
        println!("|---|---|---|---|---|---|---|---|");
        for row in &self.rows {
            println!("{}", row.line());
        }
    }
}

impl Row {
    fn line(&self) -> String {
        let number = |value: Option<f64>| value.map_or("–".to_owned(), short);
        let range = self.ours_range.map_or(String::new(), |[min, max]| {
            if self.unit == "ms" {
                format!("{} to {}", short(min), short(max))
            } else {
                String::new()
            }
        });
        let best = self.best.map_or("–".to_owned(), |best| {
            format!("{best} {}", number(self.peers.get(best).copied().flatten()))
        });
        let others: Vec<String> = self
            .peers
            .iter()
            .filter(|(name, _)| Some(**name) != self.best)
            .map(|(name, value)| format!("{name} {}", number(*value)))
            .collect();
        format!(
            "| {} | {} | {} | {range} | {best} | {} | {} | {} |",
            self.row,
            self.unit,
            number(self.ours),
            self.ratio.map_or("–".to_owned(), |ratio| format!("**{}**", short(ratio))),
            others.join(", "),
            number(self.bare),
        )
    }
}

/// A number in three digits, thousands apart.
fn short(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value.abs() >= 1000.0 {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index) % 3 == 0 {
                grouped.push(' ');
            }
            grouped.push(digit);
        }
        grouped
    } else if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else if value.abs() >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}
