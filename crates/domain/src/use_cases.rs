//! Every use case over every store, built in one place.
//!
//! A new store is a field of [`Stores`]; a new use case is a field of [`UseCases`] and its line in
//! [`UseCases::new`]. The server, the HTTP surface and the tests all take them from here.

use std::sync::Arc;

use crate::{
    AgreedTime, Clock,
    account::{
        AccountPorts, AccountSettings, AccountStates, AccountStore, Accounts, AddressChangeStore,
        AddressChanges, Administration, AdministrationStore, ApiKeyStore, Authenticator,
        DeletionStore, Erasure, ImportStore, Letters, Recovery, SecondFactorStore, Secret,
        SignInLinks, SignUpStore, SignUps, Verification,
    },
    analytics::{Analytics, RollupStore, Usage},
    audit::{AuditReader, AuditStore, Denials},
    billing::{BillingSettings, BillingStore, PaymentSync, Subscriptions},
    channel::{ChannelSettings, ChannelStore, Channels},
    event::InstanceMemory,
    idempotency::{IdempotencyStore, Repeats},
    jobs::{JobStore, Jobs},
    notification::{DigestStore, Digests, NotificationStore, Notifications},
    ports::{
        blacklist::TokenBlacklist,
        cache::ResponseCache,
        channels::ChannelPlatform,
        events::EventLog,
        mail::Mailer,
        payments::PaymentProvider,
        sealing::Sealing,
        secrets::{AccessTokens, PasswordHasher, Randomness},
    },
    producer::{ProducerStore, Producers},
    retention::{Retention, RetentionSettings, RetentionStore},
    signal::{
        Catalogue, Expiry, ExpirySettings, Intake, SignalReader, SignalStore, VisibilityPolicy,
    },
    statistics::{Performance, RecordSettings, StatisticsStore, SumStore, SumUpkeep},
};

/// What is kept, by kind.
#[derive(Clone)]
pub struct Stores {
    /// Users and their sessions.
    pub accounts: Arc<dyn AccountStore>,
    /// Accounts, for administrators.
    pub administration: Arc<dyn AdministrationStore>,
    /// Sign-ups that wait for their confirmation.
    pub sign_ups: Arc<dyn SignUpStore>,
    /// Changes of addresses that wait for their confirmation.
    pub address_changes: Arc<dyn AddressChangeStore>,
    /// Takes accounts over.
    pub imports: Arc<dyn ImportStore>,
    /// The end of accounts.
    pub deletions: Arc<dyn DeletionStore>,
    /// Users' API keys.
    pub api_keys: Arc<dyn ApiKeyStore>,
    /// Users' second factors.
    pub second_factors: Arc<dyn SecondFactorStore>,
    /// What users are told of.
    pub notifications: Arc<dyn NotificationStore>,
    /// Who gets mails of it.
    pub digests: Arc<dyn DigestStore>,
    /// Producers and their keys.
    pub producers: Arc<dyn ProducerStore>,
    /// Signals and outcomes, for who writes them.
    pub signals: Arc<dyn SignalStore>,
    /// Signals and outcomes, for who reads them.
    pub signal_reader: Arc<dyn SignalReader>,
    /// Sums over closed signals.
    pub statistics: Arc<dyn StatisticsStore>,
    /// What makes those sums.
    pub sums: Arc<dyn SumStore>,
    /// The event log.
    pub events: Arc<dyn EventLog>,
    /// What deletes old rows.
    pub retention: Arc<dyn RetentionStore>,
    /// What has to be done.
    pub jobs: Arc<dyn JobStore>,
    /// The audit log.
    pub audit: Arc<dyn AuditStore>,
    /// What is kept of payments.
    pub billing: Arc<dyn BillingStore>,
    /// Who is in which channel.
    pub channels: Arc<dyn ChannelStore>,
    /// Sums by day.
    pub rollups: Arc<dyn RollupStore>,
    /// Requests that named a key.
    pub idempotency: Arc<dyn IdempotencyStore>,
}

