//! A page about a run, or about two beside each other: one file, no script, nothing fetched from anywhere.
//!
//! The JSON of `run` in → HTML with inline SVG out. Written for somebody who has never seen one: each plot says what
//! it shows and what to look for. Deliberately not here: measuring (`world/measure.rs`).

use std::fmt::Write as _;

use serde_json::Value;

use crate::figures::{Distribution, Figures, Sample};

mod plot;

use plot::{Axis, Line, bars, lines};

/// Colours of the first and the second run; told apart by everybody.
const COLOURS: [&str; 2] = ["#0b62a4", "#c8500a"];

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;\
padding:0 1rem;color:#1c1c1c;background:#fff}h1{font-size:1.5rem;margin-bottom:0}h2{font-size:1.15rem;\
margin:2.2rem 0 .2rem}p{margin:.3rem 0 .8rem}table{border-collapse:collapse;margin:.6rem 0}td,th{\
padding:.25rem .9rem .25rem 0;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}td.n{\
text-align:right;font-variant-numeric:tabular-nums}pre{background:#f5f5f5;padding:.8rem;overflow-x:auto;\
font-size:.85rem;white-space:pre-wrap}.ok{color:#17692b;font-weight:600}.bad{color:#a11212;font-weight:600}\
.quiet{color:#5c5c5c}svg{max-width:100%;height:auto}";

/// A run as its JSON tells it.
struct Run<'a> {
    value: &'a Value,
    figures: Figures,
    name: String,
}

impl<'a> Run<'a> {
    fn read(value: &'a Value) -> Result<Self, String> {
        let figures = value.get("figures").ok_or(
            "this run has no figures: only scenarios are measured, so run `meshwork-sim run SCENARIO`",
        )?;
        let figures = serde_json::from_value(figures.clone())
            .map_err(|error| format!("these are not the figures of a run: {error}"))?;
        let name = value.pointer("/plan/scene/name").and_then(Value::as_str);
        let seed = value.pointer("/plan/seed").and_then(Value::as_u64).unwrap_or(0);
        let name = format!("{}, seed {seed}", name.unwrap_or("a run"));
        Ok(Self { value, figures, name })
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
    let title = if one.name == other.name {
        format!("{}, twice", one.name)
    } else {
        format!("{} beside {}", one.name, other.name)
    };
    Ok(html(&title, &[one, other]))
}

/// What is told of each run in numbers: a name, and the value.
#[must_use]
pub fn rows(run: &Value) -> Vec<(&'static str, u64)> {
    Run::read(run).map(|run| numbers(&run)).unwrap_or_default()
}

fn numbers(run: &Run<'_>) -> Vec<(&'static str, u64)> {
    let figures = &run.figures;
    let most = |bytes: &[u64]| bytes.iter().max().copied().unwrap_or(0);
    let mean = |bytes: &[u64]| bytes.iter().sum::<u64>() / bytes.len().max(1) as u64;
    vec![
        ("devices", figures.sent_bytes.len() as u64),
        ("entries written", figures.entries_written),
        ("delivery, median (ms)", figures.delivery_ms.p50),
        ("delivery, 99 of 100 (ms)", figures.delivery_ms.p99),
        ("delivery, last (ms)", figures.delivery_ms.max),
        ("catching up, median (ms)", figures.catch_up_ms.p50),
        ("catching up, last (ms)", figures.catch_up_ms.max),
        ("agreed after the storm (ms)", run.number("healed_ms")),
        ("frames sent", figures.frames_sent),
        ("bytes sent by a device, mean", mean(&figures.sent_bytes)),
        ("bytes sent by a device, most", most(&figures.sent_bytes)),
        ("bytes on a disk, mean", mean(&figures.disk_bytes)),
        ("bytes on a disk, most", most(&figures.disk_bytes)),
        ("crashes", run.number("crashes")),
        ("forks found", run.number("forks")),
        ("events", run.number("events")),
    ]
}

fn html(title: &str, runs: &[Run<'_>]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head><body>\n\
         <h1>{0}</h1>\n<p class=\"quiet\">Made by meshwork-sim: the production replication engine in a \
         simulated world. The same scenario and seed give the same numbers everywhere.</p>\n",
        escaped(title)
    );
    for (n, run) in runs.iter().enumerate() {
        verdict(&mut page, run, runs.len() > 1, n);
    }
    table(&mut page, runs);
    deliveries(&mut page, runs);
    loads(&mut page, runs);
    for run in runs {
        let plan = run.value.get("plan").map(|plan| format!("{plan:#}")).unwrap_or_default();
        let hash = run.value.get("trace_hash").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(
            page,
            "<details><summary>The whole plan of {}, as drawn (trace {})</summary><pre>{}</pre></details>",
            escaped(&run.name),
            escaped(hash.get(..16).unwrap_or(hash)),
            escaped(&plan)
        );
    }
    page.push_str("</body></html>\n");
    page
}

fn verdict(page: &mut String, run: &Run<'_>, several: bool, n: usize) {
    let failures = run.failures();
    let name = if several {
        let colour = COLOURS[n % COLOURS.len()];
        format!("<b style=\"color:{colour}\">{}</b>: ", escaped(&run.name))
    } else {
        String::new()
    };
    if failures.is_empty() {
        let healed = run.number("healed_ms") as f64 / 1_000.0;
        let _ = writeln!(
            page,
            "<p>{name}<span class=\"ok\">All agreed, nothing that was promised is lost.</span> Everybody \
             held and showed the same {healed:.1} s after everything worked again.</p>"
        );
        return;
    }
    let _ =
        write!(page, "<p>{name}<span class=\"bad\">What must hold did not.</span></p>\n<table>");
    for (invariant, detail) in failures {
        let _ =
            write!(page, "<tr><th>{}</th><td>{}</td></tr>", escaped(&invariant), escaped(&detail));
    }
    page.push_str("</table>\n");
}

fn table(page: &mut String, runs: &[Run<'_>]) {
    let columns: Vec<Vec<(&'static str, u64)>> = runs.iter().map(numbers).collect();
    page.push_str("<h2>In numbers</h2>\n<table>");
    let Some(first) = columns.first() else { return };
    if let [one, other] = runs {
        let _ = write!(
            page,
            "<tr><th></th><th>{}</th><th>{}</th><th>change</th></tr>",
            escaped(&one.name),
            escaped(&other.name)
        );
    }
    for (n, (name, _)) in first.iter().enumerate() {
        let values: Vec<u64> = columns.iter().map(|column| column[n].1).collect();
        let _ = write!(page, "<tr><td>{name}</td>");
        for value in &values {
            let _ = write!(page, "<td class=\"n\">{}</td>", grouped(*value));
        }
        if let [one, other] = values[..] {
            let change = match (one, other) {
                (one, other) if one == other => "–".to_owned(),
                (0, _) => "new".to_owned(),
                (one, other) => format!("{:+.1} %", (other as f64 / one as f64 - 1.0) * 100.0),
            };
            let _ = write!(page, "<td class=\"n\">{change}</td>");
        }
        page.push_str("</tr>");
    }
    page.push_str("</table>\n");
}

/// A line for each run, of what is asked of its figures.
fn each(runs: &[Run<'_>], of: impl Fn(&Figures) -> Vec<(f64, f64)>) -> Vec<Line> {
    let line = |(n, run): (usize, &Run<'_>)| Line {
        name: run.name.clone(),
        colour: COLOURS[n % COLOURS.len()],
        points: of(&run.figures),
    };
    runs.iter().enumerate().map(line).collect()
}

/// A line for each run, of what is asked of each sample.
fn sampled(runs: &[Run<'_>], title: &'static str, of: fn(&Sample) -> f64) -> String {
    let lines_of = each(runs, |figures| {
        figures.samples.iter().map(|it| (it.at_ms as f64 / 60_000.0, of(it))).collect()
    });
    lines(&TIME, &Axis { title, log: false }, &lines_of)
}

fn section(page: &mut String, title: &str, text: &str, svg: &str) {
    let _ = writeln!(page, "<h2>{title}</h2>\n<p>{text}</p>\n{svg}");
}

const TIME: Axis = Axis { title: "minutes of the world", log: false };

fn deliveries(page: &mut String, runs: &[Run<'_>]) {
    let cdf = |of: &Distribution| {
        let points = of.cdf.iter().map(|(value, share)| (*value as f64, share * 100.0));
        points.collect::<Vec<_>>()
    };
    let ms = Axis {
        title: "milliseconds after it was written; each mark is ten times the last",
        log: true,
    };
    let percent = Axis { title: "% of deliveries", log: false };
    section(
        page,
        "How soon an entry is everywhere",
        "From the moment an entry was written until a device that was there all along shows it. Read it \
         from the left: where the line reaches 50 %, half of all deliveries were done. A long flat end is \
         who was cut off or had a bad link.",
        &lines(&ms, &percent, &each(runs, |figures| cdf(&figures.delivery_ms))),
    );
    if runs.iter().any(|run| run.figures.catch_up_ms.count > 0) {
        section(
            page,
            "How late it is for who was away",
            "The same for devices that came back, or came for the first time, after the entry was written: \
             mostly how long they were away.",
            &lines(&ms, &percent, &each(runs, |figures| cdf(&figures.catch_up_ms))),
        );
    }
    section(
        page,
        "Who lags behind",
        "Entries that the device furthest behind lacked, of those that are there. It rises while links are \
         cut and must fall to nothing in the end.",
        &sampled(runs, "entries", |it| it.behind_max as f64),
    );
}

fn loads(page: &mut String, runs: &[Run<'_>]) {
    section(
        page,
        "Who is there",
        "Devices that are on, from time to time.",
        &sampled(runs, "devices", |it| it.online as f64),
    );
    let sent = |(n, run): (usize, &Run<'_>)| {
        let kilobytes = run.figures.sent_bytes.iter().map(|bytes| *bytes as f64 / 1_000.0);
        let mut sorted: Vec<f64> = kilobytes.collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        (COLOURS[n % COLOURS.len()], sorted)
    };
    section(
        page,
        "What each device sends",
        "Kilobytes of frames that each device sent in the whole run, those that sent most first. A steep \
         start means that few carry the load of all.",
        &bars(
            "devices, by what they sent",
            "kB",
            &runs.iter().enumerate().map(sent).collect::<Vec<_>>(),
        ),
    );
    let rate = |pair: &[Sample]| {
        let [before, now] = pair else { return None };
        let seconds = now.at_ms.saturating_sub(before.at_ms) as f64 / 1_000.0;
        let bytes = now.sent_bytes.saturating_sub(before.sent_bytes) as f64;
        (seconds > 0.0).then(|| (now.at_ms as f64 / 60_000.0, bytes / 1_000.0 / seconds))
    };
    section(
        page,
        "What is sent over time",
        "Kilobytes that all devices together sent each second.",
        &lines(
            &TIME,
            &Axis { title: "kB/s", log: false },
            &each(runs, |figures| figures.samples.windows(2).filter_map(rate).collect()),
        ),
    );
    section(
        page,
        "What is stored",
        "Kilobytes of keys and values on a disk, mean over all devices: entries, what was decided about \
         members, and what objects look like.",
        &sampled(runs, "kB on a disk", |it| it.disk_bytes_mean as f64 / 1_000.0),
    );
}

/// A number with thin spaces between thousands.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
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
        let row = format!("99 of 100 (ms)</td><td class=\"n\">{}</td>", grouped(p99));
        assert!(page.contains(&row), "{row}");
    }

    #[test]
    fn two_runs_are_told_apart_and_a_run_that_was_not_measured_is_refused() {
        let (one, other) = (run("lan-of-3", 1), run("lan-of-3", 2));
        let page = comparison(&one, &other).unwrap();
        assert!(COLOURS.iter().all(|colour| page.contains(colour)));
        assert!(page.contains("change</th>"));
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
