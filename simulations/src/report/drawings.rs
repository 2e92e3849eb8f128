//! The plots of a page, each with a sentence on what it shows and what to look for in it.

use std::fmt::Write as _;

use super::amounts::{byte_unit, time, time_unit};
use super::plot::{Axis, Line, Marks, Moment, plot};
use super::{LETTERS, Run, escaped};
use crate::figures::{Distribution, Figures, Sample};

/// All plots of some runs.
pub(super) fn all(page: &mut String, runs: &[Run<'_>]) {
    page.push_str("<h2>How entries spread, and what it costs</h2>\n<div class=\"plots\">\n");
    deliveries(page, runs);
    costs(page, runs);
    page.push_str("</div>\n");
    if runs.iter().any(|run| !happened(run).is_empty()) {
        page.push_str(
            "<p class=\"soft\">▼ on the time axis: something the scenario lets happen, listed under \
             <i>The world it ran in</i>.</p>\n",
        );
    }
}

fn figure(page: &mut String, title: &str, text: &str, svg: &str) {
    let _ = writeln!(
        page,
        "<figure><figcaption><h3>{title}</h3><p>{}</p></figcaption>{svg}</figure>",
        escaped(text)
    );
}

/// A line for each run, of what is asked of its figures.
fn each(runs: &[Run<'_>], of: impl Fn(&Figures) -> Vec<(f64, f64)>) -> Vec<Line> {
    let line = |(n, run): (usize, &Run<'_>)| Line {
        letter: if runs.len() > 1 { LETTERS[n % LETTERS.len()] } else { "" },
        points: of(&run.figures),
        dots: Vec::new(),
        filled: runs.len() == 1,
    };
    runs.iter().enumerate().map(line).collect()
}

/// What the scenario lets happen, and when it ends.
fn happened(run: &Run<'_>) -> Vec<(u64, String)> {
    let scene = run.plan.as_ref().and_then(|plan| plan.scene.as_ref());
    let occasions = scene.into_iter().flat_map(|scene| &scene.occasions);
    let told = occasions.map(|occasion| {
        let (what, devices) = occasion.deed.told();
        let whom = match devices {
            [one] => format!("device {one}"),
            many => format!("{} devices", many.len()),
        };
        (occasion.at_ms, format!("{what}, {whom}, at {}", time(occasion.at_ms)))
    });
    told.collect()
}

/// How values went over the time of the world.
fn over_time(
    runs: &[Run<'_>],
    says: &str,
    (unit, size, marks): (&str, f64, Marks),
    of: impl Fn(&[Sample]) -> Vec<(u64, f64)>,
) -> String {
    let ends = runs.iter().filter_map(|run| run.figures.samples.last());
    let time_of = time_unit(ends.map(|last| last.at_ms).max().unwrap_or(0) as f64);
    let at = |ms: u64| ms as f64 / time_of.size;
    let lines = each(runs, |figures| {
        of(&figures.samples).into_iter().map(|(ms, value)| (at(ms), value / size)).collect()
    });
    let last = lines.iter().filter_map(|line| line.points.last()).map(|(at, _)| *at);
    let last = last.fold(0.0, f64::max);
    let mut moments: Vec<Moment> = Vec::new();
    for run in runs {
        for (ms, what) in happened(run) {
            moments.push(Moment { at: at(ms), what, named: false });
        }
        let Some(plan) = &run.plan else { continue };
        let end = at(plan.storm_ms);
        if !moments.iter().any(|moment| moment.named && moment.at == end) {
            moments.push(Moment { at: end, what: "all works from here".to_owned(), named: true });
        }
    }
    moments.retain(|moment| moment.at <= last);
    let x = Axis { title: format!("time in the world ({})", time_of.name), marks: Marks::Even };
    plot(says, (&x, &Axis { title: unit.to_owned(), marks }), &lines, &moments)
}

/// How a count in each sample went.
fn sampled(runs: &[Run<'_>], says: &str, unit: &str, of: fn(&Sample) -> f64) -> String {
    over_time(runs, says, (unit, 1.0, Marks::Whole), |samples| {
        samples.iter().map(|it| (it.at_ms, of(it))).collect()
    })
}

/// Up to which time which share of all was done.
fn shares(runs: &[Run<'_>], says: &str, of: fn(&Figures) -> &Distribution) -> String {
    let mut lines = each(runs, |figures| {
        let mut before = 0.0;
        let steps = of(figures).cdf.iter().flat_map(|(value, share)| {
            let from = std::mem::replace(&mut before, share * 100.0);
            [(*value as f64, from), (*value as f64, before)]
        });
        steps.collect()
    });
    if let ([line], [run]) = (&mut lines[..], runs) {
        let of = of(&run.figures);
        let dot =
            |ms: u64, share: f64, what: &str| (ms as f64, share, format!("{what}: {}", time(ms)));
        if of.count > 0 {
            line.dots = vec![dot(of.p50, 50.0, "half"), dot(of.p99, 99.0, "99 %")];
        }
    }
    let x = Axis { title: "time since the entry was written".to_owned(), marks: Marks::Times };
    let y = Axis { title: "% of deliveries".to_owned(), marks: Marks::Percent };
    plot(says, (&x, &y), &lines, &[])
}

fn deliveries(page: &mut String, runs: &[Run<'_>]) {
    figure(
        page,
        "How soon an entry is everywhere",
        "From its writing until a device that was there all along shows it. Further left is sooner; a \
         long flat end belongs to those who were cut off or had bad links.",
        &shares(runs, "Share of deliveries by time", |figures| &figures.delivery_ms),
    );
    if runs.iter().any(|run| run.figures.catch_up_ms.count > 0) {
        figure(
            page,
            "How late it is for who was away",
            "The same for devices that came, or came back, after the entry was written: mostly how \
             long they were away.",
            &shares(runs, "Share of late deliveries by time", |figures| &figures.catch_up_ms),
        );
    }
    figure(
        page,
        "Who lags behind",
        "Entries that the device furthest behind lacks. It rises while links are cut, and must fall \
         to nothing in the end.",
        &sampled(runs, "Entries lacked at worst over time", "entries lacked", |it| {
            it.behind_max as f64
        }),
    );
    figure(
        page,
        "Who is there",
        "Devices that are switched on. Those that are away catch up when they return.",
        &sampled(runs, "Devices that are on over time", "devices", |it| it.online as f64),
    );
}

fn costs(page: &mut String, runs: &[Run<'_>]) {
    let most = runs.iter().flat_map(|run| run.figures.sent_bytes.iter().max());
    let unit = byte_unit(most.max().copied().unwrap_or(0) as f64);
    let ranked = each(runs, |figures| {
        let mut sorted = figures.sent_bytes.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let steps = sorted.iter().enumerate();
        // A step for each device, as wide as it is.
        let steps = steps.flat_map(|(n, bytes)| {
            let height = *bytes as f64 / unit.size;
            [(n as f64, height), (n as f64 + 1.0, height)]
        });
        steps.collect()
    });
    let x = Axis { title: "devices, the busiest first".to_owned(), marks: Marks::Whole };
    let y = Axis { title: format!("{} sent", unit.name), marks: Marks::Even };
    figure(
        page,
        "What each device sends",
        "Bytes of frames in the whole run, device by device. Flat means that all carry the same; a \
         steep start, that few carry the load of many.",
        &plot("Bytes sent by each device, sorted", (&x, &y), &ranked, &[]),
    );
    let rates = |samples: &[Sample]| -> Vec<(u64, f64)> {
        let rate = |pair: &[Sample]| {
            let [before, now] = pair else { return None };
            let seconds = now.at_ms.saturating_sub(before.at_ms) as f64 / 1_000.0;
            let bytes = now.sent_bytes.saturating_sub(before.sent_bytes) as f64;
            (seconds > 0.0).then(|| (now.at_ms, bytes / seconds))
        };
        samples.windows(2).filter_map(rate).collect()
    };
    figure(
        page,
        "What is sent over time",
        "Bytes that all devices together send each second; each mark is ten times the last. The start \
         is dear: everybody meets everybody and is let in.",
        &over_time(
            runs,
            "Bytes sent each second over time",
            ("bytes each second", 1.0, Marks::Bytes),
            rates,
        ),
    );
    let samples = runs.iter().flat_map(|run| &run.figures.samples);
    let unit = byte_unit(samples.map(|it| it.disk_bytes_mean).max().unwrap_or(0) as f64);
    figure(
        page,
        "What is stored",
        "On a disk, mean over all devices: entries, what was decided about members, and what objects \
         look like.",
        &over_time(
            runs,
            "Bytes on a disk over time",
            (&format!("{} on a disk", unit.name), unit.size, Marks::Even),
            |samples| samples.iter().map(|it| (it.at_ms, it.disk_bytes_mean as f64)).collect(),
        ),
    );
}
