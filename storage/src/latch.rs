//! The first failure of a store is its last word.
//!
//! Data in: an operation on the engine. Data out: its result, or the failure that closed the latch.
//! Both engines check what they read by assertion in places, so damage can surface as a panic. Here, and
//! only here, a panic of the engine becomes `Corrupt`. Nothing of the caller's may run inside.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use meshwork_protocol::store::StoreError;

/// Runs operations until one fails.
#[derive(Default)]
pub struct Latch {
    failure: OnceLock<StoreError>,
    panicked: AtomicBool,
}

impl Latch {
    /// Runs `operation` unless an earlier one has failed.
    ///
    /// # Errors
    /// What `operation` returned, `Corrupt` if it panicked, or the earlier failure.
    pub fn run<T>(
        &self,
        operation: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        // No state of ours is shared with a later call: after a panic there is none.
        let result = catch_unwind(AssertUnwindSafe(operation)).unwrap_or_else(|panic| {
            self.panicked.store(true, Ordering::Relaxed);
            Err(StoreError::Corrupt { place: format!("the engine gave up: {}", words(&*panic)) })
        });
        result.map_err(|error| self.failure.get_or_init(|| error).clone())
    }

    /// Tells whether the engine has panicked, so that its threads and locks cannot be relied on.
    pub fn has_panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without saying why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_repeated() {
        let latch = Latch::default();
        assert_eq!(latch.run(|| Ok(1)), Ok(1));
        let failure = StoreError::Io("full".into());
        assert_eq!(latch.run::<()>(|| Err(failure.clone())), Err(failure.clone()));
        assert_eq!(latch.run(|| Ok(2)), Err(failure));
        assert!(!latch.has_panicked());
    }

    #[test]
    fn a_panic_closes_the_latch() {
        let latch = Latch::default();
        let failure = latch.run::<()>(|| panic!("bad {}", "page")).unwrap_err();
        assert_eq!(failure, StoreError::Corrupt { place: "the engine gave up: bad page".into() });
        assert_eq!(latch.run(|| Ok(())), Err(failure));
        assert!(latch.has_panicked());
    }
}
