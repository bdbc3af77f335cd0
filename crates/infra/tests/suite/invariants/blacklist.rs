//! Invariants 4, 9 and 13, as far as they are this crate's: a revocation in the log holds on every
//! instance, whatever becomes of Redis, and a lost wake-up costs Δ at most.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alpine_domain::{
    Clock as _, Error, Result, Timestamp,
    ports::{
        blacklist::TokenBlacklist as _,
        events::{EventHandler, EventLog, LoggedEvent},
    },
    time::SystemClock,
};
use alpine_infra::{
    blacklist::{BlacklistSettings, MirroredBlacklist},
    events::{Follower, FollowerSettings, NoWakeBus},
    redis::{RedisHandle, RedisSettings},
};
use alpine_testing::{FaultProxy, Memory, Wait, own_redis};
use async_trait::async_trait;
use tokio::time::sleep;

use super::settings_for;
use crate::support::{metrics, open};

/// Δ of these tests.
const DELTA: Duration = Duration::from_secs(2);

/// The durable log: the payload is the revoked id.
#[derive(Default)]
struct Log {
    rows: Mutex<Vec<LoggedEvent>>,
    is_away: AtomicBool,
}

impl Log {
    fn revoke(&self, id: &str) {
        let mut rows = self.rows.lock().unwrap();
        let seq = rows.last().map_or(0, |row| row.seq) + 1;
        let row = LoggedEvent {
            seq,
            recorded_at: SystemClock.now(),
            kind: "revoked".to_owned(),
            payload: id.to_owned(),
        };
        rows.push(row);
    }

    fn answer<T>(&self, answer: impl FnOnce(&[LoggedEvent]) -> T) -> Result<T> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the database", "away"));
        }
        Ok(answer(&self.rows.lock().unwrap()))
    }
}

#[async_trait]
impl EventLog for Log {
    async fn head(&self) -> Result<i64> {
        self.answer(|rows| rows.last().map_or(0, |row| row.seq))
    }

    async fn read_after(&self, seq: i64, limit: u32) -> Result<Vec<LoggedEvent>> {
        self.answer(|rows| {
            rows.iter().filter(|row| row.seq > seq).take(limit as usize).cloned().collect()
        })
    }

    async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>> {
        self.answer(|rows| rows.last().cloned().into_iter().collect())
    }

    async fn prune_chunk(&self, _before: Timestamp, from: i64) -> Result<(u64, i64)> {
        Ok((0, from))
    }
}

/// What each instance does with the log.
struct Handler {
    log: Arc<Log>,
    list: Arc<MirroredBlacklist>,
}

impl Handler {
    fn deny(&self, id: &str) {
        self.list.deny(id, SystemClock.now().later(Duration::from_mins(15)));
    }
}

#[async_trait]
impl EventHandler for Handler {
    async fn apply(&self, event: &LoggedEvent) -> Result<()> {
        self.deny(&event.payload);
        Ok(())
    }

    async fn reset(&self, _: &dyn EventLog) -> Result<()> {
        for row in self.log.answer(<[_]>::to_vec)? {
            self.deny(&row.payload);
        }
        Ok(())
    }
}

struct Instance {
    list: Arc<MirroredBlacklist>,
    follower: Follower,
}

impl Instance {
    fn start(redis: RedisHandle, log: &Arc<Log>) -> Self {
        let settings = BlacklistSettings::default();
        let list =
            Arc::new(MirroredBlacklist::new(settings, redis, Arc::new(SystemClock), metrics()));
        let handler = Handler { log: Arc::clone(log), list: Arc::clone(&list) };
        let follower = Follower::start(
            FollowerSettings { max_staleness: DELTA, ..FollowerSettings::default() },
            Arc::<Log>::clone(log),
            Arc::new(NoWakeBus),
            Arc::new(handler),
            metrics(),
        );
        Self { list, follower }
    }

    /// As the guard asks.
    async fn is_refused(&self, id: &str) -> Result<bool> {
        self.follower.ensure_fresh().await?;
        self.list.is_denied(id).await
    }

