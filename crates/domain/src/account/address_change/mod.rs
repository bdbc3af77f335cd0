//! Another address for an account: asked for with the password, and confirmed at the old address and at the new one.
//!
//! So neither who knows the password alone, nor who reads the old mail alone, takes an account away from its owner; and
//! nobody loses one by a mistyped address.

mod mails;
mod own;
mod store;

pub use mails::AddressChanges;
pub use store::{
    ADDRESS_CHANGE_TTL, AddressChangeStore, AddressConfirmed, AddressSide, NewAddressChange,
    PendingAddressChange, change_told,
};
