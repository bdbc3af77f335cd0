//! A page of accounts reads as many rows as it shows, of each tier and state, however many accounts there are.

use alpine_domain::account::{Role, Tier, UserFilter, UserQuery};
use alpine_persistence::stores;

use super::{one_connection, rows_read};
use crate::support::DatabaseBed;

/// Accounts, a second apart; one in a thousand administers, one in a hundred is disabled.
const USERS: u32 = 60_000;
/// Counting stops here, for the cost of the page to be seen.
const CAP: u32 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_accounts_reads_what_it_shows_by_every_filter() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    bed.execute(&format!(
        "INSERT INTO users (id, email, full_name, password_hash, tier, role, is_active, is_verified, generation, \
             created_at, updated_at) \
         SELECT gen_random_uuid()::text, 'user' || n || '@example.com', 'Ada', 'hash', \
             (ARRAY['free', 'free', 'free', 'starter', 'pro', 'elite'])[1 + n % 6], \
             CASE WHEN n % 1000 = 0 THEN 'admin' ELSE 'user' END, n % 100 <> 1, TRUE, 0, n * 1000000::bigint, 0 \
         FROM generate_series(1, {USERS}) n; ANALYZE users; SELECT pg_stat_force_next_flush()"
    ))
    .await
    .unwrap();
    let database = one_connection(&bed);
    let administration = stores(&database).administration;
    let of = |tier, is_active, role, search: Option<&str>| {
        let search = search.map(|text| text.parse().unwrap());
        UserFilter { tier, is_active, role, search }
    };
    let filters = [
        of(None, None, None, None),
        of(Some(Tier::Elite), None, None, None),
        of(None, Some(false), None, None),
        of(Some(Tier::Pro), Some(true), Some(Role::User), None),
        of(None, None, None, Some("user")),
        of(None, None, None, Some("user59")),
        of(Some(Tier::Free), None, Some(Role::User), Some("u")),
        of(None, None, Some(Role::Admin), None),
        of(None, None, Some(Role::Admin), Some("user")),
    ];
    for filter in filters {
        let first = UserQuery { filter: filter.clone(), limit: 20, offset: 0, after: None };
        let before = rows_read(&database, "users").await;
        let (page, count) = administration.users(first.clone(), CAP).await.unwrap();
        let read = rows_read(&database, "users").await - before;
        assert_eq!((page.len(), count), (20, CAP), "{filter:?}");
        // Of eight ranges at most, each row once to choose and, if it is shown, once to show; of administrators all.
        assert!(read <= 8 * 20 + 20 + u64::from(8 * CAP), "{read} for {filter:?}");
        let after = page.last().map(|last| filter.position(last));
        let before = rows_read(&database, "users").await;
        administration.users(UserQuery { after, ..first }, CAP).await.unwrap();
        let read = rows_read(&database, "users").await - before;
        assert!(read <= 8 * 20 + 20 + u64::from(8 * CAP), "{read} after the first for {filter:?}");
    }
}
