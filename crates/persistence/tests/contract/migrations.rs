//! Migrations, drift, the use of indexes, copies.

use std::{collections::HashSet, thread};

use alpine_domain::{Error, signal::SignalReader as _};
use alpine_persistence::{AnyConnection, DatabaseSettings, Migrator, backup, migrations::drift};
use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _, sql_types::Text,
};

use crate::support::{DatabaseBed, empty_postgres, empty_sqlite, on_both, postgres_url, signal};

on_both!(what_a_generation_ended_stays_so_when_the_column_goes, the_rows_of_each_table_are_counted,);

async fn the_rows_of_each_table_are_counted(bed: DatabaseBed) {
    let argo = bed.producer().await;
    bed.store((0..3).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect()).await;
    let user = bed.user("ada@example.com").await;
    bed.session(user.id, "r1").await;
    bed.session(user.id, "r2").await;
    let rows = Migrator::connect(&bed.settings).unwrap().count_rows().unwrap();
    let counted: Vec<_> = rows
        .iter()
        .map(|(table, rows)| (table.as_str(), *rows))
        .filter(|(_, rows)| *rows > 0)
        .collect();
    let expected = [
        ("audit_counts", 3),
        ("audit_log", 4),
        ("database_identity", 1),
        ("events", 4),
        ("producers", 1),
        ("record_seal", 1),
        ("refresh_tokens", 2),
        ("rollups", 4),
        ("sessions", 2),
        ("signal_id_key", 1),
        ("signals", 3),
        ("user_activity", 1),
        ("users", 1),
    ];
    assert_eq!(counted, expected);
    for empty in ["api_keys", "jobs", "late_outcomes", "mail_tokens", "notifications", "outcomes"] {
        assert_eq!(rows.get(empty), Some(&0), "{empty}");
    }
}

/// Three instances start at once on an empty database: each migration is applied by exactly one.
fn three_migrators(settings: &DatabaseSettings) {
    let starts: Vec<_> = (0..3)
        .map(|_| {
            let settings = settings.clone();
            thread::spawn(move || Migrator::connect(&settings)?.run())
        })
        .collect();
    let mut applied = Vec::new();
    for start in starts {
        applied.extend(start.join().unwrap().unwrap());
    }
    let distinct: HashSet<_> = applied.iter().collect();
    assert_eq!(distinct.len(), applied.len(), "{applied:?}");
    let status = Migrator::connect(settings).unwrap().status().unwrap();
    assert_eq!(status.len(), applied.len());
    assert!(status.iter().all(|migration| migration.is_applied));
}

#[test]
fn three_instances_migrate_sqlite_at_once() {
    let (settings, _place) = empty_sqlite();
    three_migrators(&settings);
}

#[test]
fn three_instances_migrate_postgresql_at_once() {
    if let Some((settings, _place)) = empty_postgres() {
        three_migrators(&settings);
    }
}

fn back_and_forth(settings: &DatabaseSettings) {
    let mut migrator = Migrator::connect(settings).unwrap();
    let all = migrator.run().unwrap();
    let whole = migrator.schema_fingerprint().unwrap();
    assert_eq!(migrator.redo().unwrap(), [all[all.len() - 1].clone()]);
    assert_eq!(migrator.schema_fingerprint().unwrap(), whole);
    assert_eq!(
        migrator.revert(2).unwrap(),
        [all[all.len() - 1].clone(), all[all.len() - 2].clone()]
    );
    let pending = migrator.status().unwrap().iter().filter(|m| !m.is_applied).count();
    assert_eq!(pending, 2);
    assert_ne!(migrator.schema_fingerprint().unwrap(), whole);
    assert_eq!(migrator.revert(all.len()).unwrap().len(), all.len() - 2);
    assert!(migrator.schema_fingerprint().unwrap().is_empty());
    assert_eq!(migrator.run().unwrap(), all);
    assert_eq!(migrator.schema_fingerprint().unwrap(), whole);
    assert!(migrator.run().unwrap().is_empty());
}

#[test]
fn migrations_go_back_and_forth_on_sqlite() {
    let (settings, _place) = empty_sqlite();
    back_and_forth(&settings);
}

