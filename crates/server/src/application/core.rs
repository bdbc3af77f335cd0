//! The use cases over their stores: all of Alpine but its surface. Commands use it without a server.

use std::sync::{Arc, Weak};

use alpine_domain::{
    Clock,
    account::{AccountPorts, AccountStates, AccountStore, Accounts, Authenticator, Secret},
    event::{CommitHandler, CommittedEvent, InstanceMemory},
    ports::{
        blacklist::TokenBlacklist,
        cache::ResponseCache,
        database_id::DatabaseIdentity as _,
        events::{EventBus, EventLog},
        rate_limit::RateLimiter,
        secrets::Randomness,
    },
    producer::Producers,
    signal::{Catalogue, Expiry, Intake},
    statistics::Performance,
};
use alpine_infra::{
    InfraMetrics,
    redis::RedisHandle,
    secrets::{Argon2Hasher, SignedTokens, SigningKey},
};
use alpine_persistence::{self as persistence, Database, Migrator};
use anyhow::Context as _;
use prometheus::Registry;

use super::{adapters::Adapters, ports::Ports, settings};
use crate::config::Config;

/// Every use case, and what the surface needs besides.
pub struct Core {
    /// Sign-up, sign-in, profiles, API keys.
    pub accounts: Arc<Accounts>,
    /// What is kept of accounts, for questions that no use case asks.
    pub account_store: Arc<dyn AccountStore>,
    /// From a credential to its caller.
    pub authenticator: Arc<Authenticator>,
    /// Producers and their keys.
    pub producers: Arc<Producers>,
    /// Signals and outcomes from producers.
    pub intake: Arc<Intake>,
    /// Signals for readers.
    pub catalogue: Arc<Catalogue>,
    /// Statistics over closed signals.
    pub performance: Arc<Performance>,
    /// Closes what was open for too long.
    pub expiry: Arc<Expiry>,
    /// The event log.
    pub events: Arc<dyn EventLog>,
    /// What this instance holds in memory and events change.
    pub memory: Arc<InstanceMemory>,
    /// The database knows it weakly only.
    #[expect(dead_code, reason = "keeps the handler of commits alive")]
    own_commits: Arc<OwnCommits>,
    /// Wakes followers of the log.
    pub bus: Arc<dyn EventBus>,
    /// Bodies that were made before.
    pub cache: Arc<dyn ResponseCache>,
    /// Revoked sessions.
    pub blacklist: Arc<dyn TokenBlacklist>,
    /// Who may ask how often.
    pub limiter: Arc<dyn RateLimiter>,
    /// The database, for migrations, backups and its probe.
    pub database: Database,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// For ids and secrets.
    pub randomness: Arc<dyn Randomness>,
    pub(crate) redis: Option<RedisHandle>,
    pub(crate) infra_metrics: Arc<InfraMetrics>,
}

impl Core {
    /// Wires everything; opens no connection yet. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// A setting that an adapter refuses, or a registry that has such metrics already.
    pub fn wire(config: &Config, ports: &Ports, registry: &Registry) -> anyhow::Result<Self> {
        let Ports { clock, steady, randomness } = ports.clone();
        let infra_metrics = InfraMetrics::register(registry)?;
        let database = Database::open(settings::database(config), registry).map_err(explain)?;
        let Adapters { cache, limiter, blacklist, bus, redis } =
            Adapters::choose(config, &clock, &steady, &infra_metrics)?;

        let account_store: Arc<dyn AccountStore> =
            Arc::new(persistence::Accounts::new(database.clone()));
        let api_keys = Arc::new(persistence::ApiKeys::new(database.clone()));
        let producer_store = Arc::new(persistence::Producers::new(database.clone()));
        let signals = Arc::new(persistence::Signals::new(database.clone()));
        let events: Arc<dyn EventLog> = Arc::new(persistence::Events::new(database.clone()));

        let tokens = Arc::new(signed_tokens(config)?);
        let hasher = Arc::new(Argon2Hasher::new(config.passwords, infra_metrics.clone())?);
        let capacity = config.accounts.state_cache;
        let states = Arc::new(AccountStates::new(account_store.clone(), capacity));
        let authenticator = Arc::new(Authenticator::new(
            tokens.clone(),
            blacklist.clone(),
            states.clone(),
            api_keys.clone(),
            producer_store.clone(),
            clock.clone(),
        ));
        let accounts = Accounts::new(
            AccountPorts {
                store: account_store.clone(),
                api_keys,
                hasher,
                tokens,
                clock: clock.clone(),
                randomness: randomness.clone(),
            },
            config.accounts.clone(),
            // A key of its own would be one more secret to lose, and all that it guards are hints.
            config.secrets.jwt.clone().unwrap_or_else(|| Secret::new("")),
        );
        let memory = Arc::new(InstanceMemory::new(
            account_store.clone(),
            states,
            authenticator.clone(),
            blacklist.clone(),
            cache.clone(),
            clock.clone(),
            config.visibility.clone(),
        ));
        let own_commits = Arc::new(OwnCommits { memory: memory.clone(), bus: bus.clone() });
        let handler: Weak<dyn CommitHandler> = Arc::downgrade(&own_commits) as _;
        database.tell(handler);
        let producers = Producers::new(producer_store, clock.clone(), randomness.clone());
        let visibility = config.visibility.clone();
        Ok(Self {
            accounts: Arc::new(accounts),
            account_store,
            authenticator,
            producers: Arc::new(producers),
            intake: Arc::new(Intake::new(signals.clone(), clock.clone())),
            catalogue: Arc::new(Catalogue::new(signals.clone(), clock.clone(), visibility.clone())),
            performance: Arc::new(Performance::new(signals.clone(), clock.clone(), visibility)),
            expiry: Arc::new(Expiry::new(signals, clock.clone(), config.signals.clone())),
            events,
            memory,
            own_commits,
            bus,
            cache,
            blacklist,
            limiter,
            database,
            clock,
            randomness,
            redis,
            infra_metrics,
        })
    }

