//! What requests carry, for the description. The handlers read members one by one, so that every bad
//! one is named at once; nothing is ever made of these types.

use utoipa::ToSchema;

/// A signal, as its producer says it.
#[derive(ToSchema)]
#[schema(example = json!({
    "signal_id": "SIG-1", "symbol": "AAPL", "action": "BUY", "entry_price": 175.5,
    "target_price": 184.25, "stop_price": 171.0, "confidence": 95.5,
    "strategy": "weighted_consensus_v6", "timestamp": "2025-01-15T10:30:00+00:00",
    "sha256": "e00f3fd1c65e398c778cf06396d571857f7f7af11c5e610cbdc114ec35d867d9"
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
    /// Or `verification_hash`: SHA-256 over the nine keys as Python's `json.dumps(…, sort_keys=True)`
    /// writes them.
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
