//! A primary with two replicas and three sentinels of one test's own.

use std::{fs, process::Stdio};

use futures::future::join_all;
use svc_kit::testing::free_port;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{eventually, redis_server::RedisServer};

/// The name that the sentinels know.
pub const NAME: &str = "main";
const SENTINELS: usize = 3;

pub struct Sentinels {
    pub servers: Vec<RedisServer>,
    ports: Vec<u16>,
    _sentinels: Vec<Child>,
    _data: TempDir,
}

impl Sentinels {
    /// Starts everything; `password` is what sentinels ask for, `requirements` are further lines of their configuration.
    pub async fn start(password: &str) -> Self {
        let quick = ["--repl-diskless-sync-delay", "0", "--appendonly", "yes", "--appendfsync", "no"];
        let primary = RedisServer::start_with(&quick).await;
        let of = primary.port().to_string();
        let copy = [&quick[..], &["--replicaof", "127.0.0.1", &of]].concat();
        let mut servers = vec![primary];
        servers.extend(join_all((0..2).map(|_| RedisServer::start_with(&copy))).await);
        let (data, mut ports, mut sentinels) = (tempfile::tempdir().unwrap(), Vec::new(), Vec::new());
        for number in 0..SENTINELS {
            let (port, file) = (free_port(), data.path().join(format!("sentinel-{number}.conf")));
            let text = format!(
                "port {port}\nbind 127.0.0.1\nrequirepass \"{password}\"\nsentinel sentinel-pass \"{password}\"\n\
                 sentinel monitor {NAME} 127.0.0.1 {of} 2\nsentinel down-after-milliseconds {NAME} 500\n\
                 sentinel failover-timeout {NAME} 2000\nsentinel parallel-syncs {NAME} 2\n"
            );
            fs::write(&file, text).unwrap();
            ports.push(port);
            sentinels.push(spawn(&file));
        }
        let this = Self { servers, ports, _sentinels: sentinels, _data: data };
        this.know_each_other(password).await;
        this
    }

    /// All of them; `authority` is who we are to the servers, e.g. `user:password@`.
    pub fn url(&self, authority: &str) -> String {
        let hosts: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-sentinel://{authority}{}/{NAME}/0", hosts.join(","))
    }

    /// The number of the server that is the primary and runs.
    pub async fn primary(&self) -> usize {
        eventually("there is a primary", || async {
            for (number, server) in self.servers.iter().enumerate().filter(|(_, server)| server.is_running()) {
                let replication: String = server.ask(redis::cmd("INFO").arg("replication")).await.ok()?;
                if replication.contains("role:master") && !replication.contains("connected_slaves:0") {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    /// Waits until every copy has what the primary has.
    pub async fn are_equal(&self) {
        eventually("the copies are up to date", || async {
            let (mut written, mut copied) = (None, Vec::new());
            for server in self.servers.iter().filter(|server| server.is_running()) {
                let replication: String = server.ask(redis::cmd("INFO").arg("replication")).await.ok()?;
                let field = |name: &str| {
                    let value = replication.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                    value.map(str::to_owned)
                };
                match field("role").as_deref() {
                    Some("master") if written.is_none() => written = field("master_repl_offset"),
                    Some("slave") if field("master_link_status").as_deref() == Some("up") => {
                        copied.push(field("slave_repl_offset"));
                    }
                    _ => return None,
                }
            }
            copied.iter().all(|offset| *offset == written).then_some(())
        })
        .await;
    }

    async fn know_each_other(&self, password: &str) {
        for port in &self.ports {
            let client = redis::Client::open(format!("redis://:{password}@127.0.0.1:{port}")).unwrap();
            eventually("the sentinel knows the others and both replicas", || async {
                let mut connection = client.get_multiplexed_async_connection().await.ok()?;
                let mut ask = redis::cmd("SENTINEL");
                ask.arg("MASTER").arg(NAME);
                let known: std::collections::HashMap<String, String> = ask.query_async(&mut connection).await.ok()?;
                (known["num-other-sentinels"] == "2" && known["num-slaves"] == "2").then_some(())
            })
            .await;
        }
    }
}

fn spawn(file: &std::path::Path) -> Child {
    let program = std::env::var("LATCHKEY_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    Command::new(program)
        .arg(file)
        .arg("--sentinel")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed")
}
