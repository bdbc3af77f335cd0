//! Users, tiers, sessions, and the use cases around them.

mod accounts;
mod address_change;
mod addresses;
mod administration;
mod admins;
mod api_keys;
mod authenticator;
mod credentials;
mod deletion;
mod email;
mod import;
mod letters;
mod lookup;
mod mailed;
mod model;
mod names;
mod password;
mod profile;
mod recovery;
mod refresh;
mod registration;
mod roles;
mod scopes;
mod second_factor;
mod sessions;
mod sign_in;
mod sign_in_link;
mod sign_up;
mod states;
mod store;
mod verification;

pub use accounts::{AccountPorts, AccountSettings, Accounts, KeysByTier, SignedIn};
pub use address_change::{
    ADDRESS_CHANGE_TTL, AddressChangeStore, AddressChanges, AddressConfirmed, AddressSide,
    NewAddressChange, PendingAddressChange, change_told,
};
pub use addresses::AddressDigest;
pub use administration::{
    AccountChange, AccountChanges, Administration, AdministrationStore, ChangeReason, DELETED,
    EmailPrefix, InvalidUserPosition, UserDetail, UserFilter, UserPage, UserPosition, UserQuery,
    account_changed,
};
pub use authenticator::{API_KEY_PREFIX, Authenticator};
pub use credentials::{Secret, digest};
pub use deletion::{Deletion, DeletionStore, Erasure, placeholder};
pub use email::Email;
pub use import::{ImportStore, ImportedAccount};
pub use letters::Letters;
pub use mailed::{MailPurpose, MailToken, PasswordReset};
pub use model::{
    Account, AccountState, ApiKey, ApiKeyId, Caller, Role, SessionId, Tier, UserId, Viewer,
};
pub use names::{FullName, KeyName};
pub use password::{NewPassword, TypedPassword};
pub use profile::{ProfileChanged, WRONG_PASSWORD};
pub use recovery::{RESET_TTL, Recovery};
use registration::PASSWORD_IS_EMAIL;
pub use registration::Registration;
pub use roles::Permission;
pub use scopes::{Scope, Scopes};
pub use second_factor::{
    ActiveFactor, CHALLENGE_TTL, Challenge, FactorChange, FactorCode, FactorEnabling, FactorProof,
    FactorSetup, FactorSignIn, FactorState, FactorStatus, MOST_TRIES, NewChallenge, PendingFactor,
    SecondFactorNeeded, SecondFactorStore, SignIn, SpentOn, WRONG_CODE,
};
pub use sessions::Sessions;
pub use sign_in_link::{SIGN_IN_LINK_TTL, SignInLinks};
pub use sign_up::{ConfirmAddresses, PendingSignUp, SIGN_UP_TTL, SignUpStore, SignUps};
pub use states::AccountStates;
pub use store::{
    AccountStore, AddressProof, ApiKeyStore, EmailChange, LAST_ADMIN, NOT_TO_ADMINISTER,
    NewAccount, NewApiKey, NewSession, PasswordChange, ProfileChange, Promotion, Refreshed, Repeat,
    RevokedSession, Rotation, SessionSummary, SignOut,
};
pub use verification::{VERIFY_TTL, Verification};
