//! The master that Sentinels name.

use std::sync::RwLock;

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
        Ok(Self { lookup: Mutex::new(lookup), last: RwLock::new(None) })
    }

    /// Asks the Sentinels, in their order. An answer counts only if the named server itself says that it
    /// is a master.
    pub(super) async fn find(&self) -> RedisResult<Client> {
        let found = self.lookup.lock().await.async_get_client().await?;
        *sync::write(&self.last) = Some(found.clone());
        Ok(found)
    }

    /// The master that they named last.
    pub(super) fn last(&self) -> Option<Client> {
        sync::read(&self.last).clone()
    }
}
