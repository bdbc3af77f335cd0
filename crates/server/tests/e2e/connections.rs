//! What strangers can do with bare connections.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
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
