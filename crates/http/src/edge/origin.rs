//! Who asks, for the audit log, and what is refused before a handler runs.

use actix_web::HttpResponse;
use alpine_domain::{
    account::Caller,
    audit::{Action, Origin, Party, Reason, within},
};
use futures_util::future::LocalBoxFuture;

use crate::{
    context::Context,
    endpoint::{Access, Limit, MountedEndpoint},
    extract::address::ClientAddress,
    problem::Result,
    request_info::RequestInfo,
    route::Handler,
    state::AppState,
};

/// Who asks, from where, and by which request.
///
/// # Errors
/// 500, see [`AddressDigest::of`](alpine_domain::account::AddressDigest::of).
pub(super) fn of(
    state: &AppState,
    info: &RequestInfo,
    caller: &Caller,
    address: ClientAddress,
) -> Result<Origin> {
    Ok(Origin {
        actor: Party::from(caller),
        address: Some(state.services.use_cases.accounts.address_digest(&address.to_string())?),
        request_id: Some(info.request_id().to_owned()),
    })
}

/// What a handler answers, on behalf of who asks.
pub(super) fn run_as(
    origin: Option<Origin>,
    context: Context,
    handler: &Handler,
) -> LocalBoxFuture<'static, Result<HttpResponse>> {
    let work = handler(context);
    match origin {
        Some(origin) => Box::pin(within(origin, work)),
        None => work,
    }
}

/// Notes that an address made as many attempts as it may.
pub(super) fn note_limit(state: &AppState, origin: &Origin, mounted: &MountedEndpoint) {
    if mounted.endpoint.limit == Limit::SignIn {
        let (action, reason) = (Action::AttemptsLimited, Reason::LimitReached);
        let name = Some(mounted.endpoint.name);
        state.services.use_cases.denials.note_from(origin, action, reason, None, name);
    }
}

/// Notes that somebody asked for what only administrators may.
pub(super) fn note_forbidden(state: &AppState, origin: &Origin, mounted: &MountedEndpoint) {
    if mounted.endpoint.access == Access::Admin {
        let (action, reason) = (Action::AccessDenied, Reason::NotPermitted);
        let name = Some(mounted.endpoint.name);
        state.services.use_cases.denials.note_from(origin, action, reason, None, name);
    }
}
