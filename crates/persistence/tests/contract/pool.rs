//! The pool: bounded waits, recovery after a loss, metrics.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Error,
    account::{AccountStore as _, SignOut},
    ports::health::{Condition, Probe as _},
};
use alpine_persistence::{Accounts, AnyConnection, Database, DatabaseProbe};
use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::SimpleConnection as _, sql_types::Integer,
};

use crate::support::{DatabaseBed, dawdle, on_both};

on_both!(
    an_exhausted_pool_answers_in_time,
    usage_and_durations_are_measured,
    a_panic_takes_one_connection_with_it_and_nothing_else,
    connections_above_those_kept_are_not_opened_for_nothing,
);

async fn an_exhausted_pool_answers_in_time(bed: DatabaseBed) {
    let database = bed.another(|settings| {
        settings.pool_max = 2;
        settings.checkout_timeout = Duration::from_millis(300);
    });
    let held: Vec<_> = (0..2)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move {
                let hold = |_: &mut AnyConnection| {
                    dawdle(Duration::from_secs(1));
                    Ok(())
                };
                database.read("hold", hold).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    let refused = database.read("test", |_| Ok(())).await;
    let waited = started.elapsed();
    let Err(Error::Unavailable { what, retry_after, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((what, retry_after), ("the database", Duration::from_secs(1)));
    assert!(waited >= Duration::from_millis(290), "{waited:?}");
    assert!(waited < Duration::from_millis(800), "{waited:?}");
    for hold in held {
        hold.await.unwrap().unwrap();
    }
    database.read("test", |_| Ok(())).await.unwrap();
}

fn value(registry: &prometheus::Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).expect(name);
    family.get_metric()[0].get_gauge().get_value()
}

async fn usage_and_durations_are_measured(bed: DatabaseBed) {
    bed.user("ada@example.com").await;
    assert!(value(&bed.registry, "db_connections_idle") >= 1.0);
    assert!(value(&bed.registry, "db_connections_active").abs() < 0.5);
    let held = tokio::spawn({
        let database = bed.database.clone();
        async move {
            let hold = |_: &mut AnyConnection| {
                dawdle(Duration::from_millis(400));
                Ok(())
            };
            database.read("hold", hold).await
        }
    });
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!((value(&bed.registry, "db_connections_active") - 1.0).abs() < 0.5);
    held.await.unwrap().unwrap();
    let families = bed.registry.gather();
    let durations = families.iter().find(|f| f.name() == "db_query_duration_seconds").unwrap();
    let operations: Vec<_> = durations
        .get_metric()
        .iter()
        .map(|metric| metric.get_label()[0].value().to_owned())
        .collect();
    assert!(operations.contains(&"account_create".to_owned()), "{operations:?}");
}

async fn a_panic_takes_one_connection_with_it_and_nothing_else(bed: DatabaseBed) {
    let panicked = bed
        .database
        .write("test", |unit| -> Result<(), _> {
            unit.conn.batch_execute("DELETE FROM users")?;
            panic!("a defect");
        })
        .await;
    assert!(matches!(panicked, Err(Error::Internal(_))));
    bed.user("ada@example.com").await;
}

async fn connections_above_those_kept_are_not_opened_for_nothing(bed: DatabaseBed) {
    let registry = prometheus::Registry::new();
    let database = Database::open(bed.settings.clone(), &registry).unwrap();
    assert!(value(&registry, "db_connections_idle").abs() < 0.5, "nothing is opened at the start");
    for _ in 0..20 {
        database.read("test", |_| Ok(())).await.unwrap();
    }
    let idle = value(&registry, "db_connections_idle");
    assert!((idle - 1.0).abs() < 0.5, "one at a time needs one: {idle}");
}

/// What settings allow, and what a crowd could use, is more.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_opens_its_file_eight_times_at_most() {
    let bed = DatabaseBed::sqlite();
    assert!(bed.settings.pool_max > 8);
    let path = bed.settings.url.strip_prefix("sqlite:").unwrap();
    let handles = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.as_os_str() == path)
            .count()
    };
    let crowd: Vec<_> = (0..40)
        .map(|_| {
            let database = bed.database.clone();
            tokio::spawn(async move {
                let read = |_: &mut AnyConnection| {
                    dawdle(Duration::from_millis(100));
                    Ok(())
                };
                database.read("crowd", read).await
            })
        })
        .collect();
    let mut most = 0;
    while !crowd.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(handles());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for read in crowd {
        read.await.unwrap().unwrap();
    }
    assert_eq!(most, 8);
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

fn backend(conn: &mut AnyConnection) -> i32 {
    let AnyConnection::Postgres(conn) = conn else {
        panic!("not PostgreSQL");
    };
    let query = diesel::sql_query("SELECT pg_backend_pid() AS pid");
    query.get_result::<Backend>(conn).unwrap().pid
}

