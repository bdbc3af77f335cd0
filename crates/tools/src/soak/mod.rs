//! `cargo xtask soak`: mixed traffic for minutes, with clients that break off, and then a look at what is
//! left: memory, descriptors, threads, connections, rows and keys.

mod deployment;
mod traffic;
mod verdict;

use std::time::{Duration, Instant};

use alpine_testing::servers::{Memory, Postgres, Redis};
use anyhow::Result;
use deployment::Deployment;
use verdict::Verdict;

/// How often what is used is measured and told.
const PERIOD: Duration = Duration::from_secs(5);
/// The pause between the first requests and the first look.
const CALM: Duration = Duration::from_secs(2);
/// The quiet moment before the last look: idle threads and keep-alive connections end within it.
const QUIET: Duration = Duration::from_secs(12);

/// Mixed traffic against one instance on SQLite and two on PostgreSQL with Redis, each a process of its own.
///
/// A part of the clients breaks off in the middle of requests, bodies and answers. Fails when memory,
/// descriptors, threads, connections, rows or keys are not what they should be in the end, and names them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long the traffic lasts; 0.5 for example
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Clients of each deployment, each with one request under way
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    clients: u64,
    /// Where the random choices begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Whether everything is as it should be.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let span = Duration::try_from_secs_f64(arguments.minutes * 60.0)?;
    let redis = Redis::start(Memory::Lost)?;
    let postgres = Postgres::start()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut deployments = [Deployment::on_sqlite()?, Deployment::on_postgres(&postgres, &redis)?];
    for deployment in &mut deployments {
        runtime.block_on(deployment.sign_up(arguments.clients))?;
    }
    std::thread::sleep(CALM);
    for deployment in &mut deployments {
        deployment.note_start()?;
    }
    let end = Instant::now() + span;
    for deployment in &mut deployments {
        deployment.begin(&runtime, arguments.seed, end);
    }
    let began = Instant::now();
    while Instant::now() < end {
        std::thread::sleep(PERIOD.min(end.saturating_duration_since(Instant::now())));
        for deployment in &mut deployments {
            println!("{:4} s  {}", began.elapsed().as_secs(), deployment.sample()?);
        }
    }
    let mut verdict = Verdict::default();
    for deployment in &mut deployments {
        runtime.block_on(deployment.settle(&mut verdict))?;
    }
    std::thread::sleep(QUIET);
    for deployment in &mut deployments {
        runtime.block_on(deployment.judge(&mut verdict))?;
    }
    deployment::judge_postgres(&postgres, &mut verdict)?;
    runtime.block_on(deployment::judge_redis(&redis, &mut verdict))?;
    Ok(verdict.tell())
}
