//! An account with years of sign-ins behind it costs what a new one does.

use alpine_domain::{
    Timestamp,
    account::{Account, AddressDigest, AddressProof, Promotion, Secret, SignOut, UserId},
    retention::{Due, Positions},
    use_cases::Stores,
};
use alpine_persistence::{AnyConnection, Database, stores};
use diesel::RunQueryDsl as _;

use super::{one_connection, rows_read};
use crate::support::{DatabaseBed, at};

/// Sessions of one account, each with a refresh token; every second one of them from [`home`], a third ended.
const SESSIONS: u32 = 20_000;

fn home() -> AddressDigest {
    AddressDigest::of("192.0.2.7", &Secret::new("key")).unwrap()
}

/// The account, among a hundred others, and a database of one connection, whose reads are counted. What
/// it took to make them is counted before.
async fn old_account() -> Option<(DatabaseBed, Database, Stores, Account)> {
    let bed = DatabaseBed::postgres()?;
    let ada = bed.user("ada@example.com").await;
    for n in 0..100 {
        let other = bed.user(&format!("u{n}@example.com")).await;
        bed.session(other.id, &format!("u{n}")).await;
    }
    sign_in_often(&bed, ada.id).await;
    let database = one_connection(&bed);
    let stores = stores(&database);
    Some((bed, database, stores, ada))
}

async fn sign_in_often(bed: &DatabaseBed, user: UserId) {
    let (home, opened, expires) = (home(), at(0).micros(), at(1_000).micros());
    let home = home.as_str();
    bed.execute(&format!(
        "INSERT INTO sessions (id, user_id, address_digest, created_at, expires_at, revoked_at) \
         SELECT gen_random_uuid()::text, '{user}', CASE n % 2 WHEN 0 THEN '{home}' END, \
             {opened} + n, {expires} + n, CASE n % 3 WHEN 0 THEN {opened} + n END \
         FROM generate_series(1, {SESSIONS}) n; \
         INSERT INTO refresh_tokens (token_hash, session_id, created_at) \
         SELECT 'r' || id, id, created_at FROM sessions WHERE user_id = '{user}'; \
         ANALYZE; SELECT pg_stat_force_next_flush()"
    ))
    .await
    .unwrap();
}

/// Rows of `sessions` that `work` reads.
async fn sessions_read(database: &Database, work: impl Future<Output = ()>) -> u64 {
    let before = rows_read(database, "sessions").await;
    work.await;
    rows_read(database, "sessions").await - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_of_everything_reads_no_session() {
    let Some((_bed, database, stores, ada)) = old_account().await else { return };
    let read = sessions_read(&database, async {
        stores.accounts.revoke_all(ada.id, SignOut::Sessions, at(1)).await.unwrap();
        stores.accounts.revoke_everybody(at(2)).await.unwrap();
        let (email, password_hash) = (ada.email.clone(), "new".to_owned());
        let proof = AddressProof::Operator;
        stores
            .accounts
            .promote(Promotion { email, password_hash, proof, now: at(3) })
            .await
            .unwrap();
    });
    assert_eq!(read.await, 0);
}

/// A third of them has ended, the others are older than the last sign-out of everything, or expired.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_sessions_reads_those_that_it_shows() {
    let Some((bed, database, stores, ada)) = old_account().await else { return };
    let list = async |seconds| {
        let listed = stores.accounts.sessions(ada.id, at(seconds), 100).await.unwrap();
        listed.len()
    };
    let (sessions, tokens) =
        (rows_read(&database, "sessions").await, rows_read(&database, "refresh_tokens").await);
    assert_eq!((list(1).await, list(2_000).await), (100, 0));
    stores.accounts.revoke_all(ada.id, SignOut::Sessions, at(1)).await.unwrap();
    bed.session(ada.id, "new").await;
    assert_eq!(list(2).await, 1);
    for (table, so_far) in [("sessions", sessions), ("refresh_tokens", tokens)] {
        let read = rows_read(&database, table).await - so_far;
        // Each in the index and in the table.
        assert!((101..=420).contains(&read), "{read} of {table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_have_ended_are_not_read_with_the_others() {
    let Some((bed, database, stores, ada)) = old_account().await else { return };
    let (user, ended, ends) = (ada.id, at(0).micros(), at(1_000).micros());
    bed.execute(&format!(
        "INSERT INTO api_keys (id, user_id, name, prefix, scopes, key_hash, created_at, expires_at, revoked_at) \
         SELECT gen_random_uuid()::text, '{user}', 'bot', 'p', '', 'k' || n, n, \
             CASE WHEN n % 2 = 0 THEN {ended} WHEN n = 1 THEN {ends} END, \
             CASE WHEN n % 2 = 1 AND n > 3 THEN {ended} END \
         FROM generate_series(1, {SESSIONS}) n; ANALYZE api_keys; SELECT pg_stat_force_next_flush()"
    ))
    .await
    .unwrap();
    let before = rows_read(&database, "api_keys").await;
    assert_eq!(stores.api_keys.list(ada.id, at(1)).await.unwrap().len(), 2);
    let read = rows_read(&database, "api_keys").await - before;
    assert!((2..=20).contains(&read), "{read} of {SESSIONS}");
}

/// Of a quarter of the sessions, which are due; the others and their tokens are not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_old_sessions_reads_them_and_little_more() {
    let Some((bed, database, stores, _)) = old_account().await else { return };
    let due = u64::from(SESSIONS / 4);
    let before = Timestamp::from_micros(at(1_000).micros() + i64::from(SESSIONS / 4) + 1);
    // Statistics of a table that was small when they were made.
    bed.execute(
        "UPDATE pg_class SET reltuples = 10, relpages = 1 WHERE relname = 'refresh_tokens'",
    )
    .await
    .unwrap();
    let (sessions, tokens) =
        (rows_read(&database, "sessions").await, rows_read(&database, "refresh_tokens").await);
    let (mut deleted, mut from) = (0, Positions::default());
    loop {
        let due = Due {
            sessions: before,
            api_keys: before,
            failed_jobs: before,
            audit: before,
            notifications: Timestamp::MIN,
            now: before,
            from,
        };
        let (chunk, next) = stores.retention.delete_chunk(due).await.unwrap();
        from = next;
        if chunk.rows() == 0 {
            break;
        }
        deleted += chunk.sessions;
    }
    // Those of the hundred other users expired at the same time.
    assert_eq!(deleted, due + 100);
    // Once to find the row, in the index and the table, once to delete it, once for its foreign key.
    for (table, so_far) in [("sessions", sessions), ("refresh_tokens", tokens)] {
        let read = rows_read(&database, table).await - so_far;
        assert!((due..=4 * (due + 100)).contains(&read), "{read} of {table} for {due}");
    }
}

/// Somebody signed up with an operator's address and made keys that ended at once, as many as they could.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_reads_no_key_that_has_expired() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let ada = bed.user("ada@example.com").await;
    bed.execute(&format!(
        "INSERT INTO api_keys (id, user_id, name, prefix, scopes, key_hash, created_at, expires_at, generation) \
         SELECT gen_random_uuid()::text, '{}', 'bot', 'p', '', 'k' || n, 0, CASE WHEN n > 2 THEN n END, 0 \
         FROM generate_series(1, {SESSIONS}) n; ANALYZE api_keys; SELECT pg_stat_force_next_flush()",
        ada.id
    ))
    .await
    .unwrap();
    let database = one_connection(&bed);
    let before = rows_read(&database, "api_keys").await;
    let (email, password_hash) = (ada.email.clone(), "new".to_owned());
    let promotion = Promotion { email, password_hash, proof: AddressProof::Operator, now: at(3) };
    stores(&database).accounts.promote(promotion).await.unwrap();
    let read = rows_read(&database, "api_keys").await - before;
    assert!((2..=20).contains(&read), "{read} of {SESSIONS}");
}

