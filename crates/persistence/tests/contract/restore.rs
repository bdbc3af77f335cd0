//! A copy is read back, and what was is there again after going back to one. A schema says whose it is.

use std::{fs, path::Path};

use alpine_domain::Error;
use alpine_persistence::{DatabaseSettings, Migrator, ServingLock, backup, restore};
use diesel::{Connection as _, PgConnection, SqliteConnection, connection::SimpleConnection as _};

use crate::support::{DatabaseBed, signal};

fn settings(file: &Path) -> DatabaseSettings {
    DatabaseSettings::new(format!("sqlite:{}", file.display()))
}

fn told(result: alpine_domain::Result<impl std::fmt::Debug>) -> String {
    result.expect_err("it is refused").to_string()
}

async fn with_signals(count: usize) -> DatabaseBed {
    let bed = DatabaseBed::sqlite();
    let argo = bed.producer().await;
    let signals = (0..count).map(|number| signal(&argo, &format!("S{number}"), 0)).collect();
    bed.store(signals).await;
    bed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_gone_back_to_and_what_was_is_kept() {
    let bed = with_signals(3).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let copied = backup(&bed.settings, &copy).unwrap();
    assert_eq!((copied.signals, copied.size), (3, fs::metadata(&copy).unwrap().len()));
    let argo = bed.producer().await;
    bed.store(vec![signal(&argo, "later", 1)]).await;
    let place = bed.settings.url.strip_prefix("sqlite:").unwrap().to_owned();
    // As after a kill: what was written last is in the journal alone.
    for suffix in ["", "-wal", "-shm"] {
        let to = folder.path().join(format!("killed.db{suffix}"));
        fs::copy(format!("{place}{suffix}"), to).unwrap();
    }
    let killed = settings(&folder.path().join("killed.db"));
    let (restored, aside) = restore(&killed, &copy).unwrap();
    assert_eq!(restored, copied);
    let aside = aside.unwrap();
    assert_eq!(aside, folder.path().join("killed.db.before-restore-1"));
    let signals = |settings: &DatabaseSettings| {
        Migrator::connect(settings).unwrap().count_rows().unwrap()["signals"]
    };
    assert_eq!((signals(&killed), signals(&settings(&aside))), (3, 4));
    // Once more: nothing that is kept is lost.
    let (_, again) = restore(&killed, &copy).unwrap();
    assert_eq!(again.unwrap(), folder.path().join("killed.db.before-restore-2"));
    // And to where there is none.
    let elsewhere = settings(&folder.path().join("new").join("alpine.db"));
    assert_eq!(restore(&elsewhere, &copy).unwrap().1, None);
    assert_eq!(signals(&elsewhere), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_copy_changes_nothing() {
    let bed = with_signals(300).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    backup(&bed.settings, &copy).unwrap();
    let place = folder.path().join("alpine.db");
    fs::copy(&copy, &place).unwrap();
    let before = fs::read(&place).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let mut damaged = before.clone();
    let middle = damaged.len() / 2;
    damaged[middle - 20_000..middle + 20_000].fill(0xa5);
    let half = &before[..before.len() / 2];
    for (bad, reason) in [
        (file("empty", b""), "is no copy that `alpine backup` made"),
        (file("text", b"signal_id,symbol\nS-1,AAPL\n"), "is no copy that `alpine backup` made"),
        (file("damaged", &damaged), "damaged"),
        (file("half", half), "malformed"),
        (folder.path().join("absent"), "No such file"),
    ] {
        let text = told(restore(&settings(&place), &bad));
        assert!(text.contains(reason), "{}: {text}", bad.display());
        assert_eq!(fs::read(&place).unwrap(), before);
    }
    let foreign = folder.path().join("foreign");
    let mut conn = SqliteConnection::establish(foreign.to_str().unwrap()).unwrap();
    conn.batch_execute("CREATE TABLE t (i INTEGER)").unwrap();
    let text = told(restore(&settings(&place), &foreign));
    assert!(text.contains("holds no database of Alpine"), "{text}");
    let lock = ServingLock::take(&settings(&place)).unwrap();
    let text = told(restore(&settings(&place), &copy));
    assert!(text.contains("another process serves from"), "{text}");
    drop(lock);
    assert!(restore(&settings(&place), &copy).is_ok());
}

#[test]
fn one_process_serves_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder.path().join("alpine.db"));
    let first = ServingLock::take(&settings).unwrap();
    assert!(told(ServingLock::take(&settings)).contains("one at a time may"));
    drop(first);
    assert!(ServingLock::take(&settings).unwrap().is_some());
    assert!(ServingLock::take(&DatabaseSettings::new("postgres://h/db")).unwrap().is_none());
}

#[test]
fn a_schema_of_a_newer_release_is_told_and_newer_indexes_harm_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alpine.db");
    let settings = settings(&file);
    let mut migrator = Migrator::connect(&settings).unwrap();
    migrator.run().unwrap();
    assert!(migrator.check_not_newer().is_ok());
    let applied = |version: &str| {
        let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        let insert = "INSERT INTO __diesel_schema_migrations (version) VALUES";
        conn.batch_execute(&format!("{insert} ('{version}')")).unwrap();
    };
    applied("0999");
    assert!(migrator.check_not_newer().is_ok());
    assert_eq!(migrator.last(1).unwrap(), ["0999"]);
    applied("0099");
    let text = told(migrator.check_not_newer());
    assert!(text.contains("(0099)") && text.contains("start that one"), "{text}");
    let status = migrator.status().unwrap();
    let besides: Vec<_> = status.iter().filter(|it| !it.is_known).map(|it| &it.name).collect();
    assert_eq!(besides, ["0099", "0999"]);
}

