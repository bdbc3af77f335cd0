//! Users, tiers, sessions, and the use cases around them.

mod accounts;
mod addresses;
mod admins;
mod api_keys;
mod authenticator;
mod credentials;
mod email;
mod model;
mod names;
mod password;
mod profile;
mod refresh;
mod registration;
mod states;
mod store;

pub use accounts::{AccountPorts, AccountSettings, Accounts, SignedIn};
pub use addresses::AddressDigest;
pub use authenticator::{API_KEY_PREFIX, Authenticator};
pub use credentials::{Secret, digest};
pub use email::Email;
pub use model::{
    Account, AccountState, ApiKey, ApiKeyId, Caller, Role, SessionId, Tier, UserId, Viewer,
};
pub use names::{FullName, KeyName};
pub use password::{NewPassword, TypedPassword};
pub use registration::Registration;
pub use states::AccountStates;
pub use store::{
    AccountStore, AddressProof, ApiKeyStore, EmailChange, NewAccount, NewApiKey, NewSession,
    ProfileChange, Promotion, Refreshed, Repeat, RevokedSession, Rotation,
};
