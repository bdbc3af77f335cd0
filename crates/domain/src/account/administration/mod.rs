//! Accounts as administrators see and change them.

mod change;
mod listing;
mod use_case;

pub use change::{AccountChange, AccountChanges, ChangeReason, DELETED, account_changed};
pub use listing::{
    EmailPrefix, InvalidUserPosition, UserFilter, UserPage, UserPosition, UserQuery,
};
pub use use_case::{Administration, AdministrationStore, UserDetail};
