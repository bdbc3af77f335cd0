//! What requests carry, for the description. The handlers read members one by one, so that every bad
//! one is named at once; nothing is ever made of these types.

use utoipa::ToSchema;

/// A new account. Members that would grant something change nothing.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignUpRequest {
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// Of any kind; well-known ones are refused.
    #[schema(format = Password, min_length = 12, max_length = 128)]
    password: String,
    #[schema(min_length = 1, max_length = 200)]
    full_name: String,
}

/// Who signs in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInRequest {
    #[schema(format = Email)]
    email: String,
    #[schema(format = Password)]
    password: String,
}

/// Who signs in, as OAuth 2.0's password form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInForm {
    /// The e-mail address.
    username: String,
    #[schema(format = Password)]
    password: String,
}

/// A refresh token, good for one use.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct RefreshRequest {
    refresh_token: String,
}

/// What to change; the rest stays.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ProfileChangeRequest {
    #[schema(min_length = 1, max_length = 200)]
    full_name: Option<String>,
    #[schema(format = Email, max_length = 254)]
    email: Option<String>,
}

/// A new API key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ApiKeyRequest {
    name: String,
    /// Today only `signals:read`.
    #[schema(example = json!(["signals:read"]))]
    scopes: Option<Vec<String>>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

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
    #[schema(min_length = 1, max_length = 255)]
    signal_id: String,
    #[schema(min_length = 1, max_length = 20, pattern = "^[A-Z0-9._/:=^-]+$")]
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
    #[schema(min_length = 64, max_length = 64)]
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
    #[schema(min_length = 1, max_length = 255)]
    signal_id: String,
    #[schema(exclusive_minimum = 0.0)]
    exit_price: f64,
    /// Not before the signal's own time.
    #[schema(format = DateTime)]
    exit_timestamp: String,
    /// `target_hit`, `stop_hit`, `closed` or `expired`; without it the prices tell.
    #[schema(example = "target_hit")]
    status: Option<String>,
}
