//! `run` and `replay`: one plan from beginning to end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use meshwork_sim::saved::Saved;
use meshwork_sim::scenario::{self, SHIPPED};
use meshwork_sim::{Plan, Report, World};
use serde_json::{Value, json};

use super::{Progress, per_second, print};

/// What to run, and what to write about it.
pub(crate) struct Run {
    pub scenario: Option<String>,
    pub seed: u64,
    pub small: bool,
    pub transcript: Option<PathBuf>,
    pub report: Option<PathBuf>,
    pub json: bool,
}

pub(crate) fn one(what: &Run) -> Result<ExitCode, String> {
    let plan = plan(what.scenario.as_deref(), what.seed, what.small)?;
    if what.scenario.is_some() {
        eprintln!("{plan}");
    }
    let began = Instant::now();
    let report = tell(plan, what.transcript.as_deref())?;
    let value = value(&report, began);
    if let Some(page) = &what.report {
        write(page, &meshwork_sim::report::page(&value)?)?;
        let beside = page.with_extension("json");
        write(&beside, &format!("{value:#}\n"))?;
        eprintln!("wrote {} and {}", page.display(), beside.display());
    }
    if what.json {
        print(&value);
    } else {
        show(&report, began);
    }
    Ok(code(&report))
}

/// Runs every shipped scenario, one line each.
pub(crate) fn all(seed: u64, small: bool, json: bool) -> Result<ExitCode, String> {
    let mut rows = Vec::new();
    let mut passed = true;
    for (name, _) in SHIPPED {
        let plan = scenario::plan(name, seed, small)?;
        let began = Instant::now();
        let report = World::new(plan).run();
        passed &= report.failures.is_empty();
        let failures = json!(report.failures);
        let wall_s = began.elapsed().as_secs_f64();
        let p99 = report.figures.as_ref().map_or(0, |figures| figures.delivery_ms.p99);
        if !json {
            let verdict = if report.failures.is_empty() { "agreed" } else { "FAILED" };
            print(format!(
                "{name:<22} {verdict}  {:>5} devices {:>9} events  p99 {p99:>7} ms  {wall_s:.1} s",
                report.plan.devices, report.events
            ));
            report
                .failures
                .iter()
                .for_each(|it| print(format!("  {}: {}", it.invariant, it.detail)));
        }
        rows.push(
            json!({"scenario": name, "devices": report.plan.devices, "events": report.events,
            "converged": report.converged, "trace_hash": report.trace_hash,
            "delivery_p99_ms": p99, "wall_s": wall_s, "failures": failures}),
        );
    }
    if json {
        print(json!({ "scenarios": rows }));
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn replay(
    file: &Path,
    transcript: Option<&Path>,
    json: bool,
) -> Result<ExitCode, String> {
    let saved = Saved::read(file)?;
    let began = Instant::now();
    let report = tell(saved.plan.clone(), transcript)?;
    let same = report.trace_hash == saved.trace_hash;
    if json {
        let mut value = value(&report, began);
        value["same_trace"] = json!(same);
        print(value);
    } else {
        show(&report, began);
        let word =
            if same { "the same as was saved" } else { "NOT what was saved: the code differs" };
        print(format!("the trace is {word}"));
    }
    Ok(if same { code(&report) } else { ExitCode::FAILURE })
}

/// The plan of a scenario, or of chaos.
pub(crate) fn plan(scenario: Option<&str>, seed: u64, small: bool) -> Result<Plan, String> {
    match scenario {
        Some(name) => scenario::plan(name, seed, small),
        None => Ok(Plan::draw(seed)),
    }
}

fn tell(plan: Plan, transcript: Option<&Path>) -> Result<Report, String> {
    let Some(path) = transcript else { return Ok(World::new(plan).run()) };
    let (report, lines) = World::new(plan).told();
    let text = format!("{}\n\n{}\n", report.plan, lines.join("\n"));
    write(path, &text)?;
    Ok(report)
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn value(report: &Report, began: Instant) -> Value {
    let mut value = serde_json::to_value(report).expect("a report is plain JSON");
    value["seed"] = json!(report.plan.seed);
    value["events_per_s"] = json!(per_second(report.events, began).round());
    value["wall_s"] = json!(began.elapsed().as_secs_f64());
    value
}

fn code(report: &Report) -> ExitCode {
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(report: &Report, began: Instant) {
    if report.plan.scene.is_none() {
        print(&report.plan);
    }
    print(format!(
        "{} events in {} s of the world, {} edits granted, {} crashes, {} forks found, {:.0} events/s",
        report.events,
        report.virtual_ms / 1_000,
        report.granted,
        report.crashes,
        report.forks,
        per_second(report.events, began),
    ));
    if let Some(figures) = &report.figures {
        let (delivery, late) = (&figures.delivery_ms, &figures.catch_up_ms);
        print(format!(
            "{} entries; delivery p50 {} ms, p99 {} ms, last {} ms; to who was away p50 {} ms, last {} ms",
            figures.entries_written, delivery.p50, delivery.p99, delivery.max, late.p50, late.max,
        ));
        let most = |bytes: &[u64]| bytes.iter().max().copied().unwrap_or(0);
        print(format!(
            "a device sent at most {} B, a disk holds at most {} B",
            most(&figures.sent_bytes),
            most(&figures.disk_bytes),
        ));
    }
    print(format!("trace {}", report.trace_hash));
    for failure in &report.failures {
        print(format!("FAILED {}: {}", failure.invariant, failure.detail));
    }
    if report.failures.is_empty() {
        print(format!("agreed {} s after everything worked", report.healed_ms / 1_000));
        if report.converged {
            print("converged");
        }
    }
}

/// Says how far a number of runs is.
pub(crate) fn progress() -> Progress {
    Progress::new("seeds")
}
