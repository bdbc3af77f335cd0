//! What users are now, remembered in the process until an event says that it changed.

use std::sync::Arc;

use super::{AccountState, AccountStore, UserId};
use crate::{Result, memo::Memo};

/// States of accounts by user. Bounded; invalidated by the event log.
pub struct AccountStates {
    store: Arc<dyn AccountStore>,
    memo: Memo<UserId, AccountState>,
}

impl AccountStates {
    /// States of at most `capacity` users, read from `store` when they are first asked for.
    pub fn new(store: Arc<dyn AccountStore>, capacity: usize) -> Self {
        Self { store, memo: Memo::new(capacity) }
    }

    /// The user's state, or `None` when there is no such user.
    pub async fn of(&self, user: UserId) -> Result<Option<AccountState>> {
        let ticket = match self.memo.get(&user) {
            Ok(state) => return Ok(Some(state)),
            Err(ticket) => ticket,
        };
        let state = self.store.state(user).await?;
        if let Some(state) = state {
            self.memo.put(ticket, user, state);
        }
        Ok(state)
    }

    /// Forgets one user.
    pub fn invalidate(&self, user: UserId) {
        self.memo.forget(&user);
    }

    /// Forgets everybody.
    pub fn clear(&self) {
        self.memo.clear();
    }
}