/// Half of them revoked, half expired. A statement of before keeps the database from clearing away what is
/// deleted meanwhile, so a chunk that began at the start would pass all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_old_keys_passes_nothing_twice() {
    const KEYS: u64 = 6_000;
    let Some(bed) = DatabaseBed::postgres() else { return };
    let ada = bed.user("ada@example.com").await;
    bed.execute(&format!(
        "INSERT INTO api_keys (id, user_id, name, prefix, scopes, key_hash, created_at, expires_at, revoked_at) \
         SELECT gen_random_uuid()::text, '{}', 'bot', 'p', '', 'k' || n, 0, 1000 + n, \
             CASE WHEN n % 2 = 1 THEN 1000 + n END \
         FROM generate_series(1, {KEYS}) n; ANALYZE api_keys; SELECT pg_stat_force_next_flush()",
        ada.id
    ))
    .await
    .unwrap();
    let database = one_connection(&bed);
    let (stores, end) = (stores(&database), at(1));
    let other = bed.another(|_| ());
    let reader = tokio::spawn(async move {
        let sleep = |conn: &mut AnyConnection| {
            diesel::sql_query("SELECT pg_sleep(20)").execute(conn)?;
            Ok(())
        };
        other.read("test", sleep).await
    });
    let sleeps = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%') \
                  LOOP PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$";
    bed.execute(sleeps).await.unwrap();
    let before = rows_read(&database, "api_keys").await;
    let (mut deleted, mut from) = (0, Positions::default());
    loop {
        let due = Due {
            sessions: end,
            api_keys: end,
            failed_jobs: end,
            audit: Timestamp::MIN,
            notifications: Timestamp::MIN,
            now: end,
            from,
        };
        let (chunk, next) = stores.retention.delete_chunk(due).await.unwrap();
        from = next;
        if chunk.rows() == 0 {
            break;
        }
        deleted += chunk.api_keys;
    }
    assert_eq!(deleted, KEYS);
    let read = rows_read(&database, "api_keys").await - before;
    reader.abort();
    assert!((KEYS..=3 * KEYS).contains(&read), "{read} of {KEYS}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_known_or_not_by_a_few_rows_of_an_index() {
    let Some((bed, database, stores, ada)) = old_account().await else { return };
    let elsewhere = AddressDigest::of("192.0.2.8", &Secret::new("key")).unwrap();
    for (address, generation, is_known) in
        [(home(), 0, true), (elsewhere, 0, false), (home(), 1, false)]
    {
        bed.execute(&format!("UPDATE users SET addresses_from = {generation}")).await.unwrap();
        let read = sessions_read(&database, async {
            let known = stores.accounts.has_signed_in_from(&ada.email, &address).await.unwrap();
            assert_eq!(known, is_known);
        });
        let read = read.await;
        assert!(read <= 10, "{read} of {SESSIONS}, from generation {generation}");
    }
}
