//! Users, tiers, sessions, and the use cases around them.

mod accounts;
mod addresses;
mod api_keys;
mod authenticator;
mod credentials;
mod model;
mod standings;
mod store;

pub use accounts::{AccountPorts, AccountSettings, Accounts, SignedIn};
pub use addresses::AddressDigest;
pub use authenticator::{API_KEY_PREFIX, Authenticator};
pub use credentials::{Email, FullName, NewPassword, Secret, digest};
pub use model::{
    Account, ApiKey, ApiKeyId, Caller, Role, SessionId, Standing, Tier, UserId, Viewer,
};
pub use standings::Standings;
pub use store::{
    AccountStore, ApiKeyStore, NewAccount, NewApiKey, NewSession, ProfileChange, Refreshed,
    RevokedSession,
};
