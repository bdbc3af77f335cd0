//! Channels of Telegram and Discord, by the plain HTTP interfaces of bots.

mod gate;
mod telegram;

pub use telegram::{TelegramChannels, TelegramSettings};
