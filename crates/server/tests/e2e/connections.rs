//! What strangers can do with bare connections.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use alpine_testing::Wait;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::support::process::Process;

/// Two thousand lines of ERROR once; now a summary in each interval, and a counter.
#[tokio::test(flavor = "multi_thread")]
async fn malformed_heads_are_counted_and_summarised_but_not_logged_one_by_one() {
    const HEADS: u64 = 500;
    let started = Instant::now();
    let alpine = Process::start(&[("ALPINE__LOGGING__SUMMARY_INTERVAL", "1s")]);
    for _ in 0..HEADS {
        let mut socket = TcpStream::connect(alpine.address).await.unwrap();
        socket.write_all(b"GET / HTTP/9.9\r\n\x00\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "{answer:?}");
    }
    assert_eq!(alpine.metric("http_connection_errors_total").await, Some(HEADS));
    // Two intervals more, so that the last ones have been told.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let intervals = started.elapsed().as_secs();
    let log = alpine.log();
    let library = log.iter().filter(|l| l["target"].as_str().unwrap().starts_with("actix"));
    assert_eq!(library.filter(|l| l["level"] == "ERROR").count(), 0);
    let told: Vec<_> = log.iter().filter_map(|line| line["connections"].as_u64()).collect();
    assert_eq!(told.iter().sum::<u64>(), HEADS, "{told:?}");
    assert!((1..=intervals).contains(&(told.len() as u64)), "{told:?} in {intervals} s");
}

/// A client that takes little at once, and asks for the largest thing that everybody may have.
async fn ask_for_the_bundle(alpine: &Process) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut socket = socket.connect(alpine.address).await.unwrap();
    let request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: alpine\r\n\r\n";
    socket.write_all(request).await.unwrap();
    socket
}

/// The status of liveness; an answer that takes longer than two seconds is none.
async fn liveness(address: SocketAddr) -> Option<u16> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build().unwrap();
    let answer = client.get(format!("http://{address}/health/liveness")).send().await;
    answer.ok().map(|answer| answer.status().as_u16())
}

/// What is still to be read, and how it ends.
async fn ends_with(mut socket: TcpStream) -> std::io::Result<usize> {
    let mut left = Vec::new();
    let read = socket.read_to_end(&mut left);
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("an end within 5 s")
}

/// They held every connection for as long as they liked, and a copy of the bundle each.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_are_disconnected_and_cost_little_while_liveness_answers() {
    const CLIENTS: u64 = 200;
    const WINDOW: Duration = Duration::from_secs(3);
    const MEMORY: u64 = 40 * 1024 * 1024;
    let alpine = Process::start(&[
        ("ALPINE__HTTP__MAX_CONNECTIONS", "200"),
        ("ALPINE__HTTP__SEND_WINDOW", &format!("{}s", WINDOW.as_secs())),
        // All of them are one address.
        ("ALPINE__RATE_LIMITS__ENABLED", "false"),
    ]);
    drop(ask_for_the_bundle(&alpine).await);
    let before = alpine.memory();
    let started = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(ask_for_the_bundle(&alpine).await);
    }
    let mut most = 0;
    let disconnected = async || {
        assert_eq!(liveness(alpine.metrics).await, Some(200), "after {:?}", started.elapsed());
        most = most.max(alpine.memory());
        alpine.metric("http_slow_readers_disconnected_total").await == Some(CLIENTS)
    };
    let promise = "two windows, `http.send_window`; a busy machine is forgiven as long again";
    Wait::promised(4 * WINDOW, started, promise).until("all are disconnected", disconnected).await;
    assert!(most < before + MEMORY, "{before} before, {most} at most");
    for client in clients {
        let ended = ends_with(client).await.map_err(|error| error.kind());
        assert_eq!(ended, Err(std::io::ErrorKind::ConnectionReset));
    }
    assert_eq!(liveness(alpine.address).await, Some(200));
    let after = alpine.memory();
    assert!(after < before + MEMORY, "{before} before, {after} after");
}

