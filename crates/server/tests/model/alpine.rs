//! What Alpine is, in short: everything that it promises its callers, and nothing of how. It is right by
//! being read. The real application must answer every request as this does.
//!
//! Answers are a status and those members of the body that are promised; null stands for null and for a
//! member that is not there.

use std::time::Duration;

use alpine_domain::{
    Timestamp,
    account::{Role, Tier},
    signal::{Action, Record, SignalStatus},
};
use serde_json::{Value, json};

/// The status, and what the body must hold; null: nothing is promised of it.
pub(crate) type Answer = (u16, Value);

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
/// How long an access token is good.
const ACCESS_LIFE: Duration = Duration::from_mins(15);
/// How long a session can be refreshed, from the sign-in on.
const SESSION_LIFE: Duration = Duration::from_hours(720);
/// How long the refresh token that was used last may be sent again.
const REPEATABLE: Duration = Duration::from_secs(10);
/// How long a signal stays open: of the strategy [`SHORT_LIVED`], and of others.
pub(crate) const HORIZONS: [Duration; 2] = [Duration::from_hours(48), Duration::from_hours(720)];
/// The strategy whose signals expire first.
pub(crate) const SHORT_LIVED: &str = "scalping";
/// Live API keys of an account at most, of any tier.
pub(crate) const MAX_KEYS: usize = 2;
/// Every signal's entry, so that profit and loss are whole percents.
pub(crate) const ENTRY: i64 = 100;

/// Everything that there is.
pub(crate) struct Alpine {
    pub(crate) now: Timestamp,
    pub(crate) accounts: Vec<Account>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) keys: Vec<Key>,
    pub(crate) producers: Vec<Producer>,
    /// In the order in which they were accepted.
    pub(crate) signals: Vec<Signal>,
}

#[derive(Clone, Copy)]
pub(crate) struct Account {
    pub(crate) tier: Tier,
    pub(crate) role: Role,
}

pub(crate) struct Session {
    pub(crate) account: usize,
    ends: Timestamp,
    /// Signed out, here or everywhere, or a refresh token came a second time.
    is_over: bool,
    /// When each access token ends.
    pub(crate) access: Vec<Timestamp>,
    /// How many refresh tokens were made; the last one is good.
    pub(crate) refresh: usize,
    refreshed_at: Option<Timestamp>,
}

pub(crate) struct Key {
    pub(crate) account: usize,
    ends: Option<Timestamp>,
    is_revoked: bool,
}

pub(crate) struct Producer {
    pub(crate) is_simulated: bool,
    pub(crate) is_disabled: bool,
}

/// What a producer sends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    pub(crate) symbol: &'static str,
    pub(crate) action: Action,
    pub(crate) confidence: f64,
    pub(crate) strategy: &'static str,
    /// Whether it names the prices at which to leave: 10 away, in gain and loss.
    pub(crate) has_limits: bool,
    pub(crate) signalled_at: Timestamp,
}

#[derive(Clone)]
pub(crate) struct Signal {
    /// Alpine's number, which follows from nothing.
    pub(crate) id: i64,
    pub(crate) producer: usize,
    pub(crate) external: usize,
    pub(crate) draft: Draft,
    pub(crate) accepted_at: Timestamp,
    is_simulated: bool,
    end: Option<End>,
    /// What was reported after the signal had expired.
    late: Option<End>,
}

#[derive(Clone, Copy)]
struct End {
    status: SignalStatus,
    /// `None`: it expired.
    exit: Option<i64>,
    at: Timestamp,
    recorded_at: Timestamp,
}

/// What is sent with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Credential {
    Nothing,
    /// An access token: its session, and its place among those of the session, from 0.
    Token(usize, usize),
    /// A user's API key.
    Key(usize),
}

/// Who reads.
#[derive(Clone, Copy)]
pub(crate) enum Reader {
    Nobody,
    User(Account),
}

/// What a reader may see: confidence below, how late, rows at most.
struct View {
    below: f64,
    delay: Duration,
    rows: usize,
}

impl Reader {
    fn view(self) -> View {
        let (below, delay, rows) = match self {
            Self::User(Account { role: Role::Admin, .. } | Account { tier: Tier::Elite, .. }) => {
                (f64::INFINITY, Duration::ZERO, usize::MAX)
            }
            Self::User(Account { tier: Tier::Pro, .. }) => (95.0, Duration::ZERO, usize::MAX),
            Self::User(Account { tier: Tier::Starter, .. }) => (85.0, Duration::ZERO, usize::MAX),
            Self::User(Account { tier: Tier::Free, .. }) | Self::Nobody => (85.0, 15 * MINUTE, 10),
        };
        View { below, delay, rows }
    }
}

