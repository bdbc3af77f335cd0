//! Channels: rooms of a messenger such as Telegram or Discord, and who is in them.
//!
//! Nobody gets into one without having been let in by name: a link only says on whose behalf somebody asks.

use async_trait::async_trait;

use crate::{Result, Timestamp, account::Secret, text_enum::text_enum};

text_enum!(
    /// A messenger.
    Platform, {
        /// core.telegram.org/bots/api: a place is a chat.
        Telegram = "telegram",
        /// docs.discord.com: a place is a role, which opens channels of one server.
        Discord = "discord",
    }
);

/// Where somebody stands with a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// In it.
    In,
    /// In it, as one of those who run it: nobody whom a tier let in.
    Staff,
    /// Not in it.
    Out,
    /// Not in it, and whoever runs it wants that.
    Barred,
}

/// What became of letting somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// That one is in.
    In,
    /// Nobody of that id asks.
    NotAsking,
    /// That one is in as many places as the messenger lets anybody be.
    TooMany,
}

/// What a messenger tells by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelNews {
    /// Somebody followed a link, and waits to be let in.
    Asked {
        /// Where.
        place: String,
        /// The messenger's id of whoever asks.
        member: String,
        /// By what the link was named when it was made.
        invite: String,
    },
    /// Somebody is in a place no more.
    Gone {
        /// Where.
        place: String,
        /// The messenger's id of that person.
        member: String,
    },
    /// Nothing that matters here.
    Nothing,
}

/// Somebody who has proved to be this member.
pub struct Proved {
    /// The messenger's id.
    pub member: String,
    /// By what the messenger lets that member be brought in.
    pub grant: Secret,
}

/// A messenger. Each call may be made again when it is not known how it ended.
///
/// # Errors
/// Of every call: [`crate::Error::Unavailable`] when the messenger is away, or asks for less at once;
/// [`crate::Error::Internal`] when the operator has to do something, give the bot a right for example.
#[async_trait]
pub trait ChannelPlatform: Send + Sync {
    /// Which one it is.
    fn platform(&self) -> Platform;

    /// Whether somebody who came by a link once is let into another place without one.
    fn knows_members(&self) -> bool;

    /// A link to a place, good until `until`, by which nobody is in yet. `invite` names it, in 32 characters.
    async fn invite(&self, place: &str, invite: &str, until: Timestamp) -> Result<String>;

    /// The link is good no more. One that is good no more is left.
    async fn revoke(&self, place: &str, link: &str) -> Result<()>;

    /// Where somebody stands.
    async fn presence(&self, place: &str, member: &str) -> Result<Presence>;

    /// Lets somebody in who asked.
    async fn admit(&self, place: &str, member: &str) -> Result<Admission>;

    /// Whoever asks is not let in. Who does not ask is left.
    async fn refuse(&self, place: &str, member: &str) -> Result<()>;

    /// Takes somebody out who is in. It keeps nobody from coming again later.
    async fn remove(&self, place: &str, member: &str, now: Timestamp) -> Result<()>;

    /// Reads what the messenger sent.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] when it did not, or what it sent cannot be read.
    fn news(&self, secret: &str, body: &[u8]) -> Result<ChannelNews>;

    /// Who came back from a link with this code.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] where links lead to the place itself; [`crate::Error::Malformed`] for a code that is good
    /// no more.
    async fn prove(&self, code: &str) -> Result<Proved>;

    /// Brings in somebody who proved it, as far as everybody is.
    ///
    /// # Errors
    /// [`crate::Error::Forbidden`] when the member cannot be brought in.
    async fn bring(&self, proved: &Proved) -> Result<()>;
}
