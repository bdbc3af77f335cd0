//! What is kept.

use alpine_domain::{
    Result, Timestamp,
    account::{Account, AccountState, NewApiKey, NewSession, Repeat, SessionId, UserId},
    event::Event,
    ports::events::LoggedEvent,
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
    pub(crate) producers: Vec<ProducerRow>,
    /// In order of acceptance: the signal in row `n`, counted from 1, has the id `n`.
    pub(crate) signals: Vec<Signal>,
    pub(crate) events: Vec<LoggedEvent>,
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
    pub(crate) is_used: bool,
}

#[derive(Clone)]
pub(crate) struct KeyRow {
    pub(crate) made: NewApiKey,
    pub(crate) revoked_at: Option<Timestamp>,
}

#[derive(Clone)]
pub(crate) struct ProducerRow {
    pub(crate) producer: Producer,
    pub(crate) key_hash: String,
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

    pub(crate) fn state(&self, id: UserId) -> Option<AccountState> {
        self.user(id).map(|user| AccountState::from(&self.account(user)))
    }

    /// Whether the key is live, and no promotion ended it.
    pub(crate) fn is_good(&self, key: &KeyRow, now: Timestamp) -> bool {
        let owner = self.user(key.made.key.owner);
        key.is_live(now) && owner.is_some_and(|user| key.made.generation >= user.addresses_from)
    }

    pub(crate) fn session_mut(&mut self, id: SessionId) -> Option<&mut SessionRow> {
        self.sessions.iter_mut().find(|session| session.opened.id == id)
    }

    /// The newest number of the log. Pruning leaves the newest row, so that it never goes back.
    pub(crate) fn head(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
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
