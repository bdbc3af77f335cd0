//! Accounts that were made elsewhere.

use alpine_domain::{
    Result, Timestamp,
    account::{Account, ImportStore, ImportedAccount, Role},
    audit::{Action, Entry},
};
use async_trait::async_trait;

use crate::{Memory, tables::UserRow};

#[async_trait]
impl ImportStore for Memory {
    async fn import(&self, accounts: Vec<ImportedAccount>, now: Timestamp) -> Result<Vec<bool>> {
        self.write(|unit| {
            let mut kept = Vec::new();
            for new in accounts {
                let is_new = !unit.tables.users.iter().any(|row| row.account.email == new.email);
                kept.push(is_new);
                if !is_new {
                    continue;
                }
                unit.audit(Entry::new(now, Action::AccountCreated).on(new.id).with("imported"));
                let account = Account {
                    id: new.id,
                    email: new.email,
                    full_name: new.full_name,
                    tier: new.tier,
                    role: Role::User,
                    is_active: new.is_active,
                    is_verified: new.is_verified,
                    generation: 0,
                    created_at: new.created_at,
                    updated_at: now,
                };
                unit.tables.count_new(&account);
                if let Some(customer) = new.stripe_customer_id {
                    unit.import_customer(account.id, customer, account.tier, now);
                }
                let password_hash = new.password_hash;
                unit.tables.users.push(UserRow { account, password_hash, addresses_from: 0 });
            }
            Ok(kept)
        })
    }
}
