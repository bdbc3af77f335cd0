//! What the queries for statistics may hold.

use alpine_domain::{
    signal::{Strategy, Symbol},
    statistics::LateOutcomes,
};

use crate::extract::parameter::{Days, Or, Param, Parameters, STRATEGY, SYMBOL};

const LATE: Or<Param<LateOutcomes>> = Param::one_of(
    "late",
    LateOutcomes::WORDS,
    "Whether outcomes that were reported after the signal had expired count.",
)
.or(LateOutcomes::Exclude);

/// Instrument, strategy, days, late outcomes.
pub(super) type Performance = (Option<Symbol>, Option<Strategy>, Option<u32>, LateOutcomes);

/// Of `performance/…`.
pub(super) fn performance() -> impl Parameters<Values = Performance> {
    (SYMBOL, STRATEGY, Days::up_to(3_650), LATE)
}
