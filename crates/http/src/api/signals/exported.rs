//! A row of a file: a signal with everything that its hashes are made of, in each form.

use alpine_domain::{
    Error, Result, Timestamp,
    signal::{Catalogue, ExitPrice, Outcome, Price, RecordText, Signal},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{csv::Row, views::SignalView};

/// A signal in a file.
#[derive(Serialize, ToSchema)]
#[schema(as = ExportedSignal)]
pub(crate) struct ExportedView<'a> {
    #[serde(flatten)]
    signal: SignalView<'a>,
    /// The producer's time of the exit, to the letter.
    #[schema(required = true)]
    exit_timestamp: Option<&'a str>,
    /// When Alpine received the outcome, or ended the signal by its age.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    outcome_received_at: Option<Timestamp>,
    /// The producer's time of the late exit, to the letter.
    #[schema(required = true)]
    late_exit_timestamp: Option<&'a str>,
    /// SHA-256 of the signal's canonical text.
    #[schema(min_length = 64, max_length = 64)]
    record_hash: String,
    /// SHA-256 of the outcome's canonical text.
    #[schema(min_length = 64, max_length = 64, required = true)]
    outcome_hash: Option<String>,
    /// SHA-256 of the late outcome's canonical text.
    #[schema(min_length = 64, max_length = 64, required = true)]
    late_outcome_hash: Option<String>,
}

/// The columns of a CSV file; the first six are those of the original.
pub(super) const COLUMNS: [&str; 34] = [
    "id",
    "symbol",
    "action",
    "entry_price",
    "confidence",
    "timestamp",
    "simulated",
    "signal_id",
    "producer",
    "received_at",
    "origin",
    "type",
    "status",
    "strategy",
    "asset_type",
    "take_profit",
    "stop_loss",
    "reasoning",
    "exit_price",
    "pnl_pct",
    "closed_at",
    "exit_timestamp",
    "outcome_received_at",
    "outcome_origin",
    "late_status",
    "late_exit_price",
    "late_pnl_pct",
    "late_closed_at",
    "late_exit_timestamp",
    "late_received_at",
    "hash",
    "record_hash",
    "outcome_hash",
    "late_outcome_hash",
];

impl<'a> ExportedView<'a> {
    pub(super) fn new(signal: &'a Signal, catalogue: &Catalogue) -> Self {
        let RecordText { hash, .. } = signal.record();
        let outcome_hash = |outcome: Option<&Outcome>, is_late| {
            outcome.map(|outcome| outcome.record(&hash, is_late).hash.to_string())
        };
        let (outcome, late) = (signal.outcome.as_ref(), signal.late_outcome.as_ref());
        Self {
            exit_timestamp: outcome.and_then(|outcome| outcome.exit_timestamp.as_deref()),
            outcome_received_at: outcome.map(|outcome| outcome.recorded_at),
            late_exit_timestamp: late.and_then(|late| late.exit_timestamp.as_deref()),
            outcome_hash: outcome_hash(outcome, false),
            late_outcome_hash: outcome_hash(late, true),
            record_hash: hash.to_string(),
            signal: SignalView::new(signal, catalogue),
        }
    }

    pub(super) fn write_json(&self, out: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(out, self).map_err(Error::internal)
    }

    /// The cells in the order of [`COLUMNS`]. Numbers were checked to be numbers, and are written as they came.
    pub(super) fn write_csv(&self, out: &mut Vec<u8>) {
        let signal = &self.signal;
        let late = signal.late_outcome.as_ref();
        let mut row = Row::new(out);
        row.word(&signal.id)
            .text(signal.symbol)
            .word(signal.action.as_str())
            .word(signal.entry_price.as_str())
            .word(signal.confidence.as_str())
            .text(signal.timestamp)
            .word(if signal.simulated { "true" } else { "false" })
            .text(signal.signal_id)
            .word(signal.producer)
            .plain(signal.received_at)
            .word(signal.origin.as_str())
            .plain(signal.r#type)
            .word(signal.status.as_str())
            .optional_text(signal.strategy)
            .text(signal.asset_type)
            .optional_word(signal.take_profit.map(Price::as_str))
            .optional_word(signal.stop_loss.map(Price::as_str))
            .optional_text(signal.reasoning)
            .optional_word(signal.exit_price.map(ExitPrice::as_str))
            .optional(signal.pnl_pct)
            .optional(signal.closed_at)
            .optional_text(self.exit_timestamp)
            .optional(self.outcome_received_at)
            .optional(signal.outcome_origin)
            .optional(late.map(|late| late.status))
            .optional(late.and_then(|late| late.exit_price).map(ExitPrice::as_str))
            .optional(late.and_then(|late| late.pnl_pct))
            .optional(late.map(|late| late.exit_time))
            .optional_text(self.late_exit_timestamp)
            .optional(late.map(|late| late.received_at))
            .word(signal.hash)
            .word(&self.record_hash)
            .optional_word(self.outcome_hash.as_deref())
            .optional_word(self.late_outcome_hash.as_deref());
        row.end();
    }
}
