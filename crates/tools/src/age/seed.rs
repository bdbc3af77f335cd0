//! Fills a database with what months leave behind, in set-based SQL: the same rows each time, but for
//! instants, which end now, and the hash of the password, which has a salt.

use std::time::Duration;

use alpine_domain::{Timestamp, account::AddressDigest};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::loader::Loader;

/// Rows made by one statement.
const CHUNK: i64 = 100_000;
const DAY: Duration = Duration::from_hours(24);
/// For how many days the older database was in use, and the young one: as long as lists look back by default, so
/// that both answer the same.
const AGED_DAYS: u32 = 730;
const YOUNG_DAYS: u32 = 30;
/// As long as events are kept by default.
const LOG_SPAN: Duration = Duration::from_hours(7 * 24 - 1);
/// How long a sign-in lasts by default.
const SESSION_LIFE: Duration = Duration::from_hours(30 * 24);
/// The user with very many sessions.
pub(super) const BUSY_USER: i64 = 1;
/// The user with very many ended API keys, of the tier that has some.
pub(super) const KEY_USER: i64 = 9;
/// Live API keys of [`KEY_USER`].
const LIVE_KEYS: i64 = 5;
/// Signals that are open at any time.
const OPEN: i64 = 5_000;

/// How many rows of each kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Over how many days they came.
    pub(super) days: u32,
    pub(super) users: i64,
    pub(super) sessions: i64,
    /// Of these, the sessions of one user.
    pub(super) busy_sessions: i64,
    pub(super) api_keys: i64,
    /// Of these, those of one user.
    pub(super) busy_keys: i64,
    pub(super) signals: i64,
    /// Of these, the open ones: as many as are open at any time.
    pub(super) open: i64,
    pub(super) events: i64,
}

impl Sizes {
    /// A month at the same pace of signals, and of everything else what the operations use up.
    pub(super) fn young(scale: f64) -> Self {
        let open = OPEN;
        let signals = Self::aged(scale).signals * i64::from(YOUNG_DAYS) / i64::from(AGED_DAYS);
        Self {
            days: YOUNG_DAYS,
            users: 1_000,
            sessions: 5_000,
            busy_sessions: 10,
            api_keys: 50,
            busy_keys: LIVE_KEYS,
            signals: signals.max(3 * open),
            open,
            events: 50_000,
        }
    }

    /// Two years, times `scale`; what is open stays what it is.
    pub(super) fn aged(scale: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most some hundred millions")]
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let scaled = |rows: i64| ((rows as f64 * scale) as i64).max(rows / 100);
        Self {
            days: AGED_DAYS,
            users: scaled(500_000),
            sessions: scaled(1_500_000),
            busy_sessions: scaled(200_000),
            api_keys: scaled(200_000),
            busy_keys: scaled(730).max(LIVE_KEYS),
            signals: scaled(1_000_000).max(3 * OPEN),
            open: OPEN,
            events: scaled(10_000_000),
        }
    }
}

/// What the rows are made from besides their numbers.
pub(super) struct Origin<'a> {
    /// The newest instant.
    pub(super) now: Timestamp,
    /// The hash of everybody's password.
    pub(super) password_hash: &'a str,
    /// From where everybody signed in.
    pub(super) address: &'a AddressDigest,
    /// The producer of every signal.
    pub(super) producer: i64,
}

/// The address of the user with this number.
pub(super) fn email(user: i64) -> String {
    format!("user-{user}@example.com")
}

/// When the oldest event was written, and after how many microseconds each next one.
pub(super) fn log_pace(sizes: &Sizes, now: Timestamp) -> (i64, i64) {
    pace(now, LOG_SPAN, sizes.events)
}

/// An instant by which the first `sessions` sessions, and no others, have expired.
pub(super) fn expiry_of(sizes: &Sizes, now: Timestamp, sessions: i64) -> i64 {
    let (start, step) = pace(now, DAY * sizes.days, sizes.sessions);
    let life = i64::try_from(SESSION_LIFE.as_micros()).unwrap_or(i64::MAX);
    start + sessions * step + life + 1
}

/// The start, and the microseconds between each of `rows` rows that are spread evenly until `now`.
fn pace(now: Timestamp, span: Duration, rows: i64) -> (i64, i64) {
    let start = now.earlier(span).micros();
    (start, ((now.micros() - start) / rows.max(1)).max(1))
}

