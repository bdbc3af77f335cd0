//! What must hold when somebody attacks: each promise about passwords, tokens, authorization, keys, the surface and
//! HTTP has a test here that is named after it, over sockets, on both back ends.
//!
//! The rules behind them: ASVS 5.0, the API Security Top 10, RFC 8725 (JWT), RFC 9700 (OAuth), RFC 9110 (HTTP) and
//! RFC 9457 (problems). How each mechanism works in detail is tested beside it, in its crate. Whether the time of a
//! refused log-in tells anything is measured by `cargo xtask bench sign-in-timing`, never by a test.

mod authorization;
mod http;
mod keys;
mod passwords;
mod surface;
mod tokens;

use crate::support::Answer;

/// Checks status and problem type of a refusal.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, kind: &str) {
    let problem = answer.expect(status);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(problem["type"], format!("/problems/{kind}"), "{problem}");
}
