//! Every use case over the stores in memory and a clock that stands still until it is moved.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::unchecked_time_subtraction,
    reason = "a test that meets what it did not expect has to fail"
)]

mod address_change;
mod administration;
mod analytics;
mod api_keys;
mod audit;
mod background;
mod billing;
mod channels;
mod deletion;
mod digests;
mod intake;
mod messenger;
mod notifications;
mod notifications_of_signals;
mod outcomes;
mod own_sessions;
mod passwords;
mod payments;
mod reading;
mod recovery;
mod second_factor;
mod sessions;
mod sign_in_link;
mod sign_up;
mod statistics;
mod support;
mod verification;
mod visibility;
