//! Users, tiers, sessions, and the use cases around them.

mod accounts;
mod addresses;
mod admins;
mod api_keys;
mod authenticator;
mod credentials;
mod model;
mod profile;
mod refresh;
mod registration;
mod states;
mod store;

pub use accounts::{AccountPorts, AccountSettings, Accounts, SignedIn};
pub use addresses::AddressDigest;
pub use authenticator::{API_KEY_PREFIX, Authenticator};
pub use credentials::{Email, FullName, NewPassword, Secret, digest};
pub use model::{
    Account, AccountState, ApiKey, ApiKeyId, Caller, Role, SessionId, Tier, UserId, Viewer,
};
pub use registration::Registration;
pub use states::AccountStates;
pub use store::{
    AccountStore, AddressProof, ApiKeyStore, EmailChange, NewAccount, NewApiKey, NewSession,
    ProfileChange, Promotion, Refreshed, Repeat, RevokedSession, Rotation,
};