    /// Brings the schema up to date, or refuses an old one, as the operator wishes. Redis is used after
    /// that.
    ///
    /// # Errors
    /// When migrating fails, or the schema is old and `database.migrate_on_start` is off.
    pub async fn prepare_schema(&self, config: &Config) -> anyhow::Result<()> {
        let (settings, migrate) = (settings::database(config), config.database.migrate_on_start);
        // Migrations block; requests are not served yet, but other tasks of the runtime go on.
        tokio::task::spawn_blocking(move || {
            let mut migrator = Migrator::connect(&settings).map_err(explain)?;
            if migrate {
                let applied = migrator.run().map_err(explain)?;
                if !applied.is_empty() {
                    tracing::info!(migrations = applied.len(), "the database is up to date");
                }
                return Ok(());
            }
            let status = migrator.status().map_err(explain)?;
            let missing = status.iter().filter(|migration| !migration.is_applied).count();
            anyhow::ensure!(
                missing == 0,
                "the database lacks {missing} migrations; run `alpine migrate run`, or set \
                 database.migrate_on_start = true",
            );
            Ok(())
        })
        .await?
        .context("preparing the database")?;
        self.identify_redis(config).await
    }

    /// Tells the Redis handle of which database it keeps copies. It is not used before that.
    async fn identify_redis(&self, config: &Config) -> anyhow::Result<()> {
        let Some(redis) = &self.redis else { return Ok(()) };
        let secret = config.secrets.jwt.as_ref().context("`secrets.jwt` is missing")?;
        let database = self.database.database_id().await.map_err(explain)?;
        redis.identify(secret.reveal().as_bytes(), database);
        Ok(())
    }

    /// Makes the producers whose keys stand in the configuration.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn ensure_producers(&self, config: &Config) -> anyhow::Result<()> {
        for (name, key) in &config.producers.keys {
            self.producers
                .ensure(name, key, false)
                .await
                .with_context(|| format!("the producer {name} of the configuration"))?;
        }
        Ok(())
    }
}

/// What this instance commits is applied to its memory at once, and the others are woken.
struct OwnCommits {
    memory: Arc<InstanceMemory>,
    bus: Arc<dyn EventBus>,
}

impl CommitHandler for OwnCommits {
    fn committed(&self, events: &[CommittedEvent]) {
        self.memory.apply(events);
        self.bus.wake();
    }
}

fn signed_tokens(config: &Config) -> anyhow::Result<SignedTokens> {
    let secret = config.secrets.jwt.as_ref().context("`secrets.jwt` is missing")?;
    let key = SigningKey::new(secret.reveal().as_bytes()).context("`secrets.jwt`")?;
    Ok(SignedTokens::new(key, config.tokens.clone()))
}

/// The domain keeps the reason of an internal error from clients; the operator needs it.
pub(crate) fn explain(error: alpine_domain::Error) -> anyhow::Error {
    match error {
        alpine_domain::Error::Internal(source) => anyhow::anyhow!("{source}"),
        alpine_domain::Error::Unavailable { what, source: Some(source), .. } => {
            anyhow::anyhow!("{what} is unavailable: {source}")
        }
        other => other.into(),
    }
}
