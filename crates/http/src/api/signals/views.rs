//! Signals, as readers see them.

use std::fmt;

use alpine_domain::{
    Timestamp,
    account::Viewer,
    page::Page,
    signal::{
        Action, Catalogue, Confidence, ExitPrice, Origin, Outcome, PnlPercent, Price, Signal,
        SignalStatus, Strategy,
    },
};
use serde::{Serialize, Serializer, ser::SerializeSeq as _};
use utoipa::ToSchema;

use super::visibility::VisibilityView;

/// A signal as readers see it. Numbers carry the producer's own digits.
#[derive(Serialize, ToSchema)]
#[schema(as = Signal)]
pub(crate) struct SignalView<'a> {
    /// Its number at Alpine.
    #[schema(example = "42")]
    pub id: String,
    #[schema(example = "AAPL")]
    pub symbol: &'a str,
    #[schema(value_type = ActionWord)]
    pub action: Action,
    #[schema(value_type = f64, exclusive_minimum = 0.0)]
    pub entry_price: &'a Price,
    #[schema(value_type = Option<f64>, required = true)]
    pub stop_loss: Option<&'a Price>,
    #[schema(value_type = Option<f64>, required = true)]
    pub take_profit: Option<&'a Price>,
    #[schema(value_type = f64, minimum = 0.0, maximum = 100.0)]
    pub confidence: &'a Confidence,
    /// PREMIUM from the configured confidence on.
    pub r#type: SignalType,
    #[schema(value_type = StatusWord)]
    pub status: SignalStatus,
    /// The producer's time of the signal, to the letter.
    #[schema(example = "2025-01-15T10:30:00+00:00")]
    pub timestamp: &'a str,
    /// The producer's SHA-256, verified.
    #[schema(min_length = 64, max_length = 64)]
    pub hash: &'a str,
    #[schema(required = true)]
    pub reasoning: Option<&'a str>,
    #[schema(required = true)]
    pub strategy: Option<&'a str>,
    #[schema(example = "stock")]
    pub asset_type: &'a str,
    #[schema(value_type = Option<f64>, required = true)]
    pub exit_price: Option<&'a ExitPrice>,
    /// Profit or loss in percent of the entry.
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub closed_at: Option<Timestamp>,
    /// What its producer reported after it had expired; the signal stays expired.
    #[schema(required = true)]
    pub late_outcome: Option<LateOutcomeView<'a>>,
    /// When Alpine accepted it.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The producer's own id.
    pub signal_id: &'a str,
    /// The producer's name.
    #[schema(example = "argo")]
    pub producer: &'a str,
    /// The same as `created_at`.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    /// Whether it was received live, as history (`backfilled`), or made up by a simulation.
    #[schema(value_type = OriginWord)]
    pub origin: Origin,
    /// The same of how it ended; `backfilled` also when the position ended before the signal was received.
    #[schema(value_type = Option<OriginWord>, required = true)]
    pub outcome_origin: Option<Origin>,
    /// There, and true, only if a simulation made it up.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub simulated: bool,
}

/// A result that came after the signal had expired: kept beside the expiry, which it does not change.
#[derive(Serialize, ToSchema)]
#[schema(as = LateOutcome)]
pub(crate) struct LateOutcomeView<'a> {
    #[schema(value_type = StatusWord)]
    pub status: SignalStatus,
    #[schema(value_type = Option<f64>, required = true)]
    pub exit_price: Option<&'a ExitPrice>,
    /// Profit or loss in percent of the entry.
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    /// When the position ended, as its producer says.
    #[schema(value_type = String, format = DateTime)]
    pub exit_time: Timestamp,
    /// When Alpine received it.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
}

impl<'a> LateOutcomeView<'a> {
    /// The late outcome of `signal`, if it has one.
    pub(crate) fn of(signal: &'a Signal) -> Option<Self> {
        signal.late_outcome.as_ref().map(|late: &Outcome| Self {
            status: late.status,
            exit_price: late.exit_price.as_ref(),
            pnl_pct: late.pnl,
            exit_time: late.closed_at,
            received_at: late.recorded_at,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) const fn is_false(value: &bool) -> bool {
    !*value
}

/// Which signals are behind the higher tiers.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum SignalType {
    Premium,
    Standard,
}

impl fmt::Display for SignalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Premium => "PREMIUM",
            Self::Standard => "STANDARD",
        })
    }
}

crate::doc::words!(
    /// The words of [`Action`].
    ActionWord, Action
);
crate::doc::words!(
    /// The words of [`Origin`].
    OriginWord, Origin
);
crate::doc::words!(
    /// The words of [`SignalStatus`].
    StatusWord, SignalStatus
);

