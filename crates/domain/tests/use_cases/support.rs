//! Alpine in one process, and short words to talk to it.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use alpine_domain::{
    AgreedTime, Clock, Error, Result, Timestamp,
    account::{AccountSettings, AccountState, ConfirmAddresses, Secret, SignedIn, UserId},
    event::CommitHandler,
    ports::{
        blacklist::TokenBlacklist,
        cache::{CacheKey, CachePolicy, CachedBody, Loader, ResponseCache, Tag},
        channels::{ChannelPlatform, Platform},
        mail::{Mail, Mailer},
        sealing::{Opened, Sealing},
        secrets::{
            AccessClaims, AccessTokens, HashPriority, PasswordCheck, PasswordHasher, Randomness,
        },
    },
    producer::Producer,
    retention::RetentionSettings,
    signal::{
        ExpirySettings, HashForm, Signal, Submitted, VerificationHash, VisibilityPolicy,
        canonical_text,
        hashed::{HashedFields, HashedValue},
    },
    statistics::RecordSettings,
    time::ManualClock,
    use_cases::{Ports, Settings, Stores, UseCases},
};
use alpine_memory::Memory;
use async_trait::async_trait;

use crate::{
    messenger::{FakeMessenger, channel_settings},
    payments::{FakeProvider, billing_settings},
};

pub(crate) const MICROSECOND: Duration = Duration::from_micros(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);
pub(crate) const PASSWORD: &str = "a quiet river at dawn";

/// 2025-01-15T10:30:00Z, when every test begins.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_736_937_000);

/// Runs what waits for nobody: all that happens here is to give way to others.
pub(crate) fn now<T>(work: impl Future<Output = T>) -> T {
    waits(work).0
}

/// The same, and how often it gave way.
pub(crate) fn waits<T>(work: impl Future<Output = T>) -> (T, usize) {
    let mut work = pin!(work);
    let mut waits = 0;
    loop {
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => return (value, waits),
            Poll::Pending => waits += 1,
        }
    }
}

/// What went wrong, as the caller is told.
pub(crate) fn told<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().to_string()
}

/// Remembers the claims of the tokens that it issued.
#[derive(Default)]
struct Tokens(Mutex<HashMap<String, Arc<AccessClaims>>>);

