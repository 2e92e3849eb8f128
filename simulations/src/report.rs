//! A page about a run, or about two beside each other: one file, no script, nothing fetched from anywhere.
//!
//! The JSON of `run` in → HTML with inline SVG out. Written for somebody who has never seen one: what came of it and
//! the totals first, then plots, each with a sentence on what it shows and what to look for (`report/drawings.rs`), then
//! all numbers and the world it ran in. Deliberately not here: measuring (`world/measure.rs`).

use std::fmt::Write as _;

use serde_json::Value;

use crate::figures::Figures;
use crate::plan::Plan;

mod amounts;
mod drawings;
mod plot;

use amounts::{bytes, grouped, short, time};

const STYLE: &str = include_str!("report/page.css");

/// What two runs are called in short.
const LETTERS: [&str; 2] = ["A", "B"];

/// A run as its JSON tells it.
struct Run<'a> {
    value: &'a Value,
    figures: Figures,
    /// What was to happen; none if an older simulator wrote it in another form.
    plan: Option<Plan>,
    scenario: String,
    name: String,
}

impl<'a> Run<'a> {
    fn read(value: &'a Value) -> Result<Self, String> {
        let figures = value.get("figures").ok_or(
            "this run has no figures: only scenarios are measured, so run `meshwork-sim run SCENARIO`",
        )?;
        let figures = serde_json::from_value(figures.clone())
            .map_err(|error| format!("these are not the figures of a run: {error}"))?;
        let plan = value.get("plan").and_then(|plan| serde_json::from_value(plan.clone()).ok());
        let name = value.pointer("/plan/scene/name").and_then(Value::as_str);
        let scenario = name.unwrap_or("a run").to_owned();
        let seed = value.pointer("/plan/seed").and_then(Value::as_u64).unwrap_or(0);
        let name = format!("{scenario}, seed {seed}");
        Ok(Self { value, figures, plan, scenario, name })
    }

    fn number(&self, field: &str) -> u64 {
        self.value.get(field).and_then(Value::as_u64).unwrap_or(0)
    }