fn whose(settings: &DatabaseSettings, mut execute: impl FnMut(&str)) {
    execute("CREATE TABLE signals (id INTEGER)");
    let text = told(Migrator::connect(settings).unwrap().run());
    assert!(text.contains("another program (signals)"), "{text}");
    execute("CREATE TABLE users (id INTEGER, hashed_password TEXT)");
    let text = told(Migrator::connect(settings).unwrap().run());
    for words in ["the Python original", "alpine import users FILE"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_originals_database_and_others_are_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alpine.db");
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    whose(&settings(&file), |sql| conn.batch_execute(sql).unwrap());
    if let Some(place) = alpine_testing::TestDatabase::create() {
        let mut conn = PgConnection::establish(place.url()).unwrap();
        whose(&DatabaseSettings::new(place.url()), |sql| conn.batch_execute(sql).unwrap());
    }
}

/// Reverted under a running server, tables are missed at once; indexes are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_is_gone_is_no_healthy_database() {
    use alpine_domain::ports::health::{Condition, Probe as _};
    let bed = with_signals(1).await;
    let probe = alpine_persistence::DatabaseProbe::new(bed.database.clone());
    let mut migrator = Migrator::connect(&bed.settings).unwrap();
    let all = migrator.status().unwrap();
    let tables = all.iter().filter(|it| it.name.as_str() < "0100").count();
    migrator.revert(all.len() - tables).unwrap();
    assert_eq!(probe.probe().await.condition, Condition::Up);
    let reverted = migrator.revert(1).unwrap();
    let report = probe.probe().await;
    assert_eq!(report.condition, Condition::Down);
    let detail = report.detail.unwrap();
    assert!(detail.contains(&reverted[0]) && detail.contains("alpine migrate run"), "{detail}");
    migrator.run().unwrap();
    assert_eq!(probe.probe().await.condition, Condition::Up);
    let Err(Error::Invalid(_)) = restore(&DatabaseSettings::new("postgres://h/db"), Path::new("x"))
    else {
        panic!("PostgreSQL has its own tools");
    };
}
