//! `explore` and `shrink`: many seeds, and less of those that fail.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use meshwork_sim::saved::Saved;
use meshwork_sim::shrink::shrink as make_smaller;
use meshwork_sim::{Plan, Report, run_plan};
use serde_json::{Value, json};

use super::run::{plan, progress};
use super::{per_second, print};

/// Failures that are made smaller and saved; of more, those of the first seeds.
const SHRUNK_MAX: usize = 10;
/// Runs that making one failure smaller may take.
const SHRINK_RUNS: u64 = 200;

/// Which seeds to run.
pub(crate) struct Explore {
    pub seeds: u64,
    pub start: u64,
    pub jobs: Option<usize>,
    pub scenario: Option<String>,
    pub small: bool,
    pub save: PathBuf,
    pub json: bool,
}

#[derive(Default)]
struct Sums {
    failed: Vec<Report>,
    node_hours: f64,
    events: u64,
    done: u64,
}

pub(crate) fn explore(what: &Explore, shrinks: bool) -> Result<ExitCode, String> {
    // What is wrong with a scenario is told once.
    plan(what.scenario.as_deref(), what.start, what.small)?;
    let began = Instant::now();
    let cpu = cpu_seconds();
    let sums = run_all(what);
    let rate = per_second(what.seeds, began);
    let cpu_s = cpu_seconds() - cpu;
    let Sums { mut failed, node_hours, events, .. } = sums;
    failed.sort_by_key(|report| report.plan.seed);
    let mut files = Vec::new();
    for report in failed.iter().take(SHRUNK_MAX) {
        files.push(save(what, report, shrinks)?);
    }
    if what.json {
        let failures: Vec<Value> = failed
            .iter()
            .enumerate()
            .flat_map(|(n, report)| {
                let file = files.get(n).map(|path| path.display().to_string());
                report.failures.iter().map(move |failure| {
                    json!({"seed": report.plan.seed, "invariant": failure.invariant,
                           "detail": failure.detail, "file": file})
                })
            })
            .collect();
        print(json!({
            "seeds": what.seeds, "failures": failures, "seeds_per_s": rate, "events": events,
            "node_hours": node_hours, "cpu_s": cpu_s,
            "node_hours_per_cpu_hour": node_hours / cpu_s.max(0.001) * 3_600.0,
        }));
    } else {
        for (n, report) in failed.iter().enumerate() {
            print(&report.plan);
            for failure in &report.failures {
                print(format!("  FAILED {}: {}", failure.invariant, failure.detail));
            }
            if let Some(path) = files.get(n) {
                print(format!("  saved as {}", path.display()));
            }
        }
        print(format!(
            "{} seeds, {} failed, {rate:.1} seeds/s, {:.0} node-hours in {cpu_s:.0} s of CPU",
            what.seeds,
            failed.len(),
            node_hours,
        ));
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_all(what: &Explore) -> Sums {
    let jobs =
        what.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let next = AtomicU64::new(what.start);
    let sums = Mutex::new((Sums::default(), progress()));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= what.start + what.seeds {
                        break;
                    }
                    let Ok(plan) = plan(what.scenario.as_deref(), seed, what.small) else { break };
                    let report = run_plan(plan);
                    let mut sums = sums.lock().expect("no thread panics with it");
                    let (sums, progress) = &mut *sums;
                    sums.done += 1;
                    sums.events += report.events;
                    sums.node_hours += report.node_hours();
                    if let Some(failure) = report.failures.first() {
                        progress.note(&format!("seed {seed} failed: {}", failure.invariant));
                        sums.failed.push(report);
                    }
                    progress.tell(sums.done, what.seeds, sums.failed.len());
                }
            });
        }
    });
    sums.into_inner().expect("no thread panics with it").0
}

/// Keeps a run that failed, as it was and made smaller; the file of the smaller.
fn save(what: &Explore, report: &Report, shrinks: bool) -> Result<PathBuf, String> {
    let of = what.scenario.as_deref().map_or("chaos".to_owned(), |name| {
        Path::new(name)
            .file_stem()
            .map_or(String::new(), |stem| stem.to_string_lossy().into_owned())
    });
    let name = format!("{of}-{}", report.plan.seed);
    let path = Saved::of(report).write(&what.save, &name)?;
    if !shrinks {
        return Ok(path);
    }
    eprintln!("making seed {} smaller", report.plan.seed);
    let say = |step: &str| eprintln!("  {step}");
    match make_smaller(&report.plan, SHRINK_RUNS, &say) {
        Some(shrunk) => Saved::of(&shrunk.report).write(&what.save, &format!("{name}-small")),
        None => Ok(path),
    }
}

pub(crate) fn shrink(
    file: Option<&Path>,
    seed: Option<u64>,
    runs: u64,
    folder: &Path,
    json: bool,
) -> Result<ExitCode, String> {
    let plan = match file {
        Some(file) => Saved::read(file)?.plan,
        None => Plan::draw(seed.unwrap_or(0)),
    };
    let say = |step: &str| eprintln!("{step}");
    let Some(shrunk) = make_smaller(&plan, runs, &say) else {
        return Err("this run does not fail, so there is nothing to make smaller".to_owned());
    };
    let name = format!("seed-{}-small", plan.seed);
    let path = Saved::of(&shrunk.report).write(folder, &name)?;
    if json {
        print(json!({"file": path.display().to_string(), "runs": shrunk.runs,
            "steps": shrunk.steps, "plan": shrunk.report.plan,
            "failures": shrunk.report.failures, "trace_hash": shrunk.report.trace_hash}));
    } else {
        print(&shrunk.report.plan);
        for failure in &shrunk.report.failures {
            print(format!("FAILED {}: {}", failure.invariant, failure.detail));
        }
        print(format!("saved as {} after {} runs", path.display(), shrunk.runs));
    }
    Ok(ExitCode::SUCCESS)
}

/// Processor time this process has taken, in seconds; of Linux, elsewhere none is known and wall time stands in.
fn cpu_seconds() -> f64 {
    /// Ticks of `/proc` in a second, on every architecture that Linux has.
    const TICKS_PER_S: f64 = 100.0;
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let wall = BEGAN.get_or_init(Instant::now).elapsed().as_secs_f64();
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return wall };
    let Some((_, rest)) = stat.rsplit_once(')') else { return wall };
    // The 14th and 15th field, of which two stand before the parenthesis.
    let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_S
}
