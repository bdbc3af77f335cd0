//! The nodes of a cluster.

use std::time::Duration;

use redis::{
    RedisResult,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};

use crate::redis::{address::ClusterAddress, settings::PROBE_DEADLINE};

/// One retry, since following a redirection (MOVED, ASK) is one. Requests are under their own
/// deadline, whatever happens in there.
const RETRIES: u32 = 1;
/// Milliseconds before it, where the answer was "try again".
const LONGEST_RETRY_WAIT: u64 = 5;

/// A cluster, by some of its nodes.
pub(super) struct Cluster {
    client: ClusterClient,
    waiting: ClusterClient,
}

impl Cluster {
    pub(super) fn new(address: &ClusterAddress, connect_timeout: Duration) -> RedisResult<Self> {
        let builder = || {
            ClusterClientBuilder::new(address.nodes.iter().cloned())
                .retries(RETRIES)
                .min_retry_wait(1)
                .max_retry_wait(LONGEST_RETRY_WAIT)
                .connection_timeout(connect_timeout)
        };
        Ok(Self {
            client: builder().response_timeout(PROBE_DEADLINE).build()?,
            waiting: builder().build()?,
        })
    }

    /// Asks the nodes for the map of slots and connects to all of them.
    pub(super) async fn connect(&self) -> RedisResult<ClusterConnection> {
        self.client.get_async_connection().await
    }

    /// The same without a limit to how long an answer may take.
    pub(super) async fn connect_blocking(&self) -> RedisResult<ClusterConnection> {
        self.waiting.get_async_connection().await
    }
}
