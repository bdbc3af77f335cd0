//! The database: which, how many connections, how long anybody waits.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use alpine_persistence::{AnyConnection, Failure, Unit};
use alpine_server::{
    application::Application,
    config::{Sources, keep_generated_secrets, load},
};
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::{InstrumentationEvent, SimpleConnection as _},
    result::{DatabaseErrorKind, Error as DieselError},
    sql_types::Text,
};
use futures_util::future::join_all;
use tokio::{sync::Notify, time::sleep};

use crate::{
    row::{Row, setting},
    stage::{On, Stage},
};

pub fn rows() -> Vec<Row> {
    let mut rows = vec![
        setting("database.url", "sqlite:{folder}/other.db", "there", |at| {
            Box::pin(async move {
                let is_there = at.folder.path().join("other.db").is_file();
                if is_there { "there" } else { "not there" }.to_owned()
            })
        }),
        setting("database.statement_timeout", "1234ms", "1234ms", |at| {
            Box::pin(async move {
                let shown = |conn: &mut AnyConnection| {
                    let query = "SELECT current_setting('statement_timeout') AS shown";
                    Ok(diesel::sql_query(query).get_result::<Shown>(conn)?.shown)
                };
                at.app.core.database.read("shown", shown).await.unwrap()
            })
        })
        .on(On::Postgres),
        setting("database.busy_timeout", "50ms", "refused", |at| Box::pin(other_writer(at))),
        setting("database.write_retries", "0", "1", |at| Box::pin(attempts(at))),
    ];
    rows.extend(pool());
    rows
}

#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = Text)]
    shown: String,
}

/// What becomes of a write while somebody else writes to the file for half a second.
async fn other_writer(at: &Stage) -> String {
    let path = at.app.config.database_url().reveal().strip_prefix("sqlite:").unwrap().to_owned();
    let mut other = SqliteConnection::establish(&path).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let database = &at.app.core.database;
    let write = database.write("witness", |_| Ok(()));
    let release = async {
        sleep(Duration::from_millis(500)).await;
        other.batch_execute("ROLLBACK").unwrap();
    };
    let (written, ()) = tokio::join!(write, release);
    written.map_or("refused", |()| "written").to_owned()
}

/// How often a write is begun that the database always undoes.
async fn attempts(at: &Stage) -> String {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let undone = move |_: &mut Unit<'_>| -> Result<(), Failure> {
        counted.fetch_add(1, Ordering::SeqCst);
        let kind = DatabaseErrorKind::SerializationFailure;
        Err(DieselError::DatabaseError(kind, Box::new("undone".to_owned())).into())
    };
    at.app.core.database.write("witness", undone).await.unwrap_err();
    begun.load(Ordering::SeqCst).to_string()
}

fn pool() -> Vec<Row> {
    const ONE: &[(&str, &str)] = &[("database.pool_max", "1"), ("database.pool_kept", "1")];
    vec![
        setting("database.pool_max", "2", "2 at once", |at| Box::pin(at_once(at, false)))
            .besides(&[("database.pool_kept", "1")]),
        setting("database.pool_costly", "1", "1 at once", |at| Box::pin(at_once(at, true)))
            .besides(&[("database.costly_timeout", "20s")]),
        setting("database.pool_kept", "1", "1", |at| Box::pin(idle_after_a_calm(at))),
        setting("database.checkout_timeout", "50ms", "refused", |at| Box::pin(waits(at, false)))
            .besides(ONE),
        setting("database.costly_timeout", "50ms", "refused", |at| Box::pin(waits(at, true)))
            .besides(&[("database.pool_costly", "1")]),
        setting("database.check_after_idle", "1ms", "tried", |at| Box::pin(tried(at))).besides(ONE),
    ]
}

async fn read<T: Send + 'static>(
    at: &Stage,
    is_costly: bool,
    work: impl Fn(&mut AnyConnection) -> Result<T, Failure> + Send + 'static,
) -> alpine_domain::Result<T> {
    let database = &at.app.core.database;
    if is_costly {
        database.read_costly("witness", work).await
    } else {
        database.read("witness", work).await
    }
}

/// How many of four reads run at a time.
async fn at_once(at: &Stage, is_costly: bool) -> String {
    let running = Arc::new(AtomicUsize::new(0));
    let reads = (0..4).map(|_| {
        let running = running.clone();
        read(at, is_costly, move |_| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            thread::sleep(Duration::from_millis(300));
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(now)
        })
    });
    let most = join_all(reads).await.into_iter().map(Result::unwrap).max().unwrap();
    format!("{most} at once")
}

/// What becomes of a read while another one has the only connection, or permit, for half a second
/// at most: less than the default lets it wait.
async fn waits(at: &Stage, is_costly: bool) -> String {
    let (begun, is_over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let hold = async {
        let hold = || {
            let (begun, is_over) = (begun.clone(), is_over.clone());
            read(at, is_costly, move |_| {
                begun.notify_one();
                let since = Instant::now();
                while !is_over.load(Ordering::SeqCst) && since.elapsed().as_millis() < 500 {
                    thread::sleep(Duration::from_millis(5));
                }
                Ok(())
            })
        };
        // Something else may have the only connection.
        while hold().await.is_err() {}
    };
    let wait = async {
        begun.notified().await;
        let read = read(at, is_costly, |_| Ok(())).await;
        is_over.store(true, Ordering::SeqCst);
        read
    };
    let ((), waited) = tokio::join!(hold, wait);
    waited.map_or("refused", |()| "served").to_owned()
}

/// Connections that are open some time after four were needed at once.
async fn idle_after_a_calm(at: &Stage) -> String {
    at_once(at, false).await;
    // Ten seconds are a calm.
    sleep(Duration::from_millis(10_500)).await;
    for _ in 0..8 {
        read(at, false, |_| Ok(())).await.unwrap();
    }
    at.metric("db_connections_idle", "").await.to_string()
}

/// Whether the only connection is tried before it is handed out again.
async fn tried(at: &Stage) -> String {
    let statements = Arc::<Mutex<Vec<String>>>::default();
    let seen = statements.clone();
    read(at, false, move |conn| {
        let seen = seen.clone();
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                seen.lock().unwrap().push(query.to_string());
            }
        });
        Ok(())
    })
    .await
    .unwrap();
    sleep(Duration::from_millis(50)).await;
    read(at, false, |_| Ok(())).await.unwrap();
    let tried = statements.lock().unwrap().iter().any(|text| text.starts_with("SELECT 1 "));
    if tried { "tried" } else { "not tried" }.to_owned()
}

#[tokio::test]
async fn an_old_schema_is_brought_up_to_date_only_where_the_operator_wishes() {
    let start = async |migrate: &str| {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().display().to_string();
        let settings = [
            ("ALPINE__HTTP__BIND", "127.0.0.1:0"),
            ("ALPINE__DATA_DIR", &data),
            ("ALPINE__DATABASE__MIGRATE_ON_START", migrate),
        ];
        let environment: BTreeMap<String, String> =
            settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut loaded = load(&Sources { environment, ..Sources::default() }).unwrap();
        keep_generated_secrets(&mut loaded.config, &mut loaded.layers).unwrap();
        Application::build(&loaded.config).await.map(|_| ()).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(start("true").await, Ok(()));
    let refused = start("false").await.unwrap_err();
    assert!(refused.contains("set database.migrate_on_start = true"), "{refused}");
}
