//! `meshwork-sim planted`.

use std::process::ExitCode;

#[cfg(not(feature = "planted"))]
pub(crate) fn planted(
    _: Option<&str>,
    _: u64,
    _: Option<usize>,
    _: bool,
) -> Result<ExitCode, String> {
    Err("this build holds no mistakes; one that does: cargo run --release -p meshwork-sim \
         --features planted -- planted"
        .to_owned())
}

/// The share of mistakes that must be found, in hundredths.
#[cfg(feature = "planted")]
const FOUND_PERCENT_MIN: usize = 95;

#[cfg(feature = "planted")]
pub(crate) fn planted(
    only: Option<&str>,
    seeds: u64,
    jobs: Option<usize>,
    json: bool,
) -> Result<ExitCode, String> {
    use std::time::Instant;

    use meshwork_sim::planted::{bugs, hunt};
    let jobs = jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let chosen: Vec<_> =
        bugs().into_iter().filter(|bug| only.is_none_or(|only| only == bug.name)).collect();
    if chosen.is_empty() {
        let all: Vec<String> =
            bugs().iter().map(|bug| format!("  {:<26} {}", bug.name, bug.what)).collect();
        return Err(format!("there is no such mistake; there are:\n{}", all.join("\n")));
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
        let json =
            serde_json::json!({"bugs": all, "caught": caught, "missed": missed, "found": found});
        super::print(json);
    } else {
        super::print(format_args!(
            "{caught} of {all} mistakes are found within {seeds} seeds each"
        ));
        missed.iter().for_each(|name| super::print(format_args!("not found: {name}")));
    }
    let enough = caught * 100 >= all * FOUND_PERCENT_MIN;
    Ok(if enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
