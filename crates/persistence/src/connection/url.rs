//! What `database.url` may say.

use std::path::{Path, PathBuf};

use alpine_domain::{Error, Result};

use crate::DatabaseSettings;

const FORMS: &str = "must be sqlite:PATH, sqlite://PATH, postgres://… or postgresql://…";

/// Where the data is kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A PostgreSQL URL as libpq reads it.
    Postgres(String),
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl Target {
    /// Reads the scheme, explicitly: a misspelt one never becomes a file.
    pub(crate) fn parse(settings: &DatabaseSettings) -> Result<Self> {
        let url = settings.url.as_str();
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(with_defaults(url, settings)));
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

    /// Makes the folder of a SQLite file, so that the file can be made.
    pub(crate) fn prepare(&self) -> Result<()> {
        let Self::Sqlite(path) = self else {
            return Ok(());
        };
        match path.parent().filter(|folder| *folder != Path::new("")) {
            Some(folder) => std::fs::create_dir_all(folder).map_err(|error| {
                let folder = folder.display();
                Error::invalid(
                    "database.url",
                    format!("its folder {folder} cannot be made: {error}"),
                )
            }),
            None => Ok(()),
        }
    }
}

/// The URL with every parameter that it does not set itself. Text, not a URL type: libpq's own form
/// allows several hosts, and `+` is no space in it.
fn with_defaults(url: &str, settings: &DatabaseSettings) -> String {
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
                "-c%20statement_timeout%3D{0}%20-c%20idle_in_transaction_session_timeout%3D{0}\
                 %20-c%20plan_cache_mode%3Dforce_custom_plan",
                settings.statement_timeout.as_millis()
            ),
        ),
    ];
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let is_set = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let mut full = url.to_owned();
    for (name, value) in defaults.iter().filter(|(name, _)| !is_set(name)) {
        let separator = match (full.contains('?'), full.ends_with(['?', '&'])) {
            (false, _) => "?",
            (true, true) => "",
            (true, false) => "&",
        };
        full.push_str(separator);
        full.push_str(name);
        full.push('=');
        full.push_str(value);
    }
    full
}

/// The URL with its passwords hidden, for logs and error messages.
pub(crate) fn redacted(url: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut shown = match (base.find("://"), base.rfind('@')) {
        (Some(scheme), Some(at)) => match base[scheme + 3..at].find(':') {
            Some(colon) => format!("{}:***{}", &base[..scheme + 3 + colon], &base[at..]),
            None => base.to_owned(),
        },
        _ => base.to_owned(),
    };
    for (index, pair) in query.split('&').filter(|p| !p.is_empty()).enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if name.contains("password") => {
                shown.push_str(name);
                shown.push_str("=***");
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            let error = parse(url).err().expect(url).to_string();
            assert!(error.contains("database.url"), "{url}: {error}");
        }
    }

    #[test]
    fn own_parameters_win() {
        let Ok(Target::Postgres(url)) =
            parse("postgres://u@h1:1,h2:2/db?connect_timeout=3&application_name=mine")
        else {
            panic!("not a PostgreSQL URL");
        };
        assert!(url.starts_with(
            "postgres://u@h1:1,h2:2/db?connect_timeout=3&application_name=mine&keepalives=1"
        ));
        assert_eq!(url.matches("connect_timeout").count(), 1);
        assert_eq!(url.matches("application_name").count(), 1);
        assert!(url.contains("tcp_user_timeout="));
    }

    #[test]
    fn passwords_are_hidden() {
        assert_eq!(
            redacted("postgres://me:s3:cr@et@db/x?sslpassword=abc&sslmode=require"),
            "postgres://me:***@db/x?sslpassword=***&sslmode=require"
        );
        let debug = format!("{:?}", DatabaseSettings::new("postgres://me:hunter2@db/x"));
        assert!(!debug.contains("hunter2"), "{debug}");
    }
}
