//! Subscriptions, what the provider sends, and what the owner should look at.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use alpine_domain::{
    Error,
    account::Tier,
    billing::{BillingInterval, StoredInvoice, Upgraded},
    page::Cursor,
    signal::SignalId,
};

use super::{
    parameters,
    views::{
        DifferenceView, EndingView, EventTakenView, InvoicePageView, InvoiceView, OwnPlanView,
        PaymentsStateView, PortalView, UpgradedView,
    },
};
use crate::{cached::next_link, context::Context, extract::body::MediaType, problem::Result};

/// Customers that one answer shows at most.
const MOST_DIFFERENCES: u32 = 100;

/// `GET subscriptions/plan`.
pub(crate) async fn plan(context: Context) -> Result<HttpResponse> {
    let own = context.state.services.use_cases.subscriptions.plan(context.user()?).await?;
    context.ok(&OwnPlanView::new(&own, &context.state.settings.plans))
}

/// `POST subscriptions/upgrade`.
pub(crate) async fn upgrade(mut context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let key = context.idempotency_key()?;
    let mut fields = context.json().await?;
    let tier = fields.parsed("tier", str::parse::<Tier>);
    let interval = fields.optional_parsed("interval", str::parse::<BillingInterval>);
    let tier = fields.finish_with(tier)?;
    let interval = interval.unwrap_or(BillingInterval::Month);
    let subscriptions = &context.state.services.use_cases.subscriptions;
    let done = subscriptions.upgrade(user, tier, interval, key.as_ref()).await?;
    let (message, checkout_url) = match &done {
        Upgraded::Checkout(url) => {
            ("pay at checkout_url; the tier begins then", Some(url.as_str()))
        }
        Upgraded::Changed => ("the subscription was changed", None),
    };
    context.ok(&UpgradedView { message, tier, checkout_url })
}

/// `POST subscriptions/cancel`.
pub(crate) async fn cancel(context: Context) -> Result<HttpResponse> {
    set_ending(&context, true, "the subscription ends with its period; until then everything stays")
        .await
}

/// `POST subscriptions/resume`.
pub(crate) async fn resume(context: Context) -> Result<HttpResponse> {
    set_ending(&context, false, "the subscription goes on").await
}

async fn set_ending(context: &Context, is_ending: bool, message: &str) -> Result<HttpResponse> {
    let subscriptions = &context.state.services.use_cases.subscriptions;
    let current = subscriptions.set_ending(context.user()?, is_ending).await?;
    context.ok(&EndingView {
        message,
        cancel_at_period_end: current.is_ending,
        current_period_end: current.period_end,
    })
}

/// `POST subscriptions/portal`.
pub(crate) async fn portal(context: Context) -> Result<HttpResponse> {
    let url = context.state.services.use_cases.subscriptions.portal(context.user()?).await?;
    let message = "invoices, ways to pay and cancelling are at portal_url";
    context.ok(&PortalView { message, portal_url: &url })
}

/// `GET subscriptions/invoices`.
pub(crate) async fn invoices(context: Context) -> Result<HttpResponse> {
    let user = context.user()?;
    let described = parameters::invoices();
    let (values, _) = context.parameters(&described)?;
    let (limit, cursor) = values;
    let before = cursor.map(|cursor: Cursor| cursor.id.get());
    let subscriptions = &context.state.services.use_cases.subscriptions;
    let page = subscriptions.invoices(user, before, limit).await?;
    let cursor = |last: &StoredInvoice| Cursor {
        created_at: last.invoice.created_at,
        id: SignalId::new(last.row),
    };
    let next = page.invoices.last().filter(|_| page.has_more).map(cursor);
    let mut answer = context.ok(&InvoicePageView {
        items: page.invoices.iter().map(InvoiceView::from).collect(),
        limit,
        has_more: page.has_more,
        next_cursor: next.map(|next| next.to_string()),
    })?;
    let link = next.map(|next| next_link(context.canonical_path(), &described, &values, next));
    if let Some((name, value)) = link
        && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
    {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

/// `POST webhooks/stripe`. What is answered 200 is stored, with what is to be done; everything else comes again.
pub(crate) async fn receive(mut context: Context) -> Result<HttpResponse> {
    let (_, body) = context.body(&[MediaType::Json]).await?;
    let header = context.request.headers().get("stripe-signature");
    let signature = header.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let signature = signature
        .ok_or_else(|| Error::malformed("Stripe-Signature", "is missing, or cannot be read"))?;
    let taken = context.state.services.use_cases.payments.receive(signature, &body).await?;
    context.ok(&EventTakenView { status: "received", event_type: &taken.kind, event_id: &taken.id })
}

/// `GET admin/billing`.
pub(crate) async fn state(context: Context) -> Result<HttpResponse> {
    let cases = &context.state.services.use_cases;
    let mut records = cases.subscriptions.differing(MOST_DIFFERENCES + 1).await?;
    let has_more = records.len() > MOST_DIFFERENCES as usize;
    records.truncate(MOST_DIFFERENCES as usize);
    let now = context.state.services.clock.now();
    context.ok(&PaymentsStateView {
        provider: cases.payments.provider_name(),
        items: records.iter().map(|record| DifferenceView::new(record, now)).collect(),
        has_more,
    })
}
