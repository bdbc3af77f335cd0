//! The end of accounts.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        Deletion, DeletionStore, Email, FullName, LAST_ADMIN, Role, UserId, WRONG_PASSWORD,
        placeholder,
    },
    analytics::RollupKey,
    audit::{Action, Entry},
    error::ConflictKind,
    event::Event,
};
use async_trait::async_trait;

use crate::{
    Memory, Unit,
    accounts::{NO_ACCOUNT, revoke_keys},
    rollups::forget_active,
};

fn delete(unit: &mut Unit, deletion: Deletion) -> Result<()> {
    let Deletion { user: id, proved_by, now, erase_at, jobs } = deletion;
    let users = &mut unit.tables.users;
    let admins = |row: &&crate::tables::UserRow| {
        row.account.id != id && row.account.is_active && row.account.role == Role::Admin
    };
    let has_other_admin = users.iter().any(|row| admins(&row));
    let user = users.iter_mut().find(|row| row.account.id == id).ok_or(NO_ACCOUNT)?;
    if user.password_hash != proved_by {
        return Err(Error::Forbidden(WRONG_PASSWORD));
    }
    if !user.account.is_active {
        return Err(NO_ACCOUNT);
    }
    if user.account.role == Role::Admin && !has_other_admin {
        return Err(Error::conflict(ConflictKind::LastAdmin, LAST_ADMIN));
    }
    let (email, tier) = (user.account.email.clone(), user.account.tier);
    user.account.email = Email::from_stored(&placeholder(id)).map_err(Error::internal)?;
    (user.account.is_active, user.account.is_verified) = (false, false);
    user.account.role = Role::User;
    user.account.generation += 1;
    user.account.updated_at = now;
    unit.tables.deleted.retain(|(user, ..)| *user != id);
    unit.tables.deleted.push((id, email, erase_at));
    unit.tables.forget_tokens(id);
    unit.tables.changes.retain(|row| row.asked.user != id);
    unit.tables.remove_factor(id);
    forget_active(unit, id);
    unit.tables.count(RollupKey::users(tier), -1);
    unit.audit(Entry::new(now, Action::AccountDeleted).on(id).by(id));
    unit.log(now, Event::AccountChanged { user: id })?;
    revoke_keys(unit, id, now)?;
    for job in jobs {
        unit.enqueue(job);
    }
    Ok(())
}

#[async_trait]
impl DeletionStore for Memory {
    async fn delete(&self, deletion: Deletion) -> Result<()> {
        self.write(|unit| delete(unit, deletion))
    }

    async fn deleted_address(&self, user: UserId) -> Result<Option<Email>> {
        let tables = self.read();
        let found = tables.deleted.iter().find(|(id, ..)| *id == user);
        Ok(found.map(|(_, email, _)| email.clone()))
    }

    async fn erase(
        &self,
        user: UserId,
        password_hash: String,
        limit: u32,
        now: Timestamp,
    ) -> Result<bool> {
        self.write(|unit| {
            let found = unit.tables.deleted.iter().find(|(id, ..)| *id == user);
            let Some(&(_, _, erase_at)) = found else { return Ok(true) };
            if unit.tables.user(user).is_some_and(|row| row.account.is_active) {
                // An operator undid it.
                unit.tables.deleted.retain(|(id, ..)| *id != user);
                return Ok(true);
            }
            if now < erase_at {
                return Ok(true);
            }
            let most = limit as usize;
            let keys = &mut unit.tables.api_keys;
            let before = keys.len();
            let mut left = most;
            keys.retain(|row| {
                let goes = row.made.key.owner == user && left > 0;
                left -= usize::from(goes);
                !goes
            });
            let erased = before - keys.len();
            let theirs = unit.tables.sessions.iter_mut().filter(|row| row.opened.user == user);
            let named = theirs.filter(|row| row.opened.address.is_some()).take(most);
            let mut unnamed = 0;
            for session in named {
                (session.opened.address, session.repeat) = (None, None);
                unnamed += 1;
            }
            let told = &mut unit.tables.notifications;
            let before = told.len();
            let mut left = most;
            told.retain(|(owner, _)| {
                let goes = *owner == user && left > 0;
                left -= usize::from(goes);
                !goes
            });
            let forgotten = before - told.len();
            if erased.max(unnamed).max(forgotten) == most {
                return Ok(false);
            }
            unit.tables.marks.retain(|(owner, _)| *owner != user);
            unit.tables.muted.retain(|(owner, _)| *owner != user);
            unit.tables.digests.retain(|row| row.user != user);
            unit.tables.memberships.retain(|it| it.user != user);
            unit.forget_payments(user, now);
            let row = unit.tables.user_mut(user).ok_or(NO_ACCOUNT)?;
            row.account.full_name = FullName::from_stored("");
            row.account.updated_at = now;
            row.password_hash = password_hash;
            unit.tables.deleted.retain(|(id, ..)| *id != user);
            unit.audit(Entry::new(now, Action::AccountErased).on(user));
            unit.log(now, Event::AccountChanged { user })?;
            Ok(true)
        })
    }
}
