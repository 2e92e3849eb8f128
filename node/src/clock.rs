//! The wall clock, as the engine wants it.
//!
//! Data out: [`Time`] in milliseconds. Timers do not use it: they run on the monotonic clock, so that a
//! stepped wall clock neither delays nor repeats them.

use std::time::{SystemTime, UNIX_EPOCH};

use meshwork_protocol::Time;

/// The present moment; a clock set before 1970 reads as 1970.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
