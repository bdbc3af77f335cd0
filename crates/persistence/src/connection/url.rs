//! What `database.url` may say.

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::{
    fs::{DirBuilder, OpenOptions, Permissions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use alpine_domain::{Error, Result};

use super::postgres_url::PostgresUrl;
use crate::DatabaseSettings;

const FORMS: &str = "must be sqlite:PATH, sqlite://PATH, postgres://… or postgresql://…";

/// Free bytes that a disk must have: one large transaction.
const LEAST_ROOM: u64 = 4 << 20;

/// Where the data is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A PostgreSQL server, or several of which one takes writes.
    Postgres(PostgresTarget),
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// The two URLs by which libpq finds a server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresTarget {
    /// Whichever host answers first.
    pub(super) any: String,
    /// The first host that takes writes; `None` when the configured URL sets
    /// `target_session_attrs` itself.
    pub(super) writable: Option<String>,
}

impl PostgresTarget {
    fn new(url: PostgresUrl) -> Self {
        const ATTRIBUTES: &str = "target_session_attrs";
        let any = url.to_libpq();
        let writable =
            (!url.has(ATTRIBUTES)).then(|| url.with_default(ATTRIBUTES, "read-write").to_libpq());
        Self { any, writable }
    }
}

impl Target {
    /// Reads the scheme, explicitly: a misspelt one never becomes a file.
    pub(crate) fn parse(settings: &DatabaseSettings) -> Result<Self> {
        let url = settings.url.as_str();
        if PostgresUrl::is_meant(url) {
            let url = with_defaults(PostgresUrl::parse(url)?, settings);
            return Ok(Self::Postgres(PostgresTarget::new(url)));
        }
        let Some(path) = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))
        else {
            return Err(Error::invalid("database.url", FORMS));
        };
        if path.contains(":memory:") || path.starts_with("file:") || path.contains('?') {
            return Err(Error::invalid(
                "database.url",
                "must name a plain SQLite file: every connection of the pool would open another \
                 :memory: database, and file: URIs and parameters are not supported",
            ));
        }
        if path.is_empty() {
            return Err(Error::invalid(
                "database.url",
                "names no file: write sqlite:data/alpine.db for example",
            ));
        }
        Ok(Self::Sqlite(path.into()))
    }

    /// The file of a database that lacks it: there is none yet.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it cannot be told: the file may be there, and only be kept from this user.
    pub(crate) fn missing_file(&self) -> Result<Option<&Path>> {
        let Self::Sqlite(path) = self else { return Ok(None) };
        match std::fs::metadata(path) {
            // What was made and never migrated is no database either.
            Ok(found) => Ok((found.len() == 0).then_some(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(path)),
            Err(error) => {
                let path = path.display();
                Err(Error::invalid("database.url", format!("{path} cannot be looked at: {error}")))
            }
        }
    }

    /// Whether the next write may find no room on the disk of a SQLite file.
    pub(crate) fn is_nearly_full(&self) -> bool {
        #[cfg(unix)]
        if let Self::Sqlite(path) = self
            && let Ok(disk) = rustix::fs::statvfs(path)
        {
            return disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_ROOM;
        }
        false
    }

    /// Makes a SQLite file and its folder, if they are missing. Nobody but this user may read the
    /// file, nor what SQLite puts beside it, which gets the rights of the file.
    pub(crate) fn prepare(&self) -> Result<()> {
        let Self::Sqlite(path) = self else {
            return Ok(());
        };
        self.prepare_folder()?;
        match create_private(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => make_private(path),
            result => result,
        }
        .map_err(|error| refused(path, &error))
    }

    /// Makes the folder of a SQLite file, if it is missing.
    pub(crate) fn prepare_folder(&self) -> Result<()> {
        let Self::Sqlite(path) = self else { return Ok(()) };
        match path.parent().filter(|folder| *folder != Path::new("")) {
            Some(folder) => create_folder(folder).map_err(|error| refused(folder, &error)),
            None => Ok(()),
        }
    }
}

fn refused(what: &Path, error: &io::Error) -> Error {
    let what = what.display();
    Error::invalid("database.url", format!("{what} cannot be made or kept private: {error}"))
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder)
}

/// Makes a new, empty file that only this user may read. Fails if anything has the name, a link that
/// leads nowhere too.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    options.open(path).map(|_| ())
}