    fn failures(&self) -> Vec<(String, String)> {
        let text = |value: &Value, field: &str| {
            value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let failures = self.value.get("failures").and_then(Value::as_array);
        let all = failures.into_iter().flatten();
        all.map(|it| (text(it, "invariant"), text(it, "detail"))).collect()
    }
}

/// The page about one run.
///
/// # Errors
/// That the JSON is not that of a run that was measured.
pub fn page(run: &Value) -> Result<String, String> {
    let run = Run::read(run)?;
    Ok(html(&run.name.clone(), &[run]))
}

/// The page about two runs beside each other.
///
/// # Errors
/// That the JSON is not that of runs that were measured.
pub fn comparison(one: &Value, other: &Value) -> Result<String, String> {
    let (one, other) = (Run::read(one)?, Run::read(other)?);
    let title = if one.scenario == other.scenario {
        format!("{}, two runs", one.scenario)
    } else {
        format!("{} beside {}", one.scenario, other.scenario)
    };
    Ok(html(&title, &[one, other]))
}

/// What is told of each run in numbers: a name, and the value.
#[must_use]
pub fn rows(run: &Value) -> Vec<(&'static str, u64)> {
    let rows = Run::read(run).map(|run| numbers(&run)).unwrap_or_default();
    rows.into_iter().map(|(name, value, _)| (name, value)).collect()
}

fn most(values: &[u64]) -> u64 {
    values.iter().max().copied().unwrap_or(0)
}

fn mean(values: &[u64]) -> u64 {
    values.iter().sum::<u64>() / values.len().max(1) as u64
}

/// Every number of a run: its name, the value, and what it means.
fn numbers(run: &Run<'_>) -> Vec<(&'static str, u64, &'static str)> {
    let figures = &run.figures;
    vec![
        ("devices", figures.sent_bytes.len() as u64, "members of one space or more"),
        ("entries written", figures.entries_written, "an entry is one signed change"),
        (
            "delivery, median (ms)",
            figures.delivery_ms.p50,
            "from the writing of an entry until a device that was there all along shows it",
        ),
        ("delivery, 99 of 100 (ms)", figures.delivery_ms.p99, "all but the slowest hundredth"),
        ("delivery, last (ms)", figures.delivery_ms.max, "the slowest of all"),
        (
            "catching up, median (ms)",
            figures.catch_up_ms.p50,
            "the same for devices that were away when it was written",
        ),
        ("catching up, last (ms)", figures.catch_up_ms.max, "the slowest of those"),
        (
            "agreed after the storm (ms)",
            run.number("healed_ms"),
            "until all show the same, once everything works",
        ),
        ("frames sent", figures.frames_sent, "messages between two devices"),
        ("bytes sent by a device, mean", mean(&figures.sent_bytes), "all frames of the run"),
        ("bytes sent by a device, most", most(&figures.sent_bytes), "by the busiest"),
        ("bytes on a disk, mean", mean(&figures.disk_bytes), "keys and values, in the end"),
        ("bytes on a disk, most", most(&figures.disk_bytes), "on the fullest"),
        ("crashes", run.number("crashes"), "machines that died and started again"),
        (
            "forks found",
            run.number("forks"),
            "logs with two branches, as of a disk that was put back; each device that finds one counts",
        ),
        ("events", run.number("events"), "what happened in the simulated world, step by step"),
    ]
}

fn html(title: &str, runs: &[Run<'_>]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{0}</title><style>{STYLE}</style></head>\
         <body>\n<h1>{0}</h1>\n",
        escaped(title)
    );
    about(&mut page, runs);
    for (n, run) in runs.iter().enumerate() {
        verdict(&mut page, run, runs.len() > 1, n);
    }
    tiles(&mut page, runs);
    page.push_str(
        "<p class=\"soft\">An <b>entry</b> is one change, signed by the device that made it. For a \
         while anything the scenario names may fail; then everything works again, and all must agree.</p>\n",
    );
    drawings::all(&mut page, runs);
    table(&mut page, runs);
    page.push_str("<h2>The world it ran in</h2>\n");
    for run in runs {
        world(&mut page, run);
    }
    page.push_str(
        "<p class=\"soft\">Made by meshwork-sim, which runs the production replication engine in a \
         simulated world. The same scenario and seed give the same numbers on every machine.</p>\n\
         </body></html>\n",
    );
    page
}

fn about(page: &mut String, runs: &[Run<'_>]) {
    let mut told: Vec<&str> = Vec::new();
    for scene in runs.iter().filter_map(|run| run.plan.as_ref()?.scene.as_ref()) {
        if !scene.about.is_empty() && !told.contains(&scene.about.as_str()) {
            told.push(&scene.about);
        }
    }
    for about in told {
        let _ = writeln!(page, "<p class=\"about\">{}</p>", escaped(about));
    }
}

fn verdict(page: &mut String, run: &Run<'_>, several: bool, n: usize) {
    let name = if several {
        let (letter, name) = (LETTERS[n % LETTERS.len()], escaped(&run.name));
        format!("<p><span class=\"key run{n}\"></span><b>{letter}: {name}</b></p>")
    } else {
        String::new()
    };
    let failures = run.failures();
    if failures.is_empty() {
        let healed = time(run.number("healed_ms"));
        let _ = writeln!(
            page,
            "<div class=\"verdict good\">{name}<p><b class=\"word\">✓ All agreed, nothing that was \
             promised is lost.</b> Every device held and showed the same {healed} after everything \
             worked again.</p></div>"
        );
        return;
    }
    let _ = write!(
        page,
        "<div class=\"verdict bad\">{name}<p><b class=\"word\">✗ What must hold did not.</b></p><dl>"
    );
    for (invariant, detail) in failures {
        let _ = write!(page, "<dt>{}</dt><dd>{}</dd>", escaped(&invariant), escaped(&detail));
    }
    page.push_str("</dl></div>\n");
}

/// What one wants to know first, in a few words each.
fn tiles(page: &mut String, runs: &[Run<'_>]) {
    type Tile = (&'static str, fn(&Run<'_>) -> String, fn(&Run<'_>) -> String);
    let tiles: [Tile; 8] = [
        (
            "devices",
            |run| grouped(run.figures.sent_bytes.len() as u64),
            |run| {
                let spaces = run.plan.as_ref().map_or(0, |plan| plan.spaces);
                let plural = if spaces == 1 { "" } else { "s" };
                format!("in {} space{plural}", grouped(spaces as u64))
            },
        ),
        (
            "entries written",
            |run| grouped(run.figures.entries_written),
            |run| {
                let ms = run.plan.as_ref().map_or(0, |plan| plan.storm_ms);
                format!("in {} of the world", time(ms))
            },
        ),
        (
            "delivery, median",
            |run| time(run.figures.delivery_ms.p50),
            |run| format!("of {} deliveries", grouped(run.figures.delivery_ms.count)),
        ),
        (
            "delivery, 99 of 100",
            |run| time(run.figures.delivery_ms.p99),
            |run| format!("the last after {}", time(run.figures.delivery_ms.max)),
        ),
        (
            "agreed after",
            |run| {
                let fell_apart = run.failures().iter().any(|(what, _)| what == "convergence");
                if fell_apart { "never".to_owned() } else { time(run.number("healed_ms")) }
            },
            |_| "once everything worked".to_owned(),
        ),
        (
            "sent by all",
            |run| bytes(run.figures.sent_bytes.iter().sum()),
            |run| format!("in {} frames", grouped(run.figures.frames_sent)),
        ),
        (
            "sent by a device",
            |run| bytes(mean(&run.figures.sent_bytes)),
            |run| format!("mean; the busiest {}", bytes(most(&run.figures.sent_bytes))),
        ),
        (
            "stored by a device",
            |run| bytes(mean(&run.figures.disk_bytes)),
            |run| format!("mean; the fullest {}", bytes(most(&run.figures.disk_bytes))),
        ),
    ];
    page.push_str("<div class=\"tiles\">\n");
    for (name, value, note) in tiles {
        let _ = write!(page, "<div class=\"tile\"><div class=\"name\">{name}</div>");
        for (n, run) in runs.iter().enumerate() {
            let (key, two) = match runs.len() {
                1 => (String::new(), ""),
                _ => (format!("<span class=\"key run{n}\"></span>"), " two"),
            };
            let (value, note) = (value(run), note(run));
            let _ = write!(
                page,
                "<div class=\"value{two}\">{key}{value}</div><div class=\"note\">{note}</div>"
            );
        }
        page.push_str("</div>\n");
    }
    page.push_str("</div>\n");
}

fn table(page: &mut String, runs: &[Run<'_>]) {
    let columns: Vec<_> = runs.iter().map(numbers).collect();
    page.push_str("<h2>All numbers</h2>\n<div class=\"wide\"><table>");
    let Some(first) = columns.first() else { return };
    page.push_str("<tr><th>what</th>");
    for n in 0..runs.len() {
        match runs.len() {
            1 => page.push_str("<th class=\"n\">value</th>"),
            _ => {
                let letter = LETTERS[n % LETTERS.len()];
                let _ =
                    write!(page, "<th class=\"n\"><span class=\"key run{n}\"></span>{letter}</th>");
            }
        }
    }
    page.push_str(if runs.len() > 1 { "<th class=\"n\">change</th></tr>\n" } else { "</tr>\n" });
    for (n, (name, _, meaning)) in first.iter().enumerate() {
        let values: Vec<u64> = columns.iter().map(|column| column[n].1).collect();
        let _ = write!(page, "<tr><td>{name}<div class=\"note\">{meaning}</div></td>");
        for value in &values {
            let _ = write!(page, "<td class=\"n\">{}</td>", grouped(*value));
        }
        if let [one, other] = values[..] {
            let _ = write!(page, "<td class=\"n\">{}</td>", change(one, other));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

/// How much more or less the second is.
fn change(one: u64, other: u64) -> String {
    let by = (other as f64 / one as f64 - 1.0) * 100.0;
    match (one, other) {
        (one, other) if one == other => "same".to_owned(),
        (0, _) => "new".to_owned(),
        (one, other) if other / one >= 10 => format!("× {}", short(other as f64 / one as f64)),
        _ if by < 0.0 => format!("−{:.1} %", -by),
        _ => format!("+{by:.1} %"),
    }
}

/// The world of a run: in words, and as data with which it can be run again.
fn world(page: &mut String, run: &Run<'_>) {
    let name = escaped(&run.name);
    if let Some(plan) = &run.plan {
        let _ = writeln!(
            page,
            "<details><summary>Who is where, what they do, and what happens to them: {name}</summary>\
             <pre>{}</pre></details>",
            escaped(&plan.to_string())
        );
    }
    let hash = run.value.get("trace_hash").and_then(Value::as_str).unwrap_or_default();
    let mut plan = run.value.get("plan").cloned().unwrap_or_default();
    // What was typed lies in the run's JSON; here it would be most of the page.
    if let Some(scene) = plan.get_mut("scene").and_then(Value::as_object_mut) {
        scene.remove("traces");
    }
    let _ = writeln!(
        page,
        "<details><summary>The same as data: {name}</summary><p>Trace {}: equal for equal plans, on \
         every machine.</p><pre>{}</pre></details>",
        escaped(hash.get(..16).unwrap_or(hash)),
        escaped(&plan.to_string())
    );
}

/// Text that means itself in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    fn run(name: &str, seed: u64) -> Value {
        let mut plan = crate::scenario::plan(name, seed, true).unwrap();
        plan.storm_ms = 30_000;
        serde_json::to_value(World::new(plan).run()).unwrap()
    }

    #[test]
    fn a_page_stands_alone_and_shows_what_was_measured() {
        let value = run("lan-of-3", 1);
        let page = page(&value).unwrap();
        for foreign in ["<script", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.matches("<svg").count() >= 6);
        assert!(page.contains("All agreed"));
        let p99 = value.pointer("/figures/delivery_ms/p99").unwrap().as_u64().unwrap();
        let meaning = "all but the slowest hundredth";
        let row =
            format!("<div class=\"note\">{meaning}</div></td><td class=\"n\">{}", grouped(p99));
        assert!(page.contains(&row), "{row}");
    }

    #[test]
    fn two_runs_are_told_apart_and_a_run_that_was_not_measured_is_refused() {
        let (one, other) = (run("lan-of-3", 1), run("lan-of-3", 2));
        let page = comparison(&one, &other).unwrap();
        assert!(page.contains("line l0") && page.contains("line l1"));
        assert!(page.contains("A: ") && page.contains("B: ") && page.contains("change</th>"));
        assert_eq!(
            [change(5, 5), change(0, 1), change(4, 3), change(4, 5), change(2, 30)],
            ["same", "new", "−25.0 %", "+25.0 %", "× 15"]
        );
        assert!(super::page(&Value::Null).is_err());
    }

    #[test]
    fn what_a_scenario_calls_itself_is_text_and_no_markup() {
        let mut value = run("lan-of-3", 1);
        value["plan"]["scene"]["name"] = Value::from("<b onclick=\"x\">&");
        let page = page(&value).unwrap();
        assert!(
            page.contains("&lt;b onclick=&quot;x&quot;&gt;&amp;, seed 1")
                && !page.contains("<b on")
        );
    }
}
