//! In-memory stores: only as much as the surface under test calls for.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error, Result, Timestamp,
    account::*,
    page::Slice,
    producer::{Producer, ProducerId, ProducerName, ProducerStore},
    signal::*,
    statistics::{
        Aggregates, ClosedPoint, PerformanceFilter, RowNumber, StatisticsStore, SymbolCounts,
    },
};
use async_trait::async_trait;

fn unused<T>() -> Result<T> {
    Err(Error::internal("this fake does not do that"))
}

/// Everything that is stored.
#[derive(Default)]
pub(super) struct Store {
    pub(super) accounts: Mutex<Vec<(Account, String)>>,
    pub(super) sessions: Mutex<Vec<NewSession>>,
    pub(super) signals: Mutex<Vec<Signal>>,
    pub(super) is_away: AtomicBool,
    pub(super) lists: AtomicUsize,
}

impl Store {
    fn check(&self) -> Result<()> {
        if self.is_away.load(Ordering::SeqCst) {
            let source = "connection to 10.1.2.3:5432 refused: SELECT * FROM signals";
            return Err(Error::unavailable("the database", source));
        }
        Ok(())
    }

    fn account_where(&self, found: impl Fn(&Account) -> bool) -> Option<(Account, String)> {
        let accounts = self.accounts.lock().unwrap();
        accounts.iter().find(|(account, _)| found(account)).cloned()
    }
}

#[async_trait]
impl AccountStore for Store {
    async fn create(&self, new: NewAccount) -> Result<Account> {
        self.check()?;
        if self.account_where(|account| account.email == new.email).is_some() {
            return Err(Error::conflict(
                alpine_domain::error::ConflictKind::EmailTaken,
                "an account with this address exists",
            ));
        }
        let account = Account {
            id: new.id,
            email: new.email,
            full_name: new.full_name,
            tier: new.tier,
            role: new.role,
            is_active: true,
            is_verified: false,
            generation: 0,
            created_at: new.created_at,
            updated_at: new.created_at,
        };
        self.accounts.lock().unwrap().push((account.clone(), new.password_hash));
        Ok(account)
    }
    async fn credentials(&self, email: &Email) -> Result<Option<(Account, String)>> {
        self.check()?;
        Ok(self.account_where(|account| account.email == *email))
    }
    async fn account(&self, id: UserId) -> Result<Option<Account>> {
        Ok(self.account_where(|account| account.id == id).map(|(account, _)| account))
    }
    async fn state(&self, id: UserId) -> Result<Option<AccountState>> {
        Ok(self.account(id).await?.as_ref().map(AccountState::from))
    }
    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
        now: Timestamp,
    ) -> Result<Account> {
        let mut accounts = self.accounts.lock().unwrap();
        let found = accounts.iter_mut().find(|(account, _)| account.id == id);
        let (account, _) = found.ok_or(Error::NotFound("account"))?;
        account.full_name = change.full_name.unwrap_or_else(|| account.full_name.clone());
        if let Some(change) = change.email {
            account.email = change.email;
        }
        account.updated_at = now;
        Ok(account.clone())
    }
    async fn upgrade_hash(&self, _: UserId, _: &str, _: &str) -> Result<()> {
        unused()
    }
    async fn set_tier_and_role(
        &self,
        _: UserId,
        _: Tier,
        _: Role,
        _: Timestamp,
    ) -> Result<Account> {
        unused()
    }
    async fn promote(&self, _: Promotion) -> Result<Account> {
        unused()
    }
    async fn count_admins(&self) -> Result<u32> {
        unused()
    }
    async fn open_session(&self, session: NewSession) -> Result<()> {
        self.sessions.lock().unwrap().push(session);
        Ok(())
    }
    async fn has_signed_in_from(&self, email: &Email, address: &AddressDigest) -> Result<bool> {
        let found = self.account_where(|account| account.email == *email);
        let Some((account, _)) = found else { return Ok(false) };
        let sessions = self.sessions.lock().unwrap();
        Ok(sessions.iter().any(|s| s.user == account.id && s.address.as_ref() == Some(address)))
    }
    async fn session_of_refresh(&self, token_hash: &str) -> Result<Option<SessionId>> {
        let sessions = self.sessions.lock().unwrap();
        let found = sessions.iter().find(|session| session.refresh_hash == token_hash);
        Ok(found.map(|session| session.id))
    }
    async fn rotate_refresh(&self, _: Rotation) -> Result<Refreshed> {
        Ok(Refreshed::Refused)
    }
    async fn revoke_session(&self, _: SessionId, _: Timestamp, _: Timestamp) -> Result<()> {
        Ok(())
    }
    async fn revoke_all(&self, _: UserId, _: Timestamp) -> Result<i64> {
        unused()
    }
    async fn revoke_everybody(&self, _: Timestamp) -> Result<u64> {
        unused()
    }
    async fn revoked_sessions(&self, _: Timestamp, _: u32) -> Result<Vec<RevokedSession>> {
        unused()
    }
}

