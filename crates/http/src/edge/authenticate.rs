//! Who sends a request, as far as its route wants to know.

use actix_web::{
    HttpRequest,
    http::header::{AUTHORIZATION, HeaderName},
};
use alpine_domain::{
    Error,
    account::{Caller, Permission, Role},
};

use crate::{
    endpoint::Access,
    extract::address::ClientAddress,
    limit,
    problem::{self, Challenge, Problem, Result},
    request_info::{CallerId, RequestInfo},
    state::AppState,
};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The scheme and the space after it.
const BEARER: &[u8] = b"Bearer ";

/// What every key begins with, and no access token.
const KEYS: &str = "alp_";

/// Whether a text looks as access tokens do (RFC 7515, section 7.1).
fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

/// The longest credential that is looked at, in bytes.
const MAX_CREDENTIAL: usize = 4_096;

/// Establishes the caller by the credentials that the route looks at; anonymous if there are none.
pub(crate) async fn identify(
    state: &AppState,
    info: &RequestInfo,
    request: &HttpRequest,
    access: Access,
    address: ClientAddress,
) -> Result<Caller> {
    let takes_tokens = !matches!(access, Access::Public | Access::Producer);
    let (takes_keys, challenge) = match access {
        Access::Public | Access::Bearer | Access::Admin => (false, Challenge::Bearer),
        Access::Optional(_) | Access::BearerOrKey(_) => (true, Challenge::BearerInvalid),
        Access::Producer => (true, Challenge::ProducerKey),
    };
    if takes_tokens && let Some(token) = bearer_token(request)? {
        return by_token(state, token).await;
    }
    if takes_keys && let Some(key) = api_key(request)? {
        // Boxed, so that the future of a common request stays small.
        return Box::pin(by_key(state, info, key, challenge, address)).await;
    }
    Ok(Caller::Anonymous)
}

/// What to answer where the route asks for credentials and none were sent.
pub(crate) fn missing(caller: &Caller, access: Access) -> Option<Problem> {
    let may_be_anonymous = matches!(access, Access::Public | Access::Optional(_));
    (matches!(caller, Caller::Anonymous) && !may_be_anonymous).then(|| challenge(access))
}

/// Whether the caller is of the kind that the route wants.
pub(crate) fn permit(caller: &Caller, access: Access) -> Result<()> {
    let forbidden = |detail| Err(Problem::new(&problem::FORBIDDEN, detail));
    match (access, caller) {
        (Access::Optional(scope) | Access::BearerOrKey(scope), Caller::ApiKey { scopes, .. })
            if !scopes.has(scope) =>
        {
            let detail = format!("the API key lacks the scope \"{scope}\"");
            Err(Problem::new(&problem::MISSING_SCOPE, detail))
        }
        (Access::Public | Access::Optional(_), _)
        | (Access::Bearer, Caller::User { .. })
        | (Access::BearerOrKey(_), Caller::User { .. } | Caller::ApiKey { .. })
        | (Access::Producer, Caller::Producer(_)) => Ok(()),
        (Access::Admin, Caller::User { state, .. })
            if state.role.permits(Permission::Administer) =>
        {
            Ok(())
        }
        (Access::Admin, Caller::User { .. }) => forbidden("only administrators may do this"),
        (Access::Producer, Caller::ApiKey { .. }) => {
            forbidden("this is a user's API key; only a producer's key may push signals")
        }
        (_, Caller::Anonymous) => Err(challenge(access)),
        (_, Caller::Producer(_)) => forbidden("a producer's key may only push signals"),
        (_, Caller::ApiKey { .. }) => {
            forbidden("an API key is not taken here, whatever its scopes")
        }
        (Access::Producer, Caller::User { .. }) => forbidden("only producers may push signals"),
    }
}

fn challenge(access: Access) -> Problem {
    match access {
        Access::Producer => {
            Problem::unauthenticated(Challenge::ProducerKey, "send the producer's key in X-API-Key")
        }
        Access::BearerOrKey(_) => Problem::unauthenticated(
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
    if token.starts_with(KEYS) {
        let detail = "this is a key and no access token: send it in X-API-Key";
        return Err(Problem::unauthenticated(Challenge::BearerInvalid, detail));
    }
    ensure_fresh(state).await?;
    let found = state.services.use_cases.authenticator.bearer(token).await;
    found.map_err(|error| refused(error, Challenge::BearerInvalid))
}

/// A token is proved by computing; a key has to be looked up. So where many bad ones came from, only
/// those are looked at that this process knows.
async fn by_key(
    state: &AppState,
    info: &RequestInfo,
    key: &str,
    challenge: Challenge,
    address: ClientAddress,
) -> Result<Caller> {
    let authenticator = &state.services.use_cases.authenticator;
    if let Err(exhausted) = limit::check_refusals(state, info, address)
        && !authenticator.remembers(key)
    {
        return Err(exhausted);
    }
    if is_token(key) {
        let detail = "this is an access token and no key: send Authorization: Bearer with it";
        return Err(Problem::unauthenticated(challenge, detail));
    }
    ensure_fresh(state).await?;
    authenticator.key(key).await.map_err(|error| refused(error, challenge))
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

/// Who calls, for logs; `None` where nobody is known.
pub(crate) fn id(caller: &Caller) -> Option<CallerId> {
    match caller {
        Caller::Anonymous => None,
        Caller::User { id, .. } | Caller::ApiKey { owner: id, .. } => Some(CallerId::User(*id)),
        Caller::Producer(producer) => Some(CallerId::Producer(producer.name.clone())),
    }
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
