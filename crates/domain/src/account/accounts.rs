//! Signing up, in and out.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    Account, AccountStore, AddressChangeStore, AddressDigest, ApiKeyStore, ConfirmAddresses,
    DeletionStore, Email, NewAccount, NewSession, Registration, Role, SecondFactorStore, Secret,
    SessionId, SignOut, SignUpStore, Tier, TypedPassword, UserId, digest, lookup, verification,
};
use crate::{
    Clock, Error, Result, Timestamp,
    audit::Denials,
    ports::{
        sealing::Sealing,
        secrets::{
            AccessClaims, AccessTokens, HashPriority, PasswordCheck, PasswordHasher, Randomness,
        },
    },
    settings::{at_least_one, defaults, duration},
};

/// The section `accounts` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountSettings {
    /// The tier of every new account.
    pub signup_tier: Tier,
    /// Whether addresses are confirmed by mail before they are used. [`ConfirmAddresses::Auto`] is decided by
    /// whoever knows whether there is a mail server; here it means no.
    pub confirm_addresses: ConfirmAddresses,
    /// How long an access token is good.
    #[serde(deserialize_with = "duration")]
    pub access_ttl: Duration,
    /// How long a family of refresh tokens is good, counted from the sign-in.
    #[serde(deserialize_with = "duration")]
    pub refresh_ttl: Duration,
    /// Live API keys of one user at most, by tier.
    pub max_api_keys: KeysByTier,
    /// How long after its deletion what is personal of an account is erased.
    #[serde(deserialize_with = "duration")]
    pub erase_after: Duration,
    /// Accounts whose tier, role and generation are remembered in this process.
    #[serde(deserialize_with = "at_least_one")]
    pub state_cache: usize,
}

/// How many live API keys a user of each tier may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysByTier {
    /// Without a subscription.
    pub free: u32,
    /// The first paid tier.
    pub starter: u32,
    /// The second.
    pub pro: u32,
    /// The highest, and every administrator.
    pub elite: u32,
}

impl KeysByTier {
    /// How many whoever is in this state may have. Who has more, after a downgrade, keeps them and makes no further
    /// ones.
    pub const fn of(&self, tier: Tier, role: Role) -> u32 {
        match (role, tier) {
            (Role::Admin, _) | (Role::User, Tier::Elite) => self.elite,
            (Role::User, Tier::Free) => self.free,
            (Role::User, Tier::Starter) => self.starter,
            (Role::User, Tier::Pro) => self.pro,
        }
    }
}

impl Default for AccountSettings {
    /// What stands in `config/default.toml`.
    fn default() -> Self {
        defaults("accounts")
    }
}

/// A fresh pair of tokens and whose they are.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The account that signed in.
    pub account: Account,
    /// The session.
    pub session: SessionId,
    /// The access token.
    pub access_token: Secret,
    /// How long the access token is good.
    pub expires_in: Duration,
    /// The refresh token, good once.
    pub refresh_token: Secret,
}

/// The adapters that accounts need.
#[derive(Clone)]
pub struct AccountPorts {
    /// Keeps users and sessions.
    pub store: Arc<dyn AccountStore>,
    /// Keeps sign-ups that wait for their confirmation.
    pub sign_ups: Arc<dyn SignUpStore>,
    /// Keeps changes of addresses that wait for their confirmation.
    pub address_changes: Arc<dyn AddressChangeStore>,
    /// Ends accounts.
    pub deletions: Arc<dyn DeletionStore>,
    /// Keeps users' API keys.
    pub api_keys: Arc<dyn ApiKeyStore>,
    /// Keeps second factors.
    pub second_factors: Arc<dyn SecondFactorStore>,
    /// Seals their secrets.
    pub sealing: Arc<dyn Sealing>,
    /// Hashes passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Signs access tokens.
    pub tokens: Arc<dyn AccessTokens>,
    /// Says what time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes secrets.
    pub randomness: Arc<dyn Randomness>,
    /// Counts what is refused.
    pub denials: Arc<Denials>,
}

