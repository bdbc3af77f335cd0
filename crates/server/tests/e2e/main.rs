//! End to end: the real application over sockets, on every combination of back ends.

#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::doc_markdown,
    clippy::unchecked_time_subtraction,
    reason = "a tree of tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod alpine;
mod bookmarks;
mod clock;
mod connections;
mod exports;
mod faults;
mod feed;
mod field_reports;
mod full_redis;
mod grants;
mod hot_path;
mod late_outcomes;
mod original_clients;
mod retention;
mod rollback_plan;
mod seed_checklist;
mod smoke;
mod typed_text;
mod visibility;
