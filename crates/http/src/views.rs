//! What answers look like: the shapes that existing clients know.

use alpine_domain::{
    FieldError, Timestamp,
    account::{Account, ApiKey, ApiKeyId, Role, SignedIn, Tier, UserId},
    page::Page,
    signal::{
        Action, Catalogue, Confidence, EquityCurve, LineOutcome, LineResult, PnlPercent, Price,
        Signal, SignalStatus, Statistics, SymbolRecord,
    },
};
use serde::{Serialize, Serializer, ser::SerializeSeq as _};
use utoipa::ToSchema;

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
    pub exit_price: Option<&'a Price>,
    /// Profit or loss in percent of the entry.
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub closed_at: Option<Timestamp>,
    /// When Alpine accepted it.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// There, and true, only if a simulation made it up.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub simulated: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Which signals are behind the higher tiers.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum SignalType {
    Premium,
    Standard,
}

/// The words of [`Action`], for the description of the API.
#[derive(ToSchema)]
#[schema(as = Action, rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum ActionWord {
    Buy,
    Sell,
}

/// The words of [`SignalStatus`], for the description of the API.
#[derive(ToSchema)]
#[schema(as = SignalStatus, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum StatusWord {
    Open,
    TargetHit,
    StopHit,
    Closed,
    Expired,
}

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
            strategy: content.strategy.as_ref().map(|strategy| strategy.as_str()),
            asset_type: content.asset_type.as_str(),
            exit_price: outcome.and_then(|outcome| outcome.exit_price.as_ref()),
            pnl_pct: outcome.and_then(|outcome| outcome.pnl),
            closed_at: outcome.map(|outcome| outcome.closed_at),
            created_at: content.created_at,
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
}

impl<'a> SignalPage<'a> {
    pub(crate) fn new(
        page: &'a Page<Signal>,
        catalogue: &'a Catalogue,
        user_tier: &'static str,
    ) -> Self {
        Self {
            items: SignalViews(&page.items, catalogue),
            total: page.total,
            total_capped: page.total_capped,
            limit: page.limit,
            offset: page.offset,
            has_more: page.has_more(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
            user_tier,
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
}

/// A signal of the past.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
pub(crate) struct HistoryView<'a> {
    pub signal_id: String,
    pub symbol: &'a str,
    #[schema(value_type = ActionWord)]
    pub action: Action,
    #[schema(value_type = f64)]
    pub entry_price: &'a Price,
    #[schema(value_type = Option<f64>, required = true)]
    pub exit_price: Option<&'a Price>,
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    #[schema(value_type = StatusWord)]
    pub status: SignalStatus,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub closed_at: Option<Timestamp>,
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
            symbol: signal.content.symbol.as_str(),
            action: signal.content.action,
            entry_price: &signal.content.entry_price,
            exit_price: outcome.and_then(|outcome| outcome.exit_price.as_ref()),
            pnl_pct: outcome.and_then(|outcome| outcome.pnl),
            status: signal.status(),
            created_at: signal.content.created_at,
            closed_at: outcome.map(|outcome| outcome.closed_at),
            simulated: signal.content.is_simulated,
        }
    }
}

/// A user, as the user sees itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
pub(crate) struct ProfileView<'a> {
    #[schema(value_type = String, format = "uuid")]
    pub id: UserId,
    #[schema(format = Email)]
    pub email: &'a str,
    pub full_name: &'a str,
    #[schema(value_type = TierWord)]
    pub tier: Tier,
    #[schema(value_type = String, example = "user")]
    pub role: Role,
    pub is_active: bool,
    pub is_verified: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// The words of [`Tier`], for the description of the API.
#[derive(ToSchema)]
#[schema(as = Tier, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) enum TierWord {
    Free,
    Starter,
    Pro,
    Elite,
}

