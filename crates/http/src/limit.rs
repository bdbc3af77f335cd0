//! How often a caller may ask, and the headers that tell it.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use alpine_domain::{
    account::{Caller, digest},
    ports::rate_limit::{Decision, RatePolicy},
};
use arrayvec::ArrayString;

use crate::{
    endpoint::Limit,
    extract::address::{AddressGroup, ClientAddress},
    policy_header::RateStatus,
    problem::{Problem, Result, whole_seconds},
    request_info::RequestInfo,
    state::AppState,
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const OLD_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const OLD_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const OLD_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Counts a request of an address against the coarse limit, before anything is known of its caller.
pub(crate) async fn count_address(
    state: &AppState,
    info: &RequestInfo,
    limit: Limit,
    address: ClientAddress,
) -> Result<()> {
    if limit == Limit::None {
        return Ok(());
    }
    count_unshown(state, info, &state.settings.limits.address, &of_address(address)).await
}

/// Counts a request of a caller against the policy of its class.
pub(crate) async fn count_caller(
    state: &AppState,
    info: &RequestInfo,
    limit: Limit,
    caller: &Caller,
    address: ClientAddress,
) -> Result<()> {
    let limits = &state.settings.limits;
    let policy = match limit {
        Limit::None | Limit::Address => return Ok(()),
        Limit::Login => &limits.login,
        Limit::Producer => &limits.producer,
        Limit::Caller => limits.of(caller),
    };
    let who = match caller {
        Caller::Anonymous => of_address(address),
        Caller::User { id, .. } => named("u:", id.as_uuid().as_bytes()),
        // All keys of one owner together: more keys are no way to a higher limit.
        Caller::ApiKey { owner, .. } => named("k:", owner.as_uuid().as_bytes()),
        Caller::Producer(producer) => named("p:", &producer.id.get().to_be_bytes()),
    };
    let decision = admit(state, policy, &who).await;
    settle(state, info, policy, decision)
}

/// Counts one guess at an account's secret from one address. The account stands in the key only as a
/// digest, so that no address of a person reaches the limiter's store.
pub(crate) async fn count_attempt(
    state: &AppState,
    info: &RequestInfo,
    address: &ClientAddress,
    account: &str,
) -> Result<()> {
    let who = format!("g:{}:{address}", nameless(account));
    count_unshown(state, info, &state.settings.limits.login_account, &who).await
}

/// Counts one guess at an account's secret from any address that never signed in to it.
pub(crate) async fn count_stranger(
    state: &AppState,
    info: &RequestInfo,
    account: &str,
) -> Result<()> {
    let who = format!("s:{}", nameless(account));
    count_unshown(state, info, &state.settings.limits.strangers, &who).await
}

/// Counts against a policy that is told of in a refusal only: otherwise the caller's own says more.
async fn count_unshown(
    state: &AppState,
    info: &RequestInfo,
    policy: &RatePolicy,
    who: &str,
) -> Result<()> {
    let decision = admit(state, policy, who).await;
    if decision.allowed { Ok(()) } else { settle(state, info, policy, decision) }
}

/// Most decisions need no waiting, and then no room for it either.
async fn admit(state: &AppState, policy: &RatePolicy, who: &str) -> Decision {
    let limiter = &*state.services.limiter;
    match limiter.admit_now(policy, who) {
        Some(decision) => decision,
        None => limiter.admit(policy, who).await,
    }
}

/// A caller in the limiter's words: who it is, in hexadecimal. On the stack, as each request has two.
type Key = ArrayString<{ 2 + 2 * 16 }>;

fn of_address(address: ClientAddress) -> Key {
    match address.group() {
        AddressGroup::V4(address) => named("a:", &address),
        AddressGroup::V6(network) => named("n:", &network.to_be_bytes()),
    }
}

/// `kind` has two characters, `id` 16 bytes at most.
fn named(kind: &str, id: &[u8]) -> Key {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut key = Key::new();
    key.push_str(kind);
    for byte in id {
        key.push(char::from(DIGITS[usize::from(byte >> 4)]));
        key.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    key
}

/// The account in a key of the limiter's store, however its address is written.
fn nameless(account: &str) -> String {
    let mut text = digest(&account.trim().to_lowercase());
    text.truncate(32);
    text
}

fn settle(
    state: &AppState,
    info: &RequestInfo,
    policy: &RatePolicy,
    decision: Decision,
) -> Result<()> {
    let refusal = (!decision.allowed).then(|| {
        let wait = decision.retry_after.unwrap_or(Duration::from_secs(1));
        Problem::rate_limited(policy.name, wait)
    });
    let header = state.policy_headers.iter().position(|header| header.policy == policy.name);
    info.rate_status.replace(Some(RateStatus { header, decision }));
    refusal.map_or(Ok(()), Err)
}

/// Writes what the limiter said: the fields of draft-ietf-httpapi-ratelimit-headers, and the older
/// ones, where `X-RateLimit-Reset` is in Unix seconds.
pub(crate) fn write_headers(headers: &mut HeaderMap, info: &RequestInfo, state: &AppState) {
    let status = info.rate_status.borrow();
    let Some(RateStatus { header: Some(header), decision }) = status.as_ref() else {
        return;
    };
    let Some(header) = state.policy_headers.get(*header) else { return };
    let reset = whole_seconds(decision.reset_after);
    let name = header.window_name(decision.window);
    // On the stack: the value is copied once, to where it stays. The names are short; of one that is
    // not, the header is left out.
    let (mut remaining, mut after) = (itoa::Buffer::new(), itoa::Buffer::new());
    let parts =
        ["\"", name, "\";r=", remaining.format(decision.remaining), ";t=", after.format(reset)];
    let mut left = ArrayString::<96>::new();
    if parts.iter().all(|part| left.try_push_str(part).is_ok())
        && let Ok(left) = HeaderValue::from_str(&left)
    {
        headers.insert(STATE, left);
    }
    headers.insert(POLICY, header.value.clone());
    headers.insert(OLD_LIMIT, decision.limit.into());
    headers.insert(OLD_REMAINING, decision.remaining.into());
    headers.insert(OLD_RESET, info.began.later(decision.reset_after).seconds().into());
}