/// The use cases around an account.
pub struct Accounts {
    pub(super) ports: AccountPorts,
    pub(super) settings: AccountSettings,
    address_key: Secret,
}

/// Denials outlast the longest access token by this much, so that a token issued by a refresh under way
/// during the sign-out has ended as well.
const DENIAL_MARGIN: Duration = Duration::from_secs(10);

/// One answer for an unknown address, a wrong password and a disabled account.
pub(super) const WRONG_CREDENTIALS: Error =
    Error::Unauthenticated("the e-mail address or the password is wrong");

/// What every refresh token begins with.
pub(super) const REFRESH_PREFIX: &str = "alp_r_";

impl Accounts {
    /// The use cases over these adapters. `address_key` makes the digests of the addresses that sessions
    /// are opened from: with another key, every address is a stranger again.
    pub const fn new(ports: AccountPorts, settings: AccountSettings, address_key: Secret) -> Self {
        Self { ports, settings, address_key }
    }

    /// Makes an account and signs in, for a command: no address is remembered.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every refused field; [`Error::Conflict`] for a taken address.
    pub async fn sign_up(&self, email: &str, password: &str, full_name: &str) -> Result<SignedIn> {
        let tier = self.settings.signup_tier;
        let account = self.create(email, password, full_name, tier, Role::User).await?;
        self.open_session(account, None).await
    }

    /// Makes an account and signs in, for a client at `address`. Its owner is asked by mail to confirm it.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a taken address.
    pub async fn sign_up_from(
        &self,
        address: &AddressDigest,
        registration: Registration,
    ) -> Result<SignedIn> {
        let tier = self.settings.signup_tier;
        let priority = HashPriority::Stranger;
        let account = self.new_account(priority, registration, tier, Role::User).await?;
        let welcome = Some(verification::job(account.id, account.created_at));
        let account = self.ports.store.create(NewAccount { welcome, ..account }).await?;
        self.open_session(account, Some(address)).await
    }

    /// How sessions remember the client whose addresses are all in `group`.
    ///
    /// # Errors
    /// As [`AddressDigest::of`].
    pub fn address_digest(&self, group: &str) -> Result<AddressDigest> {
        AddressDigest::of(group, &self.address_key)
    }

    /// [`HashPriority::Known`] if somebody signed in to this account from `address` before, which is
    /// never true of an account that does not exist.
    pub async fn knows(&self, address: &AddressDigest, email: &str) -> Result<HashPriority> {
        for email in Email::as_typed(email) {
            if self.ports.store.has_signed_in_from(&email, address).await? {
                return Ok(HashPriority::Known);
            }
        }
        Ok(HashPriority::Stranger)
    }

    /// The account whose address somebody typed, with its password's hash.
    pub(super) async fn find(&self, email: &str) -> Result<Option<(Account, String)>> {
        lookup::find(&*self.ports.store, email).await
    }

    /// Compares a password with a hash as [`PasswordHasher::check`] does. A password that was typed in
    /// another form than the normal one is compared a second time, as it was typed: older releases hashed
    /// it so. That depends on what was typed alone, so the time tells nothing of the account.
    pub(super) async fn check(
        &self,
        password: &TypedPassword,
        hash: Option<&str>,
        priority: HashPriority,
    ) -> Result<PasswordCheck> {
        let check = self.ports.hasher.check(password.normal(), hash, priority).await?;
        let (PasswordCheck::Wrong, Some(typed)) = (check, password.as_typed()) else {
            return Ok(check);
        };
        Ok(match self.ports.hasher.check(typed, hash, priority).await? {
            PasswordCheck::Wrong => PasswordCheck::Wrong,
            PasswordCheck::Right | PasswordCheck::RightButOutdated => {
                PasswordCheck::RightButOutdated
            }
        })
    }

    /// Ends one session: its tokens are refused, here at once and everywhere by the event log.
    pub async fn sign_out(&self, session: SessionId) -> Result<()> {
        let now = self.ports.clock.now();
        let until = self.denied_until(now);
        self.ports.store.revoke_session(session, now, until).await
    }

