//! Users, tokens and keys, as their owner sees them.

use alpine_domain::{
    Timestamp,
    account::{Account, ApiKey, ApiKeyId, Role, SignedIn, Tier, UserId},
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
            name: key.name.as_str(),
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
