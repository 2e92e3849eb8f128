//! The HTTP and WebSocket API on loopback, and the types it shares with the command line.
//!
//! Data in: requests with the node's token. Data out: JSON; errors are a `Failure` with the HTTP status of
//! its kind. The API adds nothing the embedding API does not have.

mod govern;
mod guard;
mod linking;
mod routes;
pub(crate) mod server;
pub mod types;
mod watch;
mod why;

pub(crate) use why::ago;
