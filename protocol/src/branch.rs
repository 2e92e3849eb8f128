//! One link as a branch of the tree along which the entries of one log spread.
//!
//! Entries go at once along eager branches. Who gets an entry twice asks the later of the two to be lazy: what
//! is left eager is a tree of the quickest ways from the author (Leitão, Pereira, Rodrigues, "Epidemic
//! Broadcast Trees", SRDS 2007). Lazy branches carry only acknowledgements; an entry that is not acknowledged
//! on one in time is sent there after all, and makes it eager again. Not here: who links with whom.

use crate::ids::Time;
use crate::limits;

/// Whether entries of a log go over a link at once, and whether they are to come over it at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Branch {
    /// The peer gets the log elsewhere.
    lazy: bool,
    /// The peer was asked to be lazy.
    pruned: bool,
    late_at: Option<Time>,
}

impl Branch {
    /// Whether entries go to the peer at once.
    #[must_use]
    pub fn eager(&self) -> bool {
        !self.lazy
    }

    /// The peer asks for entries at once, or only when they are late.
    pub fn on_asked(&mut self, eager: bool) {
        self.lazy = !eager;
        self.late_at = None;
    }

    /// An entry came that was not here: tells whether to ask the peer to be eager again.
    pub fn on_new(&mut self) -> bool {
        self.late_at = None;
        std::mem::take(&mut self.pruned)
    }

    /// An entry came that was here already: tells whether to ask the peer to be lazy.
    pub fn on_repeated(&mut self) -> bool {
        !std::mem::replace(&mut self.pruned, true)
    }

    /// The peer has what is here, or was just sent it.
    pub fn on_caught_up(&mut self) {
        self.late_at = None;
    }

    /// Whether an entry that the peer lacks is to be sent now: at once, or once it is late.
    pub fn due(&mut self, now: Time) -> bool {
        self.eager() || *self.late_at.get_or_insert(now.plus_ms(limits::RELAY_AFTER_MS)) <= now
    }

    /// When an entry that the peer lacks becomes late.
    #[must_use]
    pub fn late_at(&self) -> Option<Time> {
        self.late_at
    }
}
