//! Who does something, and to whom or what it is done: by kind and id, never by name or address.

use std::{fmt, str::FromStr};

use crate::{
    account::{ApiKeyId, Caller, SessionId, UserId},
    jobs::JobId,
    producer::ProducerId,
};

/// One who acts, or who or what is acted on. As a text it is its kind, for most with `:` and the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// A client without credentials, or with bad ones.
    Anonymous,
    /// Who runs a command on the machine.
    Operator,
    /// Alpine itself: a background task, or the configuration at the start.
    System,
    /// A user.
    User(UserId),
    /// A sign-in of a user.
    Session(SessionId),
    /// A user's program, by its key.
    ApiKey(ApiKeyId),
    /// A producer of signals.
    Producer(ProducerId),
    /// Something to be done.
    Job(JobId),
}

impl Party {
    /// Characters of its text at most.
    pub const MAX_CHARS: usize = 44;
    /// An ECMA-262 pattern that its text matches.
    pub const PATTERN: &'static str = "^(anonymous|operator|system|(user|session|api_key):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\
         |(producer|job):[1-9][0-9]{0,17})$";

    /// What stands before the id.
    const fn kind(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Operator => "operator",
            Self::System => "system",
            Self::User(_) => "user",
            Self::Session(_) => "session",
            Self::ApiKey(_) => "api_key",
            Self::Producer(_) => "producer",
            Self::Job(_) => "job",
        }
    }
}

impl From<UserId> for Party {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

impl From<SessionId> for Party {
    fn from(id: SessionId) -> Self {
        Self::Session(id)
    }
}

impl From<ApiKeyId> for Party {
    fn from(id: ApiKeyId) -> Self {
        Self::ApiKey(id)
    }
}

impl From<ProducerId> for Party {
    fn from(id: ProducerId) -> Self {
        Self::Producer(id)
    }
}

impl From<JobId> for Party {
    fn from(id: JobId) -> Self {
        Self::Job(id)
    }
}

impl From<&Caller> for Party {
    fn from(caller: &Caller) -> Self {
        match caller {
            Caller::Anonymous => Self::Anonymous,
            Caller::User { id, .. } => Self::User(*id),
            Caller::ApiKey { key, .. } => Self::ApiKey(*key),
            Caller::Producer(producer) => Self::Producer(producer.id),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Anonymous | Self::Operator | Self::System => f.write_str(kind),
            Self::User(id) => write!(f, "{kind}:{id}"),
            Self::Session(id) => write!(f, "{kind}:{id}"),
            Self::ApiKey(id) => write!(f, "{kind}:{id}"),
            Self::Producer(id) => write!(f, "{kind}:{}", id.get()),
            Self::Job(id) => write!(f, "{kind}:{id}"),
        }
    }
}

/// Why a text names nobody.
const UNKNOWN: &str = "must be anonymous, operator, system, or one of user, session, api_key, \
                       producer, job with ':' and an id";

impl FromStr for Party {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        fn id<T: FromStr>(text: &str) -> Result<T, &'static str> {
            text.parse().map_err(|_| UNKNOWN)
        }
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let party = match kind {
            "anonymous" => Self::Anonymous,
            "operator" => Self::Operator,
            "system" => Self::System,
            "user" => Self::User(id(rest)?),
            "session" => Self::Session(id(rest)?),
            "api_key" => Self::ApiKey(id(rest)?),
            "producer" => Self::Producer(ProducerId::new(id(rest)?)),
            "job" => Self::Job(JobId::new(id(rest)?)),
            _ => return Err(UNKNOWN),
        };
        // Each has one spelling: it is looked up as it stands.
        if party.to_string() == text { Ok(party) } else { Err(UNKNOWN) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_party_has_one_spelling() {
        let id = "0192f0c1-2d3e-7f40-8a5b-6c7d8e9f0a1b";
        let mut texts = vec!["anonymous".to_owned(), "operator".to_owned(), "system".to_owned()];
        texts.extend(["user", "session", "api_key"].map(|kind| format!("{kind}:{id}")));
        texts.extend(["producer:7".to_owned(), "job:9".to_owned()]);
        for text in texts {
            assert_eq!(text.parse::<Party>().unwrap().to_string(), text);
        }
        let upper = format!("user:{}", id.to_uppercase());
        for text in ["", "user", "user:", "user:7", "system:", "job:07", "root", &upper] {
            assert_eq!(text.parse::<Party>(), Err(UNKNOWN), "{text}");
        }
    }
}