/// What counts is the pace, not that something is read now and then.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_served_and_a_trickling_one_disconnected() {
    let alpine = Process::start(&[
        ("ALPINE__HTTP__SEND_WINDOW", "2s"),
        ("ALPINE__HTTP__SEND_FLOOR", "64KiB"),
    ]);
    let read = async |piece: usize, pause: Duration| {
        let mut socket = ask_for_the_bundle(&alpine).await;
        let mut piece = vec![0; piece];
        let (started, mut total) = (Instant::now(), 0);
        // A keep-alive connection does not end by itself, so the bundle's size is the end.
        while total < 1_000_000 && started.elapsed() < Duration::from_secs(20) {
            match socket.read(&mut piece).await {
                Ok(0) | Err(_) => return (total, true),
                Ok(bytes) => total += bytes,
            }
            tokio::time::sleep(pause).await;
        }
        (total, false)
    };
    let (slow, trickle) = tokio::join!(
        read(8 * 1024, Duration::from_millis(20)),
        read(512, Duration::from_millis(100)),
    );
    assert!(!slow.1 && slow.0 >= 1_000_000, "{slow:?}");
    assert!(trickle.1 && trickle.0 < 200_000, "{trickle:?}");
    assert_eq!(alpine.metric("http_slow_readers_disconnected_total").await, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_a_bounded_number_of_connections() {
    let alpine = Process::start(&[("ALPINE__HTTP__MAX_CONNECTIONS_PER_ADDRESS", "3")]);
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(alpine.address).await.unwrap();
        socket.write_all(b"GET /health/liveness HTTP/1.1\r\nHost: alpine\r\n\r\n").await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'H');
        open.push(socket);
    }
    for refused in 1..=2 {
        let socket = TcpStream::connect(alpine.address).await.unwrap();
        assert_eq!(ends_with(socket).await.unwrap(), 0);
        let count = alpine.metric("http_connections_refused_total").await;
        assert_eq!(count, Some(refused));
    }
    open.pop();
    Wait::unpromised("the server notices the end of a connection when the kernel tells it")
        .until("the place is free again", async || liveness(alpine.address).await == Some(200))
        .await;
}

/// The port of the metrics is one like the other: it had none of its deadlines.
#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_the_metrics_has_the_same_deadlines_and_bounds() {
    let alpine = Process::start(&[
        ("ALPINE__HTTP__SEND_WINDOW", "1s"),
        ("ALPINE__HTTP__REQUEST_HEAD_TIMEOUT", "1s"),
        ("ALPINE__HTTP__MAX_CONNECTIONS_PER_ADDRESS", "4"),
    ]);
    // A head that does not come.
    let mut silent = TcpStream::connect(alpine.metrics).await.unwrap();
    silent.write_all(b"GET /metrics HTTP/1.1\r\nHost:").await.unwrap();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut answer));
    end.await.expect("an end").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");

    // Answers that nobody reads: more than the operating systems on both sides hold.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut deaf = socket.connect(alpine.metrics).await.unwrap();
    let started = Instant::now();
    loop {
        let request = b"GET /metrics HTTP/1.1\r\nHost: alpine\r\n\r\n";
        // Its requests are not read either, once enough answers wait.
        let sent = tokio::time::timeout(Duration::from_millis(20), deaf.write_all(request)).await;
        if let Ok(Err(_)) = sent {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still connected");
    }
    assert_eq!(alpine.metric("http_slow_readers_disconnected_total").await, Some(1));

    // More connections than one address may have.
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut socket = TcpStream::connect(alpine.metrics).await.unwrap();
        socket.write_all(b"GET /health/liveness HTTP/1.1\r\nHost: alpine\r\n\r\n").await.unwrap();
        let first = socket.read_u8().await;
        open.push((socket, first.is_ok()));
    }
    let further = TcpStream::connect(alpine.metrics).await.unwrap();
    assert_eq!(ends_with(further).await.unwrap_or_default(), 0, "it is closed at once");
    drop(open);
}
