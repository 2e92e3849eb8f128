//! Plots as SVG. Colours and letters come from the page's style, so that they follow light, dark and narrow screens;
//! marks are so far apart that the large letters of a phone do not touch.

use std::fmt::Write as _;

use super::amounts::{bytes, short};

const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 316.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 58.0;
/// Where what is above the plot is written.
const HEAD: f64 = 20.0;
const FLOOR: f64 = HEIGHT - BOTTOM;
const EDGE: f64 = WIDTH - RIGHT;

/// Times that are marked where an axis goes from milliseconds to weeks.
const TIMES: [(f64, &str); 11] = [
    (1.0, "1 ms"),
    (10.0, "10 ms"),
    (100.0, "100 ms"),
    (1e3, "1 s"),
    (1e4, "10 s"),
    (6e4, "1 min"),
    (6e5, "10 min"),
    (3.6e6, "1 h"),
    (2.16e7, "6 h"),
    (8.64e7, "1 d"),
    (8.64e8, "10 d"),
];
/// More names of marks than these do not fit beside each other.
const NAMES_MAX: usize = 7;
/// What is less than the most by more powers of ten does not matter.
const DECADES_MAX: i32 = 6;

/// What an axis shows.
pub(super) struct Axis {
    pub title: String,
    pub marks: Marks,
}

/// How an axis is divided.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Marks {
    /// Evenly, from nothing on.
    Even,
    /// The same where there are no halves.
    Whole,
    /// By times, in milliseconds, each mark several times the last.
    Times,
    /// By bytes, each mark ten times the last.
    Bytes,
    /// From nothing to a hundred.
    Percent,
}

/// What is drawn of a run.
pub(super) struct Line {
    /// Its letter, where there are several.
    pub letter: &'static str,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
    /// Points that are named.
    pub dots: Vec<(f64, f64, String)>,
    /// Whether what is below it is filled.
    pub filled: bool,
}

/// Something that happens at a place of the lower axis.
pub(super) struct Moment {
    pub at: f64,
    pub what: String,
    /// Whether it changes everything, and is named on the plot.
    pub named: bool,
}

/// From values to places on the page.
struct Scale {
    /// Whether each mark is several times the last.
    steep: bool,
    /// Values that are marked, and their names.
    marks: Vec<(f64, String)>,
    /// The value at the far end.
    last: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn of(axis: &Axis, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        for value in values {
            (least, most) = (least.min(value), most.max(value));
        }
        let marks = match axis.marks {
            Marks::Times => {
                let after = |value: f64| TIMES.iter().position(|(mark, _)| *mark >= value);
                let last = after(most).unwrap_or(TIMES.len() - 1).max(1);
                let before = TIMES.iter().rposition(|(mark, _)| *mark <= least.max(1.0));
                let first = before.unwrap_or(0).min(last - 1);
                TIMES[first..=last].iter().map(|(at, name)| (*at, (*name).to_owned())).collect()
            }
            Marks::Bytes => {
                let last = most.max(10.0).log10().ceil() as i32;
                let first =
                    (least.max(1.0).log10().floor() as i32).clamp(last - DECADES_MAX, last - 1);
                (first..=last)
                    .map(|n| 10_u64.pow(n as u32))
                    .map(|at| (at as f64, bytes(at)))
                    .collect()
            }
            Marks::Percent => [0.0, 25.0, 50.0, 75.0, 100.0].map(|at| (at, short(at))).to_vec(),
            Marks::Even | Marks::Whole => {
                let most = if most > 0.0 { most } else { 1.0 };
                let least = if axis.marks == Marks::Whole { 1.0 } else { 0.0 };
                let step = step(most).max(least);
                let count = (most / step).ceil() as u32;
                (0..=count).map(|n| f64::from(n) * step).map(|at| (at, short(at))).collect()
            }
        };
        let steep = matches!(axis.marks, Marks::Times | Marks::Bytes);
        let last = marks.last().map_or(1.0, |(at, _): &(f64, String)| *at);
        Self { steep, marks, last, from, to }
    }

