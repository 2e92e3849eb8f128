//! How fast frames of one peer may come.
//!
//! Frame sizes and times in → whether to look at a frame. Two buckets fill with time, and with every run sent
//! to the peer, which it may acknowledge; runs of entries that are new are bounded by credit instead and cost
//! nothing here. Who has proven no space may say little. A frame beyond what is in the buckets is dropped
//! unread and deepens the debt; a debt as deep as a bucket is a flood.

use crate::ids::Time;
use crate::limits::{self, Pace};
use crate::planted::{self, Bug};

/// What is left of both buckets, in thousandths of a frame and of a byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    frames: i64,
    bytes: i64,
    filled: Time,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entrance {
    Welcome,
    /// It is dropped unread.
    TooFast,
    /// The link has to be closed.
    Flood,
}

impl Rate {
    pub(crate) fn new(pace: &Pace, now: Time) -> Self {
        Self { frames: milli(pace.frames_max), bytes: milli(pace.bytes_max), filled: now }
    }

    /// Takes what a frame costs out of the buckets.
    pub(crate) fn admit(&mut self, pace: &Pace, frames: u64, bytes: u64, now: Time) -> Entrance {
        if planted::is(Bug::PaceUnchecked) {
            return Entrance::Welcome;
        }
        self.fill(pace, now);
        self.frames = self.frames.saturating_sub(milli(frames));
        self.bytes = self.bytes.saturating_sub(milli(bytes));
        if self.frames < -milli(pace.frames_max) || self.bytes < -milli(pace.bytes_max) {
            Entrance::Flood
        } else if self.frames < 0 || self.bytes < 0 {
            Entrance::TooFast
        } else {
            Entrance::Welcome
        }
    }

    /// Frames with runs were sent to the peer.
    pub(crate) fn may_answer(&mut self, pace: &Pace, frames: u64) {
        let filled = |level: i64, more: u64, most: u64| {
            level.saturating_add(milli(frames.saturating_mul(more))).min(milli(most))
        };
        self.frames = filled(self.frames, limits::ANSWERS_PER_FRAME, pace.frames_max);
        self.bytes = filled(self.bytes, limits::ANSWER_BYTES, pace.bytes_max);
    }

    fn fill(&mut self, pace: &Pace, now: Time) {
        let ms = now.0.saturating_sub(self.filled.0);
        self.filled = now;
        let more = |per_s: u64| i64::try_from(per_s.saturating_mul(ms)).unwrap_or(i64::MAX);
        let filled =
            |level: i64, per_s: u64, most: u64| level.saturating_add(more(per_s)).min(milli(most));
        self.frames = filled(self.frames, pace.frames_per_s, pace.frames_max);
        self.bytes = filled(self.bytes, pace.bytes_per_s, pace.bytes_max);
    }
}

fn milli(whole: u64) -> i64 {
    i64::try_from(whole.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace =
        Pace { frames_per_s: 10, frames_max: 20, bytes_per_s: 1_000, bytes_max: 4_000 };

    #[test]
    fn a_burst_is_welcome_then_the_pace_holds_then_it_is_a_flood() {
        let mut rate = Rate::new(&PACE, Time(0));
        let mut at =
            |n: u64, ms| (0..n).map(|_| rate.admit(&PACE, 1, 1, Time(ms))).max_by_key(|e| *e as u8);
        assert_eq!(at(20, 0), Some(Entrance::Welcome));
        assert_eq!(at(1, 0), Some(Entrance::TooFast));
        assert_eq!(at(1, 200), Some(Entrance::Welcome), "time has paid for both");
        assert_eq!(at(20, 200), Some(Entrance::TooFast));
        assert_eq!(at(1, 200), Some(Entrance::Flood));
    }

    #[test]
    fn bytes_count_as_well() {
        let mut rate = Rate::new(&PACE, Time(0));
        assert_eq!(rate.admit(&PACE, 1, 4_000, Time(0)), Entrance::Welcome);
        assert_eq!(rate.admit(&PACE, 1, 1, Time(0)), Entrance::TooFast);
        assert_eq!(rate.admit(&PACE, 1, u64::MAX, Time(0)), Entrance::Flood);
    }

    #[test]
    fn answers_to_what_was_sent_are_always_welcome() {
        let mut rate = Rate::new(&PACE, Time(0));
        for _ in 0..10_000 {
            rate.may_answer(&PACE, 1);
            assert_eq!(rate.admit(&PACE, 1, 64, Time(0)), Entrance::Welcome);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_fills_nothing_and_goes_on_from_there() {
        let mut rate = Rate::new(&PACE, Time(1_000_000));
        assert_eq!(rate.admit(&PACE, 21, 0, Time(0)), Entrance::TooFast);
        assert_eq!(rate.admit(&PACE, 1, 0, Time(200)), Entrance::Welcome);
    }
}
