//! Listing accounts, looking at one, changing one.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    AccountChange, AccountChanges, ChangeReason, InvalidUserPosition, UserPage, UserPosition,
    UserQuery,
};
use crate::{
    Clock, Error, Result, Timestamp,
    account::{Account, AccountStore, ApiKeyStore, SecondFactorStore, Sessions, UserId, lookup},
    page::TOTAL_CAP,
};

/// Accounts for administrators, kept durably.
#[async_trait]
pub trait AdministrationStore: Send + Sync {
    /// The part of a list, and how many accounts the whole list has, counted up to `cap`. The newest account comes
    /// first, or with [`UserFilter::search`](super::UserFilter::search) the first address, by its bytes. Two statements that
    /// read by indexes, whatever is asked for: no more than the part and what it passes over of each tier, enabled and
    /// disabled, and no more than `cap` to count.
    async fn users(&self, query: UserQuery, cap: u32) -> Result<(Vec<Account>, u32)>;

    /// When the user last signed in, as far as sessions are kept.
    async fn last_sign_in(&self, user: UserId) -> Result<Option<Timestamp>>;

    /// Makes the change and logs `AccountChanged`; what is so already changes nothing. Disabling ends every session
    /// and what was mailed to sign in or to set another password.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` ([`DELETED`](super::DELETED)) when a deleted account is to be enabled;
    /// [`ConflictKind::LastAdmin`](crate::error::ConflictKind::LastAdmin) when no enabled administrator would be left.
    async fn change(&self, change: AccountChange) -> Result<Account>;
}

/// An account with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDetail {
    /// The account.
    pub account: Account,
    /// How many sessions are live, counted up to [`Sessions::LISTED`].
    pub live_sessions: u32,
    /// Whether there are more.
    pub has_more_sessions: bool,
    /// How many API keys are live: as many as a tier may have at most.
    pub live_api_keys: u32,
    /// Since when a second factor is asked for; `None`: it is not.
    pub second_factor_since: Option<Timestamp>,
    /// When the user last signed in, as far as sessions are kept.
    pub last_sign_in_at: Option<Timestamp>,
}

/// Accounts, as administrators see and change them.
pub struct Administration {
    store: Arc<dyn AdministrationStore>,
    accounts: Arc<dyn AccountStore>,
    api_keys: Arc<dyn ApiKeyStore>,
    second_factors: Arc<dyn SecondFactorStore>,
    clock: Arc<dyn Clock>,
}

impl Administration {
    /// The use cases over these adapters.
    pub fn new(
        store: Arc<dyn AdministrationStore>,
        accounts: Arc<dyn AccountStore>,
        api_keys: Arc<dyn ApiKeyStore>,
        second_factors: Arc<dyn SecondFactorStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, accounts, api_keys, second_factors, clock }
    }

    /// A page of [`UserQuery::limit`] accounts at most.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a position in a list of another order.
    pub async fn users(&self, query: UserQuery) -> Result<UserPage> {
        let by_address = query.filter.search.is_some();
        if let Some(after) = &query.after
            && matches!(after, UserPosition::Address(_)) != by_address
        {
            return Err(Error::invalid("cursor", InvalidUserPosition.to_string()));
        }
        let (filter, limit) = (query.filter.clone(), query.limit);
        let asked = UserQuery { limit: limit.saturating_add(1), ..query };
        let (mut items, counted) = self.store.users(asked, TOTAL_CAP + 1).await?;
        let has_more = items.len() > limit as usize;
        items.truncate(limit as usize);
        let last = items.last().filter(|_| has_more);
        let next = last.map(|last| filter.position(last));
        let (total, total_capped) = (counted.min(TOTAL_CAP), counted > TOTAL_CAP);
        Ok(UserPage { items, total, total_capped, next })
    }

    /// One account with what belongs to it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn user(&self, id: UserId) -> Result<UserDetail> {
        let now = self.clock.now();
        let account = self.accounts.account(id).await?.ok_or(Error::NotFound("account"))?;
        let most = u32::from(Sessions::LISTED);
        let sessions = self.accounts.sessions(id, now, most + 1).await?.len();
        let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
        let keys = self.api_keys.list(id, now).await?.len();
        let factor = self.second_factors.factor(id, now).await?;
        Ok(UserDetail {
            account,
            live_sessions: sessions.min(most),
            has_more_sessions: sessions > most,
            live_api_keys: u32::try_from(keys).unwrap_or(u32::MAX),
            second_factor_since: factor.active.map(|active| active.enabled_at),
            last_sign_in_at: self.store.last_sign_in(id).await?,
        })
    }

    /// The account whose address somebody typed.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn named(&self, email: &str) -> Result<Account> {
        let found = lookup::find(&*self.accounts, email).await?;
        found.map(|(account, _)| account).ok_or(Error::NotFound("account"))
    }

    /// Gives the account another tier, enables or disables it: the one way to do so, whoever asks. What is so already
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] when nothing is asked for; [`Error::NotFound`]; [`Error::Forbidden`] when a deleted account is to
    /// be enabled; [`Error::Conflict`] when no enabled administrator would be left.
    pub async fn change(
        &self,
        user: UserId,
        changes: AccountChanges,
        reason: Option<ChangeReason>,
    ) -> Result<Account> {
        if changes == AccountChanges::default() {
            return Err(Error::invalid("tier", "give tier, is_active or both"));
        }
        let now = self.clock.now();
        self.store.change(AccountChange { user, changes, reason, now }).await
    }
}
