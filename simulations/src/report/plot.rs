//! Plots as SVG: lines with axes, and bars.

use std::fmt::Write as _;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 276.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 44.0;

/// What an axis shows, and whether each mark is ten times the last.
pub(super) struct Axis {
    pub title: &'static str,
    pub log: bool,
}

/// Points, from left to right.
pub(super) struct Line {
    pub name: String,
    pub colour: &'static str,
    pub points: Vec<(f64, f64)>,
}

/// From values to places on the page.
struct Scale {
    log: bool,
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn of(axis: &Axis, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let most = values.fold(0.0, f64::max);
        if axis.log {
            let most = 10_f64.powf(most.max(10.0).log10().ceil());
            return Self { log: true, least: 1.0, most, from, to };
        }
        let step = step(most.max(1.0));
        Self { log: false, least: 0.0, most: (most.max(1.0) / step).ceil() * step, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.log {
            value.max(self.least).log10() / self.most.log10()
        } else {
            value / self.most
        };
        self.from + (self.to - self.from) * share
    }

    fn marks(&self) -> Vec<f64> {
        if self.log {
            let decades = self.most.log10().round() as i32;
            return (0..=decades).map(|n| 10_f64.powi(n)).collect();
        }
        let step = step(self.most);
        let count = (self.most / step).round() as u32;
        (0..=count).map(|n| f64::from(n) * step).collect()
    }
}

/// A round step that divides up to a value into four to ten.
fn step(most: f64) -> f64 {
    let decade = 10_f64.powf((most / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|by| by * decade);
    steps.into_iter().find(|step| most / step <= 8.0).unwrap_or(decade * 10.0)
}

fn number(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", round(v / 1e6)),
        v if v >= 1e4 => format!("{} k", round(v / 1e3)),
        v => round(v),
    }
}

fn round(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn frame(x: &Scale, y: &Scale, x_title: &str, y_title: &str, x_marks: bool) -> String {
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         font-family=\"system-ui,sans-serif\" font-size=\"12\" fill=\"#444\">"
    );
    let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for mark in y.marks() {
        let at = y.place(mark);
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#e3e3e3\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            number(mark)
        );
    }
    for mark in x.marks().into_iter().filter(|_| x_marks) {
        let at = x.place(mark);
        let _ = write!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{floor}\" stroke=\"#f0f0f0\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{}</text>",
            floor + 16.0,
            number(mark)
        );
    }
    let _ = write!(
        svg,
        "<path d=\"M{LEFT} {TOP}V{floor}H{right}\" fill=\"none\" stroke=\"#999\"/><text x=\"{:.1}\" \
         y=\"{:.1}\" text-anchor=\"middle\">{x_title}</text><text x=\"{LEFT}\" y=\"{:.1}\">{y_title}</text>",
        (LEFT + right) / 2.0,
        HEIGHT - 8.0,
        TOP - 10.0
    );
    svg
}

/// Lines over two axes.
pub(super) fn lines(x_axis: &Axis, y_axis: &Axis, lines: &[Line]) -> String {
    let xs = lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x));
    let ys = lines.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y));
    let x = Scale::of(x_axis, xs, LEFT, WIDTH - RIGHT);
    let y = Scale::of(y_axis, ys, HEIGHT - BOTTOM, TOP);
    let mut svg = frame(&x, &y, x_axis.title, y_axis.title, true);
    for (n, line) in lines.iter().enumerate() {
        let mut path = String::new();
        for (at, (px, py)) in line.points.iter().enumerate() {
            let to = if at == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{to}{:.1} {:.1}", x.place(*px), y.place(*py));
        }
        let _ = write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            line.colour
        );
        if lines.len() > 1 {
            let name = super::escaped(&line.name);
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{}\">{name}</text>",
                WIDTH - RIGHT,
                TOP - 28.0 + 15.0 * n as f64,
                line.colour
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Bars beside each other, a set for each run.
pub(super) fn bars(x_title: &str, y_title: &str, sets: &[(&'static str, Vec<f64>)]) -> String {
    let linear = Axis { title: "", log: false };
    let count = sets.iter().map(|(_, values)| values.len()).max().unwrap_or(0).max(1);
    let x = Scale { log: false, least: 0.0, most: count as f64, from: LEFT, to: WIDTH - RIGHT };
    let all = sets.iter().flat_map(|(_, values)| values.iter().copied());
    let y = Scale::of(&linear, all, HEIGHT - BOTTOM, TOP);
    let mut svg = frame(&x, &y, x_title, y_title, false);
    let floor = HEIGHT - BOTTOM;
    let room = (WIDTH - RIGHT - LEFT) / count as f64;
    let width = (room * 0.86 / sets.len().max(1) as f64).min(60.0);
    for (n, (colour, values)) in sets.iter().enumerate() {
        let mut path = String::new();
        for (at, value) in values.iter().enumerate() {
            let left = x.place(at as f64) + room * 0.07 + width * n as f64;
            let top = y.place(*value);
            let _ = write!(path, "M{left:.1} {floor}V{top:.1}h{width:.2}V{floor}z");
        }
        let _ = write!(svg, "<path d=\"{path}\" fill=\"{colour}\"/>");
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_cover_what_is_shown() {
        for most in [0.3, 1.0, 7.0, 93.0, 100.0, 12_345.0] {
            let axis = Axis { title: "", log: false };
            let scale = Scale::of(&axis, std::iter::once(most), 0.0, 100.0);
            let marks = scale.marks();
            assert!((3..=9).contains(&marks.len()), "{most}: {marks:?}");
            assert!(marks.last().is_some_and(|last| *last >= most));
            assert!(scale.place(most) <= 100.0);
        }
        let axis = Axis { title: "", log: true };
        let scale = Scale::of(&axis, std::iter::once(4_000.0), 0.0, 100.0);
        assert_eq!(scale.marks(), [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert!((scale.place(100.0) - 50.0).abs() < 1e-9);
        assert_eq!((number(25_000.0), number(0.5)), ("25 k".to_owned(), "0.5".to_owned()));
    }
}