/// What a list is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    /// Only what comes after this signal; then the offset counts for nothing.
    pub(crate) after: Option<usize>,
    pub(crate) premium_only: bool,
    pub(crate) symbol: Option<&'static str>,
    pub(crate) action: Option<Action>,
    pub(crate) min_confidence: Option<f64>,
    pub(crate) strategy: Option<&'static str>,
    pub(crate) days: Option<u32>,
    pub(crate) status: Option<SignalStatus>,
    /// Whether late outcomes count.
    pub(crate) late: bool,
    /// Which part of the record counts; `None`: what was received live.
    pub(crate) record: Option<Record>,
}

/// A report of how a signal ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    pub(crate) exit: i64,
    pub(crate) at: Timestamp,
    pub(crate) status: Option<SignalStatus>,
}

// Accounts.
impl Alpine {
    /// Opens a session; so does whoever signs up.
    pub(crate) fn sign_in(&mut self, account: usize, password_is_right: bool) -> u16 {
        if !password_is_right {
            return 401;
        }
        self.sessions.push(Session {
            account,
            ends: self.now.later(SESSION_LIFE),
            is_over: false,
            access: vec![self.now.later(ACCESS_LIFE)],
            refresh: 1,
            refreshed_at: None,
        });
        200
    }

    /// Trades a refresh token for the next pair. `token` is its place among those of the session, from 0.
    pub(crate) fn refresh(&mut self, session: usize, token: usize) -> u16 {
        let now = self.now;
        let session = &mut self.sessions[session];
        if session.is_over || session.ends <= now {
            return 401;
        }
        let is_newest = token + 1 == session.refresh;
        let is_repeat = token + 2 == session.refresh
            && session.refreshed_at.is_some_and(|at| now < at.later(REPEATABLE));
        if is_newest {
            session.refresh += 1;
            session.refreshed_at = Some(now);
        } else if !is_repeat {
            // Somebody has a copy.
            session.is_over = true;
            return 401;
        }
        session.access.push(now.later(ACCESS_LIFE));
        200
    }

    pub(crate) fn sign_out(&mut self, by: Credential) -> u16 {
        let (Some(_), Credential::Token(session, _)) = (self.user(by), by) else { return 401 };
        self.sessions[session].is_over = true;
        200
    }

    pub(crate) fn sign_out_everywhere(&mut self, by: Credential, and_keys: bool) -> u16 {
        let Some(account) = self.user(by) else { return 401 };
        if and_keys {
            let theirs = self.keys.iter_mut().filter(|key| key.account == account);
            theirs.for_each(|key| key.is_revoked = true);
        }
        let theirs = self.sessions.iter_mut().filter(|session| session.account == account);
        theirs.for_each(|session| session.is_over = true);
        200
    }

    /// API keys stay good.
    pub(crate) fn sign_out_everybody(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.is_over = true);
    }

    pub(crate) fn make_key(&mut self, by: Credential, days: Option<u32>) -> u16 {
        let Some(account) = self.user(by) else { return 401 };
        if self.live_keys(account).count() == MAX_KEYS {
            return 409;
        }
        let ends = days.map(|days| self.now.later(DAY * days));
        self.keys.push(Key { account, ends, is_revoked: false });
        201
    }

    pub(crate) fn revoke_key(&mut self, by: Credential, key: usize) -> u16 {
        let Some(account) = self.user(by) else { return 401 };
        if !self.live_keys(account).any(|live| live == key) {
            return 404;
        }
        self.keys[key].is_revoked = true;
        200
    }

    pub(crate) fn profile(&self, by: Credential) -> Answer {
        // Keys here have the scopes of signals, and whose they are is another one.
        if let (Credential::Key(_), Some(_)) = (by, self.reader(by)) {
            return (403, Value::Null);
        }
        let Some(account) = self.user(by) else { return (401, Value::Null) };
        let Account { tier, role } = self.accounts[account];
        (200, json!({"email": email(account), "tier": tier, "role": role}))
    }

    fn live_keys(&self, account: usize) -> impl Iterator<Item = usize> {
        let is_live = move |key: &Key| {
            key.account == account && !key.is_revoked && key.ends.is_none_or(|ends| self.now < ends)
        };
        (0..self.keys.len()).filter(move |key| is_live(&self.keys[*key]))
    }

    /// Whose token it is, if it is a good one.
    fn user(&self, by: Credential) -> Option<usize> {
        let Credential::Token(session, token) = by else { return None };
        let session = &self.sessions[session];
        (!session.is_over && self.now < session.access[token]).then_some(session.account)
    }

    /// Who reads with a credential; `None`: it is not good.
    fn reader(&self, by: Credential) -> Option<Reader> {
        let account = match by {
            Credential::Nothing => return Some(Reader::Nobody),
            Credential::Token(..) => self.user(by)?,
            Credential::Key(key) => {
                let account = self.keys[key].account;
                self.live_keys(account).find(|live| *live == key).map(|_| account)?
            }
        };
        Some(Reader::User(self.accounts[account]))
    }
}

