//! Connections, requests, pages of other origins, the stop, the metrics' place.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    row::{Row, setting},
    stage::{PATIENCE, Stage, within},
    support::Client,
};

const ASKS: &str = "GET /health/liveness HTTP/1.1\r\nHost: alpine\r\n\r\n";
const ASKS_FOR_MUCH: &str = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: alpine\r\n\r\n";
const HALF_A_REQUEST: &str = "POST /api/v1/auth/login HTTP/1.1\r\nHost: alpine\r\n\
    Content-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"email\": \"a\", ";

pub fn rows() -> Vec<Row> {
    let mut rows = connections();
    rows.extend(requests());
    rows.extend(origins());
    rows.extend(lifecycle());
    rows
}

fn connections() -> Vec<Row> {
    const ONE_WORKER: (&str, &str) = ("http.workers", "1");
    vec![
        setting("http.bind", "127.0.0.2:0", "127.0.0.2", |at| {
            Box::pin(async move {
                let address = at.app.base.strip_prefix("http://").unwrap();
                address.parse::<SocketAddr>().unwrap().ip().to_string()
            })
        }),
        setting("http.max_connections", "3", "some are not", |at| {
            Box::pin(answered(at, "127.0.0.1", 9))
        })
        .besides(&[ONE_WORKER]),
        setting("http.max_connections_per_address", "3", "some are not", |at| {
            Box::pin(answered(at, "127.0.0.9", 9))
        }),
        setting("http.backlog", "1", "not all", |at| Box::pin(connected(at)))
            .besides(&[ONE_WORKER, ("http.max_connections", "1")]),
        setting("http.keep_alive", "500ms", "closed", |at| {
            Box::pin(async move {
                let stream = at.connect("127.0.0.1", ASKS).await;
                Stage::until_closed(stream).await.map_or("open", |_| "closed").to_owned()
            })
        }),
        setting("http.request_head_timeout", "500ms", "HTTP/1.1 408", |at| {
            Box::pin(async move {
                let stream = at.connect("127.0.0.1", "GET /health HTTP/1.1\r\nHost:").await;
                status_line(Stage::until_closed(stream).await)
            })
        }),
        setting("http.body_timeout", "500ms", "HTTP/1.1 408", |at| {
            Box::pin(async move {
                let mut stream = at.connect("127.0.0.1", HALF_A_REQUEST).await;
                let mut status = [0; 12];
                let read = timeout(PATIENCE, stream.read_exact(&mut status)).await;
                status_line(read.ok().map(|_| String::from_utf8_lossy(&status).into_owned()))
            })
        }),
        setting("http.send_window", "1s", "disconnected", |at| {
            Box::pin(async move {
                let _unread = at.connect("127.0.0.1", ASKS_FOR_MUCH).await;
                disconnected(at, PATIENCE).await
            })
        }),
        setting("http.send_floor", "64MiB", "disconnected", |at| {
            Box::pin(async move {
                let mut stream = at.connect("127.0.0.1", ASKS_FOR_MUCH).await;
                let mut piece = [0; 4096];
                let until = Instant::now() + 2 * PATIENCE;
                while Instant::now() < until && stream.read(&mut piece).await.is_ok() {
                    sleep(Duration::from_millis(20)).await;
                }
                disconnected(at, Duration::ZERO).await
            })
        })
        .besides(&[("http.send_window", "3s")]),
    ]
}

/// The beginning of an answer, if one came.
fn status_line(text: Option<String>) -> String {
    text.map_or_else(|| "nothing".to_owned(), |text| text.chars().take(12).collect())
}

/// Whether all of so many connections at once are answered.
async fn answered(at: &Stage, from: &str, count: usize) -> String {
    let mut open = Vec::new();
    for _ in 0..count {
        open.push(at.connect(from, ASKS).await);
    }
    let mut all = true;
    for stream in &mut open {
        let first = timeout(Duration::from_secs(1), stream.read_u8()).await;
        all &= matches!(first, Ok(Ok(b'H')));
        if !all {
            break;
        }
    }
    if all { "all are answered" } else { "some are not" }.to_owned()
}

/// Whether the operating system takes all of so many connections while the server takes one.
async fn connected(at: &Stage) -> String {
    let to: SocketAddr = at.app.base.strip_prefix("http://").unwrap().parse().unwrap();
    let mut open = Vec::new();
    for _ in 0..12 {
        match timeout(Duration::from_millis(500), TcpStream::connect(to)).await {
            Ok(stream) => open.push(stream.unwrap()),
            Err(_) => return "not all".to_owned(),
        }
    }
    "all".to_owned()
}

async fn disconnected(at: &Stage, patience: Duration) -> String {
    const DISCONNECTED: &str = "http_slow_readers_disconnected_total";
    let counted = within(patience, async || at.metric(DISCONNECTED, "").await > 0.0).await;
    if counted { "disconnected" } else { "still served" }.to_owned()
}