impl<'a> SignalView<'a> {
    pub(crate) fn new(signal: &'a Signal, catalogue: &Catalogue) -> Self {
        let content = &signal.content;
        let outcome = signal.outcome.as_ref();
        Self {
            id: signal.id.to_string(),
            symbol: content.symbol.as_str(),
            action: content.action,
            entry_price: &content.entry_price,
            stop_loss: content.stop_price.as_ref(),
            take_profit: content.target_price.as_ref(),
            confidence: &content.confidence,
            r#type: if catalogue.is_premium(signal) {
                SignalType::Premium
            } else {
                SignalType::Standard
            },
            status: signal.status(),
            timestamp: &content.timestamp,
            hash: content.hash.as_str(),
            reasoning: content.reasoning.as_deref(),
            strategy: content.strategy.as_ref().map(Strategy::as_str),
            asset_type: content.asset_type.as_str(),
            exit_price: outcome.and_then(|outcome| outcome.exit_price.as_ref()),
            pnl_pct: outcome.and_then(|outcome| outcome.pnl),
            closed_at: outcome.map(|outcome| outcome.closed_at),
            late_outcome: LateOutcomeView::of(signal),
            created_at: content.created_at,
            signal_id: content.external_id.as_str(),
            producer: content.producer_name.as_str(),
            received_at: content.created_at,
            origin: content.origin,
            outcome_origin: outcome.map(|outcome| signal.origin_of(outcome)),
            simulated: content.is_simulated,
        }
    }
}

/// Signals, written one by one.
pub(crate) struct SignalViews<'a>(pub &'a [Signal], pub &'a Catalogue);

impl Serialize for SignalViews<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for signal in self.0 {
            list.serialize_element(&SignalView::new(signal, self.1))?;
        }
        list.end()
    }
}

/// One page of signals.
#[derive(Serialize, ToSchema)]
#[schema(as = SignalPage)]
pub(crate) struct SignalPage<'a> {
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
    /// The group whose rules applied: a tier, or `admin`.
    pub user_tier: &'static str,
    /// Why the list is empty, or cut.
    pub visibility: VisibilityView,
}

impl<'a> SignalPage<'a> {
    pub(crate) fn new(page: &'a Page<Signal>, catalogue: &'a Catalogue, viewer: Viewer) -> Self {
        Self {
            items: SignalViews(&page.items, catalogue),
            total: page.total,
            total_capped: page.total_capped,
            limit: page.limit,
            offset: page.offset,
            has_more: page.has_more(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
            user_tier: viewer.name(),
            visibility: VisibilityView::of(viewer, catalogue),
        }
    }
}

/// The newest signals of a tier.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveSignals)]
pub(crate) struct LiveView<'a> {
    #[schema(value_type = Vec<SignalView<'a>>)]
    pub signals: SignalViews<'a>,
    pub user_tier: &'static str,
    /// The lowest confidence that the tier is shown, in percent.
    pub min_confidence: f64,
    pub count: usize,
    /// Why the list is empty, or cut.
    pub visibility: VisibilityView,
}

/// A signal of the past.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
pub(crate) struct HistoryView<'a> {
    /// Its number at Alpine, `id` elsewhere.
    pub signal_id: String,
    /// The producer's own id, `signal_id` elsewhere.
    pub producer_signal_id: &'a str,
    /// The producer's name.
    #[schema(example = "argo")]
    pub producer: &'a str,
    pub symbol: &'a str,
    #[schema(value_type = ActionWord)]
    pub action: Action,
    #[schema(value_type = f64)]
    pub entry_price: &'a Price,
    #[schema(value_type = Option<f64>, required = true)]
    pub exit_price: Option<&'a ExitPrice>,
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    #[schema(value_type = StatusWord)]
    pub status: SignalStatus,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The same as `created_at`.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Timestamp,
    #[schema(value_type = OriginWord)]
    pub origin: Origin,
    /// The same of how it ended; `backfilled` also when the position ended before the signal was received.
    #[schema(value_type = Option<OriginWord>, required = true)]
    pub outcome_origin: Option<Origin>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub closed_at: Option<Timestamp>,
    /// What its producer reported after it had expired; the signal stays expired.
    #[schema(required = true)]
    pub late_outcome: Option<LateOutcomeView<'a>>,
    /// There, and true, only if a simulation made it up.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub simulated: bool,
}

impl<'a> HistoryView<'a> {
    pub(crate) fn new(signal: &'a Signal) -> Self {
        let outcome = signal.outcome.as_ref();
        Self {
            signal_id: signal.id.to_string(),
            producer_signal_id: signal.content.external_id.as_str(),
            producer: signal.content.producer_name.as_str(),
            symbol: signal.content.symbol.as_str(),
            action: signal.content.action,
            entry_price: &signal.content.entry_price,
            exit_price: outcome.and_then(|outcome| outcome.exit_price.as_ref()),
            pnl_pct: outcome.and_then(|outcome| outcome.pnl),
            status: signal.status(),
            created_at: signal.content.created_at,
            received_at: signal.content.created_at,
            origin: signal.content.origin,
            outcome_origin: outcome.map(|outcome| signal.origin_of(outcome)),
            closed_at: outcome.map(|outcome| outcome.closed_at),
            late_outcome: LateOutcomeView::of(signal),
            simulated: signal.content.is_simulated,
        }
    }
}
