//! Users, tokens and keys, as their owner sees them.

use alpine_domain::{
    Timestamp,
    account::{
        Account, AddressDigest, ApiKey, ApiKeyId, FactorSetup, FactorStatus, Role, Scope,
        SecondFactorNeeded, Secret, SessionId, SessionSummary, SignedIn, Tier, UserId,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

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

crate::doc::words!(
    /// The words of [`Tier`].
    TierWord, Tier
);

crate::doc::words!(
    /// The words of [`Scope`].
    ScopeWord, Scope
);

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
    /// The life of the access token, in seconds; with `requires_2fa`, that of `mfa_token`.
    pub expires_in: u64,
    /// Good for one use at `auth/refresh`.
    pub refresh_token: &'a str,
    pub user: UserView<'a>,
    /// Whether a code is needed besides: then both tokens are empty.
    pub requires_2fa: bool,
    /// With `requires_2fa`: to be sent to `auth/verify-2fa` with a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_token: Option<&'a str>,
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

impl<'a> From<&'a Account> for UserView<'a> {
    fn from(account: &'a Account) -> Self {
        Self {
            id: account.id,
            email: account.email.as_str(),
            full_name: account.full_name.as_str(),
            tier: account.tier,
        }
    }
}

impl<'a> From<&'a SecondFactorNeeded> for SignedInView<'a> {
    fn from(needed: &'a SecondFactorNeeded) -> Self {
        Self {
            access_token: "",
            token_type: "bearer",
            expires_in: needed.expires_in.as_secs(),
            refresh_token: "",
            user: UserView::from(&needed.account),
            requires_2fa: true,
            mfa_token: Some(needed.token.reveal()),
        }
    }
}

impl<'a> From<&'a SignedIn> for SignedInView<'a> {
    fn from(signed_in: &'a SignedIn) -> Self {
        Self {
            access_token: signed_in.access_token.reveal(),
            token_type: "bearer",
            expires_in: signed_in.expires_in.as_secs(),
            refresh_token: signed_in.refresh_token.reveal(),
            user: UserView::from(&signed_in.account),
            requires_2fa: false,
            mfa_token: None,
        }
    }
}

/// A new pair of tokens, after the password was changed.
#[derive(Serialize, ToSchema)]
#[schema(as = PasswordChanged)]
pub(crate) struct PasswordChangedView<'a> {
    pub message: &'a str,
    #[serde(flatten)]
    pub signed_in: SignedInView<'a>,
}

/// What an authenticator needs, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = TwoFactorSetup)]
pub(crate) struct FactorSetupView<'a> {
    /// In base 32, to be typed.
    pub secret: &'a str,
    /// The same, as authenticators read it.
    pub otpauth_uri: &'a str,
    /// The same, as a picture: a `data:` URI of a PNG.
    pub qr_code: &'a str,
    /// Each is good once in the place of a code, from `2fa/enable` on. They are not shown again.
    pub backup_codes: Vec<&'a str>,
    /// Until when `2fa/enable` takes a code of it.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

impl<'a> FactorSetupView<'a> {
    pub(crate) fn of(setup: &'a FactorSetup, qr_code: &'a str) -> Self {
        Self {
            secret: setup.secret.reveal(),
            otpauth_uri: setup.uri.reveal(),
            qr_code,
            backup_codes: setup.backup_codes.iter().map(Secret::reveal).collect(),
            expires_at: setup.expires_at,
        }
    }
}

/// Backup codes that were just made.
#[derive(Serialize, ToSchema)]
#[schema(as = BackupCodes)]
pub(crate) struct BackupCodesView<'a> {
    /// Each is good once in the place of a code. They are not shown again.
    pub backup_codes: Vec<&'a str>,
}

impl<'a> From<&'a [Secret]> for BackupCodesView<'a> {
    fn from(codes: &'a [Secret]) -> Self {
        Self { backup_codes: codes.iter().map(Secret::reveal).collect() }
    }
}

/// Whether a code is asked for at sign-in.
#[derive(Serialize, ToSchema)]
#[schema(as = TwoFactorStatus)]
pub(crate) struct FactorStatusView {
    pub enabled: bool,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub enabled_at: Option<Timestamp>,
    /// Those that were not used yet.
    pub backup_codes_left: u32,
    /// Until when a set-up waits for its first code; `null` when none does.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub pending_until: Option<Timestamp>,
}

impl From<FactorStatus> for FactorStatusView {
    fn from(status: FactorStatus) -> Self {
        Self {
            enabled: status.enabled_at.is_some(),
            enabled_at: status.enabled_at,
            backup_codes_left: status.codes_left,
            pending_until: status.pending_until,
        }
    }
}

/// A live session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView<'a> {
    #[schema(value_type = String, format = "uuid")]
    pub id: SessionId,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its tokens were last renewed, or else made.
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Timestamp,
    /// Stands for the address that signed in: the same address, the same text. The address itself is not
    /// kept. `null` when a command signed in.
    #[schema(required = true)]
    pub address_digest: Option<&'a str>,
    /// Whether it is the session of this request.
    pub current: bool,
}

impl<'a> SessionView<'a> {
    /// As the holder of the session `own` sees it.
    pub(crate) fn of(session: &'a SessionSummary, own: SessionId) -> Self {
        Self {
            id: session.id,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            address_digest: session.address.as_ref().map(AddressDigest::as_str),
            current: session.id == own,
        }
    }
}

/// The live sessions of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
pub(crate) struct SessionsView<'a> {
    pub items: Vec<SessionView<'a>>,
    /// Whether there are older ones that are not shown.
    pub has_more: bool,
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
    /// What it may do.
    #[schema(value_type = Vec<ScopeWord>)]
    pub scopes: Vec<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    pub expires_at: Option<Timestamp>,
}

impl<'a> From<&'a ApiKey> for ApiKeyView<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name.as_str(),
            prefix: &key.prefix,
            scopes: key.scopes.words(),
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
