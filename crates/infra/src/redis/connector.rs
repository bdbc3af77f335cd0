//! Makes all connections, shared and blocking ones, to every kind of address.

mod cluster;
mod sentinel;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    cluster_async::ClusterConnection,
};
use tokio::time::timeout;

use self::{cluster::Cluster, sentinel::Sentinels};
use super::{
    address::{RedisAddress, RedisUrl},
    connection::Connection,
    settings::PROBE_DEADLINE,
    write_check::{WriteCheck, value_of},
};

/// How long finding a master or a cluster's nodes may take, in the background, all hosts included.
const SEARCH_DEADLINE: Duration = Duration::from_secs(5);

/// Makes connections to what `redis.url` names.
pub(super) struct Connector {
    kind: Kind,
    /// How many shared connections were made.
    epoch: AtomicU64,
    connect_timeout: Duration,
}

#[expect(clippy::large_enum_variant, reason = "one of them exists for each handle")]
enum Kind {
    Server(Client),
    Sentinel(Sentinels),
    Cluster(Cluster),
}

/// A connection for commands that block on the server. Other commands do not share it.
pub(super) enum BlockingConnection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl BlockingConnection {
    pub(super) async fn query<T: FromRedisValue>(&mut self, cmd: &redis::Cmd) -> RedisResult<T> {
        match self {
            Self::One(one) => cmd.query_async(one).await,
            Self::Cluster(cluster) => cmd.query_async(cluster).await,
        }
    }
}

impl Connector {
    pub(super) fn new(url: &RedisUrl, connect_timeout: Duration) -> RedisResult<Self> {
        let kind = match &url.address {
            RedisAddress::Server(url) => Kind::Server(Client::open(url.clone())?),
            RedisAddress::Sentinel(address) => Kind::Sentinel(Sentinels::new(address)?),
            RedisAddress::Cluster(address) => {
                Kind::Cluster(Cluster::new(address, connect_timeout)?)
            }
        };
        Ok(Self { kind, epoch: AtomicU64::new(0), connect_timeout })
    }

    /// A connection that connects when it is used; `None` where a master or nodes must be found first.
    pub(super) fn connect_lazily(&self) -> RedisResult<Option<Connection>> {
        match &self.kind {
            Kind::Server(client) => self.lazily(client).map(|one| Some(Connection::Server(one))),
            Kind::Sentinel(_) | Kind::Cluster(_) => Ok(None),
        }
    }

    /// A new connection, after asking the Sentinels or the cluster where to. Names are resolved anew.
    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        self.epoch.fetch_add(1, Ordering::Release);
        match &self.kind {
            Kind::Server(client) => self.lazily(client).map(Connection::Server),
            Kind::Sentinel(sentinels) => {
                // No Sentinel names a master now. The last one may still be it; its role will show.
                let client = match within_deadline(sentinels.find()).await {
                    Ok(client) => client,
                    Err(error) => sentinels.last().ok_or(error)?,
                };
                self.lazily(&client).map(Connection::Master)
            }
            Kind::Cluster(cluster) => {
                within_deadline(cluster.connect()).await.map(Connection::Cluster)
            }
        }
    }

    /// Whether a new connection leads to another server than the shared one, over which `check` has
    /// just written `value`: because the Sentinels name another master, or because a name or an
    /// address was moved. The old server may work as before, so nothing else would tell. `false` while
    /// no new connection can be had.
    pub(super) async fn has_moved(&self, check: &WriteCheck, value: &str) -> bool {
        match within_deadline(self.read_anew(check)).await {
            Ok(found) => found.is_none_or(|found| found != value),
            Err(error) => {
                tracing::debug!(%error, "cannot check where the address of Redis leads");
                false
            }
        }
    }

    /// The value of the write check, read over a new connection.
    async fn read_anew(&self, check: &WriteCheck) -> RedisResult<Option<String>> {
        let client = match &self.kind {
            Kind::Server(client) => client.clone(),
            Kind::Sentinel(sentinels) => sentinels.find().await?,
            Kind::Cluster(cluster) => return cluster.read_anew(check).await,
        };
        let mut connection = self.dedicated(&client, Some(PROBE_DEADLINE)).await?;
        let Some(read) = check.read_backs().next() else { return Ok(None) };
        read.query_async(&mut connection).await.map(value_of)
    }

    /// Changes whenever the shared connection is made anew, so that blocking connections to another
    /// server are recognised.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A connection of its own for commands that block.
    pub(super) async fn connect_blocking(&self) -> RedisResult<BlockingConnection> {
        let client = match &self.kind {
            Kind::Server(client) => client.clone(),
            Kind::Sentinel(sentinels) => {
                sentinels.last().ok_or((ErrorKind::Io, "no Sentinel has named a master yet"))?
            }
            Kind::Cluster(cluster) => {
                return within_deadline(cluster.connect_blocking())
                    .await
                    .map(BlockingConnection::Cluster);
            }
        };
        self.dedicated(&client, None).await.map(BlockingConnection::One)
    }

    /// A connection of its own to one server.
    async fn dedicated(
        &self,
        client: &Client,
        response_timeout: Option<Duration>,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(response_timeout);
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    fn lazily(&self, client: &Client) -> RedisResult<ConnectionManager> {
        // No retries: the probe drives reconnecting, and requests are under their own deadline.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(PROBE_DEADLINE))
            .set_pipeline_buffer_size(1_024);
        ConnectionManager::new_lazy_with_config(client.clone(), config)
    }
}

async fn within_deadline<T>(search: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match timeout(SEARCH_DEADLINE, search).await {
        Ok(found) => found,
        Err(_) => Err((ErrorKind::Io, "nobody answered in time").into()),
    }
}
