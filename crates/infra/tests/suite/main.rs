//! One contract suite for each port, run on memory and on Redis, and what happens when Redis dies.
//!
//! Redis comes from `ALPINE_TEST_REDIS_URL`, and behind a Sentinel and as a cluster from
//! `ALPINE_TEST_REDIS_SENTINEL_URL` and `ALPINE_TEST_REDIS_CLUSTER_URL`; tests share it under random key
//! prefixes. Those that kill or stop a server start one of their own. Without either they say so and
//! pass, except where `CI=true`.

#![allow(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod authenticity;
mod blacklist;
mod cache;
mod channels;
mod events;
mod invariants;
mod mail;
mod memory;
mod rate_limit;
mod redis_away;
mod secrets;
mod support;
mod topology;
mod unwritable;