#[async_trait]
impl ApiKeyStore for Store {
    async fn create(&self, _: NewApiKey, _: u32) -> Result<()> {
        Ok(())
    }
    async fn list(&self, _: UserId, _: Timestamp) -> Result<Vec<ApiKey>> {
        Ok(Vec::new())
    }
    async fn revoke(&self, _: UserId, _: ApiKeyId, _: Timestamp) -> Result<()> {
        Err(Error::NotFound("API key"))
    }
    async fn by_hash(&self, key_hash: &str, now: Timestamp) -> Result<Option<ApiKey>> {
        let owner = self.account_where(|account| account.tier == Tier::Elite);
        let (owner, _) = owner.ok_or(Error::NotFound("account"))?;
        Ok((key_hash == digest(USER_KEY)).then(|| ApiKey {
            id: ApiKeyId::generate(now, [7; 10]),
            owner: owner.id,
            name: "bot".parse().unwrap(),
            prefix: "alp_u_".to_owned(),
            scopes: vec!["signals:read".to_owned()],
            created_at: now,
            expires_at: None,
        }))
    }
}

pub(super) const USER_KEY: &str = "alp_u_0123456789abcdef";
pub(super) const PRODUCER_KEY: &str = "argo-key-0123456789abcdef";

#[async_trait]
impl ProducerStore for Store {
    async fn create(&self, _: &ProducerName, _: &str, _: bool, _: Timestamp) -> Result<Producer> {
        unused()
    }
    async fn ensure(&self, _: &ProducerName, _: &str, _: bool, _: Timestamp) -> Result<Producer> {
        unused()
    }
    async fn list(&self) -> Result<Vec<Producer>> {
        unused()
    }
    async fn disable(&self, _: ProducerId, _: Timestamp) -> Result<()> {
        unused()
    }
    async fn by_key_hash(&self, key_hash: &str) -> Result<Option<Producer>> {
        self.check()?;
        Ok((key_hash == digest(PRODUCER_KEY)).then(|| Producer {
            id: ProducerId::new(1),
            name: "argo".parse().unwrap(),
            is_simulated: false,
            is_active: true,
            created_at: Timestamp::from_seconds(0),
        }))
    }
}

#[async_trait]
impl SignalStore for Store {
    async fn accept(&self, new: Vec<NewSignal>) -> Result<Vec<Accepted>> {
        self.check()?;
        let mut signals = self.signals.lock().unwrap();
        let mut answers = Vec::new();
        for content in new {
            let known = signals.iter().find(|s| s.content.external_id == content.external_id);
            answers.push(match known {
                Some(known) if known.content.content_hash == content.content_hash => {
                    Accepted::Duplicate(known.id)
                }
                Some(known) => Accepted::Conflict(known.id),
                None => {
                    let id = SignalId::new(i64::try_from(signals.len()).unwrap() + 1);
                    signals.push(Signal { id, content, outcome: None });
                    Accepted::Stored(id)
                }
            });
        }
        Ok(answers)
    }
    async fn record_outcome(&self, _: NewOutcome) -> Result<OutcomeRecorded> {
        Ok(OutcomeRecorded::UnknownSignal)
    }
    async fn expire(
        &self,
        _: Timestamp,
        _: Duration,
        _: &[(Strategy, Duration)],
        _: u32,
    ) -> Result<Vec<SignalId>> {
        unused()
    }
}

