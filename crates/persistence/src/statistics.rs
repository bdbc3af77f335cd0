//! Statistics over closed signals.

use alpine_domain::{
    Result, Timestamp,
    signal::{PnlPercent, Record, Released},
    statistics::{
        Aggregates, ClosedPoint, LateOutcomes, PerformanceFilter, RowNumber, StatisticsStore,
        SymbolCounts,
    },
};
use async_trait::async_trait;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    dsl::{InnerJoin, IntoBoxed, count, sql},
    sql_types::BigInt,
};

use crate::{
    AnyConnection, Failure, Signals,
    connection::MultiBackend,
    rows::stored,
    schema::{late_outcomes, outcomes, signals},
    signals::fragments::{Awaited, Condition},
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

    async fn symbols(
        &self,
        released: Released,
        record: Record,
        limit: u32,
    ) -> Result<Vec<SymbolCounts>> {
        let unreadable = self.database().unreadable();
        self.database()
            .read_costly("statistics_symbols", move |conn| {
                symbols(conn, released, record, limit, &unreadable)
            })
            .await
    }

    async fn next_outcome_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
        late: LateOutcomes,
    ) -> Result<Option<Timestamp>> {
        self.database()
            .read("statistics_next_outcome", move |conn| {
                next_outcome_after(conn, after, min_confidence, late)
            })
            .await
    }
}

type Closed<'a> = IntoBoxed<'a, InnerJoin<outcomes::table, signals::table>, MultiBackend>;
type ClosedLate<'a> = IntoBoxed<'a, InnerJoin<late_outcomes::table, signals::table>, MultiBackend>;

/// Adds what the reader may know of to a query over `$results`, outcomes or late ones, and their signals.
macro_rules! released {
    ($results:ident, $rows:expr, $released:expr, $in_record:expr, $awaited:expr) => {{
        let released: Released = $released;
        let others = released.others_as_of.micros();
        // No confidence reaches infinity, so that without a bound every signal is in range.
        let in_range = signals::confidence.lt(released.below.unwrap_or(f64::INFINITY));
        $rows
            .filter($awaited)
            .filter($in_record)
            .filter($results::recorded_at.le(released.as_of.micros()))
            .filter(signals::created_at.le(released.as_of.micros()))
            .filter(
                in_range.or($results::recorded_at.le(others).and(signals::created_at.le(others))),
            )
    }};
}

/// The rows of `$results` that count under the filter.
macro_rules! counted {
    ($results:ident, $filter:expr, $in_record:expr, $awaited:expr) => {{
        // Every field is named, so that a condition without its statement does not compile; whether late
        // outcomes count says which tables are asked.
        let PerformanceFilter { released, symbol, strategy, since, late: _, record } = $filter;
        let in_record = $in_record(*record);
        let all = $results::table.inner_join(signals::table).into_boxed();
        let mut rows = released!($results, all, *released, in_record, $awaited)
            .filter($results::pnl_steps.is_not_null())
            // An end that no calendar of ours can tell is in no figure; lists count and log it.
            .filter($results::closed_at.between(Timestamp::MIN.micros(), Timestamp::MAX.micros()));
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
    }};
}

fn closed(filter: &PerformanceFilter, awaited: Awaited) -> Closed<'_> {
    counted!(outcomes, filter, Condition::outcome_in, awaited)
}

/// A signal with a late outcome has an expiry without profit or loss, so none is in both.
fn closed_late(filter: &PerformanceFilter, awaited: Awaited) -> ClosedLate<'_> {
    counted!(late_outcomes, filter, Condition::late_outcome_in, awaited)
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

/// Sums `$rows` up, which are those of `$results`.
macro_rules! summed {
    ($results:ident, $rows:expr, $conn:expr) => {{
        let row: Sums = $rows
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
                    diesel::dsl::max($results::pnl_steps),
                    diesel::dsl::min($results::pnl_steps),
                ),
            ))
            .first($conn)?;
        sums(row)
    }};
}

fn sums(row: Sums) -> Aggregates {
    let (trades, wins, simulated, won, lost, (largest, smallest)) = row;
    Aggregates {
        trades: u64::try_from(trades).unwrap_or(0),
        wins: u64::try_from(wins).unwrap_or(0),
        simulated: u64::try_from(simulated).unwrap_or(0),
        late: 0,
        sum_of_wins: joined(won.0, won.1),
        sum_of_losses: joined(lost.0, lost.1),
        largest: largest.map(PnlPercent::from_steps),
        smallest: smallest.map(PnlPercent::from_steps),
    }
}