impl AccessTokens for Tokens {
    fn issue(&self, claims: &AccessClaims) -> Result<String> {
        self.0.lock().unwrap().insert(claims.id.clone(), Arc::new(claims.clone()));
        Ok(claims.id.clone())
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<AccessClaims>> {
        let claims = self.0.lock().unwrap().get(token).cloned();
        claims
            .filter(|claims| now < claims.expires_at)
            .ok_or(Error::Unauthenticated("the access token is not valid"))
    }
}

/// Ids that are refused, and until when, as the real list in memory keeps them.
struct Blacklist {
    clock: Arc<ManualClock>,
    until: Mutex<HashMap<String, Timestamp>>,
}

#[async_trait]
impl TokenBlacklist for Blacklist {
    fn deny(&self, id: &str, until: Timestamp) {
        let mut ids = self.until.lock().unwrap();
        let known = ids.entry(id.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    fn capacity(&self) -> usize {
        100
    }

    async fn is_denied(&self, id: &str) -> Result<bool> {
        let until = self.until.lock().unwrap().get(id).copied();
        Ok(until.is_some_and(|until| self.clock.now() < until))
    }
}

/// A hash is the password behind the name of its settings.
struct Hasher;

pub(crate) const TODAYS: &str = "$today$";
pub(crate) const OUTDATED: &str = "$older$";

#[async_trait]
impl PasswordHasher for Hasher {
    async fn hash(&self, password: &str, _: HashPriority) -> Result<String> {
        Ok(format!("{TODAYS}{password}"))
    }

    async fn check(
        &self,
        password: &str,
        hash: Option<&str>,
        _: HashPriority,
    ) -> Result<PasswordCheck> {
        let hash = hash.unwrap_or_default();
        Ok(if hash.strip_prefix(TODAYS) == Some(password) {
            PasswordCheck::Right
        } else if hash.strip_prefix(OUTDATED) == Some(password) {
            PasswordCheck::RightButOutdated
        } else {
            PasswordCheck::Wrong
        })
    }
}

/// A sealed text is what was sealed and about whom, behind the name of its key.
struct Sealed;

pub(crate) const TODAYS_KEY: &str = "today";
pub(crate) const OLDER_KEY: &str = "older";

impl Sealing for Sealed {
    fn seal(&self, plain: &[u8], about: &[u8]) -> Result<String> {
        Ok(format!("{TODAYS_KEY} {plain:?} {about:?}"))
    }

    fn open(&self, sealed: &str, about: &[u8]) -> Result<Opened> {
        let (key, text) = sealed.split_once(' ').unwrap();
        let plain = text.strip_suffix(&format!(" {about:?}"));
        let plain = plain.ok_or_else(|| Error::internal("sealed about somebody else"))?;
        let bytes = plain.trim_matches(['[', ']']).split(", ").map(|byte| byte.parse().unwrap());
        Ok(Opened { plain: bytes.collect(), is_outdated: key == OLDER_KEY })
    }
}

/// Keeps nothing, like a cache that is away.
struct NoCache;

#[async_trait]
impl ResponseCache for NoCache {
    async fn get_or_load(
        &self,
        _: CacheKey,
        _: &CachePolicy,
        _: Loader,
    ) -> Result<Arc<CachedBody>> {
        Err(Error::internal("no use case asks for a body"))
    }

    fn invalidate(&self, _: &[Tag], _: i64) {}

    fn restart(&self, _: &[(Tag, i64)]) {}
}

/// Keeps nothing, and with which generations it was started anew.
#[derive(Default)]
pub(crate) struct Restarts(pub(crate) Mutex<Vec<Vec<(Tag, i64)>>>);

#[async_trait]
impl ResponseCache for Restarts {
    async fn get_or_load(
        &self,
        key: CacheKey,
        policy: &CachePolicy,
        load: Loader,
    ) -> Result<Arc<CachedBody>> {
        NoCache.get_or_load(key, policy, load).await
    }

    fn invalidate(&self, _: &[Tag], _: i64) {}

    fn restart(&self, shared: &[(Tag, i64)]) {
        self.0.lock().unwrap().push(shared.to_vec());
    }
}

/// Bytes that differ from call to call.
struct Counter(AtomicU64);

impl Randomness for Counter {
    fn fill(&self, buffer: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (place, byte) in buffer.iter_mut().zip(number.iter().rev().cycle()) {
            *place = *byte;
        }
    }
}

/// The clock's time, while all clocks agree.
pub(crate) struct Agreement {
    clock: Arc<ManualClock>,
    pub(crate) holds: AtomicBool,
}

impl AgreedTime for Agreement {
    fn agreed_now(&self) -> Option<Timestamp> {
        self.holds.load(Ordering::SeqCst).then(|| self.clock.now())
    }
}

/// What an operator decides here, with the defaults of the configuration.
pub(crate) fn settings() -> Settings {
    Settings {
        accounts: AccountSettings::default(),
        address_key: Secret::new("key"),
        visibility: VisibilityPolicy::default(),
        expiry: ExpirySettings::default(),
        record: RecordSettings::default(),
        retention: RetentionSettings::default(),
        website: Some("https://www.example.com".to_owned()),
        billing: billing_settings(),
        channels: channel_settings(),
    }
}

/// The same, with addresses confirmed as told.
pub(crate) fn confirming(confirm_addresses: ConfirmAddresses) -> Settings {
    let defaults = settings();
    let accounts = AccountSettings { confirm_addresses, ..defaults.accounts.clone() };
    Settings { accounts, ..defaults }
}

/// Keeps what it is given, unless it is away.
#[derive(Default)]
pub(crate) struct Mails {
    pub(crate) sent: Mutex<Vec<Mail>>,
    pub(crate) is_away: AtomicBool,
}

#[async_trait]
impl Mailer for Mails {
    async fn send(&self, mail: &Mail) -> Result<()> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the mail server", "no answer"));
        }
        self.sent.lock().unwrap().push(mail.clone());
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) mails: Arc<Mails>,
    pub(crate) payments: Arc<FakeProvider>,
    pub(crate) telegram: Arc<FakeMessenger>,
    pub(crate) discord: Arc<FakeMessenger>,
    pub(crate) memory: Memory,
    pub(crate) stores: Stores,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) agreement: Arc<Agreement>,
    pub(crate) cases: UseCases,
    ports: Ports,
    settings: Settings,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::made(settings, true)
    }

    /// Where no messenger is offered.
    pub(crate) fn without_channels() -> Self {
        Self::made(settings(), false)
    }

    fn made(settings: Settings, has_channels: bool) -> Self {
        let clock = Arc::new(ManualClock::starting_at(START));
        let agreement = Arc::new(Agreement { clock: clock.clone(), holds: AtomicBool::new(true) });
        let memory = Memory::new();
        let mails = Arc::new(Mails::default());
        let payments = Arc::new(FakeProvider::new(clock.clone()));
        let telegram = Arc::new(FakeMessenger::new(Platform::Telegram));
        let discord = Arc::new(FakeMessenger::new(Platform::Discord));
        let channels: Vec<Arc<dyn ChannelPlatform>> = vec![telegram.clone(), discord.clone()];
        let ports = Ports {
            channels: if has_channels { channels } else { Vec::new() },
            hasher: Arc::new(Hasher),
            tokens: Arc::new(Tokens::default()),
            blacklist: Arc::new(Blacklist { clock: clock.clone(), until: Mutex::default() }),
            cache: Arc::new(NoCache),
            clock: clock.clone(),
            agreed_time: agreement.clone(),
            randomness: Arc::new(Counter(AtomicU64::new(1))),
            mailer: mails.clone(),
            payments: Some(payments.clone()),
            sealing: Arc::new(Sealed),
        };
        let stores = memory.stores();
        let cases = UseCases::new(&stores, &ports, settings.clone());
        let handler: Weak<dyn CommitHandler> = Arc::<_>::downgrade(&cases.memory) as _;
        memory.tell(handler);
        Self {
            mails,
            payments,
            telegram,
            discord,
            memory,
            stores,
            clock,
            agreement,
            cases,
            ports,
            settings,
        }
    }

    /// Another instance, before it knows anything.
    pub(crate) fn sibling(&self, cache: Arc<dyn ResponseCache>) -> UseCases {
        let blacklist = Blacklist { clock: self.clock.clone(), until: Mutex::default() };
        let ports = Ports { blacklist: Arc::new(blacklist), cache, ..self.ports.clone() };
        UseCases::new(&self.stores, &ports, self.settings.clone())
    }

    /// Another instance, as it is after its start: it has nothing but what is stored.
    pub(crate) fn restarted(&self) -> UseCases {
        let cases = self.sibling(Arc::new(NoCache));
        let log = &*self.stores.events;
        now(alpine_domain::ports::events::EventHandler::reset(&*cases.memory, log)).unwrap();
        cases
    }

    /// Moves the clock to `span` after [`START`], never back.
    pub(crate) fn at(&self, span: Duration) {
        let target = START.later(span);
        assert!(self.clock.now() <= target, "the clock never goes back");
        self.clock.advance(target.since(self.clock.now()));
    }

    /// The token in the newest mail with one to this address.
    pub(crate) fn newest_token(&self, to: &str) -> String {
        let to = to.trim().to_lowercase();
        let mails = self.mails.sent.lock().unwrap();
        let mut to_it = mails.iter().rev().filter(|mail| mail.to() == to);
        let token = |mail: &Mail| Some(mail.text().split_once("?token=")?.1[..64].to_owned());
        to_it.find_map(token).unwrap()
    }

    pub(crate) fn sign_up(&self, email: &str) -> SignedIn {
        now(self.cases.accounts.sign_up(email, PASSWORD, "Ada Lovelace")).unwrap()
    }

    pub(crate) fn sign_in(&self, email: &str) -> Result<SignedIn> {
        let known = HashPriority::Known;
        now(self.cases.accounts.sign_in(None, known, email, PASSWORD))
    }

    pub(crate) fn is_let_in(&self, token: &Secret) -> bool {
        is_let_in(&self.cases, token)
    }

    pub(crate) fn state(&self, user: UserId) -> AccountState {
        now(self.stores.accounts.state(user)).unwrap().unwrap()
    }

    pub(crate) fn producer(&self, name: &str, is_simulated: bool) -> Producer {
        now(self.cases.producers.create(name, is_simulated)).unwrap().0
    }

    pub(crate) fn submit(&self, producer: &Producer, offer: &Offer) -> Result<Submitted> {
        now(self.cases.intake.submit(producer, &offer.body()))
    }

    pub(crate) fn report(&self, producer: &Producer, report: &Report) -> Result<(Signal, bool)> {
        now(self.cases.intake.report_outcome(producer, report.body().as_bytes()))
    }
}

