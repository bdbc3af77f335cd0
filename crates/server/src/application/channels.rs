//! Which messengers have channels, and which tier opens which.

use std::{collections::BTreeMap, sync::Arc};

use alpine_domain::{
    channel::{ChannelSettings, Places},
    ports::channels::{ChannelPlatform, Platform},
};
use alpine_infra::channels::{
    DiscordChannels, DiscordSettings, TelegramChannels, TelegramSettings,
};
use anyhow::Context as _;

use crate::config::{ByTier, Config};

/// # Errors
/// A setting that an adapter refuses.
pub(super) fn platforms(config: &Config) -> anyhow::Result<Vec<Arc<dyn ChannelPlatform>>> {
    let mut platforms: Vec<Arc<dyn ChannelPlatform>> = Vec::new();
    let telegram = &config.telegram;
    if let (Some(token), Some(webhook_secret)) = (&telegram.bot_token, &telegram.webhook_secret) {
        let settings = TelegramSettings {
            token: token.clone(),
            webhook_secret: webhook_secret.clone(),
            url: telegram.api_url.clone(),
            timeout: telegram.timeout,
        };
        platforms.push(Arc::new(TelegramChannels::new(settings).context("`telegram`")?));
    }
    let discord = &config.discord;
    if let (Some(token), Some(client_secret), Some(redirect_url)) =
        (&discord.bot_token, &discord.client_secret, config.discord_redirect())
    {
        let settings = DiscordSettings {
            token: token.clone(),
            client_id: discord.client_id.clone(),
            client_secret: client_secret.clone(),
            guild: discord.guild.clone(),
            redirect_url,
            url: discord.api_url.clone(),
            timeout: discord.timeout,
        };
        platforms.push(Arc::new(DiscordChannels::new(settings).context("`discord`")?));
    }
    Ok(platforms)
}

/// What the tiers open.
pub(super) fn settings(config: &Config) -> ChannelSettings {
    ChannelSettings {
        places: BTreeMap::from([
            (Platform::Telegram, places(&config.telegram.channels)),
            (Platform::Discord, places(&config.discord.roles)),
        ]),
        invite_ttl: config.channels.invite_ttl,
    }
}

fn places(given: &ByTier) -> Places {
    Places(given.given().map(|(tier, place)| (tier, place.clone())).collect())
}