/// Fills the database behind `loader`, whose schema is there and whose tables are empty, but for the producer.
pub(super) fn fill(
    loader: &mut Loader,
    sizes: &Sizes,
    origin: &Origin<'_>,
    name: &str,
) -> Result<()> {
    let seed = Seed { sizes, origin };
    let steps: [Step<'_>; 7] = [
        ("users", sizes.users, Seed::users),
        ("sessions", sizes.sessions, Seed::sessions),
        ("refresh tokens", sizes.sessions, Seed::refresh_tokens),
        ("API keys", sizes.api_keys, Seed::api_keys),
        ("signals", sizes.signals, Seed::signals),
        ("outcomes", sizes.signals, Seed::outcomes),
        ("events", sizes.events, Seed::events),
    ];
    // The log begins with the oldest: what the producer's making wrote is newer than all that follows.
    loader.run("DELETE FROM events")?;
    let style = ProgressStyle::with_template("{msg:32} {wide_bar} {pos}/{len} {elapsed}")?;
    for (table, rows, statement) in steps {
        let progress = ProgressBar::new(u64::try_from(rows)?).with_style(style.clone());
        progress.set_message(format!("{name}: {table}"));
        let mut done = 0;
        while done < rows {
            let end = (done + CHUNK).min(rows);
            loader.run(&statement(&seed, loader, done, end))?;
            progress.set_position(u64::try_from(end)?);
            done = end;
        }
        progress.finish_and_clear();
    }
    loader.settle()
}

/// A table, its rows, and the statement that makes those after a number up to another.
type Step<'a> = (&'static str, i64, fn(&Seed<'a>, &Loader, i64, i64) -> String);

struct Seed<'a> {
    sizes: &'a Sizes,
    origin: &'a Origin<'a>,
}

