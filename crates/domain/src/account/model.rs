//! Who is who.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Email, FullName, KeyName, Scopes};
use crate::{Timestamp, text_enum::text_enum};

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with this value.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// A new id, ordered by time (UUID version 7, RFC 9562): `random` fills what time does not.
            pub fn generate(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.micros() / 1_000).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// The value.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// A user's id: the subject of its tokens.
    UserId
);
uuid_id!(
    /// A sign-in's id: one family of refresh tokens.
    SessionId
);
uuid_id!(
    /// An API key's id, as its owner sees it.
    ApiKeyId
);

text_enum!(
    /// What a subscriber pays for, lowest first.
    Tier, {
        /// Every new account.
        Free = "free",
        /// Standard signals, at once.
        Starter = "starter",
        /// Below 95 by default.
        Pro = "pro",
        /// Everything, webhooks.
        Elite = "elite",
    }
);

text_enum!(
    /// What a user may do besides reading.
    Role, {
        /// A subscriber.
        User = "user",
        /// Runs the business.
        Admin = "admin",
    }
);

/// A user, without the password's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's id.
    pub id: UserId,
    /// The address that signs in.
    pub email: Email,
    /// The name to greet by.
    pub full_name: FullName,
    /// What the user pays for.
    pub tier: Tier,
    /// What the user may do.
    pub role: Role,
    /// A disabled account cannot sign in.
    pub is_active: bool,
    /// Whether the address was confirmed.
    pub is_verified: bool,
    /// Tokens and sessions of an older generation are refused. Goes up when this user is signed out
    /// everywhere, and when everybody is.
    pub generation: i64,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What every authenticated request needs to know of a user, and nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountState {
    /// The user's tier.
    pub tier: Tier,
    /// The user's role.
    pub role: Role,
    /// Whether the account is enabled.
    pub is_active: bool,
    /// The current token generation.
    pub generation: i64,
}

impl From<&Account> for AccountState {
    fn from(account: &Account) -> Self {
        Self {
            tier: account.tier,
            role: account.role,
            is_active: account.is_active,
            generation: account.generation,
        }
    }
}

/// Which rules of visibility apply to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Viewer {
    /// Nobody in particular.
    Anonymous,
    /// A subscriber of a tier.
    Subscriber(Tier),
    /// An administrator sees everything.
    Admin,
}

impl Viewer {
    /// Every group of readers.
    pub const ALL: [Self; 6] = [
        Self::Anonymous,
        Self::Subscriber(Tier::Free),
        Self::Subscriber(Tier::Starter),
        Self::Subscriber(Tier::Pro),
        Self::Subscriber(Tier::Elite),
        Self::Admin,
    ];

    /// The group's name, for cache keys and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Subscriber(tier) => tier.as_str(),
            Self::Admin => "admin",
        }
    }
}

/// Who sends a request, once that has been established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// A user with an access token.
    User {
        /// The user.
        id: UserId,
        /// The session of the token.
        session: SessionId,
        /// What the user is now, not when the token was issued.
        state: AccountState,
    },
    /// A user's program, with an API key.
    ApiKey {
        /// The key.
        key: ApiKeyId,
        /// Its owner.
        owner: UserId,
        /// What it may do.
        scopes: Scopes,
        /// What the owner is now.
        state: AccountState,
    },
    /// A producer of signals, with its key.
    Producer(crate::producer::Producer),
}

impl Caller {
    /// The rules of visibility that apply.
    pub const fn viewer(&self) -> Viewer {
        match self {
            Self::Anonymous | Self::Producer(_) => Viewer::Anonymous,
            Self::User { state, .. } | Self::ApiKey { state, .. } => match state.role {
                Role::Admin => Viewer::Admin,
                Role::User => Viewer::Subscriber(state.tier),
            },
        }
    }

    /// The user behind the request, if there is one.
    pub const fn user(&self) -> Option<UserId> {
        match self {
            Self::User { id, .. } | Self::ApiKey { owner: id, .. } => Some(*id),
            Self::Anonymous | Self::Producer(_) => None,
        }
    }
}

/// A user's API key, as its owner may see it again: never the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub owner: UserId,
    /// What its owner calls it.
    pub name: KeyName,
    /// The key's first characters, to tell keys apart.
    pub prefix: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, if ever.
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They stand in cache keys and metrics, so no two are alike.
    #[test]
    fn groups_of_readers_have_their_names() {
        let names = ["anonymous", "free", "starter", "pro", "elite", "admin"];
        assert_eq!(Viewer::ALL.map(Viewer::name), names);
    }
}
