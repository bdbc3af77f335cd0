//! The nodes of a cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    ServerErrorKind,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
};

use crate::redis::{
    address::ClusterAddress,
    settings::PROBE_DEADLINE,
    write_check::{WriteCheck, value_of},
};

/// One retry, since following a redirection (MOVED, ASK) is one. Requests are under their own
/// deadline, whatever happens in there.
const RETRIES: u32 = 1;
/// Milliseconds before it, where the answer was "try again".
const LONGEST_RETRY_WAIT: u64 = 5;

/// A cluster, by some of its nodes.
pub(super) struct Cluster {
    nodes: Vec<ConnectionInfo>,
    connect_timeout: Duration,
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
            nodes: address.nodes.clone(),
            connect_timeout,
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

    /// The value of the write check, read over a new connection to one of the configured nodes, in the
    /// first part of the slots that this node has.
    pub(super) async fn read_anew(&self, check: &WriteCheck) -> RedisResult<Option<String>> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(PROBE_DEADLINE));
        let mut failure = (ErrorKind::Io, "no node is configured").into();
        let mut connection = None;
        for node in &self.nodes {
            let client = Client::open(node.clone())?;
            match client.get_multiplexed_async_connection_with_config(&config).await {
                Ok(connected) => {
                    connection = Some(connected);
                    break;
                }
                Err(error) => failure = error,
            }
        }
        let Some(mut connection) = connection else { return Err(failure) };
        for read in check.read_backs() {
            match read.query_async(&mut connection).await {
                Err(error) if is_redirection(&error) => {}
                other => return other.map(value_of),
            }
        }
        Err((ErrorKind::Io, "the node has none of the slots").into())
    }
}

fn is_redirection(error: &RedisError) -> bool {
    [ServerErrorKind::Moved, ServerErrorKind::Ask].map(ErrorKind::from).contains(&error.kind())
}
