//! Lists read what they show, whatever else there is, by every filter that a route has.

use alpine_domain::{
    page::Slice,
    signal::{Action, SignalQuery, SignalReader, SignalState, SignalStatus},
};
use alpine_persistence::stores;

use super::{one_connection, rows_read};
use crate::support::{DatabaseBed, at};

/// Signals, a second apart. The oldest tenth has expired, and nothing since; one in ten is open. Of those that are open,
/// the confidence rises to 99.9 in one of a thousand, and one in two thousand is a sale.
const SIGNALS: i64 = 60_000;

async fn seeded(bed: &DatabaseBed) {
    bed.producer().await;
    let (start, many) = (at(0).micros(), SIGNALS);
    bed.execute(&format!(
        "INSERT INTO signals (producer_id, external_id, symbol, action, entry_price, confidence, confidence_text, \
             asset_type, signal_timestamp, signalled_at, hash, content_hash, is_simulated, is_active, created_at, origin) \
         SELECT 1, 'X-' || n, CASE WHEN n % 600 = 0 THEN 'RARE' ELSE 'AAPL' END, \
             CASE WHEN n % 2000 = 0 THEN 'SELL' ELSE 'BUY' END, '1', CASE WHEN n % 1000 = 0 THEN 99.9 ELSE 60 END, '1', \
             'stock', '', {start}, repeat('a', 64), repeat('a', 64), false, n % 10 = 0, {start} + n * 1000000::bigint, 'live' \
         FROM generate_series(1, {many}) n; \
         INSERT INTO outcomes (signal_id, status, closed_at, recorded_at) \
         SELECT id, CASE WHEN id < {many} / 10 THEN 'expired' ELSE 'closed' END, created_at, created_at + 1 \
         FROM signals WHERE NOT is_active; \
         ANALYZE signals; ANALYZE outcomes; SELECT pg_stat_force_next_flush()"
    ))
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_filter_reads_what_it_shows() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    seeded(&bed).await;
    let database = one_connection(&bed);
    let reader = stores(&database).signal_reader;
    let ended = |status| SignalQuery {
        state: SignalState::Status(status),
        ..SignalQuery::all(at(SIGNALS + 10))
    };
    let open = SignalQuery {
        state: SignalState::Open,
        without_history: true,
        ..SignalQuery::all(at(SIGNALS + 10))
    };
    let symbol = |name: &str| Some(name.parse().unwrap());
    let action = Some(Action::Sell);
    let min_confidence = Some(99.0);
    let queries = [
        (ended(SignalStatus::Expired), 20),
        (ended(SignalStatus::Closed), 20),
        (ended(SignalStatus::StopHit), 0),
        (SignalQuery { symbol: symbol("AAPL"), ..ended(SignalStatus::Expired) }, 20),
        (SignalQuery { symbol: symbol("NONE"), ..ended(SignalStatus::Closed) }, 0),
        // Nothing has expired since.
        (SignalQuery { since: Some(at(SIGNALS / 2)), ..ended(SignalStatus::Expired) }, 0),
        (SignalQuery { action, ..open.clone() }, 20),
        (SignalQuery { action, symbol: symbol("AAPL"), ..open.clone() }, 20),
        (SignalQuery { action, symbol: symbol("NONE"), ..open.clone() }, 0),
        (SignalQuery { min_confidence, ..open.clone() }, 20),
        (SignalQuery { min_confidence: Some(99.95), ..open }, 0),
    ];
    // What making the rows read is counted once it is asked for.
    read(&database).await;
    for (query, expected) in queries {
        let before = read(&database).await;
        let listed = list(reader.as_ref(), &query).await;
        let read = read(&database).await - before;
        assert_eq!(listed, expected, "{query:?}");
        // A second apart: those of five minutes are looked at besides, each in an index and by its key; and a thousand of an instrument.
        assert!(read <= 4_200, "{read} rows for {query:?}");
    }
}

async fn list(reader: &dyn SignalReader, query: &SignalQuery) -> usize {
    reader.list(query, Slice::first(20)).await.unwrap().len()
}

async fn read(database: &alpine_persistence::Database) -> u64 {
    rows_read(database, "signals").await + rows_read(database, "outcomes").await
}
