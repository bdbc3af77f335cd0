//! `cargo xtask bench export`: how fast a file of signals is written, and in how much memory.

use std::{
    io::Read as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use alpine_testing::servers::Postgres;
use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::{
    instance::{Instance, Usage},
    loader::Loader,
};

const MIB: u64 = 1 << 20;
/// What a file of CSV has to bring a second, bytes.
const BOUND: f64 = 50e6;
/// What an instance may grow by while it writes, however long the file is, bytes.
const GROWTH: u64 = 64 * MIB;
/// Rows made by one statement.
const CHUNK: i64 = 100_000;
/// Over how long the signals came, microseconds.
const SPAN: i64 = 300 * 86_400_000_000;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How fast a file of signals is written.
///
/// Fills throw-away databases with signals, of which three in four have ended, and reads all of them as a file, over
/// loopback, from an instance in a process of its own. Fails when CSV brings less than 50 MB a second in its best round,
/// or when the instance grows by more than 64 MiB.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Signals
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(i64).range(1_000..=20_000_000))]
    signals: i64,
    /// Rounds of each form
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measure with this build, whatever its profile is; without it, with one of the profile release
    #[arg(long)]
    as_built: bool,
}

/// What one file brought.
struct Round {
    bytes: u64,
    rows: u64,
    took: Duration,
    memory: u64,
}

/// Whether every file was whole, and fast enough.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) && !arguments.as_built {
        return crate::workspace::built_as("release");
    }
    println!("{} signals, {} rounds", arguments.signals, arguments.rounds);
    let folder = tempfile::tempdir()?;
    let sqlite = folder.path().join("sqlite");
    let url = format!("sqlite:{}", sqlite.join("alpine.db").display());
    let mut holds = measure(arguments, "SQLite", &sqlite, &[], &url)?;
    let postgres = Postgres::start()?;
    postgres.execute("CREATE DATABASE export")?;
    let url = format!("postgres://postgres@127.0.0.1:{}/export", postgres.port());
    let settings = [("DATABASE_URL", url.clone())];
    holds &= measure(arguments, "PostgreSQL", &folder.path().join("postgres"), &settings, &url)?;
    Ok(holds)
}

fn measure(
    arguments: &Arguments,
    name: &str,
    folder: &Path,
    settings: &[(&str, String)],
    url: &str,
) -> Result<bool> {
    let instance = Instance::start(folder, settings)?;
    let base = format!("http://{}/api/v1", instance.address);
    let client = Client::builder().timeout(None).build()?;
    let person = json!({"email": "reader@example.com", "password": "only for measuring A1!", "full_name": "Reader"});
    let signed_up = client.post(format!("{base}/auth/signup")).json(&person).send()?;
    let signed_up: Value = signed_up.error_for_status()?.json()?;
    let token = signed_up["access_token"].as_str().context("an access token")?;
    fill(&mut Loader::connect(url)?, arguments.signals)?;
    let file = |format: &str| {
        let path = format!("{base}/signals/export?days=365&format={format}");
        client.get(path).bearer_auth(token)
    };
    let before = instance.usage()?.memory;
    println!("{name}, {} MiB before", before / MIB);
    let mut holds = true;
    for format in ["csv", "ndjson", "json"] {
        let rounds: Vec<Round> =
            (0..arguments.rounds).map(|_| round(&instance, file(format))).collect::<Result<_>>()?;
        for round in &rounds {
            let header = u64::from(format == "csv");
            let lines =
                if format == "json" { 1 } else { arguments.signals.unsigned_abs() + header };
            ensure!(round.rows == lines, "{} lines instead of {lines}", round.rows);
        }
        let best =
            rounds.iter().max_by(|a, b| a.speed().total_cmp(&b.speed())).context("no round")?;
        let memory = rounds.iter().map(|round| round.memory).max().unwrap_or_default();
        let grew = memory.saturating_sub(before);
        println!(
            "  {format:<7} {:>7.1} MB/s {:>9.0} rows/s {:>5} bytes a row; {} MiB at most",
            best.speed() / 1e6,
            f64::from(u32::try_from(arguments.signals).unwrap_or(u32::MAX))
                / best.took.as_secs_f64(),
            best.bytes / arguments.signals.unsigned_abs(),
            memory / MIB,
        );
        if format == "csv" && best.speed() < BOUND {
            println!("  FAILS: less than {:.0} MB/s", BOUND / 1e6);
            holds = false;
        }
        if grew > GROWTH {
            println!("  FAILS: grew by {} MiB", grew / MIB);
            holds = false;
        }
    }
    Ok(holds)
}

impl Round {
    /// Bytes a second.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn speed(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64()
    }
}

/// Reads one file to its end, and looks at the instance's memory meanwhile.
fn round(instance: &Instance, request: reqwest::blocking::RequestBuilder) -> Result<Round> {
    let (is_done, most) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while is_done.load(Ordering::Relaxed) == 0 {
                let Usage { memory, .. } = instance.usage().unwrap_or_default();
                most.fetch_max(memory, Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        let read = read(request);
        is_done.store(1, Ordering::Relaxed);
        let (bytes, rows, took) = read?;
        Ok(Round { bytes, rows, took, memory: most.load(Ordering::Relaxed) })
    })
}

/// Bytes, line ends, and how long they took from the request on.
fn read(request: reqwest::blocking::RequestBuilder) -> Result<(u64, u64, Duration)> {
    let started = Instant::now();
    let mut answer = request.header("Accept-Encoding", "identity").send()?.error_for_status()?;
    let (mut bytes, mut lines, mut buffer) = (0_u64, 0_u64, vec![0; 256 << 10]);
    loop {
        let read = answer.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, lines, started.elapsed()));
        }
        bytes += read as u64;
        // Newlines, some thousand millions a second.
        lines += buffer[..read].split(|byte| *byte == b'\n').count().saturating_sub(1) as u64;
    }
}

/// Signals of the instance's producer, as wide as real ones, the newest one now.
fn fill(loader: &mut Loader, signals: i64) -> Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros();
    let (now, mut done) = (i64::try_from(now)?, 0);
    while done < signals {
        let end = (done + CHUNK).min(signals);
        let numbers = loader.numbers(done, end);
        let made = format!("({now} - ({signals} - n) * {})", SPAN / signals);
        let said = loader.rfc3339(&made);
        let hash = loader.sha256("'BENCH-' || n");
        loader.run(&format!(
            "{numbers} INSERT INTO signals (producer_id, external_id, symbol, action, entry_price, target_price, \
             stop_price, confidence, confidence_text, strategy, asset_type, reasoning, signal_timestamp, signalled_at, \
             hash, content_hash, is_simulated, is_active, created_at, origin) \
             SELECT 1, 'BENCH-' || n, 'AAPL', 'BUY', '175.5', '184.25', '171.0', 50 + n % 50, (50 + n % 50) || '.0', \
             'weighted_consensus_v6', 'stock', 'Consensus of four sources, number ' || n, {said}, {made}, {hash}, {hash}, \
             FALSE, n % 4 = 0, {made}, 'live' FROM g"
        ))?;
        let said = loader.rfc3339("created_at");
        loader.run(&format!(
            "INSERT INTO outcomes (signal_id, status, exit_price, pnl_steps, exit_timestamp, closed_at, recorded_at) \
             SELECT id, 'target_hit', '184.25', 498575499, {said}, created_at, created_at FROM signals \
             WHERE id > {done} AND id <= {end} AND NOT is_active"
        ))?;
        done = end;
    }
    loader.settle()
}