/// What the use cases need besides stores.
#[derive(Clone)]
pub struct Ports {
    /// Hashes passwords.
    pub hasher: Arc<dyn PasswordHasher>,
    /// Seals secrets that have to be read again.
    pub sealing: Arc<dyn Sealing>,
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
    /// Hands over mail.
    pub mailer: Arc<dyn Mailer>,
    /// Takes payments; `None`: nobody does.
    pub payments: Option<Arc<dyn PaymentProvider>>,
    /// Messengers with channels.
    pub channels: Vec<Arc<dyn ChannelPlatform>>,
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
    /// What is assumed of signals without a result.
    pub record: RecordSettings,
    /// How long what has ended is kept.
    pub retention: RetentionSettings,
    /// Where links in mails lead to, without a slash at its end; see [`Letters`].
    pub website: Option<String>,
    /// What can be bought.
    pub billing: BillingSettings,
    /// Which channels the tiers open.
    pub channels: ChannelSettings,
}

/// Every use case.
pub struct UseCases {
    /// Sign-up, sign-in, profiles, API keys.
    pub accounts: Accounts,
    /// Accounts, for administrators.
    pub administration: Administration,
    /// Another password for who has forgotten it.
    pub recovery: Arc<Recovery>,
    /// Links for who cannot sign in.
    pub links: Arc<SignInLinks>,
    /// Whether addresses are their accounts' owners'.
    pub verification: Arc<Verification>,
    /// From a credential to its caller.
    pub authenticator: Arc<Authenticator>,
    /// What users are told of.
    pub notifications: Notifications,
    /// Mails of it.
    pub digests: Digests,
    /// Producers and their keys.
    pub producers: Producers,
    /// Signals and outcomes from producers.
    pub intake: Intake,
    /// Signals for readers.
    pub catalogue: Arc<Catalogue>,
    /// Statistics over closed signals.
    pub performance: Performance,
    /// Keeps the sums of the record.
    pub sums: Arc<SumUpkeep>,
    /// Closes what was open for too long.
    pub expiry: Expiry,
    /// Deletes what ended long ago.
    pub retention: Retention,
    /// What users do about paying.
    pub subscriptions: Subscriptions,
    /// Has accounts follow what the provider of payments says.
    pub payments: Arc<PaymentSync>,
    /// Has channels of messengers follow the tier.
    pub channels: Arc<Channels>,
    /// Does jobs.
    pub jobs: Arc<Jobs>,
    /// Answers a request once, however often it is sent.
    pub repeats: Repeats,
    /// The audit log, for administrators.
    pub audit: AuditReader,
    /// Figures for administrators.
    pub analytics: Analytics,
    /// Counts what this instance answers, for the figures.
    pub usage: Arc<Usage>,
    /// Counts what was refused, for the audit log.
    pub denials: Arc<Denials>,
    /// What this instance holds in memory and events change.
    pub memory: Arc<InstanceMemory>,
}

impl UseCases {
    /// The use cases over these stores and ports.
    pub fn new(stores: &Stores, ports: &Ports, settings: Settings) -> Self {
        let denials = Arc::new(Denials::new(stores.audit.clone(), ports.clock.clone()));
        let account_ports = account_ports(stores, ports, &denials);
        let (stores, ports) = (stores.clone(), ports.clone());
        let Settings {
            accounts: account_settings,
            address_key,
            visibility,
            expiry,
            record,
            retention,
            website,
            billing,
            channels,
        } = settings;
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
        let letters = letters(&stores, ports.mailer, &clock, &randomness, website);
        let administration = administration(&stores, clock.clone());
        let (jobs, hasher) = (stores.jobs.clone(), ports.hasher.clone());
        let recovery = Arc::new(Recovery::new(letters.clone(), jobs, hasher));
        let erasure = erasure(&letters, &stores, &ports.hasher, &ports.agreed_time);
        let sign_ups = SignUps::new(letters.clone(), stores.sign_ups.clone());
        let changes = AddressChanges::new(letters.clone(), stores.address_changes.clone());
        let links = Arc::new(SignInLinks::new(letters.clone(), stores.jobs.clone()));
        let repeats = Repeats::new(stores.idempotency.clone(), clock.clone(), randomness.clone());
        let (payments, subscriptions) = paying(&stores, ports.payments, &clock, billing);
        let channels = following(&stores, ports.channels, &clock, &randomness, channels);
        let verification = Arc::new(Verification::new(letters.clone(), stores.jobs));
        let audit = AuditReader::new(stores.audit, clock.clone());
        let analytics = Analytics::new(stores.rollups.clone(), clock.clone());
        let usage = Arc::new(Usage::new(stores.rollups, clock.clone()));
        let reader = stores.signal_reader;
        let catalogue = Arc::new(Catalogue::new(reader, clock.clone(), visibility.clone()));
        let delay = visibility.longest_delay();
        let sums = Arc::new(SumUpkeep::new(stores.sums, ports.agreed_time.clone(), delay));
        let due = expiry.horizons();
        let performance =
            Performance::new(stores.statistics, clock.clone(), visibility, due, record);
        let notifications =
            Notifications::new(stores.notifications, catalogue.clone(), clock.clone());
        let digests = Digests::new(stores.digests, stores.accounts, notifications.clone(), letters);
        Self {
            accounts: Accounts::new(account_ports, account_settings, address_key),
            administration,
            authenticator,
            notifications,
            producers: Producers::new(stores.producers, clock.clone(), randomness),
            intake: Intake::new(stores.signals.clone(), clock.clone(), expiry.live_within),
            catalogue,
            sums,
            performance,
            expiry: Expiry::new(stores.signals, ports.agreed_time.clone(), expiry),
            retention: Retention::new(stores.retention, ports.agreed_time, &retention),
            jobs: Arc::new(Jobs {
                recovery: recovery.clone(),
                verification: verification.clone(),
                links: links.clone(),
                sign_ups,
                changes,
                erasure,
                payments: payments.clone(),
                digests: digests.clone(),
                channels: channels.clone(),
            }),
            digests,
            channels,
            subscriptions,
            payments,
            repeats,
            recovery,
            links,
            audit,
            analytics,
            usage,
            denials,
            verification,
            memory: Arc::new(memory),
        }
    }
}

