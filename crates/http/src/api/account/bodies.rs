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

/// A new API key.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ApiKeyRequest {
    #[schema(schema_with = key_name)]
    name: String,
    /// Today only `signals:read`.
    #[schema(example = json!(["signals:read"]))]
    scopes: Option<Vec<String>>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}
