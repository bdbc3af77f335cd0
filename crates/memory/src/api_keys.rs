//! Users' API keys.

use alpine_domain::{
    Error, Result, Timestamp,
    account::{ApiKey, ApiKeyId, ApiKeyStore, NewApiKey, UserId},
    audit::{Action, Entry},
    error::ConflictKind,
    event::Event,
};
use async_trait::async_trait;

use crate::{Memory, tables::KeyRow};

#[async_trait]
impl ApiKeyStore for Memory {
    async fn create(&self, new: NewApiKey, max: u32) -> Result<()> {
        self.write(|unit| {
            let (owner, now) = (new.key.owner, new.key.created_at);
            let state = unit.tables.state(owner).ok_or(Error::NotFound("account"))?;
            if state.generation != new.generation {
                return Err(Error::Unauthenticated("the account was signed out"));
            }
            let is_counted =
                |key: &&KeyRow| key.made.key.owner == owner && unit.tables.is_good(key, now);
            if unit.tables.api_keys.iter().filter(is_counted).count() >= max as usize {
                let detail = format!("your plan brings {max} API keys at a time; revoke one first");
                return Err(Error::conflict(ConflictKind::LimitReached, detail));
            }
            unit.audit(Entry::new(now, Action::ApiKeyCreated).on(new.key.id));
            unit.tables.api_keys.push(KeyRow { made: new, revoked_at: None });
            unit.log(now, Event::ApiKeysChanged)
        })
    }

    async fn list(&self, owner: UserId, now: Timestamp) -> Result<Vec<ApiKey>> {
        let tables = self.read();
        let theirs = tables.api_keys.iter().filter(|key| key.made.key.owner == owner);
        let mut keys: Vec<ApiKey> =
            theirs.filter(|key| tables.is_good(key, now)).map(|key| key.made.key.clone()).collect();
        keys.sort_by_key(|key| std::cmp::Reverse((key.created_at, key.id)));
        Ok(keys)
    }

    async fn revoke(&self, owner: UserId, id: ApiKeyId, now: Timestamp) -> Result<()> {
        self.write(|unit| {
            let key = unit.tables.api_keys.iter_mut().find(|key| {
                key.made.key.id == id && key.made.key.owner == owner && key.is_live(now)
            });
            key.ok_or(Error::NotFound("API key"))?.revoked_at = Some(now);
            unit.audit(Entry::new(now, Action::ApiKeyRevoked).on(id));
            unit.log(now, Event::ApiKeysChanged)
        })
    }

    async fn by_hash(&self, key_hash: &str, now: Timestamp) -> Result<Option<ApiKey>> {
        let tables = self.read();
        let key = tables.api_keys.iter().find(|key| key.made.key_hash == key_hash);
        Ok(key.filter(|key| tables.is_good(key, now)).map(|key| key.made.key.clone()))
    }
}
