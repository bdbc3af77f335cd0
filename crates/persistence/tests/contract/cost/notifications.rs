//! What a user is told costs the same among any number of others, and of signals.

use alpine_domain::{
    Timestamp,
    account::{Role, Tier, UserId},
    notification::{KEPT, KeptQuery},
    retention::{Due, Positions},
    signal::Record,
};
use alpine_persistence::stores;

use super::{one_connection, rows_read};
use crate::support::{DatabaseBed, at, outcome, signal};

/// Rows of everybody else.
const OTHERS: i64 = 100_000;

/// A user with as many rows as are kept, half of them read, among those of many others.
async fn told_often(bed: &DatabaseBed) -> UserId {
    let ada = bed.user("ada@example.com").await.id;
    for n in 0..50 {
        bed.user(&format!("u{n}@example.com")).await;
    }
    let start = at(0).micros();
    let columns = "(user_id, title, message, kind, is_read, created_at)";
    bed.execute(&format!(
        "INSERT INTO notifications {columns} SELECT id, 't', 'm', 'security', n % 2 = 0, {start} + n \
             FROM users, generate_series(1, {OTHERS} / 50) n WHERE id <> '{ada}'; \
         INSERT INTO notifications {columns} SELECT '{ada}', 't', 'm', 'security', n % 2 = 0, {start} + n \
             FROM generate_series(1, {KEPT}) n; \
         ANALYZE; SELECT pg_stat_force_next_flush()"
    ))
    .await
    .unwrap();
    ada
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_a_change_and_one_more_read_what_is_kept_of_one_user() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let ada = told_often(&bed).await;
    let database = one_connection(&bed);
    let stores = stores(&database);
    let (kept, query) =
        (u64::from(KEPT), KeptQuery { user: ada, unread_only: false, after: None, limit: 21 });
    let read = async |what: &str, most: u64, work: &mut (dyn Future<Output = ()> + Unpin)| {
        let before = rows_read(&database, "notifications").await;
        work.await;
        let read = rows_read(&database, "notifications").await - before;
        assert!(read <= most, "{what}: {read}");
    };
    for unread_only in [false, true] {
        let mut page = Box::pin(async {
            let page = stores.notifications.page(KeptQuery { unread_only, ..query }).await.unwrap();
            assert_eq!((page.items.len(), page.total, page.unread), (21, KEPT, KEPT / 2));
        });
        // What is shown, and both counts: each row once in an index, and once in the table.
        read("page", 4 * kept, &mut page).await;
    }
    let mut one_more = Box::pin(async {
        stores.accounts.set_tier_and_role(ada, Tier::Pro, Role::User, at(9)).await.unwrap();
    });
    read("one more", 3 * kept, &mut one_more).await;
    let mut all = Box::pin(async {
        // The oldest, which went, was unread as the newest is.
        assert_eq!(stores.notifications.mark_all_read(ada, at(9)).await.unwrap(), KEPT / 2);
    });
    read("all read", 3 * kept, &mut all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_notifications_are_deleted_by_an_index() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    told_often(&bed).await;
    let database = one_connection(&bed);
    let before = rows_read(&database, "notifications").await;
    let due = Due {
        sessions: Timestamp::MIN,
        api_keys: Timestamp::MIN,
        failed_jobs: Timestamp::MIN,
        audit: Timestamp::MIN,
        notifications: Timestamp::from_micros(at(0).micros() + 101),
        now: Timestamp::MIN,
        from: Positions::default(),
    };
    let (deleted, _) = stores(&database).retention.delete_chunk(due).await.unwrap();
    assert_eq!(deleted.notifications, 200);
    let read = rows_read(&database, "notifications").await - before;
    assert!(read <= 1_000, "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_closed_last_is_read_from_the_end_of_an_index() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let argo = bed.producer().await;
    let signals: Vec<_> = (0..2_000).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect();
    bed.store(signals.clone()).await;
    bed.signals.record_outcome(outcome(&signals[0], "101", 3_000)).await.unwrap();
    bed.execute(
        "INSERT INTO outcomes (signal_id, status, closed_at, recorded_at) \
         SELECT id, 'expired', created_at, created_at FROM signals \
         WHERE id NOT IN (SELECT signal_id FROM outcomes); \
         ANALYZE; SELECT pg_stat_force_next_flush()",
    )
    .await
    .unwrap();
    let database = one_connection(&bed);
    let reader = stores(&database).signal_reader;
    let before = rows_read(&database, "outcomes").await;
    let span = (at(0), at(4_000));
    let closed = reader.closings(Some(95.0), Record::All, span, 100).await.unwrap();
    assert_eq!(closed.len(), 100);
    let read = rows_read(&database, "outcomes").await - before;
    assert!(read <= 300, "{read}");
}
