//! The contract of `TokenBlacklist`.

use std::{sync::Arc, time::Duration};

use alpine_domain::{Clock, ports::blacklist::TokenBlacklist, time::SystemClock};
use alpine_infra::blacklist::{
    BlacklistSettings, MemoryBlacklist, MirroredBlacklist, RedisBlacklist,
};
use alpine_testing::Wait;
use tokio::time::sleep;

use crate::support::{On, metrics, open};

fn memory() -> Arc<dyn TokenBlacklist> {
    Arc::new(MemoryBlacklist::new(BlacklistSettings::default(), Arc::new(SystemClock), metrics()))
}

fn over(redis: alpine_infra::redis::RedisHandle) -> RedisBlacklist {
    RedisBlacklist::new(BlacklistSettings::default(), redis, Arc::new(SystemClock), metrics())
}

async fn on_redis(on: On) -> Option<Arc<dyn TokenBlacklist>> {
    Some(Arc::new(over(open(on.settings()?).await)))
}

async fn mirrored(on: On) -> Option<Arc<dyn TokenBlacklist>> {
    let redis = open(on.settings()?).await;
    let settings = BlacklistSettings::default();
    Some(Arc::new(MirroredBlacklist::new(settings, redis, Arc::new(SystemClock), metrics())))
}

async fn refuses_until_its_end(list: Arc<dyn TokenBlacklist>) {
    let now = SystemClock.now();
    assert!(!list.is_denied("a").await.unwrap());
    list.deny("a", now.later(Duration::from_millis(700)));
    list.deny("past", now.earlier(Duration::from_secs(1)));
    assert!(list.is_denied("a").await.unwrap());
    assert!(!list.is_denied("past").await.unwrap());
    assert!(!list.is_denied("A").await.unwrap());
    assert!(!list.is_denied("").await.unwrap());
    // Once more, for a shorter time: the longer one holds.
    list.deny("a", now.later(Duration::from_millis(300)));
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
    for on in On::ALL {
        if let Some(list) = on_redis(on).await {
            refuses_until_its_end(list).await;
        }
    }
}

#[tokio::test]
async fn refuses_until_its_end_when_mirrored() {
    for on in On::ALL {
        if let Some(list) = mirrored(on).await {
            refuses_until_its_end(list).await;
        }
    }
}

#[tokio::test]
async fn a_fresh_instance_reads_the_copy_and_its_keys_tell_no_id() {
    for on in On::ALL {
        the_copy_is_read_and_its_keys_tell_no_id(on).await;
    }
}

async fn the_copy_is_read_and_its_keys_tell_no_id(on: On) {
    let Some(settings) = on.settings() else { return };
    let first = MirroredBlacklist::new(
        BlacklistSettings::default(),
        open(settings.clone()).await,
        Arc::new(SystemClock),
        metrics(),
    );
    let until = SystemClock.now().later(Duration::from_secs(30));
    first.deny("token-id-1", until);
    let fresh = over(open(settings.clone()).await);
    Wait::unpromised("Redis is a mirror, which is written behind the answer")
        .until("it is in Redis", async || fresh.is_denied("token-id-1").await.unwrap())
        .await;
    // The cluster is looked at through its nodes.
    let mut found = Vec::new();
    for url in on.servers() {
        let mut connection =
            redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{}:*:denied:*", settings.key_prefix))
            .query_async(&mut connection)
            .await
            .unwrap();
        for key in keys {
            let life: i64 =
                redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            assert!(life > 20_000 && life <= 30_001, "{life}");
            found.push(key);
        }
    }
    assert_eq!(found.len(), 1, "{on:?}");
    assert!(!found[0].contains("token-id-1"));
}
