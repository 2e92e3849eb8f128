//! Three fixed scenarios whose counts and bytes are stored, so that a change that makes something dearer is seen.
//!
//! Counts and bytes, not times: the same code gives the same numbers on every machine, so any difference is a change
//! of the code. Whoever makes such a change on purpose renews the baseline, and the difference is reviewed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scenario;
use crate::swarm::Swarm;
use crate::world::World;

/// Scenarios of full devices: name and seed.
const FULL: [(&str, u64); 2] = [("office-of-50", 1), ("two-regions-thin-link", 1)];
/// Devices of the swarm, its authors, and entries of each.
const SWARM: (usize, usize, u32) = (400, 4, 12);

/// Numbers by name.
pub type Numbers = BTreeMap<String, BTreeMap<String, u64>>;

/// Runs the three and tells what came of each.
///
/// # Errors
/// That one of them failed.
pub fn measure() -> Result<Numbers, String> {
    let mut numbers = Numbers::new();
    for (name, seed) in FULL {
        let report = World::new(scenario::plan(name, seed, true)?).run();
        if let Some(failure) = report.failures.first() {
            return Err(format!("{name} failed: {}: {}", failure.invariant, failure.detail));
        }
        let value = serde_json::to_value(&report).map_err(|error| error.to_string())?;
        let rows = crate::report::rows(&value).into_iter();
        numbers.insert(name.to_owned(), rows.map(|(row, it)| (row.to_owned(), it)).collect());
    }
    numbers.insert("swarm-of-400".to_owned(), swarm());
    Ok(numbers)
}

/// Devices that join, settle and pass on entries: no more of each than its links and how far it has each log.
fn swarm() -> BTreeMap<String, u64> {
    let (devices, authors, entries) = SWARM;
    let mut swarm = Swarm::new(1, authors);
    swarm.join(devices, 10_000, 8);
    swarm.run_until(swarm.now_ms() + 120_000);
    swarm.choose_authors();
    for _ in 0..entries {
        for log in 0..authors {
            swarm.write(log);
            swarm.run_until(swarm.now_ms() + 500);
        }
    }
    swarm.run_until(swarm.now_ms() + 10_000);
    let mut copies = 0;
    let mut arrivals = Vec::new();
    for log in 0..authors {
        for fate in (1..=entries).filter_map(|seq| swarm.fate(log, seq)) {
            copies += fate.copies;
            arrivals.extend(fate.arrivals.iter().map(|(_, ms)| *ms));
        }
    }
    arrivals.sort_unstable();
    let links = swarm.degrees().iter().sum::<usize>() / 2;
    BTreeMap::from([
        ("arrivals".to_owned(), arrivals.len() as u64),
        ("arrivals, last (ms)".to_owned(), arrivals.last().copied().unwrap_or(0)),
        (
            "arrivals, median (ms)".to_owned(),
            arrivals.get(arrivals.len() / 2).copied().unwrap_or(0),
        ),
        ("copies".to_owned(), copies),
        ("links".to_owned(), links as u64),
        ("parts".to_owned(), swarm.parts() as u64),
    ])
}

/// What differs between a baseline and what was found, in words.
#[must_use]
pub fn differences(stored: &Numbers, found: &Numbers) -> Vec<String> {
    let names = stored.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>();
    let mut differences = Vec::new();
    for name in names {
        let (Some(old), Some(new)) = (stored.get(name), found.get(name)) else {
            differences.push(format!("{name} is only in one of the two"));
            continue;
        };
        let rows = old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>();
        for row in rows {
            let (old, new) = (old.get(row), new.get(row));
            if old != new {
                let tell = |it: Option<&u64>| it.map_or("nothing".to_owned(), u64::to_string);
                differences.push(format!("{name}, {row}: was {}, is {}", tell(old), tell(new)));
            }
        }
    }
    differences
}

/// Reads a baseline.
///
/// # Errors
/// That the text is none.
pub fn read(text: &str) -> Result<Numbers, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_name_and_the_same_is_not() {
        let numbers = |value| {
            Numbers::from([("a".to_owned(), BTreeMap::from([("bytes".to_owned(), value)]))])
        };
        assert!(differences(&numbers(1), &numbers(1)).is_empty());
        assert_eq!(differences(&numbers(1), &numbers(2)), ["a, bytes: was 1, is 2"]);
        assert_eq!(differences(&numbers(1), &Numbers::new()), ["a is only in one of the two"]);
    }
}
