//! What became of what a producer sent.

use alpine_domain::{
    FieldError, Timestamp,
    page::Page,
    signal::{
        Catalogue, ExitPrice, LineOutcome, LineResult, OutcomeLine, OutcomeLineResult, PnlPercent,
        Signal, SignalId, SignalStatus,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::signals::views::{LateOutcomeView, SignalView, SignalViews, StatusWord, is_false};

/// A signal that was stored.
#[derive(Serialize, ToSchema)]
#[schema(as = SignalStored)]
pub(crate) struct StoredView<'a> {
    #[schema(example = "success")]
    pub status: &'static str,
    pub message: &'static str,
    /// Alpine's number; the same as `alpine_signal_id`.
    pub signal_id: i64,
    pub alpine_signal_id: i64,
    /// The producer's own id.
    pub external_signal_id: &'a str,
}

/// An outcome that was stored.
#[derive(Serialize, ToSchema)]
#[schema(as = OutcomeStored)]
pub(crate) struct OutcomeView<'a> {
    #[schema(example = "success")]
    pub status: &'static str,
    pub result: OutcomeResult,
    pub message: &'static str,
    /// Alpine's number; the same as `alpine_signal_id`.
    pub signal_id: i64,
    pub alpine_signal_id: i64,
    /// The producer's own id.
    pub external_signal_id: &'a str,
    /// How the signal stands: `expired` if the outcome came late.
    #[schema(value_type = StatusWord)]
    pub signal_status: SignalStatus,
    #[schema(value_type = Option<f64>, required = true)]
    pub exit_price: Option<&'a ExitPrice>,
    /// Profit or loss in percent of the entry, computed from exact decimals.
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub closed_at: Option<Timestamp>,
    /// The outcome, if it came late: then the three members above tell of the expiry.
    #[schema(required = true)]
    pub late_outcome: Option<LateOutcomeView<'a>>,
}

/// What became of an outcome: `closed`, it is how the signal ended; `late`, the signal had expired and
/// stays so, and the outcome is kept beside the expiry.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutcomeResult {
    Closed,
    Late,
}

impl<'a> OutcomeView<'a> {
    /// What is answered for an outcome that is stored, now or since before.
    pub(crate) fn new(signal: &'a Signal, is_new: bool) -> Self {
        let outcome = signal.outcome.as_ref();
        let late_outcome = LateOutcomeView::of(signal);
        let result =
            if late_outcome.is_some() { OutcomeResult::Late } else { OutcomeResult::Closed };
        Self {
            status: "success",
            result,
            message: match (result, is_new) {
                (OutcomeResult::Closed, true) => "Signal closed",
                (OutcomeResult::Closed, false) => "Signal was closed before, in the same way",
                (OutcomeResult::Late, true) => {
                    "Signal had expired and stays so; the late outcome is kept beside the expiry"
                }
                (OutcomeResult::Late, false) => {
                    "The late outcome was kept before, in the same way; the signal stays expired"
                }
            },
            signal_id: signal.id.get(),
            alpine_signal_id: signal.id.get(),
            external_signal_id: signal.content.external_id.as_str(),
            signal_status: signal.status(),
            exit_price: outcome.and_then(|outcome| outcome.exit_price.as_ref()),
            pnl_pct: outcome.and_then(|outcome| outcome.pnl),
            closed_at: outcome.map(|outcome| outcome.closed_at),
            late_outcome,
        }
    }
}

/// Errors told in one answer at most: a line of two bytes has seven of them.
const MAX_TOLD_ERRORS: usize = 1_000;

/// How many errors of a batch were told.
#[derive(Default)]
struct ToldErrors(usize);

impl ToldErrors {
    /// Counts these, and says whether they are more than are told.
    fn is_full_with(&mut self, errors: &[FieldError]) -> bool {
        self.0 += errors.len();
        self.0 > MAX_TOLD_ERRORS && !errors.is_empty()
    }
}

/// What became of a batch.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = BatchResult)]
pub(crate) struct BatchView<'a> {
    pub stored: usize,
    pub duplicates: usize,
    pub conflicts: usize,
    pub refused: usize,
    /// How many of the refused lines stand in no result.
    pub refused_untold: usize,
    /// One for each line, in order; of refused lines as many as have 1,000 errors together.
    pub results: Vec<LineView<'a>>,
}

/// What became of a line of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = LineResult)]
pub(crate) struct LineView<'a> {
    /// The line's number in the body, from 1.
    pub line: usize,
    /// `stored`, `duplicate`, `conflict` or `refused`.
    pub status: &'static str,
    /// The producer's own id, where the line has a readable one.
    #[schema(required = true)]
    pub external_signal_id: Option<&'a str>,
    /// The stored signal.
    #[schema(required = true)]
    pub alpine_signal_id: Option<i64>,
    /// Every refused field.
    pub errors: Vec<LineErrorView<'a>>,
}

/// A refused field of a line.
#[derive(Serialize, ToSchema)]
#[schema(as = LineError)]
pub(crate) struct LineErrorView<'a> {
    pub field: &'static str,
    pub message: &'a str,
}

impl<'a> From<&'a FieldError> for LineErrorView<'a> {
    fn from(error: &'a FieldError) -> Self {
        Self { field: error.field, message: &error.message }
    }
}

