//! Users, their sign-ins and their refresh tokens.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{
        Account, AccountState, AccountStore, AddressDigest, AddressProof, Email, LAST_ADMIN,
        MailPurpose, MailToken, NOT_TO_ADMINISTER, NewAccount, NewSession, PasswordChange,
        PasswordReset, ProfileChange, Promotion, Refreshed, RevokedSession, Role, Rotation,
        SessionId, SessionSummary, SignOut, Tier, UserId, WRONG_PASSWORD,
    },
    analytics::Day,
    audit::{Action, Entry, Reason, tier_and_role_changed},
    error::ConflictKind,
    event::Event,
    notification::NewNotification,
};
use async_trait::async_trait;

use crate::{
    Memory, Unit,
    rollups::note_active,
    tables::{RefreshToken, SessionRow, Tables, UserRow},
};

pub(crate) const NO_ACCOUNT: Error = Error::NotFound("account");

fn by_email<'a>(tables: &'a Tables, email: &Email) -> Option<&'a UserRow> {
    tables.users.iter().find(|user| user.account.email == *email)
}

fn taken() -> Error {
    Error::conflict(ConflictKind::EmailTaken, "an account with this e-mail address exists")
}

/// Says whether it ended now.
fn revoke(unit: &mut Unit, id: SessionId, now: Timestamp, denied_until: Timestamp) -> Result<bool> {
    let event = Event::SessionRevoked { session: id, until: denied_until };
    let live = unit.tables.session_mut(id).filter(|session| session.revoked_at.is_none());
    let Some(session) = live else {
        unit.confirm(event);
        return Ok(false);
    };
    (session.revoked_at, session.denied_until) = (Some(now), Some(denied_until));
    unit.log(now, event)?;
    Ok(true)
}

fn sign_out(unit: &mut Unit, id: SessionId, now: Timestamp, denied_until: Timestamp) -> Result<()> {
    if revoke(unit, id, now, denied_until)? {
        unit.audit(Entry::new(now, Action::SignOut).on(id));
    }
    Ok(())
}

/// Makes an account, and adds what follows from it.
pub(crate) fn insert_account(
    unit: &mut Unit,
    new: NewAccount,
    is_verified: bool,
) -> Result<Account> {
    if by_email(&unit.tables, &new.email).is_some() {
        return Err(taken());
    }
    let account = Account {
        id: new.id,
        email: new.email,
        full_name: new.full_name,
        tier: new.tier,
        role: new.role,
        is_active: true,
        is_verified,
        generation: 0,
        created_at: new.created_at,
        updated_at: new.created_at,
    };
    let entry = Entry::new(account.created_at, Action::AccountCreated).on(account.id);
    unit.audit(entry.by(account.id).with(account.role.as_str()));
    let row = UserRow { account, password_hash: new.password_hash, addresses_from: 0 };
    let account = unit.tables.account(&row);
    unit.tables.count_new(&account);
    unit.tables.users.push(row);
    if let Some(job) = new.welcome {
        unit.enqueue(job);
    }
    Ok(account)
}

/// Ends the live API keys of a user.
pub(crate) fn revoke_keys(unit: &mut Unit, user: UserId, now: Timestamp) -> Result<()> {
    for key in unit.tables.revoke_keys(user, now) {
        unit.audit(Entry::new(now, Action::ApiKeyRevoked).on(key).with(format!("of user {user}")));
    }
    unit.log(now, Event::ApiKeysChanged)
}

/// Whether the presented token is the last one that was used, and this the client that used it, in time.
fn sealed_next(session: &SessionRow, rotation: &Rotation) -> Option<String> {
    let (token, repeat) = session.repeat.as_ref()?;
    let holds = *token == rotation.presented
        && repeat.address == rotation.repeat.as_ref()?.address
        && rotation.now < repeat.until;
    holds.then(|| repeat.sealed_next.clone())
}