pub(crate) fn email(account: usize) -> String {
    format!("user-{account}@example.com")
}

// What producers send.
impl Alpine {
    /// Takes a signal; whoever calls tells which number the new one got.
    pub(crate) fn post(&mut self, producer: usize, external: usize, draft: &Draft) -> u16 {
        let Producer { is_simulated, is_disabled } = self.producers[producer];
        if is_disabled {
            return 401;
        }
        if self.signal_of(producer, external).is_some() {
            return 409;
        }
        self.signals.push(Signal {
            id: 0,
            producer,
            external,
            draft: draft.clone(),
            accepted_at: self.now,
            is_simulated,
            end: None,
            late: None,
        });
        201
    }

    pub(crate) fn report(&mut self, producer: usize, external: usize, report: Report) -> Answer {
        if self.producers[producer].is_disabled {
            return (401, Value::Null);
        }
        let Some(n) = self.signal_of(producer, external) else { return (404, Value::Null) };
        let now = self.now;
        let signal = &mut self.signals[n];
        let has_expired = signal.end.is_some_and(|end| end.exit.is_none());
        let settled = if has_expired { signal.late } else { signal.end };
        match settled {
            Some(end) if !report.repeats(end) => return (409, Value::Null),
            Some(_) => {}
            None if report.at < signal.draft.signalled_at => return (422, Value::Null),
            None if report.contradicts(&signal.draft) => return (422, Value::Null),
            None => {
                let status = report.status.unwrap_or_else(|| signal.draft.ending(report.exit));
                let end = End { status, exit: Some(report.exit), at: report.at, recorded_at: now };
                let place = if has_expired { &mut signal.late } else { &mut signal.end };
                *place = Some(end);
            }
        }
        let result = if has_expired { "late" } else { "closed" };
        let Row { status, pnl, late, .. } = signal.as_of(Timestamp::MAX).row();
        let body = json!({
            "result": result, "alpine_signal_id": signal.id, "signal_status": status,
            "pnl_pct": pnl, "late_outcome": late,
        });
        (200, body)
    }

    /// Ends what has been open for longer than its horizon.
    pub(crate) fn expire(&mut self) -> u32 {
        let now = self.now;
        let is_due = |signal: &&mut Signal| {
            let horizon = HORIZONS[usize::from(signal.draft.strategy != SHORT_LIVED)];
            signal.end.is_none() && signal.accepted_at < now.earlier(horizon)
        };
        let end = End { status: SignalStatus::Expired, exit: None, at: now, recorded_at: now };
        let due = self.signals.iter_mut().filter(is_due);
        due.map(|signal| signal.end = Some(end)).count().try_into().unwrap()
    }

    fn signal_of(&self, producer: usize, external: usize) -> Option<usize> {
        let is_it = |signal: &Signal| (signal.producer, signal.external) == (producer, external);
        self.signals.iter().position(is_it)
    }
}

impl Report {
    /// Whether it says that a target or a stop was reached, and the price does not.
    fn contradicts(self, draft: &Draft) -> bool {
        let said = self
            .status
            .filter(|said| matches!(said, SignalStatus::TargetHit | SignalStatus::StopHit));
        said.is_some_and(|said| said != draft.ending(self.exit))
    }

    /// Whether it says what is known; one without a status agrees with any.
    fn repeats(self, end: End) -> bool {
        end.exit == Some(self.exit)
            && end.at == self.at
            && self.status.is_none_or(|status| status == end.status)
    }
}

impl Draft {
    /// How it ends at this price: BUY and SELL mirror each other.
    fn ending(&self, exit: i64) -> SignalStatus {
        match self.gain(exit) {
            10.. if self.has_limits => SignalStatus::TargetHit,
            ..=-10 if self.has_limits => SignalStatus::StopHit,
            _ => SignalStatus::Closed,
        }
    }

