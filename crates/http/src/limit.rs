//! How often a caller may ask, and the headers that tell it.

use std::time::Duration;

use actix_web::http::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use alpine_domain::{
    account::{Caller, Email, MailPurpose, SessionId, digest},
    ports::rate_limit::{Decision, RatePolicy},
};
use arrayvec::{ArrayString, ArrayVec};

use crate::{
    endpoint::{Limit, MountedEndpoint},
    extract::address::{AddressGroup, ClientAddress},
    limit_settings::Policy,
    policies::{CountedPolicy, Counter, RateStatus},
    problem::{Problem, Result, whole_seconds},
    request_info::RequestInfo,
    state::AppState,
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const OLD_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const OLD_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const OLD_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What is known of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// Its requests.
    Requests,
    /// Credentials that it sent and that were refused.
    Refusals,
}

/// Counts a request of a caller against the policy of its class, and against the one that its route
/// names. Requests without credentials are counted by address.
pub(crate) async fn count_caller(
    state: &AppState,
    info: &RequestInfo,
    mounted: &MountedEndpoint,
    caller: &Caller,
    address: ClientAddress,
) -> Result<()> {
    let is_anonymous = matches!(caller, Caller::Anonymous);
    match mounted.endpoint.limit {
        Limit::None | Limit::Session => {}
        Limit::Address => {
            count_address(state, info, Policy::Address, Counts::Requests, address).await?;
        }
        Limit::SignIn => {
            count_address(state, info, Policy::SignIn, Counts::Requests, address).await?;
        }
        Limit::Caller if is_anonymous => {
            count_address(state, info, Policy::Anonymous, Counts::Requests, address).await?;
        }
        Limit::Caller => {
            count(state, info, Policy::of(caller), &of_caller(caller, address)).await?;
        }
    }
    match &mounted.extra_limit {
        None => Ok(()),
        Some(Ok(policy)) => {
            let decision = admit(state, &policy.rate, &of_caller(caller, address)).await;
            settle(info, &policy.rate, Counter::Route, decision)
        }
        // Known at startup for the routes of the table; for others, better no answer than no limit.
        Some(Err(missing)) => {
            Err(alpine_domain::Error::internal(std::io::Error::other(missing.clone())).into())
        }
    }
}

/// Counts a request that lacks the credentials which its route asks for.
pub(crate) async fn count_missing(
    state: &AppState,
    info: &RequestInfo,
    address: ClientAddress,
) -> Result<()> {
    count_address(state, info, Policy::Address, Counts::Requests, address).await
}

/// Counts a credential that was refused (401) against the limit of its address; gives the problem to
/// answer with. Good credentials are not counted here, so many callers behind one address do not get
/// in each other's way.
pub(crate) async fn count_refusal(
    state: &AppState,
    info: &RequestInfo,
    address: ClientAddress,
    problem: Problem,
) -> Problem {
    if problem.status() != StatusCode::UNAUTHORIZED {
        return problem;
    }
    let counted = count_address(state, info, Policy::Address, Counts::Refusals, address).await;
    counted.err().unwrap_or(problem)
}

/// Refuses to look up a credential that is not known in this process, once an address has sent as many
/// bad ones as it may: guesses cost the database no more than that. Counts nothing.
pub(crate) fn check_refusals(
    state: &AppState,
    info: &RequestInfo,
    address: ClientAddress,
) -> Result<()> {
    let limiter = &*state.services.limiter;
    for (counter, key) in counters(Policy::Address, Counts::Refusals, address) {
        let policy = policy_of(state, counter);
        if let Some(decision) = limiter.known_refusal(&policy.rate, &key) {
            return settle(info, &policy.rate, counter, decision);
        }
    }
    Ok(())
}

/// Counts one refresh of a session.
pub(crate) async fn count_refresh(
    state: &AppState,
    info: &RequestInfo,
    session: SessionId,
) -> Result<()> {
    count(state, info, Policy::Refresh, &named("s:", session.as_uuid().as_bytes())).await
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
    count_unshown(state, info, Counter::Policy(Policy::SignIn), &who).await
}

/// Counts one guess at an account's secret from any address that never signed in to it.
pub(crate) async fn count_stranger(
    state: &AppState,
    info: &RequestInfo,
    account: &str,
) -> Result<()> {
    let who = format!("s:{}", nameless(account));
    count_unshown(state, info, Counter::Policy(Policy::Strangers), &who).await
}

/// Counts one mail of a kind to the address of an account, whoever causes it, and whether or not there is such
/// an account.
pub(crate) async fn count_mail(
    state: &AppState,
    info: &RequestInfo,
    kind: MailPurpose,
    account: &str,
) -> Result<()> {
    let who = format!("m:{kind}:{}", nameless(account));
    count_unshown(state, info, Counter::Policy(Policy::Mails), &who).await
}

