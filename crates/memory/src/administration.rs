//! Accounts as administrators see and change them.

use std::cmp::Reverse;

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        Account, AccountChange, AdministrationStore, DELETED, LAST_ADMIN, MailPurpose, Role,
        UserId, UserPosition, UserQuery, account_changed, placeholder,
    },
    error::ConflictKind,
    event::Event,
};
use async_trait::async_trait;

use crate::{Memory, Unit, accounts::NO_ACCOUNT};

fn is_after(account: &Account, position: &UserPosition) -> bool {
    match position {
        UserPosition::Newest { created_at, id } => {
            (account.created_at, account.id) < (*created_at, *id)
        }
        UserPosition::Address(address) => account.email.as_str() > address.as_str(),
    }
}

fn change(unit: &mut Unit, change: &AccountChange) -> Result<Account> {
    let AccountChange { user: id, changes, reason: _, now } = change;
    let is_other_admin =
        |account: &Account| account.id != *id && account.role == Role::Admin && account.is_active;
    let has_other_admin = unit.tables.users.iter().any(|user| is_other_admin(&user.account));
    let event = Event::AccountChanged { user: *id };
    let old = unit.tables.user(*id).map(|user| unit.tables.account(user)).ok_or(NO_ACCOUNT)?;
    let told = account_changed(&old, change);
    if told.is_empty() {
        unit.confirm(event);
        return Ok(old);
    }
    let ends = changes.is_active == Some(false) && old.is_active;
    if ends && old.role == Role::Admin && !has_other_admin {
        return Err(Error::conflict(ConflictKind::LastAdmin, LAST_ADMIN));
    }
    if changes.is_active == Some(true) && old.email.as_str() == placeholder(*id) {
        return Err(Error::Forbidden(DELETED));
    }
    let user = unit.tables.user_mut(*id).ok_or(NO_ACCOUNT)?;
    user.account.tier = changes.tier.unwrap_or(old.tier);
    user.account.is_active = changes.is_active.unwrap_or(old.is_active);
    user.account.generation += i64::from(ends);
    user.account.updated_at = *now;
    if let Some(tier) = changes.tier {
        unit.tier_changed(&old, tier, *now);
    }
    if changes.is_active.is_some_and(|is_active| is_active != old.is_active) {
        unit.followed_by_channels(*id, *now);
    }
    if ends {
        for purpose in [MailPurpose::Reset, MailPurpose::SignIn] {
            unit.tables.forget_token(*id, purpose);
        }
    }
    for entry in told {
        unit.audit(entry);
    }
    unit.log(*now, event)?;
    unit.tables.user(*id).map(|user| unit.tables.account(user)).ok_or(NO_ACCOUNT)
}

#[async_trait]
impl AdministrationStore for Memory {
    async fn users(&self, query: UserQuery, cap: u32) -> Result<(Vec<Account>, u32)> {
        let tables = self.read();
        let all = tables.users.iter().map(|user| tables.account(user));
        let mut all: Vec<Account> = all.filter(|account| query.filter.admits(account)).collect();
        if query.filter.search.is_some() {
            all.sort_by(|a, b| a.email.as_str().cmp(b.email.as_str()));
        } else {
            all.sort_by_key(|account| Reverse((account.created_at, account.id)));
        }
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX).min(cap);
        let after = query.after.as_ref();
        let part = all
            .into_iter()
            .filter(|account| after.is_none_or(|after| is_after(account, after)))
            .skip(query.passed_over() as usize)
            .take(query.limit as usize);
        Ok((part.collect(), count))
    }

    async fn last_sign_in(&self, user: UserId) -> Result<Option<Timestamp>> {
        let tables = self.read();
        let theirs = tables.sessions.iter().filter(|session| session.opened.user == user);
        Ok(theirs.map(|session| session.opened.created_at).max())
    }

    async fn change(&self, asked: AccountChange) -> Result<Account> {
        self.write(|unit| change(unit, &asked))
    }
}
