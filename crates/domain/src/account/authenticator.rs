//! Who sends a request.

use std::sync::Arc;

use super::{AccountState, AccountStates, ApiKey, ApiKeyStore, Caller, SessionId, UserId, digest};
use crate::{
    Clock, Error, Result, Timestamp,
    memo::Memo,
    ports::{blacklist::TokenBlacklist, secrets::AccessTokens},
    producer::{Producer, ProducerStore},
};

/// How a user's API key starts; every other key is taken for a producer's.
pub const API_KEY_PREFIX: &str = "alp_u_";
/// Keys remembered at most.
const KEY_CAPACITY: usize = 10_000;
/// The longest key that is looked at, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// What a key stands for.
#[derive(Clone)]
enum Holder {
    User(ApiKey),
    Producer(Producer),
    /// By the key that it had before, until then.
    OldProducer(Producer, Timestamp),
}

/// Establishes who sends a request, from an access token or a key.
pub struct Authenticator {
    tokens: Arc<dyn AccessTokens>,
    blacklist: Arc<dyn TokenBlacklist>,
    states: Arc<AccountStates>,
    api_keys: Arc<dyn ApiKeyStore>,
    producers: Arc<dyn ProducerStore>,
    clock: Arc<dyn Clock>,
    holders: Memo<String, Holder>,
}

impl Authenticator {
    /// An authenticator over these adapters.
    pub fn new(
        tokens: Arc<dyn AccessTokens>,
        blacklist: Arc<dyn TokenBlacklist>,
        states: Arc<AccountStates>,
        api_keys: Arc<dyn ApiKeyStore>,
        producers: Arc<dyn ProducerStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let holders = Memo::new(KEY_CAPACITY);
        Self { tokens, blacklist, states, api_keys, producers, clock, holders }
    }

    /// The caller with this access token (RFC 6750).
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for a token that is not ours, ended, or was revoked;
    /// [`Error::Unavailable`] when that cannot be told.
    pub async fn bearer(&self, token: &str) -> Result<Caller> {
        let claims = self.tokens.verify(token, self.clock.now())?;
        let mut session = uuid::Uuid::encode_buffer();
        let session = claims.session.as_hyphenated().encode_lower(&mut session);
        if self.blacklist.is_denied(session).await? {
            return Err(Error::Unauthenticated("the access token was revoked; sign in again"));
        }
        let (id, session) = (UserId::new(claims.subject), SessionId::new(claims.session));
        let state = self.active_state(id).await?;
        if claims.generation < state.generation {
            return Err(Error::Unauthenticated("the access token was revoked; sign in again"));
        }
        Ok(Caller::User { id, session, state })
    }

    /// The caller with this key, a user's or a producer's.
    ///
    /// # Errors
    /// As [`bearer`](Self::bearer).
    pub async fn key(&self, key: &str) -> Result<Caller> {
        if key.len() > MAX_KEY_BYTES {
            return Err(UNKNOWN_KEY);
        }
        match self.holder(key).await? {
            Holder::OldProducer(_, until) if until <= self.clock.now() => Err(UNKNOWN_KEY),
            Holder::Producer(producer) | Holder::OldProducer(producer, _) => {
                Ok(Caller::Producer(producer))
            }
            Holder::User(api_key) => {
                if api_key.expires_at.is_some_and(|end| end <= self.clock.now()) {
                    return Err(UNKNOWN_KEY);
                }
                let state = self.active_state(api_key.owner).await?;
                let ApiKey { id: key, owner, scopes, .. } = api_key;
                Ok(Caller::ApiKey { key, owner, scopes, state })
            }
        }
    }

    /// Whether this process knows whose key this is, so that [`key`](Self::key) looks nothing up.
    pub fn remembers(&self, key: &str) -> bool {
        key.len() <= MAX_KEY_BYTES && self.holders.get(&digest(key)).is_ok()
    }

    /// Forgets every key, because one was made or revoked.
    pub fn forget_keys(&self) {
        self.holders.clear();
    }

    async fn holder(&self, key: &str) -> Result<Holder> {
        let hash = digest(key);
        let ticket = match self.holders.get(&hash) {
            Ok(holder) => return Ok(holder),
            Err(ticket) => ticket,
        };
        let holder = if key.starts_with(API_KEY_PREFIX) {
            self.api_keys.by_hash(&hash, self.clock.now()).await?.map(Holder::User)
        } else {
            match self.producers.by_key_hash(&hash).await? {
                Some(producer) => Some(Holder::Producer(producer)),
                None => self.old_holder(&hash).await?,
            }
        };
        let holder = holder.ok_or(UNKNOWN_KEY)?;
        self.holders.put(ticket, hash, holder.clone());
        Ok(holder)
    }

    /// The producer whose key this was until its last rotation.
    async fn old_holder(&self, hash: &str) -> Result<Option<Holder>> {
        let now = self.clock.now();
        let found = self.producers.by_old_key_hash(hash).await?.filter(|(_, until)| *until > now);
        Ok(found.map(|(producer, until)| Holder::OldProducer(producer, until)))
    }

    async fn active_state(&self, user: UserId) -> Result<AccountState> {
        let state = self.states.of(user).await?;
        state
            .filter(|state| state.is_active)
            .ok_or(Error::Unauthenticated("the account is disabled or gone"))
    }
}

const UNKNOWN_KEY: Error = Error::Unauthenticated("the API key is not valid");