    /// The same, but it ends where values do and not at a mark.
    fn cut(mut self, most: f64) -> Self {
        if !self.steep && most > 0.0 {
            self.last = most;
            self.marks.retain(|(at, _)| *at <= most);
        }
        self
    }

    fn place(&self, value: f64) -> f64 {
        let first = self.marks.first().map_or(0.0, |(at, _)| *at);
        let last = self.last;
        let share = if self.steep {
            (value.max(first) / first).ln() / (last / first).ln()
        } else {
            (value - first) / (last - first)
        };
        self.from + (self.to - self.from) * share.min(1.0)
    }

    /// Marks with their places; of too many only some are named.
    fn named(&self) -> impl Iterator<Item = (f64, &str)> {
        let every = self.marks.len().div_ceil(NAMES_MAX);
        let last = self.marks.len() - 1;
        self.marks.iter().enumerate().map(move |(n, (at, name))| {
            let shown = (last - n).is_multiple_of(every);
            (self.place(*at), if shown { name.as_str() } else { "" })
        })
    }
}

/// A round step that divides up to a value into three to six.
fn step(most: f64) -> f64 {
    let decade = 10_f64.powf((most / 5.0).log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].map(|by| by * decade);
    steps.into_iter().find(|step| most / step <= 5.001).unwrap_or(decade * 10.0)
}

fn frame(svg: &mut String, x: &Scale, y: &Scale, x_title: &str, y_title: &str) {
    for (at, name) in y.named() {
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{EDGE}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{name}</text>",
            LEFT - 8.0,
            at + 5.0
        );
    }
    for (at, name) in x.named() {
        let anchor = if at > EDGE - 1.0 { "end" } else { "middle" };
        let at_name = if at > EDGE - 1.0 { at + RIGHT - 6.0 } else { at };
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} {TOP}V{FLOOR}\"/><text x=\"{at_name:.1}\" y=\"{:.1}\" \
             text-anchor=\"{anchor}\">{name}</text>",
            FLOOR + 24.0
        );
    }
    let _ = write!(
        svg,
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{FLOOR}H{EDGE}\"/><text x=\"{:.1}\" y=\"{:.1}\" \
         text-anchor=\"middle\">{x_title}</text><text x=\"6\" y=\"{HEAD}\">{y_title}</text>",
        (LEFT + EDGE) / 2.0,
        HEIGHT - 8.0,
    );
}

fn moments(svg: &mut String, x: &Scale, moments: &[Moment]) {
    for moment in moments {
        let (at, what) = (x.place(moment.at), super::escaped(&moment.what));
        if !moment.named {
            let _ = write!(
                svg,
                "<path class=\"happens\" d=\"M{at:.1} {FLOOR}l-5 -8h10z\"><title>{what}</title></path>"
            );
            continue;
        }
        let (anchor, beside) = if at > WIDTH / 2.0 { ("end", 3.0) } else { ("start", -3.0) };
        let _ = write!(
            svg,
            "<path class=\"moment\" d=\"M{at:.1} {TOP}V{FLOOR}\"/><text class=\"value\" x=\"{:.1}\" \
             y=\"{:.1}\" text-anchor=\"{anchor}\">{what}</text>",
            at + beside,
            TOP - 6.0
        );
    }
}

