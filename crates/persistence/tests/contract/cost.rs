//! What a task costs that comes again and again: rows read, as PostgreSQL counts them. Months of old
//! rows add nothing to it.

mod accounts;
mod administration;
mod audit;
mod jobs;
mod lists;
mod notifications;
mod rollups;

use alpine_domain::{
    ports::events::EventLog,
    signal::{Accepted, SignalStore as _},
};
use alpine_persistence::{Database, Events, Signals};
use diesel::{
    QueryableByName, RunQueryDsl as _,
    sql_types::{BigInt, Text},
};

use crate::support::{DatabaseBed, at, signal};

/// Events that are a day old, and fewer that are new.
const OLD: u64 = 23_000;
const NEW: u64 = 1_000;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// A log with [`OLD`] and [`NEW`] rows, and a database of one connection, whose reads are counted.
async fn long_log() -> Option<(DatabaseBed, Database)> {
    let bed = DatabaseBed::postgres()?;
    for (rows, seconds) in [(OLD, 0), (NEW, 86_400)] {
        let recorded_at = at(seconds).micros();
        let kinds = "(ARRAY['signal_published', 'signal_closed', 'session_revoked'])[1 + n % 3]";
        bed.execute(&format!(
            "INSERT INTO events (recorded_at, kind, payload) \
             SELECT {recorded_at}, {kinds}, '{{}}' FROM generate_series(1, {rows}) n"
        ))
        .await
        .unwrap();
    }
    bed.execute("ANALYZE events").await.unwrap();
    let database = one_connection(&bed);
    Some((bed, database))
}

/// A pool of one connection, whose reads [`rows_read`] counts.
fn one_connection(bed: &DatabaseBed) -> Database {
    bed.another(|settings| settings.pool_max = 1)
}

/// Rows of a table and of its indexes that were read so far.
async fn rows_read(database: &Database, table: &'static str) -> u64 {
    let counted = move |conn: &mut _| {
        // Counts are written when a transaction ends, which this one waits for.
        diesel::sql_query("SELECT pg_stat_force_next_flush()").execute(conn)?;
        let count: Count = diesel::sql_query(
            "SELECT (t.seq_tup_read + sum(i.idx_tup_read))::bigint AS count \
             FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i USING (relid) \
             WHERE t.relname = $1 GROUP BY t.seq_tup_read",
        )
        .bind::<Text, _>(table)
        .get_result(conn)?;
        Ok(u64::try_from(count.count).unwrap())
    };
    database.read("count", counted).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_reads_a_few_rows_of_a_log_of_any_length() {
    let Some((_bed, database)) = long_log().await else { return };
    let events = Events::new(database.clone());
    let before = rows_read(&database, "events").await;
    assert_eq!(events.newest_of_each_kind().await.unwrap().len(), 3);
    assert_eq!(events.head().await.unwrap(), 24_000);
    let read = rows_read(&database, "events").await - before;
    assert!((3..=20).contains(&read), "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_reads_what_it_deletes_and_little_more() {
    let Some((_bed, database)) = long_log().await else { return };
    let events = Events::new(database.clone());
    let before = rows_read(&database, "events").await;
    let (mut pruned, mut from) = (0, 0);
    loop {
        let (rows, next) = events.prune_chunk(at(3_600), from).await.unwrap();
        if rows == 0 {
            break;
        }
        (pruned, from) = (pruned + rows, next);
    }
    assert_eq!(pruned, OLD);
    let read = rows_read(&database, "events").await - before;
    // Once to see how old a row is, once to delete it; and in each chunk the newest one and the one before.
    let chunks = OLD / 2_000 + 2;
    assert!((OLD..=2 * (OLD + NEW) + 5 * chunks).contains(&read), "{read}");
}

/// The newest instant is read from the end of an index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepting_a_signal_reads_a_few_rows_of_those_that_are_there() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let argo = bed.producer().await;
    bed.store((0..3_000).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect()).await;
    bed.execute("ANALYZE; SELECT pg_stat_force_next_flush()").await.unwrap();
    let database = one_connection(&bed);
    let before = rows_read(&database, "signals").await;
    let accepted = Signals::new(database.clone()).accept(vec![signal(&argo, "SIG-new", 0)]).await;
    assert!(matches!(accepted.unwrap()[..], [Accepted::Stored(_)]));
    let read = rows_read(&database, "signals").await - before;
    assert!(read <= 5, "{read}");
}