#[test]
fn migrations_go_back_and_forth_on_postgresql() {
    if let Some((settings, _place)) = empty_postgres() {
        back_and_forth(&settings);
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// A release from before the column looks at `revoked_at` alone.
async fn what_a_generation_ended_stays_so_when_the_column_goes(bed: DatabaseBed) {
    bed.execute(
        "UPDATE database_identity SET generation = 2; \
         INSERT INTO users (id, email, full_name, password_hash, tier, role, is_active, is_verified, \
             generation, created_at, updated_at, signed_out_at, addresses_from) \
         VALUES ('u', 'u', 'u', 'h', 'free', 'user', true, false, 3, 0, 0, 9, 4); \
         INSERT INTO sessions (id, user_id, address_digest, created_at, expires_at, generation) \
         VALUES ('s0', 'u', 'home', 1, 9, 0), ('s4', 'u', 'home', 1, 9, 4), ('s5', 'u', 'home', 1, 9, 5); \
         INSERT INTO api_keys (id, user_id, name, prefix, scopes, key_hash, created_at, generation) \
         VALUES ('k', 'u', 'k', 'k', '', 'k', 1, NULL), ('k3', 'u', 'k', 'k', '', 'k3', 1, 3), \
             ('k4', 'u', 'k', 'k', '', 'k4', 1, 4)",
    )
    .await
    .unwrap();
    let mut migrator = Migrator::connect(&bed.settings).unwrap();
    let all = migrator.status().unwrap();
    let from = all.iter().position(|migration| migration.name.starts_with("0012")).unwrap();
    migrator.revert(all.len() - from).unwrap();
    let lines = bed.database.read("test", |conn| {
        let sessions = "SELECT id || ' ' || coalesce(address_digest, '-') || ' ' || \
             coalesce(revoked_at, 0) || ' ' || (SELECT generation FROM users) AS line \
             FROM sessions ORDER BY id";
        let keys = "SELECT id || ' ' || coalesce(revoked_at, 0) AS line FROM api_keys ORDER BY id";
        let mut lines = diesel::sql_query(sessions).load::<Line>(conn)?;
        lines.extend(diesel::sql_query(keys).load::<Line>(conn)?);
        Ok(lines)
    });
    let lines: Vec<_> = lines.await.unwrap().into_iter().map(|row| row.line).collect();
    assert_eq!(lines, ["s0 - 1 5", "s4 home 1 5", "s5 home 0 5", "k 0", "k3 1", "k4 0"]);
}

#[test]
fn nothing_drifts_between_migrations_code_and_back_ends() {
    if let Some(url) = postgres_url() {
        assert_eq!(drift::check(Some(&url)).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn an_index_whose_build_was_interrupted_is_built_anew() {
    let Some((settings, _place)) = empty_postgres() else { return };
    let mut migrator = Migrator::connect(&settings).unwrap();
    migrator.run().unwrap();
    let whole = migrator.schema_fingerprint().unwrap();
    // What a killed CREATE INDEX CONCURRENTLY leaves: an invalid index, and no migration recorded.
    let mut conn = PgConnection::establish(&settings.url).unwrap();
    conn.batch_execute(
        "DELETE FROM __diesel_schema_migrations WHERE version = '0117'; \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_event_kind_seq'::regclass",
    )
    .unwrap();
    assert_ne!(migrator.schema_fingerprint().unwrap(), whole);
    assert_eq!(migrator.run().unwrap().len(), 1);
    assert_eq!(migrator.schema_fingerprint().unwrap(), whole);
}

#[test]
fn a_migrator_that_never_ends_is_not_waited_for_for_ever() {
    let Some((mut settings, _place)) = empty_postgres() else { return };
    let mut other = PgConnection::establish(&settings.url).unwrap();
    other.batch_execute("SELECT pg_advisory_lock(7020109517289750530)").unwrap();
    settings.migration_wait = std::time::Duration::from_millis(300);
    let refused = Migrator::connect(&settings).unwrap().run();
    let Err(Error::Unavailable { source: Some(source), .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(source.to_string().contains("migrating"), "{source}");
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    line: String,
}

#[derive(QueryableByName)]
struct Statement {
    #[diesel(sql_type = Text)]
    query: String,
}

/// The store's own statements, as the server received them, are planned on the intended indexes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hot_queries_use_their_indexes_on_postgresql() {
    use alpine_domain::{
        page::{Cursor, Slice},
        signal::{SignalQuery, SignalState},
    };
    let Some(bed) = DatabaseBed::postgres() else { return };
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "SIG-0", 0)]).await;
    bed.execute(
        "INSERT INTO signals (producer_id, external_id, symbol, action, entry_price, confidence, \
         confidence_text, asset_type, signal_timestamp, signalled_at, hash, content_hash, \
         is_simulated, is_active, created_at) \
         SELECT 1, 'X-' || n, 'S' || n / 1000 % 20, 'BUY', '1', 50 + n % 50, (50 + n % 50)::text, \
         'stock', '', 1736937000000000, repeat('a', 64), repeat('a', 64), n % 1000 = 7, n % 10 = 0, 1736937000000000 + n / 100 * 1000000::bigint \
         FROM generate_series(1, 200000) n",
    )
    .await
    .unwrap();
    bed.execute("ANALYZE signals").await.unwrap();
    let open = || SignalQuery {
        state: SignalState::Open,
        without_history: true,
        ..SignalQuery::all(crate::support::at(1_900))
    };
    let after = Some(Cursor {
        created_at: crate::support::at(1_000),
        id: alpine_domain::signal::SignalId::new(100_000),
    });
    let strong = SignalQuery { min_confidence: Some(85.0), ..open() };
    let symbol =
        SignalQuery { symbol: Some("S5".parse().unwrap()), min_confidence: Some(85.0), ..open() };
    let history = SignalQuery::all(crate::support::at(1_900));
    for (query, after, index) in [
        (open(), None, "idx_signal_current"),
        (open(), after, "idx_signal_current"),
        // Asked first: are there few?
        (strong, None, "idx_signal_current_confidence"),
        (symbol, None, "idx_signal_current_symbol"),
        (
            SignalQuery { record: alpine_domain::signal::Record::Simulated, ..history.clone() },
            None,
            "idx_signal_origin",
        ),
        (history.clone(), None, "idx_signal_created"),
        (history, after, "idx_signal_created"),
    ] {
        let plan = plan_of(&bed, query.clone(), Slice { limit: 10, offset: 0, after }).await;
        assert!(plan.contains(&format!("using {index} ")), "{query:?}: {plan}");
        assert!(!plan.contains("Sort"), "{query:?}: {plan}");
    }
}

/// Lets the server write down the plan of the store's statement.
async fn plan_of(
    bed: &DatabaseBed,
    query: alpine_domain::signal::SignalQuery,
    slice: alpine_domain::page::Slice,
) -> String {
    let database = bed.another(|settings| settings.pool_max = 1);
    let signals = alpine_persistence::Signals::new(database.clone());
    assert_eq!(signals.list(&query, slice).await.unwrap().len().min(1), 1);
    database
        .read("plan", move |conn| {
            let AnyConnection::Postgres(conn) = conn else { panic!("not PostgreSQL") };
            let prepared: Vec<Statement> = diesel::sql_query(
                "SELECT 'EXPLAIN EXECUTE ' || quote_ident(name) || ' ' || \
                 array_length(parameter_types, 1) || ' ' || parameter_types::text AS query \
                 FROM pg_prepared_statements WHERE statement LIKE '%\"signals\"%LIMIT%' \
                 ORDER BY prepare_time LIMIT 1",
            )
            .load(conn)?;
            let described = &prepared.first().expect("the statement is prepared").query;
            let words: Vec<&str> = described.split(' ').collect();
            let types = words[4..].join(" ");
            let mut arguments: Vec<&str> = types
                .trim_matches(|c| c == '{' || c == '}')
                .split(',')
                .map(|kind| match kind.trim_matches('"') {
                    "bigint" => "1736938000000000",
                    "double precision" => "85",
                    _ => "'S5'",
                })
                .collect();
            // The limit stands last.
            if let Some(limit) = arguments.last_mut() {
                *limit = "10";
            }
            let statement = format!("{} ({})", words[..3].join(" "), arguments.join(", "));
            let plan: Vec<Plan> = diesel::sql_query(statement).load(conn)?;
            Ok(plan.into_iter().map(|row| row.line).collect::<Vec<_>>().join("\n"))
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_sqlite_is_whole_and_taken_while_it_serves() {
    let bed = DatabaseBed::sqlite();
    let argo = bed.producer().await;
    let ids = bed.store((0..50).map(|n| signal(&argo, &format!("SIG-{n}"), n)).collect()).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    backup(&bed.settings, &copy).unwrap();
    let again = backup(&bed.settings, &copy);
    assert!(matches!(again, Err(Error::Invalid(fields)) if fields[0].field == "destination"));
    let restored = bed.another(|settings| settings.url = format!("sqlite:{}", copy.display()));
    let signals = alpine_persistence::Signals::new(restored);
    assert!(signals.find(ids[49]).await.unwrap().is_some());
    let postgres = backup(&DatabaseSettings::new("postgres://h/db"), &copy);
    assert!(postgres.unwrap_err().to_string().contains("pg_dump"));
}
