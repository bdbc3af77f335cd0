//! What can go wrong inside a unit of work, and what the domain is told of it.

use alpine_domain::{Error, error::ConflictKind};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// Why a unit of work failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The database said no, or nothing at all.
    #[error(transparent)]
    Database(#[from] DieselError),
    /// A rule of the domain was broken; the transaction is rolled back all the same.
    #[error(transparent)]
    Domain(#[from] Error),
}

/// The words by which an error is known whose SQLSTATE Diesel does not pass on: the back ends' English
/// texts. A server that speaks another language gets `Internal` where `Unavailable` would be kinder;
/// nothing else depends on words: a lost connection and a server that takes no writes are known by
/// their kind. `lc_messages = 'C'` for the service's role makes PostgreSQL speak English.
const DEADLOCK: &[&str] = &["deadlock detected", "could not serialize access"];
const CLOSED: &[&str] = &[
    "terminating connection",
    "server closed the connection",
    "connection not open",
    "no connection to the server",
    "SSL connection has been closed",
];
/// A write found no room, or a disk that does not take it.
const NO_ROOM: &[&str] = &["disk is full", "disk I/O error", "No space left on device"];
const AWAY: &[&str] = &[
    "database is locked",
    "table is locked",
    "unable to open database",
    "statement timeout",
    "lock timeout",
    "too many clients",
    "remaining connection slots",
    "the database system is",
];

fn says(error: &DieselError, words: &[&str]) -> bool {
    match error {
        DieselError::DatabaseError(_, information) => {
            words.iter().any(|word| information.message().contains(word))
        }
        _ => false,
    }
}

/// The connection is gone and must not be used again.
pub(crate) fn is_closed(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand,
            _
        ) | DieselError::BrokenTransactionManager
    ) || says(error, CLOSED)
}

/// The whole transaction was undone by the database and may succeed when it is run again.
pub(crate) fn is_transient(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _))
        || says(error, DEADLOCK)
}

/// The server takes no writes (SQLSTATE 25006): it is a standby, or set to read-only. A file of SQLite
/// is in that state when it was opened without the right to write.
pub(crate) fn is_read_only(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _))
        || says(error, &["readonly database"])
}

/// The failure of a write on a connection that is known to take none.
pub(crate) fn refuses_writes() -> Failure {
    let text: Box<dyn DatabaseErrorInformation + Send + Sync> =
        Box::new("the server is a standby or set to read-only".to_owned());
    DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, text).into()
}

/// The disk of the database has no room, or does not take what is written.
pub(crate) fn has_no_room(error: &DieselError) -> bool {
    says(error, NO_ROOM)
}

fn is_away(error: &DieselError) -> bool {
    is_closed(error) || is_transient(error) || has_no_room(error) || says(error, AWAY)
}

/// The database refused what it was given: no other connection, and no repetition, would change that.
fn is_refusal(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(..) | DieselError::SerializationError(_))
        && !is_away(error)
}

impl Failure {
    /// Whether the database refused the data, as opposed to being away or busy.
    pub(crate) fn is_refusal(&self) -> bool {
        self.database().is_some_and(is_refusal)
    }

    pub(crate) fn database(&self) -> Option<&DieselError> {
        match self {
            Self::Database(error) => Some(error),
            Self::Domain(_) => None,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Domain(error) => error,
            Failure::Database(error) if is_read_only(&error) => {
                Self::unavailable("writing to the database", error)
            }
            Failure::Database(error) if is_away(&error) => Self::unavailable("the database", error),
            Failure::Database(error) if says(&error, &["permission denied"]) => {
                Self::internal(format!(
                    "{error}: the role in database.url lacks a right; run `alpine migrate grant ROLE` as the \
                     owner of the tables, after each migration"
                ))
            }
            Failure::Database(error) => Self::internal(error),
        }
    }
}

/// Turns a violated uniqueness into the conflict that it means.
pub(crate) fn unique_as<T>(
    result: diesel::QueryResult<T>,
    kind: ConflictKind,
    detail: &str,
) -> Result<T, Failure> {
    result.map_err(|error| match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
            Error::conflict(kind, detail).into()
        }
        other => other.into(),
    })
}
