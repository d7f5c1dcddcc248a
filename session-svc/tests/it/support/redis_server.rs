//! A Redis of one test's own, to be killed, paused and started again.

use std::{process::Stdio, time::Duration};

use svc_kit::testing::free_port;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::eventually;

pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    data: TempDir,
    child: Child,
}

impl RedisServer {
    /// Starts a server that has every acknowledged write on disk.
    pub async fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    pub async fn start_with(arguments: &[&str]) -> Self {
        let port = free_port();
        let data = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let child = spawn(port, &data, &arguments);
        let server = Self { port, arguments, data, child };
        server.answers().await;
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the process as a crash would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Says whether the process was not killed.
    pub fn is_running(&self) -> bool {
        self.child.id().is_some()
    }

    /// Asks for something on a connection of its own.
    pub async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        command.query_async(&mut client.get_multiplexed_async_connection().await?).await
    }

    /// What it says it is: `master` or `slave`.
    pub async fn role(&self) -> Option<String> {
        let role: Vec<redis::Value> = self.ask(&redis::cmd("ROLE")).await.ok()?;
        redis::from_redis_value(role.into_iter().next()?).ok()
    }

    /// Starts it again on its data and its port.
    pub async fn restart(&mut self) {
        self.child = spawn(self.port, &self.data, &self.arguments);
        self.answers().await;
    }

    /// Stops the process where it is: connections stay open and nothing answers. Or lets it go on.
    pub async fn freeze(&self, is_frozen: bool) {
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }

    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(20)));
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }

    async fn answers(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        eventually("the server answers", || async {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }
}

fn spawn(port: u16, data: &TempDir, arguments: &[String]) -> Child {
    let program = std::env::var("LATCHKEY_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(arguments)
        .current_dir(data.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server is installed")
}
