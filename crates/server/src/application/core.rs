//! The use cases over their stores: all of Alpine but its surface. Commands use it without a server.

use std::sync::{Arc, Weak};

use alpine_domain::{
    account::Secret,
    event::{CommitHandler, CommittedEvent, InstanceMemory},
    ports::{
        database_id::DatabaseIdentity as _, events::EventBus, mail::Mailer, rate_limit::RateLimiter,
    },
    use_cases::{self, Stores, UseCases},
};
use alpine_infra::{
    InfraMetrics,
    clock::DisciplinedClock,
    mail::{Outbox, SmtpMailer},
    redis::RedisHandle,
    secrets::{Argon2Hasher, Keyring, SignedTokens, SigningKey},
};
use alpine_persistence::{self as persistence, Database, Migrator};
use anyhow::Context as _;
use prometheus::Registry;
use tokio::sync::Notify;

use super::{
    adapters::Adapters,
    channels, payments,
    ports::{Clocks, Ports},
    settings,
};
use crate::config::Config;

/// Every use case, and what the surface needs besides.
pub struct Core {
    /// What can be asked and done.
    pub use_cases: Arc<UseCases>,
    /// What is kept, for questions that no use case asks.
    pub stores: Stores,
    /// The database knows it weakly only.
    #[expect(dead_code, reason = "keeps the handler of commits alive")]
    own_commits: Arc<OwnCommits>,
    /// Wakes followers of the log.
    pub bus: Arc<dyn EventBus>,
    /// What the use cases stand on besides stores.
    pub ports: use_cases::Ports,
    /// Who may ask how often.
    pub limiter: Arc<dyn RateLimiter>,
    /// The database, for migrations, backups and its probe.
    pub database: Database,
    /// The clock of the ports, if others keep it right.
    pub(super) disciplined: Option<Arc<DisciplinedClock>>,
    pub(crate) redis: Option<RedisHandle>,
    pub(crate) infra_metrics: Arc<InfraMetrics>,
    /// Notified when this process has added jobs.
    pub(super) jobs_added: Arc<Notify>,
}

impl Core {
    /// Wires everything; opens no connection yet. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// A setting that an adapter refuses, or a registry that has such metrics already.
    pub fn wire(config: &Config, ports: &Ports, registry: &Registry) -> anyhow::Result<Self> {
        let Ports { time, randomness } = ports.clone();
        let infra_metrics = InfraMetrics::register(registry)?;
        let database = Database::open(settings::database(config), registry).map_err(explain)?;
        let Clocks { clock, agreed_time, steady, disciplined } =
            Clocks::new(&time, config.clock, &database, &infra_metrics);
        let Adapters { cache, limiter, blacklist, bus, redis } =
            Adapters::choose(config, &clock, &steady, &infra_metrics)?;

        let stores = persistence::stores(&database);
        let provider = payments::provider(config, &clock)?;
        let ports = use_cases::Ports {
            hasher: Arc::new(Argon2Hasher::new(config.passwords, infra_metrics.clone())?),
            tokens: Arc::new(signed_tokens(config)?),
            blacklist,
            cache,
            clock,
            agreed_time,
            randomness,
            mailer: mailer(config)?,
            payments: provider,
            channels: channels::platforms(config)?,
            sealing: Arc::new(keyring(config)?),
        };
        let use_cases = Arc::new(UseCases::new(&stores, &ports, settings::use_cases(config)));
        let jobs_added = Arc::new(Notify::new());
        let own_commits = Arc::new(OwnCommits {
            memory: use_cases.memory.clone(),
            bus: bus.clone(),
            jobs_added: jobs_added.clone(),
        });
        let handler: Weak<dyn CommitHandler> = Arc::downgrade(&own_commits) as _;
        database.tell(handler);
        Ok(Self {
            use_cases,
            stores,
            own_commits,
            bus,
            ports,
            limiter,
            database,
            disciplined,
            redis,
            infra_metrics,
            jobs_added,
        })
    }

    /// Brings the schema up to date, or refuses an old one, as the operator wishes. Redis is used after
    /// that, and the time is the database's.
    ///
    /// # Errors
    /// When migrating fails, the schema is old and `database.migrate_on_start` is off, or the role of the
    /// connection lacks rights that the service needs.
    pub async fn prepare_schema(&self, config: &Config) -> anyhow::Result<()> {
        let (settings, migrate) = (settings::database(config), config.database.migrate_on_start);
        let is_production = !config.is_development();
        // Migrations block; requests are not served yet, but other tasks of the runtime go on.
        tokio::task::spawn_blocking(move || {
            let mut migrator = Migrator::connect(&settings).map_err(explain)?;
            // First, since a role without rights cannot even see what was applied.
            check_rights(&mut migrator)?;
            bring_up(&mut migrator, migrate)?;
            if is_production {
                warn_of_excess(&mut migrator)?;
            }
            anyhow::Ok(())
        })
        .await?
        .context("preparing the database")?;
        if let Some(clock) = &self.disciplined {
            clock.compare(|| ()).await;
        }
        self.identify_redis(config).await
    }

