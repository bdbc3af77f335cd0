//! What requests carry, for the description.

use utoipa::ToSchema;

/// What the messenger's page led back to the website with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ConnectRequest {
    code: String,
    state: String,
}

/// An update: core.telegram.org/bots/api#update. Other members than these are not looked at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct TelegramUpdate {
    #[schema(example = 1)]
    update_id: i64,
    /// Somebody asks to be let in.
    #[schema(value_type = Option<Object>)]
    chat_join_request: Option<String>,
    /// Somebody stands otherwise with a chat.
    #[schema(value_type = Option<Object>)]
    chat_member: Option<String>,
}