    /// Profit or loss in percent of the entry.
    fn gain(&self, exit: i64) -> i64 {
        if self.action == Action::Buy { exit - ENTRY } else { ENTRY - exit }
    }
}

// What readers are told.
impl Alpine {
    /// The newest open signals.
    pub(crate) fn latest(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(reader) = self.reader(by) else { return (401, Value::Null) };
        let rows = self.open(reader, wanted).take(wanted.limit.min(reader.view().rows));
        (200, rows.map(|signal| signal.row().full()).collect())
    }

    /// The same with the name of the reader's group.
    pub(crate) fn live(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(Reader::User(account)) = self.reader(by) else { return (401, Value::Null) };
        let (_, signals) = self.latest(by, wanted);
        let group = match account.role {
            Role::Admin => "admin",
            Role::User => account.tier.as_str(),
        };
        (
            200,
            json!({"count": signals.as_array().map(Vec::len), "signals": signals, "user_tier": group}),
        )
    }

    /// A page of the open signals.
    pub(crate) fn subscribed(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(reader @ Reader::User(_)) = self.reader(by) else { return (401, Value::Null) };
        let all: Vec<Signal> = self.open(reader, wanted).take(reader.view().rows).collect();
        let rest: Vec<&Signal> = match wanted.after {
            Some(n) => all.iter().filter(|signal| self.place(signal) < n).collect(),
            None => all.iter().skip(wanted.offset).collect(),
        };
        let has_more = rest.len() > wanted.limit;
        let items = rest.into_iter().take(wanted.limit).map(|signal| signal.row().full());
        let items: Value = items.collect();
        (200, json!({"items": items, "total": all.len(), "has_more": has_more}))
    }

    /// Signals of some days, however they stand, newest first.
    pub(crate) fn history(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(reader @ Reader::User(_)) = self.reader(by) else { return (401, Value::Null) };
        let rows = self.seen(reader, wanted).take(wanted.limit.min(reader.view().rows));
        (200, rows.map(|signal| signal.row().short()).collect())
    }

    /// The same as a file, without a limit of its own.
    pub(crate) fn export(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(reader @ Reader::User(_)) = self.reader(by) else { return (401, Value::Null) };
        let rows = self.seen(reader, wanted).take(reader.view().rows);
        (200, rows.map(|signal| signal.row().full()).collect())
    }

    /// One signal.
    pub(crate) fn find(&self, by: Credential, n: usize) -> Answer {
        let Some(reader @ Reader::User(_)) = self.reader(by) else { return (401, Value::Null) };
        match self.known(reader, &self.signals[n]) {
            Some(signal) => (200, signal.row().full()),
            None => (404, Value::Null),
        }
    }

    /// How the closed signals did.
    pub(crate) fn statistics(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(reader) = self.reader(by) else { return (401, Value::Null) };
        let results = self.results(reader, wanted);
        let gains = || results.iter().map(|(_, gain, _)| *gain);
        let wins = gains().filter(|gain| *gain > 0);
        let count = results.len();
        let mut body = json!({
            "total_trades": count,
            "winning_trades": wins.clone().count(),
            "losing_trades": count - wins.clone().count(),
            "largest_win_pct": wins.max().unwrap_or(0),
            "largest_loss_pct": gains().filter(|gain| *gain <= 0).min().unwrap_or(0),
            "simulated_trades": results.iter().filter(|(signal, ..)| signal.is_simulated).count(),
        });
        if wanted.days.is_none() {
            let (expired, backdated) = self.missed(reader, wanted);
            body["expired"] = expired.len().into();
            body["backdated"] = backdated.len().into();
        }
        if wanted.late {
            body["late_trades"] =
                results.iter().filter(|(signal, ..)| signal.has_expired()).count().into();
        }
        (200, body)
    }

    /// Their results one after the other, in the order in which they were received.
    pub(crate) fn curve(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(reader) = self.reader(by) else { return (401, Value::Null) };
        let mut results = self.results(reader, wanted);
        results.sort_by_key(|(.., end)| end.recorded_at);
        let mut sum = 0;
        let points = results.iter().map(|(_, gain, end)| {
            sum += gain;
            json!({"closed_at": end.at, "received_at": end.recorded_at, "cumulative_pct": sum})
        });
        (200, json!({"points": points.collect::<Value>(), "total_points": results.len()}))
    }

