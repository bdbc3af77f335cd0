//! Users, tiers, sessions, and the use cases around them.

mod credentials;
mod model;
mod store;

pub use credentials::{Email, FullName, NewPassword, Secret, digest};
pub use model::{
    Account, ApiKey, ApiKeyId, Caller, Role, SessionId, Standing, Tier, UserId, Viewer,
};
pub use store::{
    AccountStore, ApiKeyStore, NewAccount, NewApiKey, NewSession, ProfileChange, Refreshed,
    RevokedSession,
};