#[async_trait]
impl SignalReader for Store {
    async fn list(&self, query: &SignalQuery, slice: Slice) -> Result<Vec<Signal>> {
        self.check()?;
        self.lists.fetch_add(1, Ordering::SeqCst);
        let signals = self.signals.lock().unwrap();
        let after = |signal: &&Signal| slice.after.is_none_or(|after| signal.id < after.id);
        Ok(signals
            .iter()
            .rev()
            .filter(|signal| signal.content.created_at <= query.as_of)
            .filter(|signal| {
                query.below.is_none_or(|below| signal.content.confidence.percent() < below)
            })
            .filter(after)
            .skip(slice.offset as usize)
            .take(slice.limit as usize)
            .cloned()
            .collect())
    }
    async fn count(&self, _: &SignalQuery, cap: u32) -> Result<u32> {
        Ok(u32::try_from(self.signals.lock().unwrap().len()).unwrap().min(cap))
    }
    async fn find(&self, id: SignalId) -> Result<Option<Signal>> {
        self.check()?;
        Ok(self.signals.lock().unwrap().iter().find(|signal| signal.id == id).cloned())
    }
    async fn find_external(&self, _: ProducerId, _: &ExternalId) -> Result<Option<Signal>> {
        unused()
    }
    async fn next_change_after(&self, _: &SignalQuery) -> Result<Option<Timestamp>> {
        Ok(None)
    }
    async fn has_simulations(&self) -> Result<bool> {
        Ok(self.signals.lock().unwrap().iter().any(|signal| signal.content.is_simulated))
    }
}

#[async_trait]
impl StatisticsStore for Store {
    async fn aggregates(&self, _: &PerformanceFilter) -> Result<Aggregates> {
        Ok(Aggregates::default())
    }
    async fn closed_points(
        &self,
        _: &PerformanceFilter,
        _: Option<(Timestamp, RowNumber)>,
        _: u32,
    ) -> Result<Vec<ClosedPoint>> {
        Ok(Vec::new())
    }
    async fn symbols(&self, _: Released, _: u32) -> Result<Vec<SymbolCounts>> {
        Ok(Vec::new())
    }
    async fn next_outcome_after(&self, _: Timestamp, _: Option<f64>) -> Result<Option<Timestamp>> {
        Ok(None)
    }
}

pub(super) fn signal(id: i64, confidence: &str, at: Timestamp) -> Signal {
    let hash: VerificationHash = "a".repeat(64).parse().unwrap();
    Signal {
        id: SignalId::new(id),
        content: NewSignal {
            producer: ProducerId::new(1),
            is_simulated: false,
            external_id: format!("SIG-{id}").parse().unwrap(),
            symbol: "AAPL".parse().unwrap(),
            action: Action::Buy,
            entry_price: "175.50".parse().unwrap(),
            target_price: Some("1e+16".parse().unwrap()),
            stop_price: None,
            confidence: confidence.parse().unwrap(),
            strategy: Some("weighted_consensus_v6".parse().unwrap()),
            asset_type: "stock".parse().unwrap(),
            data_source: None,
            reasoning: None,
            regime: None,
            consensus_agreement: None,
            sources_count: None,
            timestamp: "2025-01-15T10:30:00+00:00".to_owned(),
            signalled_at: at,
            hash: hash.clone(),
            content_hash: hash,
            created_at: at,
        },
        outcome: None,
    }
}
