//! The three services as processes, on a real Redis, RabbitMQ and PostgreSQL, with databases and names of their own.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    process::Stdio,
};

use futures::FutureExt as _;
use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use svc_kit::{
    bus::{DEAD_QUEUE, EXCHANGE, IN_QUEUE, PARTITIONS, UNROUTED_QUEUE},
    testing::free_port,
};
use tempfile::NamedTempFile;
use tokio::process::{Child, Command};

use super::{Stack, eventually, stack::SEED, unique};

/// Which servers to run on.
#[derive(Clone, Debug)]
pub struct Servers {
    pub redis: String,
    pub amqp: String,
    pub postgres: String,
}

impl Servers {
    /// Those that all tests share.
    pub fn shared() -> Self {
        let named = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
        Self {
            redis: named("LATCHKEY_TEST_REDIS_URL", "redis://127.0.0.1:6379"),
            amqp: named("LATCHKEY_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f"),
            postgres: named("LATCHKEY_TEST_POSTGRES_URL", "postgres://root@127.0.0.1:5432/postgres"),
        }
    }

    fn database(&self, name: &str) -> String {
        format!("{}/{name}", self.postgres.rsplit_once('/').unwrap().0)
    }
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Session,
    Auth,
    Webhook,
}

impl Service {
    const ALL: [Self; 3] = [Self::Session, Self::Auth, Self::Webhook];

    fn name(self) -> &'static str {
        match self {
            Self::Session => "session-svc",
            Self::Auth => "auth-svc",
            Self::Webhook => "webhook-svc",
        }
    }
}