fn rotate(unit: &mut Unit, rotation: Rotation) -> Result<Refreshed> {
    let now = rotation.now;
    let tables = &unit.tables;
    let Some(token) =
        tables.refresh_tokens.iter().position(|token| token.hash == rotation.presented)
    else {
        return Ok(Refreshed::Refused);
    };
    let (id, is_used) =
        (tables.refresh_tokens[token].session, tables.refresh_tokens[token].is_used);
    let session = tables.sessions.iter().find(|session| {
        session.opened.id == id && session.revoked_at.is_none() && session.opened.expires_at > now
    });
    let Some(session) = session else { return Ok(Refreshed::Refused) };
    let user = tables.user(session.opened.user).map(|user| tables.account(user));
    let Some(account) = user.filter(|user| user.generation == session.opened.generation) else {
        return Ok(Refreshed::Refused);
    };
    let expires_at = session.opened.expires_at;
    if is_used {
        let Some(sealed_next) = sealed_next(session, &rotation) else {
            revoke(unit, id, now, rotation.denied_until)?;
            unit.audit(Entry::new(now, Action::RefreshReplayed).denied(Reason::Replayed).on(id));
            return Ok(Refreshed::Replayed { session: id });
        };
        if !account.is_active {
            return Ok(Refreshed::Refused);
        }
        return Ok(Refreshed::Repeated { session: id, account, sealed_next });
    }
    unit.tables.refresh_tokens[token].is_used = true;
    if !account.is_active {
        return Ok(Refreshed::Refused);
    }
    let next = RefreshToken { hash: rotation.next, session: id, created_at: now, is_used: false };
    unit.tables.refresh_tokens.push(next);
    if let Some(session) = unit.tables.session_mut(id) {
        session.repeat = rotation.repeat.map(|repeat| (rotation.presented, repeat));
    }
    Ok(Refreshed::Rotated { session: id, account, expires_at })
}

/// Records a sign-in, unless the account changed since its generation was read.
pub(crate) fn open(unit: &mut Unit, session: NewSession) -> Result<()> {
    let state = unit.tables.state(session.user).ok_or(NO_ACCOUNT)?;
    if !state.is_active || state.generation != session.generation {
        return Err(Error::Unauthenticated("the account changed; sign in again"));
    }
    let theirs =
        |row: &&SessionRow| row.opened.user == session.user && row.opened.address.is_some();
    let mut theirs = unit.tables.sessions.iter().filter(theirs).peekable();
    let is_first = theirs.peek().is_none();
    let is_known = theirs.any(|row| row.opened.address == session.address);
    if session.address.is_some() && !is_first && !is_known {
        unit.notify(NewNotification::new_sign_in(session.user, session.created_at));
    }
    unit.tables.refresh_tokens.push(RefreshToken {
        hash: session.refresh_hash.clone(),
        session: session.id,
        created_at: session.created_at,
        is_used: false,
    });
    note_active(unit, session.user, Day::of(session.created_at));
    let entry = Entry::new(session.created_at, Action::SignIn).on(session.user);
    unit.audit(entry.by(session.user).with(format!("session {}", session.id)));
    unit.tables.sessions.push(SessionRow {
        opened: session,
        revoked_at: None,
        denied_until: None,
        repeat: None,
    });
    Ok(())
}

/// Uses up a token, if it is good: whose it was.
fn take_token(
    unit: &mut Unit,
    purpose: MailPurpose,
    token_hash: &str,
    now: Timestamp,
) -> Option<UserId> {
    let id = unit.tables.token_owner(purpose, token_hash, now)?.account.id;
    unit.tables.forget_token(id, purpose);
    Some(id)
}

#[async_trait]
impl AccountStore for Memory {
    async fn create(&self, new: NewAccount) -> Result<Account> {
        self.write(|unit| insert_account(unit, new, false))
    }

    async fn credentials(&self, email: &Email) -> Result<Option<(Account, String)>> {
        let tables = self.read();
        let user = by_email(&tables, email);
        Ok(user.map(|user| (tables.account(user), user.password_hash.clone())))
    }

    async fn account(&self, id: UserId) -> Result<Option<Account>> {
        let tables = self.read();
        Ok(tables.user(id).map(|user| tables.account(user)))
    }

