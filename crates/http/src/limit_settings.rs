//! Who may ask how often, as the operator sets it: one row for each policy.

use std::{collections::BTreeMap, time::Duration};

use alpine_domain::{
    account::{Caller, Role, Tier},
    ports::rate_limit::{RatePolicy, Window},
    settings::{defaults, duration},
};
use serde::{Deserialize, Deserializer, de::Error as _};

macro_rules! policies {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)+) => {
        /// A policy that the guard or a handler counts under. What a route names besides is no part of
        /// this list: see [`Route::limited_by`](crate::Route::limited_by).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Policy { $($(#[$doc])* $name,)+ }

        impl Policy {
            /// Every one, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name in the configuration, in headers and in metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The names under which a whole IPv6 /56 and /48 are counted.
            pub(crate) const fn network_names(self) -> [&'static str; 2] {
                match self { $(Self::$name => [concat!($word, "-56"), concat!($word, "-48")],)+ }
            }
        }
    };
}

policies! {
    /// Requests without credentials, by address.
    Anonymous = "anonymous",
    /// A free account.
    Free = "free",
    /// A starter account.
    Starter = "starter",
    /// A pro account.
    Pro = "pro",
    /// An elite account.
    Elite = "elite",
    /// A user's program with an API key.
    ApiKey = "api_key",
    /// An administrator.
    Admin = "admin",
    /// A producer.
    Producer = "producer",
    /// By address: refused credentials, and requests that no other policy counts.
    Address = "address",
    /// Sign-in and sign-up: by address, and by address and account.
    SignIn = "sign_in",
    /// Sign-in to one account from all addresses together that never signed in to it.
    Strangers = "strangers",
    /// Refreshes of one session.
    Refresh = "refresh",
    /// Mails of one kind to one address, whoever asks for them.
    Mails = "mails",
}

impl Policy {
    /// The policy of a caller's class.
    pub fn of(caller: &Caller) -> Self {
        match caller {
            Caller::Anonymous => Self::Anonymous,
            Caller::Producer(_) => Self::Producer,
            Caller::User { state, .. } | Caller::ApiKey { state, .. }
                if state.role == Role::Admin =>
            {
                Self::Admin
            }
            // An owner who was downgraded keeps the keys but not their limit.
            Caller::ApiKey { state, .. } if state.tier == Tier::Elite => Self::ApiKey,
            Caller::User { state, .. } | Caller::ApiKey { state, .. } => Self::of_tier(state.tier),
        }
    }

    /// The policy of a subscriber.
    pub const fn of_tier(tier: Tier) -> Self {
        match tier {
            Tier::Free => Self::Free,
            Tier::Starter => Self::Starter,
            Tier::Pro => Self::Pro,
            Tier::Elite => Self::Elite,
        }
    }
}

/// Requests of one caller at most; 0 sets no limit for that window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRow {
    /// In any minute.
    pub per_minute: u32,
    /// In any hour.
    pub per_hour: u32,
}

/// The section `rate_limits` of the configuration: a few settings, and a row for each policy.
#[derive(Debug, Clone, Deserialize)]
pub struct LimitSettings {
    /// Whether anything is limited.
    pub enabled: bool,
    /// Callers of each policy that an instance counts one by one.
    pub capacity: usize,
    /// How long a minute is.
    #[serde(deserialize_with = "duration")]
    pub minute: Duration,
    /// How long an hour is.
    #[serde(deserialize_with = "duration")]
    pub hour: Duration,
    /// How many times the limit of an IPv6 /64 its whole /56 has.
    pub ipv6_56: u32,
    /// How many times the limit of an IPv6 /64 its whole /48 has.
    pub ipv6_48: u32,
    #[serde(flatten, deserialize_with = "every_policy")]
    rows: BTreeMap<String, LimitRow>,
}

impl LimitSettings {
    /// Every row with its name.
    pub fn rows(&self) -> impl Iterator<Item = (&str, LimitRow)> {
        self.rows.iter().map(|(name, row)| (name.as_str(), *row))
    }

    /// The row of a name.
    pub fn row(&self, name: &str) -> Option<LimitRow> {
        self.rows.get(name).copied()
    }

    /// Replaces a row.
    pub fn set(&mut self, policy: Policy, row: LimitRow) {
        self.rows.insert(policy.name().to_owned(), row);
    }

    /// The policy of the row `name`; `None` if there is none.
    pub(crate) fn policy(&self, name: &'static str) -> Option<RatePolicy> {
        let row = self.row(name)?;
        let window = |length, limit| (limit > 0).then_some(Window { length, limit });
        let windows = [window(self.minute, row.per_minute), window(self.hour, row.per_hour)];
        // Hardly anybody comes near this limit.
        let is_coarse = name == Policy::Address.name();
        Some(RatePolicy { name, windows: windows.into_iter().flatten().collect(), is_coarse })
    }
}

impl Default for LimitSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("rate_limits")
    }
}

/// # Errors
/// The name of a policy that has no row.
fn every_policy<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, LimitRow>, D::Error> {
    let rows = BTreeMap::<String, LimitRow>::deserialize(deserializer)?;
    match Policy::ALL.iter().find(|policy| !rows.contains_key(policy.name())) {
        Some(missing) => Err(D::Error::missing_field(missing.name())),
        None => Ok(rows),
    }
}

#[cfg(test)]
mod tests {
    use alpine_domain::account::{AccountState, ApiKeyId, Scopes, SessionId, UserId};

    use super::*;

    fn state(tier: Tier, role: Role) -> AccountState {
        AccountState { tier, role, is_active: true, generation: 0 }
    }

    /// An owner who was downgraded keeps the keys but not their limit.
    #[test]
    fn every_caller_has_the_policy_of_their_class() {
        use Tier::{Elite, Free, Pro, Starter};
        let user = |state| Caller::User {
            id: UserId::new(uuid::Uuid::nil()),
            session: SessionId::new(uuid::Uuid::nil()),
            state,
        };
        let key = |state| Caller::ApiKey {
            key: ApiKeyId::new(uuid::Uuid::nil()),
            owner: UserId::new(uuid::Uuid::nil()),
            scopes: Scopes::UNNAMED,
            state,
        };
        for (tier, of_user, of_key) in [
            (Free, Policy::Free, Policy::Free),
            (Starter, Policy::Starter, Policy::Starter),
            (Pro, Policy::Pro, Policy::Pro),
            (Elite, Policy::Elite, Policy::ApiKey),
        ] {
            let subscriber = state(tier, Role::User);
            let found = (Policy::of(&user(subscriber)), Policy::of(&key(subscriber)));
            assert_eq!(found, (of_user, of_key), "{tier}");
            let admin = state(tier, Role::Admin);
            let found = (Policy::of(&user(admin)), Policy::of(&key(admin)));
            assert_eq!(found, (Policy::Admin, Policy::Admin), "{tier}");
        }
        assert_eq!(Policy::of(&Caller::Anonymous), Policy::Anonymous);
    }
}
