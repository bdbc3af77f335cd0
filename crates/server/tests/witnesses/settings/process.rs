//! What a process has once: its threads and its log.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    stage::{PATIENCE, within},
    support::process::Process,
};

/// The settings that these tests are about.
pub const KEYS: &[&str] =
    &["http.workers", "logging.buffer_lines", "logging.filter", "logging.repeats"];

#[tokio::test]
async fn as_many_workers_as_are_asked_for() {
    // One serves the metrics.
    let asked = Process::start(&[("ALPINE__HTTP__WORKERS", "19")]);
    assert!(within(PATIENCE, async || workers(&asked) == 19 + 1).await);
    let default = Process::start(&[]);
    assert!(!within(PATIENCE / 4, async || workers(&default) == 19 + 1).await);
}

fn workers(alpine: &Process) -> usize {
    alpine.threads().iter().filter(|name| name.starts_with("actix-server wo")).count()
}

#[tokio::test]
async fn the_filter_says_what_is_logged() {
    let requests = async |settings: &[(&str, &str)]| {
        let alpine = Process::start(settings);
        let url = format!("http://{}/health", alpine.address);
        reqwest::get(url).await.unwrap().error_for_status().unwrap();
        let is_told = |line: &serde_json::Value| line["target"] == "access";
        within(PATIENCE / 3, async || alpine.log().iter().any(is_told)).await
    };
    assert!(requests(&[]).await);
    assert!(!requests(&[("ALPINE__LOGGING__FILTER", "off,alpine_server=info")]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_buffer_loses_lines_of_a_burst() {
    const REQUESTS: usize = 2_000;
    let dropped = async |settings: &[(&str, &str)]| {
        let mut given = vec![("ALPINE__RATE_LIMITS__ENABLED", "false")];
        given.extend_from_slice(settings);
        let alpine = Process::start(&given);
        let mut stream = TcpStream::connect(alpine.address).await.unwrap();
        let request = "GET /api/v1/payments/plans HTTP/1.1\r\nHost: alpine\r\n\r\n";
        let (mut reading, mut writing) = stream.split();
        let write = async { writing.write_all(request.repeat(REQUESTS).as_bytes()).await.unwrap() };
        let read = async {
            let (mut text, mut piece) = (Vec::new(), vec![0; 65_536]);
            while answers(&text) < REQUESTS {
                let length = reading.read(&mut piece).await.unwrap();
                text.extend_from_slice(&piece[..length]);
            }
        };
        tokio::join!(write, read);
        alpine.metric("log_lines_dropped_total").await.unwrap()
    };
    assert!(dropped(&[("ALPINE__LOGGING__BUFFER_LINES", "4")]).await > 0);
    assert_eq!(dropped(&[]).await, 0);
}

/// Answers in what was read.
fn answers(text: &[u8]) -> usize {
    text.windows(12).filter(|part| part == b"HTTP/1.1 200").count()
}

/// At the start the clocks have not agreed for long enough, and each run of expiry says so.
#[tokio::test(flavor = "multi_thread")]
async fn one_place_writes_as_many_lines_as_it_may() {
    const OFTEN: (&str, &str) = ("ALPINE__SIGNALS__EXPIRY_INTERVAL", "10ms");
    let is_told = |line: &serde_json::Value| {
        line["message"] == "no signal expires while the clocks do not agree on what time it is"
    };
    let lines = |alpine: &Process| alpine.log().iter().filter(|line| is_told(line)).count();
    let all = Process::start(&[OFTEN, ("ALPINE__LOGGING__REPEATS", "1000000")]);
    let some = Process::start(&[OFTEN]);
    assert!(within(2 * PATIENCE, async || lines(&all) > 60).await);
    let left_out = async || some.metric("log_lines_left_out_total").await.unwrap();
    assert!(within(2 * PATIENCE, async || left_out().await > 40).await);
    assert_eq!(lines(&some), 20);
    assert_eq!(all.metric("log_lines_left_out_total").await, Some(0));
}
