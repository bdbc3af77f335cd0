//! What the surface gives away: origins, headers, logs, problems, pages and files.

use alpine_domain::account::{Role, Tier};
use alpine_testing::Wait;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::assert_refused;
use crate::{
    alpine::Alpine,
    support::{Answer, Client, Options, SignalBody, process::Process},
};

/// Asks as a page of this origin.
async fn from_origin(alpine: &Alpine, method: Method, origin: &str) -> Answer {
    let client = alpine.as_holder(None);
    let request = client
        .request(method, "signals/latest")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET");
    client.send(request).await
}

/// The Fetch standard, section 3.2 (CORS protocol).
#[tokio::test]
async fn surface_origins_are_admitted_exactly_and_null_is_refused() {
    let options = || Options::default().set("ALPINE__CORS__ORIGINS", "https://app.example.com");
    Alpine::with(options, async |alpine| {
        for method in [Method::GET, Method::OPTIONS] {
            let admitted = from_origin(&alpine, method.clone(), "https://app.example.com").await;
            let origin = admitted.header("access-control-allow-origin");
            assert_eq!(origin, "https://app.example.com");
            assert_eq!(admitted.header("access-control-allow-credentials"), "true");
            for other in [
                "null",
                "http://app.example.com",
                "https://app.example.com:444",
                "https://app.example.com.evil.example",
                "https://evil-app.example.com",
                "https://APP.example.com.",
            ] {
                let answer = from_origin(&alpine, method.clone(), other).await;
                assert_eq!(answer.header("access-control-allow-origin"), "", "{other}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn surface_any_origin_is_never_admitted_with_credentials() {
    let options = || Options::default().set("ALPINE__CORS__ORIGINS", "*");
    Alpine::with(options, async |alpine| {
        for method in [Method::GET, Method::OPTIONS] {
            for origin in ["https://any.example", "null"] {
                let answer = from_origin(&alpine, method.clone(), origin).await;
                assert_ne!(answer.header("access-control-allow-origin"), origin);
                assert_eq!(answer.header("access-control-allow-credentials"), "", "{origin}");
            }
        }
    })
    .await;
}

/// OWASP's Secure Headers and REST Security Cheat Sheet; no answer names program or version.
#[tokio::test]
async fn surface_every_answer_has_the_security_headers_and_names_no_server() {
    let options = || Options::default().set("ALPINE__HTTP__HSTS", "365d");
    Alpine::with(options, async |alpine| {
        let paths = ["/health", "/nowhere", "/docs/", "auth/me", "signals/latest", "signals/x"];
        for path in paths {
            let answer = alpine.as_holder(None).get(path).await;
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("strict-transport-security", "max-age=31536000"),
            ] {
                assert!(answer.header(name).starts_with(value), "{path}: {name}");
            }
            assert!(answer.header("content-security-policy").contains("default-src 'none'"));
            for name in ["server", "x-powered-by", "via"] {
                assert_eq!(answer.header(name), "", "{path}: {name}");
            }
            assert!(!answer.text.to_lowercase().contains("actix"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn surface_trace_is_refused() {
    Alpine::on_every_back_end(async |alpine| {
        for path in ["/health", "signals/latest", "auth/login", "/nowhere"] {
            let client = alpine.as_holder(None);
            let request = client.request(Method::TRACE, path).header("X-Secret", "echo");
            let answer = client.send(request).await;
            assert!(matches!(answer.status.as_u16(), 404 | 405), "{path}: {}", answer.status);
            assert!(!answer.text.contains("echo"), "{path}");
        }
    })
    .await;
}

/// Everything that is secret, through every place that a request has, at the most talkative level.
#[tokio::test(flavor = "multi_thread")]
async fn surface_logs_hold_no_query_no_secret_and_no_line_of_a_client() {
    let key = "alp_p_7c1f0a52be9d4483a6e2d95f10b7c8e4";
    let mut alpine = Process::start(&[("ARGO_API_KEY", key), ("ALPINE__LOGGING__FILTER", "trace")]);
    let anybody = Client::new(&format!("http://{}", alpine.address));
    let signed_in = anybody.sign_up("ada@example.com").await;
    let user = anybody.with_token(&signed_in.access_token);
    user.get("signals/history?symbol=QUERYSECRET").await;
    user.get("auth/me?token=QUERYSECRET").await;
    anybody.get("/health?access_token=QUERYSECRET").await;
    let wrong = json!({"email": "ada@example.com", "password": "WRONGSECRET of a user"});
    anybody.post("auth/login", &wrong).await.expect(401);
    let body = json!({"refresh_token": signed_in.refresh_token});
    anybody.post("auth/refresh", &body).await.expect(200);
    anybody.post("auth/forgot-password", &json!({"email": "ada@example.com"})).await.expect(200);
    let signal = SignalBody::new("one", "70").to_json();
    anybody.with_key(key).post_text("external-signals/sync/signal", signal).await.expect(201);
    let forged = "x\r\n{\"level\":\"ERROR\",\"message\":\"FORGED\"}\u{1b}[2J";
    let escaped = "%0d%0a%7b%22message%22%3a%22FORGED%22%7d%1b";
    anybody.get(&format!("/nowhere/{escaped}")).await;
    anybody.post("auth/login", &json!({"email": forged, "password": forged})).await;
    let agent = anybody.request(Method::GET, "/nowhere").header("User-Agent", "a\tFORGED: b");
    anybody.send(agent).await;
    let mut socket = TcpStream::connect(alpine.address).await.unwrap();
    let head = "GET /nowhere HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\u{85}FORGED\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.read_u8().await.unwrap();
    // What waits to be written is written before it ends.
    alpine.terminate();
    Wait::unpromised("an orderly stop takes its time")
        .until("it has ended", async || alpine.ended().is_some())
        .await;
    let log = alpine.log_text();
    assert!(log.contains("/nowhere"), "the requests are in this log");
    for secret in [
        "QUERYSECRET",
        "WRONGSECRET",
        Client::PASSWORD,
        key,
        crate::support::SECRET,
        &signed_in.access_token,
        &signed_in.refresh_token,
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for line in log.lines() {
        let parsed: Value = serde_json::from_str(line).unwrap();
        let message = parsed["message"].as_str().unwrap_or_default();
        assert!(!message.starts_with("FORGED"), "{line}");
        assert!(!line.chars().any(char::is_control), "{line}");
    }
}

/// RFC 9457, section 5.
#[tokio::test]
async fn surface_problems_tell_no_sql_no_path_and_no_trace() {
    Alpine::on_every_back_end(async |alpine| {
        let admin = alpine.admin_token().await;
        let mut answers = Vec::new();
        for path in [
            "signals/'; DROP TABLE signals; --",
            "signals/9223372036854775808",
            "signals/history?limit=99999999999999999999",
            "admin/audit?action=%00",
            "../../etc/passwd",
            "/docs/..%2f..%2fetc%2fpasswd",
        ] {
            let answer = alpine.get(path, Some(&admin)).await;
            assert!((400..500).contains(&answer.status.as_u16()), "{path}: {answer:?}");
            answers.push(answer);
        }
        for body in ["{", "[]", "\"x\"", "{\"email\": 1}", "\u{0}", "{\"email\": \"a\\ud800\"}"] {
            answers.push(alpine.as_holder(None).post_text("auth/login", body).await);
            answers.push(alpine.ingest(body).await);
        }
        for answer in &answers {
            assert!((400..500).contains(&answer.status.as_u16()), "{answer:?}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            let told = answer.text.to_lowercase();
            for inside in [
                "select ",
                "insert ",
                "sqlite",
                "postgres",
                "diesel",
                "panicked",
                "backtrace",
                ".rs:",
                "src/",
                "/home",
                "/root",
                "serde",
                "crates",
                "root:x",
            ] {
                assert!(!told.contains(inside), "{inside}: {told}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn surface_pages_are_bounded_whatever_is_asked_for() {
    Alpine::on_every_back_end(async |alpine| {
        let elite = alpine.token_of(Tier::Elite, Role::User).await;
        let admin = alpine.admin_token().await;
        for (path, token) in [
            ("signals/latest", &elite),
            ("signals/subscribed", &elite),
            ("signals/history", &elite),
            ("admin/audit", &admin),
        ] {
            for limit in ["0", "-1", "1000000", "18446744073709551616", "1e3", "all", ""] {
                let answer = alpine.get(&format!("{path}?limit={limit}"), Some(token)).await;
                assert_refused(&answer, 422, "invalid");
                assert_eq!(answer.refused_fields(), ["limit"], "{path}: {limit}");
            }
        }
    })
    .await;
}

/// OWASP, CSV Injection: a cell that a spreadsheet would take for a formula begins with an apostrophe, in each column that a
/// producer writes freely. In all others there is nothing that begins so, numbers aside.
#[tokio::test]
async fn surface_cells_of_csv_files_are_no_formulas() {
    const FREE: [&str; 5] = ["symbol", "signal_id", "strategy", "asset_type", "reasoning"];
    let formula = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    Alpine::on_every_back_end(async |alpine| {
        let elite = alpine.token_of(Tier::Elite, Role::User).await;
        let mut taken = Vec::new();
        for (n, text) in ["=A", "+A", "-A", "@A", "A"].into_iter().enumerate() {
            for column in FREE {
                let mut signal = SignalBody::new(&format!("{column}-{n}"), "70");
                match column {
                    "symbol" => text.clone_into(&mut signal.symbol),
                    "signal_id" => text.clone_into(&mut signal.signal_id),
                    "strategy" => text.clone_into(&mut signal.strategy),
                    _ => {}
                }
                let mut body: Value = serde_json::from_str(&signal.to_json()).unwrap();
                body[column] = text.into();
                let answer = alpine.ingest(&body.to_string()).await;
                if answer.status == 201 {
                    taken.push((column, text));
                } else {
                    assert_refused(&answer, 422, "invalid");
                    assert_eq!(answer.refused_fields(), [column], "{text}");
                }
            }
        }
        assert!(FREE.iter().all(|column| taken.contains(&(column, "A"))), "{taken:?}");
        let file = alpine.get("signals/export?format=csv", Some(&elite)).await;
        let mut reader = csv::Reader::from_reader(file.text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), taken.len(), "{}", file.text);
        for row in &rows {
            for (column, cell) in header.iter().zip(row) {
                let is_number = cell.parse::<f64>().is_ok();
                assert!(!formula(cell) || is_number, "{column}: {cell}");
            }
        }
        for (column, text) in taken {
            let at = header.iter().position(|name| name == column).unwrap();
            let cell = if formula(text) { format!("'{text}") } else { text.to_owned() };
            assert!(rows.iter().any(|row| row[at] == cell), "{column}: {cell}: {}", file.text);
        }
    })
    .await;
}
