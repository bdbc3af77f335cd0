//! The master that Sentinels name.

use std::sync::{
    RwLock,
    atomic::{AtomicU64, Ordering},
};

use redis::{
    Client, RedisResult, TlsMode,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use tokio::sync::Mutex;

use crate::{redis::address::SentinelAddress, sync};

/// Sentinels, and the master that they named last.
pub(super) struct Sentinels {
    lookup: Mutex<SentinelClient>,
    last: RwLock<Option<Client>>,
    epoch: AtomicU64,
}

impl Sentinels {
    pub(super) fn new(address: &SentinelAddress) -> RedisResult<Self> {
        let mut master =
            SentinelNodeConnectionInfo::default().set_redis_connection_info(address.redis.clone());
        if address.tls {
            master = master.set_tls_mode(TlsMode::Secure);
        }
        let lookup = SentinelClient::build(
            address.sentinels.clone(),
            address.master.clone(),
            Some(master),
            SentinelServerType::Master,
        )?;
        Ok(Self { lookup: Mutex::new(lookup), last: RwLock::new(None), epoch: AtomicU64::new(0) })
    }

    /// Asks the Sentinels, in their order. An answer counts only if the named server itself says that it
    /// is a master.
    pub(super) async fn find(&self) -> RedisResult<Client> {
        let found = self.lookup.lock().await.async_get_client().await?;
        let mut last = sync::write(&self.last);
        let address = |client: &Client| client.get_connection_info().addr().to_string();
        if last.as_ref().map(address) != Some(address(&found)) {
            self.epoch.fetch_add(1, Ordering::Release);
        }
        *last = Some(found.clone());
        Ok(found)
    }

    /// The master that they named last.
    pub(super) fn last(&self) -> Option<Client> {
        sync::read(&self.last).clone()
    }

    /// How often the named master changed.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}
