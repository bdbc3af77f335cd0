//! What requests carry, for the description. The handlers read members one by one, so that every bad
//! one is named at once; nothing is ever made of these types.

use alpine_domain::account::{FullName, KeyName};
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

/// A name of so many characters.
fn name(max_chars: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(max_chars))
        .description(Some(
            "Without characters that are not seen, and letters of one script in each word.",
        ))
        .build()
}

fn full_name() -> Object {
    name(FullName::MAX_CHARS)
}

fn key_name() -> Object {
    name(KeyName::MAX_CHARS)
}

/// A new account. Members that would grant something change nothing.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignUpRequest {
    /// Without characters that are not seen, and letters of one script in each word.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// Of any kind that is seen, counted in Unicode's Normalization Form C; every spelling of the same
    /// characters is the same password. Well-known ones are refused.
    #[schema(format = Password, min_length = 12, max_length = 128)]
    password: String,
    #[schema(schema_with = full_name)]
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

/// A code, after the password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct VerifySignInRequest {
    /// From the answer of `auth/login`.
    mfa_token: String,
    /// Six digits of the authenticator, or a backup code. Each is good once.
    #[schema(max_length = 64)]
    token: String,
}

/// A code.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct CodeRequest {
    /// Six digits of the authenticator, or a backup code. Each is good once.
    #[schema(max_length = 64)]
    token: String,
}

/// The password and a code.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PasswordAndCodeRequest {
    #[schema(format = Password)]
    password: String,
    /// Six digits of the authenticator, or a backup code. Each is good once.
    #[schema(max_length = 64)]
    token: String,
}

/// Who has forgotten the password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ForgotPasswordRequest {
    #[schema(format = Email)]
    email: String,
}

/// Another password, proved by what was mailed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ResetPasswordRequest {
    /// Good once, for an hour, until a newer one is sent.
    token: String,
    /// The rules of sign-up.
    #[schema(format = Password, min_length = 12, max_length = 128)]
    password: String,
}

/// What was mailed to who signed up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ConfirmSignUpRequest {
    /// Good once, for a day.
    token: String,
    /// The one that was chosen at the sign-up.
    #[schema(format = Password)]
    password: String,
}

/// What was mailed to one of the addresses of a change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ConfirmAddressRequest {
    /// Good once, for a day, until the password changes or everything is signed out.
    token: String,
}

/// Who cannot sign in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignInLinkRequest {
    #[schema(format = Email)]
    email: String,
}

/// What was mailed to sign in.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct MailedTokenRequest {
    /// Good once, for fifteen minutes, until a newer one is sent.
    token: String,
}

/// What was mailed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct VerifyEmailRequest {
    /// Good once, for a day, until a newer one is sent or the account gets another address.
    token: String,
}

/// The password, for what cannot be undone.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PasswordRequest {
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
    /// Needed for another address.
    #[schema(max_length = 128)]
    current_password: Option<String>,
}

/// What else ends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct SignOutRequest {
    /// Every API key ends as well. Without it they stay good.
    #[schema(default = false)]
    api_keys: Option<bool>,
}

/// Another password.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PasswordChangeRequest {
    #[schema(format = Password)]
    current_password: String,
    /// The rules of sign-up.
    #[schema(format = Password, min_length = 12, max_length = 128)]
    new_password: String,
}

/// A new API key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ApiKeyRequest {
    #[schema(schema_with = key_name)]
    name: String,
    /// `read` for signals and statistics, `stream` for signals as they are published, `export` for files,
    /// `account` to see whose the key is; no key changes anything of an account. Without them `read` and
    /// `export`, for which `signals:read` stands as well.
    #[schema(min_items = 1, example = json!(["read"]))]
    scopes: Option<Vec<String>>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}
