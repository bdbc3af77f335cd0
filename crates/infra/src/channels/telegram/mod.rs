//! Channels and groups of Telegram: core.telegram.org/bots/api.
//!
//! A link asks for approval (`creates_join_request`): nobody is in who was not let in by name, so nobody is in of whom it is
//! not known on whose behalf, whatever becomes of updates. Such a link cannot have a `member_limit`; it is for one
//! person all the same, since one is let in, and it is revoked then.

mod client;
mod settings;
mod updates;

use std::time::Duration;

use alpine_domain::{
    Error, Result, Timestamp,
    ports::channels::{Admission, ChannelNews, ChannelPlatform, Platform, Presence, Proved},
};
use async_trait::async_trait;
use hmac::Mac as _;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

pub use self::settings::TelegramSettings;
use self::{
    client::{Answered, Client},
    updates::{InviteLink, Member},
};
use crate::{SettingsError, keyed};

/// Nobody of this id asks to be let in; the third is in already, the last two have deleted their account.
const NOT_ASKING: &[&str] = &[
    "HIDE_REQUESTER_MISSING",
    "USER_ID_INVALID",
    "USER_ALREADY_PARTICIPANT",
    "INPUT_USER_DEACTIVATED",
    "user is deactivated",
];

/// Who asks is in as many channels as Telegram lets anybody be: `CHANNELS_TOO_MUCH` or `USER_CHANNELS_TOO_MUCH`,
/// core.telegram.org/method/messages.hideChatJoinRequest.
const TOO_MANY: &str = "CHANNELS_TOO_MUCH";

/// Telegram knows nobody of this id, or not in this chat.
const NOBODY: &[&str] = &[
    "PARTICIPANT_ID_INVALID",
    "USER_ID_INVALID",
    "user not found",
    "member not found",
    "USER_NOT_PARTICIPANT",
];

/// The link was revoked, or is too old.
const NO_LINK: &[&str] = &["INVITE_HASH_EXPIRED", "INVITE_HASH_INVALID", "INVITE_REVOKED_MISSING"];

/// Who is taken out is kept out for so long, if nothing ends that at once: an instance that dies between both calls leaves
/// a ban that ends by itself. Telegram takes less than 30 s for ever.
const BAN: Duration = Duration::from_mins(10);

/// Where Telegram says the secret: core.telegram.org/bots/api#setwebhook, `secret_token`.
const HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

/// Telegram.
pub struct TelegramChannels(Client);

impl TelegramChannels {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// A URL that cannot be read.
    pub fn new(settings: TelegramSettings) -> Result<Self, SettingsError> {
        Client::new(settings).map(Self)
    }

    async fn done(&self, method: &str, body: Value, reasons: &[&str]) -> Result<bool> {
        let answered = self.0.call::<IgnoredAny>(method, &body).await?;
        Ok(answered.unless(reasons)?.is_some())
    }
}

/// Telegram's id of a person.
fn person(member: &str) -> Result<i64> {
    member.parse().map_err(|_| Error::internal("an id of a member that is none of Telegram's"))
}

#[async_trait]
impl ChannelPlatform for TelegramChannels {
    fn platform(&self) -> Platform {
        Platform::Telegram
    }

    fn knows_members(&self) -> bool {
        false
    }

    async fn invite(&self, place: &str, invite: &str, until: Timestamp) -> Result<String> {
        let body = json!({
            "chat_id": place,
            "name": invite,
            "expire_date": until.seconds(),
            "creates_join_request": true,
        });
        let link = self.0.call::<InviteLink>("createChatInviteLink", &body).await?;
        let made = link.unless(&[])?.ok_or_else(|| Error::internal("Telegram made no link"))?;
        Ok(made.invite_link)
    }

    async fn revoke(&self, place: &str, link: &str) -> Result<()> {
        let body = json!({"chat_id": place, "invite_link": link});
        self.done("revokeChatInviteLink", body, NO_LINK).await.map(|_| ())
    }

    async fn presence(&self, place: &str, member: &str) -> Result<Presence> {
        let body = json!({"chat_id": place, "user_id": person(member)?});
        let found = self.0.call::<Member>("getChatMember", &body).await?.unless(NOBODY)?;
        Ok(match found {
            Some(it) if it.is_in() => Presence::In,
            Some(it) if it.is_staff() => Presence::Staff,
            Some(it) if it.status == "kicked" => Presence::Barred,
            _ => Presence::Out,
        })
    }

    async fn admit(&self, place: &str, member: &str) -> Result<Admission> {
        let body = json!({"chat_id": place, "user_id": person(member)?});
        let answered = self.0.call::<IgnoredAny>("approveChatJoinRequest", &body).await?;
        if matches!(&answered, Answered::Refused(reason) if reason.contains(TOO_MANY)) {
            return Ok(Admission::TooMany);
        }
        let is_in = answered.unless(NOT_ASKING)?.is_some();
        Ok(if is_in { Admission::In } else { Admission::NotAsking })
    }

    async fn refuse(&self, place: &str, member: &str) -> Result<()> {
        let body = json!({"chat_id": place, "user_id": person(member)?});
        self.done("declineChatJoinRequest", body, NOT_ASKING).await.map(|_| ())
    }

    async fn remove(&self, place: &str, member: &str, now: Timestamp) -> Result<()> {
        let user_id = person(member)?;
        let until = now.later(BAN).seconds();
        let ban = json!({"chat_id": place, "user_id": user_id, "until_date": until});
        if self.done("banChatMember", ban, NOBODY).await? {
            let lift = json!({"chat_id": place, "user_id": user_id, "only_if_banned": true});
            self.done("unbanChatMember", lift, NOBODY).await?;
        }
        Ok(())
    }

    fn news(&self, secret: &str, body: &[u8]) -> Result<ChannelNews> {
        // Codes over both are compared in constant time, whatever their lengths.
        let expected = self.0.settings().webhook_secret.reveal().as_bytes();
        let code = keyed(expected).chain_update(secret.as_bytes()).finalize().into_bytes();
        keyed(expected)
            .chain_update(expected)
            .verify_slice(&code)
            .map_err(|_| Error::malformed(HEADER, "is not the secret of the webhook"))?;
        updates::read(body)
    }

    async fn prove(&self, _: &str) -> Result<Proved> {
        Err(Error::NotFound("page to come back to from Telegram"))
    }

    async fn bring(&self, _: &Proved) -> Result<()> {
        Err(Error::Forbidden("whoever is to join a channel of Telegram follows its link"))
    }
}
