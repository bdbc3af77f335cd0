//! What is kept.

use std::collections::BTreeMap;

use alpine_domain::{
    Result, Timestamp,
    account::{
        Account, AccountState, ApiKeyId, Email, FactorState, MailPurpose, MailToken,
        NewAddressChange, NewApiKey, NewChallenge, NewSession, PendingSignUp, Repeat, SessionId,
        SessionSummary, Tier, UserId, placeholder,
    },
    analytics::{Day, RollupKey, RollupName},
    audit::{AuditLine, StoredLine},
    billing::BillingRecord,
    channel::Membership,
    event::Event,
    idempotency::{KeptAnswer, NewRequest},
    jobs::{Lease, NewJob, StoredJob},
    notification::{DigestEvery, MutedKinds, Notification, SignalMarks},
    ports::{events::LoggedEvent, payments::ProviderInvoice},
    producer::Producer,
    signal::Signal,
};

#[derive(Clone, Default)]
pub(crate) struct Tables {
    /// How often everybody was signed out: part of each account's generation.
    pub(crate) everybody: i64,
    pub(crate) users: Vec<UserRow>,
    pub(crate) sessions: Vec<SessionRow>,
    pub(crate) refresh_tokens: Vec<RefreshToken>,
    pub(crate) api_keys: Vec<KeyRow>,
    /// One for each user and purpose at most.
    pub(crate) mail_tokens: Vec<MailToken>,
    pub(crate) sign_ups: Vec<SignUpRow>,
    pub(crate) changes: Vec<ChangeRow>,
    /// Accounts that were deleted and are not erased, with the addresses that they had, and when they will be.
    pub(crate) deleted: Vec<(UserId, Email, Timestamp)>,
    /// In the order in which they were made.
    pub(crate) notifications: Vec<(UserId, Notification)>,
    pub(crate) marks: Vec<(UserId, SignalMarks)>,
    pub(crate) muted: Vec<(UserId, MutedKinds)>,
    pub(crate) digests: Vec<DigestRow>,
    /// The number of the newest notification that there ever was.
    pub(crate) last_notification: i64,
    pub(crate) factors: Vec<FactorRow>,
    pub(crate) challenges: Vec<ChallengeRow>,
    pub(crate) producers: Vec<ProducerRow>,
    /// One for each customer.
    pub(crate) billing: Vec<BillingRow>,
    /// Ids of the payment provider's events, and when they came.
    pub(crate) payment_events: Vec<(String, Timestamp)>,
    /// Whose, and in the order in which they were first read; the row `n`, counted from 1, has the number `n`.
    pub(crate) invoices: Vec<InvoiceRow>,
    /// Who is in which channel.
    pub(crate) memberships: Vec<Membership>,
    /// In order of acceptance: the signal in row `n`, counted from 1, has the id `n`.
    pub(crate) signals: Vec<Signal>,
    pub(crate) events: Vec<LoggedEvent>,
    /// Numbered from 1.
    pub(crate) audit: Vec<StoredLine>,
    pub(crate) rollups: BTreeMap<RollupKey, i64>,
    /// On which day users were active last.
    pub(crate) activity: BTreeMap<UserId, Day>,
    pub(crate) requests: Vec<RequestRow>,
    pub(crate) jobs: Vec<JobRow>,
    /// The number of the newest job that there ever was.
    pub(crate) last_job: i64,
}

/// A request that named a key, and what was answered, if it was.
#[derive(Clone)]
pub(crate) struct RequestRow {
    pub(crate) request: NewRequest,
    pub(crate) answer: Option<KeptAnswer>,
}

/// Who gets digests: how often, what was covered, and when the next one is due.
#[derive(Clone, Copy)]
pub(crate) struct DigestRow {
    pub(crate) user: UserId,
    pub(crate) every: DigestEvery,
    pub(crate) covered_until: Timestamp,
    pub(crate) due_at: Timestamp,
}

