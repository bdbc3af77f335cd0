//! What the queries for signals may hold.

use alpine_domain::{
    Timestamp,
    page::{Cursor, TOTAL_CAP},
    signal::{Action, Record, SignalId, SignalStatus, Symbol},
};

use super::file_format::FileFormat;
use crate::extract::parameter::{Days, Or, Param, Parameters, SYMBOL};

const fn limit(max: u32, default: u32) -> Or<Param<u32>> {
    Param::whole("limit", 1, max, "Signals at most.").or(default)
}

pub(crate) const OFFSET: Or<Param<u32>> =
    Param::whole("offset", 0, TOTAL_CAP, "Signals to pass over, without a cursor.")
        .position()
        .or(0);
pub(crate) const CURSOR: Param<Cursor> = Param::text(
    "cursor",
    Some(Cursor::MAX_CHARS),
    Some(Cursor::PATTERN),
    "next_cursor of the page before.",
)
.position();
const PREMIUM_ONLY: Or<Param<bool>> =
    Param::flag("premium_only", "Only signals of the PREMIUM type.").or(false);
const ACTION: Param<Action> = Param::one_of("action", Action::WORDS, "Only this direction.");
const MIN_CONFIDENCE: Param<f64> =
    Param::percentage("min_confidence", "Only signals with at least this confidence.");
pub(crate) const STATUS: Param<SignalStatus> =
    Param::one_of("status", SignalStatus::WORDS, "Only these.");
const FORMAT: Or<Param<FileFormat>> =
    Param::one_of("format", FileFormat::WORDS, "Its form.").or(FileFormat::Csv);

/// Of `signals/latest`: limit, premium only, instrument.
pub(super) fn latest() -> impl Parameters<Values = (u32, bool, Option<Symbol>)> {
    (limit(100, 10), PREMIUM_ONLY, SYMBOL)
}

/// Limit, offset, cursor, premium only, instrument, direction, confidence in percent.
pub(super) type Subscribed =
    (u32, u32, Option<Cursor>, bool, Option<Symbol>, Option<Action>, Option<f64>);

/// Of `signals/subscribed`.
pub(super) fn subscribed() -> impl Parameters<Values = Subscribed> {
    (limit(100, 20), OFFSET, CURSOR, PREMIUM_ONLY, SYMBOL, ACTION, MIN_CONFIDENCE)
}

/// Of `signals/live`: limit.
pub(super) fn live() -> impl Parameters<Values = u32> {
    limit(100, 20)
}

/// Limit, days, instrument, status, part of the record.
pub(super) type History = (u32, u32, Option<Symbol>, Option<SignalStatus>, Record);

/// Of `signals/history`.
pub(super) fn history() -> impl Parameters<Values = History> {
    (limit(500, 50), Days::up_to(365).or(30), SYMBOL, STATUS, RECORD)
}

const RECORD: Or<Param<Record>> = Param::one_of(
    "record",
    Record::WORDS,
    "Only signals of this origin: received live, as history, made up by simulations, or all of them.",
)
.or(Record::All);

const SINCE: Param<Timestamp> =
    Param::instant("since", "Only signals received at or after this instant, however long ago.");
const UNTIL: Param<Timestamp> =
    Param::instant("until", "Only signals received before this instant.");

const UPDATED_AFTER: Param<Timestamp> = Param::instant(
    "updated_after",
    "Only signals that were received, ended, or got a late outcome after this instant, however old they are.",
);
const AFTER: Param<SignalId> = Param::text(
    "after",
    Some(16),
    Some("^[0-9]{1,16}$"),
    "The id of the last whole row of a file that broke off: only what follows it there.",
)
.position();

/// Form, days, since, until, updated after, part of the record, last row. Without days and instants, 30 days.
pub(super) type ExportValues = (
    FileFormat,
    Option<u32>,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<Timestamp>,
    Record,
    Option<SignalId>,
);

/// Of `signals/export`.
pub(super) fn export() -> impl Parameters<Values = ExportValues> {
    (FORMAT, Days::up_to(365), SINCE, UNTIL, UPDATED_AFTER, RECORD, AFTER)
}
