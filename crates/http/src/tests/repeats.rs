//! A request that names a key is answered once.

use std::{cell::Cell, rc::Rc, time::Duration};

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode, header::LOCATION},
    rt::time::{sleep, timeout},
    test::TestRequest,
};
use alpine_domain::{
    account::{Role, Tier},
    idempotency::{KEPT_FOR, MAX_KEPT_BODY, MAX_RUN},
};
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::harness::{Answer, PRODUCER_KEY, World, assert_problem, bearer, world};
use crate::{
    HttpSettings,
    context::{Context, not_found},
    endpoint::{Access, Endpoint, Limit},
    extract::body::MediaType,
    problem::Result,
    route::Route,
    routes,
};

/// POST routes that take no key, and why a repeat does no harm there.
const WITHOUT: &[(&str, &str)] = &[
    ("auth/", "hands out tokens, or uses one up"),
    ("2fa/", "hands out secrets, or takes a code that is good once"),
    ("users/api-keys", "hands out a key"),
    ("admin/producers", "hands out a key; enabling twice is enabling"),
    ("subscriptions/portal", "hands out a link that signs in at the provider"),
    ("users/channels/", "hands out a link that lets in"),
    ("webhooks/telegram", "an update has the same effect twice"),
    ("webhooks/stripe", "an event is taken once by its own id"),
];

#[test]
fn every_post_takes_keys_or_needs_none() {
    let table = routes::table(&HttpSettings::default());
    let posts = table.iter().map(|route| &route.endpoint).filter(|it| it.method == Method::POST);
    let (with, without): (Vec<_>, Vec<_>) = posts.partition(|endpoint| endpoint.takes_key);
    let path = |it: &&Endpoint| it.path;
    for path in without.iter().map(path) {
        assert!(WITHOUT.iter().any(|(prefix, _)| path.starts_with(prefix)), "{path}");
    }
    let with: Vec<_> = with.iter().map(path).collect();
    let expected = [
        "auth/resend-verification",
        "notifications/read",
        "notifications/read-all",
        "subscriptions/upgrade",
        "subscriptions/cancel",
        "subscriptions/resume",
        "roles/assign",
        "external-signals/sync/signal",
        "external-signals/sync/batch",
        "external-signals/sync/outcome",
        "external-signals/sync/outcomes",
    ];
    assert_eq!(with, expected);
    assert!(table.iter().all(|it| it.endpoint.method == Method::POST || !it.endpoint.takes_key));
}

/// A route that counts how often it is done; by the text of the body it answers, waits, refuses, fails or panics.
#[derive(Clone, Default)]
struct Counted {
    done: Rc<Cell<u32>>,
    /// Whether the next one waits, and whether it has come.
    is_closed: Rc<Cell<bool>>,
    is_there: Rc<Cell<bool>>,
}

impl Counted {
    fn table(&self) -> Vec<Route> {
        let routes = [(Access::Producer, "things/{id}"), (Access::Bearer, "own/{id}")];
        let route = |(access, path)| {
            let this = self.clone();
            let handler = move |context| this.clone().answer(context);
            Route::new(Method::POST, path, path, access, Limit::None, handler).taking_keys()
        };
        routes.map(route).into()
    }

    fn answer(self, mut context: Context) -> LocalBoxFuture<'static, Result<HttpResponse>> {
        async move {
            let (_, body) = context.body(&[MediaType::Json]).await?;
            let is_first = !self.is_there.replace(true);
            while is_first && self.is_closed.get() {
                sleep(Duration::from_millis(1)).await;
            }
            self.done.set(self.done.get() + 1);
            match &body[..] {
                b"refuse" => Err(not_found("thing")),
                b"panic" => panic!("as it was asked to"),
                b"long" => Ok(HttpResponse::Ok().body("x".repeat(MAX_KEPT_BODY + 1))),
                b"longest" => Ok(HttpResponse::Ok().body("x".repeat(MAX_KEPT_BODY))),
                _ => {
                    let answer = format!("{{\"done\":{}}}", self.done.get());
                    let mut created = HttpResponse::Created();
                    created.insert_header((LOCATION, "/things/7"));
                    Ok(created.content_type("application/json").body(answer))
                }
            }
        }
        .boxed_local()
    }

    async fn send(&self, world: &World, request: TestRequest) -> Answer {
        world.send_to(self.table(), request).await
    }

    /// A client that goes as soon as its request has reached the handler, which waits at the gate.
    async fn break_off(&self, world: &World, request: TestRequest) {
        let mut first = Box::pin(self.send(world, request));
        self.is_closed.set(true);
        while !self.is_there.get() {
            let answered = timeout(Duration::from_millis(5), &mut first).await;
            assert!(answered.is_err(), "the gate is closed");
        }
    }
}

fn post(path: &str, key: &str, body: &str) -> TestRequest {
    TestRequest::post()
        .uri(path)
        .insert_header(("x-api-key", PRODUCER_KEY))
        .insert_header(("content-type", "application/json"))
        .insert_header(("idempotency-key", key))
        .set_payload(body.to_owned())
}

const PATH: &str = "/api/v1/things/1";

