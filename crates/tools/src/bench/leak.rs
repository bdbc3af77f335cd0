//! `cargo xtask bench leak`: whether the time of an answer tells a late reader that something happened of
//! which they may not know yet.
//!
//! Before each try a signal is published, which an anonymous reader sees a quarter of an hour later, or
//! a body is refused; a coin decides. Then one request is timed. Both kinds are compared by ranks
//! (Mann and Whitney): no distribution is assumed, and a single slow answer weighs nothing.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use alpine_domain::producer::Producer;
use alpine_server::application::{Application, Core, MoreRoutes, Ports};
use anyhow::{Context as _, Result, ensure};
use prometheus::Registry;
use tokio::runtime::Runtime;

use super::ranks::{ALARM, Coin, deviations, median};
use crate::fixture;

/// Between what happens and the request: the writer has settled, as it has for a reader far away.
const PAUSE: Duration = Duration::from_millis(15);
/// Bytes of a line at most, as the API takes them.
const LONGEST_LINE: usize = 65_536;

/// Whether the time of an answer tells of what is hidden.
///
/// Fails when an alarm is raised that an honest server raises once in a million runs. Run it on an
/// otherwise idle machine; what else disturbs, disturbs both kinds alike.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Timed requests of each kind of reading
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(200..=1_000))]
    tries: u32,
    /// What the coin starts from
    #[arg(long, default_value_t = 16)]
    seed: u64,
    /// With this build, not with one as releases are
    #[arg(long)]
    as_built: bool,
}

/// What a reader asks for.
#[derive(Debug, Clone, Copy)]
enum Reading {
    /// The same again and again: it is answered from the cache.
    Cached,
    /// Something else each time: each answer is made from the database.
    Loaded,
}

impl Reading {
    fn path(self, number: u32) -> String {
        match self {
            Self::Cached => "/api/v1/signals/latest".to_owned(),
            Self::Loaded => format!("/api/v1/signals/latest?symbol=T{number}"),
        }
    }
}

/// How long the requests took, in nanoseconds, by whether something had happened.
#[derive(Debug, Default)]
struct Times {
    happened: Vec<u64>,
    nothing: Vec<u64>,
}

/// Whether no alarm was raised.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) && !arguments.as_built {
        return crate::workspace::built_as("dist");
    }
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let lines = fixture::signals()?;
    let (stored, unknown) = lines.split_at(lines.len().min(fixture::SIGNALS_STORED));
    let bench = runtime.block_on(Bench::start(folder.path(), stored))?;
    let (mut coin, mut unknown) = (Coin(arguments.seed), unknown.iter());
    let mut is_quiet = true;
    for reading in [Reading::Cached, Reading::Loaded] {
        let mut times = Times::default();
        for number in 0..arguments.tries {
            let line = if coin.toss() { unknown.next() } else { None };
            bench.happen(&runtime, line)?;
            std::thread::sleep(PAUSE);
            let took = bench.ask(&reading.path(number))?;
            if line.is_some() { &mut times.happened } else { &mut times.nothing }.push(took);
        }
        is_quiet &= report(reading, &times)?;
    }
    runtime.block_on(bench.stop())?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(is_quiet)
}

fn report(reading: Reading, times: &Times) -> Result<bool> {
    let (happened, nothing) = (&times.happened, &times.nothing);
    ensure!(happened.len() >= 50 && nothing.len() >= 50, "too few signals to publish");
    let deviations = deviations(happened, nothing);
    let is_quiet = deviations.abs() < ALARM;
    let mut text = format!("{reading:?}: ");
    for (kind, times) in [("something hidden happened", happened), ("nothing", nothing)] {
        let micros = median(times) / 1_000;
        write!(text, "{kind} {} times, median {micros} µs; ", times.len())?;
    }
    let verdict = if is_quiet { "tells nothing" } else { "TELLS OF IT" };
    println!("{text}{deviations:+.2} deviations, alarm at {ALARM}: {verdict}");
    Ok(is_quiet)
}

/// The application in this process, and a reader beside it.
struct Bench {
    core: Arc<Core>,
    producer: Producer,
    address: SocketAddr,
    stop: alpine_server::application::StopHandle,
    running: tokio::task::JoinHandle<Result<()>>,
}

impl Bench {
    async fn start(folder: &std::path::Path, stored: &[String]) -> Result<Self> {
        let config = fixture::config(folder, 1)?;
        let no_more: MoreRoutes = |_| Vec::new();
        let application =
            Application::build_with(&config, &Ports::default(), no_more, Registry::new()).await?;
        let core = application.core().clone();
        let (producer, _) = core.use_cases.producers.create("bench", false).await?;
        let (address, stop) = (application.address(), application.stop_handle());
        let running = tokio::spawn(application.run());
        let bench = Self { core, producer, address, stop, running };
        bench.submit(&stored.join("\n")).await?;
        Ok(bench)
    }

    async fn submit(&self, lines: &str) -> Result<()> {
        let submitted =
            self.core.use_cases.intake.submit_batch(&self.producer, lines.as_bytes(), LONGEST_LINE);
        submitted.await?;
        Ok(())
    }

    /// Publishes this signal, or offers one that is refused.
    fn happen(&self, runtime: &Runtime, line: Option<&String>) -> Result<()> {
        runtime.block_on(self.submit(line.map_or("{}", String::as_str)))
    }

    /// Asks on a connection of its own, which is open before the time is taken; nanoseconds.
    fn ask(&self, path: &str) -> Result<u64> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        // The server has accepted it and waits for the request.
        std::thread::sleep(Duration::from_millis(1));
        let mut answer = [0; 512];
        let started = Instant::now();
        stream.write_all(request.as_bytes())?;
        let length = stream.read(&mut answer)?;
        let took = started.elapsed();
        let status = answer.get(..length.min(12)).context("no answer")?;
        ensure!(status == b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&answer));
        Ok(u64::try_from(took.as_nanos())?)
    }

    async fn stop(self) -> Result<()> {
        self.stop.force();
        self.running.await?
    }
}