/// A customer.
#[derive(Clone)]
pub(crate) struct BillingRow {
    pub(crate) record: BillingRecord,
    pub(crate) readings: i64,
    pub(crate) applied: i64,
    pub(crate) recheck_at: Option<Timestamp>,
    pub(crate) listed_at: Option<Timestamp>,
}

/// An invoice, whose it is, and what it is for.
#[derive(Clone)]
pub(crate) struct InvoiceRow {
    pub(crate) user: UserId,
    pub(crate) tier: Option<Tier>,
    pub(crate) invoice: ProviderInvoice,
}

/// A change, with the generation that the account had.
#[derive(Clone)]
pub(crate) struct ChangeRow {
    pub(crate) asked: NewAddressChange,
    pub(crate) generation: i64,
    /// The digests of what was mailed, of the old address first.
    pub(crate) tokens: [Option<String>; 2],
    pub(crate) confirmed: [bool; 2],
}

/// A sign-up, with the digest of what was mailed.
#[derive(Clone)]
pub(crate) struct SignUpRow {
    pub(crate) pending: PendingSignUp,
    pub(crate) token_hash: Option<String>,
}

#[derive(Clone)]
pub(crate) struct UserRow {
    /// Its generation is the user's own part.
    pub(crate) account: Account,
    pub(crate) password_hash: String,
    /// Sessions of an older generation make no address known, and keys of one are over.
    pub(crate) addresses_from: i64,
}

#[derive(Clone)]
pub(crate) struct SessionRow {
    pub(crate) opened: NewSession,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) denied_until: Option<Timestamp>,
    /// The token that was used last, and how it may be presented again.
    pub(crate) repeat: Option<(String, Repeat)>,
}

#[derive(Clone)]
pub(crate) struct RefreshToken {
    pub(crate) hash: String,
    pub(crate) session: SessionId,
    pub(crate) created_at: Timestamp,
    pub(crate) is_used: bool,
}

#[derive(Clone)]
pub(crate) struct KeyRow {
    pub(crate) made: NewApiKey,
    pub(crate) revoked_at: Option<Timestamp>,
}

/// The second factor of a user, with the digests of its backup codes.
#[derive(Clone)]
pub(crate) struct FactorRow {
    pub(crate) user: UserId,
    pub(crate) state: FactorState,
    pub(crate) codes: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct ChallengeRow {
    pub(crate) opened: NewChallenge,
    pub(crate) tries: u32,
}

#[derive(Clone)]
pub(crate) struct ProducerRow {
    pub(crate) producer: Producer,
    pub(crate) key_hash: String,
    /// The key before the last rotation, and until when it is good.
    pub(crate) old: Option<(String, Timestamp)>,
}

#[derive(Clone)]
pub(crate) struct JobRow {
    pub(crate) added: NewJob,
    pub(crate) stored: StoredJob,
    pub(crate) lease: Option<Lease>,
}

impl Tables {
    /// The account, as its holder sees it.
    pub(crate) fn account(&self, user: &UserRow) -> Account {
        let generation = user.account.generation + self.everybody;
        Account { generation, ..user.account.clone() }
    }

    pub(crate) fn user(&self, id: UserId) -> Option<&UserRow> {
        self.users.iter().find(|user| user.account.id == id)
    }

    pub(crate) fn user_mut(&mut self, id: UserId) -> Option<&mut UserRow> {
        self.users.iter_mut().find(|user| user.account.id == id)
    }

    /// The enabled user whose token for this has this digest.
    pub(crate) fn token_owner(
        &self,
        purpose: MailPurpose,
        token_hash: &str,
        now: Timestamp,
    ) -> Option<&UserRow> {
        let is_it = |token: &&MailToken| {
            token.purpose == purpose && token.token_hash == token_hash && now < token.expires_at
        };
        let token = self.mail_tokens.iter().find(is_it)?;
        self.user(token.user).filter(|user| user.account.is_active)
    }

    pub(crate) fn forget_token(&mut self, user: UserId, purpose: MailPurpose) {
        self.mail_tokens.retain(|token| token.user != user || token.purpose != purpose);
    }