#[actix_web::test]
async fn the_same_request_again_gets_the_first_answer() {
    let (world, counted) = (world(), Counted::default());
    let first = counted.send(&world, post(PATH, "\"k\"", "a")).await;
    assert_eq!((first.status, &first.body[..]), (201, &b"{\"done\":1}"[..]));
    assert_eq!(first.header("idempotent-replayed"), "");
    // By either of its paths, in quotation marks or without.
    for path in [PATH, "/api/things/1"] {
        let again = counted.send(&world, post(path, "k", "a")).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        assert_eq!(again.header("idempotent-replayed"), "true");
        for name in ["content-type", "location"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
    }
    assert_eq!(counted.done.get(), 1);

    // Another key, another caller: another request.
    let user = world.token(Tier::Pro, Role::User);
    counted.send(&world, post(PATH, "other", "a")).await;
    let own = |token: &str| {
        TestRequest::post()
            .uri("/api/v1/own/1")
            .insert_header(bearer(token))
            .insert_header(("content-type", "application/json"))
            .insert_header(("idempotency-key", "k"))
            .set_payload("a")
    };
    assert_eq!(counted.done.get(), 2);
    counted.send(&world, own(&user)).await;
    let again = counted.send(&world, own(&user)).await;
    assert_eq!((again.status, counted.done.get()), (201, 3), "{:?}", again.body);
    let other = world.token(Tier::Pro, Role::User);
    counted.send(&world, own(&other)).await;
    assert_eq!(counted.done.get(), 4, "a key is its owner's");

    world.clock.advance(KEPT_FOR);
    counted.send(&world, post(PATH, "k", "a")).await;
    assert_eq!(counted.done.get(), 5, "a day later the key is free");
}

#[actix_web::test]
async fn without_a_key_everything_is_done_each_time() {
    let (world, counted) = (world(), Counted::default());
    for done in 1..=2 {
        let request = TestRequest::post()
            .uri(PATH)
            .insert_header(("x-api-key", PRODUCER_KEY))
            .insert_header(("content-type", "application/json"))
            .set_payload("a");
        assert_eq!(counted.send(&world, request).await.status, 201);
        assert_eq!(counted.done.get(), done);
    }
}

#[actix_web::test]
async fn a_key_belongs_to_one_request() {
    let (world, counted) = (world(), Counted::default());
    counted.send(&world, post(PATH, "k", "a")).await;
    for (path, body) in
        [(PATH, "b"), (PATH, ""), ("/api/v1/things/2", "a"), ("/api/v1/things/1?x=1", "a")]
    {
        let answer = counted.send(&world, post(path, "k", body)).await;
        let slug = "idempotency-key-reused";
        assert_problem(&answer, StatusCode::UNPROCESSABLE_ENTITY, slug);
    }
    assert_eq!(counted.done.get(), 1);
}

#[actix_web::test]
async fn a_key_that_cannot_be_read_is_named() {
    let (world, counted) = (world(), Counted::default());
    let two = post(PATH, "a", "a").append_header(("idempotency-key", "b"));
    let broken = ["", "with space", &"x".repeat(256)].map(|key| post(PATH, key, "a"));
    for request in broken.into_iter().chain([two]) {
        let answer = counted.send(&world, request).await;
        assert_problem(&answer, StatusCode::BAD_REQUEST, "malformed");
        assert_eq!(answer.json()["errors"][0]["field"], "Idempotency-Key");
    }
    assert_eq!(counted.done.get(), 0);
}

/// What was refused had no effect, and what failed may have had none: both are decided anew.
#[actix_web::test]
async fn what_was_refused_or_failed_may_be_tried_again() {
    let (world, counted) = (world(), Counted::default());
    for (body, status) in [("refuse", 404), ("panic", 500)] {
        let before = counted.done.get();
        for attempt in 1..=2 {
            let answer = counted.send(&world, post(PATH, "k", body)).await;
            assert_eq!((answer.status, counted.done.get()), (status, before + attempt), "{body}");
        }
    }
    // The key is free for another request as well.
    let answer = counted.send(&world, post(PATH, "k", "a")).await;
    assert_eq!((answer.status, counted.done.get()), (201, 5));
}

#[actix_web::test]
async fn an_answer_of_a_mebibyte_is_kept_and_no_longer_one() {
    let (world, counted) = (world(), Counted::default());
    for (body, done) in [("longest", [1, 1]), ("long", [2, 3])] {
        for done in done {
            let answer = counted.send(&world, post(PATH, body, body)).await;
            assert_eq!((answer.status, counted.done.get()), (200, done), "{body}");
            assert!(answer.body.len() >= MAX_KEPT_BODY);
        }
    }
}

#[actix_web::test]
async fn who_asks_while_it_is_answered_is_told_to_wait_and_who_broke_off_finds_the_answer() {
    let (world, counted) = (world(), Counted::default());
    counted.break_off(&world, post(PATH, "k", "a")).await;
    let meanwhile = counted.send(&world, post(PATH, "k", "a")).await;
    assert_problem(&meanwhile, StatusCode::CONFLICT, "request-in-progress");
    assert_eq!(meanwhile.header("retry-after"), "1");
    assert_eq!(counted.done.get(), 0);
    counted.is_closed.set(false);
    let replayed = loop {
        let answer = counted.send(&world, post(PATH, "k", "a")).await;
        if answer.status != 409 {
            break answer;
        }
        sleep(Duration::from_millis(5)).await;
    };
    assert_eq!((replayed.status, counted.done.get()), (201, 1));
    assert_eq!(replayed.header("idempotent-replayed"), "true");
}

/// An instance that died leaves the key held; twice the time that a request may take later it goes to whoever asks.
#[actix_web::test]
async fn a_key_that_nobody_answers_is_free_again_after_a_minute() {
    let (world, counted) = (world(), Counted::default());
    counted.break_off(&world, post(PATH, "k", "a")).await;
    world.clock.advance((2 * MAX_RUN).saturating_sub(Duration::from_micros(1)));
    assert_eq!(counted.send(&world, post(PATH, "k", "a")).await.status, 409);
    world.clock.advance(Duration::from_micros(1));
    let answer = counted.send(&world, post(PATH, "k", "a")).await;
    assert_eq!((answer.status, &answer.body[..]), (201, &b"{\"done\":1}"[..]));
}