fn requests() -> Vec<Row> {
    vec![
        setting("http.body_limit", "1KiB", "413", |at| {
            Box::pin(async move {
                let body = serde_json::json!({"email": "a".repeat(2_000), "password": "b"});
                at.app.client().post("auth/login", &body).await.status.as_u16().to_string()
            })
        }),
        setting("http.batch_body_limit", "64KiB", "413", |at| {
            Box::pin(async move {
                let producer = at.producer().await;
                let lines = "{}\n".repeat(25_000);
                let answer = producer.post_text("external-signals/sync/batch", lines).await;
                answer.status.as_u16().to_string()
            })
        }),
        setting("http.compress_from", "1B", "gzip", |at| {
            Box::pin(async move {
                let request = "GET /health/liveness HTTP/1.1\r\nHost: alpine\r\nConnection: close\r\n\
                    Accept-Encoding: gzip\r\n\r\n";
                let stream = at.connect("127.0.0.1", request).await;
                let answer = Stage::until_closed(stream).await.unwrap();
                let coding = "content-encoding: gzip";
                if answer.contains(coding) { "gzip" } else { "plain" }.to_owned()
            })
        }),
        setting("http.hsts", "1d", "max-age=86400; includeSubDomains", |at| {
            Box::pin(async move {
                let answer = at.app.client().get("/health").await;
                answer.header("strict-transport-security").to_owned()
            })
        }),
        setting("http.trusted_proxies", "127.0.0.1", "200 200 200", |at| {
            Box::pin(async move {
                let mut statuses = Vec::new();
                for client in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
                    statuses.push(status_from(&at.app.client(), client).await);
                }
                statuses.join(" ")
            })
        })
        .besides(&[("rate_limits.enabled", "true"), ("rate_limits.anonymous.per_minute", "2")]),
    ]
}

/// The status of a request that a proxy hands on for this client.
pub async fn status_from(client: &Client, address: &str) -> String {
    let request = client.request(reqwest::Method::GET, "symbols");
    let answer = client.send(request.header("X-Forwarded-For", address)).await;
    answer.status.as_u16().to_string()
}

fn origins() -> Vec<Row> {
    const ALLOWED: &str = "access-control-allow-origin";
    vec![
        setting("http.frontend_url", "https://web.example/app", "https://web.example", |at| {
            Box::pin(at.preflight("https://web.example", "accept", ALLOWED))
        }),
        setting("http.domain", "web.example", "https://web.example", |at| {
            Box::pin(at.preflight("https://web.example", "accept", ALLOWED))
        })
        .besides(&[("profile", "production")]),
        setting("cors.origins", "https://more.example", "https://more.example", |at| {
            Box::pin(at.preflight("https://more.example", "accept", ALLOWED))
        }),
        setting("cors.request_headers", "x-own", "x-own", |at| {
            Box::pin(async move {
                const HEADERS: &str = "access-control-allow-headers";
                let allowed = at.preflight("http://localhost:3000", "x-own", HEADERS).await;
                let named = allowed.split(", ").find(|name| name.eq_ignore_ascii_case("x-own"));
                named.unwrap_or_default().to_lowercase()
            })
        }),
        setting("profile", "production", "", |at| {
            Box::pin(at.preflight("http://localhost:3000", "accept", ALLOWED))
        }),
    ]
}

fn lifecycle() -> Vec<Row> {
    vec![
        setting("data_dir", "{folder}/elsewhere", "there", |at| {
            Box::pin(async move {
                let file = at.folder.path().join("elsewhere/alpine.db");
                if file.is_file() { "there" } else { "not there" }.to_owned()
            })
        })
        .besides(&[("database.url", "")]),
        setting("shutdown.drain", "5s", "503", |at| {
            Box::pin(async move {
                at.app.begin_to_stop();
                sleep(Duration::from_millis(500)).await;
                let asked = reqwest::get(format!("{}/health/readiness", at.app.base)).await;
                asked.map_or_else(
                    |_| "gone".to_owned(),
                    |answer| answer.status().as_str().to_owned(),
                )
            })
        }),
        setting("shutdown.grace", "1m", "whole", |at| {
            Box::pin(async move {
                let mut stream = at.connect("127.0.0.1", ASKS_FOR_MUCH).await;
                let mut text = vec![0; 12];
                stream.read_exact(&mut text).await.unwrap();
                at.app.begin_to_stop();
                // Whether to wait longer is looked at once a second.
                sleep(Duration::from_millis(4_500)).await;
                // An answer that was cut off may end in an error.
                let _ended = stream.read_to_end(&mut text).await;
                if text.len() > 1_000_000 { "whole" } else { "cut off" }.to_owned()
            })
        }),
        setting("metrics.enabled", "false", "404", |at| Box::pin(metrics_status(at))),
        setting("metrics.bind", "127.0.0.1:0", "404", |at| Box::pin(metrics_status(at))),
    ]
}

async fn metrics_status(at: &Stage) -> String {
    at.app.client().get("/metrics").await.status.as_u16().to_string()
}