/// Counts by address; for IPv6 by the /64, then by its /56 and its /48, which have larger limits: a
/// refused request has cost its neighbours nothing.
async fn count_address(
    state: &AppState,
    info: &RequestInfo,
    policy: Policy,
    counts: Counts,
    address: ClientAddress,
) -> Result<()> {
    for (counter, key) in counters(policy, counts, address) {
        match counter {
            // The others of its class are told of, in every answer.
            Counter::Policy(policy) if policy != Policy::Address => {
                count(state, info, policy, &key).await?;
            }
            _ => count_unshown(state, info, counter, &key).await?,
        }
    }
    Ok(())
}

/// Counts against a policy that every answer tells of.
async fn count(state: &AppState, info: &RequestInfo, policy: Policy, who: &str) -> Result<()> {
    let rate = &state.limits.of(policy).rate;
    let decision = admit(state, rate, who).await;
    settle(info, rate, Counter::Policy(policy), decision)
}

/// Counts against a policy that is told of in a refusal only: otherwise the caller's own says more.
async fn count_unshown(
    state: &AppState,
    info: &RequestInfo,
    counter: Counter,
    who: &str,
) -> Result<()> {
    let policy = policy_of(state, counter);
    let decision = admit(state, &policy.rate, who).await;
    if decision.allowed { Ok(()) } else { settle(info, &policy.rate, counter, decision) }
}

/// Under what, and as whom, an address is counted.
fn counters(
    policy: Policy,
    counts: Counts,
    address: ClientAddress,
) -> impl Iterator<Item = (Counter, Key)> {
    let kinds = match counts {
        Counts::Requests => ["a:", "n:", "m:", "l:"],
        Counts::Refusals => ["A:", "N:", "M:", "L:"],
    };
    let keys: ArrayVec<(Counter, Key), 3> = match address.group() {
        AddressGroup::V4(address) => {
            [(Counter::Policy(policy), named(kinds[0], &address))].into_iter().collect()
        }
        AddressGroup::V6(network) => {
            let bytes = network.to_be_bytes();
            [
                (Counter::Policy(policy), named(kinds[1], &bytes)),
                (Counter::Network(policy, 0), named(kinds[2], &bytes[..7])),
                (Counter::Network(policy, 1), named(kinds[3], &bytes[..6])),
            ]
            .into()
        }
    };
    keys.into_iter()
}

/// The policy of a counter that no route has named.
fn policy_of(state: &AppState, counter: Counter) -> &CountedPolicy {
    match counter {
        Counter::Network(policy, width) => state.limits.of_network(policy, width),
        Counter::Policy(policy) => state.limits.of(policy),
        Counter::Route => state.limits.of(Policy::Address),
    }
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

fn of_caller(caller: &Caller, address: ClientAddress) -> Key {
    match caller {
        Caller::Anonymous => match address.group() {
            AddressGroup::V4(address) => named("a:", &address),
            AddressGroup::V6(network) => named("n:", &network.to_be_bytes()),
        },
        Caller::User { id, .. } => named("u:", id.as_uuid().as_bytes()),
        // All keys of one owner together: more keys are no way to a higher limit.
        Caller::ApiKey { owner, .. } => named("k:", owner.as_uuid().as_bytes()),
        Caller::Producer(producer) => named("p:", &producer.id.get().to_be_bytes()),
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
    let mut text = digest(&Email::folded(account));
    text.truncate(32);
    text
}

fn settle(
    info: &RequestInfo,
    rate: &RatePolicy,
    counter: Counter,
    decision: Decision,
) -> Result<()> {
    let refusal = (!decision.allowed).then(|| {
        // Whatever clocks did meanwhile: a window is over when it is over.
        let longest = decision.window.max(Duration::from_secs(1));
        let wait = decision.retry_after.unwrap_or(Duration::from_secs(1)).min(longest);
        Problem::rate_limited(rate.name, wait)
    });
    info.rate_status.replace(Some(RateStatus { counter, decision }));
    refusal.map_or(Ok(()), Err)
}

/// Writes what the limiter said: the fields of draft-ietf-httpapi-ratelimit-headers, and the older
/// ones, where `X-RateLimit-Reset` is in Unix seconds.
pub(crate) fn write_headers(headers: &mut HeaderMap, info: &RequestInfo, state: &AppState) {
    let status = info.rate_status.borrow();
    let Some(RateStatus { counter, decision }) = status.as_ref() else {
        return;
    };
    let policy = match (counter, info.route.get()) {
        (Counter::Route, Some(mounted)) => {
            let Some(Ok(policy)) = &mounted.extra_limit else { return };
            policy
        }
        (counter, _) => policy_of(state, *counter),
    };
    let reset = whole_seconds(decision.reset_after);
    let name = policy.window_name(decision.window);
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
    if let Some(text) = &policy.header {
        headers.insert(POLICY, text.clone());
    }
    headers.insert(OLD_LIMIT, decision.limit.into());
    headers.insert(OLD_REMAINING, decision.remaining.into());
    headers.insert(OLD_RESET, info.began.later(decision.reset_after).seconds().into());
}