type Settings = Vec<(&'static str, String)>;

/// The running processes.
pub struct Real {
    pub stack: Stack,
    servers: Servers,
    name: String,
    ports: [[u16; 3]; 3],
    more: Vec<(Service, &'static str, String)>,
    seed: NamedTempFile,
    running: [Option<Child>; 3],
}

/// Runs `test` on the servers that all tests share; removes what it left there, also when it fails.
pub async fn with_real(test: impl AsyncFnOnce(&mut Real)) {
    with_servers(Servers::shared(), test).await;
}

/// Runs `test` on these servers.
pub async fn with_servers(servers: Servers, test: impl AsyncFnOnce(&mut Real)) {
    let mut real = Real::create(servers).await;
    let ended = AssertUnwindSafe(async {
        real.start_all().await;
        test(&mut real).await;
    })
    .catch_unwind()
    .await;
    for service in Service::ALL {
        real.kill(service).await;
    }
    // The failure of the test says more than a failure to tidy up after it.
    let tidied = AssertUnwindSafe(real.remove()).catch_unwind().await;
    if let Err(panic) = ended.and(tidied) {
        resume_unwind(panic);
    }
}

impl Real {
    async fn create(servers: Servers) -> Self {
        let name = unique("e2e").replace('-', "_");
        let ports = [(); 3].map(|()| [(); 3].map(|()| free_port()));
        let seed = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(seed.path(), SEED).unwrap();
        for database in ["auth", "webhook"] {
            sql(&servers, format!("CREATE DATABASE {name}_{database}")).await;
        }
        let url = |service: Service| format!("http://127.0.0.1:{}", ports[service as usize][0]);
        let stack = Stack::elsewhere(
            format!("http://localhost:{}", ports[Service::Auth as usize][2]),
            [url(Service::Auth), url(Service::Session), url(Service::Webhook)],
        );
        Self { stack, servers, name, ports, more: Vec::new(), seed, running: [None, None, None] }
    }

    /// The servers that it runs on.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// What the names of its exchanges and queues begin with.
    pub fn prefix(&self) -> String {
        format!("{}.", self.name)
    }

    /// The database of auth-svc.
    pub fn auth_database(&self) -> String {
        self.servers.database(&format!("{}_auth", self.name))
    }

    /// The database of webhook-svc.
    pub fn webhook_database(&self) -> String {
        self.servers.database(&format!("{}_webhook", self.name))
    }

    async fn start_all(&mut self) {
        for service in [Service::Auth, Service::Webhook] {
            let done = self.command(service).arg("migrate").status().await.unwrap();
            assert!(done.success(), "{service:?} cannot be migrated");
        }
        for service in Service::ALL {
            self.start(service).await;
        }
    }

    fn command(&self, service: Service) -> Command {
        let [grpc, ops, http] = self.ports[service as usize];
        let local = |port: u16| format!("127.0.0.1:{port}");
        let (issuer, name) = (&self.stack.issuer, &self.name);
        let mut settings: Settings = vec![
            ("LATCHKEY_GRPC__LISTEN", local(grpc)),
            ("LATCHKEY_OPS__LISTEN", local(ops)),
            ("LATCHKEY_BUS__URLS", self.servers.amqp.clone()),
            ("LATCHKEY_BUS__PREFIX", format!("{name}.")),
            ("LATCHKEY_TELEMETRY__LOG_FILTER", "error".to_owned()),
        ];
        let keys =
            [("LATCHKEY_ACCESS__ISSUER", issuer.clone()), ("LATCHKEY_ACCESS__JWKS_URL", format!("{issuer}/jwks"))];
        match service {
            Service::Session => {
                settings.extend(keys);
                settings.push(("LATCHKEY_STORE__URL", self.servers.redis.clone()));
                settings.push(("LATCHKEY_STORE__PREFIX", format!("{name}.")));
            }
            Service::Auth => {
                settings.push(("LATCHKEY_HTTP__LISTEN", local(http)));
                settings.push(("LATCHKEY_HTTP__BASE_URL", issuer.clone()));
                settings.push(("LATCHKEY_POSTGRES__URL", self.servers.database(&format!("{name}_auth"))));
                settings.push(("LATCHKEY_SESSIONS__URL", self.stack.session.clone()));
                settings.push(("LATCHKEY_SEED__FILE", self.seed.path().display().to_string()));
            }
            Service::Webhook => {
                settings.extend(keys);
                settings.push(("LATCHKEY_HTTP__LISTEN", local(http)));
                settings.push(("LATCHKEY_POSTGRES__URL", self.servers.database(&format!("{name}_webhook"))));
            }
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey-service"));
        // Settings of ours and no others: what is set for the tests, or for the shell around them, is unknown to a service.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"LATCHKEY_")) {
            command.env_remove(name);
        }
        command.env("E2E_SERVICE", service.name()).envs(settings);
        let more = self.more.iter().filter(|(of, ..)| *of == service);
        command.envs(more.map(|(_, name, value)| (*name, value.as_str())));
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Gives a service another setting from its next start on; no value takes it back.
    pub fn set(&mut self, service: Service, name: &'static str, value: Option<&str>) {
        self.more.retain(|(of, other, _)| *of != service || *other != name);
        self.more.extend(value.map(|value| (service, name, value.to_owned())));
    }

    /// Starts a service and waits until it says that it can serve.
    pub async fn start(&mut self, service: Service) {
        self.spawn(service);
        self.ready(service).await;
    }

    /// Starts a service without waiting for it.
    pub fn spawn(&mut self, service: Service) {
        let child = self.command(service).spawn().unwrap();
        self.running[service as usize] = Some(child);
    }

    /// Waits until a service says that it can serve.
    pub async fn ready(&self, service: Service) {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports[service as usize][1]);
        eventually(&format!("{service:?} is ready"), || async {
            reqwest::get(&url).await.ok().filter(|response| response.status().is_success())
        })
        .await;
    }

    /// Kills a service as a crash would (SIGKILL).
    pub async fn kill(&mut self, service: Service) {
        if let Some(mut child) = self.running[service as usize].take() {
            child.kill().await.unwrap();
        }
    }

    async fn remove(&self) {
        for database in ["auth", "webhook"] {
            sql(&self.servers, format!("DROP DATABASE {}_{database} WITH (FORCE)", self.name)).await;
        }
        let connection = Connection::connect(&self.servers.amqp, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let named = |name: &str| format!("{}.{name}", self.name);
        let partitions = (0..PARTITIONS).map(|partition| named(&format!("{IN_QUEUE}.{partition:02}")));
        for queue in partitions.chain([named(DEAD_QUEUE), named(UNROUTED_QUEUE)]) {
            channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
        for exchange in [named(EXCHANGE), named(DEAD_QUEUE), named(UNROUTED_QUEUE)] {
            channel.exchange_delete(exchange.as_str().into(), ExchangeDeleteOptions::default()).await.unwrap();
        }
        let client = redis::Client::open(self.servers.redis.as_str()).unwrap();
        let mut redis = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<Vec<u8>> =
            redis::cmd("KEYS").arg(format!("{}.*", self.name)).query_async(&mut redis).await.unwrap();
        for some in keys.chunks(1_000) {
            redis::cmd("UNLINK").arg(some).query_async::<()>(&mut redis).await.unwrap();
        }
    }
}

async fn sql(servers: &Servers, statement: String) {
    let mut connection = PgConnection::connect(&servers.postgres).await.unwrap();
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}
