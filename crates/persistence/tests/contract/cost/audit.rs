//! A page of the audit log reads as many rows as it shows, however long the log is, and a day's figures read none.

use alpine_domain::{
    account::UserId,
    audit::{Action, AuditFilter, AuditQuery, Party, Position},
};
use alpine_persistence::stores;

use super::{one_connection, rows_read};
use crate::support::{DatabaseBed, at};

/// Lines, a second apart.
const LINES: i64 = 100_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_audit_log_reads_what_it_shows_by_every_filter() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let (start, rare) = (at(0).micros(), UserId::generate(at(0), [7; 10]));
    // One in a thousand concerns somebody, who did it; one in a hundred concerns security.
    bed.execute(&format!(
        "INSERT INTO audit_log (at, action, outcome, actor, subject, count, is_security) \
         SELECT {start} + n * 1000000::bigint, CASE WHEN n % 1000 = 0 THEN 'role_changed' ELSE 'sign_in' END, \
             'success', CASE WHEN n % 1000 = 0 THEN 'user:{rare}' ELSE 'system' END, \
             CASE WHEN n % 1000 = 0 THEN 'user:{rare}' ELSE 'user:' || gen_random_uuid() END, 1, n % 100 = 0 \
         FROM generate_series(1, {LINES}) n; ANALYZE audit_log; SELECT pg_stat_force_next_flush()"
    ))
    .await
    .unwrap();
    let database = one_connection(&bed);
    let audit = stores(&database).audit;
    let rare = Party::User(rare);
    let filters = [
        AuditFilter::All,
        AuditFilter::Action(Action::RoleChanged),
        AuditFilter::Action(Action::SignIn),
        AuditFilter::Actor(rare),
        AuditFilter::Actor(Party::System),
        AuditFilter::Subject(rare),
        AuditFilter::Security,
    ];
    let middle = at(LINES / 2);
    for filter in filters {
        for after in [None, Some(Position { at: middle, id: LINES / 2 })] {
            for (since, until) in [(None, None), (Some(at(LINES / 4)), Some(middle))] {
                let query = AuditQuery { filter, since, until, after, limit: 20 };
                let before = rows_read(&database, "audit_log").await;
                let shown = audit.page(query).await.unwrap().len();
                let read = rows_read(&database, "audit_log").await - before;
                assert_eq!(shown, 20, "{filter:?} {after:?} {until:?}");
                assert!(read <= 60, "{read} for {filter:?} {after:?} {until:?}");
            }
        }
    }
    let before = rows_read(&database, "audit_log").await;
    assert_eq!(audit.counts(at(0)).await.unwrap(), []);
    assert_eq!(rows_read(&database, "audit_log").await, before);
}
