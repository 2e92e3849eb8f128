//! Events of a node, for whoever wants to follow it.
//!
//! A subscriber that falls behind is told so and has to look again; it never makes the node wait or grow.

use meshwork_protocol::Event;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

/// One thing a [`Subscription`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something happened.
    Event(Event),
    /// Events were dropped because they were not taken in time: look again at whatever matters.
    Resync {
        /// How many events were dropped.
        missed: u64,
    },
}

/// The events of a node from the moment of subscription on.
#[derive(Debug)]
pub struct Subscription {
    events: broadcast::Receiver<Event>,
}

impl Subscription {
    pub(crate) fn new(events: broadcast::Receiver<Event>) -> Self {
        Self { events }
    }

    /// Waits for the next notice; `None` once the node has stopped. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.events.recv().await {
            Ok(event) => Some(Notice::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Notice::Resync { missed }),
            Err(RecvError::Closed) => None,
        }
    }

    /// [`Subscription::next`] for threads outside the runtime.
    pub fn next_blocking(&mut self) -> Option<Notice> {
        match self.events.blocking_recv() {
            Ok(event) => Some(Notice::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Notice::Resync { missed }),
            Err(RecvError::Closed) => None,
        }
    }

    /// A notice that is already there.
    pub fn next_ready(&mut self) -> Option<Notice> {
        match self.events.try_recv() {
            Ok(event) => Some(Notice::Event(event)),
            Err(TryRecvError::Lagged(missed)) => Some(Notice::Resync { missed }),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meshwork_protocol::SpaceId;

    #[test]
    fn a_slow_subscriber_is_told_what_it_missed_and_goes_on() {
        let (sender, receiver) = broadcast::channel(2);
        let mut subscription = Subscription::new(receiver);
        let event = |n| Event::SpaceReady { space: SpaceId([n; 32]) };
        for n in 0..5 {
            sender.send(event(n)).unwrap();
        }
        assert_eq!(subscription.next_blocking(), Some(Notice::Resync { missed: 3 }));
        assert_eq!(subscription.next_blocking(), Some(Notice::Event(event(3))));
        assert_eq!(subscription.next_ready(), Some(Notice::Event(event(4))));
        assert_eq!(subscription.next_ready(), None);
        drop(sender);
        assert_eq!(subscription.next_blocking(), None);
    }
}
