//! What applications are made of.

mod auction;
mod cart;
mod clock;
mod comments;
mod frontier;
mod kanban;
mod ledger;
mod poll;
mod presence;
mod seats;

pub use auction::Auction;
pub use cart::Cart;
pub use clock::Clock;
pub use comments::Comments;
pub use frontier::Frontier;
pub use kanban::Kanban;
pub use ledger::Ledger;
pub use poll::Poll;
pub use presence::Presence;
pub use seats::Seats;
