//! What the queries of producers may hold.

use alpine_domain::{
    Timestamp,
    page::{Cursor, TOTAL_CAP},
    signal::{SignalStatus, Symbol},
};

use crate::extract::parameter::{Or, Param, Parameters, SYMBOL};

const LIMIT: Or<Param<u32>> = Param::whole("limit", 1, 500, "Signals at most.").or(50);
const OFFSET: Or<Param<u32>> =
    Param::whole("offset", 0, TOTAL_CAP, "Signals to pass over, without a cursor.")
        .position()
        .or(0);
const CURSOR: Param<Cursor> = Param::text(
    "cursor",
    Some(Cursor::MAX_CHARS),
    Some(Cursor::PATTERN),
    "next_cursor of the page before.",
)
.position();
const STATUS: Param<SignalStatus> = Param::one_of("status", SignalStatus::WORDS, "Only these.");
const UPDATED_AFTER: Param<Timestamp> = Param::instant(
    "updated_after",
    "Only signals that were received, ended, or got a late outcome after this instant.",
);

/// Limit, offset, cursor, status, instrument, updated after.
pub(super) type Values =
    (u32, u32, Option<Cursor>, Option<SignalStatus>, Option<Symbol>, Option<Timestamp>);

/// Of `external-signals/signals`.
pub(super) fn list() -> impl Parameters<Values = Values> {
    (LIMIT, OFFSET, CURSOR, STATUS, SYMBOL, UPDATED_AFTER)
}
