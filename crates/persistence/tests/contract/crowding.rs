//! Costly reads: few at a time, and none for a caller who has gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Error,
    page::{Cursor, Slice},
    signal::{SignalId, SignalQuery, SignalReader as _, SignalState, SignalStatus},
};
use alpine_persistence::{AnyConnection, Signals};
use alpine_testing::Wait;
use diesel::{
    QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_types::BigInt,
};

use crate::support::{DatabaseBed, at, dawdle, on_both};

on_both!(
    costly_reads_leave_connections_for_cheap_ones,
    a_list_without_an_index_waits_with_the_costly_ones,
);

async fn costly_reads_leave_connections_for_cheap_ones(bed: DatabaseBed) {
    let database = bed.another(|settings| {
        (settings.pool_max, settings.pool_costly) = (4, 2);
        settings.costly_timeout = Duration::from_millis(500);
    });
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let storm: Vec<_> = (0..30)
        .map(|_| {
            let (database, running, most) =
                (database.clone(), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let work = move |_: &mut AnyConnection| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    dawdle(Duration::from_millis(300));
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                database.read_costly("test", work).await
            })
        })
        .collect();
    let started = Instant::now();
    let mut cheap = 0;
    while started.elapsed() < Duration::from_millis(500) {
        let asked = Instant::now();
        database.read("test", |conn| Ok(conn.batch_execute("SELECT 1")?)).await.unwrap();
        // Far below the second that a connection is waited for; the rest is a busy machine's.
        assert!(asked.elapsed() < Duration::from_millis(300), "{:?}", asked.elapsed());
        cheap += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(cheap >= 10, "{cheap}");
    let (mut done, mut refused) = (0, 0);
    for task in storm {
        match task.await.unwrap() {
            Ok(()) => done += 1,
            Err(Error::Unavailable { what: "the database", .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    // Two at once and at most two turns within the wait: two or three rounds of two.
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert!((2..=6).contains(&done) && done + refused == 30, "{done} done, {refused} refused");
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Statements of this database that run and sleep.
async fn sleeping(bed: &DatabaseBed) -> i64 {
    bed.database
        .read("test", |conn| {
            let AnyConnection::Postgres(conn) = conn else { panic!("not PostgreSQL") };
            let sql = "SELECT count(*) AS count FROM pg_stat_activity \
                       WHERE datname = current_database() AND state = 'active' \
                       AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'";
            Ok(diesel::sql_query(sql).get_result::<Count>(conn)?.count)
        })
        .await
        .unwrap()
}

/// Ten callers hang up at once; their statements end at the server, and nobody else's does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_statements_are_cancelled() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let patient = tokio::spawn({
        let database = bed.database.clone();
        async move { database.read("test", |conn| Ok(conn.batch_execute("SELECT pg_sleep(3)")?)).await }
    });
    let callers: Vec<_> = (0..10)
        .map(|_| {
            let database = bed.database.clone();
            tokio::spawn(async move {
                // Several statements: one that is cancelled between two goes on with the next.
                let sql = "SELECT pg_sleep(20)";
                let work = move |conn: &mut AnyConnection| {
                    (0..5).for_each(|_| conn.batch_execute(sql).unwrap_or(()));
                    Ok(())
                };
                database.read("test", work).await
            })
        })
        .collect();
    Wait::unpromised("connections open as fast as the machine lets them")
        .until("all statements run", async || sleeping(&bed).await == 11)
        .await;
    for caller in &callers {
        caller.abort();
    }
    let aborted = Instant::now();
    let promise = "\"Costly reads end when nobody waits\", ARCHITECTURE.md; the bound is for a busy \
                   machine, they would sleep for 100 s";
    Wait::promised(Duration::from_secs(2), aborted, promise)
        .until("what nobody waits for has ended", async || sleeping(&bed).await == 1)
        .await;
    patient.await.unwrap().unwrap();
    // No connection is left with a cancellation still under way to it.
    for _ in 0..50 {
        bed.database
            .read("test", |conn| Ok(conn.batch_execute("SELECT pg_sleep(0.01)")?))
            .await
            .unwrap();
    }
}

/// Lists by what no index leads to take their turn with statistics; all others never wait for these.
async fn a_list_without_an_index_waits_with_the_costly_ones(bed: DatabaseBed) {
    let database = bed.another(|settings| {
        (settings.pool_max, settings.pool_costly) = (4, 1);
        settings.costly_timeout = Duration::from_millis(50);
    });
    let signals = Signals::new(database.clone());
    let (free, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let hog = tokio::spawn(async move {
        let work = move |_: &mut AnyConnection| {
            begun.lock().unwrap().take().map(|begun| begun.send(()));
            let _ = held.lock().unwrap().recv();
            Ok(())
        };
        database.read_costly("test", work).await
    });
    has_begun.await.unwrap();
    let all = |state| SignalQuery { state, ..SignalQuery::all(at(100)) };
    let (open, any) = (all(SignalState::Open), all(SignalState::Any));
    let closed = all(SignalState::Status(SignalStatus::TargetHit));
    let current = SignalQuery { without_history: true, ..open.clone() };
    let action = Some("BUY".parse().unwrap());
    let symbol = Some("AAPL".parse().unwrap());
    for (query, is_costly) in [
        (open.clone(), false),
        (any.clone(), false),
        (all(SignalState::Status(SignalStatus::Open)), false),
        (SignalQuery { below: Some(85.0), ..any.clone() }, false),
        (SignalQuery { symbol: symbol.clone(), ..any.clone() }, false),
        (SignalQuery { symbol: symbol.clone(), ..open.clone() }, false),
        (SignalQuery { min_confidence: Some(85.0), ..open.clone() }, false),
        (SignalQuery { min_confidence: Some(85.0), ..any.clone() }, true),
        (SignalQuery { action, ..open.clone() }, true),
        (SignalQuery { action, symbol, ..open }, true),
        (SignalQuery { action, ..current }, false),
        (SignalQuery { action, ..any }, true),
    ] {
        let listed = signals.list(&query, Slice::first(10)).await;
        let counted = signals.count(&query, 10).await;
        let is_refused = |error: Option<Error>| matches!(error, Some(Error::Unavailable { .. }));
        assert_eq!(is_refused(listed.err()), is_costly, "list of {query:?}");
        assert_eq!(is_refused(counted.err()), is_costly, "count of {query:?}");
    }
    // An index has the newest that ended in one way. What stands behind a cursor, and how many there are, nobody asks.
    let after = Some(Cursor { created_at: at(9), id: SignalId::new(1) });
    let behind = Slice { after, ..Slice::first(10) };
    assert!(signals.list(&closed, Slice::first(10)).await.is_ok());
    assert!(signals.list(&closed, behind).await.is_err());
    assert!(signals.count(&closed, 10).await.is_err());
    free.send(()).unwrap();
    hog.await.unwrap().unwrap();
}

/// A statement that would run for minutes ends soon after its caller has gone, and the connection is good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_statement_ends_on_sqlite() {
    let bed = DatabaseBed::sqlite();
    let database = bed.another(|settings| {
        (settings.pool_kept, settings.pool_max, settings.pool_costly) = (1, 1, 1);
        settings.costly_timeout = Duration::from_secs(10);
        settings.checkout_timeout = Duration::from_secs(10);
    });
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let begun = std::sync::Mutex::new(Some(begun));
    let caller = tokio::spawn({
        let database = database.clone();
        async move {
            let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300000000) \
                       SELECT count(*) AS count FROM n WHERE alpine_awaited()";
            let work = move |conn: &mut AnyConnection| {
                begun.lock().unwrap().take().map(|begun| begun.send(()));
                Ok(diesel::sql_query(sql).get_result::<Count>(conn)?.count)
            };
            database.read_costly("test", work).await
        }
    });
    has_begun.await.unwrap();
    caller.abort();
    // The one connection, and the one turn, come free within the ten seconds that are waited for them.
    for _ in 0..3 {
        let sql =
            "SELECT count(*) AS count FROM (SELECT 1 UNION ALL SELECT 2) WHERE alpine_awaited()";
        let work = move |conn: &mut AnyConnection| {
            Ok(diesel::sql_query(sql).get_result::<Count>(conn)?.count)
        };
        assert_eq!(database.read_costly("test", work).await.unwrap(), 2);
    }
}
