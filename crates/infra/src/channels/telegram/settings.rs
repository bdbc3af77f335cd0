//! How Telegram is reached.

use std::time::Duration;

use alpine_domain::account::Secret;

/// How Telegram is reached. `Debug` hides the secrets.
#[derive(Debug, Clone)]
pub struct TelegramSettings {
    /// The bot's token: a number, a colon, and 35 characters.
    pub token: Secret,
    /// What Telegram sends with each update, as it was told by `setWebhook`.
    pub webhook_secret: Secret,
    /// `https://api.telegram.org`, without a slash at its end.
    pub url: String,
    /// How long one call may take.
    pub timeout: Duration,
}
