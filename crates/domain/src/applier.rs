//! Applies the event log to what this instance holds in memory.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Clock, Result,
    account::{AccountStore, Authenticator, Standings},
    event::Event,
    ports::{
        blacklist::TokenBlacklist,
        cache::ResponseCache,
        events::{EventHandler, LoggedEvent},
    },
};

/// Denials that an instance starts with at most. Access tokens live for minutes, so that many
/// sign-outs within their life would be an attack or a defect.
const MAX_DENIALS: u32 = 1_000_000;

/// Brings what is held in memory in line with each change.
pub struct Applier {
    /// Where denials are read from at the start.
    pub accounts: Arc<dyn AccountStore>,
    /// What users are now.
    pub standings: Arc<Standings>,
    /// What keys stand for.
    pub authenticator: Arc<Authenticator>,
    /// Revoked sessions.
    pub blacklist: Arc<dyn TokenBlacklist>,
    /// Cached bodies.
    pub cache: Arc<dyn ResponseCache>,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl EventHandler for Applier {
    async fn apply(&self, row: &LoggedEvent) -> Result<()> {
        // A kind that a newer version wrote concerns nothing that this version holds.
        let Some(event) = Event::from_payload(&row.payload) else {
            return Ok(());
        };
        match &event {
            Event::SessionRevoked { session, until } => {
                self.blacklist.deny(&session.to_string(), *until).await;
            }
            Event::AccountChanged { user } => self.standings.invalidate(*user),
            Event::ProducersChanged | Event::ApiKeysChanged => self.authenticator.forget_keys(),
            Event::SignalPublished { .. }
            | Event::SignalClosed { .. }
            | Event::CacheInvalidated { .. } => {}
        }
        let tags = event.tags();
        if !tags.is_empty() {
            self.cache.invalidate(&tags).await;
        }
        Ok(())
    }

    async fn reset(&self) -> Result<()> {
        for revoked in self.accounts.revoked_sessions(self.clock.now(), MAX_DENIALS).await? {
            self.blacklist.deny(&revoked.session.to_string(), revoked.until).await;
        }
        self.standings.clear();
        self.authenticator.forget_keys();
        self.cache.clear().await;
        Ok(())
    }
}
