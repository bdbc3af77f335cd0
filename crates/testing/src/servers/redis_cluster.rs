//! A throw-away Redis Cluster.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{port, redis::Redis};

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;
/// How long the nodes may take to agree.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// After how many milliseconds of silence a node counts as failed.
const NODE_TIMEOUT: &str = "1000";

/// Three masters without replicas that share the slots evenly, as long as the value lives. All slots
/// must be served for any to be (`cluster-require-full-coverage`, the default).
pub struct RedisCluster {
    /// The masters, in the order of their slots. One that comes back has the slots it had, and no keys.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the nodes and waits until all agree that the cluster works.
    pub fn start() -> Result<Self> {
        let nodes = (0..MASTERS).map(|_| node()).collect::<Result<Vec<_>>>()?;
        for (index, node) in nodes.iter().enumerate() {
            let (from, to) = (index * SLOTS / MASTERS, (index + 1) * SLOTS / MASTERS - 1);
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()])?;
            // Else two could claim the same epoch, and it would take them long to settle that.
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
        }
        let first = nodes[0].port().to_string();
        let bus = bus_port(&nodes[0])?;
        for node in &nodes[1..] {
            node.command(&["CLUSTER", "MEET", "127.0.0.1", &first, &bus])?;
        }
        let cluster = Self { nodes };
        cluster.wait_until_ok()?;
        Ok(cluster)
    }

    /// `redis+cluster://127.0.0.1:PORT,…` with all nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Waits until every node knows all nodes and finds every slot served.
    pub fn wait_until_ok(&self) -> Result<()> {
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        let is_ok = |node: &Redis| {
            node.command(&["CLUSTER", "INFO"]).is_ok_and(|info| {
                let has = |wanted: &str| info.lines().any(|line| line == wanted);
                has("cluster_state:ok") && has("cluster_slots_ok:16384") && has(&known)
            })
        };
        let started = Instant::now();
        while !self.nodes.iter().all(is_ok) {
            if started.elapsed() > START_TIMEOUT {
                bail!("the cluster does not work after {START_TIMEOUT:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn node() -> Result<Redis> {
    Redis::start_with(|_| {
        // The default, 10,000 above the other one, may be anybody's.
        let bus = port::free()?.to_string();
        let arguments = [
            ["--cluster-enabled", "yes"],
            ["--cluster-config-file", "nodes.conf"],
            ["--cluster-node-timeout", NODE_TIMEOUT],
            ["--cluster-port", &bus],
            ["--save", ""],
        ];
        Ok(arguments.as_flattened().iter().map(|word| (*word).to_owned()).collect())
    })
}

fn bus_port(node: &Redis) -> Result<String> {
    let answer = node.command(&["CONFIG", "GET", "cluster-port"])?;
    Ok(answer.lines().last().unwrap_or_default().to_owned())
}