    /// Every instrument of which a result was due.
    pub(crate) fn symbols(&self, by: Credential, wanted: &Wanted) -> Answer {
        let Some(reader) = self.reader(by) else { return (401, Value::Null) };
        let mut counts = std::collections::BTreeMap::new();
        for (signal, ..) in self.results(reader, wanted) {
            *counts.entry(signal.draft.symbol).or_insert(0) += 1;
        }
        let (expired, backdated) = self.missed(reader, wanted);
        for signal in expired.into_iter().chain(backdated) {
            counts.entry(signal.draft.symbol).or_insert(0);
        }
        let items =
            counts.iter().map(|(symbol, count)| json!({"symbol": symbol, "closed_signals": count}));
        (200, json!({"items": items.collect::<Value>(), "total": counts.len()}))
    }

    fn open(&self, reader: Reader, wanted: &Wanted) -> impl Iterator<Item = Signal> {
        self.seen(reader, wanted).filter(|signal| signal.end.is_none() && !signal.is_history())
    }

    /// What the reader sees of what is wanted, newest first.
    fn seen(&self, reader: Reader, wanted: &Wanted) -> impl Iterator<Item = Signal> {
        let (now, wanted) = (self.now, *wanted);
        let signals = self.signals.iter().rev();
        signals.filter_map(move |signal| self.known(reader, signal)).filter(move |signal| {
            let draft = &signal.draft;
            wanted.symbol.is_none_or(|symbol| symbol == draft.symbol)
                && wanted.action.is_none_or(|action| action == draft.action)
                && wanted.min_confidence.is_none_or(|least| draft.confidence >= least)
                && (!wanted.premium_only || draft.confidence >= 85.0)
                && wanted.status.is_none_or(|status| status == signal.row().status)
                && signal.is_within(wanted.days, now)
        })
    }

    /// The signal as the reader knows it now, if they know of it.
    fn known(&self, reader: Reader, signal: &Signal) -> Option<Signal> {
        let View { below, delay, .. } = reader.view();
        let as_of = self.now.earlier(delay);
        let is_seen = signal.draft.confidence < below && signal.accepted_at <= as_of;
        is_seen.then(|| signal.as_of(as_of))
    }

    /// Every result that counts for the reader: signal, percent, end. What they never see
    /// counts when everybody may know of it.
    fn results(&self, reader: Reader, wanted: &Wanted) -> Vec<(Signal, i64, End)> {
        let View { below, delay, .. } = reader.view();
        let result = |signal: &Signal| {
            let is_theirs = signal.draft.confidence < below;
            let delay = if is_theirs { delay } else { Reader::Nobody.view().delay };
            let as_of = self.now.earlier(delay);
            let signal = (signal.accepted_at <= as_of).then(|| signal.as_of(as_of))?;
            let end =
                if signal.has_expired() { signal.late.filter(|_| wanted.late) } else { signal.end };
            let end = end?;
            let gain = signal.draft.gain(end.exit?);
            let is_wanted = wanted.symbol.is_none_or(|symbol| symbol == signal.draft.symbol)
                && wanted.strategy.is_none_or(|strategy| strategy == signal.draft.strategy)
                && self.is_of_last(wanted.days, end)
                && signal.is_in(wanted.record.unwrap_or(Record::Live), end);
            is_wanted.then_some((signal, gain, end))
        };
        self.signals.iter().filter_map(result).collect()
    }

    /// Whether this end was received today or on one of so many days before, in UTC.
    fn is_of_last(&self, days: Option<u32>, end: End) -> bool {
        let day = |instant: Timestamp| instant.seconds().div_euclid(24 * 60 * 60);
        days.is_none_or(|days| day(end.recorded_at) >= day(self.now) - i64::from(days))
    }

    /// Every signal without a result that counts, though one is due: it expired, or its result came as history.
    fn missed(&self, reader: Reader, wanted: &Wanted) -> (Vec<Signal>, Vec<Signal>) {
        let View { below, delay, .. } = reader.view();
        let record = wanted.record.unwrap_or(Record::Live);
        let known = self.signals.iter().filter_map(|signal| {
            let is_theirs = signal.draft.confidence < below;
            let delay = if is_theirs { delay } else { Reader::Nobody.view().delay };
            let as_of = self.now.earlier(delay);
            let is_wanted = wanted.symbol.is_none_or(|symbol| symbol == signal.draft.symbol)
                && wanted.strategy.is_none_or(|strategy| strategy == signal.draft.strategy);
            (signal.accepted_at <= as_of && is_wanted).then(|| signal.as_of(as_of))
        });
        let (mut expired, mut backdated) = (Vec::new(), Vec::new());
        for signal in known.filter(|signal| signal.is_of(record)) {
            let late = signal.late.filter(|_| wanted.late);
            let Some(end) = signal.end else { continue };
            let is_counted = |end: End| signal.is_in(record, end);
            match (signal.has_expired(), late) {
                (true, None) => expired.push(signal),
                (true, Some(late)) if !is_counted(late) => backdated.push(signal),
                (false, _) if !is_counted(end) => backdated.push(signal),
                _ => {}
            }
        }
        (expired, backdated)
    }

