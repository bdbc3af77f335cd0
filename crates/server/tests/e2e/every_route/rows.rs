//! What the walk has to know of each route beyond its description.

use serde_json::{Value, json};

use super::caller::{Id, Kind};

/// Who may call a route: said here once more, so that the description cannot be wrong alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody; credentials are not looked at.
    Anybody,
    /// Anybody, and credentials decide what is shown.
    AnybodyOrKnown,
    /// A user with a token.
    User,
    /// A user with a token or a key.
    UserOrKey,
    /// An administrator with a token.
    Admin,
    /// A producer with its key.
    Producer,
}

impl Who {
    /// The schemes that the description names.
    pub const fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Anybody => &[],
            Self::AnybodyOrKnown | Self::UserOrKey => &["bearerAuth", "userApiKey"],
            Self::User | Self::Admin => &["bearerAuth"],
            Self::Producer => &["producerKey"],
        }
    }

    /// How somebody is refused, if so: the status and the kind of problem. Credentials that a route does not look
    /// at are none.
    pub const fn refuses(self, kind: Kind) -> Option<(u16, &'static str)> {
        const UNKNOWN: Option<(u16, &str)> = Some((401, "unauthenticated"));
        const FORBIDDEN: Option<(u16, &str)> = Some((403, "forbidden"));
        match (self, kind) {
            (Self::Anybody | Self::AnybodyOrKnown, _)
            | (Self::User | Self::UserOrKey, Kind::User | Kind::OtherUser | Kind::Admin)
            | (Self::UserOrKey, Kind::UserKey)
            | (Self::Admin, Kind::Admin)
            | (Self::Producer, Kind::ProducerKey) => None,
            (Self::User | Self::Admin, Kind::Anonymous | Kind::UserKey | Kind::ProducerKey)
            | (Self::UserOrKey, Kind::Anonymous)
            | (Self::Producer, Kind::Anonymous | Kind::User | Kind::OtherUser | Kind::Admin) => {
                UNKNOWN
            }
            (Self::UserOrKey, Kind::ProducerKey)
            | (Self::Admin, Kind::User | Kind::OtherUser)
            | (Self::Producer, Kind::UserKey) => FORBIDDEN,
        }
    }

    /// Somebody who may call.
    pub const fn somebody(self) -> Kind {
        match self {
            Self::Anybody | Self::AnybodyOrKnown => Kind::Anonymous,
            Self::User | Self::UserOrKey => Kind::User,
            Self::Admin => Kind::Admin,
            Self::Producer => Kind::ProducerKey,
        }
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// An object, or nothing.
    Object,
    /// A signal a line, each with a result of its own.
    Lines,
    /// What the provider of payments signed; it is not looked at without.
    SignedEvent(&'static str),
}

/// One route.
pub struct Row {
    pub operation: &'static str,
    pub who: Who,
    /// What stands in its path.
    pub id: Option<Id>,
    /// What stands in its path belongs to one user.
    pub is_of_a_user: bool,
    /// It changes something whatever stands in its body, or ends the access of whoever calls it.
    pub acts_at_once: bool,
    /// What its body is.
    pub takes: Takes,
    /// A body without anything wrong.
    body: fn() -> Value,
}

impl Row {
    pub fn body(&self) -> Value {
        (self.body)()
    }

    const fn with(self, body: fn() -> Value) -> Self {
        Self { body, ..self }
    }

    const fn of(self, id: Id) -> Self {
        Self { id: Some(id), ..self }
    }

    const fn owned(self) -> Self {
        Self { is_of_a_user: true, ..self }
    }

    const fn acting_at_once(self) -> Self {
        Self { acts_at_once: true, ..self }
    }

    const fn signed_by(self, header: &'static str) -> Self {
        Self { takes: Takes::SignedEvent(header), ..self }
    }

    const fn of_lines(self) -> Self {
        Self { takes: Takes::Lines, ..self }
    }
}

const fn row(operation: &'static str, who: Who) -> Row {
    Row {
        operation,
        who,
        id: None,
        is_of_a_user: false,
        acts_at_once: false,
        takes: Takes::Object,
        body: Value::default,
    }
}

fn signal() -> Value {
    json!({
        "signal_id": "SIG-1", "symbol": "AAPL", "action": "BUY", "entry_price": 175.5,
        "target_price": 184.25, "stop_price": 171.0, "confidence": 95.5,
        "strategy": "weighted_consensus_v6", "timestamp": "2025-01-15T10:30:00+00:00",
        "sha256": "e00f3fd1c65e398c778cf06396d571857f7f7af11c5e610cbdc114ec35d867d9",
    })
}

fn account() -> Value {
    json!({"email": "new@example.com", "password": "nine grey owls in the barn", "full_name": "New"})
}

fn password_and_code() -> Value {
    json!({"password": "not the right one", "token": "000000"})
}

/// Every route that the description tells of.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row("latest_signals", Who::AnybodyOrKnown),
    row("subscribed_signals", Who::UserOrKey),
    row("live_signals", Who::UserOrKey),
    row("signal_history", Who::UserOrKey),
    row("export_signals", Who::UserOrKey),
    row("find_signal", Who::UserOrKey).of(Id::Signal),
    row("verify_signal", Who::UserOrKey).of(Id::Signal),

    row("sign_up", Who::Anybody).with(account),
    row("confirm_address", Who::Anybody).with(|| json!({"token": "0"})),
    row("confirm_sign_up", Who::Anybody).with(|| json!({"token": "0", "password": "nine grey owls in the barn"})),
    row("sign_in", Who::Anybody).with(|| json!({"email": "nobody@example.com", "password": "a password that nobody has"})),
    row("verify_sign_in", Who::Anybody).with(|| json!({"mfa_token": "unknown", "token": "000000"})),
    row("forgot_password", Who::Anybody).with(|| json!({"email": "user@example.com"})),
    row("reset_password", Who::Anybody).with(|| json!({"token": "unknown", "password": "nine grey owls in the barn"})),
    row("verify_email", Who::Anybody).with(|| json!({"token": "unknown"})),
    row("resend_verification", Who::User).acting_at_once(),
    row("refresh", Who::Anybody).with(|| json!({"refresh_token": "unknown"})),
    row("sign_out", Who::User).acting_at_once(),
    row("sign_out_everywhere", Who::User).acting_at_once().with(|| json!({"api_keys": false})),
    row("me", Who::UserOrKey),

    row("factor_status", Who::User),
    row("set_up_factor", Who::User).acting_at_once(),
    row("enable_factor", Who::User).with(password_and_code),
    row("verify_factor", Who::User).with(|| json!({"token": "000000"})),
    row("renew_backup_codes", Who::User).with(password_and_code),
    row("disable_factor", Who::User).with(password_and_code),

    row("profile", Who::UserOrKey),
    row("update_profile", Who::User).with(|| json!({"full_name": "Another", "current_password": "x"})),
    row("change_password", Who::User).with(|| json!({"current_password": "not the right one", "new_password": "nine grey owls in the barn"})),
    row("request_sign_in_link", Who::Anybody).with(|| json!({"email": "user@example.com"})),
    row("sign_in_by_link", Who::Anybody).with(|| json!({"token": "0"})),
    row("delete_account", Who::User).with(|| json!({"password": "not the right one"})),
    row("export_person", Who::User),
    row("list_sessions", Who::User),
    row("end_session", Who::User).of(Id::Session).owned(),
    row("list_api_keys", Who::User),
    row("create_api_key", Who::User).with(|| json!({"name": "bot"})),
    row("revoke_api_key", Who::User).of(Id::ApiKey).owned(),

    row("list_channels", Who::User),
    row("invite_to_channel", Who::User).of(Id::Channel),
    row("connect_channel", Who::User).of(Id::Channel).with(|| json!({"code": "c", "state": "s"})),
    row("receive_telegram_update", Who::Anybody).with(|| json!({"update_id": 1})).signed_by("X-Telegram-Bot-Api-Secret-Token"),

    row("list_notifications", Who::User),
    row("unread_notifications", Who::User),
    row("read_notifications", Who::User).with(|| json!({"notification_ids": ["notif-0"]})),
    row("read_all_notifications", Who::User).acting_at_once(),
    row("notification_preferences", Who::User),
    row("choose_notifications", Who::User).acting_at_once().with(|| json!({"security": false})),
    row("delete_notification", Who::User).of(Id::Notification).owned(),

    row("performance_stats", Who::AnybodyOrKnown),
    row("performance_badge", Who::AnybodyOrKnown),
    row("equity_curve_picture", Who::AnybodyOrKnown),
    row("closed_feed", Who::AnybodyOrKnown),
    row("equity_curve", Who::AnybodyOrKnown),
    row("performance_definitions", Who::Anybody),
    row("symbols", Who::AnybodyOrKnown),
    row("plans", Who::Anybody),
    row("own_plan", Who::User),
    row("upgrade", Who::User).with(|| json!({"tier": "free"})),
    row("cancel_subscription", Who::User),
    row("resume_subscription", Who::User),
    row("open_portal", Who::User),
    row("list_invoices", Who::User),
    row("receive_payment_event", Who::Anybody).with(|| json!({"id": "evt_1", "type": "x", "livemode": false, "data": {"object": {}}})).signed_by("Stripe-Signature"),

    row("admin_stats", Who::Admin),
    row("analytics", Who::Admin),
    row("admin_audit", Who::Admin),
    row("revenue", Who::Admin),
    row("admin_billing", Who::Admin),
    row("list_producers", Who::Admin),
    row("create_producer", Who::Admin).with(|| json!({"name": "zeus"})),
    row("rotate_producer_key", Who::Admin).of(Id::Nobody).with(|| json!({"overlap_seconds": 60})),
    row("enable_producer", Who::Admin).of(Id::Nobody),
    row("disable_producer", Who::Admin).of(Id::Nobody),
    row("list_users", Who::Admin),
    row("find_user", Who::Admin).of(Id::NoUser),
    row("change_user", Who::Admin).of(Id::NoUser).with(|| json!({"tier": "pro", "is_active": true, "reason": "a trial"})),
    row("list_roles", Who::Admin),
    row("assign_role", Who::Admin).with(|| json!({"user_id": "00000000-0000-4000-8000-000000000000", "role": "user"})),
    row("remove_role", Who::Admin).with(|| json!({"user_id": "00000000-0000-4000-8000-000000000000", "role": "admin"})),
    row("security_metrics", Who::Admin),
    row("security_events", Who::Admin),

    row("submit_signal", Who::Producer).with(signal),
    row("submit_batch", Who::Producer).with(signal).of_lines(),
    row("report_outcome", Who::Producer).with(|| json!({"signal_id": "SIG-0", "exit_price": 1.5, "exit_timestamp": "2025-01-16T10:30:00Z", "status": "closed"})),
    row("report_outcomes", Who::Producer).with(|| json!({"signal_id": "SIG-0", "exit_price": 1.5, "exit_timestamp": "2025-01-16T10:30:00Z", "status": "closed"})).of_lines(),
    row("own_signals", Who::Producer),
    row("find_own_signal", Who::Producer).of(Id::Nobody),
    row("sync_health", Who::Anybody),

    row("health", Who::Anybody),
    row("liveness", Who::Anybody),
    row("readiness", Who::Anybody),
    row("openapi", Who::Anybody),
    row("docs", Who::Anybody),
    row("problem_kind", Who::Anybody).of(Id::ProblemKind),
    row("metrics", Who::Anybody),
];
