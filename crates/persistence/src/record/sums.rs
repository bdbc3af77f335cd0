//! Rows of sums.

use std::collections::{BTreeMap, HashMap, HashSet};

use alpine_domain::{
    Result,
    analytics::Day,
    signal::{Record, Symbol},
    statistics::{Choice, CompactSums, LateOutcomes, Level, Segment, Series},
};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _,
    RunQueryDsl as _, dsl::sql, expression::SqlLiteral, sql_types::BigInt,
};

use crate::{
    AnyConnection, Failure, dialect,
    rows::{SumRow, stored, stored_option},
    schema::record_sums,
};

/// From so many on, all sums of a stretch are read at once instead of one by one.
const READ_ALL_FROM: usize = 64;

/// Sums by level, stretch and series.
pub(super) type Sums = BTreeMap<(Level, i64), HashMap<Series, Segment>>;

/// What stands for all.
const ALL: &str = "";

fn text<T>(choice: Option<&T>, as_str: impl Fn(&T) -> &str) -> String {
    choice.map_or(ALL, as_str).to_owned()
}

fn row(level: Level, bucket: i64, series: &Series, segment: &Segment) -> Result<SumRow> {
    let Series { record, late, choice } = series;
    let Choice { strategy, producer, symbol } = choice;
    Ok((
        level.as_str().to_owned(),
        record.as_str().to_owned(),
        late.as_str().to_owned(),
        text(strategy.as_ref(), |name| name.as_str()),
        text(producer.as_ref(), |name| name.as_str()),
        text(symbol.as_ref(), |symbol| symbol.as_str()),
        bucket,
        segment.to_bytes()?,
    ))
}

/// What a row tells; a segment that cannot be read counts as `unreadable`, if there is one.
fn read(row: SumRow, unreadable: Option<&Segment>) -> Result<(i64, Series, Segment)> {
    let (_, record, late, strategy, producer, symbol, bucket, segment) = row;
    let named = |text: String| (text != ALL).then_some(text);
    let choice = Choice {
        strategy: stored_option("record_sums.strategy", named(strategy).as_deref())?,
        producer: stored_option("record_sums.producer", named(producer).as_deref())?,
        symbol: stored_option("record_sums.symbol", named(symbol).as_deref())?,
    };
    let (record, late) =
        (stored("record_sums.record", &record)?, stored("record_sums.late", &late)?);
    let segment = match (Segment::from_bytes(&segment), unreadable) {
        (Err(_), Some(unreadable)) => unreadable.clone(),
        (read, _) => read?,
    };
    Ok((bucket, Series { record, late, choice }, segment))
}

/// The condition for one series.
macro_rules! of_series {
    ($level:expr, $series:expr) => {{
        let Series { record, late, choice } = $series;
        let Choice { strategy, producer, symbol } = choice;
        let level: Level = $level;
        record_sums::level
            .eq(level.as_str())
            .and(record_sums::record.eq(record.as_str()))
            .and(record_sums::late.eq(late.as_str()))
            .and(record_sums::strategy.eq(text(strategy.as_ref(), |name| name.as_str())))
            .and(record_sums::producer.eq(text(producer.as_ref(), |name| name.as_str())))
            .and(record_sums::symbol.eq(text(symbol.as_ref(), |symbol| symbol.as_str())))
    }};
}

/// A key, the words of the series, and its segment.
type OfKey<K> = (K, String, String, Vec<u8>);

/// The words of a series and of those that tell the same where they are all there is.
fn words(series: &Series) -> (Vec<&'static str>, Vec<&'static str>) {
    series.chain().map(|series| (series.record.as_str(), series.late.as_str())).unzip()
}

/// Of rows of the chain of one series, the first one that there is for each key.
fn first_of_chain<K: Ord>(series: &Series, rows: Vec<OfKey<K>>) -> Result<BTreeMap<K, Segment>> {
    let (records, lates) = words(series);
    let rank = |record: &str, late: &str| {
        records.iter().zip(&lates).position(|words| words == (&record, &late))
    };
    let mut first: BTreeMap<K, (usize, Vec<u8>)> = BTreeMap::new();
    for (key, record, late, segment) in rows {
        let Some(rank) = rank(&record, &late) else { continue };
        let known = first.entry(key).or_insert_with(|| (usize::MAX, Vec::new()));
        if rank < known.0 {
            *known = (rank, segment);
        }
    }
    let read = first.into_iter().map(|(key, (_, bytes))| Ok((key, Segment::from_bytes(&bytes)?)));
    read.collect()
}

/// The sums of one series, stretch by stretch.
pub(super) fn of_series(
    conn: &mut AnyConnection,
    series: &Series,
    stretches: &[(Level, i64, i64)],
) -> Result<Vec<(Day, Segment)>, Failure> {
    let (records, lates) = words(series);
    let Choice { strategy, producer, symbol } = &series.choice;
    let mut sums = Vec::new();
    for (level, first, last) in stretches {
        let rows: Vec<OfKey<i64>> = record_sums::table
            .filter(record_sums::level.eq(level.as_str()))
            .filter(record_sums::record.eq_any(records.clone()))
            .filter(record_sums::late.eq_any(lates.clone()))
            .filter(record_sums::strategy.eq(text(strategy.as_ref(), |name| name.as_str())))
            .filter(record_sums::producer.eq(text(producer.as_ref(), |name| name.as_str())))
            .filter(record_sums::symbol.eq(text(symbol.as_ref(), |symbol| symbol.as_str())))
            .filter(record_sums::bucket.between(*first, *last))
            .select((
                record_sums::bucket,
                record_sums::record,
                record_sums::late,
                record_sums::segment,
            ))
            .load(conn)?;
        let stretches = first_of_chain(series, rows)?;
        sums.extend(stretches.into_iter().map(|(bucket, segment)| (Day::new(bucket), segment)));
    }
    sums.sort_by_key(|(day, _)| *day);
    Ok(sums)
}

