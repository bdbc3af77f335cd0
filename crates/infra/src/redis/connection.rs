//! The shared connection.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisFuture, RedisResult, Role,
    ServerErrorKind, Value,
    aio::{ConnectionLike, ConnectionManager},
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo},
    cmd,
};

/// A connection to whatever `redis.url` names. Cloning is cheap.
///
/// On a cluster a pipeline must keep to one slot; commands on several go through
/// [`query_all`](Self::query_all).
#[derive(Clone)]
pub(crate) enum Connection {
    /// The one server.
    Server(ConnectionManager),
    /// The server that was the master when the Sentinels were asked.
    Master(ConnectionManager),
    /// All the masters of a cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(one) | Self::Master(one) => one.req_packed_command(cmd),
            Self::Cluster(cluster) => cluster.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(one) | Self::Master(one) => {
                one.req_packed_commands(pipeline, offset, count)
            }
            Self::Cluster(cluster) => cluster.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(one) | Self::Master(one) => one.get_db(),
            Self::Cluster(cluster) => cluster.get_db(),
        }
    }
}

impl Connection {
    /// Runs commands that do not depend on each other, whatever slots their keys are in.
    pub(crate) async fn query_all<T: FromRedisValue>(
        &mut self,
        commands: &[Cmd],
    ) -> RedisResult<Vec<T>> {
        match self {
            Self::Server(one) | Self::Master(one) => {
                let mut pipeline = redis::pipe();
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                pipeline.query_async(one).await
            }
            // The cluster client routes each command; the nodes work at the same time.
            Self::Cluster(cluster) => {
                try_join_all(commands.iter().map(|command| {
                    let mut cluster = cluster.clone();
                    async move { command.query_async(&mut cluster).await }
                }))
                .await
            }
        }
    }

    /// Loads a script into every server that may have to run it. One that joins later answers
    /// `NOSCRIPT`.
    pub(crate) async fn load_script(&mut self, code: &str) -> RedisResult<()> {
        let mut load = cmd("SCRIPT");
        load.arg("LOAD").arg(code);
        match self {
            Self::Server(one) | Self::Master(one) => load.exec_async(one).await,
            // The client's own routing includes replicas, of which one that is away would fail it.
            Self::Cluster(cluster) => {
                let masters = RoutingInfo::MultiNode((
                    MultipleNodeRoutingInfo::AllMasters,
                    Some(ResponsePolicy::AllSucceeded),
                ));
                cluster.route_command(load, masters).await?.extract_error().map(|_| ())
            }
        }
    }

    /// Probes what is needed: the server, a server that says it is the master, or the masters of all the
    /// slots of `keys`.
    pub(super) async fn ask(&mut self, keys: &[String]) -> RedisResult<()> {
        match self {
            Self::Server(one) => cmd("PING").exec_async(one).await,
            Self::Master(one) => match cmd("ROLE").query_async::<Role>(one).await {
                Ok(Role::Primary { .. }) => Ok(()),
                Ok(_) => Err((ErrorKind::Io, "the server is no master any more").into()),
                // A user without that right notices a demoted master by the first refused write.
                Err(error) if error.kind() == ServerErrorKind::NoPerm.into() => {
                    cmd("PING").exec_async(one).await
                }
                Err(error) => Err(error),
            },
            Self::Cluster(_) => {
                let look = |key| {
                    let mut get = cmd("GET");
                    get.arg(key);
                    get
                };
                let looks: Vec<_> = keys.iter().map(look).collect();
                self.query_all::<Value>(&looks).await.map(|_| ())
            }
        }
    }

    /// Whether `error` means that requests should not use this connection.
    pub(super) fn is_lost(&self, error: &RedisError) -> bool {
        is_connection_fault(error)
            || match self {
                // Full, read-only, a missing right: what does work goes on, and no waiting is lost.
                Self::Server(_) => false,
                // Demoted: the Sentinels know another one.
                Self::Master(_) => says(error, &[ServerErrorKind::ReadOnly]),
                // Slots without a master. The client has looked for them anew by now.
                Self::Cluster(_) => says(
                    error,
                    &[
                        ServerErrorKind::ClusterDown,
                        ServerErrorKind::MasterDown,
                        ServerErrorKind::ReadOnly,
                    ],
                ),
            }
    }

    /// Bytes in use, over all the masters.
    pub(super) async fn memory_used(&mut self) -> RedisResult<Option<i64>> {
        let mut info = cmd("INFO");
        info.arg("memory");
        let texts: Vec<String> = match self {
            Self::Server(one) | Self::Master(one) => vec![info.query_async(one).await?],
            Self::Cluster(cluster) => {
                let by_node: HashMap<String, String> = info.query_async(cluster).await?;
                by_node.into_values().collect()
            }
        };
        let used = |text: &String| -> Option<i64> {
            text.lines().find_map(|line| line.strip_prefix("used_memory:")?.trim().parse().ok())
        };
        Ok(texts.iter().map(used).sum())
    }
}

/// Whether the connection failed, not the command.
pub(super) fn is_connection_fault(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_connection_refusal()
        || error.is_unrecoverable_error()
}

/// Whether a server's reply, or one of a pipeline's, is of one of the kinds.
fn says(error: &RedisError, kinds: &[ServerErrorKind]) -> bool {
    let replies = error.clone().into_server_errors();
    replies.is_some_and(|replies| {
        replies.iter().any(|(_, reply)| reply.kind().is_some_and(|kind| kinds.contains(&kind)))
    })
}
