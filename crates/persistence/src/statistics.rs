//! Statistics over closed signals.

use alpine_domain::{
    Result, Timestamp,
    signal::{PnlPercent, Released},
    statistics::{
        Aggregates, ClosedPoint, PerformanceFilter, RowNumber, StatisticsStore, SymbolCounts,
    },
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _,
    dsl::{InnerJoin, IntoBoxed, count, sql},
    sql_types::BigInt,
};

use crate::{
    AnyConnection, Failure, Signals,
    connection::MultiBackend,
    rows::stored,
    schema::{outcomes, signals},
    signals::fragments::Awaited,
    unreadable::UnreadableRows,
};

#[async_trait]
impl StatisticsStore for Signals {
    async fn aggregates(&self, filter: &PerformanceFilter) -> Result<Aggregates> {
        let filter = filter.clone();
        self.database()
            .read_costly("statistics_aggregates", move |conn| aggregates(conn, &filter))
            .await
    }

    async fn closed_points(
        &self,
        filter: &PerformanceFilter,
        after: Option<(Timestamp, RowNumber)>,
        limit: u32,
    ) -> Result<Vec<ClosedPoint>> {
        let filter = filter.clone();
        self.database()
            .read_costly("statistics_closed_points", move |conn| {
                closed_points(conn, &filter, after, limit)
            })
            .await
    }

    async fn symbols(&self, released: Released, limit: u32) -> Result<Vec<SymbolCounts>> {
        let unreadable = self.database().unreadable();
        self.database()
            .read_costly("statistics_symbols", move |conn| {
                symbols(conn, released, limit, &unreadable)
            })
            .await
    }

    async fn next_outcome_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
    ) -> Result<Option<Timestamp>> {
        self.database()
            .read("statistics_next_outcome", move |conn| {
                next_outcome_after(conn, after, min_confidence)
            })
            .await
    }
}

type Closed<'a> = IntoBoxed<'a, InnerJoin<outcomes::table, signals::table>, MultiBackend>;

/// Adds what the reader may know of to a query over outcomes and their signals.
macro_rules! released {
    ($rows:expr, $released:expr, $awaited:expr) => {{
        let released: Released = $released;
        let others = released.others_as_of.micros();
        // No confidence reaches infinity, so that without a bound every signal is in range.
        let in_range = signals::confidence.lt(released.below.unwrap_or(f64::INFINITY));
        $rows
            .filter($awaited)
            .filter(outcomes::recorded_at.le(released.as_of.micros()))
            .filter(signals::created_at.le(released.as_of.micros()))
            .filter(
                in_range.or(outcomes::recorded_at.le(others).and(signals::created_at.le(others))),
            )
    }};
}

fn closed(filter: &PerformanceFilter, awaited: Awaited) -> Closed<'_> {
    // Every field is named, so that a condition without its statement does not compile.
    let PerformanceFilter { released, symbol, strategy, since } = filter;
    let all = outcomes::table.inner_join(signals::table).into_boxed();
    let mut rows = released!(all, *released, awaited)
        .filter(outcomes::pnl_steps.is_not_null())
        // An end that no calendar of ours can tell is in no figure; lists count and log it.
        .filter(outcomes::closed_at.between(Timestamp::MIN.micros(), Timestamp::MAX.micros()));
    if let Some(symbol) = symbol {
        rows = rows.filter(signals::symbol.eq(symbol.as_str()));
    }
    if let Some(strategy) = strategy {
        rows = rows.filter(signals::strategy.eq(strategy.as_str()));
    }
    if let Some(since) = since {
        rows = rows.filter(signals::created_at.ge(since.micros()));
    }
    rows
}

/// A sum over the rows on one side of zero. Whole percents and the rest are added up apart: neither
/// sum leaves 64 bits before there are some hundred million rows, and SQLite's SUM would fail if it
/// did, not round.
macro_rules! sum_where {
    ($condition:literal, $part:literal) => {
        sql::<BigInt>(concat!(
            "CAST(COALESCE(SUM(CASE WHEN pnl_steps ",
            $condition,
            " 0 THEN pnl_steps ",
            $part,
            " ELSE 0 END), 0) AS BIGINT)"
        ))
    };
}

/// Rows, wins and simulated rows; sums of wins and of losses; the largest and the smallest.
type Sums = (i64, i64, i64, (i64, i64), (i64, i64), (Option<i64>, Option<i64>));

fn joined(percents: i64, rest: i64) -> i128 {
    i128::from(percents) * i128::from(PnlPercent::SCALE) + i128::from(rest)
}