impl<'a> From<&'a Account> for ProfileView<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: account.id,
            email: account.email.as_str(),
            full_name: account.full_name.as_str(),
            tier: account.tier,
            role: account.role,
            is_active: account.is_active,
            is_verified: account.is_verified,
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// A pair of tokens and whose they are.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub(crate) struct SignedInView<'a> {
    pub access_token: &'a str,
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// The life of the access token, in seconds.
    pub expires_in: u64,
    /// Good for one use at `auth/refresh`.
    pub refresh_token: &'a str,
    pub user: UserView<'a>,
    pub requires_2fa: bool,
}

/// A user, briefly.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView<'a> {
    #[schema(value_type = String, format = "uuid")]
    pub id: UserId,
    #[schema(format = Email)]
    pub email: &'a str,
    pub full_name: &'a str,
    #[schema(value_type = TierWord)]
    pub tier: Tier,
}

impl<'a> From<&'a SignedIn> for SignedInView<'a> {
    fn from(signed_in: &'a SignedIn) -> Self {
        let account = &signed_in.account;
        Self {
            access_token: signed_in.access_token.reveal(),
            token_type: "bearer",
            expires_in: signed_in.expires_in.as_secs(),
            refresh_token: signed_in.refresh_token.reveal(),
            user: UserView {
                id: account.id,
                email: account.email.as_str(),
                full_name: account.full_name.as_str(),
                tier: account.tier,
            },
            requires_2fa: false,
        }
    }
}

/// An API key, never with the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(crate) struct ApiKeyView<'a> {
    #[schema(value_type = String, format = "uuid")]
    pub id: ApiKeyId,
    pub name: &'a str,
    /// The key's first characters, to tell keys apart.
    pub prefix: &'a str,
    pub scopes: &'a [String],
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Option<Timestamp>,
}

impl<'a> From<&'a ApiKey> for ApiKeyView<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id,
            name: &key.name,
            prefix: &key.prefix,
            scopes: &key.scopes,
            created_at: key.created_at,
            expires_at: key.expires_at,
        }
    }
}

/// An API key that was just made: the only time that the key itself is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = NewApiKey)]
pub(crate) struct NewApiKeyView<'a> {
    #[serde(flatten)]
    pub details: ApiKeyView<'a>,
    /// The key itself, for `X-API-Key`. It is not shown again.
    pub key: &'a str,
}

/// The keys of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(crate) struct ApiKeysView<'a> {
    pub items: Vec<ApiKeyView<'a>>,
    pub total: usize,
}

/// One sentence.
#[derive(Serialize, ToSchema)]
pub(crate) struct Message<'a> {
    pub message: &'a str,
}

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
    pub message: &'static str,
    /// Alpine's number; the same as `alpine_signal_id`.
    pub signal_id: i64,
    pub alpine_signal_id: i64,
    /// The producer's own id.
    pub external_signal_id: &'a str,
    #[schema(value_type = StatusWord)]
    pub signal_status: SignalStatus,
    #[schema(value_type = Option<f64>, required = true)]
    pub exit_price: Option<&'a Price>,
    /// Profit or loss in percent of the entry, computed from exact decimals.
    #[schema(value_type = Option<f64>, required = true)]
    pub pnl_pct: Option<PnlPercent>,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub closed_at: Option<Timestamp>,
}

/// What became of a batch.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = BatchResult)]
pub(crate) struct BatchView<'a> {
    pub stored: usize,
    pub duplicates: usize,
    pub conflicts: usize,
    pub refused: usize,
    /// One for each line, in order.
    pub results: Vec<LineView<'a>>,
}