    /// How many signals were accepted before this one.
    fn place(&self, signal: &Signal) -> usize {
        self.signals.iter().position(|other| other.id == signal.id).unwrap()
    }
}

/// A signal as it is shown.
struct Row<'a> {
    signal: &'a Signal,
    status: SignalStatus,
    exit: Option<i64>,
    pnl: Option<i64>,
    closed_at: Option<Timestamp>,
    late: Option<Value>,
}

impl Signal {
    /// As it was known at an instant.
    fn as_of(&self, instant: Timestamp) -> Self {
        let is_known = |end: &End| end.recorded_at <= instant;
        Self { end: self.end.filter(is_known), late: self.late.filter(is_known), ..self.clone() }
    }

    fn has_expired(&self) -> bool {
        self.end.is_some_and(|end| end.exit.is_none())
    }

    /// Whether it came later than a day after its own time.
    fn is_history(&self) -> bool {
        !self.is_simulated && self.accepted_at > self.draft.signalled_at.later(DAY)
    }

    /// Whether it is in this part of the record itself.
    fn is_of(&self, record: Record) -> bool {
        match record {
            Record::All => true,
            Record::Simulated => self.is_simulated,
            Record::Backfilled => self.is_history(),
            Record::Live => !self.is_simulated && !self.is_history(),
        }
    }

    /// Whether this end of it is in this part of the record.
    fn is_in(&self, record: Record, end: End) -> bool {
        let is_history = self.is_history() || (!self.is_simulated && end.at < self.accepted_at);
        match record {
            Record::All => true,
            Record::Simulated => self.is_simulated,
            Record::Backfilled => is_history,
            Record::Live => !self.is_simulated && !is_history,
        }
    }

    /// Whether it was accepted within so many days.
    fn is_within(&self, days: Option<u32>, now: Timestamp) -> bool {
        days.is_none_or(|days| self.accepted_at >= now.earlier(DAY * days))
    }

    fn row(&self) -> Row<'_> {
        let gain = |end: End| end.exit.map(|exit| self.draft.gain(exit));
        Row {
            signal: self,
            status: self.end.map_or(SignalStatus::Open, |end| end.status),
            exit: self.end.and_then(|end| end.exit),
            pnl: self.end.and_then(gain),
            closed_at: self.end.map(|end| end.at),
            late: self.late.map(|late| {
                json!({
                    "status": late.status, "exit_price": late.exit, "pnl_pct": gain(late),
                    "exit_time": late.at, "received_at": late.recorded_at,
                })
            }),
        }
    }
}

impl Row<'_> {
    fn full(&self) -> Value {
        let Signal { id, draft, accepted_at, is_simulated, .. } = self.signal;
        let sign = if draft.action == Action::Buy { 1 } else { -1 };
        let limit = |gain: i64| draft.has_limits.then_some(ENTRY + sign * gain);
        json!({
            "id": id.to_string(), "symbol": draft.symbol, "action": draft.action,
            "entry_price": ENTRY, "take_profit": limit(10), "stop_loss": limit(-10),
            "confidence": draft.confidence, "strategy": draft.strategy,
            "type": if draft.confidence >= 85.0 { "PREMIUM" } else { "STANDARD" },
            "status": self.status, "exit_price": self.exit, "pnl_pct": self.pnl,
            "closed_at": self.closed_at, "late_outcome": self.late, "created_at": accepted_at,
            "simulated": is_simulated.then_some(true),
        })
    }

    fn short(&self) -> Value {
        let Signal { id, draft, accepted_at, .. } = self.signal;
        json!({
            "signal_id": id.to_string(), "symbol": draft.symbol, "action": draft.action,
            "entry_price": ENTRY, "exit_price": self.exit, "pnl_pct": self.pnl,
            "status": self.status, "created_at": accepted_at, "closed_at": self.closed_at,
            "late_outcome": self.late,
        })
    }
}
