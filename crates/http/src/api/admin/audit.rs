//! The audit log and what it adds up to.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use alpine_domain::{
    Error,
    audit::{AuditFilter, AuditQuery, Position},
    page::Cursor,
    signal::SignalId,
};

use super::{
    parameters::{self, Audit, Events},
    views::{AuditPageView, SecurityMetricsView},
};
use crate::{cached::next_link, context::Context, extract::parameter::Parameters, problem::Result};

/// `GET admin/audit`.
pub(crate) async fn audit(context: Context) -> Result<HttpResponse> {
    let (values, _) = context.parameters(&parameters::audit())?;
    let query = query(values.0, filter(&values)?);
    page(&context, query, &parameters::audit(), &values).await
}

/// `GET security/events`.
pub(crate) async fn events(context: Context) -> Result<HttpResponse> {
    let (values, _) = context.parameters(&parameters::events())?;
    page(&context, query(values, AuditFilter::Security), &parameters::events(), &values).await
}

/// `GET security/metrics`.
pub(crate) async fn metrics(context: Context) -> Result<HttpResponse> {
    let day = context.state.services.use_cases.audit.day().await?;
    context.ok(&SecurityMetricsView::from(&day))
}

/// One condition at a time has its index.
fn filter(&(_, action, actor, subject): &Audit) -> Result<AuditFilter, Error> {
    match (action, actor, subject) {
        (None, None, None) => Ok(AuditFilter::All),
        (Some(action), None, None) => Ok(AuditFilter::Action(action)),
        (None, Some(actor), None) => Ok(AuditFilter::Actor(actor)),
        (None, None, Some(subject)) => Ok(AuditFilter::Subject(subject)),
        (Some(_), ..) => Err(Error::invalid("action", "give one of action, actor and subject")),
        _ => Err(Error::invalid("subject", "give one of action, actor and subject")),
    }
}

fn query((limit, cursor, since, until): Events, filter: AuditFilter) -> AuditQuery {
    let after = cursor.map(|cursor| Position { at: cursor.created_at, id: cursor.id.get() });
    AuditQuery { filter, since, until, after, limit }
}

async fn page<P: Parameters>(
    context: &Context,
    query: AuditQuery,
    parameters: &P,
    values: &P::Values,
) -> Result<HttpResponse> {
    let limit = query.limit;
    let page = context.state.services.use_cases.audit.page(query).await?;
    let next =
        page.next.map(|Position { at, id }| Cursor { created_at: at, id: SignalId::new(id) });
    let view = AuditPageView::new(&page, limit, next.map(|next| next.to_string()));
    let mut answer = context.ok(&view)?;
    let link = next.map(|next| next_link(context.canonical_path(), parameters, values, next));
    if let Some((name, value)) = link
        && let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
    {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}
