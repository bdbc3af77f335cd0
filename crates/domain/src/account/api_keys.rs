//! Keys for users' programs: so many as the owner's tier brings.

use super::{
    AccountState, Accounts, ApiKey, ApiKeyId, KeyName, NewApiKey, Scopes, Secret, UserId,
    authenticator::API_KEY_PREFIX, digest,
};
use crate::{Error, Result, Timestamp, error::Refusals};

impl Accounts {
    /// Makes a key. The key itself is returned here and never again. `None` for its scopes is what every key
    /// could do before there were any.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every refused field, [`Error::Conflict`] when the user has as many as the tier
    /// brings, [`Error::Unauthenticated`] when the user was signed out everywhere meanwhile.
    pub async fn create_api_key(
        &self,
        user: UserId,
        state: AccountState,
        name: &str,
        scopes: Option<&[String]>,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, Secret)> {
        let created_at = self.ports.clock.now();
        let (name, scopes) = check_request(name, scopes, expires_at, created_at)?;
        let secret = self.secret(API_KEY_PREFIX);
        let key = ApiKey {
            id: ApiKeyId::generate(created_at, self.random()),
            owner: user,
            name,
            prefix: secret.reveal().chars().take(API_KEY_PREFIX.len() + 6).collect(),
            scopes,
            created_at,
            expires_at,
        };
        let key_hash = digest(secret.reveal());
        let new_key = NewApiKey { key: key.clone(), key_hash, generation: state.generation };
        let most = self.settings.max_api_keys.of(state.tier, state.role);
        self.ports.api_keys.create(new_key, most).await?;
        Ok((key, secret))
    }

    /// The user's live keys, newest first.
    pub async fn list_api_keys(&self, user: UserId) -> Result<Vec<ApiKey>> {
        self.ports.api_keys.list(user, self.ports.clock.now()).await
    }

    /// Revokes a key.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the user has no such key.
    pub async fn revoke_api_key(&self, user: UserId, key: ApiKeyId) -> Result<()> {
        self.ports.api_keys.revoke(user, key, self.ports.clock.now()).await
    }
}

fn check_request(
    name: &str,
    scopes: Option<&[String]>,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(KeyName, Scopes)> {
    let mut refusals = Refusals::default();
    let name = refusals.check("name", name.parse::<KeyName>());
    let scopes = scopes.map_or(Ok(Scopes::UNNAMED), Scopes::parse);
    let scopes = refusals.check("scopes", scopes);
    if expires_at.is_some_and(|end| end <= now) {
        refusals.add("expires_at", "must lie in the future");
    }
    match (name, scopes) {
        (Some(name), Some(scopes)) if refusals.is_empty() => Ok((name, scopes)),
        _ => Err(Error::Invalid(refusals.into_errors())),
    }
}
