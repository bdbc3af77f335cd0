//! Giving and taking roles, by administrators.

use actix_web::http::{Method, StatusCode};
use alpine_domain::account::{Role, Tier};

use super::harness::{World, assert_problem, bearer, post, world};

fn id_of(token: &str) -> &str {
    token.split('.').next().unwrap()
}

async fn remove(world: &World, token: &str, from: &str, role: &str) -> super::harness::Answer {
    let body = format!(r#"{{"user_id": "{}", "role": "{role}"}}"#, id_of(from));
    let request = post("/api/v1/roles/remove", &body).method(Method::DELETE);
    world.send(request.insert_header(bearer(token))).await
}

#[actix_web::test]
async fn authorization_never_without_a_last_administrator_and_effective_at_once() {
    let world = world();
    let (ada, bob) = (world.token(Tier::Free, Role::Admin), world.token(Tier::Free, Role::Admin));
    let answer = remove(&world, &ada, &bob, "user").await;
    assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    let answer = remove(&world, &ada, &bob, "admin").await;
    assert_eq!((answer.status, &answer.json()["role"]), (200, &"user".into()));
    // The very token that administered before.
    let answer = world.get_as(&bob, "/api/v1/roles").await;
    assert_problem(&answer, StatusCode::FORBIDDEN, "forbidden");
    let answer = remove(&world, &ada, &ada, "admin").await;
    assert_problem(&answer, StatusCode::CONFLICT, "last-admin");
    assert_eq!(world.get_as(&ada, "/api/v1/roles").await.status, 200);
}

#[actix_web::test]
async fn authorization_nobody_administers_whose_address_was_not_confirmed() {
    let world = world();
    let (ada, eve) = (world.token(Tier::Free, Role::Admin), world.token(Tier::Free, Role::User));
    let body = format!(r#"{{"user_id": "{}", "role": "admin"}}"#, id_of(&eve));
    let request = post("/api/v1/roles/assign", &body).insert_header(bearer(&ada));
    assert_problem(&world.send(request).await, StatusCode::FORBIDDEN, "forbidden");
    let body = r#"{"user_id": "00000000-0000-4000-8000-000000000000", "role": "admin"}"#;
    let request = post("/api/v1/roles/assign", body).insert_header(bearer(&ada));
    assert_problem(&world.send(request).await, StatusCode::NOT_FOUND, "not-found");
}