fn letters(
    stores: &Stores,
    mailer: Arc<dyn Mailer>,
    clock: &Arc<dyn Clock>,
    randomness: &Arc<dyn Randomness>,
    website: Option<String>,
) -> Letters {
    let (clock, randomness) = (clock.clone(), randomness.clone());
    Letters { store: stores.accounts.clone(), mailer, clock, randomness, website }
}

fn erasure(
    letters: &Letters,
    stores: &Stores,
    hasher: &Arc<dyn PasswordHasher>,
    time: &Arc<dyn AgreedTime>,
) -> Erasure {
    Erasure::new(letters.clone(), stores.deletions.clone(), hasher.clone(), time.clone())
}

fn account_ports(stores: &Stores, ports: &Ports, denials: &Arc<Denials>) -> AccountPorts {
    let (stores, ports) = (stores.clone(), ports.clone());
    AccountPorts {
        store: stores.accounts,
        sign_ups: stores.sign_ups,
        address_changes: stores.address_changes,
        deletions: stores.deletions,
        api_keys: stores.api_keys,
        second_factors: stores.second_factors,
        sealing: ports.sealing,
        hasher: ports.hasher,
        tokens: ports.tokens,
        clock: ports.clock,
        randomness: ports.randomness,
        denials: denials.clone(),
    }
}

/// What has accounts follow payments, and what users do about paying.
fn paying(
    stores: &Stores,
    provider: Option<Arc<dyn PaymentProvider>>,
    clock: &Arc<dyn Clock>,
    settings: BillingSettings,
) -> (Arc<PaymentSync>, Subscriptions) {
    let Stores { accounts, billing, jobs, .. } = stores.clone();
    let payments = Arc::new(PaymentSync::new(
        provider,
        accounts.clone(),
        billing.clone(),
        jobs,
        clock.clone(),
        settings,
    ));
    let subscriptions = Subscriptions::new(accounts, billing, payments.clone(), clock.clone());
    (payments, subscriptions)
}

/// What has channels follow the tier.
fn following(
    stores: &Stores,
    platforms: Vec<Arc<dyn ChannelPlatform>>,
    clock: &Arc<dyn Clock>,
    randomness: &Arc<dyn Randomness>,
    settings: ChannelSettings,
) -> Arc<Channels> {
    let Stores { channels, jobs, .. } = stores.clone();
    let (clock, randomness) = (clock.clone(), randomness.clone());
    Arc::new(Channels::new(platforms, channels, jobs, clock, randomness, settings))
}

fn administration(stores: &Stores, clock: Arc<dyn Clock>) -> Administration {
    Administration::new(
        stores.administration.clone(),
        stores.accounts.clone(),
        stores.api_keys.clone(),
        stores.second_factors.clone(),
        clock,
    )
}
