//! Who sends a request, as far as its route wants to know.

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderName},
};
use alpine_domain::{
    Error,
    account::{Caller, Role},
};

use crate::{
    endpoint::Access,
    problem::{self, Challenge, Problem, Result},
    state::AppState,
};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The scheme and the space after it.
const BEARER: &[u8] = b"Bearer ";

/// The longest credential that is looked at, in bytes.
const MAX_CREDENTIAL: usize = 4_096;

/// Establishes the caller, or refuses by the route's access.
pub(crate) async fn authenticate(
    state: &AppState,
    request: &HttpRequest,
    access: Access,
) -> Result<Caller> {
    let caller = match access {
        Access::Public => Caller::Anonymous,
        // Boxed, so that the future of a common request stays small.
        Access::Producer => Box::pin(by_producer_key(state, request)).await?,
        Access::Bearer | Access::Admin => match bearer_token(request)? {
            Some(token) => by_token(state, token).await?,
            None => return Err(missing(access)),
        },
        Access::Optional | Access::BearerOrKey => {
            if let Some(token) = bearer_token(request)? {
                by_token(state, token).await?
            } else if let Some(key) = api_key(request)? {
                Box::pin(by_key(state, key)).await?
            } else {
                Caller::Anonymous
            }
        }
    };
    permit(caller, access)
}

/// Whether the caller is of the kind that the route wants.
fn permit(caller: Caller, access: Access) -> Result<Caller> {
    let forbidden = |detail| Err(Problem::new(&problem::FORBIDDEN, detail));
    match (access, &caller) {
        (Access::Public | Access::Optional, _)
        | (Access::Bearer, Caller::User { .. })
        | (Access::BearerOrKey, Caller::User { .. } | Caller::ApiKey { .. })
        | (Access::Producer, Caller::Producer(_)) => Ok(caller),
        (Access::Admin, Caller::User { state, .. }) if state.role == Role::Admin => Ok(caller),
        (Access::Admin, Caller::User { .. }) => forbidden("only administrators may do this"),
        (Access::Producer, Caller::ApiKey { .. }) => {
            forbidden("this is a user's API key; only a producer's key may push signals")
        }
        (_, Caller::Anonymous) => Err(missing(access)),
        (_, Caller::Producer(_)) => forbidden("a producer's key may only push signals"),
        (_, Caller::ApiKey { .. }) => forbidden("an API key may only read signals"),
        (Access::Producer, Caller::User { .. }) => forbidden("only producers may push signals"),
    }
}

fn missing(access: Access) -> Problem {
    match access {
        Access::Producer => {
            Problem::unauthenticated(Challenge::ProducerKey, "send the producer's key in X-API-Key")
        }
        Access::BearerOrKey => Problem::unauthenticated(
            Challenge::Bearer,
            "send Authorization: Bearer with an access token, or an API key in X-API-Key",
        ),
        _ => Problem::unauthenticated(
            Challenge::Bearer,
            "send Authorization: Bearer with an access token",
        ),
    }
}

async fn by_token(state: &AppState, token: &str) -> Result<Caller> {
    ensure_fresh(state).await?;
    let found = state.services.authenticator.bearer(token).await;
    found.map_err(|error| refused(error, Challenge::BearerInvalid))
}

async fn by_key(state: &AppState, key: &str) -> Result<Caller> {
    ensure_fresh(state).await?;
    let found = state.services.authenticator.key(key).await;
    found.map_err(|error| refused(error, Challenge::BearerInvalid))
}

async fn by_producer_key(state: &AppState, request: &HttpRequest) -> Result<Caller> {
    let Some(key) = api_key(request)? else {
        return Err(missing(Access::Producer));
    };
    ensure_fresh(state).await?;
    let found = state.services.authenticator.key(key).await;
    found.map_err(|error| refused(error, Challenge::ProducerKey))
}

/// A credential that was sent and refused.
fn refused(error: Error, challenge: Challenge) -> Problem {
    match error {
        Error::Unauthenticated(detail) => Problem::unauthenticated(challenge, detail),
        other => other.into(),
    }
}

/// What was revoked elsewhere must be known here before a credential is believed.
async fn ensure_fresh(state: &AppState) -> Result<()> {
    if state.services.freshness.is_fresh() {
        return Ok(());
    }
    Ok(state.services.freshness.catch_up().await?)
}

fn bearer_token(request: &HttpRequest) -> Result<Option<&str>> {
    let Some(value) = request.headers().get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value
        .as_bytes()
        .split_at_checked(BEARER.len())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(BEARER))
        .and_then(|(_, token)| std::str::from_utf8(token).ok())
        .map(|token| token.trim_matches(' '))
        .filter(|token| (1..=MAX_CREDENTIAL).contains(&token.len()));
    token.map(Some).ok_or_else(|| {
        Problem::unauthenticated(
            Challenge::BearerInvalid,
            "Authorization must be Bearer and an access token",
        )
    })
}

fn api_key(request: &HttpRequest) -> Result<Option<&str>> {
    let Some(value) = request.headers().get(API_KEY) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .filter(|key| (1..=MAX_CREDENTIAL).contains(&key.len()))
        .map(Some)
        .ok_or_else(|| {
            Problem::unauthenticated(Challenge::ProducerKey, "X-API-Key is not readable")
        })
}

/// The class of a caller, for logs.
pub(crate) const fn kind(caller: &Caller) -> &'static str {
    match caller {
        Caller::Anonymous => "anonymous",
        Caller::User { state, .. } => match state.role {
            Role::Admin => "admin",
            Role::User => "user",
        },
        Caller::ApiKey { .. } => "api_key",
        Caller::Producer(_) => "producer",
    }
}
