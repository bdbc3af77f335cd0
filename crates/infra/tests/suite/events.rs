//! The contract of `EventBus`, and the follower.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use alpine_domain::{
    Error, Result, Timestamp,
    ports::{
        events::{EventBus, EventHandler, EventLog, LoggedEvent},
        health::{Condition, Probe as _},
    },
};
use alpine_infra::events::{Follower, FollowerSettings, RedisWakeBus};
use alpine_testing::Wait;
use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use crate::support::{On, metrics, open};

/// Wakes whoever waits on the same bus: the other instance is the test.
#[derive(Default)]
struct MemoryWakeBus(Notify);

#[async_trait]
impl EventBus for MemoryWakeBus {
    fn wake(&self) {
        self.0.notify_one();
    }

    async fn woken(&self) {
        self.0.notified().await;
    }
}

const SOON: Duration = Duration::from_secs(5);

/// Whether the bus tells of something within `patience`.
async fn is_woken(bus: &dyn EventBus, patience: Duration) -> bool {
    timeout(patience, bus.woken()).await.is_ok()
}

/// Takes what was told before the test's own call: a bus may wake once when it connects.
async fn drain(bus: &dyn EventBus) {
    while is_woken(bus, Duration::from_millis(300)).await {}
}

async fn several_calls_wake_once_and_only_the_other(from: &RedisWakeBus, to: &Arc<RedisWakeBus>) {
    drain(from).await;
    drain(&**to).await;
    for _ in 0..5 {
        from.wake();
    }
    assert!(is_woken(&**to, SOON).await);
    drain(&**to).await;
    assert!(!is_woken(&**to, Duration::from_millis(200)).await);
    let waiter = Arc::clone(to);
    let waiting = tokio::spawn(async move { is_woken(&*waiter, SOON).await });
    sleep(Duration::from_millis(20)).await;
    from.wake();
    assert!(waiting.await.unwrap());
    // It has seen its own entries by now, and nothing else woke it.
    assert!(!is_woken(from, Duration::from_millis(200)).await);
}

async fn over_redis(on: On) {
    let Some(settings) = on.settings() else { return };
    let a = RedisWakeBus::new(open(settings.clone()).await);
    let b = Arc::new(RedisWakeBus::new(open(settings).await));
    several_calls_wake_once_and_only_the_other(&a, &b).await;
    instances_wake_each_other(&a, &b).await;
}

async fn instances_wake_each_other(a: &RedisWakeBus, b: &RedisWakeBus) {
    drain(a).await;
    drain(b).await;
    for (from, to) in [(a, b), (b, a), (a, b)] {
        let asked = Instant::now();
        from.wake();
        assert!(is_woken(to, SOON).await);
        assert!(asked.elapsed() < Duration::from_secs(1), "slower than the poll");
        drain(a).await;
        drain(b).await;
    }
}

#[tokio::test]
async fn instances_wake_each_other_through_redis() {
    over_redis(On::Server).await;
}

#[tokio::test]
async fn instances_wake_each_other_through_a_sentinels_master() {
    over_redis(On::Sentinel).await;
}

#[tokio::test]
async fn instances_wake_each_other_through_a_cluster() {
    over_redis(On::Cluster).await;
}

/// A log in memory, and a handler that notes what it applied.
#[derive(Default)]
struct Fake {
    rows: Mutex<Vec<LoggedEvent>>,
    applied: Mutex<Vec<i64>>,
    resets: AtomicUsize,
    reads: AtomicUsize,
    down: AtomicBool,
    hangs: AtomicBool,
    refuses: AtomicBool,
}

impl Fake {
    fn append(&self, seqs: impl IntoIterator<Item = i64>) {
        let row = |seq| LoggedEvent {
            seq,
            recorded_at: Timestamp::from_seconds(seq),
            kind: "test".to_owned(),
            payload: "{}".to_owned(),
        };
        self.rows.lock().unwrap().extend(seqs.into_iter().map(row));
    }

    fn applied(&self) -> Vec<i64> {
        self.applied.lock().unwrap().clone()
    }

    async fn answer(&self) -> Result<()> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.down.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the database", "down"));
        }
        Ok(())
    }
}

#[async_trait]
impl EventLog for Fake {
    async fn head(&self) -> Result<i64> {
        self.answer().await?;
        Ok(self.rows.lock().unwrap().last().map_or(0, |row| row.seq))
    }

