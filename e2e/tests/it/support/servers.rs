//! Servers of one test's own, to be killed and started again on the same port and the same data.

use std::{
    path::Path,
    process::{Command as StdCommand, Stdio},
    time::Duration,
};

use lapin::{Connection, ConnectionProperties};
use sqlx::{Connection as _, PgConnection};
use svc_kit::testing::free_port;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::within;

/// A broker takes its time on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(120);
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

/// Sends a signal to a process group.
fn signal(signal: &str, child: &Child) {
    let group = format!("-{}", child.id().unwrap());
    let _ = StdCommand::new("kill").args([signal, "--", &group]).stderr(Stdio::null()).status();
}

/// A Redis that has every acknowledged write on disk.
pub struct OwnRedis {
    port: u16,
    data: TempDir,
    child: Child,
}

impl OwnRedis {
    pub async fn start() -> Self {
        let (port, data) = (free_port(), tempfile::tempdir().unwrap());
        let child = Self::spawn(port, data.path());
        let this = Self { port, data, child };
        this.answers().await;
        this
    }

    fn spawn(port: u16, data: &Path) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(data);
        command.stdout(Stdio::null()).process_group(0).kill_on_drop(true).spawn().unwrap()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    pub async fn restart(&mut self) {
        self.child = Self::spawn(self.port, self.data.path());
        self.answers().await;
    }

    /// Stops it where it is, connections open, or lets it go on.
    pub fn freeze(&self, is_frozen: bool) {
        signal(if is_frozen { "-STOP" } else { "-CONT" }, &self.child);
    }

    async fn answers(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        within(STARTS_WITHIN, "Redis answers", || async {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("PING").query_async::<String>(&mut connection).await.ok()
        })
        .await;
    }
}

/// A RabbitMQ node.
pub struct OwnRabbit {
    port: u16,
    distribution: u16,
    home: TempDir,
    child: Child,
}

impl OwnRabbit {
    pub async fn start() -> Self {
        let (port, distribution, home) = (free_port(), free_port(), tempfile::tempdir().unwrap());
        std::fs::write(home.path().join("empty.conf"), "").unwrap();
        let child = Self::spawn(port, distribution, home.path());
        let this = Self { port, distribution, home, child };
        this.answers().await;
        this
    }

    fn spawn(port: u16, distribution: u16, home: &Path) -> Child {
        let server = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "rabbitmq-server"];
        // Debian's program on the PATH changes to a user that may not write here.
        let server = server.into_iter().find(|path| Path::new(path).exists()).unwrap_or(server[1]);
        let mut command = Command::new(server);
        command.env("HOME", home).env("RABBITMQ_NODENAME", format!("latchkey-e2e-{port}@localhost"));
        command.env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1").env("RABBITMQ_NODE_PORT", port.to_string());
        command.env("RABBITMQ_DIST_PORT", distribution.to_string()).env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
        for (name, file) in [
            ("RABBITMQ_MNESIA_BASE", "mnesia"),
            ("RABBITMQ_LOG_BASE", "log"),
            ("RABBITMQ_PID_FILE", "pid"),
            ("RABBITMQ_CONFIG_FILE", "empty"),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", "plugins"),
        ] {
            command.env(name, home.join(file));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true).spawn().unwrap()
    }

    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    pub async fn kill(&mut self) {
        signal("-KILL", &self.child);
        self.child.wait().await.unwrap();
    }

    pub async fn restart(&mut self) {
        self.child = Self::spawn(self.port, self.distribution, self.home.path());
        self.answers().await;
    }

    async fn answers(&self) {
        let url = self.url();
        within(STARTS_WITHIN, "RabbitMQ answers", || async {
            // One that meets a broker which is coming up may wait for ever.
            let connection = Connection::connect(&url, ConnectionProperties::default());
            tokio::time::timeout(CONNECTS_WITHIN, connection).await.ok()?.ok()
        })
        .await;
    }
}

impl Drop for OwnRabbit {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            signal("-KILL", &self.child);
        }
    }
}

/// A PostgreSQL that has every acknowledged write on disk.
pub struct OwnPostgres {
    port: u16,
    data: TempDir,
    child: Child,
}

impl OwnPostgres {
    pub async fn start() -> Self {
        let data = home_of_postgres();
        let mut initdb = as_postgres("initdb");
        initdb.arg("-D").arg(data.path().join("db")).args(["-A", "trust", "-U", "root", "-E", "UTF8", "--no-sync"]);
        assert!(initdb.stdout(Stdio::null()).status().await.unwrap().success());
        Self::start_in(data).await
    }

    async fn start_in(data: TempDir) -> Self {
        let port = free_port();
        let child = Self::spawn(port, data.path());
        let this = Self { port, data, child };
        this.answers().await;
        this
    }

    /// Starts a standby, without which nothing is acknowledged any more.
    pub async fn standby(&self) -> Self {
        let (data, port) = (home_of_postgres(), self.port.to_string());
        let mut copy = as_postgres("pg_basebackup");
        copy.arg("-D").arg(data.path().join("db")).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "root",
            "-R",
            "-c",
            "fast",
        ]);
        assert!(copy.args(["--no-sync"]).stdout(Stdio::null()).status().await.unwrap().success());
        let standby = Self::start_in(data).await;
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        for statement in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        let (url, follows) = (self.url(), "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
        within(STARTS_WITHIN, "the standby follows", || async {
            let mut connection = PgConnection::connect(&url).await.ok()?;
            sqlx::query(follows).fetch_optional(&mut connection).await.ok()?
        })
        .await;
        standby
    }

    /// Makes of a standby the primary.
    pub async fn promote(&self) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        assert!(sqlx::query_scalar::<_, bool>("SELECT pg_promote()").fetch_one(&mut connection).await.unwrap());
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn spawn(port: u16, data: &Path) -> Child {
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(data.join("db")).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories="]).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true).spawn().unwrap()
    }

    pub fn url(&self) -> String {
        format!("postgres://root@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it as a crash would: the processes that serve connections die with their parent.
    pub async fn kill(&mut self) {
        let pid = std::fs::read_to_string(self.data.path().join("db/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        assert!(StdCommand::new("kill").args(["-QUIT", pid]).status().unwrap().success());
        self.child.wait().await.unwrap();
    }

    pub async fn restart(&mut self) {
        self.child = Self::spawn(self.port, self.data.path());
        self.answers().await;
    }

    async fn answers(&self) {
        let url = self.url();
        within(STARTS_WITHIN, "PostgreSQL answers", || async { PgConnection::connect(&url).await.ok() }).await;
    }
}

impl Drop for OwnPostgres {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(self.data.path().join("db/postmaster.pid")) {
            let _ = StdCommand::new("kill").args(["-QUIT", pid.lines().next().unwrap_or_default()]).status();
        }
    }
}

/// A folder for its data. Its own user cannot look into everybody's, and it will not run as root.
fn home_of_postgres() -> TempDir {
    let data = tempfile::Builder::new().prefix("latchkey-e2e-").tempdir_in("/var/tmp").unwrap();
    if is_root() {
        assert!(StdCommand::new("chown").arg("postgres").arg(data.path()).status().unwrap().success());
    }
    data
}

fn is_root() -> bool {
    StdCommand::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A program of PostgreSQL, as a user that it accepts.
fn as_postgres(program: &str) -> Command {
    let mut debian: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin").join(program)).collect())
        .unwrap_or_default();
    debian.sort();
    let program = debian.pop().unwrap_or_else(|| program.into());
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}
