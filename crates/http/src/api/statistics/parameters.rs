//! What the queries for statistics may hold.

use alpine_domain::{
    signal::{Record, Strategy, Symbol},
    statistics::LateOutcomes,
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

/// Instrument, strategy, days, late outcomes, part of the record.
pub(super) type Performance = (Option<Symbol>, Option<Strategy>, Option<u32>, LateOutcomes, Record);

/// Of `performance/…`.
pub(super) fn performance() -> impl Parameters<Values = Performance> {
    (SYMBOL, STRATEGY, Days::up_to(3_650), LATE, RECORD)
}

/// Of `symbols`: part of the record.
pub(super) fn symbols() -> impl Parameters<Values = Record> {
    RECORD
}
