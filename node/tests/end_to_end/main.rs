//! Real daemons, real commands, real links on loopback.

mod api;
mod device;
mod failures;
mod history;
mod keys;
mod kill;
mod lan;
mod linking;
mod members;
mod sharing;
mod why;
