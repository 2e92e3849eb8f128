//! Real daemons, real commands, real links on loopback.

mod api;
mod device;
mod failures;
mod keys;
mod kill;
mod lan;
mod sharing;
mod why;
