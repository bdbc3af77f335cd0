//! A producer, what it sends, and an intake that stores nothing.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use alpine_domain::{
    Error, FieldError, Result, Timestamp,
    json::{JsonObject, Member},
    producer::{Producer, ProducerId},
    signal::{
        Accepted, HashForm, Intake, NewOutcome, NewSignal, OutcomeRecorded, SignalId, SignalStore,
        Strategy, VerificationHash, canonical_text,
        hashed::{HashedFields, HashedValue},
    },
    time::ManualClock,
};
use async_trait::async_trait;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_225_600)
}

pub(crate) fn producer() -> Producer {
    Producer {
        id: ProducerId::new(1),
        name: "argo".parse().expect("a valid name"),
        is_simulated: false,
        is_active: true,
        created_at: now(),
    }
}

/// Keeps what it is given until it is taken; calls everything new.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<NewSignal>>);

impl Kept {
    pub(crate) fn take(&self) -> Vec<NewSignal> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

#[async_trait]
impl SignalStore for Kept {
    async fn accept(&self, signals: Vec<NewSignal>) -> Result<Vec<Accepted>> {
        let answers = signals.iter().map(|_| Accepted::Stored(SignalId::new(1))).collect();
        self.0.lock().expect("nobody panics with it").extend(signals);
        Ok(answers)
    }

    async fn record_outcome(&self, _: NewOutcome) -> Result<OutcomeRecorded> {
        Ok(OutcomeRecorded::UnknownSignal)
    }

    async fn record_outcomes(
        &self,
        outcomes: Vec<NewOutcome>,
    ) -> Result<Vec<std::result::Result<OutcomeRecorded, Vec<FieldError>>>> {
        Ok(outcomes.iter().map(|_| Ok(OutcomeRecorded::UnknownSignal)).collect())
    }

    async fn expire(
        &self,
        _: Timestamp,
        _: Duration,
        _: &[(Strategy, Duration)],
        _: u32,
    ) -> Result<Vec<SignalId>> {
        Ok(Vec::new())
    }
}

/// An intake, and what it stored.
pub(crate) fn intake() -> (Intake, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let clock = Arc::new(ManualClock::starting_at(now()));
    (Intake::new(kept.clone(), clock, Duration::from_hours(24)), kept)
}

/// The result of a future that waits for nothing but its turn.
pub(crate) fn now_or_next<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return result;
        }
    }
}

/// The nine values that the hash of this body covers; `None` where one of them has another type.
pub(crate) fn hashed(body: &[u8], form: HashForm) -> Option<String> {
    let object = JsonObject::parse(body).ok()?;
    let member = |names: [&str; 2]| names.iter().find_map(|name| object.member(name));
    let text = |name| match object.member(name) {
        Some(Member::Text(text)) => Some(Some(text)),
        None => Some(None),
        Some(_) => None,
    };
    let number = |name, alias| match member([name, alias]) {
        Some(Member::Number(digits)) => Some(HashedValue::Number(digits)),
        None => Some(HashedValue::Missing),
        Some(_) => None,
    };
    let texts = [
        text("action")?,
        text("signal_id")?,
        text("strategy")?,
        text("symbol")?,
        text("timestamp")?,
    ];
    let [action, signal_id, strategy, symbol, timestamp] = texts
        .each_ref()
        .map(|text| text.as_deref().map_or(HashedValue::Missing, HashedValue::Text));
    let fields = HashedFields([
        ("action", action),
        ("confidence", number("confidence", "confidence")?),
        ("entry_price", number("entry_price", "entry_price")?),
        ("signal_id", signal_id),
        ("stop_price", number("stop_price", "stop_loss")?),
        ("strategy", strategy),
        ("symbol", symbol),
        ("target_price", number("target_price", "take_profit")?),
        ("timestamp", timestamp),
    ]);
    Some(canonical_text(&fields, form))
}

/// The body with the hash that is right for it, as a producer makes it: bytes at random never have one.
pub(crate) fn signed(body: &[u8], form: HashForm) -> Option<Vec<u8>> {
    let hash = VerificationHash::of(&hashed(body, form)?);
    let inside = body.trim_ascii_end().strip_suffix(b"}")?;
    let comma = if inside.trim_ascii_end().ends_with(b"{") { "" } else { "," };
    // Of a member that stands twice, the last one counts; the other name must not disagree.
    let hash = format!(r#"{comma}"verification_hash":null,"sha256":"{hash}"}}"#);
    Some([inside, hash.as_bytes()].concat())
}

pub(crate) fn form(byte: usize) -> HashForm {
    HashForm::ALL[byte % HashForm::ALL.len()]
}

/// A refusal says where and why, briefly; anything else would be answered by 500.
pub(crate) fn fields_of(error: &Error) -> Vec<&'static str> {
    let (Error::Invalid(errors) | Error::Malformed(errors)) = error else {
        panic!("refused by {error:?}");
    };
    assert!(!errors.is_empty(), "a refusal names a field");
    for error in errors {
        assert!((1..400).contains(&error.message.len()), "{error}");
    }
    errors.iter().map(|error| error.field).collect()
}
