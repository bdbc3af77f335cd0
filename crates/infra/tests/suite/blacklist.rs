//! The contract of `TokenBlacklist`.

use std::{sync::Arc, time::Duration};

use alpine_domain::{Clock, ports::blacklist::TokenBlacklist, time::SystemClock};
use alpine_infra::blacklist::{
    BlacklistSettings, MemoryBlacklist, MirroredBlacklist, RedisBlacklist,
};
use tokio::time::{sleep, timeout};

use crate::support::{metrics, open, shared_settings};

fn memory() -> Arc<dyn TokenBlacklist> {
    Arc::new(MemoryBlacklist::new(BlacklistSettings::default(), Arc::new(SystemClock), metrics()))
}

fn over(redis: alpine_infra::redis::RedisHandle) -> RedisBlacklist {
    RedisBlacklist::new(BlacklistSettings::default(), redis, Arc::new(SystemClock), metrics())
}

async fn on_redis() -> Option<Arc<dyn TokenBlacklist>> {
    Some(Arc::new(over(open(shared_settings()?).await)))
}

async fn mirrored() -> Option<Arc<dyn TokenBlacklist>> {
    let redis = open(shared_settings()?).await;
    let settings = BlacklistSettings::default();
    Some(Arc::new(MirroredBlacklist::new(settings, redis, Arc::new(SystemClock), metrics())))
}

async fn refuses_until_its_end(list: Arc<dyn TokenBlacklist>) {
    let now = SystemClock.now();
    assert!(!list.is_denied("a").await.unwrap());
    list.deny("a", now.later(Duration::from_millis(700))).await;
    list.deny("past", now.earlier(Duration::from_secs(1))).await;
    assert!(list.is_denied("a").await.unwrap());
    assert!(!list.is_denied("past").await.unwrap());
    assert!(!list.is_denied("A").await.unwrap());
    assert!(!list.is_denied("").await.unwrap());
    // Once more, for a shorter time: the longer one holds.
    list.deny("a", now.later(Duration::from_millis(300))).await;
    sleep(Duration::from_millis(400)).await;
    assert!(list.is_denied("a").await.unwrap());
    sleep(Duration::from_millis(400)).await;
    assert!(!list.is_denied("a").await.unwrap());
}

#[tokio::test]
async fn refuses_until_its_end_on_memory() {
    refuses_until_its_end(memory()).await;
}

#[tokio::test]
async fn refuses_until_its_end_on_redis() {
    if let Some(list) = on_redis().await {
        refuses_until_its_end(list).await;
    }
}

#[tokio::test]
async fn refuses_until_its_end_when_mirrored() {
    if let Some(list) = mirrored().await {
        refuses_until_its_end(list).await;
    }
}

#[tokio::test]
async fn a_fresh_instance_reads_the_copy_and_its_keys_tell_no_id() {
    let Some(settings) = shared_settings() else { return };
    let first = MirroredBlacklist::new(
        BlacklistSettings::default(),
        open(settings.clone()).await,
        Arc::new(SystemClock),
        metrics(),
    );
    let until = SystemClock.now().later(Duration::from_secs(30));
    first.deny("token-id-1", until).await;
    let fresh = over(open(settings.clone()).await);
    timeout(Duration::from_secs(5), async {
        while !fresh.is_denied("token-id-1").await.unwrap() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    let mut connection = redis::Client::open(std::env::var("ALPINE_TEST_REDIS_URL").unwrap())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}:denied:*", settings.key_prefix))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(keys.len(), 1);
    assert!(!keys[0].contains("token-id-1"));
    let life: i64 = redis::cmd("PTTL").arg(&keys[0]).query_async(&mut connection).await.unwrap();
    assert!(life > 20_000 && life <= 30_001, "{life}");
}
