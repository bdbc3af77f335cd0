//! The record: what happened to signals, and its sums.

mod entries;
mod position;
mod recount;
mod seal;
mod sums;

use alpine_domain::{
    Error, Result, Timestamp,
    analytics::Day,
    statistics::{
        Entry, Finest, Horizons, LateOutcomes, Level, PerformanceFilter, Plan, Reading, Recount,
        Sealed, StatisticsStore, SumDifference, SumStore, SymbolReading,
    },
};
use async_trait::async_trait;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use self::{
    entries::{Source, Stretch},
    position::{hold, sealed_until},
};
use crate::{
    AnyConnection, Database, Failure, Signals,
    schema::{late_outcomes, outcomes, signals},
};

/// Entries of a kind that may have happened since the last seal; with more, nobody has sealed for long.
const MOST_SINCE_SEAL: u32 = 100_000;
/// How often an answer is read anew because something was sealed meanwhile.
const MOST_READINGS: u32 = 5;

/// The sums of one database.
#[derive(Clone)]
pub struct RecordSums(Database);

impl RecordSums {
    /// The sums kept in `database`.
    pub const fn new(database: Database) -> Self {
        Self(database)
    }
}

/// Reads sums and what happened since, as of one seal: once more if something was sealed meanwhile.
fn unsealed<T>(
    conn: &mut AnyConnection,
    read: impl Fn(&mut AnyConnection, Timestamp) -> Result<T, Failure>,
) -> Result<T, Failure> {
    for _ in 0..MOST_READINGS {
        let sealed = sealed_until(conn)?;
        let answer = read(conn, sealed)?;
        if sealed_until(conn)? == sealed {
            return Ok(answer);
        }
    }
    Err(Error::unavailable("the record", "its sums change too fast; try again").into())
}

/// What happened from an instant on.
fn tail(
    conn: &mut AnyConnection,
    source: &Source<'_>,
    from: Timestamp,
) -> Result<Vec<Entry>, Failure> {
    let stretch = Stretch { from, until: None };
    let (entries, cut) = source.entries(conn, stretch, MOST_SINCE_SEAL)?;
    if cut.is_some() {
        let detail = "its sums are being made from what is stored; try again in a minute";
        return Err(Error::unavailable("the record", detail).into());
    }
    Ok(entries)
}

#[async_trait]
impl StatisticsStore for Signals {
    async fn read(
        &self,
        filter: &PerformanceFilter,
        finest: Finest,
        horizons: &Horizons,
        now: Timestamp,
        overdue: u32,
    ) -> Result<Reading> {
        let (database, filter) = (self.database().clone(), filter.clone());
        let horizons = horizons.clone();
        self.database()
            .read_costly("statistics_read", move |conn| {
                let (ids, unreadable) = (database.signal_ids(conn)?, database.unreadable());
                let source = Source { ids: &ids, unreadable: &unreadable };
                // Before what happened: what ends in between is found there, and not open.
                let overdue = source.overdue(conn, &horizons, now, overdue)?;
                unsealed(conn, |conn, sealed| {
                    let (series, today) = (filter.series(), Day::of(now));
                    let tail = tail(conn, &source, Plan::tail_from(&filter, sealed))?;
                    let begin = match finest {
                        Finest::Level(_) => None,
                        Finest::Stretches(_) => sums::begin(conn, &series)?,
                    };
                    let begin = begin.or_else(|| filter.begin(&tail)).unwrap_or(today);
                    let level = finest.level(filter.period, begin, today);
                    let sums = Plan::new(&filter, level, sealed).sums;
                    let sums = sums::of_series(conn, &series, &sums)?;
                    let overdue = overdue.clone();
                    Ok(Reading { level, sums, tail, overdue })
                })
            })
            .await
    }

    async fn symbols(&self, filter: &PerformanceFilter) -> Result<SymbolReading> {
        let (database, filter) = (self.database().clone(), filter.clone());
        self.database()
            .read_costly("statistics_symbols", move |conn| {
                let (ids, unreadable) = (database.signal_ids(conn)?, database.unreadable());
                let source = Source { ids: &ids, unreadable: &unreadable };
                unsealed(conn, |conn, sealed| {
                    let plan = Plan::new(&filter, Level::Total, sealed);
                    let sums = sums::of_symbols(conn, &filter.series(), &plan.sums)?;
                    Ok(SymbolReading { sums, tail: tail(conn, &source, plan.tail_from)? })
                })
            })
            .await
    }

    async fn next_after(
        &self,
        after: Timestamp,
        min_confidence: Option<f64>,
        late: LateOutcomes,
        with_published: bool,
    ) -> Result<Option<Timestamp>> {
        self.database()
            .read("statistics_next", move |conn| {
                next_after(conn, (after, min_confidence), late, with_published)
            })
            .await
    }
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

fn next_after(
    conn: &mut AnyConnection,
    (after, min_confidence): (Timestamp, Option<f64>),
    late: LateOutcomes,
    with_published: bool,
) -> Result<Option<Timestamp>, Failure> {
    let in_time = next_recorded!(outcomes, after, min_confidence, conn);
    let late = match late {
        LateOutcomes::Exclude => None,
        LateOutcomes::Include => next_recorded!(late_outcomes, after, min_confidence, conn),
    };
    let published = if with_published {
        let least = min_confidence.unwrap_or(f64::NEG_INFINITY);
        signals::table
            .filter(signals::created_at.gt(after.micros()))
            .filter(signals::confidence.ge(least))
            .order((signals::created_at.asc(), signals::id.asc()))
            .select(signals::created_at)
            .first(conn)
            .optional()?
    } else {
        None
    };
    let next = [in_time, late, published].into_iter().flatten().min();
    Ok(next.map(Timestamp::from_micros))
}

#[async_trait]
impl SumStore for RecordSums {
    async fn seal(&self, until: Timestamp, limit: u32) -> Result<Sealed> {
        let database = self.0.clone();
        self.0
            .write("record_seal", move |unit| {
                let (ids, unreadable) = (database.signal_ids(unit.conn)?, database.unreadable());
                let source = Source { ids: &ids, unreadable: &unreadable };
                seal::seal(unit.conn, &source, until, limit)
            })
            .await
    }

    async fn recount(&self, what: Recount, repair: bool) -> Result<Vec<SumDifference>> {
        let database = self.0.clone();
        self.0
            .write("record_recount", move |unit| {
                let (ids, unreadable) = (database.signal_ids(unit.conn)?, database.unreadable());
                let source = Source { ids: &ids, unreadable: &unreadable };
                let (sealed, _) = hold(unit.conn)?;
                recount::recount(unit.conn, &source, sealed, what, repair)
            })
            .await
    }

    async fn next_day(&self, after: Option<Day>) -> Result<Option<(Day, Day)>> {
        self.0.read("record_next_day", move |conn| recount::next_day(conn, after)).await
    }
}