    async fn state(&self, id: UserId) -> Result<Option<AccountState>> {
        Ok(self.read().state(id))
    }

    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<Account> {
        self.write(|unit| {
            let old = unit.tables.user(id).map(|user| user.account.email.clone());
            if change.email.as_ref().is_some_and(|to| Some(&to.email) != old.as_ref()) {
                unit.tables.forget_tokens(id);
            }
            let holder = change.email.as_ref().and_then(|to| by_email(&unit.tables, &to.email));
            let is_taken = holder.is_some_and(|holder| holder.account.id != id);
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            let old = user.account.clone();
            if let Some(change) = change.email {
                if change.proved_by != user.password_hash {
                    return Err(Error::Forbidden(WRONG_PASSWORD));
                }
                if is_taken {
                    return Err(taken());
                }
                // The same address again is no other address: it stays verified.
                user.account.is_verified &= change.email == user.account.email;
                user.account.email = change.email;
            }
            if let Some(full_name) = change.full_name {
                user.account.full_name = full_name;
            }
            user.account.updated_at = now;
            let new = user.account.clone();
            if new.full_name != old.full_name {
                unit.audit(Entry::new(now, Action::ProfileChanged).on(id));
            }
            if new.email != old.email {
                unit.audit(Entry::new(now, Action::EmailChanged).on(id));
            }
            unit.log(now, Event::AccountChanged { user: id })?;
            unit.tables.user(id).map(|user| unit.tables.account(user)).ok_or(NO_ACCOUNT)
        })
    }

    async fn upgrade_hash(&self, id: UserId, old_hash: &str, new_hash: &str) -> Result<()> {
        self.write(|unit| {
            let user = unit.tables.user_mut(id).filter(|user| user.password_hash == old_hash);
            if let Some(user) = user {
                new_hash.clone_into(&mut user.password_hash);
            }
            Ok(())
        })
    }

    async fn set_tier_and_role(
        &self,
        id: UserId,
        tier: Tier,
        role: Role,
        now: Timestamp,
    ) -> Result<Account> {
        self.write(|unit| {
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            let old = user.account.clone();
            (user.account.tier, user.account.role, user.account.updated_at) = (tier, role, now);
            for entry in tier_and_role_changed(&old, tier, role, now) {
                unit.audit(entry);
            }
            unit.tier_changed(&old, tier, now);
            unit.log(now, Event::AccountChanged { user: id })?;
            unit.tables.user(id).map(|user| unit.tables.account(user)).ok_or(NO_ACCOUNT)
        })
    }

    async fn promote(&self, promotion: Promotion) -> Result<Account> {
        let Promotion { email, password_hash, proof, now } = promotion;
        self.write(|unit| {
            let everybody = unit.tables.everybody;
            let is_meant = |user: &&mut UserRow| user.account.email == email;
            let user = unit.tables.users.iter_mut().find(is_meant);
            let user = user.filter(|user| user.account.is_active).ok_or(NO_ACCOUNT)?;
            if proof == AddressProof::Verified && !user.account.is_verified {
                return Err(Error::Forbidden("nobody has shown that this address is theirs"));
            }
            user.account.role = Role::Admin;
            user.account.generation += 1;
            user.account.updated_at = now;
            user.password_hash = password_hash;
            user.addresses_from = user.account.generation + everybody;
            let id = user.account.id;
            unit.tables.forget_tokens(id);
            unit.audit(Entry::new(now, Action::AdminPromoted).on(id));
            unit.tables.remove_factor(id);
            unit.log(now, Event::AccountChanged { user: id })?;
            revoke_keys(unit, id, now)?;
            unit.tables.user(id).map(|user| unit.tables.account(user)).ok_or(NO_ACCOUNT)
        })
    }