fn terminate_all(bed: &DatabaseBed) {
    let mut admin = PgConnection::establish(&bed.settings.url).unwrap();
    admin
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .unwrap();
}

/// After a restart of the server no request fails: writes and reads alike find the loss before
/// anything was done, and every other connection of that time is closed unasked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_backends_are_replaced_without_an_error() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    for round in 0..3 {
        let holders: Vec<_> = (0..10)
            .map(|_| {
                let database = bed.database.clone();
                tokio::spawn(async move {
                    let hold = |conn: &mut AnyConnection| {
                        dawdle(Duration::from_millis(100));
                        Ok(backend(conn))
                    };
                    database.read("hold", hold).await.unwrap()
                })
            })
            .collect();
        let mut old = Vec::new();
        for holder in holders {
            old.push(holder.await.unwrap());
        }
        terminate_all(&bed);
        let user = bed.user(&format!("user{round}@example.com")).await;
        for _ in 0..20 {
            let pid = bed.database.read("test", |conn| Ok(backend(conn))).await.unwrap();
            assert!(!old.contains(&pid), "a stale connection was handed out");
        }
        terminate_all(&bed);
        assert!(bed.accounts.account(user.id).await.unwrap().is_some());
    }
}

/// Work that has begun on a lost connection runs twice, so one that may be lost is tried before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_tried_after_it_was_idle() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    for (check_after_idle, expected) in [(Duration::ZERO, 1), (Duration::from_hours(1), 2)] {
        let database = bed.another(|settings| settings.check_after_idle = check_after_idle);
        let runs = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&runs);
        let work = move |conn: &mut AnyConnection| {
            count.fetch_add(1, Ordering::SeqCst);
            let AnyConnection::Postgres(conn) = conn else {
                panic!("not PostgreSQL");
            };
            conn.batch_execute("SELECT 1")?;
            Ok(())
        };
        database.read("test", work.clone()).await.unwrap();
        assert_eq!(runs.swap(0, Ordering::SeqCst), 1);
        terminate_all(&bed);
        database.read("test", work).await.unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), expected, "{check_after_idle:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_cut_is_reported_and_not_repeated() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let settings = bed.settings.clone();
    let cut = bed
        .database
        .write("test", move |unit| {
            let pid = backend(unit.conn);
            let mut admin = PgConnection::establish(&settings.url).unwrap();
            admin.batch_execute(&format!("SELECT pg_terminate_backend({pid})")).unwrap();
            Ok(())
        })
        .await;
    assert!(matches!(cut, Err(Error::Unavailable { .. })), "{cut:?}");
    bed.user("ada@example.com").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_servers_answer_reads_and_refuse_writes_as_unavailable() {
    let Some(bed) = DatabaseBed::postgres() else { return };
    let user = bed.user("ada@example.com").await;
    let read_only = bed.another(|settings| {
        settings.url.push_str("?options=-c%20default_transaction_read_only%3Don");
    });
    let accounts = Accounts::new(read_only);
    assert!(accounts.account(user.id).await.unwrap().is_some());
    let refused = accounts.revoke_all(user.id, SignOut::Sessions, crate::support::at(0)).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absent_server_is_unavailable_and_down_within_the_bound() {
    let settings = alpine_persistence::DatabaseSettings::new("postgres://nobody@127.0.0.1:1/none");
    let database = Database::open(settings, &prometheus::Registry::new()).unwrap();
    let started = Instant::now();
    let refused = database.read("test", |_| Ok(())).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    let report = DatabaseProbe::new(database).probe().await;
    assert_eq!(report.condition, Condition::Down);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_writer_on_sqlite_is_waited_for_and_then_reported() {
    let bed = DatabaseBed::sqlite();
    assert_eq!(DatabaseProbe::new(bed.database.clone()).probe().await.condition, Condition::Up);
    let other = bed.another(|settings| settings.busy_timeout = Duration::from_millis(200));
    let accounts = Accounts::new(other);
    let holder = tokio::spawn({
        let database = bed.database.clone();
        async move {
            database
                .write("hold", |_| {
                    dawdle(Duration::from_millis(900));
                    Ok(())
                })
                .await
        }
    });
    tokio::time::sleep(Duration::from_millis(150)).await;
    let started = Instant::now();
    let refused = accounts.create(crate::support::new_account("a@example.com")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert!(started.elapsed() < Duration::from_millis(700));
    assert_eq!(accounts.count_admins().await.unwrap(), 0, "readers are not held up");
    holder.await.unwrap().unwrap();
    accounts.create(crate::support::new_account("a@example.com")).await.unwrap();
}
