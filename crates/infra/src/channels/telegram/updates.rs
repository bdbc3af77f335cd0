//! Updates as Telegram sends them: core.telegram.org/bots/api#update. They are read for ids alone.

use alpine_domain::{Error, Result, ports::channels::ChannelNews};
use serde::Deserialize;

#[derive(Deserialize)]
struct Update {
    #[serde(rename = "update_id")]
    _id: i64,
    chat_join_request: Option<JoinRequest>,
    chat_member: Option<MemberUpdated>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
}

#[derive(Deserialize)]
pub(super) struct Person {
    pub(super) id: i64,
}

/// core.telegram.org/bots/api#chatjoinrequest
#[derive(Deserialize)]
struct JoinRequest {
    chat: Chat,
    from: Person,
    invite_link: Option<InviteLink>,
}

/// core.telegram.org/bots/api#chatinvitelink
#[derive(Deserialize)]
pub(super) struct InviteLink {
    pub(super) invite_link: String,
    pub(super) name: Option<String>,
}

/// core.telegram.org/bots/api#chatmemberupdated
#[derive(Deserialize)]
struct MemberUpdated {
    chat: Chat,
    new_chat_member: Member,
}

/// core.telegram.org/bots/api#chatmember
#[derive(Deserialize)]
pub(super) struct Member {
    pub(super) status: String,
    user: Person,
    /// Of who is restricted.
    #[serde(default, rename = "is_member")]
    is_among: bool,
}

impl Member {
    /// In the chat, or allowed to say little in it.
    pub(super) fn is_in(&self) -> bool {
        self.status == "member" || (self.status == "restricted" && self.is_among)
    }

    pub(super) fn is_staff(&self) -> bool {
        matches!(self.status.as_str(), "creator" | "administrator")
    }
}

pub(super) fn read(body: &[u8]) -> Result<ChannelNews> {
    let update: Update = serde_json::from_slice(body).map_err(|error| {
        Error::malformed("body", format!("must be an update of Telegram's: {error}"))
    })?;
    if let Some(JoinRequest { chat, from, invite_link }) = update.chat_join_request {
        // Links without a name are those of people who run the chat.
        let Some(invite) = invite_link.and_then(|link| link.name) else {
            return Ok(ChannelNews::Nothing);
        };
        let (place, member) = (chat.id.to_string(), from.id.to_string());
        return Ok(ChannelNews::Asked { place, member, invite });
    }
    Ok(match update.chat_member {
        Some(MemberUpdated { chat, new_chat_member: it }) if !it.is_in() && !it.is_staff() => {
            ChannelNews::Gone { place: chat.id.to_string(), member: it.user.id.to_string() }
        }
        _ => ChannelNews::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(update: &str) -> ChannelNews {
        read(format!(r#"{{"update_id":1,{update}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn who_asks_and_who_is_gone_is_read() {
        let asked = r#""chat_join_request":{"chat":{"id":-1001,"type":"channel","title":"Signals"},
            "from":{"id":7,"is_bot":false,"first_name":"Ada"},"user_chat_id":7,"date":1,
            "invite_link":{"invite_link":"https://t.me/+abc","name":"n1","creates_join_request":true,
            "creator":{"id":1,"is_bot":true,"first_name":"bot"},"is_primary":false,"is_revoked":false}}"#;
        assert_eq!(
            news(asked),
            ChannelNews::Asked { place: "-1001".into(), member: "7".into(), invite: "n1".into() }
        );
        assert_eq!(news(&asked.replace(r#""name":"n1","#, "")), ChannelNews::Nothing);
        let left = r#""chat_member":{"chat":{"id":-1001,"type":"channel"},"from":{"id":7},"date":1,
            "old_chat_member":{"status":"member","user":{"id":7}},
            "new_chat_member":{"status":"left","user":{"id":7}}}"#;
        let gone = || ChannelNews::Gone { place: "-1001".into(), member: "7".into() };
        assert_eq!(news(left), gone());
        assert_eq!(news(&left.replace("left", "kicked")), gone());
        assert_eq!(news(&left.replace("left", "restricted")), gone());
        for still in ["member", "administrator", "creator"] {
            assert_eq!(news(&left.replace("left", still)), ChannelNews::Nothing, "{still}");
        }
        let muted = r#""restricted","is_member":true"#;
        assert_eq!(news(&left.replace("\"left\"", muted)), ChannelNews::Nothing);
        assert_eq!(news(r#""message":{"text":"hello"}"#), ChannelNews::Nothing);
    }

    #[test]
    fn what_is_no_update_is_refused() {
        for broken in
            ["", "[]", "{}", r#"{"update_id":"x"}"#, r#"{"update_id":1,"chat_member":{}}"#]
        {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