impl Seed<'_> {
    /// When row `n` of `rows` was made.
    fn made(&self, rows: i64, n: &str) -> String {
        let (start, step) = pace(self.origin.now, DAY * self.sizes.days, rows);
        format!("({start} + ({n}) * {step})")
    }

    /// An id as `UserId::generate` makes them (UUID version 7), told apart by `kind` and the row's number.
    fn uuid(loader: &Loader, made: &str, kind: u8, n: &str) -> String {
        let millis = loader.hex(12, &format!("{made} / 1000"));
        let number = loader.hex(12, n);
        format!(
            "substr({millis}, 1, 8) || '-' || substr({millis}, 9, 4) || '-700{kind}-8000-' || {number}"
        )
    }

    fn user(&self, loader: &Loader, n: &str) -> String {
        Self::uuid(loader, &self.made(self.sizes.users, n), 0, n)
    }

    fn session(&self, loader: &Loader, n: &str) -> String {
        Self::uuid(loader, &self.made(self.sizes.sessions, n), 1, n)
    }

    /// Of seven in ten the free tier, then one of each other.
    fn users(&self, loader: &Loader, from: i64, to: i64) -> String {
        format!(
            "{numbers} INSERT INTO users (id, email, full_name, password_hash, tier, role, is_active, \
             is_verified, generation, created_at, updated_at) \
             SELECT {id}, 'user-' || n || '@example.com', 'User ' || n, '{hash}', \
             CASE n % 10 WHEN 7 THEN 'starter' WHEN 8 THEN 'pro' WHEN 9 THEN 'elite' ELSE 'free' END, \
             'user', TRUE, FALSE, 0, {made}, {made} FROM g",
            numbers = loader.numbers(from, to),
            id = self.user(loader, "n"),
            hash = self.origin.password_hash,
            made = self.made(self.sizes.users, "n"),
        )
    }

    /// Every third one was signed out after an hour; the others ended by themselves, or are live.
    fn sessions(&self, loader: &Loader, from: i64, to: i64) -> String {
        let every = (self.sizes.sessions / self.sizes.busy_sessions.max(1)).max(1);
        let owner = format!(
            "CASE WHEN n % {every} = 0 THEN {BUSY_USER} ELSE 1 + (n * 48271) % {} END",
            self.sizes.users
        );
        let made = self.made(self.sizes.sessions, "n");
        format!(
            "{numbers} INSERT INTO sessions (id, user_id, address_digest, created_at, expires_at, \
             revoked_at, denied_until) \
             SELECT {id}, {user}, '{address}', {made}, {made} + {life}, \
             CASE WHEN n % 3 = 0 THEN {made} + 3600000000 END, \
             CASE WHEN n % 3 = 0 THEN {made} + 4510000000 END FROM g",
            numbers = loader.numbers(from, to),
            id = self.session(loader, "n"),
            user = self.user(loader, &owner),
            address = self.origin.address.as_str(),
            life = SESSION_LIFE.as_micros(),
        )
    }

    /// Two of each session: one that was used, and its successor.
    fn refresh_tokens(&self, loader: &Loader, from: i64, to: i64) -> String {
        let made = self.made(self.sizes.sessions, "n");
        format!(
            "{numbers} INSERT INTO refresh_tokens (token_hash, session_id, created_at, used_at) \
             SELECT {token}, {session}, {made} + turn * 600000000, \
             CASE turn WHEN 0 THEN {made} + 600000000 END \
             FROM g CROSS JOIN (SELECT 0 AS turn UNION ALL SELECT 1) AS turns",
            numbers = loader.numbers(from, to),
            token = loader.sha256("'refresh ' || n || ' ' || turn"),
            session = self.session(loader, "n"),
        )
    }

    /// All were revoked after a month, but for some of the one user who has many.
    fn api_keys(&self, loader: &Loader, from: i64, to: i64) -> String {
        let (own, live) = (self.sizes.busy_keys, self.sizes.busy_keys - LIVE_KEYS);
        let owner = format!(
            "CASE WHEN n <= {own} THEN {KEY_USER} ELSE 1 + (n * 69621) % {} END",
            self.sizes.users
        );
        let made = self.made(self.sizes.api_keys, "n");
        format!(
            "{numbers} INSERT INTO api_keys (id, user_id, name, prefix, scopes, key_hash, created_at, \
             revoked_at) \
             SELECT {id}, {user}, 'key ' || n, 'alp_u_' || {prefix}, 'signals:read', {hash}, {made}, \
             CASE WHEN n > {own} OR n <= {live} THEN {made} + {month} END FROM g",
            numbers = loader.numbers(from, to),
            id = Self::uuid(loader, &made, 2, "n"),
            user = self.user(loader, &owner),
            prefix = loader.hex(6, "n"),
            hash = loader.sha256("'key ' || n"),
            month = SESSION_LIFE.as_micros(),
        )
    }

    /// Whether signal `n` is open: every second one of the newest.
    fn is_open(&self, n: &str) -> String {
        format!("(({n}) > {} AND ({n}) % 2 = 0)", self.sizes.signals - 2 * self.sizes.open)
    }

    /// With the hashes that Alpine would have computed.
    fn signals(&self, loader: &Loader, from: i64, to: i64) -> String {
        let canonical = r#"'{"action": "' || action || '", "confidence": ' || confidence || ', "entry_price": ' || entry || ', "signal_id": "' || name || '", "stop_price": null, "strategy": "' || strategy || '", "symbol": "' || symbol || '", "target_price": null, "timestamp": "' || said || '"}'"#;
        let unhashed = r#"'[Some("stock"), None, Some("' || reasoning || '"), None, None, None]'"#;
        let made = self.made(self.sizes.signals, "n");
        format!(
            "{numbers}, said AS (SELECT n, {made} AS made, 'AGE-' || n AS name, \
             CASE n % 8 WHEN 0 THEN 'AAPL' WHEN 1 THEN 'MSFT' WHEN 2 THEN 'AMD' WHEN 3 THEN 'AMZN' \
             WHEN 4 THEN 'SPY' WHEN 5 THEN 'TSLA' WHEN 6 THEN 'NVDA' ELSE 'GOOG' END AS symbol, \
             CASE n % 3 WHEN 0 THEN 'SELL' ELSE 'BUY' END AS action, \
             (50 + n % 50) || '.0' AS confidence, (100 + n % 900) || '.0' AS entry, \
             'strategy_' || (n % 4) AS strategy, {said} AS said, \
             'Consensus of four sources, number ' || n AS reasoning FROM g) \
             INSERT INTO signals (producer_id, external_id, symbol, action, entry_price, confidence, \
             confidence_text, strategy, asset_type, reasoning, signal_timestamp, signalled_at, hash, \
             content_hash, is_simulated, is_active, created_at) \
             SELECT {producer}, name, symbol, action, entry, 50 + n % 50, confidence, strategy, 'stock', \
             reasoning, said, made / 1000000 * 1000000, {hash}, {content_hash}, FALSE, {open}, made \
             FROM said ORDER BY n",
            numbers = loader.numbers(from, to),
            said = loader.rfc3339(&made),
            producer = self.origin.producer,
            hash = loader.sha256(canonical),
            content_hash = loader.sha256(&format!("{canonical} || {unhashed}")),
            open = self.is_open("n"),
        )
    }

    /// Of ten: four hit the target, three the stop, two were closed, one expired, of which every second
    /// one got a late outcome. A day after the signal, or at once where that would be later than now.
    fn outcomes(&self, loader: &Loader, from: i64, to: i64) -> String {
        let won = "CASE signals.id % 10 WHEN 9 THEN NULL WHEN 4 THEN -1 WHEN 5 THEN -1 WHEN 6 THEN -1 \
                   WHEN 7 THEN 1 WHEN 8 THEN 1 ELSE 2 END";
        // Whole hundreds of a percent of a whole price are exact cents.
        let cents = "((100 + signals.id % 900) * (100 + percent * \
                     CASE action WHEN 'SELL' THEN -1 ELSE 1 END))";
        let day = "CASE WHEN signals.created_at + 86400000000 < {now} THEN signals.created_at + 86400000000 \
                   ELSE signals.created_at + 1000000 END"
            .replace("{now}", &self.origin.now.micros().to_string());
        let price = format!("({cents} / 100) || '.' || substr('0' || ({cents} % 100), -2)");
        let price = match loader {
            Loader::Sqlite(_) => price,
            Loader::Postgres(_) => {
                format!("({cents} / 100) || '.' || lpad(({cents} % 100)::text, 2, '0')")
            }
        };
        let closed = format!(
            "SELECT signals.id, signals.action, {won} AS percent, {day} AS ended FROM signals \
             WHERE signals.id > {from} AND signals.id <= {to} AND NOT signals.is_active"
        );
        let said = loader.rfc3339("ended");
        let with_price = format!("CASE WHEN percent IS NULL THEN NULL ELSE {price} END")
            .replace("signals.id", "closed.id");
        format!(
            "INSERT INTO outcomes (signal_id, status, exit_price, pnl_steps, exit_timestamp, closed_at, \
             recorded_at) \
             SELECT id, CASE WHEN percent IS NULL THEN 'expired' WHEN percent = 2 THEN 'target_hit' \
             WHEN percent = 1 THEN 'closed' ELSE 'stop_hit' END, {with_price}, percent * 100000000, \
             CASE WHEN percent IS NULL THEN NULL ELSE {said} END, ended, ended \
             FROM ({closed}) AS closed ORDER BY id; \
             INSERT INTO late_outcomes (signal_id, status, exit_price, pnl_steps, exit_timestamp, \
             closed_at, recorded_at) \
             SELECT signal_id, 'closed', (100 + signal_id % 900) || '.0', 0, {late}, closed_at, recorded_at \
             FROM outcomes WHERE signal_id > {from} AND signal_id <= {to} AND signal_id % 20 = 19 \
             AND status = 'expired'",
            late = loader.rfc3339("closed_at"),
        )
    }

    /// The kinds that are rare stand at the log's beginning and nowhere else. Numbers of signals are those
    /// of any signals.
    fn events(&self, loader: &Loader, from: i64, to: i64) -> String {
        let (start, step) = log_pace(self.sizes, self.origin.now);
        let at = format!("({start} + n * {step})");
        let session = self.session(loader, &format!("1 + n % {}", self.sizes.sessions));
        let user = self.user(loader, &format!("1 + n % {}", self.sizes.users));
        let signal = "((n * 2654435761) % 4503599627370496)";
        let until = loader.rfc3339(&at);
        format!(
            "{numbers}, kinds AS (SELECT n, CASE WHEN n = 1 THEN 'everybody_signed_out' \
             WHEN n = 2 THEN 'producers_changed' WHEN n = 3 THEN 'api_keys_changed' \
             WHEN n % 1000 = 7 THEN 'late_outcome_recorded' WHEN n % 20 < 8 THEN 'session_revoked' \
             WHEN n % 20 < 14 THEN 'account_changed' WHEN n % 20 < 18 THEN 'signal_published' \
             ELSE 'signal_closed' END AS kind FROM g) \
             INSERT INTO events (recorded_at, kind, payload) \
             SELECT {at}, kind, '{{\"kind\":\"' || kind || '\"' || CASE \
             WHEN n <= 3 THEN '' \
             WHEN kind = 'session_revoked' THEN ',\"session\":\"' || {session} || '\",\"until\":\"' || {until} || '\"' \
             WHEN kind = 'account_changed' THEN ',\"user\":\"' || {user} || '\"' \
             ELSE ',\"signal\":' || {signal} || ',\"confidence\":\"' || (50 + n % 50) || '\"' END || '}}' \
             FROM kinds ORDER BY n",
            numbers = loader.numbers(from, to),
        )
    }
}
