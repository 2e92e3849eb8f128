//! The story of a run: a line for each thing that happened, for people.

use super::{DAWN_MS, World};

/// Lines kept; what comes then is only counted by the trace.
const LINES_MAX: usize = 2_000_000;

impl World {
    /// Notes what has happened, if anybody wants to know.
    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.story
            && lines.len() < LINES_MAX
        {
            let ms = self.now_ms - DAWN_MS;
            let (s, ms) = (ms / 1_000, ms % 1_000);
            let (h, m, s) = (s / 3_600, s / 60 % 60, s % 60);
            lines.push(format!("{h:02}:{m:02}:{s:02}.{ms:03}  {}", what()));
        }
    }
}

/// What a frame is called.
pub(super) fn frame(bytes: &[u8]) -> &'static str {
    match bytes.get(1) {
        Some(1) => "hello",
        Some(2) => "claims",
        Some(3) => "operations",
        Some(4) => "heads",
        Some(5) => "entries",
        Some(6) => "acknowledgement",
        Some(7) => "credit",
        Some(8) => "spread",
        Some(9) => "refusal",
        Some(10) => "next entry",
        Some(11) => "marks",
        Some(12) => "evidence",
        Some(13) => "peers",
        Some(14) => "part",
        Some(15) => "echo",
        Some(16) => "presence",
        Some(17) => "notes",
        Some(18) => "snapshot",
        Some(19) => "history",
        Some(20) => "linking",
        _ => "unknown",
    }
}
