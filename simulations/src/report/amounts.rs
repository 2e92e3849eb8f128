//! Amounts for people: thousands apart, three digits that matter, and the unit that fits.

/// A unit of an axis, and how many of the smallest are in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Unit {
    pub name: &'static str,
    pub size: f64,
}

const BYTES: [Unit; 4] = [
    Unit { name: "B", size: 1.0 },
    Unit { name: "kB", size: 1e3 },
    Unit { name: "MB", size: 1e6 },
    Unit { name: "GB", size: 1e9 },
];

const MINUTE_MS: f64 = 60_000.0;
const HOUR_MS: f64 = 60.0 * MINUTE_MS;
const DAY_MS: f64 = 24.0 * HOUR_MS;

const TIMES: [Unit; 5] = [
    Unit { name: "ms", size: 1.0 },
    Unit { name: "s", size: 1e3 },
    Unit { name: "min", size: MINUTE_MS },
    Unit { name: "h", size: HOUR_MS },
    Unit { name: "d", size: DAY_MS },
];

fn fitting(units: &[Unit], value: f64, least: f64) -> Unit {
    let fits = units.iter().rev().find(|unit| value >= unit.size * least);
    *fits.unwrap_or(&units[0])
}

/// The unit for an axis of bytes up to so many.
pub(super) fn byte_unit(most: f64) -> Unit {
    fitting(&BYTES, most, 1.0)
}

/// The unit for an axis of times up to so many milliseconds.
pub(super) fn time_unit(most_ms: f64) -> Unit {
    fitting(&TIMES, most_ms, 3.0)
}

/// A number with thin spaces between thousands.
pub(super) fn grouped(value: u64) -> String {
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

/// A number of an axis or a tile: three digits that matter, at most two of them behind the point.
pub(super) fn short(value: f64) -> String {
    if value >= 100.0 {
        return grouped(value.round() as u64);
    }
    let text = if value >= 10.0 { format!("{value:.1}") } else { format!("{value:.2}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn with_unit(units: &[Unit], value: u64, least: f64) -> String {
    let unit = fitting(units, value as f64, least);
    format!("{}\u{a0}{}", short(value as f64 / unit.size), unit.name)
}

/// Bytes, in the unit that fits.
pub(super) fn bytes(value: u64) -> String {
    with_unit(&BYTES, value, 1.0)
}

/// A time, in the unit that fits.
pub(super) fn time(ms: u64) -> String {
    let least = if ms as f64 >= MINUTE_MS { 2.0 } else { 1.0 };
    with_unit(&TIMES, ms, least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_unit_that_fits_and_thousands_stand_apart() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(bytes(999), "999\u{a0}B");
        assert_eq!(bytes(1_234_567), "1.23\u{a0}MB");
        assert_eq!(time(34), "34\u{a0}ms");
        assert_eq!(time(1_500), "1.5\u{a0}s");
        assert_eq!(time(64_000), "64\u{a0}s");
        assert_eq!(time(7_200_000), "2\u{a0}h");
        assert_eq!(
            (short(0.0), short(12.04), short(250.4)),
            ("0".into(), "12".into(), "250".into())
        );
        assert_eq!(time_unit(240_000.0).name, "min");
        assert_eq!(time_unit(150_000.0).name, "s");
        assert_eq!(byte_unit(0.0).name, "B");
    }
}
