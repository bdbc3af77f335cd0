//! What the table promises, proved from the table.

use std::collections::HashSet;

use actix_web::http::{Method, StatusCode};
use alpine_domain::account::{Role, Scope, Tier};

use super::harness::{PRODUCER_KEY, USER_KEY, assert_problem, bearer, get, request, world};
use crate::{
    HttpSettings,
    endpoint::{Access, Limit},
    problem::Result,
    route::Route,
    routes,
};

fn table() -> Vec<Route> {
    routes::table(&HttpSettings::default())
}

/// The path with something in the place of each `{parameter}`: the guard decides before it is looked at.
fn concrete(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[actix_web::test]
async fn every_guarded_route_refuses_anonymous_on_every_path() {
    let world = world();
    let mut checked = 0;
    for Route { endpoint, .. } in table() {
        if matches!(endpoint.access, Access::Public | Access::Optional(_)) {
            continue;
        }
        for path in endpoint.paths() {
            let answer = world.send(request(&endpoint.method, &concrete(&path))).await;
            assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
            assert!(!answer.header("www-authenticate").is_empty(), "{path}");
            checked += 1;
        }
    }
    assert!(checked > 20);
}

#[actix_web::test]
async fn credentials_of_another_kind_do_not_open_a_route() {
    let world = world();
    let token = world.token(Tier::Elite, Role::User);
    for Route { endpoint, .. } in table() {
        let path = concrete(&endpoint.canonical_path());
        let with_key =
            |key: &str| request(&endpoint.method, &path).insert_header(("x-api-key", key));
        match endpoint.access {
            Access::Producer => {
                let answer = world.send(with_key(USER_KEY)).await;
                assert_problem(&answer, StatusCode::FORBIDDEN, "forbidden");
                let answer = world.send(with_key("some other key")).await;
                assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
                assert!(answer.header("www-authenticate").starts_with("ApiKey "));
                let by_token = request(&endpoint.method, &path).insert_header(bearer(&token));
                let answer = world.send(by_token).await;
                assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
            }
            Access::BearerOrKey(_) => {
                let answer = world.send(with_key(PRODUCER_KEY)).await;
                assert_problem(&answer, StatusCode::FORBIDDEN, "forbidden");
            }
            Access::Bearer => {
                let answer = world.send(with_key(USER_KEY)).await;
                assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
            }
            Access::Public | Access::Optional(_) | Access::Admin => {}
        }
    }
}

/// A key opens what its scope is for, and is told which one it lacks elsewhere; no scope changes anything of an
/// account.
#[actix_web::test]
async fn a_key_opens_the_routes_of_its_scopes_and_no_others() {
    let world = world();
    let mut seen = HashSet::new();
    for scope in Scope::ALL {
        let key = world.key_with(*scope);
        for Route { endpoint, .. } in table() {
            let path = concrete(&endpoint.canonical_path());
            let asked = request(&endpoint.method, &path).insert_header(("x-api-key", key.as_str()));
            let answer = world.send(asked).await;
            match endpoint.access.scope() {
                Some(needed) if needed == *scope => {
                    assert!(![401, 403].contains(&answer.status), "{path} with {scope}");
                    assert_eq!(endpoint.method, Method::GET, "{path}: a key changes nothing");
                    seen.insert(endpoint.name);
                }
                Some(needed) => {
                    assert_problem(&answer, StatusCode::FORBIDDEN, "missing-scope");
                    let detail = format!("the API key lacks the scope \"{needed}\"");
                    assert_eq!(answer.json()["detail"], detail, "{path} with {scope}");
                }
                None if endpoint.access == Access::Bearer => {
                    assert_eq!(answer.status, 401, "{path}");
                }
                None => {}
            }
        }
    }
    let of_keys = [
        "closed_feed",
        "equity_curve",
        "equity_curve_picture",
        "export_signals",
        "find_signal",
        "latest_signals",
        "live_signals",
        "me",
        "performance_badge",
        "performance_stats",
        "profile",
        "signal_history",
        "subscribed_signals",
        "symbols",
        "verify_signal",
    ];
    assert_eq!(seen, HashSet::from(of_keys));
}

#[actix_web::test]
async fn administrators_only_means_administrators_only() {
    async fn secret(context: crate::Context) -> Result<actix_web::HttpResponse> {
        context.message("secret")
    }
    let table =
        || vec![Route::new(Method::GET, "admin/x", "x", Access::Admin, Limit::Caller, secret)];
    let world = world();
    let (user, admin) =
        (world.token(Tier::Elite, Role::User), world.token(Tier::Free, Role::Admin));
    let path = "/api/v1/admin/x";
    assert_eq!(world.send_to(table(), get(path)).await.status, 401);
    let answer = world.send_to(table(), get(path).insert_header(bearer(&user))).await;
    assert_problem(&answer, StatusCode::FORBIDDEN, "forbidden");
    let answer = world.send_to(table(), get(path).insert_header(bearer(&admin))).await;
    assert_eq!(answer.status, 200);
}

#[actix_web::test]
async fn a_part_of_a_path_is_decoded_once_and_parsed() {
    async fn symbol(context: crate::Context) -> Result<actix_web::HttpResponse> {
        let symbol: alpine_domain::signal::Symbol = context.segment("symbol", "instrument")?;
        context.message(symbol.as_str())
    }
    let path = "list/{symbol}";
    let table = || vec![Route::new(Method::GET, path, "x", Access::Public, Limit::None, symbol)];
    let world = world();
    // The last one would be another symbol if it were decoded twice.
    for (sent, meant) in [
        ("AAPL", "AAPL"),
        ("BTC%2FUSD", "BTC/USD"),
        ("BTC%2fUSD", "BTC/USD"),
        ("M%2BA", "M+A"),
        ("M+A", "M+A"),
        ("%41B", "AB"),
        ("A%252FB", "A%2FB"),
    ] {
        let answer = world.send_to(table(), get(&format!("/api/v1/list/{sent}"))).await;
        assert_eq!((answer.status, &answer.json()["message"]), (200, &meant.into()), "{sent}");
    }
    for none in ["BTC/USD", "a%3Bb", "%FF", "AB%2", "%zz", "A%00"] {
        let answer = world.send_to(table(), get(&format!("/api/v1/list/{none}"))).await;
        assert_problem(&answer, StatusCode::NOT_FOUND, "not-found");
    }
}

#[actix_web::test]
async fn bad_credentials_are_refused_where_none_are_needed() {
    let world = world();
    for path in ["/api/v1/signals/latest", "/api/v1/performance/stats"] {
        for value in ["Bearer rubbish", "Basic YTpi", "Bearer", "Bearer "] {
            let answer = world.send(get(path).insert_header(("authorization", value))).await;
            assert_problem(&answer, StatusCode::UNAUTHORIZED, "unauthenticated");
            assert!(answer.header("www-authenticate").contains("invalid_token"), "{value}");
        }
        let answer = world.send(get(path).insert_header(("x-api-key", "unknown"))).await;
        assert_eq!(answer.status, 401);
    }
}

#[actix_web::test]
async fn no_credential_is_believed_while_revocations_are_unknown() {
    let world = world();
    let token = world.token(Tier::Pro, Role::User);
    world.fresh.0.store(false, std::sync::atomic::Ordering::SeqCst);
    let answer = world.get_as(&token, "/api/v1/auth/me").await;
    assert_problem(&answer, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    for key in [USER_KEY, PRODUCER_KEY] {
        let asked = get("/api/v1/signals/latest").insert_header(("x-api-key", key));
        let answer = world.send(asked).await;
        assert_problem(&answer, StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    assert_eq!(world.get("/api/v1/signals/latest").await.status, 200);
}

#[test]
fn names_and_rows_are_unique() {
    let (mut names, mut rows) = (HashSet::new(), HashSet::new());
    for Route { endpoint, .. } in table() {
        assert!(names.insert(endpoint.name), "{}", endpoint.name);
        for path in endpoint.paths() {
            assert!(rows.insert((endpoint.method.clone(), path.clone())), "{path}");
        }
    }
}

#[actix_web::test]
async fn unversioned_paths_reach_the_same_handlers() {
    let world = world();
    for path in ["signals/latest", "performance/stats", "symbols"] {
        let (new, old) = (format!("/api/v1/{path}"), format!("/api/{path}"));
        assert_eq!(world.get(&new).await.body, world.get(&old).await.body);
    }
}

#[actix_web::test]
async fn other_methods_are_refused_with_what_is_allowed() {
    let world = world();
    for method in [Method::DELETE, Method::TRACE, Method::from_bytes(b"BREW").unwrap()] {
        let answer = world.send(request(&method, "/api/v1/users/profile")).await;
        assert_problem(&answer, StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed");
        assert_eq!(answer.header("allow"), "GET, HEAD, PUT, OPTIONS");
    }
    let answer = world.send(request(&Method::OPTIONS, "/api/v1/signals/latest")).await;
    assert_eq!((answer.status, answer.header("allow")), (204, "GET, HEAD, OPTIONS"));
    let answer = world.send(request(&Method::HEAD, "/api/v1/signals/latest")).await;
    assert_eq!(answer.status, 200);
}

#[actix_web::test]
async fn unknown_routes_are_problems() {
    let world = world();
    for path in
        ["/index.html", "/api", "/api/v1/nothing", "/api/v1/signals/latest/", "/api/v2/symbols"]
    {
        let answer = world.get(path).await;
        assert_problem(&answer, StatusCode::NOT_FOUND, "not-found");
        assert_eq!(answer.json()["instance"], path);
    }
}
