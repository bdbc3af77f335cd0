//! What a business of two years has, in set-based SQL: rows as wide as real ones, of which only what figures count
//! tells them apart.

use alpine_domain::{Timestamp, analytics::RollupName};
use anyhow::Result;

use crate::loader::Loader;

/// Rows made by one statement.
const CHUNK: i64 = 250_000;
/// Over how many days everything came.
const DAYS: i64 = 730;
const DAY: i64 = 86_400_000_000;
/// Invoices of each who pays.
const INVOICES: i64 = 12;
/// What is counted as it happens: sums of each day that nothing else gives.
const COUNTED: [RollupName; 4] =
    [RollupName::Requests, RollupName::Errors, RollupName::Limited, RollupName::Delivered];
/// The same for each of so many routes whose answers are cached.
const COUNTED_BY_ROUTE: [RollupName; 2] = [RollupName::CacheHits, RollupName::CacheMisses];
const ROUTES: i64 = 24;

/// How many rows of each kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) signals: i64,
    pub(super) users: i64,
}

/// Fills the database behind `loader`, whose tables are empty, but for one producer with the number 1. Sums that can be
/// counted are not filled.
pub(super) fn fill(loader: &mut Loader, sizes: Sizes, now: Timestamp) -> Result<()> {
    let now = now.micros();
    in_chunks(loader, sizes.users, |loader, numbers| users(loader, numbers, sizes, now))?;
    loader.run(&format!(
        "INSERT INTO user_activity (user_id, last_day) \
         SELECT id, {now} / {DAY} - created_at / 1000000 % 60 FROM users"
    ))?;
    in_chunks(loader, sizes.signals, |loader, numbers| signals(loader, numbers, sizes, now))?;
    loader.run(&subscriptions(now))?;
    loader.run(&invoices(&loader.numbers(0, INVOICES), now))?;
    let days = loader.numbers(0, DAYS);
    for name in COUNTED {
        loader.run(&format!(
            "{days} INSERT INTO rollups (day, name, key, value) \
             SELECT {now} / {DAY} - n + 1, '{name}', '', 1000 + n FROM g",
            name = name.as_str(),
        ))?;
    }
    let routes = loader.numbers(0, DAYS * ROUTES);
    for name in COUNTED_BY_ROUTE {
        loader.run(&format!(
            "{routes} INSERT INTO rollups (day, name, key, value) \
             SELECT {now} / {DAY} - (n - 1) / {ROUTES}, '{name}', 'route_' || ((n - 1) % {ROUTES}), 1000 FROM g",
            name = name.as_str(),
        ))?;
    }
    loader.settle()
}

fn in_chunks(
    loader: &mut Loader,
    rows: i64,
    statement: impl Fn(&Loader, &str) -> String,
) -> Result<()> {
    let mut done = 0;
    while done < rows {
        let end = (done + CHUNK).min(rows);
        let numbers = loader.numbers(done, end);
        loader.run(&statement(loader, &numbers))?;
        done = end;
    }
    Ok(())
}

/// Spread evenly over all days, the last one now.
fn made(rows: i64, now: i64) -> String {
    format!("({now} - ({rows} - n) * {})", DAYS * DAY / rows.max(1))
}

/// Of seven in ten the free tier, then one of each other.
fn users(loader: &Loader, numbers: &str, sizes: Sizes, now: i64) -> String {
    format!(
        "{numbers} INSERT INTO users (id, email, full_name, password_hash, tier, role, is_active, is_verified, \
         generation, created_at, updated_at) \
         SELECT '00000000-0000-7000-8000-' || {id}, 'user-' || n || '@example.com', 'User ' || n, {hash}, \
         CASE n % 10 WHEN 7 THEN 'starter' WHEN 8 THEN 'pro' WHEN 9 THEN 'elite' ELSE 'free' END, \
         'user', TRUE, TRUE, 0, {made}, {made} FROM g",
        id = loader.hex(12, "n"),
        hash = loader.hex(96, "n"),
        made = made(sizes.users, now),
    )
}

/// One in ten is simulated; all have ended.
fn signals(loader: &Loader, numbers: &str, sizes: Sizes, now: i64) -> String {
    format!(
        "{numbers} INSERT INTO signals (producer_id, external_id, symbol, action, entry_price, confidence, \
         confidence_text, strategy, asset_type, reasoning, signal_timestamp, signalled_at, hash, content_hash, \
         is_simulated, is_active, created_at) \
         SELECT 1, 'BENCH-' || n, 'AAPL', 'BUY', '175.5', 50 + n % 50, '50.0', 'momentum', 'stock', \
         'Consensus of four sources, number ' || n, '2025-01-15T10:30:00Z', {made}, {hash}, {hash}, \
         n % 10 = 0, FALSE, {made} FROM g",
        hash = loader.hex(64, "n"),
        made = made(sizes.signals, now),
    )
}

/// Who is not free pays, every third one by the year.
fn subscriptions(now: i64) -> String {
    format!(
        "INSERT INTO subscriptions (user_id, subscription_id, status, tier, paid_every, cents, period_end, \
         subscribed, given, readings, applied, read_at) \
         SELECT id, 'sub_' || id, 'active', tier, CASE WHEN created_at % 3 = 0 THEN 'year' ELSE 'month' END, \
         CASE tier WHEN 'starter' THEN 4900 WHEN 'pro' THEN 9900 ELSE 24900 END \
         * CASE WHEN created_at % 3 = 0 THEN 10 ELSE 1 END, \
         {now} + 15 * {DAY}, tier, tier, 1, 1, {now} FROM users WHERE tier <> 'free'"
    )
}

/// One a month of each who pays; one in fifty was given back, one in a hundred is disputed.
fn invoices(numbers: &str, now: i64) -> String {
    format!(
        "{numbers} INSERT INTO invoices (provider_id, user_id, subscription_id, tier, status, due_cents, \
         paid_cents, refunded_cents, is_disputed, currency, created_at, paid_at) \
         SELECT 'in_' || n || '_' || user_id, user_id, subscription_id, tier, 'paid', cents, cents, \
         CASE WHEN (at + n) % 50 = 0 THEN cents ELSE 0 END, (at + n) % 100 = 7, 'usd', paid, paid FROM \
         (SELECT n, user_id, subscription_id, subscriptions.tier, cents, created_at / 1000000 AS at, \
         {now} - (n - 1) * 30 * {DAY} - created_at / 1000000 % 30 * {DAY} AS paid \
         FROM subscriptions JOIN users ON users.id = user_id CROSS JOIN g) AS bills"
    )
}
