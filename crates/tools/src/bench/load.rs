//! Load from keep-alive connections, each with one request under way. As simple as it can be, since it
//! runs on the same processors as what it measures: prepared requests, and of an answer only the status
//! and the body are looked at, to the byte.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    task::LocalSet,
    time::timeout,
};

const OK: &[u8] = b"HTTP/1.1 200 ";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What is asked, and what must be the answer.
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// The head of each request, one for each user.
    pub(super) requests: Arc<[Bytes]>,
    pub(super) body: Bytes,
}

/// What was measured in one slice of time.
pub(super) struct Slice {
    /// How long each request took, in nanoseconds, ascending.
    latencies: Vec<u64>,
    elapsed: Duration,
}

/// Heads of requests for `path`, one for each token.
pub(super) fn requests(path: &str, tokens: &[String]) -> Arc<[Bytes]> {
    let head = |token: &String| {
        Bytes::from(format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: alpine-bench\r\nAccept: */*\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        ))
    };
    tokens.iter().map(head).collect()
}

/// Sends from `connections` connections, which `threads` share, for `span`.
pub(super) fn run(
    target: &Arc<Target>,
    connections: usize,
    threads: usize,
    span: Duration,
) -> Result<Slice> {
    let threads = threads.min(connections);
    let started = Instant::now();
    let end = started + span;
    let numbers = |first: usize| (first..connections).step_by(threads);
    let results = thread::scope(|scope| {
        let spawned: Vec<_> = (0..threads)
            .map(|first| {
                scope.spawn(move || {
                    let runtime = Builder::new_current_thread().enable_all().build()?;
                    runtime.block_on(several(target, numbers(first), connections, end))
                })
            })
            .collect();
        spawned.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut latencies = Vec::new();
    for result in results {
        latencies.append(&mut result.map_err(|_| anyhow!("a thread of the load panicked"))??);
    }
    Ok(Slice::of(latencies, started.elapsed()))
}

/// Some of the connections, on one thread.
async fn several(
    target: &Arc<Target>,
    numbers: impl Iterator<Item = usize>,
    step: usize,
    end: Instant,
) -> Result<Vec<u64>> {
    let local = LocalSet::new();
    let tasks: Vec<_> = numbers
        .map(|number| local.spawn_local(connection(Arc::clone(target), number, step, end)))
        .collect();
    // A server that hangs is an error, not a pause.
    let limit = end.saturating_duration_since(Instant::now()) + Duration::from_secs(10);
    let all = async {
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.append(&mut task.await??);
        }
        anyhow::Ok(latencies)
    };
    timeout(limit, local.run_until(all)).await.context("no answer for 10 s")?
}

/// The body of one answer, before anything is measured.
pub(super) async fn first_body(address: SocketAddr, request: &[u8]) -> Result<Bytes> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    loop {
        ensure!(stream.read_buf(&mut answer).await? > 0, "the server hung up");
        let Some(head) = head_of(&answer)? else { continue };
        let text = std::str::from_utf8(&answer[..head])?.to_ascii_lowercase();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .context("the answer has no Content-Length")?
            .trim()
            .parse()?;
        if answer.len() >= head + length {
            return Ok(Bytes::from(answer.split_off(head)));
        }
    }
}

async fn connection(
    target: Arc<Target>,
    number: usize,
    step: usize,
    end: Instant,
) -> Result<Vec<u64>> {
    let mut stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(1 << 14);
    let mut answer = Vec::with_capacity(16 * 1024);
    let mut turn = number;
    let mut sent = Instant::now();
    while sent < end {
        let request = &target.requests[turn % target.requests.len()];
        // Users take turns, and no two connections are in step.
        turn += step + 1;
        stream.write_all(request).await?;
        answer.clear();
        loop {
            ensure!(stream.read_buf(&mut answer).await? > 0, "the server hung up");
            if is_whole(&answer, &target.body)? {
                break;
            }
        }
        let now = Instant::now();
        latencies.push(u64::try_from((now - sent).as_nanos())?);
        sent = now;
    }
    Ok(latencies)
}

/// Whether the answer is there, or more of it must come; an error when it is not the one expected.
fn is_whole(answer: &[u8], body: &[u8]) -> Result<bool> {
    // The common case without looking for the end of the head: it would cost more where it is longer.
    let is_expected = answer.starts_with(OK)
        && answer.strip_suffix(body).is_some_and(|head| head.ends_with(END_OF_HEAD));
    if is_expected {
        return Ok(true);
    }
    let Some(head) = head_of(answer)? else {
        return Ok(false);
    };
    let received = &answer[head..];
    if received.len() < body.len() {
        return Ok(false);
    }
    bail!("an answer differs from the first one");
}

/// Where the body begins, once the head is there; an error when the status is not 200.
fn head_of(answer: &[u8]) -> Result<Option<usize>> {
    if answer.len() < OK.len() {
        return Ok(None);
    }
    if !answer.starts_with(OK) {
        bail!("not answered with 200: {}", String::from_utf8_lossy(answer));
    }
    let end = answer.windows(4).position(|window| window == END_OF_HEAD);
    Ok(end.map(|end| end + 4))
}

impl Slice {
    fn of(mut latencies: Vec<u64>, elapsed: Duration) -> Self {
        latencies.sort_unstable();
        Self { latencies, elapsed }
    }

    pub(super) fn requests(&self) -> usize {
        self.latencies.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(super) fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency, in microseconds, that `percent` of the requests do not exceed.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of one slice")]
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (self.latencies.len() * percent / 100).min(last);
        self.latencies.get(at).map_or(f64::NAN, |nanos| *nanos as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_only_with_the_expected_body() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
        let whole = |answer: &str| is_whole(answer.as_bytes(), b"body").ok();
        assert_eq!(whole(&format!("{head}body")), Some(true));
        assert_eq!(whole(&format!("{head}bod")), Some(false));
        assert_eq!(whole("HTTP/1.1 200 OK\r\n"), Some(false));
        assert_eq!(whole("HTT"), Some(false));
        assert_eq!(whole(&format!("{head}bodY")), None);
        assert_eq!(whole(&format!("{head}bodybody")), None);
        assert_eq!(whole("HTTP/1.1 429 Too Many Requests\r\n\r\nbody"), None);
    }

    #[test]
    fn percentiles_are_of_the_sorted_latencies() {
        let latencies = (1..=1_000).rev().map(|micros| micros * 1_000).collect();
        let slice = Slice::of(latencies, Duration::from_secs(2));
        assert_eq!(slice.per_second().to_string(), "500");
        assert_eq!(slice.percentile(50).to_string(), "501");
        assert_eq!(slice.percentile(99).to_string(), "991");
    }
}
