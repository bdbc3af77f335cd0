//! Every use case over every store, built in one place.
//!
//! A new store is a field of [`Stores`]; a new use case is a field of [`UseCases`] and its line in
//! [`UseCases::new`]. The server, the HTTP surface and the tests all take them from here.

use std::sync::Arc;

use crate::{
    AgreedTime, Clock,
    account::{
        AccountPorts, AccountSettings, AccountStates, AccountStore, Accounts, ApiKeyStore,
        Authenticator, Secret,
    },
    event::InstanceMemory,
    ports::{
        blacklist::TokenBlacklist,
        cache::ResponseCache,
        events::EventLog,
        secrets::{AccessTokens, PasswordHasher, Randomness},
    },
    producer::{ProducerStore, Producers},
    retention::{Retention, RetentionSettings, RetentionStore},
    signal::{
        Catalogue, Expiry, ExpirySettings, Intake, SignalReader, SignalStore, VisibilityPolicy,
    },
    statistics::{Performance, StatisticsStore},
};

/// What is kept, by kind.
#[derive(Clone)]
pub struct Stores {
    /// Users and their sessions.
    pub accounts: Arc<dyn AccountStore>,
    /// Users' API keys.
    pub api_keys: Arc<dyn ApiKeyStore>,
    /// Producers and their keys.
    pub producers: Arc<dyn ProducerStore>,
    /// Signals and outcomes, for who writes them.
    pub signals: Arc<dyn SignalStore>,
    /// Signals and outcomes, for who reads them.
    pub signal_reader: Arc<dyn SignalReader>,
    /// Sums over closed signals.
    pub statistics: Arc<dyn StatisticsStore>,
    /// The event log.
    pub events: Arc<dyn EventLog>,
    /// What deletes old rows.
    pub retention: Arc<dyn RetentionStore>,
}

/// What the use cases need besides stores.
#[derive(Clone)]
pub struct Ports {
    /// Hashes passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Signs access tokens.
    pub tokens: Arc<dyn AccessTokens>,
    /// Revoked sessions.
    pub blacklist: Arc<dyn TokenBlacklist>,
    /// Bodies that were made before.
    pub cache: Arc<dyn ResponseCache>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The same for what ends things for ever.
    pub agreed_time: Arc<dyn AgreedTime>,
    /// For ids and secrets.
    pub randomness: Arc<dyn Randomness>,
}

/// What the operator decides about the use cases.
#[derive(Clone)]
pub struct Settings {
    /// Tiers, lives of tokens, bounds of an account.
    pub accounts: AccountSettings,
    /// Makes the digests of addresses; see [`Accounts::new`].
    pub address_key: Secret,
    /// Who sees which signal, and when.
    pub visibility: VisibilityPolicy,
    /// When signals expire.
    pub expiry: ExpirySettings,
    /// How long what has ended is kept.
    pub retention: RetentionSettings,
}

/// Every use case.
pub struct UseCases {
    /// Sign-up, sign-in, profiles, API keys.
    pub accounts: Accounts,
    /// From a credential to its caller.
    pub authenticator: Arc<Authenticator>,
    /// Producers and their keys.
    pub producers: Producers,
    /// Signals and outcomes from producers.
    pub intake: Intake,
    /// Signals for readers.
    pub catalogue: Arc<Catalogue>,
    /// Statistics over closed signals.
    pub performance: Performance,
    /// Closes what was open for too long.
    pub expiry: Expiry,
    /// Deletes what ended long ago.
    pub retention: Retention,
    /// What this instance holds in memory and events change.
    pub memory: Arc<InstanceMemory>,
}

impl UseCases {
    /// The use cases over these stores and ports.
    pub fn new(stores: &Stores, ports: &Ports, settings: Settings) -> Self {
        let (stores, ports) = (stores.clone(), ports.clone());
        let Settings { accounts: account_settings, address_key, visibility, expiry, retention } =
            settings;
        let (clock, randomness) = (ports.clock, ports.randomness);
        let states =
            Arc::new(AccountStates::new(stores.accounts.clone(), account_settings.state_cache));
        let authenticator = Arc::new(Authenticator::new(
            ports.tokens.clone(),
            ports.blacklist.clone(),
            states.clone(),
            stores.api_keys.clone(),
            stores.producers.clone(),
            clock.clone(),
        ));
        let memory = InstanceMemory::new(
            stores.accounts.clone(),
            states,
            authenticator.clone(),
            ports.blacklist,
            ports.cache,
            clock.clone(),
            visibility.clone(),
        );
        let account_ports = AccountPorts {
            store: stores.accounts,
            api_keys: stores.api_keys,
            hasher: ports.hasher,
            tokens: ports.tokens,
            clock: clock.clone(),
            randomness: randomness.clone(),
        };
        let catalogue = Catalogue::new(stores.signal_reader, clock.clone(), visibility.clone());
        Self {
            accounts: Accounts::new(account_ports, account_settings, address_key),
            authenticator,
            producers: Producers::new(stores.producers, clock.clone(), randomness),
            intake: Intake::new(stores.signals.clone(), clock.clone()),
            catalogue: Arc::new(catalogue),
            performance: Performance::new(stores.statistics, clock.clone(), visibility),
            expiry: Expiry::new(stores.signals, ports.agreed_time.clone(), expiry),
            retention: Retention::new(stores.retention, ports.agreed_time, &retention),
            memory: Arc::new(memory),
        }
    }
}
