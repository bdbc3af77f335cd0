//! Costly reads: few at a time, and none for a caller who has gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::Error;
use alpine_persistence::AnyConnection;
use diesel::{
    QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_types::BigInt,
};

use crate::support::{Bed, dawdle, on_both};

on_both!(costly_reads_leave_connections_for_cheap_ones);

async fn costly_reads_leave_connections_for_cheap_ones(bed: Bed) {
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
async fn sleeping(bed: &Bed) -> i64 {
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
    let Some(bed) = Bed::postgres() else { return };
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
    let started = Instant::now();
    while sleeping(&bed).await < 11 {
        assert!(started.elapsed() < Duration::from_secs(2), "they do not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for caller in &callers {
        caller.abort();
    }
    let aborted = Instant::now();
    while sleeping(&bed).await > 1 {
        // They would sleep for 100 s; the bound is a busy machine's.
        assert!(aborted.elapsed() < Duration::from_secs(5), "{} run on", sleeping(&bed).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    patient.await.unwrap().unwrap();
    // No connection is left with a cancellation still under way to it.
    for _ in 0..50 {
        bed.database
            .read("test", |conn| Ok(conn.batch_execute("SELECT pg_sleep(0.01)")?))
            .await
            .unwrap();
    }
}
