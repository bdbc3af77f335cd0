//! Every use case over the stores in memory and a clock that stands still until it is moved.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unchecked_time_subtraction,
    reason = "a test that meets what it did not expect has to fail"
)]

mod api_keys;
mod background;
mod intake;
mod outcomes;
mod passwords;
mod reading;
mod sessions;
mod statistics;
mod support;
mod visibility;
