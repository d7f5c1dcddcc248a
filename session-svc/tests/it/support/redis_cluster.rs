//! A Redis Cluster of one test's own: six nodes on this machine, three of them primaries, ended with the test.

use std::{process::Stdio, time::Duration};

use futures::future::join_all;
use redis::Value;
use svc_kit::testing::free_port;
use tokio::process::Command;

use super::{eventually, redis_server::RedisServer};

const NODES: usize = 6;
/// How long a node is silent before the others hold it for dead.
const NODE_TIMEOUT: Duration = Duration::from_millis(1_000);
/// Keys that move at a time.
const MOVED_AT_ONCE: usize = 5;

pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    pub async fn start() -> Self {
        let timeout = NODE_TIMEOUT.as_millis().to_string();
        let start = || async {
            let bus = free_port().to_string();
            let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", &timeout];
            let quick = ["--repl-diskless-sync-delay", "0", "--appendonly", "yes", "--appendfsync", "no"];
            RedisServer::start_with(&[&arguments[..], &quick[..]].concat()).await
        };
        let nodes = join_all((0..NODES).map(|_| start())).await;
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())))
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .stdout(Stdio::null())
            .status();
        assert!(created.await.unwrap().success(), "the cluster is made");
        let cluster = Self { nodes };
        cluster.is_whole(NODES / 2).await;
        cluster
    }

    /// Waits until every node that runs sees the cluster as whole, and so many copies are up to date.
    pub async fn is_whole(&self, copies: usize) {
        eventually("the cluster is whole", || async {
            let mut linked = 0;
            for node in self.nodes.iter().filter(|node| node.is_running()) {
                let state: String = node.ask(redis::cmd("CLUSTER").arg("INFO")).await.ok()?;
                let replication: String = node.ask(redis::cmd("INFO").arg("replication")).await.ok()?;
                state.contains("cluster_state:ok").then_some(())?;
                linked += usize::from(replication.contains("master_link_status:up"));
            }
            (linked >= copies).then_some(())
        })
        .await;
    }

    /// Three of the nodes, as a deployment would name them.
    pub fn url(&self) -> String {
        let seeds: Vec<String> =
            self.nodes.iter().step_by(2).map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", seeds.join(","))
    }

    /// The number of the node that holds a slot.
    pub async fn holder(&self, slot: u16) -> usize {
        eventually("a node holds the slot", || async {
            for node in self.nodes.iter().filter(|node| node.is_running()) {
                let ranges: Vec<Vec<Value>> = node.ask(redis::cmd("CLUSTER").arg("SLOTS")).await.ok()?;
                let found = ranges.iter().find_map(|range| match &range[..] {
                    [Value::Int(first), Value::Int(last), Value::Array(primary), ..]
                        if (*first..=*last).contains(&i64::from(slot)) =>
                    {
                        port_of(primary)
                    }
                    _ => None,
                });
                let number = found.and_then(|port| self.nodes.iter().position(|node| node.port() == port));
                if let Some(number) = number.filter(|number| self.nodes[*number].is_running()) {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// Moves a slot to the next primary, keys and all, a few keys at a time; `between` is done while it is half-way.
    pub async fn move_slot<F: Future<Output = ()>>(&self, slot: u16, between: impl Fn() -> F) {
        let from = self.holder(slot).await;
        let to = self.another_primary(from).await;
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (source_id, target_id) = (id_of(source).await, id_of(target).await);
        let set = |change: &str, id: &str| {
            let mut set = redis::cmd("CLUSTER");
            set.arg("SETSLOT").arg(slot).arg(change).arg(id);
            set
        };
        target.ask::<()>(&set("IMPORTING", &source_id)).await.unwrap();
        source.ask::<()>(&set("MIGRATING", &target_id)).await.unwrap();
        loop {
            let mut list = redis::cmd("CLUSTER");
            list.arg("GETKEYSINSLOT").arg(slot).arg(MOVED_AT_ONCE);
            let keys: Vec<Vec<u8>> = source.ask(&list).await.unwrap();
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(target.port()).arg("").arg(0).arg(5_000).arg("KEYS").arg(keys);
            source.ask::<Value>(&migrate).await.unwrap();
            between().await;
        }
        for node in [target, source].into_iter().chain(&self.nodes) {
            // Replicas refuse and learn it from their primaries.
            let _ = node.ask::<()>(&set("NODE", &target_id)).await;
        }
    }

    async fn another_primary(&self, than: usize) -> usize {
        eventually("there is another primary", || async {
            for step in 1..NODES {
                let number = (than + step) % NODES;
                let node = &self.nodes[number];
                let is_primary = node.is_running() && node.role().await.as_deref() == Some("master");
                if is_primary {
                    return Some(number);
                }
            }
            None
        })
        .await
    }
}

async fn id_of(node: &RedisServer) -> String {
    node.ask(redis::cmd("CLUSTER").arg("MYID")).await.unwrap()
}

fn port_of(server: &[Value]) -> Option<u16> {
    match server.get(1) {
        Some(Value::Int(port)) => u16::try_from(*port).ok(),
        _ => None,
    }
}
