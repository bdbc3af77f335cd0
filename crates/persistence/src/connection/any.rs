//! One connection type for both back ends; the derive writes the rest.

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, SqliteConnection,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager},
    sql_types::Text,
};

/// A connection to either back end. Queries are written once, against this.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// PostgreSQL, for several instances.
    Postgres(PgConnection),
    /// SQLite, embedded in one instance.
    Sqlite(SqliteConnection),
}

impl AnyConnection {
    /// Starts a transaction that writes. SQLite takes its write lock at once: upgrading a read
    /// transaction later fails without waiting when another writer came first.
    pub(crate) fn begin_write(&mut self) -> QueryResult<()> {
        match self {
            Self::Postgres(conn) => AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN"),
            Self::Sqlite(conn) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")
            }
        }
    }

    pub(crate) fn commit(&mut self) -> QueryResult<()> {
        match self {
            Self::Postgres(conn) => AnsiTransactionManager::commit_transaction(conn),
            Self::Sqlite(conn) => AnsiTransactionManager::commit_transaction(conn),
        }
    }

    pub(crate) fn roll_back(&mut self) -> QueryResult<()> {
        match self {
            Self::Postgres(conn) => AnsiTransactionManager::rollback_transaction(conn),
            Self::Sqlite(conn) => AnsiTransactionManager::rollback_transaction(conn),
        }
    }

    /// Whether this connection answers, and then whether it takes writes. SQLite has to try, which
    /// takes its write lock; it is asked to only if a write `was_refused`.
    pub(crate) fn accepts_writes(&mut self, was_refused: bool) -> QueryResult<bool> {
        match self {
            Self::Postgres(conn) => {
                let setting: Setting =
                    diesel::sql_query("SHOW transaction_read_only").get_result(conn)?;
                Ok(setting.transaction_read_only == "off")
            }
            Self::Sqlite(_) if was_refused => {
                self.begin_write()?;
                self.roll_back()?;
                Ok(true)
            }
            Self::Sqlite(conn) => conn.batch_execute("SELECT 1").map(|()| true),
        }
    }
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    transaction_read_only: String,
}
