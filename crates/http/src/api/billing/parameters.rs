//! What may stand behind the question mark.

use alpine_domain::page::Cursor;

use crate::extract::parameter::{Or, Param, Parameters};

const LIMIT: Or<Param<u32>> = Param::whole("limit", 1, 100, "How many invoices at most.").or(20);
const CURSOR: Param<Cursor> = Param::text(
    "cursor",
    Some(Cursor::MAX_CHARS),
    Some(Cursor::PATTERN),
    "next_cursor of the page before.",
)
.position();

/// Of `subscriptions/invoices`.
pub(super) fn invoices() -> impl Parameters<Values = (u32, Option<Cursor>)> {
    (LIMIT, CURSOR)
}
