//! How many files one account may fetch at once, and what becomes of readers who stop in the middle.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use alpine_domain::account::{Role, Tier};
use alpine_testing::Wait;
use reqwest::Method;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    alpine::Alpine,
    support::{Options, SignalBody},
};

const PATH: &str = "/api/v1/signals/export?format=ndjson";

/// Signals in a file.
const SIGNALS: u64 = 4_000;

/// A client that has begun a file and does not read on. The file is larger than what is held for it.
async fn begun(alpine: &Alpine, token: &str) -> TcpStream {
    begun_with(alpine, token, "Connection: close\r\n", 1).await
}

/// The same with headers of its own, and the same request so many times at once.
async fn begun_with(alpine: &Alpine, token: &str, headers: &str, times: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let address = alpine.app.base.strip_prefix("http://").unwrap().parse().unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let request = format!(
        "GET {PATH} HTTP/1.1\r\nHost: alpine\r\n{headers}Authorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.repeat(times).as_bytes()).await.unwrap();
    let mut start = [0; 12];
    socket.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    socket
}

/// Stores more than sockets and buffers hold of one file, even compressed.
async fn store_signals(alpine: &Alpine) {
    let lines: Vec<String> = (0..SIGNALS)
        .map(|n| SignalBody::new(&format!("SIG-{n}"), "60.0").to_json().replace('\n', " "))
        .collect();
    let answer = alpine.post_as_producer("external-signals/sync/batch", lines.join("\n")).await;
    assert_eq!(answer.expect(200)["stored"], SIGNALS);
}

/// A metric of the application.
async fn metric(alpine: &Alpine, name: &str) -> u64 {
    let text = alpine.app.client().get("/metrics").await.text;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
}

async fn status(alpine: &Alpine, token: &str) -> u16 {
    let client = alpine.as_holder(Some(token));
    let answer = client.request(Method::GET, PATH).send().await.unwrap();
    let status = answer.status().as_u16();
    answer.bytes().await.unwrap();
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_a_bounded_number_of_exports_at_once() {
    let options = || Options::default().set("ALPINE__HTTP__MAX_EXPORTS_PER_ACCOUNT", "2");
    Alpine::with(options, async |alpine| {
        store_signals(&alpine).await;
        let ada = alpine.token_of(Tier::Elite, Role::User).await;
        let first = begun(&alpine, &ada).await;
        let mut second = begun(&alpine, &ada).await;

        let refused = alpine.get(PATH, Some(&ada)).await;
        assert_eq!(refused.headers["retry-after"], "10");
        let problem: Value = refused.expect(429);
        assert_eq!(problem["type"], "/problems/rate-limited");
        assert!(problem["detail"].as_str().unwrap().starts_with("2 exports at once"), "{problem}");
        // Nobody else is held up.
        let other = alpine.token_of(Tier::Pro, Role::User).await;
        assert_eq!(status(&alpine, &other).await, 200);

        // A client that goes away gives its place back, and so does a file that ends.
        drop(first);
        Wait::unpromised("the server notices when it next writes to the closed socket")
            .until("a place is free", async || status(&alpine, &ada).await == 200)
            .await;
        let third = begun(&alpine, &ada).await;
        assert_eq!(alpine.get(PATH, Some(&ada)).await.status, 429);
        let mut rest = Vec::new();
        second.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"));
        assert_eq!(status(&alpine, &ada).await, 200);
        drop(third);
    })
    .await;
}

/// Plain, compressed, and three requests at once on one connection. Each has brought more than the floor
/// when it stops, so that the first window passes and the second one ends it.
#[tokio::test(flavor = "multi_thread")]
async fn who_stops_reading_in_the_middle_is_disconnected_and_leaves_nothing() {
    const WINDOW: Duration = Duration::from_secs(4);
    let options = || {
        Options::default()
            .set("ALPINE__HTTP__SEND_WINDOW", "4s")
            .set("ALPINE__HTTP__MAX_EXPORTS_PER_ACCOUNT", "3")
    };
    Alpine::with(options, async |alpine| {
        store_signals(&alpine).await;
        let ada = alpine.token_of(Tier::Elite, Role::User).await;
        let mut stopped = Vec::new();
        for (headers, times) in [("", 1), ("Accept-Encoding: gzip\r\n", 1), ("", 3)] {
            stopped.push(begun_with(&alpine, &ada, headers, times).await);
        }
        let began = Instant::now();
        assert_eq!(metric(&alpine, "http_exports_open").await, 3);
        assert_eq!(alpine.get(PATH, Some(&ada)).await.status, 429);

        let disconnected =
            async || metric(&alpine, "http_slow_readers_disconnected_total").await == 3;
        let promise = "two windows, `http.send_window`; a busy machine is forgiven as long again";
        Wait::promised(4 * WINDOW, began, promise)
            .until("all are disconnected", disconnected)
            .await;
        let none = async || metric(&alpine, "http_exports_open").await == 0;
        Wait::unpromised("an export ends when its task next runs")
            .until("no export is under way", none)
            .await;
        assert_eq!(metric(&alpine, "db_connections_active").await, 0);
        let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND pid <> pg_backend_pid() AND state <> 'idle'";
        assert!(alpine.app.sql(busy).is_none_or(|count| count.trim() == "0"));
        for mut socket in stopped {
            let ended = socket.read_to_end(&mut Vec::new()).await.map_err(|error| error.kind());
            assert_eq!(ended, Err(ErrorKind::ConnectionReset));
        }
        for _ in 0..3 {
            assert_eq!(status(&alpine, &ada).await, 200);
        }
    })
    .await;
}
