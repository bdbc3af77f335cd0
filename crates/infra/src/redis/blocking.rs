//! A pool of connections for commands that block on the server.

use std::{sync::Arc, time::Duration};

use bb8_redis::bb8::{ManageConnection, Pool, PooledConnection, RunError};
use redis::{ErrorKind, RedisError};

use super::{
    connector::{BlockingConnection, Connector},
    settings::RedisSettings,
};

/// A bb8 pool. bb8-redis's own manager does not fit: its connections time out after half a second, less
/// than a blocking command takes, and it never reports one as broken.
pub(crate) struct BlockingConnections(Pool<Manager>);

pub(crate) struct Manager(Arc<Connector>);

/// A connection, and whether its last command failed. A failed one is closed, since an answer may still
/// arrive on it.
pub(crate) struct PooledBlockingConnection {
    inner: BlockingConnection,
    connector: Arc<Connector>,
    /// The connector's epoch when the connection was made.
    epoch: u64,
    broken: bool,
}

impl PooledBlockingConnection {
    /// Runs `cmd`, for at most `limit`. Fails when another server has become the master: nobody writes
    /// to this one any more.
    pub(crate) async fn wait_for<T: redis::FromRedisValue>(
        &mut self,
        cmd: &redis::Cmd,
        limit: Duration,
    ) -> Result<T, RedisError> {
        self.broken = true;
        if self.connector.epoch() != self.epoch {
            return Err((ErrorKind::Io, "another server is the master now").into());
        }
        let reply = tokio::time::timeout(limit, self.inner.query(cmd))
            .await
            .map_err(|_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))??;
        self.broken = false;
        Ok(reply)
    }
}

impl ManageConnection for Manager {
    type Connection = PooledBlockingConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        let connector = Arc::clone(&self.0);
        let epoch = connector.epoch();
        let inner = connector.connect_blocking().await?;
        Ok(PooledBlockingConnection { inner, connector, epoch, broken: false })
    }

    async fn is_valid(&self, connection: &mut Self::Connection) -> Result<(), Self::Error> {
        connection.inner.query(&redis::cmd("PING")).await
    }

    fn has_broken(&self, connection: &mut Self::Connection) -> bool {
        connection.broken
    }
}

/// Connections for waiting commands at most.
const MAX_CONNECTIONS: u32 = 2;

impl BlockingConnections {
    pub(super) fn new(connector: Arc<Connector>, settings: &RedisSettings) -> Self {
        // Unchecked: it connects on first use, so a server that is away delays nothing.
        let pool = Pool::builder()
            .max_size(MAX_CONNECTIONS)
            .connection_timeout(settings.connect_timeout.saturating_mul(2))
            .test_on_check_out(false)
            .build_unchecked(Manager(connector));
        Self(pool)
    }

    pub(crate) async fn get(&self) -> Result<PooledConnection<'_, Manager>, RunError<RedisError>> {
        self.0.get().await
    }
}
