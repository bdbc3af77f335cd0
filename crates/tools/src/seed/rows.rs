//! The rows, in set-based SQL: each follows from its number alone, and from when the newest was received.

use super::sizes::Sizes;
use crate::loader::Loader;

/// Over how many microseconds everything came.
const SPAN: i64 = 730 * DAY;
const DAY: i64 = 86_400_000_000;
/// After how long a signal expires: nothing older is open, as if expiry had run.
const HORIZON: i64 = 30 * DAY;
/// Of a hundred signals, those older than that. The others are of a business that has grown; five in six are open.
const OLD: i64 = 88;
/// Hundredths of what an entry costs, from which exits are made: whole percents of a whole price are exact cents.
const TARGET: i64 = 4;
const STOP: i64 = 2;

/// Instruments, each with how many of a thousand signals are about it or one before it.
const SYMBOLS: [(&str, i64); 20] = [
    ("AAPL", 220),
    ("NVDA", 370),
    ("TSLA", 480),
    ("SPY", 570),
    ("BTC-USD", 640),
    ("MSFT", 700),
    ("AMZN", 750),
    ("META", 795),
    ("AMD", 835),
    ("GOOG", 870),
    ("ETH-USD", 895),
    ("QQQ", 917),
    ("NFLX", 936),
    ("INTC", 952),
    ("JPM", 965),
    ("XOM", 976),
    ("DIS", 985),
    ("BA", 992),
    ("KO", 997),
    ("PFE", 1_000),
];

/// A number from 0 up to `below`, as if by chance, by the row's number and which of its numbers that is.
fn chance(n: &str, prime: i64, below: i64) -> String {
    format!("(({n} * {prime} + {n} / 1009 * 31) % 1000003 % {below})")
}

/// The entry, a whole number.
fn entry(n: &str) -> String {
    format!("(20 + {})", chance(n, 48_271, 900))
}

/// A price with a digit or two behind the point, of hundredths.
fn price(cents: &str) -> String {
    format!(
        "(({cents} / 100) || '.' || ({cents} % 100 / 10) \
         || CASE {cents} % 10 WHEN 0 THEN '' ELSE '' || ({cents} % 10) END)"
    )
}

/// The way up or down by which a signal gains.
const DIRECTION: &str = "CASE action WHEN 'SELL' THEN -1 ELSE 1 END";

/// Two producers, numbered from 1.
pub(super) fn producers(loader: &Loader, sizes: Sizes) -> String {
    let restart = match loader {
        Loader::Sqlite(_) => "DELETE FROM sqlite_sequence WHERE name IN ('producers', 'signals')",
        Loader::Postgres(_) => {
            "ALTER TABLE producers ALTER COLUMN id RESTART WITH 1; \
             ALTER TABLE signals ALTER COLUMN id RESTART WITH 1; SET LOCAL maintenance_work_mem = '512MB'"
        }
    };
    format!(
        "{restart}; {numbers} INSERT INTO producers (name, key_hash, is_simulated, is_active, created_at) \
         SELECT 'seed-' || n, {hash}, FALSE, TRUE, {start} FROM g ORDER BY n",
        numbers = loader.numbers(0, 2),
        hash = loader.sha256("'nobody has the key of seed ' || n"),
        start = sizes.until.micros() - SPAN,
    )
}

/// The statements that make the signals after number `from` up to `to`, and what became of them.
pub(super) fn statements(loader: &Loader, sizes: Sizes, from: i64, to: i64) -> [String; 3] {
    [
        signals(loader, sizes, from, to),
        outcomes(loader, sizes, from, to),
        late(loader, sizes, from, to),
    ]
}

