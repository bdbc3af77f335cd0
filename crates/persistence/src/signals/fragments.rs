//! Pieces of SQL that Diesel has no words for, said once for both back ends.

use alpine_domain::signal::Record;
use diesel::{
    QueryResult,
    backend::Backend,
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping},
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Bool},
};

use crate::{AnyConnection, connection::ASK_AWAITED};

/// `(signals.created_at, signals.id) < (…, …)`: a row comparison starts reading the index at the
/// cursor, where its spelling with OR would read every row of the same instant.
#[derive(Debug, Clone, Copy, QueryId, ValidGrouping)]
pub(super) struct Before {
    pub(super) created_at: i64,
    pub(super) id: i64,
}

impl Expression for Before {
    type SqlType = Bool;
}

impl<Source> AppearsOnTable<Source> for Before {}
impl<Source> SelectableExpression<Source> for Before {}

impl<DB: Backend> QueryFragment<DB> for Before
where
    i64: ToSql<BigInt, DB>,
    DB: diesel::sql_types::HasSqlType<BigInt>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("(signals.created_at, signals.id) < (");
        pass.push_bind_param::<BigInt, _>(&self.created_at)?;
        pass.push_sql(", ");
        pass.push_bind_param::<BigInt, _>(&self.id)?;
        pass.push_sql(")");
        Ok(())
    }
}

/// `(results.recorded_at, results.signal_id) < (…, …)`, of this table of results: as [`Before`] for its index.
#[derive(Debug, Clone, Copy, ValidGrouping)]
pub(super) struct RecordedBefore {
    pub(super) results: &'static str,
    pub(super) recorded_at: i64,
    pub(super) row: i64,
}

impl QueryId for RecordedBefore {
    type QueryId = ();
    // Its text depends on the table.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Expression for RecordedBefore {
    type SqlType = Bool;
}

impl<Source> AppearsOnTable<Source> for RecordedBefore {}
impl<Source> SelectableExpression<Source> for RecordedBefore {}

impl<DB: Backend> QueryFragment<DB> for RecordedBefore
where
    i64: ToSql<BigInt, DB>,
    DB: diesel::sql_types::HasSqlType<BigInt>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for (open, column) in [("(", "recorded_at"), (", ", "signal_id")] {
            pass.push_sql(open);
            pass.push_identifier(self.results)?;
            pass.push_sql(".");
            pass.push_identifier(column)?;
        }
        pass.push_sql(") < (");
        pass.push_bind_param::<BigInt, _>(&self.recorded_at)?;
        pass.push_sql(", ");
        pass.push_bind_param::<BigInt, _>(&self.row)?;
        pass.push_sql(")");
        Ok(())
    }
}

/// True for each row, until nobody waits for the statement any more: then SQLite ends it. The first
/// condition of a statement that may read much, so that it is asked of each row that is looked at.
/// PostgreSQL cancels statements by itself, see [`cancel`](crate::cancel).
#[derive(Debug, Clone, Copy, ValidGrouping)]
pub(crate) struct Awaited {
    is_asked: bool,
}

impl Awaited {
    /// The condition for a statement on `conn`.
    pub(crate) const fn on(conn: &AnyConnection) -> Self {
        Self { is_asked: matches!(conn, AnyConnection::Sqlite(_)) }
    }
}

impl QueryId for Awaited {
    type QueryId = ();
    // Its text depends on the back end.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Expression for Awaited {
    type SqlType = Bool;
}

impl<Source> AppearsOnTable<Source> for Awaited {}
impl<Source> SelectableExpression<Source> for Awaited {}

impl<DB: Backend> QueryFragment<DB> for Awaited {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql(if self.is_asked { ASK_AWAITED } else { "TRUE" });
        Ok(())
    }
}

/// A signal's origin; releases that kept none left NULL, and 24 hours tell then (`Origin::EARLIER_LIVE_WITHIN`). The
/// halves are compared because no difference of two halves leaves 64 bits, whatever a row holds. The
/// indexes `idx_signal_current`, `idx_signal_current_symbol` and `idx_signal_origin` are made with the same words, or they
/// are not used.
macro_rules! origin {
    () => {
        "COALESCE(signals.origin, CASE WHEN signals.is_simulated THEN 'simulated' \
         WHEN signals.created_at / 2 - signals.signalled_at / 2 > 43200000000 THEN 'backfilled' ELSE 'live' END)"
    };
}

/// A condition on a signal that has no values to bind. Unlike Diesel's own `sql` it leaves the
/// statement prepared: a server plans it once for each connection.
#[derive(Debug, Clone, Copy, ValidGrouping)]
pub(crate) struct Condition(&'static str);

impl Condition {
    /// True for signals that did not arrive as history.
    pub(super) const NO_HISTORY: Self = Self(concat!(origin!(), " <> 'backfilled'"));

    /// True for signals whose origin is in this part of the record; `None` where each is.
    pub(super) const fn signal_in(record: Record) -> Option<Self> {
        match record {
            Record::All => None,
            Record::Live => Some(Self(concat!(origin!(), " = 'live'"))),
            Record::Backfilled => Some(Self(concat!(origin!(), " = 'backfilled'"))),
            Record::Simulated => Some(Self(concat!(origin!(), " = 'simulated'"))),
        }
    }

    /// True for outcomes, joined with their signals, that belong to this part of the record; `None` where each does.
    pub(super) const fn outcome_in(record: Record) -> Option<Self> {
        const LIVE: &str =
            concat!("(", origin!(), " = 'live' AND outcomes.closed_at >= signals.created_at)");
        const BACKFILLED: &str = concat!(
            "(",
            origin!(),
            " = 'backfilled' OR (",
            origin!(),
            " = 'live' AND outcomes.closed_at < signals.created_at))"
        );
        match record {
            Record::All => None,
            Record::Live => Some(Self(LIVE)),
            Record::Backfilled => Some(Self(BACKFILLED)),
            Record::Simulated => Self::signal_in(record),
        }
    }
}

impl QueryId for Condition {
    type QueryId = ();
    // Its text is one of several.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Expression for Condition {
    type SqlType = Bool;
}

impl<Source> AppearsOnTable<Source> for Condition {}
impl<Source> SelectableExpression<Source> for Condition {}

impl<DB: Backend> QueryFragment<DB> for Condition {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql(self.0);
        Ok(())
    }
}

/// `SELECT COUNT(*) FROM (…)`: with a limit inside, a count that stops there.
#[derive(Debug, Clone, Copy, QueryId)]
pub(super) struct CountOf<Q>(pub(super) Q);

impl<Q> Query for CountOf<Q> {
    type SqlType = BigInt;
}

impl<Q, Conn> diesel::RunQueryDsl<Conn> for CountOf<Q> {}

impl<Q, DB> QueryFragment<DB> for CountOf<Q>
where
    DB: Backend,
    Q: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql("SELECT COUNT(*) FROM (");
        self.0.walk_ast(pass.reborrow())?;
        pass.push_sql(") AS capped");
        Ok(())
    }
}
