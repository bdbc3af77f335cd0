//! Rows and what they stand for. Whatever cannot be read back is a defect, never a missing value.

#![allow(clippy::ref_option_ref, reason = "Diesel's Insertable writes such code")]

use std::{fmt::Display, str::FromStr};

use alpine_domain::{
    Error, Result, Timestamp,
    account::{Account, ApiKey, Email, FullName, KeyName, Scopes, SessionId, UserId, placeholder},
    channel::Basis,
    producer::{Producer, ProducerId},
    signal::{ExitPrice, NewSignal, Origin, Outcome, PnlPercent, Price, Signal, Strategy},
};
use diesel::{AsChangeset, Insertable, Queryable};

use crate::{
    schema::{keyed_requests, late_outcomes, outcomes, producers, signals},
    signal_ids::SignalIds,
};

/// Reads a stored text back into what it was.
pub(crate) fn stored<T>(column: &'static str, text: &str) -> Result<T>
where
    T: FromStr,
    T::Err: Display,
{
    read_back(column, text.parse())
}

/// What a stored text was read as.
pub(crate) fn read_back<T>(column: &'static str, read: Result<T, impl Display>) -> Result<T> {
    read.map_err(|error| {
        Error::internal(format!("the database holds an unreadable {column}: {error}"))
    })
}

/// Reads a stored number of microseconds back into the instant that it was.
pub(crate) fn instant(column: &'static str, micros: i64) -> Result<Timestamp> {
    read_back(column, Timestamp::try_from_micros(micros))
}

pub(crate) fn stored_option<T>(column: &'static str, text: Option<&str>) -> Result<Option<T>>
where
    T: FromStr,
    T::Err: Display,
{
    text.map(|text| stored(column, text)).transpose()
}

/// A sum of the record: level, part, late outcomes, strategy, producer, symbol, the number of its stretch, the sums.
pub(crate) type SumRow = (String, String, String, String, String, String, i64, Vec<u8>);

#[derive(Queryable)]
pub(crate) struct UserRow {
    id: String,
    email: String,
    full_name: String,
    pub(crate) password_hash: String,
    tier: String,
    role: String,
    is_active: bool,
    is_verified: bool,
    generation: i64,
    _stripe_customer_id: Option<String>,
    created_at: i64,
    updated_at: i64,
    signed_out_at: Option<i64>,
    _addresses_from: i64,
}

impl UserRow {
    pub(crate) fn id(&self) -> String {
        self.id.clone()
    }

    /// The generation of the account's tokens and sessions; `everybody`: how often everybody was signed out.
    /// Both only rise, so the sum changes with each, and never comes back.
    pub(crate) const fn generation(&self, everybody: i64) -> i64 {
        self.generation + everybody
    }

    /// What decides where the account belongs.
    pub(crate) fn basis(&self, user: UserId) -> Result<Basis> {
        let (is_active, is_deleted) = (self.is_active, self.is_deleted(user));
        Ok(Basis { tier: stored("users.tier", &self.tier)?, is_active, is_deleted })
    }

    /// Whether its owner deleted it: its address is a placeholder.
    pub(crate) fn is_deleted(&self, user: UserId) -> bool {
        self.email == placeholder(user)
    }

    /// Whether nobody signed this user out since the session was opened. Releases that kept no generation
    /// left a 0; all that they opened is worth nothing after the first sign-out that came later.
    pub(crate) const fn holds(&self, session: &SessionRow, everybody: i64) -> bool {
        session.generation == self.generation(everybody)
            || (session.generation == 0 && self.was_never_signed_out(everybody))
    }

    const fn was_never_signed_out(&self, everybody: i64) -> bool {
        self.signed_out_at.is_none() && everybody == 0
    }

    /// The generations of the sessions that [`holds`](Self::holds) lets live.
    pub(crate) fn live_generations(&self, everybody: i64) -> Vec<i64> {
        let generation = self.generation(everybody);
        match generation {
            0 => vec![0],
            _ if self.was_never_signed_out(everybody) => vec![generation, 0],
            _ => vec![generation],
        }
    }

    pub(crate) fn account(&self, everybody: i64) -> Result<Account> {
        Ok(Account {
            id: stored("users.id", &self.id)?,
            email: read_back("users.email", Email::from_stored(&self.email))?,
            full_name: FullName::from_stored(self.full_name.as_str()),
            tier: stored("users.tier", &self.tier)?,
            role: stored("users.role", &self.role)?,
            is_active: self.is_active,
            is_verified: self.is_verified,
            generation: self.generation(everybody),
            created_at: instant("users.created_at", self.created_at)?,
            updated_at: instant("users.updated_at", self.updated_at)?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) user_id: String,
    _address_digest: Option<String>,
    _created_at: i64,
    pub(crate) expires_at: i64,
    _revoked_at: Option<i64>,
    _denied_until: Option<i64>,
    pub(crate) repeat_of: Option<String>,
    pub(crate) repeat_sealed: Option<String>,
    pub(crate) repeat_address: Option<String>,
    pub(crate) repeat_until: Option<i64>,
    generation: i64,
}

impl SessionRow {
    pub(crate) fn session(&self) -> Result<SessionId> {
        stored("sessions.id", &self.id)
    }
}

#[derive(Queryable)]
pub(crate) struct ApiKeyRow {
    pub(crate) id: String,
    user_id: String,
    name: String,
    prefix: String,
    scopes: String,
    _key_hash: String,
    created_at: i64,
    expires_at: Option<i64>,
    _revoked_at: Option<i64>,
    _generation: Option<i64>,
}

impl ApiKeyRow {
    pub(crate) fn key(self) -> Result<ApiKey> {
        Ok(ApiKey {
            id: stored("api_keys.id", &self.id)?,
            owner: stored::<UserId>("api_keys.user_id", &self.user_id)?,
            name: KeyName::from_stored(self.name),
            prefix: self.prefix,
            scopes: Scopes::from_stored(&self.scopes),
            created_at: instant("api_keys.created_at", self.created_at)?,
            expires_at: self.expires_at.map(|at| instant("api_keys.expires_at", at)).transpose()?,
        })
    }
}

#[derive(Queryable)]
pub(crate) struct ProducerRow {
    pub(crate) id: i64,
    name: String,
    pub(crate) key_hash: String,
    pub(crate) is_simulated: bool,
    is_active: bool,
    created_at: i64,
    pub(crate) previous_key_hash: Option<String>,
    previous_until: Option<i64>,
}

impl ProducerRow {
    /// Until when the key that it had before is good.
    pub(crate) fn old_until(&self) -> Result<Option<Timestamp>> {
        self.previous_until.map(|until| instant("producers.previous_until", until)).transpose()
    }

    pub(crate) fn producer(&self) -> Result<Producer> {
        Ok(Producer {
            id: ProducerId::new(self.id),
            name: stored("producers.name", &self.name)?,
            is_simulated: self.is_simulated,
            is_active: self.is_active,
            created_at: instant("producers.created_at", self.created_at)?,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = producers)]
pub(crate) struct NewProducerRow<'a> {
    pub(crate) name: &'a str,
    pub(crate) key_hash: &'a str,
    pub(crate) is_simulated: bool,
    pub(crate) is_active: bool,
    pub(crate) created_at: i64,
}

#[derive(Queryable)]
pub(crate) struct SignalRow {
    pub(crate) id: i64,
    pub(crate) producer_id: i64,
    external_id: String,
    symbol: String,
    action: String,
    entry_price: String,
    target_price: Option<String>,
    stop_price: Option<String>,
    _confidence: f64,
    confidence_text: String,
    strategy: Option<String>,
    asset_type: String,
    data_source: Option<String>,
    reasoning: Option<String>,
    regime: Option<String>,
    consensus_agreement: Option<String>,
    sources_count: Option<i64>,
    signal_timestamp: String,
    signalled_at: i64,
    hash: String,
    content_hash: String,
    is_simulated: bool,
    _is_active: bool,
    pub(crate) created_at: i64,
    origin: Option<String>,
}

/// A signal's origin. Releases that kept none left nothing; the times tell.
pub(crate) fn signal_origin(
    word: Option<&str>,
    is_simulated: bool,
    signalled_at: Timestamp,
    received_at: Timestamp,
) -> Result<Origin> {
    if let Some(word) = word {
        return stored("signals.origin", word);
    }
    let within = Origin::EARLIER_LIVE_WITHIN;
    Ok(Origin::of_signal(is_simulated, signalled_at, received_at, within))
}

impl SignalRow {
    fn origin(&self) -> Result<Origin> {
        let signalled_at = instant("signals.signalled_at", self.signalled_at)?;
        let received_at = instant("signals.created_at", self.created_at)?;
        signal_origin(self.origin.as_deref(), self.is_simulated, signalled_at, received_at)
    }

    /// The signal without its late outcome, which is looked up where a signal has expired.
    pub(crate) fn signal(self, ids: &SignalIds, outcome: Option<OutcomeRow>) -> Result<Signal> {
        let origin = self.origin()?;
        Ok(Signal {
            id: ids.public(self.id)?,
            content: NewSignal {
                producer: ProducerId::new(self.producer_id),
                producer_name: ids.producer(self.producer_id)?,
                is_simulated: self.is_simulated,
                origin,
                external_id: stored("signals.external_id", &self.external_id)?,
                symbol: stored("signals.symbol", &self.symbol)?,
                action: stored("signals.action", &self.action)?,
                entry_price: stored("signals.entry_price", &self.entry_price)?,
                target_price: stored_option("signals.target_price", self.target_price.as_deref())?,
                stop_price: stored_option("signals.stop_price", self.stop_price.as_deref())?,
                confidence: stored("signals.confidence_text", &self.confidence_text)?,
                strategy: stored_option("signals.strategy", self.strategy.as_deref())?,
                asset_type: stored("signals.asset_type", &self.asset_type)?,
                data_source: self.data_source,
                reasoning: self.reasoning,
                regime: self.regime,
                consensus_agreement: self.consensus_agreement,
                sources_count: self.sources_count,
                timestamp: self.signal_timestamp,
                signalled_at: instant("signals.signalled_at", self.signalled_at)?,
                hash: stored("signals.hash", &self.hash)?,
                content_hash: stored("signals.content_hash", &self.content_hash)?,
                created_at: instant("signals.created_at", self.created_at)?,
            },
            outcome: outcome.map(OutcomeRow::outcome).transpose()?,
            late_outcome: None,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = signals, treat_none_as_default_value = false)]
pub(crate) struct NewSignalRow<'a> {
    producer_id: i64,
    external_id: &'a str,
    symbol: &'a str,
    action: &'a str,
    entry_price: &'a str,
    target_price: Option<&'a str>,
    stop_price: Option<&'a str>,
    confidence: f64,
    confidence_text: &'a str,
    strategy: Option<&'a str>,
    asset_type: &'a str,
    data_source: Option<&'a str>,
    reasoning: Option<&'a str>,
    regime: Option<&'a str>,
    consensus_agreement: Option<&'a str>,
    sources_count: Option<i64>,
    signal_timestamp: &'a str,
    signalled_at: i64,
    hash: &'a str,
    content_hash: &'a str,
    is_simulated: bool,
    created_at: i64,
    origin: &'static str,
}

impl<'a> NewSignalRow<'a> {
    /// With this instant in the place of the signal's own.
    pub(crate) const fn created_at(self, instant: Timestamp) -> Self {
        Self { created_at: instant.micros(), ..self }
    }

    /// The producer and its own id of the signal.
    pub(crate) const fn key(&self) -> (i64, &'a str) {
        (self.producer_id, self.external_id)
    }
}

impl<'a> From<&'a NewSignal> for NewSignalRow<'a> {
    fn from(signal: &'a NewSignal) -> Self {
        Self {
            producer_id: signal.producer.get(),
            external_id: signal.external_id.as_str(),
            symbol: signal.symbol.as_str(),
            action: signal.action.as_str(),
            entry_price: signal.entry_price.as_str(),
            target_price: signal.target_price.as_ref().map(Price::as_str),
            stop_price: signal.stop_price.as_ref().map(Price::as_str),
            confidence: signal.confidence.percent(),
            confidence_text: signal.confidence.as_str(),
            strategy: signal.strategy.as_ref().map(Strategy::as_str),
            asset_type: signal.asset_type.as_str(),
            data_source: signal.data_source.as_deref(),
            reasoning: signal.reasoning.as_deref(),
            regime: signal.regime.as_deref(),
            consensus_agreement: signal.consensus_agreement.as_deref(),
            sources_count: signal.sources_count,
            signal_timestamp: &signal.timestamp,
            signalled_at: signal.signalled_at.micros(),
            hash: signal.hash.as_str(),
            content_hash: signal.content_hash.as_str(),
            is_simulated: signal.is_simulated,
            created_at: signal.created_at.micros(),
            origin: signal.origin.as_str(),
        }
    }
}

#[derive(Queryable)]
pub(crate) struct OutcomeRow {
    _id: i64,
    pub(crate) signal_id: i64,
    status: String,
    exit_price: Option<String>,
    pnl_steps: Option<i64>,
    exit_timestamp: Option<String>,
    closed_at: i64,
    recorded_at: i64,
}

impl OutcomeRow {
    pub(crate) fn outcome(self) -> Result<Outcome> {
        Ok(Outcome {
            status: stored("outcomes.status", &self.status)?,
            exit_price: stored_option("outcomes.exit_price", self.exit_price.as_deref())?,
            pnl: self.pnl_steps.map(PnlPercent::from_steps),
            exit_timestamp: self.exit_timestamp,
            closed_at: instant("outcomes.closed_at", self.closed_at)?,
            recorded_at: instant("outcomes.recorded_at", self.recorded_at)?,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = outcomes, treat_none_as_default_value = false)]
pub(crate) struct NewOutcomeRow<'a> {
    signal_id: i64,
    status: &'a str,
    exit_price: Option<&'a str>,
    pnl_steps: Option<i64>,
    exit_timestamp: Option<&'a str>,
    closed_at: i64,
    recorded_at: i64,
}

impl<'a> NewOutcomeRow<'a> {
    pub(crate) fn new(row: i64, outcome: &'a Outcome) -> Self {
        Self {
            signal_id: row,
            status: outcome.status.as_str(),
            exit_price: outcome.exit_price.as_ref().map(ExitPrice::as_str),
            pnl_steps: outcome.pnl.map(PnlPercent::steps),
            exit_timestamp: outcome.exit_timestamp.as_deref(),
            closed_at: outcome.closed_at.micros(),
            recorded_at: outcome.recorded_at.micros(),
        }
    }
}

/// What was reported of a signal that had expired, stored or to be stored.
#[derive(Queryable, Insertable)]
#[diesel(table_name = late_outcomes)]
pub(crate) struct LateOutcomeRow {
    pub(crate) signal_id: i64,
    status: String,
    exit_price: String,
    pnl_steps: i64,
    exit_timestamp: String,
    closed_at: i64,
    recorded_at: i64,
}

impl LateOutcomeRow {
    /// The late outcome of the signal in this row.
    ///
    /// # Errors
    /// [`Error::Internal`] if it lacks what each report has.
    pub(crate) fn new(signal_id: i64, late: &Outcome) -> Result<Self> {
        let (Some(exit_price), Some(pnl), Some(exit_timestamp)) =
            (&late.exit_price, late.pnl, &late.exit_timestamp)
        else {
            return Err(Error::internal("a late outcome without a price or a time"));
        };
        Ok(Self {
            signal_id,
            status: late.status.as_str().to_owned(),
            exit_price: exit_price.as_str().to_owned(),
            pnl_steps: pnl.steps(),
            exit_timestamp: exit_timestamp.clone(),
            closed_at: late.closed_at.micros(),
            recorded_at: late.recorded_at.micros(),
        })
    }

    pub(crate) fn outcome(self) -> Result<Outcome> {
        Ok(Outcome {
            status: stored("late_outcomes.status", &self.status)?,
            exit_price: Some(stored("late_outcomes.exit_price", &self.exit_price)?),
            pnl: Some(PnlPercent::from_steps(self.pnl_steps)),
            exit_timestamp: Some(self.exit_timestamp),
            closed_at: instant("late_outcomes.closed_at", self.closed_at)?,
            recorded_at: instant("late_outcomes.recorded_at", self.recorded_at)?,
        })
    }
}

/// A request that nobody has answered.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = keyed_requests, treat_none_as_null = true)]
pub(crate) struct KeyedRequestRow<'a> {
    #[diesel(skip_update)]
    pub(crate) name: &'a str,
    pub(crate) fingerprint: String,
    pub(crate) begun_at: i64,
    pub(crate) lease: String,
    pub(crate) held_until: i64,
    pub(crate) status: Option<i64>,
    pub(crate) media_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: Option<String>,
}