    /// Makes sure, for a command beside servers, that the schema is what this version needs. Changes nothing.
    ///
    /// # Errors
    /// When the schema is older or newer, or the role of the connection lacks rights.
    pub async fn require_schema(&self, config: &Config) -> anyhow::Result<()> {
        let settings = settings::database(config);
        tokio::task::spawn_blocking(move || {
            let mut migrator = Migrator::connect(&settings).map_err(explain)?;
            check_rights(&mut migrator)?;
            bring_up(&mut migrator, false)
        })
        .await??;
        if let Some(clock) = &self.disciplined {
            clock.compare(|| ()).await;
        }
        Ok(())
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
            self.use_cases
                .producers
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
    jobs_added: Arc<Notify>,
}

impl CommitHandler for OwnCommits {
    fn committed(&self, events: &[CommittedEvent]) {
        self.memory.apply(events);
        self.bus.wake();
    }

    fn jobs_added(&self) {
        self.jobs_added.notify_one();
    }
}

fn mailer(config: &Config) -> anyhow::Result<Arc<dyn Mailer>> {
    let settings = &config.mail;
    Ok(match &settings.smtp {
        Some(url) => Arc::new(SmtpMailer::new(url.reveal(), settings)?),
        None => Arc::new(Outbox::new(config.outbox(), settings)?),
    })
}

fn keyring(config: &Config) -> anyhow::Result<Keyring> {
    let secrets = &config.secrets;
    let keyring = Keyring::new(secrets.second_factor.as_ref(), &secrets.accepted_second_factor);
    keyring.map_err(explain).context("`secrets.second_factor`")
}

fn signed_tokens(config: &Config) -> anyhow::Result<SignedTokens> {
    let key = |secret: &Secret| SigningKey::new(secret.reveal().as_bytes());
    let secret = config.secrets.jwt.as_ref().context("`secrets.jwt` is missing")?;
    let signing = key(secret).context("`secrets.jwt`")?;
    let accepted = config.secrets.accepted_jwt.iter().map(key).collect::<Result<_, _>>();
    let accepted = accepted.context("`secrets.accepted_jwt`")?;
    Ok(SignedTokens::new(signing, accepted, config.tokens.clone()))
}

/// The domain keeps the reason of an internal error from clients; the operator needs it.
pub(crate) fn explain(error: alpine_domain::Error) -> anyhow::Error {
    match error {
        alpine_domain::Error::Internal(source) => taught(&source.to_string()),
        alpine_domain::Error::Unavailable { what, source: Some(source), .. } => {
            anyhow::anyhow!("{what} is unavailable: {source}")
        }
        other => other.into(),
    }
}

/// The database's own words, and what to do about those that say too little.
fn taught(words: &str) -> anyhow::Error {
    let remedy = if words.contains("permission denied for schema") {
        "; tables are made by the role that owns the database, or by one that was given the right: as its owner, \
         `GRANT CREATE, USAGE ON SCHEMA public TO the_role` (README.md, Deployment, has both roles)"
    } else {
        ""
    };
    anyhow::anyhow!("{words}{remedy}")
}

/// # Errors
/// What the role of the connection lacks on the tables that there are.
fn check_rights(migrator: &mut Migrator) -> anyhow::Result<()> {
    let rights = migrator.role_rights().map_err(explain)?;
    match rights {
        Some(rights) if !rights.suffice() => Err(anyhow::anyhow!("{rights}")),
        _ => Ok(()),
    }
}

/// Applies what is pending, or makes sure that nothing is.
fn bring_up(migrator: &mut Migrator, migrate: bool) -> anyhow::Result<()> {
    migrator.check_not_newer().map_err(explain)?;
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
}

/// Says so when whoever gets hold of the service could change what was published.
fn warn_of_excess(migrator: &mut Migrator) -> anyhow::Result<()> {
    let Some(rights) = migrator.role_rights().map_err(explain)? else { return Ok(()) };
    if let Some(excess) = rights.excess() {
        tracing::warn!(
            role = rights.role,
            "the role that serves {excess}: whoever gets hold of the service can change published \
             signals; let another role own the tables (`alpine migrate grant`)"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_may_make_no_tables_is_told_what_grants_it() {
        let words = "migration 0001_accounts failed: permission denied for schema public";
        let told = explain(alpine_domain::Error::internal(words)).to_string();
        assert!(
            told.starts_with(words) && told.contains("GRANT CREATE, USAGE ON SCHEMA"),
            "{told}"
        );
        assert_eq!(explain(alpine_domain::Error::internal("other")).to_string(), "other");
    }
}
