//! The verbs of the command line: what they print, and where they write. Data on stdout, talk on stderr.
//!
//! Exit code 0: all went as it must; 1: an invariant was broken; 2: what was asked for cannot be done.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

pub(crate) mod bench;
pub(crate) mod explore;
pub(crate) mod planted;
pub(crate) mod report;
pub(crate) mod run;

/// How often progress is told where nobody watches.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Prints a line of data; whoever has stopped reading is not told more.
pub(crate) fn print(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

pub(crate) fn per_second(count: u64, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64().max(0.000_001)
}

/// How far something is that takes a while: on a terminal one line that changes, elsewhere one now and then.
pub(crate) struct Progress {
    began: Instant,
    told: Option<Instant>,
    terminal: bool,
    what: &'static str,
}

impl Progress {
    pub(crate) fn new(what: &'static str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { began: Instant::now(), told: None, terminal, what }
    }

    /// Says something for good, above the line that tells how far it is.
    pub(crate) fn note(&self, line: &str) {
        let (start, end) = if self.terminal { ("\r\x1b[K", "\n") } else { ("", "\n") };
        let _ = write!(std::io::stderr().lock(), "{start}{line}{end}");
    }

    pub(crate) fn tell(&mut self, done: u64, of: u64, failed: usize) {
        let every = if self.terminal { Duration::from_millis(200) } else { TOLD_EVERY };
        let last = self.told.unwrap_or(self.began);
        if done < of && last.elapsed() < every {
            return;
        }
        self.told = Some(Instant::now());
        let rate = per_second(done, self.began);
        let left = (of - done) as f64 / rate.max(0.001);
        let what = self.what;
        let line = format!("{done} of {of} {what}, {failed} failed, {rate:.1}/s, {left:.0} s left");
        let (start, end) = if self.terminal { ("\r", "   ") } else { ("", "\n") };
        let last = if self.terminal && done == of { "\n" } else { "" };
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{start}{line}{end}{last}");
        let _ = stderr.flush();
    }
}
