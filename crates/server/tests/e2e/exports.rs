//! How many files one account may fetch at once, and what becomes of readers who stop in the middle.

use std::{
    collections::HashSet,
    io::ErrorKind,
    ops::Range,
    time::{Duration, Instant},
};

use alpine_domain::account::{Role, Tier};
use alpine_testing::Wait;
use reqwest::Method;
use serde_json::{Value, json};
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

/// A client that does not read on holds no connection to the database: what it may still read was read before.
#[tokio::test(flavor = "multi_thread")]
async fn who_reads_slowly_holds_no_connection() {
    Alpine::on_every_back_end(async |alpine| {
        store_signals(&alpine).await;
        let ada = alpine.token_of(Tier::Elite, Role::User).await;
        let mut dawdling = begun(&alpine, &ada).await;
        Wait::unpromised("a batch is read in its own time")
            .until("no connection is in use", async || {
                metric(&alpine, "db_connections_active").await == 0
            })
            .await;
        assert_eq!(metric(&alpine, "http_exports_open").await, 1);
        let mut rest = Vec::new();
        dawdling.read_to_end(&mut rest).await.unwrap();
        assert!(rest.ends_with(b"0\r\n\r\n"));
    })
    .await;
}

/// The ids of the rows of a file, as far as it came: `bytes` at most, then the connection is cut.
async fn rows(alpine: &Alpine, token: &str, path: &str, bytes: usize) -> Vec<String> {
    let client = alpine.as_holder(Some(token));
    let mut answer = client.request(Method::GET, path).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200, "{path}");
    let mut text = Vec::new();
    while text.len() < bytes {
        let Some(chunk) = answer.chunk().await.unwrap() else { break };
        text.extend_from_slice(&chunk);
    }
    text.truncate(bytes);
    // The last line may have come in part.
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = String::from_utf8(text[..whole].to_vec()).unwrap();
    let id =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().map(Into::into);
    lines.lines().map(|line| id(line).unwrap()).collect()
}

async fn publish(alpine: &Alpine, numbers: Range<usize>) {
    let line = |n| SignalBody::new(&format!("SIG-{n}"), "60.0").to_json().replace('\n', " ");
    let lines: Vec<String> = numbers.clone().map(line).collect();
    let answer = alpine.post_as_producer("external-signals/sync/batch", lines.join("\n")).await;
    assert_eq!(answer.expect(200)["stored"], numbers.len());
}

async fn close(alpine: &Alpine, number: usize) {
    let outcome = json!({
        "signal_id": format!("SIG-{number}"),
        "exit_price": 180.0,
        "exit_timestamp": alpine.app.now().to_string(),
    });
    let outcome = outcome.to_string();
    alpine.post_as_producer("external-signals/sync/outcome", outcome).await.expect(200);
}

/// Reads a file in pieces, while one signal after the other is published and another one ends. The numbers from `spare` on
/// belong to no signal yet, those below it to open ones.
async fn in_pieces(alpine: &Alpine, token: &str, path: &str, spare: usize) -> Vec<String> {
    const PIECE: usize = 400_000;
    let (mut found, mut cuts) = (Vec::new(), 0);
    let mut piece = rows(alpine, token, path, PIECE).await;
    while let Some(last) = piece.last() {
        cuts += 1;
        let rest = format!("{path}&after={last}");
        found.append(&mut piece);
        publish(alpine, spare + cuts..spare + cuts + 1).await;
        close(alpine, spare / 10 + cuts).await;
        piece = rows(alpine, token, &rest, PIECE).await;
    }
    assert!(cuts > 2, "{cuts} cuts");
    found
}

/// Whatever arrives and ends meanwhile, a file that is cut off again and again, and taken up after its last whole row, has
/// each row once.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_broke_off_goes_on_after_its_last_row() {
    const MINUTE: Duration = Duration::from_mins(1);
    Alpine::on_every_back_end(async |alpine| {
        let ada = alpine.token_of(Tier::Elite, Role::User).await;
        // A thousand before an instant, of which sixty end after it, and a thousand after it.
        publish(&alpine, 0..1_000).await;
        alpine.clock.advance(MINUTE);
        let instant = alpine.app.now();
        alpine.clock.advance(MINUTE);
        publish(&alpine, 1_000..2_000).await;
        for number in (0..60).chain([1_500]) {
            close(&alpine, number).await;
        }
        alpine.clock.advance(MINUTE);
        let changes = format!("{PATH}&updated_after={instant}");
        for (path, rows_at_least, spare) in [(PATH, 2_000, 2_000), (&changes, 1_060, 3_000)] {
            let whole = rows(&alpine, &ada, path, usize::MAX).await;
            assert!(whole.len() >= rows_at_least, "{} rows", whole.len());
            let found = in_pieces(&alpine, &ada, path, spare).await;
            let distinct: HashSet<_> = found.iter().collect();
            assert_eq!(distinct.len(), found.len(), "a row came twice");
            let missing: Vec<_> = whole.iter().filter(|id| !distinct.contains(id)).collect();
            assert!(missing.is_empty(), "{missing:?}");
            // New signals stand before the place; older ones that ended meanwhile may stand behind it.
            assert!(path != PATH || found == whole);
        }
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
