//! `cargo xtask bench hot-path`: the variants take turns, several rounds long, on one machine.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use alpine_testing::servers::{Memory, Redis};
use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::runtime::Runtime;

use super::{
    load::{self, Slice, Target},
    table::{Measured, Rounds, Verdict},
    variant::Variant,
};
use crate::fixture::{self, Fixture};

/// `signals/latest` for many users, side by side with a bare handler that sends the same bytes.
///
/// (b), (c) and (d) are the whole application: access tokens of many users of one tier are verified, the
/// blacklist is asked, two limits are counted, metrics are kept and one JSON line is logged for each
/// request. Each variant is a process of its own with the same number of workers; they take turns, so
/// that whatever else the machine does disturbs all of them. Every answer must be 200 and the same to
/// the byte. The load runs on the same processors. SQLite and memory; (c) starts a Redis for itself.
/// Fails when a promise about (b) does not hold.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Rounds; each measures every variant once
    #[arg(long, default_value_t = 21, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
    /// Milliseconds for which one variant is measured in one round
    #[arg(long, value_name = "MS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(50..=600_000))]
    slice: u64,
    /// Keep-alive connections, each with one request under way
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Threads that send. More of them compete with the servers for the processors
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    load_threads: u16,
    /// Users who are signed in and take turns
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..))]
    users: u16,
    /// Worker threads of each server; without it, one for each processor
    #[arg(long)]
    workers: Option<usize>,
    /// Only these variants, bare for example
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Variant::ALL)]
    only: Vec<Variant>,
    /// Where the log lines go
    #[arg(long, value_name = "FILE", default_value = "/dev/null")]
    log: PathBuf,
}

/// Whether (b) keeps what is promised of it, where it was measured beside (a).
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    if cfg!(debug_assertions) {
        return crate::workspace::built_as("dist");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run_folder = tempfile::tempdir()?;
    let workers = arguments
        .workers
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));

    let progress = ProgressBar::new_spinner();
    progress.set_message(format!("signing {} users in", arguments.users));
    progress.enable_steady_tick(Duration::from_millis(100));
    let seed = fixture::folder(run_folder.path(), "seed");
    let fixture = fixture::prepare(&seed, usize::from(arguments.users))?;
    progress.set_message("starting the servers");
    let mut bench = Bench::start(arguments, run_folder.path(), &seed, workers, &fixture, &runtime)?;
    progress.finish_and_clear();

    println!(
        "{} connections, {} users, {workers} workers, a body of {} bytes, {} rounds of {} ms each",
        arguments.connections,
        arguments.users,
        bench.body.len(),
        arguments.rounds,
        arguments.slice
    );
    let rounds = bench.measure(arguments)?;
    let lost = bench.lost_lines(&runtime, &fixture)?;
    println!("\n{}", rounds.table());
    println!(
        "{} requests, all answered with 200 and the same bytes; {lost} log lines lost",
        bench.sent
    );
    Ok(judge(&rounds))
}

fn judge(rounds: &Rounds) -> bool {
    let Some(verdict) = rounds.verdict() else {
        return true;
    };
    let said = |holds: bool| if holds { "holds" } else { "DOES NOT HOLD" };
    let (ratio, tail) = (Verdict::LEAST_RATIO, Verdict::LARGEST_TAIL);
    println!(
        "(b) answers at least {ratio} of (a)'s requests: {:.2}, {}",
        verdict.ratio,
        said(verdict.ratio >= ratio)
    );
    println!(
        "(b)'s 99th percentile is within {tail} times (a)'s: {:.2}, {}",
        verdict.tail,
        said(verdict.tail <= tail)
    );
    verdict.holds()
}

struct Bench {
    /// In the order of the columns: (a) first, if it is there.
    servers: Vec<(Variant, Server, Arc<Target>)>,
    body: Bytes,
    sent: usize,
    _redis: Option<Redis>,
}

impl Bench {
    fn start(
        arguments: &Arguments,
        run: &Path,
        seed: &Path,
        workers: usize,
        fixture: &Fixture,
        runtime: &Runtime,
    ) -> Result<Self> {
        let mut start = Start { run, seed, workers, log: &arguments.log, body: None, redis: None };
        // The application says what the bare handler is to send.
        let cached = start.server(Variant::Cached)?;
        let requests = load::requests(Variant::Cached.path(), &fixture.tokens);
        let first = requests.first().context("no user is signed in")?;
        let body = runtime.block_on(load::first_body(cached.address, first))?;
        let file = run.join("body");
        std::fs::write(&file, &body)?;
        start.body = Some(file);

        let mut cached = Some(cached);
        let mut redis = None;
        let mut servers = Vec::new();
        for variant in Variant::ALL.into_iter().filter(|it| arguments.only.contains(it)) {
            if variant == Variant::Redis {
                let throw_away = Redis::start(Memory::Lost)?;
                start.redis = Some(throw_away.url());
                redis = Some(throw_away);
            }
            let server = match cached.take_if(|_| variant == Variant::Cached) {
                Some(server) => server,
                None => start.server(variant)?,
            };
            let requests = load::requests(variant.path(), &fixture.tokens);
            let target = Target { address: server.address, requests, body: body.clone() };
            servers.push((variant, server, Arc::new(target)));
        }
        Ok(Self { servers, body, sent: 0, _redis: redis })
    }