    pub(crate) fn forget_tokens(&mut self, user: UserId) {
        self.mail_tokens.retain(|token| token.user != user);
    }

    /// Takes everything of a second factor away; says whether one was active.
    pub(crate) fn remove_factor(&mut self, user: UserId) -> bool {
        let is_active = |row: &FactorRow| row.user == user && row.state.active.is_some();
        let was_active = self.factors.iter().any(is_active);
        self.factors.retain(|row| row.user != user);
        self.challenges.retain(|row| row.opened.user != user);
        was_active
    }

    pub(crate) fn state(&self, id: UserId) -> Option<AccountState> {
        self.user(id).map(|user| AccountState::from(&self.account(user)))
    }

    /// Whether the key is live, and no promotion ended it.
    pub(crate) fn is_good(&self, key: &KeyRow, now: Timestamp) -> bool {
        let owner = self.user(key.made.key.owner);
        key.is_live(now) && owner.is_some_and(|user| key.made.generation >= user.addresses_from)
    }

    /// Ends the live API keys of a user, and says which.
    pub(crate) fn revoke_keys(&mut self, owner: UserId, now: Timestamp) -> Vec<ApiKeyId> {
        let is_theirs = |key: &&mut KeyRow| key.made.key.owner == owner && key.is_live(now);
        let theirs = self.api_keys.iter_mut().filter(is_theirs);
        theirs
            .map(|key| {
                key.revoked_at = Some(now);
                key.made.key.id
            })
            .collect()
    }

    /// Whether this is a session of `user`, and neither revoked, nor expired, nor of an older generation.
    pub(crate) fn is_live(&self, session: &SessionRow, user: UserId, now: Timestamp) -> bool {
        let state = self.state(user);
        session.opened.user == user
            && session.revoked_at.is_none()
            && session.opened.expires_at > now
            && state.is_some_and(|state| state.generation == session.opened.generation)
    }

    pub(crate) fn summary(&self, session: &SessionRow) -> SessionSummary {
        let NewSession { id, address, created_at, .. } = &session.opened;
        let tokens = self.refresh_tokens.iter().filter(|token| token.session == *id);
        let last_used_at = tokens.map(|token| token.created_at).max().unwrap_or(*created_at);
        SessionSummary { id: *id, address: address.clone(), created_at: *created_at, last_used_at }
    }

    pub(crate) fn session_mut(&mut self, id: SessionId) -> Option<&mut SessionRow> {
        self.sessions.iter_mut().find(|session| session.opened.id == id)
    }

    /// The newest number of the log. Pruning leaves the newest row, so that it never goes back.
    pub(crate) fn head(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    /// Adds to a sum.
    pub(crate) fn count(&mut self, key: RollupKey, value: i64) {
        *self.rollups.entry(key).or_insert(0) += value;
    }

    /// Counts an account that is new.
    pub(crate) fn count_new(&mut self, account: &Account) {
        self.count(RollupKey::users(account.tier), 1);
        self.count(RollupKey::of(RollupName::SignUps, Day::of(account.created_at)), 1);
    }

    /// Counts an account with another tier from now on; a deleted one is counted nowhere.
    pub(crate) fn move_tier(&mut self, old: &Account, tier: Tier) {
        if old.email.as_str() != placeholder(old.id) {
            self.count(RollupKey::users(old.tier), -1);
            self.count(RollupKey::users(tier), 1);
        }
    }

    pub(crate) fn add_line(&mut self, line: AuditLine) {
        let id = self.audit.last().map_or(0, |last| last.id) + 1;
        self.audit.push(StoredLine { id, line });
    }

    pub(crate) fn log(&mut self, at: Timestamp, event: &Event) -> Result<i64> {
        let seq = self.head() + 1;
        let (kind, payload) = (event.kind().to_owned(), event.to_payload()?);
        self.events.push(LoggedEvent { seq, recorded_at: at, kind, payload });
        Ok(seq)
    }
}

impl KeyRow {
    /// Neither revoked nor expired.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.made.key.expires_at.is_none_or(|end| end > now)
    }
}
