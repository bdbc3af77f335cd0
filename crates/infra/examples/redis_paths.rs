//! How fast are the ways to Redis? The multiplexed connection beside bb8 pools, in one run:
//!
//! `cargo run --release -p alpine-infra --example redis_paths [redis://host:port/]`
//!
//! Without an argument it takes `ALPINE_TEST_REDIS_URL`, else the local default. It reads one key
//! that need not exist and writes nothing.

use std::{
    env,
    error::Error,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bb8_redis::{RedisConnectionManager, bb8::Pool};
use redis::{Client, aio::ConnectionManager};

const CLIENTS: usize = 32;
const SPAN: Duration = Duration::from_secs(1);
/// Taken in turn, so that a busy moment of the machine hits all alike.
const ROUNDS: usize = 3;

type Failure = Box<dyn Error + Send + Sync>;

/// Round trips of `CLIENTS` tasks within `SPAN`, per second, and the 99th percentile of one.
async fn measure<F, Fut>(trip: F) -> Result<(f64, Duration), Failure>
where
    F: Fn() -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<(), Failure>> + Send,
{
    let total = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (trip, total) = (trip.clone(), Arc::clone(&total));
        clients.push(tokio::spawn(async move {
            let mut took = Vec::new();
            while started.elapsed() < SPAN {
                let began = Instant::now();
                trip().await?;
                took.push(began.elapsed());
                total.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Failure>(took)
        }));
    }
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await??);
    }
    took.sort_unstable();
    let slowest = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    let trips = u32::try_from(total.load(Ordering::Relaxed))?;
    Ok((f64::from(trips) / started.elapsed().as_secs_f64(), slowest))
}

async fn multiplexed(connection: ConnectionManager) -> Result<(f64, Duration), Failure> {
    measure(move || {
        let mut connection = connection.clone();
        async move {
            let _: Option<Vec<u8>> =
                redis::cmd("GET").arg("alpine:bench").query_async(&mut connection).await?;
            Ok(())
        }
    })
    .await
}

async fn pooled(pool: Pool<RedisConnectionManager>) -> Result<(f64, Duration), Failure> {
    measure(move || {
        let pool = pool.clone();
        async move {
            let mut connection = pool.get().await?;
            let _: Option<Vec<u8>> =
                redis::cmd("GET").arg("alpine:bench").query_async(&mut *connection).await?;
            Ok(())
        }
    })
    .await
}

async fn pool(url: &str, size: u32, ping: bool) -> Result<Pool<RedisConnectionManager>, Failure> {
    let manager = RedisConnectionManager::new(url)?;
    Ok(Pool::builder().max_size(size).min_idle(size).test_on_check_out(ping).build(manager).await?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = env::args()
        .nth(1)
        .or_else(|| env::var("ALPINE_TEST_REDIS_URL").ok())
        .unwrap_or_else(|| "redis://127.0.0.1:6379/".to_owned());
    let manager = Client::open(url.as_str())?.get_connection_manager().await?;
    let small = pool(&url, 8, false).await?;
    let large = pool(&url, 32, false).await?;
    let pinging = pool(&url, 32, true).await?;

    let names = [
        "one multiplexed connection",
        "bb8, 8 connections, no ping",
        "bb8, 32 connections, no ping",
        "bb8, 32 connections, ping",
    ];
    let mut rates = [0.0; 4];
    let mut slowest = [Duration::ZERO; 4];
    for _ in 0..ROUNDS {
        let round = [
            multiplexed(manager.clone()).await?,
            pooled(small.clone()).await?,
            pooled(large.clone()).await?,
            pooled(pinging.clone()).await?,
        ];
        for (at, (rate, p99)) in round.into_iter().enumerate() {
            rates[at] = f64::max(rates[at], rate);
            slowest[at] = slowest[at].max(p99);
        }
    }
    println!("{CLIENTS} clients, best of {ROUNDS} rounds; p99 of the worst round");
    println!("{:<32}{:>14}{:>8}{:>10}", "path", "round trips/s", "ratio", "p99");
    for ((name, rate), p99) in names.iter().zip(rates).zip(slowest) {
        println!(
            "{name:<32}{rate:>14.0}{:>8.2}{:>8.2}ms",
            rate / rates[0],
            p99.as_secs_f64() * 1e3
        );
    }
    Ok(())
}
