//! What requests carry, for the description. The handlers read members one by one, so that every bad
//! one is named at once; nothing is ever made of these types.

use utoipa::ToSchema;

/// A signal, as its producer says it.
#[derive(ToSchema)]
#[schema(example = json!({
    "signal_id": "DOCS-1", "symbol": "AAPL", "action": "BUY", "entry_price": 175.5,
    "target_price": 184.25, "stop_price": 171.0, "confidence": 80.0,
    "strategy": "weighted_consensus_v6", "timestamp": "2025-01-15T10:30:00+00:00",
    "sha256": "144035b704c25aa1bdebeb9b191db59738d39e25a4e014e1d2bfc9a0f3eeec18"
}))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignalSubmission {
    /// Unique per producer.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1F\x7F-\x9F]+$")]
    signal_id: String,
    /// As the exchange or vendor writes it: letters and digits of any script, at most 20 in a row,
    /// single spaces, and the punctuation of tickers.
    #[schema(min_length = 1, max_length = 64)]
    symbol: String,
    #[schema(inline)]
    action: crate::api::signals::views::ActionWord,
    #[schema(exclusive_minimum = 0.0)]
    entry_price: f64,
    /// Or `take_profit`.
    #[schema(exclusive_minimum = 0.0)]
    target_price: Option<f64>,
    /// Or `stop_loss`.
    #[schema(exclusive_minimum = 0.0)]
    stop_price: Option<f64>,
    #[schema(minimum = 0.0, maximum = 100.0)]
    confidence: f64,
    #[schema(min_length = 1, max_length = 100)]
    strategy: Option<String>,
    #[schema(min_length = 1, max_length = 32)]
    asset_type: Option<String>,
    #[schema(max_length = 100)]
    data_source: Option<String>,
    #[schema(format = DateTime)]
    timestamp: String,
    /// Or `verification_hash`: SHA-256 over the text that Python's `json.dumps(…, sort_keys=True)` makes of the nine keys
    /// `action`, `confidence`, `entry_price`, `signal_id`, `stop_price`, `strategy`, `symbol`, `target_price` and
    /// `timestamp`: `null` where
    /// one is missing, numbers as floats. `take_profit` is hashed as `target_price`, `stop_loss` as `stop_price`.
    #[schema(min_length = 64, max_length = 64, pattern = "^[0-9A-Fa-f]+$")]
    sha256: String,
    #[schema(max_length = 4000)]
    reasoning: Option<String>,
    #[schema(max_length = 100)]
    regime: Option<String>,
    consensus_agreement: Option<f64>,
    #[schema(minimum = 0)]
    sources_count: Option<i64>,
}

/// How a signal ended.
#[derive(ToSchema)]
#[schema(example = json!({
    "signal_id": "DOCS-1", "exit_price": 184.25, "exit_timestamp": "2025-01-16T15:00:00+00:00", "status": "target_hit"
}))]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct OutcomeReport {
    /// The producer's own id.
    #[schema(min_length = 1, max_length = 255, pattern = r"^[^\x00-\x1F\x7F-\x9F]+$")]
    signal_id: String,
    /// Any price that a market settles at: zero, or below it.
    exit_price: f64,
    /// Not before the signal's own time.
    #[schema(format = DateTime)]
    exit_timestamp: String,
    /// `target_hit`, `stop_hit`, `closed` or `expired`; without it the prices tell. The first two are refused
    /// where the exit does not reach the signal's target, or stop.
    #[schema(example = "target_hit", pattern = "^(target_hit|stop_hit|closed|expired)$")]
    status: Option<String>,
}
