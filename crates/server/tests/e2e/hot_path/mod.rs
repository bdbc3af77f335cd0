//! The invariants of the hot path, seen from outside: two or three instances on PostgreSQL, with a Redis
//! of the test's own that is killed, stopped, cut off, flushed and restarted empty.
//!
//! Each test is named after its invariant, and fails when a mechanism that it depends on is switched off:
//! `cargo xtask mutants hot-path` proves that. Where two seconds are promised, a test fails as soon as
//! a request that was sent later still gets the old answer; what was measured stands in its output.

mod addresses;
mod at_once;
mod cache;
mod cluster;
mod freshness;
mod leaks;
mod limits;
mod outage;
mod revocation;
mod rolling_start;
mod twins;
mod watch;

pub use watch::within_delta;