/// Takes everybody else's rights from a database file and from what SQLite put beside it. Does nothing
/// to files of another user, who decides for himself.
fn make_private(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        #[cfg(unix)]
        match std::fs::metadata(&name) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o077 != 0 => {
                match std::fs::set_permissions(&name, Permissions::from_mode(0o600)) {
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                        tracing::warn!(file = %name.display(), "others may read the database");
                    }
                    result => result?,
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The URL with every parameter that it does not set itself.
fn with_defaults(url: PostgresUrl, settings: &DatabaseSettings) -> PostgresUrl {
    // A peer that vanished without a word is noticed within seconds, while idle and while waiting.
    let defaults = [
        ("application_name", "alpine".to_owned()),
        ("connect_timeout", settings.connect_timeout.as_secs().max(1).to_string()),
        ("keepalives", "1".to_owned()),
        ("keepalives_idle", "5".to_owned()),
        ("keepalives_interval", "2".to_owned()),
        ("keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", settings.network_timeout.as_millis().to_string()),
        // Planned anew each time: a generic plan cannot know that `recorded_at > now` finds nothing.
        (
            "options",
            format!(
                "-c statement_timeout={0} -c idle_in_transaction_session_timeout={0} \
                 -c plan_cache_mode=force_custom_plan",
                settings.statement_timeout.as_millis()
            ),
        ),
    ];
    defaults.iter().fold(url, |url, (name, value)| url.with_default(name, value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::postgres_url::shown_url, *};

    fn parse(url: &str) -> Result<Target> {
        Target::parse(&DatabaseSettings::new(url))
    }

    #[test]
    fn schemes_are_matched_explicitly() {
        for (url, path) in [
            ("sqlite:data/a.db", "data/a.db"),
            ("sqlite://data/a.db", "data/a.db"),
            ("sqlite:///var/lib/a.db", "/var/lib/a.db"),
        ] {
            assert!(parse(url).unwrap() == Target::Sqlite(path.into()), "{url}");
        }
        for url in [
            "",
            "alpine.db",
            "mysql://h/db",
            "host=localhost user=me",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite:file:a.db",
            "sqlite:a.db?mode=ro",
            "postgre://h/db",
            "mysql+asyncpg://h/db",
        ] {
            let error = parse(url).err().expect(url).to_string();
            assert!(error.contains("database.url"), "{url}: {error}");
        }
    }

    #[test]
    fn settings_become_parameters_and_the_writable_host_is_asked_for() {
        let url = "postgres://u:a?b@h1:1,h2:2/db?connect_timeout=3&application_name=mine";
        let Ok(Target::Postgres(target)) = parse(url) else {
            panic!("not a PostgreSQL URL");
        };
        let begin = "postgresql://u:a%3Fb@h1:1,h2:2/db?connect_timeout=3&application_name=mine&keepalives=1";
        assert!(target.any.starts_with(begin), "{}", target.any);
        assert_eq!(target.any.matches("connect_timeout").count(), 1);
        let own = DatabaseSettings {
            connect_timeout: Duration::from_secs(7),
            network_timeout: Duration::from_millis(1_500),
            ..DatabaseSettings::new("postgres://h/db")
        };
        let Ok(Target::Postgres(changed)) = Target::parse(&own) else {
            panic!("not a PostgreSQL URL");
        };
        for parameter in ["connect_timeout=7&", "tcp_user_timeout=1500&"] {
            assert!(changed.any.contains(parameter), "{parameter} in {}", changed.any);
            assert!(!target.any.contains(parameter), "{parameter} in {}", target.any);
        }
        assert!(target.any.contains("&options=-c%20statement_timeout%3D30000%20-c%20idle"));
        let writable = format!("{}&target_session_attrs=read-write", target.any);
        assert_eq!(target.writable, Some(writable));

        let Ok(Target::Postgres(own)) = parse("postgres://h/db?target_session_attrs=any") else {
            panic!("not a PostgreSQL URL");
        };
        assert_eq!(own.writable, None, "what the URL says stands");
    }

    #[test]
    fn urls_of_python_name_a_driver_that_says_nothing_here() {
        let plain = parse("postgresql://u:p@h/db").unwrap();
        for driver in ["asyncpg", "psycopg2", "psycopg"] {
            assert!(
                parse(&format!("postgresql+{driver}://u:p@h/db")).unwrap() == plain,
                "{driver}"
            );
        }
    }

    #[test]
    fn a_server_beyond_this_machine_should_demand_tls() {
        for (url, is_exposed) in [
            ("postgres://u@localhost/db", false),
            ("postgres://u@127.0.0.1,[::1]/db", false),
            ("postgres:///db", false),
            ("postgres://%2Frun%2Fpostgresql/db", false),
            ("sqlite:a.db", false),
            ("postgres://u@db.example.com/db", true),
            ("postgres://u@localhost,db.example.com/db", true),
            ("postgres://u@db.example.com/db?sslmode=prefer", true),
            ("postgres://u@db.example.com/db?sslmode=require", false),
            ("postgres://u@db.example.com/db?sslmode=verify-full", false),
        ] {
            assert_eq!(super::super::is_exposed(url), is_exposed, "{url}");
        }
    }

    #[test]
    fn passwords_are_hidden() {
        assert_eq!(shown_url("postgres://me:s3cr?et@db/x"), "postgres://me:***@db/x");
        for unreadable in ["a@://", "postgres://me:12/3@db/x", "mysql://me:hunter2@db", ""] {
            assert_eq!(shown_url(unreadable), "(hidden)");
        }
        assert_eq!(shown_url("sqlite:data/a.db"), "sqlite:data/a.db");
        let debug = format!("{:?}", DatabaseSettings::new("postgres://me:hunter2@db/x"));
        assert!(debug.contains("postgres://me:***@db/x") && !debug.contains("hunter2"), "{debug}");
    }
}