    async fn change_role(&self, id: UserId, role: Role, now: Timestamp) -> Result<Account> {
        self.write(|unit| {
            let is_other = |user: &&UserRow| {
                let account = &user.account;
                account.id != id && account.role == Role::Admin && account.is_active
            };
            let has_another = unit.tables.users.iter().any(|user| is_other(&user));
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            let old = user.account.clone();
            if role == Role::Admin && old.role != role && !(old.is_active && old.is_verified) {
                return Err(Error::Forbidden(NOT_TO_ADMINISTER));
            }
            if role != Role::Admin && old.role == Role::Admin && !has_another {
                return Err(Error::conflict(ConflictKind::LastAdmin, LAST_ADMIN));
            }
            if role != old.role {
                (user.account.role, user.account.updated_at) = (role, now);
                for entry in tier_and_role_changed(&old, old.tier, role, now) {
                    unit.audit(entry);
                }
                unit.log(now, Event::AccountChanged { user: id })?;
            }
            unit.tables.user(id).map(|user| unit.tables.account(user)).ok_or(NO_ACCOUNT)
        })
    }

    async fn count_admins(&self) -> Result<u32> {
        let is_admin = |user: &&UserRow| user.account.role == Role::Admin && user.account.is_active;
        let count = self.read().users.iter().filter(is_admin).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn open_session(&self, session: NewSession) -> Result<()> {
        self.write(|unit| open(unit, session))
    }

    async fn has_signed_in_from(&self, email: &Email, address: &AddressDigest) -> Result<bool> {
        let tables = self.read();
        let Some(user) = by_email(&tables, email) else { return Ok(false) };
        Ok(tables.sessions.iter().any(|session| {
            session.opened.user == user.account.id
                && session.opened.address.as_ref() == Some(address)
                && session.opened.generation >= user.addresses_from
        }))
    }

    async fn session_of_refresh(&self, token_hash: &str) -> Result<Option<SessionId>> {
        let tables = self.read();
        let token = tables.refresh_tokens.iter().find(|token| token.hash == token_hash);
        Ok(token.map(|token| token.session))
    }

    async fn rotate_refresh(&self, rotation: Rotation) -> Result<Refreshed> {
        self.write(|unit| rotate(unit, rotation))
    }

    async fn revoke_session(
        &self,
        session: SessionId,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<()> {
        self.write(|unit| sign_out(unit, session, now, denied_until))
    }

    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<SessionSummary>> {
        let tables = self.read();
        let live = |session: &&SessionRow| tables.is_live(session, user, now);
        let mut sessions: Vec<_> =
            tables.sessions.iter().filter(live).map(|session| tables.summary(session)).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
        sessions.truncate(limit as usize);
        Ok(sessions)
    }

    async fn revoke_own_session(
        &self,
        user: UserId,
        id: SessionId,
        now: Timestamp,
        denied_until: Timestamp,
    ) -> Result<()> {
        self.write(|unit| {
            let tables = &unit.tables;
            let session = tables.sessions.iter().find(|session| session.opened.id == id);
            if !session.is_some_and(|session| tables.is_live(session, user, now)) {
                return Err(Error::NotFound("session"));
            }
            sign_out(unit, id, now, denied_until)
        })
    }

    async fn change_password(&self, change: PasswordChange) -> Result<Account> {
        let PasswordChange { user: id, proved_by, password_hash, now } = change;
        self.write(|unit| {
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            if user.password_hash != proved_by {
                return Err(Error::Forbidden(WRONG_PASSWORD));
            }
            user.password_hash = password_hash;
            user.account.generation += 1;
            user.account.updated_at = now;
            for purpose in [MailPurpose::Reset, MailPurpose::SignIn] {
                unit.tables.forget_token(id, purpose);
            }
            unit.audit(Entry::new(now, Action::PasswordChanged).on(id));
            unit.notify(NewNotification::password_changed(id, now));
            unit.log(now, Event::AccountChanged { user: id })?;
            unit.tables.user(id).map(|user| unit.tables.account(user)).ok_or(NO_ACCOUNT)
        })
    }

    async fn put_mail_token(&self, token: MailToken) -> Result<bool> {
        self.write(|unit| {
            let user = unit.tables.user(token.user).ok_or(NO_ACCOUNT)?;
            if !user.account.is_active || user.account.email != token.email {
                return Ok(false);
            }
            unit.tables.forget_token(token.user, token.purpose);
            unit.tables.mail_tokens.push(token);
            Ok(true)
        })
    }

    async fn mail_token_account(
        &self,
        purpose: MailPurpose,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Account>> {
        let tables = self.read();
        Ok(tables.token_owner(purpose, token_hash, now).map(|user| tables.account(user)))
    }

    async fn reset_password(&self, reset: PasswordReset) -> Result<bool> {
        let PasswordReset { token_hash, password_hash, now } = reset;
        self.write(|unit| {
            let purpose = MailPurpose::Reset;
            let Some(id) = take_token(unit, purpose, &token_hash, now) else { return Ok(false) };
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            user.password_hash = password_hash;
            user.account.is_verified = true;
            user.account.generation += 1;
            user.account.updated_at = now;
            unit.tables.forget_token(id, MailPurpose::Verify);
            unit.tables.forget_token(id, MailPurpose::SignIn);
            unit.audit(Entry::new(now, Action::PasswordReset).on(id).by(id));
            unit.notify(NewNotification::password_changed(id, now));
            unit.log(now, Event::AccountChanged { user: id })?;
            Ok(true)
        })
    }

    async fn take_sign_in_token(
        &self,
        token_hash: &str,
        now: Timestamp,
    ) -> Result<Option<Account>> {
        self.write(|unit| {
            let purpose = MailPurpose::SignIn;
            let Some(id) = take_token(unit, purpose, token_hash, now) else { return Ok(None) };
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            if !user.account.is_verified {
                user.account.is_verified = true;
                user.account.updated_at = now;
                unit.tables.forget_token(id, MailPurpose::Verify);
                unit.audit(Entry::new(now, Action::AddressVerified).on(id).by(id));
                unit.log(now, Event::AccountChanged { user: id })?;
            }
            Ok(unit.tables.user(id).map(|user| unit.tables.account(user)))
        })
    }

    async fn verify_email(&self, token_hash: &str, now: Timestamp) -> Result<bool> {
        self.write(|unit| {
            let purpose = MailPurpose::Verify;
            let Some(id) = take_token(unit, purpose, token_hash, now) else { return Ok(false) };
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            user.account.is_verified = true;
            user.account.updated_at = now;
            unit.audit(Entry::new(now, Action::AddressVerified).on(id).by(id));
            unit.log(now, Event::AccountChanged { user: id })?;
            Ok(true)
        })
    }

    async fn revoke_all(&self, id: UserId, ended: SignOut, now: Timestamp) -> Result<i64> {
        self.write(|unit| {
            let user = unit.tables.user_mut(id).ok_or(NO_ACCOUNT)?;
            user.account.generation += 1;
            user.account.updated_at = now;
            let generation = user.account.generation;
            for purpose in [MailPurpose::Reset, MailPurpose::SignIn] {
                unit.tables.forget_token(id, purpose);
            }
            unit.audit(Entry::new(now, Action::SignOutEverywhere).on(id));
            unit.log(now, Event::AccountChanged { user: id })?;
            if ended == SignOut::SessionsAndKeys {
                revoke_keys(unit, id, now)?;
            }
            Ok(generation + unit.tables.everybody)
        })
    }

    async fn revoke_everybody(&self, now: Timestamp) -> Result<()> {
        self.write(|unit| {
            unit.tables.everybody += 1;
            unit.tables.mail_tokens.retain(|token| token.purpose == MailPurpose::Verify);
            unit.audit(Entry::new(now, Action::SignOutEverybody));
            unit.log(now, Event::EverybodySignedOut)
        })
    }

    async fn revoked_sessions(&self, now: Timestamp, limit: u32) -> Result<Vec<RevokedSession>> {
        let tables = self.read();
        let denied = |session: &SessionRow| {
            let until = session.denied_until.filter(|until| *until > now)?;
            Some(RevokedSession { session: session.opened.id, until })
        };
        let mut revoked: Vec<_> = tables.sessions.iter().filter_map(denied).collect();
        revoked.sort_by_key(|revoked| (std::cmp::Reverse(revoked.until), revoked.session));
        revoked.truncate(limit as usize);
        Ok(revoked)
    }
}
