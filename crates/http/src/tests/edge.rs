//! What surrounds every answer.

use std::{cell::RefCell, fmt::Write as _, sync::atomic::Ordering, time::Duration};

use actix_web::http::{Method, StatusCode};
use alpine_domain::{
    account::{Role, Tier},
    plan::{Plan, UsdCents},
    ports::health::Condition,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::harness::{assert_problem, bearer, get, post, request, world, world_with};
use crate::{
    CorsSettings, HttpSettings,
    endpoint::{Access, Limit},
    route::Route,
};

#[actix_web::test]
async fn requests_are_named() {
    let world = world();
    let own = get("/health/liveness").insert_header(("x-request-id", "abc-123"));
    assert_eq!(world.send(own).await.header("x-request-id"), "abc-123");
    for hostile in ["a b", "x\"}", "<script>", &"x".repeat(200)] {
        let sent = get("/health/liveness").insert_header(("x-request-id", hostile));
        let id = world.send(sent).await.header("x-request-id").to_owned();
        assert_eq!(id.len(), 36, "{id}");
    }
    let (first, second) =
        (world.get("/health/liveness").await, world.get("/health/liveness").await);
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[actix_web::test]
async fn every_answer_carries_the_security_headers() {
    let mut settings = HttpSettings::default();
    settings.http.hsts = Duration::from_hours(8_760);
    let (world, plain) = (world_with(settings), self::world());
    for path in ["/health", "/nowhere", "/api/v1/auth/me", "/api/v1/signals/latest"] {
        let answer = world.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert!(answer.header("strict-transport-security").starts_with("max-age=31536000"));
        let answer = plain.get(path).await;
        assert_eq!(answer.header("strict-transport-security"), "", "hsts = 0s says nothing");
        assert!(answer.all("vary").contains("Accept-Encoding"));
        assert!(!answer.headers.contains_key("server"));
        assert!(!answer.header("cache-control").is_empty());
    }
    let page = world.get("/docs/").await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.header("permissions-policy").contains("camera=()"));
}

#[actix_web::test]
async fn origins_are_admitted_exactly() {
    let cors = CorsSettings {
        origins: vec!["https://app.example.com".to_owned(), "null".to_owned()],
        ..CorsSettings::default()
    };
    let settings = HttpSettings { cors, ..HttpSettings::default() };
    let world = world_with(settings);
    let from = |origin: &str| get("/api/v1/symbols").insert_header(("origin", origin));
    let answer = world.send(from("https://app.example.com")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.com");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    let exposed = answer.header("access-control-expose-headers").to_lowercase();
    assert!(exposed.contains("ratelimit-policy") && exposed.contains("etag"), "{exposed}");
    assert!(answer.all("vary").contains("Origin"));
    for other in ["https://app.example.com.evil.example", "http://app.example.com", "null"] {
        let answer = world.send(from(other)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{other}");
    }
    let preflight = |method: &str| {
        request(&Method::OPTIONS, "/api/v1/users/profile")
            .insert_header(("origin", "https://app.example.com"))
            .insert_header(("access-control-request-method", method))
            .insert_header(("access-control-request-headers", "authorization, x-request-id"))
    };
    assert_eq!(world.send(preflight("PUT")).await.status, 200);
    let refused = world.send(preflight("TRACE")).await;
    assert_problem(&refused, StatusCode::BAD_REQUEST, "malformed");
    assert_eq!(refused.json()["errors"][0]["field"], "Access-Control-Request-Method");
}

#[actix_web::test]
async fn a_preflight_is_told_which_header_is_refused_and_empty_elements_do_not_count() {
    let origins = vec!["https://app.example.com".to_owned()];
    let cors = CorsSettings { origins, ..CorsSettings::default() };
    let world = world_with(HttpSettings { cors, ..HttpSettings::default() });
    let preflight = |headers: &str| {
        request(&Method::OPTIONS, "/api/v1/symbols")
            .insert_header(("origin", "https://app.example.com"))
            .insert_header(("access-control-request-method", "GET"))
            .insert_header(("access-control-request-headers", headers.to_owned()))
    };
    for headers in [
        "baggage, sentry-trace, traceparent, tracestate, x-requested-with, accept",
        "Authorization,,X-API-Key",
        ", accept ,",
        "",
    ] {
        let answer = world.send(preflight(headers)).await;
        assert_eq!(answer.status, 200, "{headers}");
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, "https://app.example.com", "{headers}");
    }
    let refused = world.send(preflight("accept, X-Secret-Sauce, authorization")).await;
    assert_problem(&refused, StatusCode::BAD_REQUEST, "malformed");
    let errors = refused.json()["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 1, "{errors}");
    assert_eq!(errors[0]["field"], "Access-Control-Request-Headers");
    assert!(errors[0]["message"].as_str().unwrap().contains("`X-Secret-Sauce`"), "{errors}");
}

#[actix_web::test]
async fn loopback_pages_of_any_port_are_admitted_where_that_is_set() {
    let admitted = async |allow_loopback, origin: &str| {
        let cors = CorsSettings { allow_loopback, ..CorsSettings::default() };
        let world = world_with(HttpSettings { cors, ..HttpSettings::default() });
        let answer = world.send(get("/api/v1/symbols").insert_header(("origin", origin))).await;
        answer.header("access-control-allow-origin") == origin
    };
    for origin in [
        "http://localhost:5173",
        "http://127.0.0.1:4200",
        "https://app.localhost",
        "http://[::1]:9",
    ] {
        assert!(admitted(true, origin).await, "{origin}");
        assert!(!admitted(false, origin).await, "{origin}");
    }
    for origin in [
        "http://localhost.evil.example",
        "http://evil-localhost",
        "http://10.0.0.1:3000",
        "null",
        "file://localhost",
    ] {
        assert!(!admitted(true, origin).await, "{origin}");
    }
}

#[actix_web::test]
async fn open_to_all_origins_is_never_with_credentials() {
    for origins in [&["*"][..], &["https://app.example.com", "*"]] {
        let origins = origins.iter().map(ToString::to_string).collect();
        let cors = CorsSettings { origins, allow_loopback: true, ..CorsSettings::default() };
        let world = world_with(HttpSettings { cors, ..HttpSettings::default() });
        for origin in ["https://any.example", "https://app.example.com", "http://localhost:3000"] {
            let preflight = request(&Method::OPTIONS, "/api/v1/symbols")
                .insert_header(("access-control-request-method", "GET"));
            for asked in [get("/api/v1/symbols"), preflight] {
                let answer = world.send(asked.insert_header(("origin", origin))).await;
                assert_eq!(answer.status, 200, "{origin}");
                assert_eq!(answer.header("access-control-allow-origin"), "*", "{origin}");
                assert_eq!(answer.header("access-control-allow-credentials"), "", "{origin}");
            }
        }
    }
}

#[actix_web::test]
async fn bodies_below_the_configured_size_are_not_compressed() {
    let ask = async |compress_from| {
        let mut settings = HttpSettings::default();
        settings.http.compress_from = compress_from;
        let asked = get("/health/liveness").insert_header(("accept-encoding", "gzip"));
        world_with(settings).send(asked).await
    };
    let length = ask(usize::MAX).await.body.len();
    assert_eq!(ask(length + 1).await.header("content-encoding"), "");
    assert_eq!(ask(length).await.header("content-encoding"), "gzip");
}

#[actix_web::test]
async fn only_large_bodies_are_compressed() {
    let world = world();
    let ask = |path: &str| get(path).insert_header(("accept-encoding", "gzip, br"));
    let large = world.send(ask("/openapi.json")).await;
    assert_eq!(large.header("content-encoding"), "gzip");
    let mut text = String::new();
    let mut unpacked = flate2::read::GzDecoder::new(&large.body[..]);
    std::io::Read::read_to_string(&mut unpacked, &mut text).unwrap();
    assert!(text.contains("\"openapi\""));
    assert_eq!(world.send(ask("/health/liveness")).await.header("content-encoding"), "");
    assert_eq!(world.get("/openapi.json").await.header("content-encoding"), "");
    // Bodies that no cache holds are compressed at the edge, from the configured size on.
    world.get("/health").await;
    let metrics = world.send(ask("/metrics")).await;
    assert_eq!(metrics.header("content-encoding"), "gzip");
    let mut text = String::new();
    let mut unpacked = flate2::read::GzDecoder::new(&metrics.body[..]);
    std::io::Read::read_to_string(&mut unpacked, &mut text).unwrap();
    assert!(text.contains("api_requests_total"));
    assert_eq!(world.get("/metrics").await.header("content-encoding"), "");
}

#[actix_web::test]
async fn plans_are_those_of_the_settings() {
    let plan = |tier, cents, features: &[&str]| Plan {
        tier,
        price: UsdCents::new(cents),
        yearly: (cents > 5_000).then(|| UsdCents::new(10 * cents)),
        features: features.iter().map(|&text| text.to_owned()).collect(),
    };
    // What nothing is paid for is no plan.
    let plans = vec![
        plan(Tier::Free, 0, &[]),
        plan(Tier::Starter, 4_900, &["one", "two"]),
        plan(Tier::Pro, 9_950, &[]),
    ];
    let world = world_with(HttpSettings { plans, ..HttpSettings::default() });
    let answer = world.get("/api/v1/payments/plans").await;
    let view = |tier: &str, price: f64, cents: u32, features: &[&str]| {
        serde_json::json!({
            "tier": tier,
            "price": price,
            "price_cents": cents,
            "currency": "USD",
            "interval": "month",
            "yearly_price_cents": (cents > 5_000).then_some(10 * cents),
            "features": features,
        })
    };
    let items = [view("starter", 49.0, 4_900, &["one", "two"]), view("pro", 99.5, 9_950, &[])];
    assert_eq!(answer.json(), serde_json::json!({ "items": items, "total": 2 }));
    let known =
        get("/api/v1/payments/plans").insert_header(("if-none-match", answer.header("etag")));
    assert_eq!(world.send(known).await.status, 304);
}

#[actix_web::test]
async fn health_tells_what_is_away_and_asks_once_a_second() {
    let world = world();
    let answer = world.get("/health").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert_eq!(document["status"], "healthy");
    assert_eq!(document["details"]["database"]["status"], "healthy");
    for key in ["service", "version", "uptime_seconds"] {
        assert!(!document[key].is_null(), "{key}");
    }
    for _ in 0..50 {
        world.get("/health").await;
    }
    assert_eq!(world.database.asked.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn health_is_degraded_or_unhealthy_by_what_is_essential() {
    let world = world();
    *world.redis.condition.lock().unwrap() = Condition::Down;
    let answer = world.get("/health").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (200, Some("degraded")));
    assert_eq!(world.get("/health/readiness").await.status, 200);
    let world = self::world();
    *world.database.condition.lock().unwrap() = Condition::Down;
    let answer = world.get("/health").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (503, Some("unhealthy")));
    assert_eq!(world.get("/health/readiness").await.status, 503);
    assert_eq!(world.get("/health/liveness").await.status, 200);
    let world = self::world();
    for part in [&world.database, &world.redis] {
        *part.condition.lock().unwrap() = Condition::Down;
    }
    let answer = world.get("/health").await;
    assert_eq!((answer.status, answer.json()["status"].as_str()), (503, Some("unhealthy")));
}

#[actix_web::test]
async fn signing_out_says_what_has_ended() {
    let world = world();
    let sessions = "signed out everywhere; API keys stay good";
    let all = "signed out everywhere, and every API key has ended";
    for (path, body, message) in [
        ("auth/logout", "{}", "signed out"),
        ("auth/logout-all", "", sessions),
        ("auth/logout-all", "{}", sessions),
        ("auth/logout-all", r#"{"api_keys": false}"#, sessions),
        ("auth/logout-all", r#"{"api_keys": null}"#, sessions),
        ("auth/logout-all", r#"{"api_keys": true}"#, all),
    ] {
        let token = world.token(Tier::Free, Role::User);
        let sent = post(&format!("/api/v1/{path}"), body).insert_header(bearer(&token));
        let sent = sent.insert_header((actix_web::http::header::CONTENT_LENGTH, body.len()));
        let answer = world.send(sent).await;
        let expected = serde_json::json!({ "message": message });
        assert_eq!((answer.status, answer.json()), (200, expected), "{path} {body}");
    }
    let token = world.token(Tier::Free, Role::User);
    let body = r#"{"api_keys": "yes"}"#;
    let sent = post("/api/v1/auth/logout-all", body).insert_header(bearer(&token));
    let sent = sent.insert_header((actix_web::http::header::CONTENT_LENGTH, body.len()));
    let answer = world.send(sent).await;
    let expected = serde_json::json!([{"field": "api_keys", "message": "must be true or false"}]);
    assert_eq!((answer.status, &answer.json()["errors"]), (422, &expected));
}

#[actix_web::test]
async fn readiness_fails_first_at_shutdown() {
    let world = world();
    assert_eq!(world.get("/health/readiness").await.status, 200);
    world.state.start_draining();
    assert_eq!(world.get("/health/readiness").await.status, 503);
    assert_eq!(world.get("/health").await.status, 200);
}

#[actix_web::test]
async fn metrics_are_labelled_by_route_never_by_path() {
    let world = world();
    world.get("/api/v1/signals/123456?secret=1").await;
    world.get("/no/such/path").await;
    let text = String::from_utf8(world.get("/metrics").await.body.to_vec()).unwrap();
    let line = "api_requests_total{method=\"GET\",route=\"/api/v1/signals/{id}\",status=\"4xx\"} 1";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("api_request_duration_seconds_bucket"));
    assert!(!text.contains("123456") && !text.contains("/no/such"));
}

thread_local! {
    /// The events of this thread, each as one line. Every test runs on a thread of its own.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps every event of a thread. Set for the whole process: a subscriber for one thread alone races
/// with other threads about which events are of interest.
struct Lines;

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = format!("{} ", event.metadata().target());
        event.record(&mut Line(&mut line));
        LINES.with_borrow_mut(|lines| lines.push(line));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// From now on this thread's events are kept, until they are taken.
fn keep_lines() {
    // Another test of this process may have been first; it set the same one.
    let _ = tracing::subscriber::set_global_default(Lines);
    LINES.take();
}

/// The ninth line of the original's testing checklist.
#[actix_web::test]
async fn exception_handler_catches_and_logs_errors() {
    async fn broken(_: crate::Context) -> crate::problem::Result<actix_web::HttpResponse> {
        panic!("a defect")
    }
    keep_lines();
    let endpoint = Route::new(Method::GET, "x", "x", Access::Public, Limit::None, broken);
    let answer = world().send_to(vec![endpoint], get("/api/v1/x")).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let request_id = answer.json()["request_id"].as_str().unwrap().to_owned();
    let lines = LINES.take();
    let told =
        |text: &str| lines.iter().any(|line| line.contains(text) && line.contains(&request_id));
    assert!(told("a defect"), "what happened stands in the log: {lines:?}");
    assert!(told("status=500"), "and so does the request: {lines:?}");
}

#[actix_web::test]
async fn one_line_a_request_without_anything_secret() {
    keep_lines();
    let world = world();
    let token = world.token(Tier::Pro, Role::User);
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let read = get("/api/v1/signals/latest?token=hunter2&limit=5")
        .insert_header(bearer(&token))
        .insert_header(("traceparent", trace))
        .insert_header(("x-request-id", "req-7"));
    world.send(read).await;
    let login = r#"{"email": "ada@example.com", "password": "correct-horse"}"#;
    world.send(post("/api/v1/auth/login", login)).await;
    world.get("/evil%0Apath%22").await;
    let lines = LINES.take();
    let access: Vec<&String> = lines.iter().filter(|line| line.starts_with("access ")).collect();
    assert_eq!(access.len(), 3, "{lines:?}");
    for part in [
        "method=\"GET\"",
        "route=\"/api/v1/signals/latest\"",
        "path=\"/api/v1/signals/latest\"",
        "status=200",
        "duration_ms=",
        "request_id=\"req-7\"",
        "trace_id=\"0af7651916cd43dd8448eb211c80319c\"",
        "caller=\"user\"",
    ] {
        assert!(access[0].contains(part), "{part}: {}", access[0]);
    }
    assert!(access[2].contains("route=\"unknown\"") && !access[2].contains('\n'));
    let everything = lines.join("\n");
    for secret in ["hunter2", "correct-horse", "ada@", &token, "limit=5"] {
        assert!(!everything.contains(secret), "{secret}: {everything}");
    }
}

#[actix_web::test]
async fn a_port_for_operators_serves_nothing_else() {
    let settings = HttpSettings { serve_metrics: false, ..HttpSettings::default() };
    let world = world_with(settings);
    assert_eq!(world.get("/metrics").await.status, 404);
    let table = crate::routes::metrics_table;
    assert_eq!(world.send_to(table(), get("/metrics")).await.status, 200);
    assert_eq!(world.send_to(table(), get("/api/v1/symbols")).await.status, 404);
}

/// Over a real connection, since only there it shows whether a body follows.
#[actix_web::test]
async fn head_answers_like_get_without_a_body() {
    use std::io::{Read as _, Write as _};
    let (address, handle) = world().listen();
    let talk = move |method: &str| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head =
            format!("{method} /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find(|line| line.to_lowercase().starts_with("content-length:"));
        (length.map(str::to_owned), body.len())
    };
    let (get, head) = actix_web::web::block(move || (talk("GET"), talk("HEAD"))).await.unwrap();
    handle.stop(false).await;
    assert!(get.1 > 1_000 && get.0.is_some());
    assert_eq!(head, (get.0, 0));
}
