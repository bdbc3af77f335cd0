//! Invariants 4, 5 and 9: what was revoked stays revoked, everywhere.

use std::time::Instant;

use alpine_domain::{Timestamp, account::Tier};
use serde_json::json;

use super::{
    cluster::{Cluster, State},
    watch::within_delta,
};
use crate::support::{Options, SignedIn, TestApp};

async fn status(app: &TestApp, token: &str) -> u16 {
    app.client().with_token(token).get("auth/me").await.status.as_u16()
}

async fn refresh(app: &TestApp, session: &SignedIn) -> u16 {
    let body = json!({"refresh_token": session.refresh_token});
    app.client().post("auth/refresh", &body).await.status.as_u16()
}

async fn sign_out(app: &TestApp, path: &str, token: &str) {
    let answer = app.client().with_token(token).post(path, &json!({})).await;
    answer.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_04_after_a_logout_no_instance_accepts_the_token_whatever_becomes_of_redis() {
    let Some(mut cluster) = Cluster::start(3, Options::default()).await else { return };
    let kept = cluster.account("ada@example.com", Tier::Pro).await.access_token;
    let mut revoked = Vec::new();
    for state in State::ALL {
        let token = cluster.apps[0].client().sign_in("ada@example.com").await.access_token;
        for app in &cluster.apps {
            assert_eq!(status(app, &token).await, 200, "before the logout");
        }
        cluster.enter(state).await;

        sign_out(&cluster.apps[0], "auth/logout", &token).await;
        let committed = Instant::now();
        assert_eq!(status(&cluster.apps[0], &token).await, 401, "on the instance that served it");
        let [b, c] = [&cluster.apps[1], &cluster.apps[2]];
        let refuses = async |app| {
            let refused = async || status(app, &token).await == 401;
            within_delta(committed).until("the token is refused", refused).await
        };
        let (on_b, on_c) = tokio::join!(refuses(b), refuses(c));
        eprintln!("accepted up to {on_b:?} and {on_c:?} after the logout");
        for app in [b, c] {
            assert_eq!(status(app, &token).await, 401, "once refused, always refused");
            assert_eq!(status(app, &kept).await, 200, "another session of the same account");
        }
        revoked.push(token);
    }
    assert_all_refused(&cluster, &revoked, &kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_09_neither_flushing_nor_restarting_anything_un_revokes_a_token() {
    let Some(mut cluster) = Cluster::start(2, Options::default()).await else { return };
    let kept = cluster.account("ada@example.com", Tier::Pro).await.access_token;
    let token = cluster.apps[0].client().sign_in("ada@example.com").await.access_token;
    let revoked = [token];
    sign_out(&cluster.apps[0], "auth/logout", &revoked[0]).await;
    let refused = async || status(&cluster.apps[1], &revoked[0]).await == 401;
    within_delta(Instant::now()).until("the token is refused", refused).await;

    cluster.enter(State::Flushed).await;
    assert_all_refused(&cluster, &revoked, &kept).await;
    cluster.enter(State::RestartedEmpty).await;
    assert_all_refused(&cluster, &revoked, &kept).await;
    cluster.restart_instances().await;
    assert_all_refused(&cluster, &revoked, &kept).await;
    cluster.until_redis_is(true).await;
    assert_all_refused(&cluster, &revoked, &kept).await;
    // Both at once: nothing is left but the database.
    cluster.enter(State::Killed).await;
    cluster.restart_instances().await;
    assert_all_refused(&cluster, &revoked, &kept).await;
    cluster.enter(State::Up).await;
    assert_all_refused(&cluster, &revoked, &kept).await;
}

/// A restarted instance has room for fewer revocations than there are. It does not let in the one
/// that it has no room for; it may refuse others until the tokens have expired.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_09_a_restart_forgets_no_revocation_that_does_not_fit() {
    let settings = vec![("ALPINE__BLACKLIST__CAPACITY".to_owned(), "2".to_owned())];
    let options = Options { settings, ..Options::default() };
    let Some(mut cluster) = Cluster::start(1, options).await else { return };
    let mut revoked = vec![cluster.account("ada@example.com", Tier::Pro).await.access_token];
    for _ in 0..4 {
        revoked.push(cluster.apps[0].client().sign_in("ada@example.com").await.access_token);
    }
    for token in &revoked {
        let answer =
            cluster.apps[0].client().with_token(token).post("auth/logout", &json!({})).await;
        // Beyond the bound the instance cannot tell whether the caller's token is good.
        assert!([200, 503].contains(&answer.status.as_u16()), "{}", answer.status);
    }
    cluster.restart_instances().await;
    let mut answers = Vec::new();
    for token in &revoked {
        answers.push(status(&cluster.apps[0], token).await);
    }
    answers.sort_unstable();
    assert_eq!(answers, [401, 401, 503, 503, 503]);
}

async fn assert_all_refused(cluster: &Cluster, revoked: &[String], kept: &str) {
    for app in &cluster.apps {
        for token in revoked {
            assert_eq!(status(app, token).await, 401);
        }
        assert_eq!(status(app, kept).await, 200);
    }
}

/// The generation of a user.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_05_signing_out_everywhere_spares_who_signs_in_again_in_the_same_second() {
    spares_who_signs_in_again("ada@example.com", async |app, token| {
        sign_out(app, "auth/logout-all", token).await;
    })
    .await;
}

/// The generation of the whole system.
#[tokio::test(flavor = "multi_thread")]
async fn invariant_05_signing_everybody_out_spares_who_signs_in_again_in_the_same_second() {
    spares_who_signs_in_again("bob@example.com", async |app, _| {
        app.core.use_cases.accounts.sign_out_everybody().await.unwrap();
    })
    .await;
}

/// `end` ends the session of Ada on one instance and that of `other` on another one. The clock stands
/// still, so that everything happens in the same second.
async fn spares_who_signs_in_again(other: &str, end: impl AsyncFn(&TestApp, &str)) {
    let start = Timestamp::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
    let options = Options::default().clock_at(start);
    let Some(mut cluster) = Cluster::start(2, options).await else { return };
    let mut before = cluster.account("ada@example.com", Tier::Pro).await;
    cluster.account("bob@example.com", Tier::Free).await;
    for state in State::ALL {
        for app in &cluster.apps {
            assert_eq!(status(app, &before.access_token).await, 200);
        }
        cluster.enter(state).await;
        let [a, b] = [&cluster.apps[0], &cluster.apps[1]];
        let on_b = b.client().sign_in(other).await;
        assert_eq!(status(b, &on_b.access_token).await, 200);
        end(a, &before.access_token).await;
        let committed = Instant::now();
        let after = a.client().sign_in("ada@example.com").await;
        assert_eq!(status(a, &before.access_token).await, 401, "on the instance that did it");
        assert_eq!(status(a, &on_b.access_token).await, 401, "a session of another instance");
        for app in [a, b] {
            for from_before in [&before, &on_b] {
                assert_eq!(refresh(app, from_before).await, 401, "at once, on both");
            }
            let in_the_same_second = status(app, &after.access_token).await;
            assert_eq!(in_the_same_second, 200, "issued after it, in the same second");
        }
        for from_before in [&before, &on_b] {
            let refused = async || status(b, &from_before.access_token).await == 401;
            within_delta(committed).until("the token is refused", refused).await;
        }
        for app in [a, b] {
            assert_eq!(status(app, &after.access_token).await, 200, "and still good");
        }
        before = after;
    }
}
