//! What anybody needs to hash a signal and its outcome again.

use actix_web::HttpResponse;
use alpine_domain::{
    Timestamp,
    signal::{Origin, Outcome, RecordText, Signal, SignalId, SignalStatus, VerificationHash},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::views::{OriginWord, StatusWord};
use crate::{context::Context, problem::Result};

/// A signal's hashes with the texts that they are of. Each is SHA-256 over the bytes of the text.
#[derive(Serialize, ToSchema)]
#[schema(as = SignalVerification)]
pub(crate) struct VerificationView<'a> {
    /// Its number at Alpine.
    id: String,
    /// The producer's own id.
    signal_id: &'a str,
    producer: VerifiedProducer<'a>,
    #[schema(value_type = OriginWord)]
    origin: Origin,
    /// The producer's time of the signal, to the letter.
    #[schema(example = "2025-01-15T10:30:00+00:00")]
    timestamp: &'a str,
    /// When Alpine accepted it.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// What the producer hashed: its nine keys.
    canonical_text: String,
    /// The producer's hash.
    #[schema(min_length = 64, max_length = 64)]
    hash: &'a str,
    /// Whether the text gives the hash; it was compared when the signal was accepted.
    hash_matches: bool,
    /// What Alpine states of the signal.
    record: RecordView,
    /// How it ended, as far as the caller may know.
    #[schema(required = true)]
    outcome: Option<VerifiedOutcome<'a>>,
    /// What its producer reported after it had expired.
    #[schema(required = true)]
    late_outcome: Option<VerifiedOutcome<'a>>,
}

/// Who made the signal, and its hash. The hash is no signature: no key is part of it. The key that the signal was
/// sent with was the producer's; of keys Alpine keeps digests, and shows none.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerifiedProducer<'a> {
    /// Its number at Alpine, by which its keys are managed.
    #[schema(example = "1")]
    id: String,
    #[schema(example = "argo")]
    name: &'a str,
    /// Whether all that it says is made up.
    simulated: bool,
}

/// A canonical text with its hash.
#[derive(Serialize, ToSchema)]
#[schema(as = RecordText)]
pub(crate) struct RecordView {
    text: String,
    #[schema(min_length = 64, max_length = 64)]
    hash: String,
}

/// An outcome with its canonical text.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerifiedOutcome<'a> {
    #[schema(value_type = StatusWord)]
    status: SignalStatus,
    #[schema(value_type = OriginWord)]
    origin: Origin,
    /// The producer's time of the exit, to the letter; null for a signal that expired.
    #[schema(required = true)]
    exit_timestamp: Option<&'a str>,
    /// The same as an instant, or when the signal expired.
    #[schema(value_type = String, format = DateTime)]
    closed_at: Timestamp,
    /// When Alpine recorded it.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    record: RecordView,
}

impl From<RecordText> for RecordView {
    fn from(record: RecordText) -> Self {
        Self { hash: record.hash.to_string(), text: record.text }
    }
}

impl<'a> VerificationView<'a> {
    pub(crate) fn new(signal: &'a Signal) -> Self {
        let content = &signal.content;
        let (_, canonical_text) = signal.hashed_text();
        let record = signal.record();
        let outcome = |outcome: &'a Outcome, is_late| VerifiedOutcome {
            status: outcome.status,
            origin: signal.origin_of(outcome),
            exit_timestamp: outcome.exit_timestamp.as_deref(),
            closed_at: outcome.closed_at,
            received_at: outcome.recorded_at,
            record: outcome.record(&record.hash, is_late).into(),
        };
        Self {
            id: signal.id.to_string(),
            signal_id: content.external_id.as_str(),
            producer: VerifiedProducer {
                id: content.producer.get().to_string(),
                name: content.producer_name.as_str(),
                simulated: content.is_simulated,
            },
            origin: content.origin,
            timestamp: &content.timestamp,
            received_at: content.created_at,
            hash_matches: VerificationHash::of(&canonical_text) == content.hash,
            canonical_text,
            hash: content.hash.as_str(),
            outcome: signal.outcome.as_ref().map(|it| outcome(it, false)),
            late_outcome: signal.late_outcome.as_ref().map(|it| outcome(it, true)),
            record: record.into(),
        }
    }
}

/// `GET signals/{id}/verification`. It shows what `GET signals/{id}` shows to the same caller.
pub(crate) async fn verification(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "signal")?;
    let catalogue = &context.state.services.use_cases.catalogue;
    let signal = catalogue.find(context.viewer(), SignalId::new(id)).await?;
    context.ok(&VerificationView::new(&signal))
}
