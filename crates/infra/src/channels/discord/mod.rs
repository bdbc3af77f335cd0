//! Roles of a server of Discord: docs.discord.com/developers.
//!
//! An invite of Discord's does not tell who used it (only a connection that stays open, the gateway, does), so the link that
//! a member follows is Discord's page of consent (OAuth 2, `identify guilds.join`). It leads back to the website, whose
//! visitor is signed in; the code that comes along says who the member is, and lets the bot bring that one in.
//! Channels are opened by a role, which is given and taken by the bot alone.

mod client;
mod settings;

use alpine_domain::{
    Error, Result, Timestamp,
    account::Secret,
    ports::channels::{Admission, ChannelNews, ChannelPlatform, Platform, Presence, Proved},
};
use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use self::client::{Answered, Client, read};
pub use self::settings::DiscordSettings;
use crate::SettingsError;

/// Nobody of this id is on the server, or anywhere: unknown member, unknown user.
const NOBODY: &[u32] = &[10_007, 10_013];

/// The member is on as many servers as Discord lets anybody be.
const FULL: u32 = 30_001;

/// The member was banned from the server.
const BANNED: u32 = 40_007;

/// What a member lets the application do.
const SCOPE: &str = "identify guilds.join";

/// Discord.
pub struct DiscordChannels {
    client: Client,
    authorize: Url,
}

/// docs.discord.com/developers/topics/oauth2#authorization-code-grant
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    scope: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Member {
    roles: Vec<String>,
}

impl DiscordChannels {
    /// Opens no connection yet.
    ///
    /// # Errors
    /// A URL that cannot be read.
    pub fn new(settings: DiscordSettings) -> Result<Self, SettingsError> {
        let authorize = Url::parse(&format!("{}/oauth2/authorize", settings.url));
        let authorize = authorize.map_err(|error| {
            SettingsError::new("discord.api_url", error.to_string(), "it is https://discord.com")
        })?;
        Ok(Self { client: Client::new(settings)?, authorize })
    }

    fn member(&self, member: &str) -> Result<String> {
        Ok(format!("guilds/{}/members/{}", self.client.settings().guild, snowflake(member)?))
    }

    fn role(&self, role: &str, member: &str) -> Result<String> {
        Ok(format!("{}/roles/{}", self.member(member)?, snowflake(role)?))
    }

    /// Whose grant this is.
    async fn owner(&self, grant: &str) -> Result<String> {
        let request = self.client.request(Method::GET, "users/@me").bearer_auth(grant);
        let answered = self.client.send("users/@me", request).await?;
        let body = answered.unless(&[])?.unwrap_or_default();
        Ok(snowflake(&read::<User>(&body)?.id)?.to_owned())
    }
}

/// Discord's ids are numbers; what is one changes no path.
fn snowflake(id: &str) -> Result<&str> {
    let is_one = (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    if is_one { Ok(id) } else { Err(Error::internal("an id that is none of Discord's")) }
}

#[async_trait]
impl ChannelPlatform for DiscordChannels {
    fn platform(&self) -> Platform {
        Platform::Discord
    }

    fn knows_members(&self) -> bool {
        true
    }

    async fn invite(&self, _: &str, invite: &str, _: Timestamp) -> Result<String> {
        let settings = self.client.settings();
        let mut url = self.authorize.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("scope", SCOPE)
            .append_pair("state", invite)
            .append_pair("redirect_uri", &settings.redirect_url);
        Ok(url.into())
    }

    /// The page is Discord's for anybody; what came back from it is good once, which its caller sees to.
    async fn revoke(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn presence(&self, role: &str, member: &str) -> Result<Presence> {
        let request = self.client.by_bot(Method::GET, &self.member(member)?);
        let found = self.client.send("to show a member", request).await?.unless(NOBODY)?;
        let Some(body) = found else { return Ok(Presence::Out) };
        let has_role = read::<Member>(&body)?.roles.iter().any(|it| it == role);
        Ok(if has_role { Presence::In } else { Presence::Out })
    }

    async fn admit(&self, role: &str, member: &str) -> Result<Admission> {
        let request = self.client.by_bot(Method::PUT, &self.role(role, member)?);
        let given = self.client.send("to give a role", request).await?.unless(NOBODY)?;
        Ok(if given.is_some() { Admission::In } else { Admission::NotAsking })
    }

    /// Nobody waits: who comes is brought in at once, and a role is given or is not.
    async fn refuse(&self, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn remove(&self, role: &str, member: &str, _: Timestamp) -> Result<()> {
        let request = self.client.by_bot(Method::DELETE, &self.role(role, member)?);
        self.client.send("to take a role", request).await?.unless(NOBODY).map(|_| ())
    }

    fn news(&self, _: &str, _: &[u8]) -> Result<ChannelNews> {
        Err(Error::NotFound("webhook of Discord's"))
    }

    async fn prove(&self, code: &str) -> Result<Proved> {
        let settings = self.client.settings();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &settings.redirect_url),
            ("client_id", &settings.client_id),
            ("client_secret", settings.client_secret.reveal()),
        ];
        let request = self.client.request(Method::POST, "oauth2/token").form(&form);
        let body = match self.client.send("a code", request).await? {
            Answered::Done(body) => body,
            Answered::Refused(_, told) if told.contains("invalid_grant") => {
                return Err(Error::malformed("code", "is good no more; follow the link again"));
            }
            Answered::Refused(_, told) => return Err(Error::internal(told)),
        };
        let grant: Grant = read(&body)?;
        if SCOPE.split(' ').any(|wanted| !grant.scope.split(' ').any(|scope| scope == wanted)) {
            return Err(Error::malformed(
                "code",
                "does not let the bot bring you in; follow the link again",
            ));
        }
        let member = self.owner(&grant.access_token).await?;
        Ok(Proved { member, grant: Secret::new(grant.access_token) })
    }

    /// Without a role: that is given when the tier was looked at.
    async fn bring(&self, proved: &Proved) -> Result<()> {
        let request = self.client.by_bot(Method::PUT, &self.member(&proved.member)?);
        let request = request.json(&json!({"access_token": proved.grant.reveal()}));
        match self.client.send("to bring a member", request).await? {
            Answered::Done(_) => Ok(()),
            Answered::Refused(FULL, _) => Err(Error::Forbidden(
                "you are on as many servers as Discord allows; leave one first",
            )),
            Answered::Refused(BANNED, _) => {
                Err(Error::Forbidden("whoever runs the server keeps you out"))
            }
            Answered::Refused(_, told) => Err(Error::internal(told)),
        }
    }
}
