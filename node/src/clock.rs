//! The clock, as the engine wants it: wall time that never stands still and never runs backwards.
//!
//! Data out: [`Time`] in milliseconds. It follows the wall clock forwards; when that is set back, it goes on
//! at the pace of the monotonic clock, so that whatever waits for a moment sees it come.

use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use meshwork_protocol::Time;

/// The last moment told, and when that was on the monotonic clock.
static LAST: Mutex<Option<(Instant, u64)>> = Mutex::new(None);

/// The present moment; a clock set before 1970 reads as 1970.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let at = Instant::now();
    let earlier = last.map(|(then, ms)| (ms, at.saturating_duration_since(then).as_millis()));
    let ms = told(wall_ms, earlier);
    if last.is_none_or(|(_, before)| ms > before) {
        *last = Some((at, ms));
    }
    Time(ms)
}

/// What to tell when the wall clock says `wall_ms`, some milliseconds after something was told earlier.
fn told(wall_ms: u64, earlier: Option<(u64, u128)>) -> u64 {
    earlier.map_or(wall_ms, |(ms, passed_ms)| {
        wall_ms.max(ms.saturating_add(u64::try_from(passed_ms).unwrap_or(u64::MAX)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_goes_on_and_one_set_forward_is_followed() {
        assert_eq!(told(5_000, None), 5_000);
        assert_eq!(told(5_100, Some((5_000, 100))), 5_100);
        assert_eq!(told(1_000, Some((5_000, 100))), 5_100);
        assert_eq!(told(9_000, Some((5_000, 100))), 9_000);
    }

    #[test]
    fn time_passes() {
        let first = now();
        while now() == first {
            std::thread::yield_now();
        }
        assert!(now() > first);
    }
}