fn aggregates(conn: &mut AnyConnection, filter: &PerformanceFilter) -> Result<Aggregates, Failure> {
    let row: Sums = closed(filter, Awaited::on(conn))
        .select((
            diesel::dsl::count_star(),
            sql::<BigInt>("CAST(COALESCE(SUM(CASE WHEN pnl_steps > 0 THEN 1 ELSE 0 END), 0) AS BIGINT)"),
            sql::<BigInt>("CAST(COALESCE(SUM(CASE WHEN signals.is_simulated THEN 1 ELSE 0 END), 0) AS BIGINT)"),
            (
                sum_where!(">", "/ 100000000"),
                sum_where!(">", "% 100000000"),
            ),
            (
                sum_where!("<=", "/ 100000000"),
                sum_where!("<=", "% 100000000"),
            ),
            (
                diesel::dsl::max(outcomes::pnl_steps),
                diesel::dsl::min(outcomes::pnl_steps),
            ),
        ))
        .first(conn)?;
    let (trades, wins, simulated, won, lost, (largest, smallest)) = row;
    Ok(Aggregates {
        trades: u64::try_from(trades).unwrap_or(0),
        wins: u64::try_from(wins).unwrap_or(0),
        simulated: u64::try_from(simulated).unwrap_or(0),
        sum_of_wins: joined(won.0, won.1),
        sum_of_losses: joined(lost.0, lost.1),
        largest: largest.map(PnlPercent::from_steps),
        smallest: smallest.map(PnlPercent::from_steps),
    })
}

fn closed_points(
    conn: &mut AnyConnection,
    filter: &PerformanceFilter,
    after: Option<(Timestamp, RowNumber)>,
    limit: u32,
) -> Result<Vec<ClosedPoint>, Failure> {
    let mut rows = closed(filter, Awaited::on(conn));
    if let Some((closed_at, row)) = after {
        let (closed_at, row) = (closed_at.micros(), row.0);
        // The first condition bounds the index, the second breaks ties.
        rows = rows
            .filter(outcomes::closed_at.ge(closed_at))
            .filter(outcomes::closed_at.gt(closed_at).or(outcomes::signal_id.gt(row)));
    }
    let rows: Vec<(i64, i64, Option<i64>)> = rows
        .order((outcomes::closed_at.asc(), outcomes::signal_id.asc()))
        .limit(limit.into())
        .select((outcomes::signal_id, outcomes::closed_at, outcomes::pnl_steps))
        .load(conn)?;
    let points = rows.into_iter().filter_map(|(row, closed_at, steps)| {
        Some(ClosedPoint {
            row: RowNumber(row),
            closed_at: Timestamp::from_micros(closed_at),
            pnl: PnlPercent::from_steps(steps?),
        })
    });
    Ok(points.collect())
}

fn symbols(
    conn: &mut AnyConnection,
    known: Released,
    limit: u32,
    unreadable: &UnreadableRows,
) -> Result<Vec<SymbolCounts>, Failure> {
    let rows: Vec<(String, i64, i64)> =
        released!(outcomes::table.inner_join(signals::table), known, Awaited::on(conn))
            .group_by(signals::symbol)
            .order(signals::symbol.asc())
            .limit(limit.into())
            .select((
                signals::symbol,
                count(outcomes::pnl_steps),
                sql::<BigInt>(
                    "COUNT(CASE WHEN signals.is_simulated THEN outcomes.pnl_steps ELSE NULL END)",
                ),
            ))
            .load(conn)?;
    let counts = rows.into_iter().filter_map(|(text, closed, simulated)| {
        let symbol = stored("signals.symbol", &text);
        Some(SymbolCounts {
            symbol: unreadable.leave_out("signals", text, symbol)?,
            closed_signals: u64::try_from(closed).unwrap_or(0),
            simulated_signals: u64::try_from(simulated).unwrap_or(0),
        })
    });
    Ok(counts.collect())
}

/// The index on `recorded_at` starts at `after`, so only what is not yet released is read.
fn next_outcome_after(
    conn: &mut AnyConnection,
    after: Timestamp,
    min_confidence: Option<f64>,
) -> Result<Option<Timestamp>, Failure> {
    let rows = outcomes::table.filter(outcomes::recorded_at.gt(after.micros()));
    let rows = rows.order(outcomes::recorded_at.asc()).select(outcomes::recorded_at);
    let next: Option<i64> = match min_confidence {
        Some(least) => {
            let rows = rows.inner_join(signals::table).filter(signals::confidence.ge(least));
            rows.first(conn).optional()?
        }
        None => rows.first(conn).optional()?,
    };
    Ok(next.map(Timestamp::from_micros))
}
