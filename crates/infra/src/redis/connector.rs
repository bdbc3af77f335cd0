//! Makes all connections, shared and blocking ones, to every kind of address.

mod cluster;
mod sentinel;

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    cluster_async::ClusterConnection,
};
use tokio::time::timeout;

use self::{cluster::Cluster, sentinel::Sentinels};
use super::{
    address::RedisAddress,
    connection::Connection,
    settings::{PROBE_DEADLINE, RedisSettings},
};

/// How long finding a master or a cluster's nodes may take, in the background, all hosts included.
const SEARCH_DEADLINE: Duration = Duration::from_secs(5);

/// Makes connections to what `redis.url` names.
pub(super) struct Connector {
    kind: Kind,
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
    pub(super) fn new(settings: &RedisSettings) -> RedisResult<Self> {
        let kind = match &settings.address {
            RedisAddress::Server(url) => Kind::Server(Client::open(url.clone())?),
            RedisAddress::Sentinel(address) => Kind::Sentinel(Sentinels::new(address)?),
            RedisAddress::Cluster(address) => {
                Kind::Cluster(Cluster::new(address, settings.connect_timeout)?)
            }
        };
        Ok(Self { kind, connect_timeout: settings.connect_timeout })
    }

    /// A connection that connects when it is used; `None` where a master or nodes must be found first.
    pub(super) fn connect_lazily(&self) -> RedisResult<Option<Connection>> {
        match &self.kind {
            Kind::Server(client) => self.lazily(client).map(|one| Some(Connection::Server(one))),
            Kind::Sentinel(_) | Kind::Cluster(_) => Ok(None),
        }
    }

    /// A new connection, after asking the Sentinels or the cluster where to.
    pub(super) async fn connect(&self) -> RedisResult<Connection> {
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

    /// Whether the Sentinels name another master than the connected one. A master that is cut off from
    /// them, but not from us, does not know that it was replaced. `false` while no Sentinel answers.
    pub(super) async fn has_new_master(&self) -> bool {
        match &self.kind {
            Kind::Sentinel(sentinels) => {
                let before = sentinels.epoch();
                within_deadline(sentinels.find()).await.is_ok() && sentinels.epoch() != before
            }
            Kind::Server(_) | Kind::Cluster(_) => false,
        }
    }

    /// Changes with the master, so that blocking connections to another one are recognised.
    pub(super) fn epoch(&self) -> u64 {
        match &self.kind {
            Kind::Sentinel(sentinels) => sentinels.epoch(),
            Kind::Server(_) | Kind::Cluster(_) => 0,
        }
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
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(None);
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map(BlockingConnection::One)
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
