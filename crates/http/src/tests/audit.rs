//! What requests leave in the audit log, and on whose behalf.

use actix_web::http::{Method, StatusCode};
use alpine_domain::{
    account::{Role, Tier},
    audit::{Action, AuditFilter, AuditLine, AuditQuery, Outcome, Party, Reason},
};

use super::harness::{
    PRODUCER_KEY, USER_KEY, World, assert_problem, bearer, get, post, request, world,
};
use crate::{
    HttpSettings,
    endpoint::{Access, Limit},
    problem::Result,
    route::Route,
    routes,
};

impl World {
    /// The lines of one action, the newest first, with what was refused so far.
    async fn lines(&self, action: Action) -> Vec<AuditLine> {
        self.state.services.use_cases.denials.flush().await.unwrap();
        let filter = AuditFilter::Action(action);
        let query = AuditQuery { filter, since: None, until: None, after: None, limit: 100 };
        let page = self.stores.audit.page(query).await.unwrap();
        page.into_iter().map(|row| row.line).collect()
    }
}

fn user_of(token: &str) -> Party {
    Party::User(token.split('.').next().unwrap().parse().unwrap())
}

#[actix_web::test]
async fn a_line_tells_who_asked_from_where_and_by_which_request() {
    let world = world();
    let token = world.token(Tier::Free, Role::User);
    let sign_in = r#"{"email": "user0@example.com", "password": "a quiet river at dawn"}"#;
    let request = post("/api/v1/auth/login", sign_in).insert_header(("x-request-id", "one"));
    assert_eq!(world.send(request).await.status, 200);
    let line = world.lines(Action::SignIn).await.remove(0);
    assert_eq!((line.actor, line.subject), (user_of(&token), Some(user_of(&token))));
    assert_eq!(line.request_id.as_deref(), Some("one"));
    let address = world.state.services.use_cases.accounts.address_digest("192.0.2.7").unwrap();
    assert_eq!(line.address, Some(address));
    let change = post("/api/v1/users/profile", r#"{"full_name": "Ada King"}"#).method(Method::PUT);
    let change = change.insert_header(bearer(&token)).insert_header(("x-request-id", "two"));
    assert_eq!(world.send(change).await.status, 200);
    let line = world.lines(Action::ProfileChanged).await.remove(0);
    assert_eq!((line.actor, line.request_id.as_deref()), (user_of(&token), Some("two")));
}

#[actix_web::test]
async fn guesses_and_where_they_end_are_told() {
    let world = world();
    let token = world.token(Tier::Free, Role::User);
    let guess = r#"{"email": "user0@example.com", "password": "not this one"}"#;
    for _ in 0..11 {
        world.post("/api/v1/auth/login", guess).await;
    }
    let wrong = world.lines(Action::SignIn).await.remove(0);
    assert_eq!((wrong.outcome, wrong.count), (Outcome::Denied, 10));
    assert_eq!((wrong.actor, wrong.subject), (Party::Anonymous, Some(user_of(&token))));
    assert!(wrong.address.is_some() && wrong.request_id.is_some());
    let limited = world.lines(Action::AttemptsLimited).await.remove(0);
    assert_eq!(limited.reason.as_deref(), Some(Reason::LimitReached.as_str()));
    assert_eq!(limited.detail.as_deref(), Some("sign_in"));
    assert_eq!(limited.address, wrong.address);
}

#[actix_web::test]
async fn who_asks_for_what_only_administrators_may_is_told() {
    async fn secret(context: crate::Context) -> Result<actix_web::HttpResponse> {
        context.message("secret")
    }
    let table =
        || vec![Route::new(Method::GET, "admin/x", "x", Access::Admin, Limit::Caller, secret)];
    let world = world();
    let (user, admin) =
        (world.token(Tier::Elite, Role::User), world.token(Tier::Free, Role::Admin));
    for token in [&user, &admin] {
        world.send_to(table(), get("/api/v1/admin/x").insert_header(bearer(token))).await;
    }
    let lines = world.lines(Action::AccessDenied).await;
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].actor, lines[0].detail.as_deref()), (user_of(&user), Some("x")));
    assert_eq!(lines[0].outcome, Outcome::Denied);
}

/// A page leads to the next one with the same conditions, until there is none.
#[actix_web::test]
async fn the_log_is_read_in_pages_that_lead_to_each_other() {
    let world = world();
    let admin = world.token(Tier::Free, Role::Admin);
    for _ in 0..4 {
        world.token(Tier::Free, Role::User);
    }
    let (mut path, mut ids) =
        ("/api/v1/admin/audit?action=account_created&limit=2".to_owned(), Vec::new());
    loop {
        let answer = world.get_as(&admin, &path).await;
        let page = answer.json();
        ids.extend(
            page["items"].as_array().unwrap().iter().map(|line| line["id"].as_i64().unwrap()),
        );
        assert_eq!(page["has_more"].as_bool(), Some(page["next_cursor"].is_string()));
        let link = answer.header("link");
        let Some((next, _)) = link.strip_prefix('<').and_then(|link| link.split_once('>')) else {
            assert_eq!(page["has_more"], false);
            break;
        };
        assert!(next.contains("limit=2") && next.contains("action=account_created"), "{next}");
        path = next.to_owned();
    }
    assert_eq!(ids.len(), 6, "five accounts here and the one of the harness");
    assert!(ids.is_sorted_by(|one, other| one > other), "{ids:?}");
}

#[actix_web::test]
async fn the_log_is_asked_by_one_condition_at_a_time() {
    let world = world();
    let admin = world.token(Tier::Free, Role::Admin);
    for query in [
        "action=sign_in&actor=system",
        "actor=system&subject=job:1",
        "action=sign_in&subject=job:1",
    ] {
        let answer = world.get_as(&admin, &format!("/api/v1/admin/audit?{query}")).await;
        assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
}

/// The line "Authorization" of the security standard, from the route table.
#[actix_web::test]
async fn authorization_every_admin_route_is_refused_to_users_keys_and_anonymous() {
    let world = world();
    let user = world.token(Tier::Elite, Role::User);
    let mut checked = 0;
    for Route { endpoint, .. } in routes::table(&HttpSettings::default()) {
        if endpoint.access != Access::Admin {
            let is_of_administrators = endpoint.path.starts_with("admin/")
                || endpoint.path.starts_with("security/")
                || endpoint.path.starts_with("roles");
            assert!(!is_of_administrators, "{} is open to others", endpoint.path);
            continue;
        }
        for path in endpoint.paths() {
            let path = path.replace("{id}", "1");
            let asked = || request(&endpoint.method, &path);
            let answer = world.send(asked()).await;
            assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
            let answer = world.send(asked().insert_header(bearer(&user))).await;
            assert_problem(&answer, StatusCode::FORBIDDEN, "forbidden");
            for key in [USER_KEY, PRODUCER_KEY] {
                let answer = world.send(asked().insert_header(("x-api-key", key))).await;
                assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
            }
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked}");
}