impl<'a> BatchView<'a> {
    pub(crate) fn new(results: &'a [LineResult]) -> Self {
        let mut batch = Self::default();
        let mut told = ToldErrors::default();
        for result in results {
            let (count, status, id, errors): (_, _, _, &[FieldError]) = match &result.outcome {
                LineOutcome::Stored(id) => (&mut batch.stored, "stored", Some(*id), &[]),
                LineOutcome::Duplicate(id) => (&mut batch.duplicates, "duplicate", Some(*id), &[]),
                LineOutcome::Conflict(id) => (&mut batch.conflicts, "conflict", Some(*id), &[]),
                LineOutcome::Refused(errors) => (&mut batch.refused, "refused", None, errors),
            };
            *count += 1;
            if told.is_full_with(errors) {
                batch.refused_untold += 1;
                continue;
            }
            batch.results.push(LineView {
                line: result.line,
                status,
                external_signal_id: result.external_id.as_deref(),
                alpine_signal_id: id.map(SignalId::get),
                errors: errors.iter().map(LineErrorView::from).collect(),
            });
        }
        batch
    }
}

/// What became of a batch of outcomes.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = OutcomeBatchResult)]
pub(crate) struct OutcomeBatchView<'a> {
    pub closed: usize,
    /// Of signals that had expired, and stay so.
    pub late: usize,
    pub duplicates: usize,
    pub conflicts: usize,
    pub refused: usize,
    /// How many of the refused lines stand in no result.
    pub refused_untold: usize,
    /// One for each line, in order; of refused lines as many as have 1,000 errors together.
    pub results: Vec<OutcomeLineView<'a>>,
}

/// What became of a line of a batch of outcomes.
#[derive(Serialize, ToSchema)]
#[schema(as = OutcomeLineResult)]
pub(crate) struct OutcomeLineView<'a> {
    /// The line's number in the body, from 1.
    pub line: usize,
    /// `closed`, `late`, `duplicate`, `conflict` or `refused`.
    pub status: &'static str,
    /// The producer's own id, where the line has a readable one.
    #[schema(required = true)]
    pub external_signal_id: Option<&'a str>,
    /// The signal.
    #[schema(required = true)]
    pub alpine_signal_id: Option<i64>,
    /// Profit or loss in percent of the entry, of the outcome that is kept.
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    /// Every refused field.
    pub errors: Vec<LineErrorView<'a>>,
}

impl<'a> OutcomeBatchView<'a> {
    pub(crate) fn new(results: &'a [OutcomeLineResult]) -> Self {
        let mut batch = Self::default();
        let mut told = ToldErrors::default();
        for result in results {
            let (count, status, signal, errors): (_, _, _, &[FieldError]) = match &result.outcome {
                OutcomeLine::Closed(signal) => (&mut batch.closed, "closed", Some(signal), &[]),
                OutcomeLine::Late(signal) => (&mut batch.late, "late", Some(signal), &[]),
                OutcomeLine::Duplicate(signal) => {
                    (&mut batch.duplicates, "duplicate", Some(signal), &[])
                }
                OutcomeLine::Conflict(signal) => {
                    (&mut batch.conflicts, "conflict", Some(signal), &[])
                }
                OutcomeLine::Refused(errors) => (&mut batch.refused, "refused", None, errors),
            };
            *count += 1;
            if told.is_full_with(errors) {
                batch.refused_untold += 1;
                continue;
            }
            let kept =
                signal.and_then(|signal| signal.late_outcome.as_ref().or(signal.outcome.as_ref()));
            batch.results.push(OutcomeLineView {
                line: result.line,
                status,
                external_signal_id: result.external_id.as_deref(),
                alpine_signal_id: signal.map(|signal| signal.id.get()),
                pnl_pct: kept.and_then(|outcome| outcome.pnl),
                errors: errors.iter().map(LineErrorView::from).collect(),
            });
        }
        batch
    }
}

/// One page of a producer's own signals.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnSignals)]
pub(crate) struct OwnPage<'a> {
    #[schema(value_type = Vec<SignalView<'a>>)]
    pub items: SignalViews<'a>,
    /// Exact up to 10,000.
    pub total: u32,
    /// There, and true, only if counting stopped at 10,000.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub total_capped: bool,
    pub limit: u32,
    pub offset: u32,
    pub has_more: bool,
    /// For `cursor`; null on the last page.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

impl<'a> OwnPage<'a> {
    pub(crate) fn new(page: &'a Page<Signal>, catalogue: &'a Catalogue) -> Self {
        Self {
            items: SignalViews(&page.items, catalogue),
            total: page.total,
            total_capped: page.total_capped,
            limit: page.limit,
            offset: page.offset,
            has_more: page.has_more(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }
}

/// Whether producers may push.
#[derive(Serialize, ToSchema)]
pub(crate) struct SyncHealth {
    #[schema(example = "healthy")]
    pub status: &'static str,
    pub service: &'static str,
    /// Where signals go.
    pub endpoint: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_lines_are_told_however_many_errors_were() {
        let line =
            |line, outcome| LineResult { line, external_id: None, outcome, unknown: Vec::new() };
        let bad = || LineOutcome::Refused(vec![FieldError::new("body", "is bad"); MAX_TOLD_ERRORS]);
        let results = [
            line(1, bad()),
            line(2, bad()),
            line(3, LineOutcome::Stored(SignalId::new(7))),
            line(4, LineOutcome::Duplicate(SignalId::new(8))),
        ];
        let view = BatchView::new(&results);
        let counts = (view.stored, view.duplicates, view.refused, view.refused_untold);
        assert_eq!(counts, (1, 1, 2, 1));
        assert_eq!(view.results.iter().map(|line| line.line).collect::<Vec<_>>(), [1, 3, 4]);
    }
}