/// The first day on which something was added to a series.
pub(super) fn begin(conn: &mut AnyConnection, series: &Series) -> Result<Option<Day>, Failure> {
    let mut first: Option<i64> = None;
    for series in series.chain() {
        let found: Option<i64> = record_sums::table
            .filter(of_series!(Level::Day, &series))
            .order(record_sums::bucket.asc())
            .select(record_sums::bucket)
            .first(conn)
            .optional()?;
        first = [first, found].into_iter().flatten().min();
    }
    Ok(first.map(Day::new))
}

/// The sums of every instrument, those of earlier stretches first.
pub(super) fn of_symbols(
    conn: &mut AnyConnection,
    series: &Series,
    stretches: &[(Level, i64, i64)],
) -> Result<Vec<(Symbol, Segment)>, Failure> {
    let (records, lates) = words(series);
    let mut sums = Vec::new();
    for (level, first, last) in stretches {
        let rows: Vec<OfKey<(i64, String)>> = record_sums::table
            .filter(record_sums::level.eq(level.as_str()))
            .filter(record_sums::record.eq_any(records.clone()))
            .filter(record_sums::late.eq_any(lates.clone()))
            .filter(record_sums::strategy.eq(ALL))
            .filter(record_sums::producer.eq(ALL))
            .filter(record_sums::symbol.gt(ALL))
            .filter(record_sums::bucket.between(*first, *last))
            .select((
                (record_sums::bucket, record_sums::symbol),
                record_sums::record,
                record_sums::late,
                record_sums::segment,
            ))
            .load(conn)?;
        for ((bucket, symbol), segment) in first_of_chain(series, rows)? {
            sums.push((bucket, stored("record_sums.symbol", &symbol)?, segment));
        }
    }
    sums.sort_by_key(|(bucket, ..)| *bucket);
    Ok(sums.into_iter().map(|(_, symbol, segment)| (symbol, segment)).collect())
}

/// The number of a stretch, as `idx_record_sum_bucket` has it: with all that happened in a stretch, whatever it belongs to. An
/// index on the number itself would serve the questions about one series as well, at the price of reading all the others.
pub(super) fn stretch() -> SqlLiteral<BigInt> {
    sql("record_sums.bucket + 0")
}

/// All sums of some stretches of a level, by stretch; one that cannot be read counts as `unreadable`, or fails.
pub(super) fn of_level(
    conn: &mut AnyConnection,
    level: Level,
    (first, last): (i64, i64),
    unreadable: Option<&Segment>,
) -> Result<BTreeMap<i64, CompactSums>, Failure> {
    let rows: Vec<SumRow> = record_sums::table
        .filter(record_sums::level.eq(level.as_str()))
        .filter(stretch().between(first, last))
        .load(conn)?;
    let mut sums: BTreeMap<i64, HashMap<Series, Segment>> = BTreeMap::new();
    for row in rows {
        let (bucket, series, segment) = read(row, unreadable)?;
        sums.entry(bucket).or_default().insert(series, segment);
    }
    Ok(sums.into_iter().map(|(bucket, sums)| (bucket, CompactSums::stored(sums))).collect())
}

/// Adds what came next to the sums.
pub(super) fn add(conn: &mut AnyConnection, added: &Sums) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for ((level, bucket), added) in added {
        let stored = known(conn, *level, *bucket, added)?;
        for (series, segment) in stored.with(added).rows() {
            if stored.rows().get(series) != Some(segment) {
                rows.push(row(*level, *bucket, series, segment)?);
            }
        }
    }
    dialect::put_record_sums(conn, &rows)
}

/// The sums that are stored already, of one stretch and at least the choices of these series.
fn known(
    conn: &mut AnyConnection,
    level: Level,
    bucket: i64,
    wanted: &HashMap<Series, Segment>,
) -> Result<CompactSums, Failure> {
    let choices: HashSet<&Choice> = wanted.keys().map(|series| &series.choice).collect();
    if choices.len() >= READ_ALL_FROM {
        return Ok(of_level(conn, level, (bucket, bucket), None)?
            .remove(&bucket)
            .unwrap_or_default());
    }
    let mut known = HashMap::new();
    for choice in choices {
        let Choice { strategy, producer, symbol } = choice;
        let rows: Vec<SumRow> = record_sums::table
            .filter(record_sums::level.eq(level.as_str()))
            .filter(record_sums::record.eq_any(Record::WORDS.iter().copied()))
            .filter(record_sums::late.eq_any(LateOutcomes::WORDS.iter().copied()))
            .filter(record_sums::strategy.eq(text(strategy.as_ref(), |name| name.as_str())))
            .filter(record_sums::producer.eq(text(producer.as_ref(), |name| name.as_str())))
            .filter(record_sums::symbol.eq(text(symbol.as_ref(), |symbol| symbol.as_str())))
            .filter(record_sums::bucket.eq(bucket))
            .load(conn)?;
        for row in rows {
            let (_, series, segment) = read(row, None)?;
            known.insert(series, segment);
        }
    }
    Ok(CompactSums::stored(known))
}

/// Stores a sum, or deletes it if there is nothing in it.
pub(super) fn put(
    conn: &mut AnyConnection,
    level: Level,
    bucket: i64,
    series: &Series,
    segment: &Segment,
) -> Result<(), Failure> {
    if segment.is_empty() {
        diesel::delete(
            record_sums::table
                .filter(of_series!(level, series))
                .filter(record_sums::bucket.eq(bucket)),
        )
        .execute(conn)?;
        return Ok(());
    }
    dialect::put_record_sums(conn, &[row(level, bucket, series, segment)?])
}
