//! Connections for commands that wait on the server.

use std::time::Duration;

use bb8_redis::bb8::{ManageConnection, Pool, PooledConnection, RunError};
use redis::{
    AsyncConnectionConfig, Client, RedisError,
    aio::{ConnectionLike, MultiplexedConnection},
};

use super::RedisSettings;

/// A bb8 pool. bb8-redis's own manager does not fit: its connections end every answer after half a
/// second, which is what a waiting command is meant to take, and it never reports one as broken.
pub(crate) struct BlockingConnections(Pool<Manager>);

pub(crate) struct Manager {
    client: Client,
    connect_timeout: Duration,
}

/// A connection, and whether its last command failed. A failed one is thrown away, since an answer
/// may still be under way on it.
pub(crate) struct WaitingConnection {
    inner: MultiplexedConnection,
    broken: bool,
}

impl WaitingConnection {
    /// Runs `cmd`, for at most `limit`.
    pub(crate) async fn wait_for<T: redis::FromRedisValue>(
        &mut self,
        cmd: &redis::Cmd,
        limit: Duration,
    ) -> Result<T, RedisError> {
        self.broken = true;
        let reply = tokio::time::timeout(limit, cmd.query_async(&mut self.inner))
            .await
            .map_err(|_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))??;
        self.broken = false;
        Ok(reply)
    }
}

impl ManageConnection for Manager {
    type Connection = WaitingConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(None);
        let inner = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(WaitingConnection { inner, broken: false })
    }

    async fn is_valid(&self, connection: &mut Self::Connection) -> Result<(), Self::Error> {
        connection.inner.req_packed_command(&redis::cmd("PING")).await.map(|_| ())
    }

    fn has_broken(&self, connection: &mut Self::Connection) -> bool {
        connection.broken
    }
}

impl BlockingConnections {
    pub(super) fn new(client: &Client, settings: &RedisSettings) -> Self {
        let manager = Manager { client: client.clone(), connect_timeout: settings.connect_timeout };
        // Unchecked: connects on first use, so a server that is away holds nothing up.
        let pool = Pool::builder()
            .max_size(settings.pool_size.max(1))
            .connection_timeout(settings.connect_timeout.saturating_mul(2))
            .test_on_check_out(false)
            .build_unchecked(manager);
        Self(pool)
    }

    pub(crate) async fn get(&self) -> Result<PooledConnection<'_, Manager>, RunError<RedisError>> {
        self.0.get().await
    }
}
