//! What the queries for statistics may hold.

use alpine_domain::{
    Error, Result,
    analytics::Day,
    producer::ProducerName,
    signal::{Record, Strategy, Symbol},
    statistics::{
        Choice, DEFAULT_POINTS, LateOutcomes, MAX_POINTS, MIN_POINTS, PerformanceRequest, Period,
        Span,
    },
};

use crate::extract::parameter::{Days, Or, Param, Parameters, STRATEGY, SYMBOL};

const LATE: Or<Param<LateOutcomes>> = Param::one_of(
    "late",
    LateOutcomes::WORDS,
    "Whether outcomes that were reported after the signal had expired count.",
)
.or(LateOutcomes::Exclude);

const RECORD: Or<Param<Record>> = Param::one_of(
    "record",
    Record::WORDS,
    "Which part counts: what was received live, what came as history, what simulations made up, or all of it.",
)
.or(Record::Live);

const PRODUCER: Param<ProducerName> = Param::text(
    "producer",
    Some(ProducerName::MAX_CHARS),
    Some(ProducerName::PATTERN),
    "Only this producer.",
);

const fn day(name: &'static str, meaning: &'static str) -> Param<Day> {
    Param::text(name, Some(Day::CHARS), Some(Day::PATTERN), meaning)
}

const FROM: Param<Day> =
    day("from", "Only what was received on this UTC day or later; not with days.");
const TO: Param<Day> =
    day("to", "Only what was received on this UTC day or before; not with days.");

const POINTS: Or<Param<u32>> = Param::whole(
    "points",
    MIN_POINTS,
    MAX_POINTS,
    "Points at most; of more the extremes are kept, the end, and both ends of the deepest fall.",
)
.or(DEFAULT_POINTS);

type Chosen = (Option<Symbol>, Option<Strategy>, Option<ProducerName>);
type Spanned = (Option<u32>, Option<Day>, Option<Day>);

/// Which signals, which days, late outcomes, part of the record.
pub(super) type Performance = (Chosen, Spanned, LateOutcomes, Record);

/// Of `performance/…`.
pub(super) fn performance() -> impl Parameters<Values = Performance> {
    ((SYMBOL, STRATEGY, PRODUCER), (Days::up_to(3_650), FROM, TO), LATE, RECORD)
}

/// Of `performance/equity-curve`: the same, and how many points.
pub(super) fn curve() -> impl Parameters<Values = (Performance, u32)> {
    (performance(), POINTS)
}

/// Of `symbols`: part of the record.
pub(super) fn symbols() -> impl Parameters<Values = Record> {
    RECORD
}

/// What is asked for.
///
/// # Errors
/// [`Error::Invalid`] naming `days`, where it stands beside `from` or `to`, or `to`, where it lies before `from`.
pub(super) fn request(values: Performance) -> Result<PerformanceRequest> {
    let ((symbol, strategy, producer), (days, from, to), late, record) = values;
    let span = match days {
        Some(_) if from.is_some() || to.is_some() => {
            return Err(Error::invalid("days", "cannot stand beside from or to; leave one out"));
        }
        Some(days) => Span::Last(days),
        None => Span::Between(Period { from, to }),
    };
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(Error::invalid("to", "must not lie before from"));
    }
    Ok(PerformanceRequest { choice: Choice { strategy, producer, symbol }, span, late, record })
}