    fn logs_out(&self, log: &Log, id: &str) {
        log.revoke(id);
        self.list.deny(id, SystemClock.now().later(Duration::from_mins(15)));
    }
}

fn within_delta(since: Instant) -> Wait {
    Wait::promised(DELTA, since, "Δ: \"One log, many readers\" in ARCHITECTURE.md")
}

async fn holds_everywhere(a: &Instance, b: &Instance, log: &Log, id: &str) {
    assert!(!a.is_refused(id).await.unwrap());
    assert!(!b.is_refused(id).await.unwrap());
    let committed = Instant::now();
    a.logs_out(log, id);
    assert!(a.is_refused(id).await.unwrap(), "the instance that served it refuses at once");
    let refused = async || b.is_refused(id).await.unwrap();
    within_delta(committed).until(&format!("{id} is refused elsewhere"), refused).await;
}

async fn two(settings: &RedisSettings, log: &Arc<Log>) -> [Instance; 2] {
    let first = Instance::start(open(settings.clone()).await, log);
    [first, Instance::start(open(settings.clone()).await, log)]
}

#[tokio::test]
async fn invariant_04_a_logout_holds_everywhere_whatever_becomes_of_redis() {
    let Some(mut redis) = own_redis(Memory::Lost) else { return };
    let proxy = FaultProxy::before(&redis.url()).unwrap();
    let settings = settings_for(&proxy.url(&redis.url()).unwrap());
    let log = Arc::new(Log::default());
    let [a, b] = two(&settings, &log).await;
    holds_everywhere(&a, &b, &log, "up").await;
    proxy.black_hole();
    holds_everywhere(&a, &b, &log, "cut off").await;
    proxy.pass();
    redis.stop().unwrap();
    holds_everywhere(&b, &a, &log, "stopped").await;
    redis.resume().unwrap();
    redis.command(&["FLUSHALL"]).unwrap();
    holds_everywhere(&a, &b, &log, "flushed").await;
    redis.kill().unwrap();
    holds_everywhere(&b, &a, &log, "killed").await;
    redis.restart().unwrap();
    holds_everywhere(&a, &b, &log, "back, empty").await;
    // Invariant 9: none of it has un-revoked anything, not even for who starts only now.
    let late = Instance::start(open(settings).await, &log);
    for id in ["up", "cut off", "stopped", "flushed", "killed", "back, empty"] {
        for instance in [&a, &b, &late] {
            assert!(instance.is_refused(id).await.unwrap(), "{id}");
        }
    }
}

#[tokio::test]
async fn invariant_04_who_cannot_read_the_log_lets_nobody_in() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let log = Arc::new(Log::default());
    let [a, b] = two(&settings_for(&redis.url()), &log).await;
    assert!(!a.is_refused("x").await.unwrap());
    assert!(!b.is_refused("x").await.unwrap());
    log.is_away.store(true, Ordering::SeqCst);
    a.logs_out(&log, "x");
    assert!(a.list.is_denied("x").await.unwrap());
    sleep(DELTA).await;
    assert!(matches!(b.is_refused("x").await, Err(Error::Unavailable { .. })));
    let back = Instant::now();
    log.is_away.store(false, Ordering::SeqCst);
    let refused = async || matches!(b.is_refused("x").await, Ok(true));
    within_delta(back).until("it is refused for what it is", refused).await;
}

#[tokio::test]
async fn invariant_13_a_lost_wake_up_is_noticed_within_delta() {
    let Some(redis) = own_redis(Memory::Lost) else { return };
    let log = Arc::new(Log::default());
    let [a, b] = two(&settings_for(&redis.url()), &log).await;
    a.follower.ensure_fresh().await.unwrap();
    b.follower.ensure_fresh().await.unwrap();
    // Nobody asks anything, so that only the poll can notice.
    log.revoke("x");
    let committed = Instant::now();
    let read =
        async || [&a, &b].iter().all(|instance| instance.follower.state().position == Some(1));
    within_delta(committed).until("both have read it", read).await;
    assert!(b.list.is_denied("x").await.unwrap());
}
