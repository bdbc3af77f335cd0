//! Accounts that were made elsewhere, taken over with the hashes of their passwords.

use async_trait::async_trait;

use super::{Email, FullName, Tier, UserId};
use crate::{Result, Timestamp};

/// An account of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedAccount {
    /// The id that it gets here.
    pub id: UserId,
    /// The address that signs in.
    pub email: Email,
    /// The name to greet by.
    pub full_name: FullName,
    /// The password's hash, a PHC string that the hasher can check.
    pub password_hash: String,
    /// What was paid for.
    pub tier: Tier,
    /// Whether it may sign in.
    pub is_active: bool,
    /// Whether its address was confirmed.
    pub is_verified: bool,
    /// Stripe's number of the customer.
    pub stripe_customer_id: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Takes accounts over.
#[async_trait]
pub trait ImportStore: Send + Sync {
    /// Keeps accounts, all of them or, when the database refuses one, none. One whose address has an account is left
    /// out and changes nothing, so that the same file may come again. Says which were kept, in the order given.
    async fn import(&self, accounts: Vec<ImportedAccount>, now: Timestamp) -> Result<Vec<bool>>;
}
