//! Channels of Telegram and Discord, by the plain HTTP interfaces of bots.

mod discord;
mod gate;
mod telegram;

pub use discord::{DiscordChannels, DiscordSettings};
pub use telegram::{TelegramChannels, TelegramSettings};