/// What became of a line of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = LineResult)]
pub(crate) struct LineView<'a> {
    /// From 1.
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
        for result in results {
            let (count, status, id, errors): (_, _, _, &[FieldError]) = match &result.outcome {
                LineOutcome::Stored(id) => (&mut batch.stored, "stored", Some(*id), &[]),
                LineOutcome::Duplicate(id) => (&mut batch.duplicates, "duplicate", Some(*id), &[]),
                LineOutcome::Conflict(id) => (&mut batch.conflicts, "conflict", Some(*id), &[]),
                LineOutcome::Refused(errors) => (&mut batch.refused, "refused", None, errors),
            };
            *count += 1;
            batch.results.push(LineView {
                line: result.line,
                status,
                external_signal_id: result.external_id.as_deref(),
                alpine_signal_id: id.map(|id| id.get()),
                errors: errors.iter().map(LineErrorView::from).collect(),
            });
        }
        batch
    }
}

/// Statistics over closed signals; percentages are percent of the entry.
#[derive(Serialize, ToSchema)]
#[schema(as = PerformanceStats)]
pub(crate) struct StatisticsView {
    pub total_trades: u64,
    pub winning_trades: u64,
    pub losing_trades: u64,
    /// Wins in percent of all.
    pub win_rate: f64,
    pub avg_win_pct: f64,
    pub avg_loss_pct: f64,
    /// The sum of the wins over the sum of the losses; null while nothing was lost.
    #[schema(required = true)]
    pub profit_factor: Option<f64>,
    pub largest_win_pct: f64,
    pub largest_loss_pct: f64,
    pub mean_return_pct: f64,
    /// How many of the trades a simulation made up.
    pub simulated_trades: u64,
}

impl From<Statistics> for StatisticsView {
    fn from(statistics: Statistics) -> Self {
        Self {
            total_trades: statistics.total_trades,
            winning_trades: statistics.winning_trades,
            losing_trades: statistics.losing_trades,
            win_rate: statistics.win_rate,
            avg_win_pct: statistics.avg_win_pct,
            avg_loss_pct: statistics.avg_loss_pct,
            profit_factor: statistics.profit_factor,
            largest_win_pct: statistics.largest_win_pct,
            largest_loss_pct: statistics.largest_loss_pct,
            mean_return_pct: statistics.mean_return_pct,
            simulated_trades: statistics.simulated_trades,
        }
    }
}

/// Every closed signal's percent added on one unit of capital, in order of closing.
#[derive(Serialize, ToSchema)]
#[schema(as = EquityCurve)]
pub(crate) struct EquityCurveView {
    /// At most 2,000; longer curves are thinned evenly.
    pub points: Vec<EquityPointView>,
    /// How many closed signals stand behind them.
    pub total_points: u64,
}

/// A point of an equity curve.
#[derive(Serialize, ToSchema)]
#[schema(as = EquityPoint)]
pub(crate) struct EquityPointView {
    #[schema(value_type = String, format = DateTime)]
    pub closed_at: Timestamp,
    pub cumulative_pct: f64,
}

impl From<EquityCurve> for EquityCurveView {
    fn from(curve: EquityCurve) -> Self {
        let point = |point: &alpine_domain::signal::EquityPoint| EquityPointView {
            closed_at: point.closed_at,
            cumulative_pct: point.cumulative_pct,
        };
        Self { points: curve.points.iter().map(point).collect(), total_points: curve.total_points }
    }
}

/// Instruments with closed signals.
#[derive(Serialize, ToSchema)]
#[schema(as = Symbols)]
pub(crate) struct SymbolsView<'a> {
    pub items: Vec<SymbolView<'a>>,
    pub total: usize,
}

/// An instrument with closed signals.
#[derive(Serialize, ToSchema)]
#[schema(as = Symbol)]
pub(crate) struct SymbolView<'a> {
    pub symbol: &'a str,
    pub closed_signals: u64,
}

impl<'a> SymbolsView<'a> {
    pub(crate) fn new(symbols: &'a [SymbolRecord]) -> Self {
        let view = |record: &'a SymbolRecord| SymbolView {
            symbol: record.symbol.as_str(),
            closed_signals: record.closed_signals,
        };
        Self { items: symbols.iter().map(view).collect(), total: symbols.len() }
    }
}
