//! How Discord is reached.

use std::time::Duration;

use alpine_domain::account::Secret;

/// How Discord is reached. `Debug` hides the secrets.
#[derive(Debug, Clone)]
pub struct DiscordSettings {
    /// The bot's token.
    pub token: Secret,
    /// The application's id, by which members know whom they let see who they are.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: Secret,
    /// The id of the server.
    pub guild: String,
    /// Where Discord sends members back to, to the letter as the application names it.
    pub redirect_url: String,
    /// `https://discord.com`, without a slash at its end.
    pub url: String,
    /// How long one call may take.
    pub timeout: Duration,
}
