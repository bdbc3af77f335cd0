//! Rows of everything, as many as are asked for.

use crate::support::{TestApp, execute};

/// Rows of one statement at most.
const CHUNK: usize = 200;

/// `accounts.max_api_keys.elite`.
const MOST_KEYS: usize = 10;

/// Of each user the newest 500 are kept, so that nobody has more.
const MOST_NOTIFICATIONS: usize = 450;

/// Inserts rows, each told by its number.
async fn insert(app: &TestApp, into: &str, numbers: usize, row: impl Fn(usize) -> String) {
    for from in (0..numbers).step_by(CHUNK) {
        let rows: Vec<_> =
            (from..numbers.min(from + CHUNK)).map(|n| format!("({})", row(n))).collect();
        execute(app, format!("INSERT INTO {into} VALUES {}", rows.join(", "))).await;
    }
}

/// The id of a user, a session or a key.
fn id(of: usize, n: usize) -> String {
    format!("00000000-0000-7000-8{of:03x}-{n:012x}")
}

/// What belongs to nobody who asks.
pub async fn of_everybody(app: &TestApp, count: usize) {
    let now = app.now().micros();
    let at = |n: usize| now - 1_000_000 * i64::try_from(n).unwrap();
    let users = "users (id, email, full_name, password_hash, tier, role, is_active, is_verified, generation, \
                 stripe_customer_id, created_at, updated_at)";
    insert(app, users, count, |n| {
        let (tier, role) = (["free", "pro", "elite"][n % 3], ["user", "admin"][n % 2]);
        let at = at(n);
        format!(
            "'{}', 'one-{n}@example.com', 'One', 'x', '{tier}', '{role}', TRUE, TRUE, 0, 'cus_of_{n}', {at}, {at}",
            id(0, n)
        )
    })
    .await;
    let subscriptions = "subscriptions (user_id, subscription_id, item_id, status, tier, paid_every, cents, \
                         period_end, subscribed, given, problem, readings, applied, read_at, attention_since)";
    insert(app, subscriptions, count, |n| {
        format!(
            "'{}', 'sub_of_{n}', 'si_of_{n}', 'active', 'pro', 'month', 9900, {now} + 86400000000, 'pro', 'pro', \
             'a problem', 1, 1, {now}, {}",
            id(0, n),
            at(n)
        )
    })
    .await;
    insert(app, "producers (name, key_hash, is_simulated, is_active, created_at)", count, |n| {
        format!("'producer-{n}', 'hash-{n}', FALSE, TRUE, {}", at(n))
    })
    .await;
    insert(app, "payment_events (id, kind, received_at)", count, |n| {
        format!("'evt_of_{n}', 'invoice.paid', {}", at(n))
    })
    .await;
    // Some wait for tomorrow, the others have failed.
    insert(app, "jobs (kind, payload, created_at, due_at, attempts, failed_at)", count, |n| {
        let failed = if n % 2 == 0 { at(n).to_string() } else { "NULL".to_owned() };
        format!("'of_the_test', '{{}}', {}, {now} + 86400000000, 1, {failed}", at(n))
    })
    .await;
    insert(
        app,
        "audit_log (at, action, outcome, actor, subject, count, is_security)",
        count,
        |n| format!("{}, 'sign_in', 'success', 'user:{}', NULL, 1, TRUE", at(n), id(0, n)),
    )
    .await;
    insert(app, "audit_counts (hour, action, outcome, count)", count, |n| {
        format!("{}, 'sign_in', 'success', 1", now / 3_600_000_000 - i64::try_from(n).unwrap())
    })
    .await;
    insert(app, "rollups (day, name, key, value)", count, |n| {
        format!("{}, 'requests', 'route-{n}', 1", now / 86_400_000_000)
    })
    .await;
}

/// What belongs to this user, the `number`th.
pub async fn of(app: &TestApp, user: &str, number: usize, count: usize) {
    let now = app.now().micros();
    let at = |n: usize| now - 1_000_000 * i64::try_from(n).unwrap();
    insert(app, "sessions (id, user_id, created_at, expires_at)", count, |n| {
        format!("'{}', '{user}', {}, {now} + 86400000000", id(number, n), at(n))
    })
    .await;
    insert(app, "refresh_tokens (token_hash, session_id, created_at)", count, |n| {
        format!("'token-{number}-{n}', '{}', {}", id(number, n), at(n))
    })
    .await;
    let notifications = "notifications (user_id, title, message, kind, created_at)";
    insert(app, notifications, count.min(MOST_NOTIFICATIONS), |n| {
        format!("'{user}', 'A title', 'A message', 'security', {}", at(n))
    })
    .await;
    let invoices = "invoices (provider_id, user_id, subscription_id, tier, status, due_cents, paid_cents, \
                    refunded_cents, currency, created_at, paid_at)";
    insert(app, invoices, count, |n| {
        let at = at(n);
        format!(
            "'in_{number}_{n}', '{user}', 'sub_1', 'pro', 'paid', 9900, 9900, 0, 'usd', {at}, {at}"
        )
    })
    .await;
    let lines = "audit_log (at, action, outcome, actor, subject, count, is_security)";
    insert(app, lines, count, |n| {
        format!("{}, 'sign_in', 'success', 'user:{user}', 'user:{user}', 1, TRUE", at(n))
    })
    .await;
}

/// API keys of this user, who may make no further ones then: as many live ones as anybody may have.
pub async fn keys_of(app: &TestApp, user: &str, number: usize, count: usize) {
    let now = app.now().micros();
    let keys = "api_keys (id, user_id, name, prefix, scopes, key_hash, created_at, generation, revoked_at)";
    insert(app, keys, count, |n| {
        let revoked = if n < MOST_KEYS { "NULL".to_owned() } else { now.to_string() };
        let (id, hash) = (id(number, n), format!("key-{number}-{n}"));
        format!("'{id}', '{user}', 'key {n}', 'alp_u_{n}', 'read', '{hash}', {now}, 0, {revoked}")
    })
    .await;
}

/// Every second signal has ended.
pub async fn outcomes(app: &TestApp) {
    let now = app.now().micros();
    execute(
        app,
        format!(
            "INSERT INTO outcomes (signal_id, status, exit_price, pnl_steps, exit_timestamp, closed_at, recorded_at) \
             SELECT id, CASE WHEN id % 4 = 0 THEN 'target_hit' ELSE 'expired' END, \
             CASE WHEN id % 4 = 0 THEN '184.275' END, CASE WHEN id % 4 = 0 THEN 500000000 END, \
             CASE WHEN id % 4 = 0 THEN '2026-01-01T00:00:00Z' END, {now}, {now} FROM signals WHERE id % 2 = 0"
        ),
    )
    .await;
    let late = "INSERT INTO late_outcomes (signal_id, status, exit_price, pnl_steps, exit_timestamp, closed_at, \
                recorded_at) SELECT signal_id, 'closed', '175.5', 0, '2026-01-01T00:00:00Z', closed_at, recorded_at \
                FROM outcomes WHERE status = 'expired'";
    execute(app, late.to_owned()).await;
    execute(app, "UPDATE signals SET is_active = FALSE WHERE id % 2 = 0".to_owned()).await;
}
