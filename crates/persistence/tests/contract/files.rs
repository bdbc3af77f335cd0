//! The files of a SQLite database belong to the user who runs Alpine, and to nobody else.

#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
};

use alpine_domain::Error;
use alpine_persistence::{DatabaseSettings, Migrator, backup};

use crate::support::DatabaseBed;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_database_and_what_sqlite_puts_beside_it_are_private() {
    let bed = DatabaseBed::sqlite();
    bed.user("ada@example.com").await;
    let file = bed.settings.url.strip_prefix("sqlite:").unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{file}{suffix}");
        assert_eq!(mode(path.as_ref()), 0o600, "{path}");
    }
    assert_eq!(mode(Path::new(file).parent().unwrap()), 0o700);
}

#[test]
fn a_database_that_others_may_read_becomes_private() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("alpine.db");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let settings = DatabaseSettings::new(format!("sqlite:{}", file.display()));
    Migrator::connect(&settings).unwrap().run().unwrap();
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(folder.path()), 0o755, "the folder is the operator's");
}

#[test]
fn a_copy_is_private_and_never_follows_a_link() {
    let bed = DatabaseBed::sqlite();
    let folder = tempfile::tempdir().unwrap();
    let (copy, elsewhere) = (folder.path().join("copy.db"), folder.path().join("elsewhere"));
    symlink(&elsewhere, &copy).unwrap();
    for target in [None, Some("what stands there")] {
        if let Some(text) = target {
            fs::write(&elsewhere, text).unwrap();
        }
        let Err(Error::Invalid(refused)) = backup(&bed.settings, &copy) else {
            panic!("followed a link");
        };
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].field, "destination");
        assert_eq!(refused[0].message, "exists already; name a new file");
        assert_eq!(fs::read_to_string(&elsewhere).ok().as_deref(), target);
    }
    fs::remove_file(&copy).unwrap();
    backup(&bed.settings, &copy).unwrap();
    assert_eq!(mode(&copy), 0o600);
}
