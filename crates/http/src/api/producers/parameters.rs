//! What the queries of producers may hold.

use alpine_domain::{
    Timestamp,
    page::Cursor,
    signal::{SignalStatus, Symbol},
};

use crate::{
    api::signals::parameters::{CURSOR, OFFSET, STATUS},
    extract::parameter::{Or, Param, Parameters, SYMBOL},
};

const LIMIT: Or<Param<u32>> = Param::whole("limit", 1, 500, "Signals at most.").or(50);
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