/// One pass over the outcomes, and another over the late ones only where they count.
fn aggregates(conn: &mut AnyConnection, filter: &PerformanceFilter) -> Result<Aggregates, Failure> {
    let in_time = summed!(outcomes, closed(filter, Awaited::on(conn)), conn);
    Ok(match filter.late {
        LateOutcomes::Exclude => in_time,
        LateOutcomes::Include => {
            let late = summed!(late_outcomes, closed_late(filter, Awaited::on(conn)), conn);
            in_time.plus(Aggregates { late: late.trades, ..late })
        }
    })
}

/// The next `$limit` of `$rows`, which are those of `$results`, in the order in which they were recorded.
macro_rules! points {
    ($results:ident, $rows:expr, $after:expr, $limit:expr, $conn:expr) => {{
        let mut rows = $rows;
        let after: Option<(Timestamp, RowNumber)> = $after;
        if let Some((recorded_at, row)) = after {
            let (recorded_at, row) = (recorded_at.micros(), row.0);
            // The first condition bounds the index, the second breaks ties.
            rows = rows
                .filter($results::recorded_at.ge(recorded_at))
                .filter($results::recorded_at.gt(recorded_at).or($results::signal_id.gt(row)));
        }
        let limit: u32 = $limit;
        let rows: Vec<(i64, i64, i64, Option<i64>)> = rows
            .order(($results::recorded_at.asc(), $results::signal_id.asc()))
            .limit(limit.into())
            .select((
                $results::signal_id,
                $results::recorded_at,
                $results::closed_at,
                $results::pnl_steps.nullable(),
            ))
            .load($conn)?;
        let point = |(row, recorded_at, closed_at, steps): (i64, i64, i64, Option<i64>)| {
            Some(ClosedPoint {
                row: RowNumber(row),
                recorded_at: Timestamp::from_micros(recorded_at),
                closed_at: Timestamp::from_micros(closed_at),
                pnl: PnlPercent::from_steps(steps?),
            })
        };
        rows.into_iter().filter_map(point).collect::<Vec<_>>()
    }};
}

fn closed_points(
    conn: &mut AnyConnection,
    filter: &PerformanceFilter,
    after: Option<(Timestamp, RowNumber)>,
    limit: u32,
) -> Result<Vec<ClosedPoint>, Failure> {
    let mut points = points!(outcomes, closed(filter, Awaited::on(conn)), after, limit, conn);
    if filter.late == LateOutcomes::Include {
        // The first of both are among the first of each.
        points.extend(points!(
            late_outcomes,
            closed_late(filter, Awaited::on(conn)),
            after,
            limit,
            conn
        ));
        points.sort_unstable_by_key(|point| (point.recorded_at, point.row.0));
        points.truncate(limit as usize);
    }
    Ok(points)
}

fn symbols(
    conn: &mut AnyConnection,
    known: Released,
    record: Record,
    limit: u32,
    unreadable: &UnreadableRows,
) -> Result<Vec<SymbolCounts>, Failure> {
    let rows: Vec<(String, i64, i64)> = released!(
        outcomes,
        outcomes::table.inner_join(signals::table),
        known,
        Condition::outcome_in(record),
        Awaited::on(conn)
    )
    // A signal that expired has no profit or loss, and proves nothing of its instrument.
    .filter(outcomes::pnl_steps.is_not_null())
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

/// When the first row of `$results` after `$after` was recorded. The index on `recorded_at` starts there, so
/// only what is not yet released is read.
macro_rules! next_recorded {
    ($results:ident, $after:expr, $min_confidence:expr, $conn:expr) => {{
        let (after, min_confidence): (Timestamp, Option<f64>) = ($after, $min_confidence);
        let rows = $results::table.filter($results::recorded_at.gt(after.micros()));
        let rows = rows.order($results::recorded_at.asc()).select($results::recorded_at);
        let next: Option<i64> = match min_confidence {
            Some(least) => {
                let rows = rows.inner_join(signals::table).filter(signals::confidence.ge(least));
                rows.first($conn).optional()?
            }
            None => rows.first($conn).optional()?,
        };
        next
    }};
}

fn next_outcome_after(
    conn: &mut AnyConnection,
    after: Timestamp,
    min_confidence: Option<f64>,
    late: LateOutcomes,
) -> Result<Option<Timestamp>, Failure> {
    let in_time = next_recorded!(outcomes, after, min_confidence, conn);
    let late = match late {
        LateOutcomes::Exclude => None,
        LateOutcomes::Include => next_recorded!(late_outcomes, after, min_confidence, conn),
    };
    Ok([in_time, late].into_iter().flatten().min().map(Timestamp::from_micros))
}
