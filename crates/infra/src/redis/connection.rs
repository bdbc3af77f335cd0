//! The shared connection.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisFuture, RedisResult, Role, ServerErrorKind,
    Value,
    aio::{ConnectionLike, ConnectionManager},
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo},
    cmd,
};

use super::memory::Memory;

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
                if let [command] = commands {
                    return Ok(vec![command.query_async(one).await?]);
                }
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

    /// Fails if a server that the Sentinels named says itself that it is no master.
    pub(super) async fn check_role(&mut self) -> RedisResult<()> {
        let Self::Master(one) = self else { return Ok(()) };
        match cmd("ROLE").query_async::<Role>(one).await {
            Ok(Role::Primary { .. }) => Ok(()),
            Ok(_) => Err((ErrorKind::Io, "the server is no master any more").into()),
            // Without the right to ask, a demoted master is noticed by the first refused write.
            Err(error) if error.kind() == ServerErrorKind::NoPerm.into() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The memory of each of the masters; of those that say enough about it.
    pub(super) async fn memory(&mut self) -> RedisResult<Vec<Memory>> {
        let mut info = cmd("INFO");
        info.arg("memory");
        let texts: Vec<String> = match self {
            Self::Server(one) | Self::Master(one) => vec![info.query_async(one).await?],
            Self::Cluster(cluster) => {
                let by_node: HashMap<String, String> = info.query_async(cluster).await?;
                by_node.into_values().collect()
            }
        };
        Ok(texts.iter().filter_map(|text| Memory::parse(text)).collect())
    }
}
