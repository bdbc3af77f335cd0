//! Witnesses: for each setting, each background task and each metric something that can be seen from outside
//! and is different without it. Each list is checked for completeness.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tree of tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod metrics;
mod row;
mod settings;
mod stage;
mod tasks;
