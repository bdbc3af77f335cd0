//! Connections for commands that wait on the server.

use std::{sync::Arc, time::Duration};

use bb8_redis::bb8::{ManageConnection, Pool, PooledConnection, RunError};
use redis::{ErrorKind, RedisError};

use super::{
    RedisSettings,
    source::{Source, Waiting},
};

/// A bb8 pool. bb8-redis's own manager does not fit: its connections end every answer after half a
/// second, which is what a waiting command is meant to take, and it never reports one as broken.
pub(crate) struct BlockingConnections(Pool<Manager>);

pub(crate) struct Manager(Arc<Source>);

/// A connection, and whether its last command failed. A failed one is thrown away, since an answer
/// may still be under way on it.
pub(crate) struct WaitingConnection {
    inner: Waiting,
    source: Arc<Source>,
    /// The source's when it was made.
    epoch: u64,
    broken: bool,
}

impl WaitingConnection {
    /// Runs `cmd`, for at most `limit`. Fails on a server that is the master no more: nobody writes
    /// there what is waited for.
    pub(crate) async fn wait_for<T: redis::FromRedisValue>(
        &mut self,
        cmd: &redis::Cmd,
        limit: Duration,
    ) -> Result<T, RedisError> {
        self.broken = true;
        if self.source.epoch() != self.epoch {
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
    type Connection = WaitingConnection;
    type Error = RedisError;

    async fn connect(&self) -> Result<Self::Connection, Self::Error> {
        let source = Arc::clone(&self.0);
        let epoch = source.epoch();
        let inner = source.connect_waiting().await?;
        Ok(WaitingConnection { inner, source, epoch, broken: false })
    }

    async fn is_valid(&self, connection: &mut Self::Connection) -> Result<(), Self::Error> {
        connection.inner.query(&redis::cmd("PING")).await
    }

    fn has_broken(&self, connection: &mut Self::Connection) -> bool {
        connection.broken
    }
}

impl BlockingConnections {
    pub(super) fn new(source: Arc<Source>, settings: &RedisSettings) -> Self {
        // Unchecked: connects on first use, so a server that is away holds nothing up.
        let pool = Pool::builder()
            .max_size(settings.pool_size.max(1))
            .connection_timeout(settings.connect_timeout.saturating_mul(2))
            .test_on_check_out(false)
            .build_unchecked(Manager(source));
        Self(pool)
    }

    pub(crate) async fn get(&self) -> Result<PooledConnection<'_, Manager>, RunError<RedisError>> {
        self.0.get().await
    }
}