fn line(svg: &mut String, x: &Scale, y: &Scale, n: usize, line: &Line) {
    let mut path = String::new();
    for (at, (px, py)) in line.points.iter().enumerate() {
        let to = if at == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{to}{:.1} {:.1}", x.place(*px), y.place(*py));
    }
    if let (true, Some(first), Some(last)) = (line.filled, line.points.first(), line.points.last())
    {
        let (first, last) = (x.place(first.0), x.place(last.0));
        let _ = write!(svg, "<path class=\"f{n}\" d=\"{path}L{last:.1} {FLOOR}H{first:.1}z\"/>");
    }
    let _ = write!(svg, "<path class=\"line l{n}\" d=\"{path}\"/>");
    for (px, py, name) in &line.dots {
        let (px, py, name) = (x.place(*px), y.place(*py), super::escaped(name));
        // Where it does not lie on the line, which rises to the right.
        let left = px > WIDTH * 0.62;
        let (anchor, beside, below) = if left { ("end", -9.0, -8.0) } else { ("start", 9.0, 22.0) };
        let _ = write!(
            svg,
            "<circle class=\"d{n}\" cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"5\"/><text class=\"value\" \
             x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{name}</text>",
            px + beside,
            py + below
        );
    }
    if !line.letter.is_empty() {
        let at = EDGE - 84.0 + 48.0 * n as f64;
        let _ = write!(
            svg,
            "<path class=\"line l{n}\" d=\"M{at:.1} {0:.1}h16\"/><text class=\"t{n}\" x=\"{1:.1}\" \
             y=\"{HEAD}\">{2}</text>",
            HEAD - 5.0,
            at + 19.0,
            line.letter
        );
    }
}

/// Lines over two axes, and what happened on the way; `says` is read to those who do not see it.
pub(super) fn plot(
    says: &str,
    (x_axis, y_axis): (&Axis, &Axis),
    lines: &[Line],
    happened: &[Moment],
) -> String {
    let xs = lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x));
    let ys = lines.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y));
    let most = xs.clone().fold(0.0, f64::max);
    let x = Scale::of(x_axis, xs, LEFT, EDGE).cut(most);
    let y = Scale::of(y_axis, ys, FLOOR, TOP);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        super::escaped(says)
    );
    frame(&mut svg, &x, &y, &x_axis.title, &y_axis.title);
    for (n, one) in lines.iter().enumerate() {
        line(&mut svg, &x, &y, n, one);
    }
    moments(&mut svg, &x, happened);
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(marks: Marks, values: &[f64]) -> Scale {
        Scale::of(&Axis { title: String::new(), marks }, values.iter().copied(), 0.0, 100.0)
    }

    #[test]
    fn marks_are_round_and_cover_what_is_shown() {
        for most in [0.003, 0.3, 1.0, 7.0, 93.0, 100.0, 12_345.0] {
            let scale = scale(Marks::Even, &[most]);
            assert!((3..=7).contains(&scale.marks.len()), "{most}: {:?}", scale.marks);
            assert!(scale.marks.last().is_some_and(|(last, _)| *last >= most));
            assert!((0.0..=100.0).contains(&scale.place(most)));
        }
        let cut = scale(Marks::Even, &[3.1]).cut(3.1);
        assert_eq!((cut.marks.len(), cut.place(3.1)), (4, 100.0));
        let empty = scale(Marks::Even, &[]);
        assert!(empty.marks.len() > 2 && empty.place(0.0) == 0.0);
    }

    #[test]
    fn times_are_marked_from_below_the_shortest_to_beyond_the_longest() {
        let times = scale(Marks::Times, &[34.0, 4_000.0]);
        let names: Vec<&str> = times.marks.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["10 ms", "100 ms", "1 s", "10 s"]);
        assert!((times.place(100.0) - 100.0 / 3.0).abs() < 1e-9);
        for values in [&[0.0, 0.0][..], &[1e12, 2e12], &[]] {
            let times = scale(Marks::Times, values);
            assert!(times.marks.len() >= 2);
            assert!(values.iter().all(|value| (0.0..=100.0).contains(&times.place(*value))));
        }
        let sent = scale(Marks::Bytes, &[0.0, 2_500.0, 3e5]);
        assert_eq!(sent.marks.first().map(|(_, name)| name.as_str()), Some("1\u{a0}B"));
        assert_eq!(sent.marks.last().map(|(_, name)| name.as_str()), Some("1\u{a0}MB"));
        let long = scale(Marks::Times, &[1.0, 1e8]);
        assert!(long.named().filter(|(_, name)| !name.is_empty()).count() <= NAMES_MAX);
    }
}