fn signals(loader: &Loader, sizes: Sizes, from: i64, to: i64) -> String {
    let canonical = r#"'{"action": "' || action || '", "confidence": ' || confidence || ', "entry_price": ' || entry || '.0, "signal_id": "' || name || '", "stop_price": ' || stop || ', "strategy": "' || strategy || '", "symbol": "' || symbol || '", "target_price": ' || target || ', "timestamp": "' || said || '"}'"#;
    let unhashed = r#"'[Some("stock"), None, Some("' || reasoning || '"), None, None, None]'"#;
    let symbols: Vec<_> =
        SYMBOLS.iter().map(|(name, below)| format!("WHEN part < {below} THEN '{name}'")).collect();
    let symbols = symbols.join(" ");
    let old = sizes.signals * OLD / 100;
    let (step, recent_step) =
        ((SPAN - HORIZON) / old.max(1), HORIZON / (sizes.signals - old).max(1));
    let percent = |sign: char, percent: i64| {
        price(&format!("(entry * (100 {sign} {percent} * {DIRECTION}))"))
    };
    format!(
        "{numbers}, given AS (SELECT n, CASE WHEN n <= {old} THEN {until} - {HORIZON} - ({old} - n) * {step} \
         ELSE {until} - ({rows} - n) * {recent_step} END AS made, {part} AS part, {tenths} AS tenths, \
         {entry} AS entry, {kind} AS kind FROM g), \
         named AS (SELECT n, made, entry, tenths, kind, 'SEED-' || n AS name, CASE {symbols} END AS symbol, \
         CASE WHEN {side} < 40 THEN 'SELL' ELSE 'BUY' END AS action, \
         (tenths / 10) || '.' || (tenths % 10) AS confidence, 'strategy_' || {strategy} AS strategy, \
         CASE kind WHEN 1 THEN made - {backfilled} ELSE made - 1000000 END AS told, \
         'Consensus of four sources, number ' || n AS reasoning FROM given), \
         said AS (SELECT named.*, {said} AS said, {target} AS target, {stop} AS stop FROM named) \
         INSERT INTO signals (producer_id, external_id, symbol, action, entry_price, target_price, stop_price, \
         confidence, confidence_text, strategy, asset_type, reasoning, signal_timestamp, signalled_at, hash, \
         content_hash, is_simulated, is_active, created_at, origin) \
         SELECT CASE WHEN n % 10 < 3 THEN 2 ELSE 1 END, name, symbol, action, entry || '.0', target, stop, \
         tenths / 10.0, confidence, strategy, 'stock', reasoning, said, told / 1000000 * 1000000, {hash}, \
         {content_hash}, kind = 0, {open}, made, \
         CASE kind WHEN 0 THEN 'simulated' WHEN 1 THEN 'backfilled' ELSE 'live' END FROM said ORDER BY n",
        numbers = loader.numbers(from, to),
        until = sizes.until.micros(),
        rows = sizes.signals,
        part = chance("n", 69_621, 1_000),
        tenths = format_args!("(570 + {})", chance("n", 16_807, 421)),
        entry = entry("n"),
        kind = chance("n", 40_692, 40),
        side = chance("n", 40_014, 100),
        strategy = chance("n", 52_774, 5),
        backfilled = 10 * DAY,
        said = loader.rfc3339("told"),
        target = percent('+', TARGET),
        stop = percent('-', STOP),
        hash = loader.sha256(canonical),
        content_hash = loader.sha256(&format!("{canonical} || {unhashed}")),
        open = format_args!("(n > {old} AND n % 6 <> 0)"),
    )
}

/// Of a hundred that ended: five expired, 38 hit the target, 32 the stop, the others were closed; after up to five days.
fn outcomes(loader: &Loader, sizes: Sizes, from: i64, to: i64) -> String {
    let until = sizes.until.micros();
    let ended = format!("created_at + {} * {}", chance("id", 39_373, 7_200), 60_000_000);
    // What would end later than now has ended half-way.
    let least = |at: &str| {
        format!(
            "CASE WHEN {at} > {until} THEN created_at + ({until} - created_at) / 2 ELSE {at} END"
        )
    };
    let exit = price("(entry * (100 + percent * way))");
    format!(
        "INSERT INTO outcomes (signal_id, status, exit_price, pnl_steps, exit_timestamp, closed_at, recorded_at) \
         SELECT id, CASE WHEN percent IS NULL THEN 'expired' WHEN percent = {TARGET} THEN 'target_hit' \
         WHEN percent = -{STOP} THEN 'stop_hit' ELSE 'closed' END, \
         CASE WHEN percent IS NOT NULL THEN {exit} END, percent * 100000000, \
         CASE WHEN percent IS NOT NULL THEN {said} END, ended, ended FROM \
         (SELECT id, entry, way, percent, CASE WHEN percent IS NULL THEN created_at + {HORIZON} ELSE {ended} END AS ended \
         FROM (SELECT id, created_at, {entry} AS entry, {DIRECTION} AS way, \
         CASE WHEN draw < 5 AND created_at + {HORIZON} <= {until} THEN NULL WHEN draw < 43 THEN {TARGET} \
         WHEN draw < 75 THEN -{STOP} ELSE draw % 5 - 1 END AS percent \
         FROM (SELECT id, created_at, action, {draw} AS draw FROM signals \
         WHERE id > {from} AND id <= {to} AND NOT is_active) AS drawn) AS valued) AS closed ORDER BY id",
        said = loader.rfc3339("ended"),
        ended = least(&ended),
        entry = entry("id"),
        draw = chance("id", 62_089, 100),
    )
}

/// Every fifth that expired had a result all the same, two days later.
fn late(loader: &Loader, sizes: Sizes, from: i64, to: i64) -> String {
    format!(
        "INSERT INTO late_outcomes (signal_id, status, exit_price, pnl_steps, exit_timestamp, closed_at, recorded_at) \
         SELECT signal_id, 'closed', {entry} || '.0', 0, {said}, recorded_at, recorded_at + {later} FROM outcomes \
         WHERE signal_id > {from} AND signal_id <= {to} AND status = 'expired' AND signal_id % 5 = 0 \
         AND recorded_at + {later} <= {until}",
        entry = entry("signal_id"),
        said = loader.rfc3339("recorded_at"),
        later = 2 * DAY,
        until = sizes.until.micros(),
    )
}
