//! Going back to a copy, where a journal was left behind, another program looks on, or the file is none of Alpine's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alpine_persistence::{DatabaseSettings, Migrator, backup, missing_file, restore};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};

use crate::support::{DatabaseBed, signal};

fn settings(file: &Path) -> DatabaseSettings {
    DatabaseSettings::new(format!("sqlite:{}", file.display()))
}

fn signals(file: &Path) -> i64 {
    Migrator::connect(&settings(file)).unwrap().count_rows().unwrap()["signals"]
}

fn told(result: alpine_domain::Result<impl std::fmt::Debug>) -> String {
    result.expect_err("it is refused").to_string()
}

fn with(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

/// A database with three signals, a copy of that, and then a fourth one that the journal alone has.
async fn bed_and_copy(folder: &Path) -> (DatabaseBed, PathBuf) {
    let bed = DatabaseBed::sqlite();
    let argo = bed.producer().await;
    bed.store((0..3).map(|number| signal(&argo, &format!("S{number}"), 0)).collect()).await;
    let copy = folder.join("copy.db");
    backup(&bed.settings, &copy).unwrap();
    bed.store(vec![signal(&argo, "later", 1)]).await;
    (bed, copy)
}

fn place_of(bed: &DatabaseBed) -> PathBuf {
    bed.settings.url.strip_prefix("sqlite:").unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_without_a_database_is_not_replayed_over_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (bed, copy) = bed_and_copy(folder.path()).await;
    let journal = fs::read(with(&place_of(&bed), "-wal")).unwrap();
    for (name, is_empty) in [("gone.db", false), ("empty.db", true)] {
        let place = folder.path().join(name);
        fs::write(with(&place, "-wal"), &journal).unwrap();
        if is_empty {
            fs::write(&place, "").unwrap();
        }
        let (restored, aside) = restore(&settings(&place), &copy).unwrap();
        assert_eq!((restored.signals, signals(&place)), (3, 3), "{name}");
        assert!(aside.unwrap().exists(), "{name}");
        let kept = fs::read(with(&place, ".before-restore-1-wal")).unwrap();
        assert!(kept == journal, "{name}: the journal is kept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_what_was_restored() {
    let folder = tempfile::tempdir().unwrap();
    let (bed, _) = bed_and_copy(folder.path()).await;
    // A file that a server still has open: its journal has signals that it lacks.
    let (file, place) = (place_of(&bed), folder.path().join("new").join("alpine.db"));
    assert!(fs::metadata(with(&file, "-wal")).unwrap().len() > 0);
    let (restored, aside) = restore(&settings(&place), &file).unwrap();
    assert_eq!((restored.signals, aside), (4, None));
    assert_eq!(restored.size, fs::metadata(&place).unwrap().len());
    assert_eq!(signals(&place), 4);
    // What an earlier attempt left behind may be all that there is.
    let left = with(&place, ".restoring");
    fs::copy(&place, &left).unwrap();
    assert!(told(restore(&settings(&place), &left)).contains("give it another"));
    fs::rename(&left, folder.path().join("left.db")).unwrap();
    let beside = fs::read_dir(place.parent().unwrap()).unwrap().count();
    assert!(beside <= 4, "nothing half made stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_program_has_open_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (bed, copy) = bed_and_copy(folder.path()).await;
    drop(bed);
    let place = folder.path().join("alpine.db");
    fs::copy(&copy, &place).unwrap();
    Migrator::connect(&settings(&place)).unwrap().run().unwrap();
    // A server of another release: it takes no lock of ours, and does nothing just now.
    let mut other = SqliteConnection::establish(place.to_str().unwrap()).unwrap();
    other.batch_execute("SELECT COUNT(*) FROM signals").unwrap();
    for work in ["SELECT 1", "BEGIN IMMEDIATE"] {
        other.batch_execute(work).unwrap();
        let text = told(restore(&settings(&place), &copy));
        assert!(text.contains("another program has it open"), "{work}: {text}");
        assert!(!with(&place, ".before-restore-1").exists(), "{work}");
        assert!(!with(&place, ".restoring").exists(), "{work}");
    }
    drop(other);
    let (restored, aside) = restore(&settings(&place), &copy).unwrap();
    assert_eq!((restored.signals, signals(&aside.unwrap())), (3, 3));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_restored_has_the_owner_of_what_was_there() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
    let folder = tempfile::tempdir().unwrap();
    let (bed, copy) = bed_and_copy(folder.path()).await;
    drop(bed);
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let place = data.join("alpine.db");
    fs::copy(&copy, &place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o640)).unwrap();
    // As with sudo; who is not root cannot give files away, and has nothing to give back.
    for file in [&data, &place] {
        let _ = chown(file, Some(4711), Some(4712));
    }
    let look = |file: &Path| {
        let found = fs::metadata(file).unwrap();
        (found.uid(), found.gid(), found.mode() & 0o777)
    };
    let (owner, group, mode) = look(&place);
    restore(&settings(&place), &copy).unwrap();
    assert_eq!(look(&place), (owner, group, mode));
    assert_eq!(look(&with(&place, "-serving")), (owner, group, mode));
    // Where there was none, those of the folder.
    let new = data.join("new.db");
    restore(&settings(&new), &copy).unwrap();
    assert_eq!(look(&new), (owner, group, 0o600));
    assert_eq!(look(&with(&new, "-serving")).0, owner);
}

#[test]
fn a_table_of_the_same_name_makes_no_database_of_alpine() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.db");
    let place = folder.path().join("alpine.db");
    let mut conn = SqliteConnection::establish(foreign.to_str().unwrap()).unwrap();
    for sql in [
        "CREATE TABLE signals (id INTEGER)",
        "CREATE TABLE __diesel_schema_migrations (version TEXT PRIMARY KEY, run_on TEXT)",
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('20240101000000')",
    ] {
        conn.batch_execute(sql).unwrap();
        let text = told(restore(&settings(&place), &foreign));
        assert!(text.contains("holds no database of Alpine"), "{sql}: {text}");
        assert!(!place.exists(), "{sql}");
    }
}

#[test]
fn only_what_is_not_there_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alpine.db");
    assert_eq!(missing_file(&settings(&file)).unwrap(), Some(file.clone()));
    fs::write(&file, "").unwrap();
    assert_eq!(missing_file(&settings(&file)).unwrap(), Some(file.clone()));
    fs::write(&file, "SQLite format 3").unwrap();
    assert_eq!(missing_file(&settings(&file)).unwrap(), None);
    // It cannot be looked at: that is no proof that there is none.
    let below = file.join("alpine.db");
    let text = told(missing_file(&settings(&below)));
    assert!(text.contains("database.url") && text.contains("Not a directory"), "{text}");
}

/// What a read says of the disk is no proof that writes find no room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_writes_tell_that_a_disk_has_no_room() {
    use alpine_domain::ports::health::{Condition, Probe as _};
    use alpine_persistence::{DatabaseProbe, Failure};
    use diesel::result::{DatabaseErrorKind, Error as DieselError};
    fn failing<T>() -> Result<T, Failure> {
        let text = Box::new("disk I/O error".to_owned());
        Err(DieselError::DatabaseError(DatabaseErrorKind::Unknown, text).into())
    }
    let bed = DatabaseBed::sqlite();
    let probe = DatabaseProbe::new(bed.database.clone());
    bed.database.read("test", |_| failing::<()>()).await.unwrap_err();
    assert_eq!(probe.probe().await.condition, Condition::Up);
    bed.database.write("test", |_| failing::<()>()).await.unwrap_err();
    assert_eq!(probe.probe().await.condition, Condition::Down);
}

/// An instance that starts while another one makes the first tables waits for it, and does not take them for another
/// program's.
#[test]
fn whose_tables_are_there_is_asked_once_nobody_else_migrates() {
    let Some((settings, _place)) = crate::support::empty_postgres() else { return };
    let mut other = diesel::PgConnection::establish(&settings.url).unwrap();
    other
        .batch_execute("SELECT pg_advisory_lock(x'616c7069'::bigint << 32 | x'6e650002'::bigint)")
        .unwrap();
    other.batch_execute("CREATE TABLE signals (id INTEGER)").unwrap();
    let waiting = std::thread::spawn(move || Migrator::connect(&settings)?.run());
    std::thread::sleep(std::time::Duration::from_secs(1));
    other.batch_execute("DROP TABLE signals; SELECT pg_advisory_unlock_all()").unwrap();
    let applied = waiting.join().unwrap().unwrap();
    assert!(!applied.is_empty());
}
