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
mod accounts_page;
mod address_change;
mod administration;
mod allocator;
mod alpine;
mod assurance;
mod bookmarks;
mod clock;
mod command_line;
mod connections;
mod deletion;
mod development_payments;
mod discord;
mod every_route;
mod exports;
mod faults;
mod feed;
mod field_reports;
mod first_hour;
mod full_redis;
mod grants;
mod hot_path;
mod import_users;
mod jobs;
mod killed;
mod late_outcomes;
mod mistakes;
mod notifications;
mod operations_page;
mod original_clients;
mod producers;
mod readme;
mod record;
mod record_killed;
mod recovery;
mod retention;
mod rollback_plan;
mod second_factor;
mod seed_checklist;
mod sign_in_link;
mod sign_up;
mod signing;
mod smoke;
mod statements;
mod stripe;
mod telegram;
mod typed_text;
mod verification;
mod visibility;
