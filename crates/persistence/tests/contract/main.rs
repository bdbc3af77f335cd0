//! One contract: what the stores promise is tried on a SQLite file, on a PostgreSQL database and in memory, what
//! is about databases on the first two; each test has its own. PostgreSQL's server comes from `ALPINE_TEST_POSTGRES_URL`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets what it did not expect has to fail"
)]

mod accounts;
mod address_changes;
mod administration;
mod admins;
mod api_keys;
mod audit;
mod billing;
mod channels;
mod clock;
mod closing;
mod cost;
mod crowding;
mod deletion;
mod digests;
mod ended;
mod events;
mod exit;
mod failover;
mod files;
mod idempotency;
mod identity;
mod imports;
mod ingest;
mod jobs;
mod late_outcomes;
mod lists;
mod mail_tokens;
mod migrations;
mod newest;
mod notifications;
mod own;
mod pool;
mod producers;
mod record_sums;
mod restore;
mod restore_safely;
mod retention;
mod roles;
mod rollups;
mod second_factors;
mod sessions;
mod sign_ups;
mod statistics;
mod support;