    /// Ends every session of a user, and their API keys if `ended` says so. Tokens issued afterwards are
    /// good, even in the same second.
    pub async fn sign_out_everywhere(&self, user: UserId, ended: SignOut) -> Result<()> {
        self.ports.store.revoke_all(user, ended, self.ports.clock.now()).await?;
        Ok(())
    }

    /// Ends every session of everybody, as after a leak: no token that was issued before is accepted,
    /// and whoever signs in again, in the same second even, is let in. API keys stay good.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_out_everybody(&self) -> Result<()> {
        self.ports.store.revoke_everybody(self.ports.clock.now()).await
    }

    /// Makes an account of a given tier without signing in.
    ///
    /// # Errors
    /// As [`sign_up`](Self::sign_up).
    pub async fn create(
        &self,
        email: &str,
        password: &str,
        full_name: &str,
        tier: Tier,
        role: Role,
    ) -> Result<Account> {
        let registration = Registration::parse(email, password, full_name)?;
        let account = self.new_account(HashPriority::Known, registration, tier, role).await?;
        self.ports.store.create(account).await
    }

    async fn new_account(
        &self,
        priority: HashPriority,
        registration: Registration,
        tier: Tier,
        role: Role,
    ) -> Result<NewAccount> {
        let Registration { email, password, full_name } = registration;
        let password_hash = self.ports.hasher.hash(password.reveal(), priority).await?;
        let created_at = self.ports.clock.now();
        let id = UserId::generate(created_at, self.random());
        let welcome = None;
        Ok(NewAccount { id, email, full_name, password_hash, tier, role, created_at, welcome })
    }

    /// Sets tier and role of an account that is made for a trial. Whoever changes what a customer has calls
    /// [`Administration::change`](super::Administration::change), or gives a [role](Self::assign_role).
    pub async fn set_tier_and_role(
        &self,
        account: &Account,
        tier: Tier,
        role: Role,
    ) -> Result<Account> {
        let now = self.ports.clock.now();
        self.ports.store.set_tier_and_role(account.id, tier, role, now).await
    }

    pub(super) fn denied_until(&self, now: Timestamp) -> Timestamp {
        now.later(self.settings.access_ttl + DENIAL_MARGIN)
    }

    pub(super) async fn open_session(
        &self,
        account: Account,
        address: Option<&AddressDigest>,
    ) -> Result<SignedIn> {
        let now = self.ports.clock.now();
        let refresh_token = self.secret(REFRESH_PREFIX);
        let session = SessionId::generate(now, self.random());
        self.ports
            .store
            .open_session(NewSession {
                id: session,
                user: account.id,
                generation: account.generation,
                address: address.cloned(),
                refresh_hash: digest(refresh_token.reveal()),
                created_at: now,
                expires_at: now.later(self.settings.refresh_ttl),
            })
            .await?;
        self.tokens(account, session, refresh_token, now)
    }

    pub(super) fn tokens(
        &self,
        account: Account,
        session: SessionId,
        refresh_token: Secret,
        now: Timestamp,
    ) -> Result<SignedIn> {
        let claims = AccessClaims {
            subject: account.id.as_uuid(),
            session: session.as_uuid(),
            id: hex::encode(self.random::<16>()),
            generation: account.generation,
            issued_at: now,
            expires_at: now.later(self.settings.access_ttl),
        };
        let access_token = Secret::new(self.ports.tokens.issue(&claims)?);
        let expires_in = self.settings.access_ttl;
        Ok(SignedIn { account, session, access_token, expires_in, refresh_token })
    }

    /// A new secret of 256 random bits.
    pub(super) fn secret(&self, prefix: &str) -> Secret {
        Secret::new(format!("{prefix}{}", hex::encode(self.random::<32>())))
    }

    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.ports.randomness.fill(&mut bytes);
        bytes
    }
}
