//! What users are now, remembered in the process until an event says that it changed.

use std::sync::Arc;

use super::{AccountStore, Standing, UserId};
use crate::{Result, memo::Memo};

/// Standings by user. Bounded; invalidated by the event log.
pub struct Standings {
    store: Arc<dyn AccountStore>,
    memo: Memo<UserId, Standing>,
}

impl Standings {
    /// Standings of at most `capacity` users, read from `store` when they are first asked for.
    pub fn new(store: Arc<dyn AccountStore>, capacity: usize) -> Self {
        Self { store, memo: Memo::new(capacity) }
    }

    /// The user's standing, or `None` when there is no such user.
    pub async fn of(&self, user: UserId) -> Result<Option<Standing>> {
        let ticket = match self.memo.get(&user) {
            Ok(standing) => return Ok(Some(standing)),
            Err(ticket) => ticket,
        };
        let standing = self.store.standing(user).await?;
        if let Some(standing) = standing {
            self.memo.put(ticket, user, standing);
        }
        Ok(standing)
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
