//! What a run measured, as numbers for programs and reports.

use serde::{Deserialize, Serialize};

/// Values up to it are counted one by one; beyond, each doubling is divided into as many parts.
const EXACT: u64 = 64;

/// How often which times were met: exact below 64, within a part in 64 above.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    fn place(value: u64) -> usize {
        if value < EXACT {
            return usize::try_from(value).unwrap_or(0);
        }
        let shift = value.ilog2() - EXACT.ilog2();
        let part = (value >> shift) - EXACT;
        usize::try_from(EXACT + u64::from(shift) * EXACT + part).unwrap_or(usize::MAX)
    }

    /// The largest value that is counted in a place.
    fn value(place: usize) -> u64 {
        let place = place as u64;
        if place < EXACT {
            return place;
        }
        let (shift, part) = ((place - EXACT) / EXACT, (place - EXACT) % EXACT);
        ((EXACT + part + 1) << shift) - 1
    }

    /// Counts a value.
    pub fn add(&mut self, value: u64) {
        let place = Self::place(value);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.total += 1;
    }

    /// Up to which value so many of a thousand lie.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> u64 {
        let wanted = (self.total * per_mille).div_ceil(1_000);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Self::value(place);
            }
        }
        0
    }

    /// All of it, in short.
    #[must_use]
    pub fn summary(&self) -> Distribution {
        let mut cdf = Vec::new();
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += count;
            cdf.push((Self::value(place), seen as f64 / self.total as f64));
        }
        // A few hundred points draw the same line.
        let every = cdf.len().div_ceil(400).max(1);
        let last = cdf.last().copied();
        let mut cdf: Vec<(u64, f64)> = cdf.into_iter().step_by(every).collect();
        if cdf.last() != last.as_ref() {
            cdf.extend(last);
        }
        Distribution {
            count: self.total,
            p50: self.quantile(500),
            p90: self.quantile(900),
            p99: self.quantile(990),
            max: self.quantile(1_000),
            cdf,
        }
    }
}

/// How values are distributed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// Half of them are no larger.
    pub p50: u64,
    /// Nine of ten are no larger.
    pub p90: u64,
    /// Ninety-nine of a hundred are no larger.
    pub p99: u64,
    /// The largest.
    pub max: u64,
    /// Values, each with the share of those that are no larger.
    pub cdf: Vec<(u64, f64)>,
}

/// What a run measured. All of it depends on nothing but the plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// From the writing of an entry until a device that was there all the time shows it, in milliseconds.
    pub delivery_ms: Distribution,
    /// The same for devices that came or came back after it was written.
    pub catch_up_ms: Distribution,
    /// Entries written.
    pub entries_written: u64,
    /// Frames sent by all devices.
    pub frames_sent: u64,
    /// Bytes of frames sent by each device.
    pub sent_bytes: Vec<u64>,
    /// Bytes of frames that reached each device.
    pub received_bytes: Vec<u64>,
    /// Bytes of keys and values on each disk in the end.
    pub disk_bytes: Vec<u64>,
    /// Devices whose deliveries were measured.
    pub measured_devices: usize,
    /// What it was like from time to time.
    pub samples: Vec<Sample>,
}

/// What the world was like at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in milliseconds from the beginning.
    pub at_ms: u64,
    /// Devices that were there.
    pub online: usize,
    /// Entries that a device that was there lacked, mean.
    pub behind_mean: f64,
    /// Entries that a device that was there lacked, most.
    pub behind_max: u64,
    /// Bytes sent so far, by all devices.
    pub sent_bytes: u64,
    /// Bytes on a disk, mean.
    pub disk_bytes_mean: u64,
    /// Links.
    pub links: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_within_a_part_in_sixty_four_and_order_is_kept() {
        let mut before = 0;
        for value in (0..5_000).chain((5_000..5_000_000).step_by(977)) {
            let place = Histogram::place(value);
            let top = Histogram::value(place);
            assert!(value <= top && top - value <= value / 64, "{value} counted as {top}");
            assert!(place >= before);
            before = place;
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|value| histogram.add(value % 50));
        assert_eq!(histogram.quantile(500), 24);
        assert_eq!(histogram.quantile(1_000), 49);
        let summary = histogram.summary();
        assert_eq!(summary.count, 1_000);
        assert!(summary.cdf.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        assert_eq!(summary.cdf.last().map(|(_, share)| *share), Some(1.0));
        assert_eq!(Histogram::default().summary().p99, 0);
    }
}