    fn measure(&mut self, arguments: &Arguments) -> Result<Rounds> {
        let connections = usize::from(arguments.connections);
        let threads = usize::from(arguments.load_threads);
        let span = Duration::from_millis(arguments.slice);
        let progress = ProgressBar::new(u64::from(arguments.rounds));
        progress.set_style(ProgressStyle::with_template(
            "{bar:40} round {pos} of {len}, {eta} left {msg}",
        )?);
        progress.enable_steady_tick(Duration::from_millis(200));
        // Every user once at least: connections, caches and branch predictors are warm then.
        for (variant, _, target) in &self.servers {
            let slice = load::run(target, connections, threads, span / 3);
            self.sent += slice.with_context(|| variant.label())?.requests();
        }
        let mut rounds = Vec::new();
        for number in 0..arguments.rounds {
            let mut order: Vec<usize> = (0..self.servers.len()).collect();
            if number % 2 == 1 {
                order.reverse();
            }
            let mut round = vec![None; self.servers.len()];
            for column in order {
                let (variant, server, target) = &self.servers[column];
                progress.set_message(variant.name());
                let before = server.processor_time();
                let slice = load::run(target, connections, threads, span);
                let slice = slice.with_context(|| variant.label())?;
                let spent =
                    server.processor_time().zip(before).map(|(now, then)| now.saturating_sub(then));
                self.sent += slice.requests();
                round[column] = Some(measured(&slice, spent));
            }
            rounds.push(round.into_iter().flatten().collect());
            progress.inc(1);
        }
        progress.finish_and_clear();
        let variants = self.servers.iter().map(|(variant, ..)| *variant).collect();
        Ok(Rounds { variants, rounds })
    }

    /// Log lines that found the buffer full, of all servers.
    fn lost_lines(&self, runtime: &Runtime, fixture: &Fixture) -> Result<u64> {
        let requests = load::requests("/metrics", &fixture.tokens[..1]);
        let mut lost = 0;
        for (_, server, _) in self.servers.iter().filter(|(variant, ..)| *variant != Variant::Bare)
        {
            let metrics = runtime.block_on(load::first_body(server.address, &requests[0]))?;
            let metrics = String::from_utf8_lossy(&metrics);
            let count = metrics
                .lines()
                .find_map(|line| line.strip_prefix("log_lines_dropped_total "))
                .context("the server does not say how many log lines it lost")?;
            lost += count.trim().parse::<u64>()?;
        }
        Ok(lost)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn measured(slice: &Slice, processor: Option<Duration>) -> Measured {
    Measured {
        per_second: slice.per_second(),
        p50: slice.percentile(50),
        p99: slice.percentile(99),
        processor: processor.map(|spent| spent.as_secs_f64() * 1e6 / slice.requests() as f64),
    }
}

/// What servers are started with.
struct Start<'a> {
    run: &'a Path,
    seed: &'a Path,
    workers: usize,
    log: &'a Path,
    body: Option<PathBuf>,
    redis: Option<String>,
}

impl Start<'_> {
    fn server(&self, variant: Variant) -> Result<Server> {
        let folder = fixture::folder(self.run, variant.name());
        fixture::copy(self.seed, &folder)?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log);
        let log = log.with_context(|| format!("cannot write to {}", self.log.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bench", "serve", variant.name(), "--workers", &self.workers.to_string()]);
        command.arg("--folder").arg(folder);
        if let Some(body) = &self.body {
            command.arg("--body").arg(body);
        }
        if let Some(redis) = &self.redis {
            command.arg("--redis").arg(redis);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start a server")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut line = String::new();
        BufReader::new(stdout.context("no pipe")?).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the server of {} ended; see --log FILE", variant.label());
        Ok(Server { address: line.trim().parse()?, child, stdin })
    }
}

/// A child that ends when its standard input closes, whatever becomes of us.
struct Server {
    address: SocketAddr,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Server {
    /// What it has spent so far, in all threads; `None` where the system does not tell.
    fn processor_time(&self) -> Option<Duration> {
        let mut total = Duration::ZERO;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()? {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            let nanos = text.split(' ').next()?.parse().ok()?;
            total += Duration::from_nanos(nanos);
        }
        Some(total)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It ends by itself; were it gone already, there would be nothing to wait for.
        let _ = self.child.wait();
    }
}
