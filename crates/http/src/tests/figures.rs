//! Figures for administrators: what they are made of, and how long they are kept.

use std::time::Duration;

use actix_web::http::Method;
use alpine_domain::{
    Clock as _,
    account::{Role, Tier},
    audit::{Action, AuditLine, Entry, Origin, Reason},
};
use serde_json::json;

use super::harness::{USER_KEY, bearer, get, request, world};

/// Each action is counted another number of times, so that no figure can stand for another one.
#[actix_web::test]
async fn security_figures_are_sums_of_what_they_are_named_after() {
    let world = world();
    let admin = world.token(Tier::Free, Role::Admin);
    // Accounts were made before.
    world.clock.advance(Duration::from_hours(48));
    let now = world.clock.now();
    let count = |action: Action, is_denied: bool| {
        let place = Action::ALL.iter().position(|it| *it == action).unwrap();
        1_000 + 2 * u32::try_from(place).unwrap() + u32::from(is_denied)
    };
    let line = |action, is_denied| {
        let entry = Entry::new(now, action);
        let entry = if is_denied { entry.denied(Reason::NotPermitted) } else { entry };
        AuditLine { count: count(action, is_denied), ..entry.line(&Origin::default()) }
    };
    let lines = Action::ALL.iter().flat_map(|it| [line(*it, false), line(*it, true)]).collect();
    world.stores.audit.append(lines).await.unwrap();
    let shown = world.get_as(&admin, "/api/v1/security/metrics").await.json();
    assert_eq!(shown["counts"].as_array().unwrap().len(), 2 * Action::ALL.len());
    let (done, denied) = (false, true);
    for (name, expected) in [
        ("successful_logins", count(Action::SignIn, done)),
        ("failed_logins", count(Action::SignIn, denied)),
        ("rate_limited_attempts", count(Action::AttemptsLimited, denied)),
        ("access_denied", count(Action::AccessDenied, denied)),
        ("refresh_replays", count(Action::RefreshReplayed, denied)),
        (
            "password_changes",
            count(Action::PasswordChanged, done) + count(Action::PasswordReset, done),
        ),
        ("accounts_created", count(Action::AccountCreated, done)),
        ("api_keys_created", count(Action::ApiKeyCreated, done)),
        ("api_keys_revoked", count(Action::ApiKeyRevoked, done)),
        ("role_changes", count(Action::RoleChanged, done) + count(Action::AdminPromoted, done)),
    ] {
        assert_eq!(shown[name], json!(expected), "{name}");
    }
}

/// Not served for a moment longer, while newer ones are loaded: they would be wrong then, not only old.
#[actix_web::test]
async fn figures_end_after_ten_seconds() {
    let world = world();
    let admin = world.token(Tier::Free, Role::Admin);
    for path in ["analytics", "revenue"] {
        world.clock.advance(Duration::from_mins(1));
        assert_eq!(world.get_as(&admin, &format!("/api/v1/admin/{path}")).await.status, 200);
        let ends = world.cache.ends.lock().unwrap().pop().unwrap();
        assert_eq!(ends, Some(world.clock.now().later(Duration::from_secs(10))), "{path}");
    }
}

/// What is only confirmed, asked about, or read by who pays for nothing, is not delivered.
#[actix_web::test]
async fn signals_are_delivered_where_they_are_sent_to_a_subscriber() {
    const PATH: &str = "/api/v1/signals/latest";
    let world = world();
    world.signals(3);
    let user = world.token(Tier::Starter, Role::User);
    let admin = world.token(Tier::Elite, Role::Admin);
    let first = world.get_as(&user, PATH).await;
    let known = ("if-none-match", first.header("etag").to_owned());
    let mut expected = 3;
    for (what, request, status, delivered) in [
        ("the same again", get(PATH).insert_header(bearer(&user)), 200, 3),
        ("what is known", get(PATH).insert_header(bearer(&user)).insert_header(known), 304, 0),
        ("its head", request(&Method::HEAD, PATH).insert_header(bearer(&user)), 200, 0),
        ("by a key", get(PATH).insert_header(("x-api-key", USER_KEY)), 200, 3),
        ("by an administrator", get(PATH).insert_header(bearer(&admin)), 200, 0),
        ("by nobody", get(PATH), 200, 0),
    ] {
        assert_eq!(world.send(request).await.status, status, "{what}");
        expected += delivered;
        let use_cases = &world.state.services.use_cases;
        use_cases.usage.flush().await.unwrap();
        let figures = use_cases.analytics.figures().await.unwrap();
        assert_eq!(figures.delivered.today, expected, "{what}");
    }
}
