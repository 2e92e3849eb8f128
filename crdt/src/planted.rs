//! Mistakes that can be planted into this crate, one at a time, to see whether tests and simulations find them.
//!
//! The feature `planted` and [`choose`] in → [`is`] says at the place of one mistake that it is to be made.
//! Without the feature `is` is the constant `false`, so what is shipped holds nothing of this. The choice is one
//! for the whole process; crates that use this one add lists of their own to it.

#[cfg(feature = "planted")]
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes the list of a crate's mistakes, numbered from a base on, each with what it does.
#[doc(hidden)]
#[macro_export]
macro_rules! mistakes {
    ($base:literal, $($bug:ident $what:literal)+) => {
        /// A mistake that can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $(#[doc = $what] $bug,)+
        }

        /// Every mistake of this crate: its number, its name, what it does.
        #[cfg(feature = "planted")]
        pub const ALL: &[(u32, &str, &str)] =
            &[$(($base + Bug::$bug as u32, stringify!($bug), $what),)+];

        /// Whether a mistake is to be made.
        #[cfg(feature = "planted")]
        pub(crate) fn is(bug: Bug) -> bool {
            $crate::planted::chosen() == $base + bug as u32
        }

        /// Whether a mistake is to be made: never.
        #[cfg(not(feature = "planted"))]
        #[inline(always)]
        pub(crate) const fn is(_: Bug) -> bool {
            false
        }
    };
}

#[cfg(feature = "planted")]
static CHOSEN: AtomicU32 = AtomicU32::new(0);

/// Has the mistake of this number made everywhere in the process; 0 for none.
#[cfg(feature = "planted")]
pub fn choose(number: u32) {
    CHOSEN.store(number, Ordering::Relaxed);
}

/// The number of the mistake that is made.
#[cfg(feature = "planted")]
#[must_use]
pub fn chosen() -> u32 {
    CHOSEN.load(Ordering::Relaxed)
}

mistakes! { 1,
    VersionLowered "A version vector takes over a number that is lower than the one it has."
    AddsOfOthersLost "A set forgets elements of others that a change from elsewhere has not seen."
    OwnStartsAnew "What an author contributed before is left out when it contributes more."
    SiblingsByArrival "Elements inserted at one place by several authors stand in the order of their arrival."
    TimeStands "Two times of one author in one millisecond are the same."
    ContextCutShort "A context that is written down loses the last event of what one author did."
}
