//! Compares sums with what they stand for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alpine_domain::{
    Timestamp,
    analytics::Day,
    statistics::{CompactSums, Fold, Level, Recount, Segment, Series, SumDifference},
};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _};

use super::{
    entries::{Source, Stretch},
    position::sealed_until,
    sums,
};
use crate::{
    AnyConnection, Failure,
    schema::{late_outcomes, outcomes, record_sums, signals},
};

/// Entries of a kind that are read at once.
const PART: u32 = 10_000;

/// Compares the sums of one stretch, and with `repair` corrects them; the caller holds the seal.
pub(super) fn recount(
    conn: &mut AnyConnection,
    source: &Source<'_>,
    sealed: Timestamp,
    what: Recount,
    repair: bool,
) -> Result<Vec<SumDifference>, Failure> {
    // No count gives that, so it is corrected.
    let unreadable = Segment { published: -1, ..Segment::default() };
    let of_level = |conn: &mut AnyConnection, level, stretches| {
        sums::of_level(conn, level, stretches, Some(&unreadable))
    };
    let (level, bucket, counted) = match what {
        Recount::Day(day) => (Level::Day, day.number(), of_day(conn, source, sealed, day)?),
        Recount::Stretch(level, day) => {
            let begin = level.bucket(day);
            let days = of_level(conn, Level::Day, (begin, level.next(begin) - 1))?;
            (level, begin, together(days))
        }
        Recount::Total => {
            let months = of_level(conn, Level::Month, (i64::MIN, i64::MAX))?;
            (Level::Total, 0, together(months))
        }
    };
    let stored = of_level(conn, level, (bucket, bucket))?.remove(&bucket).unwrap_or_default();
    let counted = CompactSums::of(&counted);
    let differences = differences(level, bucket, stored.rows(), counted.rows());
    if repair {
        for SumDifference { series, counted, .. } in &differences {
            sums::put(conn, level, bucket, series, counted)?;
        }
    }
    Ok(differences)
}

/// What happened on a day, as far as it is sealed.
fn of_day(
    conn: &mut AnyConnection,
    source: &Source<'_>,
    sealed: Timestamp,
    day: Day,
) -> Result<HashMap<Series, Segment>, Failure> {
    let until = Day::new(day.number() + 1).begin().min(sealed);
    let mut fold = Fold::default();
    let mut from = day.begin();
    while from < until {
        let stretch = Stretch { from, until: Some(until) };
        let (entries, cut) = source.entries(conn, stretch, PART)?;
        for entry in &entries {
            fold.add(entry);
        }
        from = cut.unwrap_or(until);
    }
    Ok(fold.into_sums().map(|(_, series, segment)| (series, segment)).collect())
}

/// Consecutive stretches as one.
fn together(stretches: BTreeMap<i64, CompactSums>) -> HashMap<Series, Segment> {
    let mut all: HashMap<Series, Segment> = HashMap::new();
    for stretch in stretches.into_values() {
        for (series, segment) in stretch.all() {
            all.entry(series).or_default().append(segment);
        }
    }
    all
}

fn differences(
    level: Level,
    bucket: i64,
    stored: &HashMap<Series, Segment>,
    counted: &HashMap<Series, Segment>,
) -> Vec<SumDifference> {
    let nothing = Segment::default();
    let all: BTreeSet<&Series> = stored.keys().chain(counted.keys()).collect();
    let differences = all.into_iter().filter_map(|series| {
        let stored = stored.get(series).unwrap_or(&nothing);
        let counted = counted.get(series).unwrap_or(&nothing);
        (stored != counted).then(|| SumDifference {
            level,
            bucket,
            series: series.clone(),
            stored: stored.clone(),
            counted: counted.clone(),
        })
    });
    differences.collect()
}

/// The first day from `$from` on that a row of `$table` is of.
macro_rules! first_day {
    ($table:ident, $at:ident, $from:expr, $conn:expr) => {{
        let first: Option<i64> = $table::table
            .filter($table::$at.ge($from.micros()))
            .order($table::$at.asc())
            .select($table::$at)
            .first($conn)
            .optional()?;
        first.map(|micros| Day::of(Timestamp::from_micros(micros)))
    }};
}

/// The next day on which something happened or that has sums, and the last sealed one.
pub(super) fn next_day(
    conn: &mut AnyConnection,
    after: Option<Day>,
) -> Result<Option<(Day, Day)>, Failure> {
    let sealed = sealed_until(conn)?;
    let last = Day::of(sealed);
    let from = after.map_or(Timestamp::MIN, |day| Day::new(day.number() + 1).begin());
    if from >= sealed {
        return Ok(None);
    }
    let of_sums: Option<i64> = record_sums::table
        .filter(record_sums::level.eq(Level::Day.as_str()))
        .filter(sums::stretch().ge(Day::of(from).number()))
        .order(sums::stretch().asc())
        .select(record_sums::bucket)
        .first(conn)
        .optional()?;
    let days = [
        first_day!(signals, created_at, from, conn),
        first_day!(outcomes, recorded_at, from, conn),
        first_day!(late_outcomes, recorded_at, from, conn),
        of_sums.map(Day::new),
    ];
    let next = days.into_iter().flatten().min();
    Ok(next.filter(|day| day.begin() < sealed).map(|day| (day, last)))
}
