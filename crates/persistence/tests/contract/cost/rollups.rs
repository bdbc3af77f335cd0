//! The figures of a month read the sums of a month, however many years there are, and no row of what they count.

use alpine_domain::analytics::Day;
use alpine_persistence::stores;

use super::{one_connection, rows_read};
use crate::support::DatabaseBed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_read_the_sums_of_their_days() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    // Ten sums a day for twenty years, and those of the state.
    bed.execute(
        "INSERT INTO rollups (day, name, key, value) \
         SELECT 10000 + n / 10, 'requests', (n % 10)::text, n FROM generate_series(0, 72999) n; \
         INSERT INTO rollups (day, name, key, value) VALUES (0, 'users', 'free', 1); \
         ANALYZE rollups; SELECT pg_stat_force_next_flush()",
    )
    .await
    .unwrap();
    let database = one_connection(&bed);
    let rollups = stores(&database).rollups;
    let before = rows_read(&database, "rollups").await;
    let sums = rollups.since(Day::new(17_270)).await.unwrap();
    let read = rows_read(&database, "rollups").await - before;
    assert_eq!(sums.len(), 301);
    assert!(read <= 2 * 301 + 10, "{read}");
}
