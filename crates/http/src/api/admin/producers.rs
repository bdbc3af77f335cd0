//! Producers and their keys, for administrators.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{HeaderValue, LOCATION},
    },
};
use alpine_domain::{
    Timestamp,
    producer::{DEFAULT_OVERLAP, MAX_OVERLAP, Producer, ProducerId, ProducerName},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    context::Context,
    context::Message,
    doc::Doc,
    json::MEDIA_TYPE as JSON,
    problem::{self, Result},
};

/// A producer. Its key is kept as a digest.
#[derive(Serialize, ToSchema)]
#[schema(as = Producer)]
struct ProducerView<'a> {
    id: i64,
    #[schema(max_length = 64, example = "argo")]
    name: &'a str,
    is_simulated: bool,
    /// Whether its keys are taken.
    is_active: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Until when the key is good that it had before; `null` when none is.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    old_key_until: Option<Timestamp>,
}

impl<'a> ProducerView<'a> {
    fn of(producer: &'a Producer, old_key_until: Option<Timestamp>) -> Self {
        let Producer { id, name, is_simulated, is_active, created_at } = producer;
        Self {
            id: id.get(),
            name: name.as_str(),
            is_simulated: *is_simulated,
            is_active: *is_active,
            created_at: *created_at,
            old_key_until,
        }
    }
}

/// Every producer, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = Producers)]
struct ProducersView<'a> {
    items: Vec<ProducerView<'a>>,
    total: usize,
}

/// A producer with its new key.
#[derive(Serialize, ToSchema)]
#[schema(as = ProducerKey)]
struct ProducerKeyView<'a> {
    #[serde(flatten)]
    producer: ProducerView<'a>,
    /// Shown this once.
    #[schema(max_length = 128)]
    key: &'a str,
}

/// A new producer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ProducerRequest {
    #[schema(pattern = "^[a-z0-9_-]{1,64}$", min_length = 1, max_length = 64)]
    name: String,
    /// Everything it says is made up, and marked so wherever it shows.
    #[schema(default = false)]
    is_simulated: Option<bool>,
}

/// For how long the old key stays good.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct RotationRequest {
    /// A day if it is not said.
    #[schema(minimum = 0, maximum = 2_592_000, default = 86_400)]
    overlap_seconds: Option<u32>,
}

/// `GET admin/producers`. They are few: administrators make each of them.
pub(crate) async fn list(context: Context) -> Result<HttpResponse> {
    let all = context.state.services.use_cases.producers.overview().await?;
    let items: Vec<_> = all.iter().map(|(it, until)| ProducerView::of(it, *until)).collect();
    context.ok(&ProducersView { total: items.len(), items })
}

/// `POST admin/producers`.
pub(crate) async fn create(mut context: Context) -> Result<HttpResponse> {
    let mut fields = context.json().await?;
    let name = fields.parsed("name", str::parse::<ProducerName>);
    let is_simulated = fields.optional_flag("is_simulated");
    let name = fields.finish_with(name)?;
    let producers = &context.state.services.use_cases.producers;
    let made = producers.create(name.as_str(), is_simulated.unwrap_or(false)).await?;
    let view = ProducerKeyView { producer: ProducerView::of(&made.0, None), key: made.1.reveal() };
    let mut answer = context.answer(StatusCode::CREATED, &view)?;
    answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/api/v1/admin/producers"));
    Ok(answer)
}

/// `POST admin/producers/{id}/rotate`, with or without a body.
pub(crate) async fn rotate(mut context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "producer").map(ProducerId::new)?;
    let mut fields = context.optional_json().await?;
    let most = u32::try_from(MAX_OVERLAP.as_secs()).unwrap_or(u32::MAX);
    let overlap = fields.optional_number("overlap_seconds", 0..=most);
    fields.finish()?;
    let overlap = overlap.map_or(DEFAULT_OVERLAP, |seconds| Duration::from_secs(seconds.into()));
    let producers = &context.state.services.use_cases.producers;
    let (producer, key, until) = producers.rotate(id, overlap).await?;
    let old_key_until = (!overlap.is_zero()).then_some(until);
    let producer = ProducerView::of(&producer, old_key_until);
    context.ok(&ProducerKeyView { producer, key: key.reveal() })
}

/// `DELETE admin/producers/{id}`. What it sent stays, so it is disabled.
pub(crate) async fn disable(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "producer").map(ProducerId::new)?;
    context.state.services.use_cases.producers.disable(id).await?;
    context.message("disabled; instances refuse its keys within two seconds")
}

/// `POST admin/producers/{id}/enable`.
pub(crate) async fn enable(context: Context) -> Result<HttpResponse> {
    let id = context.segment("id", "producer").map(ProducerId::new)?;
    context.state.services.use_cases.producers.enable(id).await?;
    context.message("enabled")
}

fn doc(summary: &'static str, answer: &'static str) -> Doc {
    Doc::new("admin", summary, answer)
}

pub(crate) fn list_doc() -> Doc {
    doc("Every producer", "The producers, never their keys.").gives::<ProducersView<'_>>()
}

pub(crate) fn create_doc() -> Doc {
    doc("Make a producer", "Its key, shown this once.")
        .takes::<ProducerRequest>(JSON)
        .gives::<ProducerKeyView<'_>>()
        .created()
        .problems(&[&problem::PRODUCER_EXISTS])
}

pub(crate) fn rotate_doc() -> Doc {
    doc(
        "Give a producer another key",
        "The key, shown this once. The old one stays good as long as it is told.",
    )
    .may_take::<RotationRequest>(JSON)
    .gives::<ProducerKeyView<'_>>()
    .problems(&[&problem::NOT_FOUND])
}

pub(crate) fn disable_doc() -> Doc {
    doc("Disable a producer", "Disabled. What it sent stays.")
        .gives::<Message<'_>>()
        .problems(&[&problem::NOT_FOUND])
}

pub(crate) fn enable_doc() -> Doc {
    doc("Enable a producer", "Enabled.").gives::<Message<'_>>().problems(&[&problem::NOT_FOUND])
}