    async fn read_after(&self, seq: i64, limit: u32) -> Result<Vec<LoggedEvent>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.answer().await?;
        let rows = self.rows.lock().unwrap();
        let after = rows.iter().filter(|row| row.seq > seq);
        Ok(after.take(limit as usize).cloned().collect())
    }

    async fn newest_of_each_kind(&self) -> Result<Vec<LoggedEvent>> {
        Ok(self.rows.lock().unwrap().last().cloned().into_iter().collect())
    }

    async fn prune_chunk(&self, before: Timestamp, from: i64) -> Result<(u64, i64)> {
        let mut rows = self.rows.lock().unwrap();
        let all = rows.len();
        rows.retain(|row| row.recorded_at >= before);
        Ok(((all - rows.len()) as u64, from))
    }
}

#[async_trait]
impl EventHandler for Fake {
    async fn apply(&self, event: &LoggedEvent) -> Result<()> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the handler", "not now"));
        }
        self.applied.lock().unwrap().push(event.seq);
        Ok(())
    }

    async fn reset(&self, _: &dyn EventLog) -> Result<()> {
        self.answer().await?;
        self.resets.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn follow(fake: &Arc<Fake>, settings: FollowerSettings) -> (Follower, Arc<MemoryWakeBus>) {
    let bus = Arc::<MemoryWakeBus>::default();
    let follower = Follower::start(
        settings,
        Arc::<Fake>::clone(fake),
        Arc::<MemoryWakeBus>::clone(&bus),
        Arc::<Fake>::clone(fake),
        metrics(),
    );
    (follower, bus)
}

/// By the paused clock, so that nothing is waited for in vain.
async fn until(what: impl Fn() -> bool) {
    Wait::unpromised("the follower comes to it by its own clock; Δ has tests of its own")
        .until("the follower has come so far", async || what())
        .await;
}

#[tokio::test(start_paused = true)]
async fn applies_every_row_once_and_in_order() {
    let fake = Arc::new(Fake::default());
    fake.append(1..=10);
    let settings = FollowerSettings { page: 3, ..FollowerSettings::default() };
    let (follower, bus) = follow(&fake, settings);
    follower.ensure_fresh().await.unwrap();
    // What was there before is loaded by the reset, not applied.
    assert_eq!((fake.applied(), fake.resets.load(Ordering::SeqCst)), (vec![], 1));
    // Numbers may have holes, where a transaction was rolled back.
    fake.append([11, 12, 15, 16, 17, 20, 21]);
    bus.wake();
    until(|| follower.state().position == Some(21)).await;
    fake.append([22]);
    until(|| follower.state().position == Some(22)).await;
    assert_eq!(fake.applied(), [11, 12, 15, 16, 17, 20, 21, 22]);
    assert_eq!(fake.resets.load(Ordering::SeqCst), 1);
    follower.stop().await;
}

/// One wake-up is enough for more rows than are read at once.
#[tokio::test(start_paused = true)]
async fn a_full_page_is_not_the_end() {
    let fake = Arc::new(Fake::default());
    fake.append([1]);
    let poll_interval = Duration::from_hours(1);
    let settings = FollowerSettings { page: 2, poll_interval, ..FollowerSettings::default() };
    let (follower, bus) = follow(&fake, settings);
    follower.ensure_fresh().await.unwrap();
    fake.append(2..=6);
    bus.wake();
    until(|| follower.state().position == Some(6)).await;
    follower.stop().await;
}

#[tokio::test(start_paused = true)]
async fn health_tells_whether_the_log_is_known() {
    let fake = Arc::new(Fake::default());
    fake.down.store(true, Ordering::SeqCst);
    let (follower, _bus) = follow(&fake, FollowerSettings::default());
    assert_eq!(follower.probe().await.condition, Condition::Down);
    fake.down.store(false, Ordering::SeqCst);
    assert_eq!(follower.probe().await.condition, Condition::Up);
    assert!(follower.is_essential());
}

#[tokio::test(start_paused = true)]
async fn an_empty_log_is_followed_from_its_first_row() {
    let fake = Arc::new(Fake::default());
    let (follower, _bus) = follow(&fake, FollowerSettings::default());
    follower.ensure_fresh().await.unwrap();
    fake.append([1, 2]);
    until(|| follower.state().position == Some(2)).await;
    assert_eq!(fake.applied(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_wake_up_costs_the_poll_interval_only() {
    let fake = Arc::new(Fake::default());
    fake.append([1]);
    let (follower, _bus) = follow(&fake, FollowerSettings::default());
    follower.ensure_fresh().await.unwrap();
    fake.append([2]);
    let started = Instant::now();
    until(|| follower.state().position == Some(2)).await;
    assert!(started.elapsed() <= Duration::from_millis(1_100));
}

#[tokio::test(start_paused = true)]
async fn a_gap_left_by_retention_loads_everything_anew() {
    let fake = Arc::new(Fake::default());
    fake.append(1..=5);
    let (follower, _bus) = follow(&fake, FollowerSettings::default());
    follower.ensure_fresh().await.unwrap();
    fake.append(6..=9);
    fake.prune_chunk(Timestamp::from_seconds(8), 0).await.unwrap();
    until(|| fake.resets.load(Ordering::SeqCst) == 2).await;
    until(|| follower.state().position == Some(9)).await;
    // A restored database ends before where we stood.
    fake.rows.lock().unwrap().retain(|row| row.seq < 9);
    until(|| fake.resets.load(Ordering::SeqCst) == 3).await;
    until(|| follower.state().position == Some(8)).await;
    // An emptied log is told once, not at every poll.
    fake.rows.lock().unwrap().clear();
    until(|| fake.resets.load(Ordering::SeqCst) == 4).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(fake.resets.load(Ordering::SeqCst), 4);
    fake.append([10]);
    until(|| fake.applied() == [10]).await;
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_ends_freshness_and_comes_back_by_itself() {
    for hangs in [false, true] {
        let fake = Arc::new(Fake::default());
        fake.append([1]);
        let (follower, _bus) = follow(&fake, FollowerSettings::default());
        follower.ensure_fresh().await.unwrap();
        let broken = if hangs { &fake.hangs } else { &fake.down };
        broken.store(true, Ordering::SeqCst);
        // Within Δ nothing is asked.
        sleep(Duration::from_millis(900)).await;
        follower.ensure_fresh().await.unwrap();
        sleep(Duration::from_secs(3)).await;
        let asked = Instant::now();
        let result = follower.ensure_fresh().await;
        assert!(matches!(result, Err(Error::Unavailable { .. })));
        assert!(asked.elapsed() <= Duration::from_millis(600));
        fake.append([2]);
        broken.store(false, Ordering::SeqCst);
        until(|| follower.is_fresh()).await;
        assert_eq!(fake.applied(), [2]);
        follower.ensure_fresh().await.unwrap();
    }
}

/// The next read comes a tenth of a second after the one that was given up.
#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_is_given_up() {
    let fake = Arc::new(Fake::default());
    fake.append([1]);
    let step_deadline = Duration::from_secs(20);
    let settings = FollowerSettings { step_deadline, ..FollowerSettings::default() };
    let (follower, bus) = follow(&fake, settings);
    follower.ensure_fresh().await.unwrap();
    let before = fake.reads.load(Ordering::SeqCst);
    fake.hangs.store(true, Ordering::SeqCst);
    bus.wake();
    sleep(Duration::from_secs(19)).await;
    assert_eq!(fake.reads.load(Ordering::SeqCst), before + 1);
    bus.wake();
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(fake.reads.load(Ordering::SeqCst), before + 2);
}

#[tokio::test(start_paused = true)]
async fn absent_at_start_it_is_simply_not_fresh_yet() {
    let fake = Arc::new(Fake::default());
    fake.down.store(true, Ordering::SeqCst);
    fake.append([1]);
    let (follower, _bus) = follow(&fake, FollowerSettings::default());
    assert!(follower.ensure_fresh().await.is_err());
    assert_eq!(follower.state().position, None);
    fake.down.store(false, Ordering::SeqCst);
    until(|| follower.is_fresh()).await;
    assert_eq!(fake.resets.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_applied_holds_freshness_back() {
    let fake = Arc::new(Fake::default());
    fake.append([1]);
    let (follower, bus) = follow(&fake, FollowerSettings::default());
    follower.ensure_fresh().await.unwrap();
    fake.refuses.store(true, Ordering::SeqCst);
    fake.append([2, 3]);
    bus.wake();
    sleep(Duration::from_secs(4)).await;
    assert!(follower.ensure_fresh().await.is_err());
    assert_eq!(follower.state().position, Some(1));
    fake.refuses.store(false, Ordering::SeqCst);
    until(|| follower.is_fresh()).await;
    assert_eq!(fake.applied(), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_share_one_read() {
    let fake = Arc::new(Fake::default());
    fake.append([1]);
    let settings =
        FollowerSettings { poll_interval: Duration::from_hours(1), ..FollowerSettings::default() };
    let (follower, _bus) = follow(&fake, settings);
    follower.ensure_fresh().await.unwrap();
    let follower = Arc::new(follower);
    sleep(Duration::from_secs(10)).await;
    let before = fake.reads.load(Ordering::SeqCst);
    let mut asking = Vec::new();
    for _ in 0..200 {
        let follower = Arc::clone(&follower);
        asking.push(tokio::spawn(async move { follower.ensure_fresh().await }));
    }
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    let reads = fake.reads.load(Ordering::SeqCst) - before;
    assert!((1..=2).contains(&reads), "{reads}");
}