pub(crate) fn is_let_in(cases: &UseCases, token: &Secret) -> bool {
    match now(cases.authenticator.bearer(token.reveal())) {
        Ok(_) => true,
        Err(Error::Unauthenticated(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// A signal as a producer sends it.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) id: String,
    pub(crate) symbol: &'static str,
    pub(crate) action: &'static str,
    pub(crate) entry: &'static str,
    pub(crate) target: Option<&'static str>,
    pub(crate) stop: Option<&'static str>,
    pub(crate) confidence: &'static str,
    pub(crate) strategy: Option<&'static str>,
    pub(crate) timestamp: Timestamp,
}

impl Offer {
    /// A BUY of AAPL at 100.
    pub(crate) fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            symbol: "AAPL",
            action: "BUY",
            entry: "100.0",
            target: None,
            stop: None,
            confidence: "70.0",
            strategy: None,
            timestamp: START,
        }
    }

    pub(crate) fn hash(&self) -> VerificationHash {
        VerificationHash::of(&self.canonical())
    }

    /// The nine keys that are hashed, as JSON.
    fn canonical(&self) -> String {
        let timestamp = self.timestamp.to_string();
        let number =
            |digits: Option<&'static str>| digits.map_or(HashedValue::Missing, HashedValue::Number);
        let text = |text| HashedValue::Text(text);
        let fields = HashedFields([
            ("action", text(self.action)),
            ("confidence", number(Some(self.confidence))),
            ("entry_price", number(Some(self.entry))),
            ("signal_id", text(&self.id)),
            ("stop_price", number(self.stop)),
            ("strategy", self.strategy.map_or(HashedValue::Missing, HashedValue::Text)),
            ("symbol", text(self.symbol)),
            ("target_price", number(self.target)),
            ("timestamp", text(&timestamp)),
        ]);
        canonical_text(&fields, HashForm::Full)
    }

    /// The body, with this hash.
    pub(crate) fn hashed(&self, hash: &str) -> Vec<u8> {
        let members = self.canonical();
        let members = members.strip_suffix('}').unwrap();
        format!("{members}, \"sha256\": \"{hash}\"}}").into_bytes()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.hashed(self.hash().as_str())
    }
}

/// An outcome as a producer sends it.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) id: &'static str,
    pub(crate) price: &'static str,
    pub(crate) exited_at: Timestamp,
    pub(crate) status: Option<&'static str>,
}

impl Report {
    /// An exit at the beginning of the test.
    pub(crate) fn of(id: &'static str, price: &'static str) -> Self {
        Self { id, price, exited_at: START, status: None }
    }

    fn body(&self) -> String {
        let Self { id, price, exited_at, status } = self;
        let status = status.map_or(String::new(), |status| format!(r#", "status": "{status}""#));
        format!(
            r#"{{"signal_id": "{id}", "exit_price": {price}, "exit_timestamp": "{exited_at}"{status}}}"#
        )
    }
}
